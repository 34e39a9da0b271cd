"""The parent's side of a worker, and the interleaved rounds."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.verify import STEPS

ROOT = Path(__file__).resolve().parent.parent
# Idle OpenMP and BLAS threads spin for a while after their last work.
SETTLE = 0.05


class Refused(Exception):
    """A contestant could not take part, and why."""


class Process:
    """A contestant's worker process."""

    def __init__(self, name: str, threads: int, cores: list[int]) -> None:
        self.name = name
        self.child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.worker",
                name,
                str(threads),
                ",".join(map(str, cores)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCHMARKS_TRACEBACK") else subprocess.DEVNULL,
            text=True,
        )
        try:
            self.pid = self._answer()
        except Refused:
            self.close()
            raise

    def _answer(self) -> Any:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise Refused(f"its process ended with code {self.child.wait()}")
        answer = json.loads(line)
        if answer["error"] is not None:
            raise Refused(answer["error"])
        return answer["value"]

    def ask(self, do: str, **arguments: Any) -> Any:
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            raise Refused(f"its process ended with code {self.child.wait()}") from None
        return self._answer()

    def close(self) -> None:
        assert self.child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        self.child.wait()


def all_cores() -> list[int]:
    """The cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def cores_of(threads: int) -> list[int]:
    """One thread is pinned to one core; otherwise the first ``threads`` cores are given."""
    cores = all_cores()
    return cores[-1:] if threads == 1 else cores[:threads]


class Field:
    """The contestants' processes for one thread count, and what became of those left out."""

    def __init__(self, names: list[str], threads: int) -> None:
        self.threads = threads
        self.processes: dict[str, Process] = {}
        self.absent: dict[str, str] = {}
        self.arbiter = Process("numpy", threads, cores_of(threads))
        for name in names:
            try:
                self.processes[name] = Process(name, threads, cores_of(threads))
            except Refused as reason:
                self.absent[name] = str(reason)

    def versions(self) -> dict[str, dict[str, Any]]:
        return {name: process.ask("versions") for name, process in self.processes.items()}

    def close(self) -> None:
        for process in [self.arbiter, *self.processes.values()]:
            process.close()

    def run_row(
        self, row: str, steps: int, dtype: str, optimizer: str, rounds: int, seconds: float
    ) -> dict[str, dict[str, Any]]:
        """Verify, then time in interleaved rounds: each contestant's times in µs per step."""
        results: dict[str, dict[str, Any]] = {
            name: {"refused": reason} for name, reason in self.absent.items()
        }
        problem = {"row": row, "dtype": dtype, "optimizer": optimizer}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "theta.npy")
            self.arbiter.ask("reference", row=row, optimizer=optimizer, steps=STEPS, path=path)
            epochs = {}
            for name, process in self.processes.items():
                try:
                    check = process.ask("verify", **problem, steps=STEPS, path=path)
                    results[name] = {"verified": check, "us_per_step": []}
                    if not check["difference"] <= check["allowed"]:
                        raise Refused(
                            "other weights: the update differs by {difference:.1e}, "
                            "allowed {allowed:.1e}".format(**check)
                        )
                    epoch = process.ask("load", **problem)
                    epochs[name] = max(1, round(seconds / epoch))
                except Refused as reason:
                    results[name] = {"refused": str(reason)}
            for _ in range(rounds):
                for name in list(epochs):
                    time.sleep(SETTLE)
                    warm = max(1, epochs[name] // 10)
                    try:
                        spent = self.processes[name].ask("time", epochs=epochs[name], warm=warm)
                    except Refused as reason:
                        results[name] = {"refused": str(reason)}
                        del epochs[name]
                        continue
                    results[name]["us_per_step"].append(1e6 * spent / (epochs[name] * steps))
        for name in epochs:
            self.processes[name].ask("unload")
        return {name: results[name] for name in CONTESTANTS if name in results}
