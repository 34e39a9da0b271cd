"""The parent's side of a worker: start it, ask it, end it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Refused(Exception):
    """A contestant cannot take part, and why."""


def all_cores() -> list[int]:
    """The cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def cores_of(threads: int) -> list[int]:
    """One thread is pinned to one core, the last; more get as many cores, the first ones."""
    cores = all_cores()
    return cores[-1:] if threads == 1 else cores[:threads]


class Process:
    """A worker process, driven over its pipes; ends with the ``with`` block."""

    def __init__(self, service: str, name: str, threads: int) -> None:
        self.name, self.threads = name, threads
        cores = ",".join(map(str, cores_of(threads)))
        self.child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", service, name, str(threads), cores],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCHMARKS_DEBUG") else subprocess.DEVNULL,
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
        """Call the service's method ``do``; its answer, or Refused with its error."""
        assert self.child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.child.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self.child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        self.child.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextlib.contextmanager
def start(
    service: str, names: list[str], threads: list[int]
) -> Iterator[tuple[list[Process], dict[tuple[str, int], str]]]:
    """Processes for each name and thread count, and the reasons of those that did not start."""
    with contextlib.ExitStack() as stack:
        processes, absent = [], {}
        for name, n in itertools.product(names, threads):
            try:
                process = Process(service, name, n)
            except Refused as reason:
                absent[name, n] = str(reason)
                continue
            processes.append(stack.enter_context(process))
        yield processes, absent
