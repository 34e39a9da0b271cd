"""A contestant's own process: pinned, its threads set before its framework is imported.

Run as ``python -m benchmarks.worker NAME THREADS CORES``; reads one JSON request a line from
standard input and answers each with one JSON line. A thread setting or an OpenMP runtime of one
framework cannot touch another's.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any


def limit_threads(threads: int, cores: list[int]) -> None:
    """Pin this process and tell every runtime its thread count, before any import of one."""
    os.sched_setaffinity(0, cores)
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)


class Worker:
    """Serves the requests: load, verify, time, versions."""

    def __init__(self, name: str, threads: int) -> None:
        import importlib

        from benchmarks.contestants import CONTESTANTS

        module = importlib.import_module(f"benchmarks.contestants.{CONTESTANTS[name][0]}")
        self.contestant_class = module.Contestant
        self.threads = threads
        self.contestant: Any = None

    def versions(self) -> dict[str, Any]:
        return self.contestant_class.versions()

    def _make(self, row: str, dtype: str, optimizer: str, steps: int | None = None) -> Any:
        from benchmarks.grid import find_row, make_task

        task = make_task(find_row(row), dtype, optimizer, steps)
        return self.contestant_class(task, self.threads)

    def reference(self, row: str, optimizer: str, steps: int, path: str) -> None:
        """Weights after ``steps`` steps in float64, for ``verify``."""
        import numpy as np

        contestant = self._make(row, "float64", optimizer, steps)
        contestant.train(1)
        np.save(path, contestant.theta())

    def verify(
        self, row: str, dtype: str, optimizer: str, steps: int, path: str
    ) -> dict[str, float]:
        from benchmarks.verify import difference

        contestant = self._make(row, dtype, optimizer, steps)
        contestant.train(1)
        return difference(contestant.theta(), contestant.task, path)

    def load(self, row: str, dtype: str, optimizer: str) -> float:
        """Put the row's data in place and warm up; the seconds that one epoch takes."""
        self.contestant = None
        self.contestant = self._make(row, dtype, optimizer)
        for _ in range(2):
            self.contestant.reset()
            start = time.perf_counter()
            self.contestant.train(1)
            seconds = time.perf_counter() - start
        return seconds

    def time(self, epochs: int, warm: int) -> float:
        """Seconds of ``epochs`` epochs from the starting weights, after untimed ones."""
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


def serve(name: str, threads: int) -> None:
    # A framework that prints must not end up in the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(value: Any = None, error: str | None = None) -> None:
        answers.write(json.dumps({"value": value, "error": error}) + "\n")

    try:
        worker = Worker(name, threads)
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}")
        return
    answer(os.getpid())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(getattr(worker, request.pop("do"))(**request))
        except Exception as error:
            if os.environ.get("BENCHMARKS_TRACEBACK"):
                traceback.print_exc()
            answer(error=f"{type(error).__name__}: {str(error)[:300]}")


if __name__ == "__main__":
    limit_threads(int(sys.argv[2]), [int(core) for core in sys.argv[3].split(",")])
    serve(sys.argv[1], int(sys.argv[2]))
