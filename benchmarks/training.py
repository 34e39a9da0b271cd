"""Training timed: the worker's side of one contestant, and the interleaved rounds over many."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import statistics
import tempfile
import time
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.grid import Row
from benchmarks.process import Process, Refused

SERVICE = "benchmarks.training:Service"
# Idle OpenMP and BLAS threads spin after their last work, those of OpenBLAS for 0.11 seconds.
SETTLE = 0.2
STEPS_TO_VERIFY = 3

Result = dict[str, Any]


class Service:
    """What a training worker answers."""

    def __init__(self, name: str, threads: int) -> None:
        module = importlib.import_module(f"benchmarks.contestants.{CONTESTANTS[name][0]}")
        self.contestant_class = module.Contestant
        self.threads = threads
        self.contestant: Any = None

    def versions(self) -> dict[str, Any]:
        return self.contestant_class.versions()

    def _make(self, row: str, dtype: str, optimizer: str, steps: int | None = None) -> Any:
        from benchmarks.grid import find_row, make_task

        return self.contestant_class(
            make_task(find_row(row), dtype, optimizer, steps), self.threads
        )

    def reference(self, row: str, optimizer: str, path: str) -> None:
        """Save the weights after the steps to verify, in float64."""
        import numpy as np

        contestant = self._make(row, "float64", optimizer, STEPS_TO_VERIFY)
        contestant.train(1)
        np.save(path, contestant.theta())

    def verify(self, row: str, dtype: str, optimizer: str, path: str) -> dict[str, float]:
        """How far the weights after the same steps are from those saved, and how far they may."""
        from benchmarks.verify import difference

        contestant = self._make(row, dtype, optimizer, STEPS_TO_VERIFY)
        contestant.train(1)
        allowance = getattr(contestant, "allowance", {}).get(optimizer, 0.0)
        return difference(contestant.theta(), contestant.task, path, STEPS_TO_VERIFY, allowance)

    def load(self, row: str, dtype: str, optimizer: str) -> float:
        """Put the row's data in place and warm up; the seconds that one epoch takes."""
        self.contestant = None
        self.contestant = self._make(row, dtype, optimizer)
        self.contestant.train(1)
        return self.time(1, 1)

    def time(self, epochs: int, warm: int) -> float:
        """Seconds of ``epochs`` epochs from the starting weights, after ``warm`` untimed ones."""
        self.contestant.reset()
        self.contestant.train(warm)
        start = time.perf_counter()
        loss = self.contestant.train(epochs)
        seconds = time.perf_counter() - start
        if not loss < float("inf"):
            raise FloatingPointError(f"the loss became {loss}")
        return seconds

    def unload(self) -> None:
        self.contestant = None

    def memory(self, row: str, n_examples: int) -> dict[str, float]:
        """MB of the examples, and the peak that loading them and one epoch add to it."""
        from benchmarks.grid import find_row, make_task

        problem = find_row(row)
        # What a framework allocates once, on its first step, is not the price of this training;
        # and memory freed before but still held by malloc would hide some of it.
        self._make("iris", "float32", "sgd").train(1)
        task = make_task(problem, "float32", steps=n_examples // problem.batch_size)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        before = _resident_mb("VmRSS", reset_peak=True)
        self.contestant_class(task, self.threads).train(1)
        return {
            "data_mb": task.X.nbytes / 1e6,
            "extra_mb": _resident_mb("VmHWM") - before,
        }


def _resident_mb(field: str, reset_peak: bool = False) -> float:
    if reset_peak:
        with open("/proc/self/clear_refs", "w") as control:
            control.write("5")
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


def prepare(
    processes: list[Process], arbiter: Process, row: Row, dtype: str, optimizer: str
) -> dict[tuple[str, int], Result]:
    """Verify every process on a row and load the row into it.

    Returns
    -------
    For each (name, threads) what the check found, and the seconds of an epoch; or ``refused``.
    """
    problem = {"row": row.name, "dtype": dtype, "optimizer": optimizer}
    results: dict[tuple[str, int], Result] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "theta.npy")
        arbiter.ask("reference", row=row.name, optimizer=optimizer, path=path)
        for process in processes:
            key = process.name, process.threads
            try:
                check = process.ask("verify", **problem, path=path)
                if not check["difference"] <= check["allowed"]:
                    raise Refused(
                        "other weights: its update is off by {difference:.1e}, "
                        "allowed is {allowed:.1e}".format(**check)
                    )
                results[key] = {**check, "epoch_seconds": process.ask("load", **problem)}
            except Refused as reason:
                results[key] = {"refused": str(reason)}
    return results


def interleave(
    processes: list[Process],
    results: dict[tuple[str, int], Result],
    row: Row,
    rounds: int,
    seconds: float,
) -> None:
    """Time the prepared processes in turn, ``rounds`` times; adds ``us_per_step``, median, min."""
    running = [p for p in processes if "refused" not in results[p.name, p.threads]]
    times: dict[tuple[str, int], list[float]] = {(p.name, p.threads): [] for p in running}
    for _ in range(rounds):
        for process in list(running):
            key = process.name, process.threads
            epochs = max(1, round(seconds / results[key]["epoch_seconds"]))
            time.sleep(SETTLE)
            try:
                spent = process.ask("time", epochs=epochs, warm=max(1, epochs // 10))
            except Refused as reason:
                results[key] = {"refused": str(reason)}
                running.remove(process)
                continue
            times[key].append(1e6 * spent / (epochs * row.steps))
    for process in running:
        key = process.name, process.threads
        process.ask("unload")
        results[key]["us_per_step"] = times[key]
        results[key]["median"] = statistics.median(times[key])
        results[key]["min"] = min(times[key])
