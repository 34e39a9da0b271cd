"""A process of its own for one contestant: pinned, threads set before its framework is imported.

``python -m benchmarks.worker MODULE:CLASS NAME THREADS CORES`` makes ``CLASS(NAME, THREADS)`` and
calls its methods: one JSON request a line from standard input, one JSON answer a line. A thread
setting or an OpenMP runtime of one framework thus never touches another's.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any


def limit_threads(threads: int, cores: list[int]) -> None:
    """Pin this process and tell every runtime its thread count, before any of them is imported."""
    os.sched_setaffinity(0, cores)
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)


def serve(service: str, name: str, threads: int) -> None:
    # A framework that prints must not end up in the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(value: Any = None, error: str | None = None) -> None:
        answers.write(json.dumps({"value": value, "error": error}) + "\n")

    def describe(error: Exception) -> str:
        if os.environ.get("BENCHMARKS_DEBUG"):
            traceback.print_exc()
        return f"{type(error).__name__}: {str(error).strip()[:300]}"

    try:
        module, _, cls = service.partition(":")
        served = getattr(importlib.import_module(module), cls)(name, threads)
    except Exception as error:
        answer(error=describe(error))
        return
    answer(os.getpid())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(getattr(served, request.pop("do"))(**request))
        except Exception as error:
            answer(error=describe(error))


if __name__ == "__main__":
    limit_threads(int(sys.argv[3]), [int(core) for core in sys.argv[4].split(",")])
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
