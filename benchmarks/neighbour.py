"""Threads that only help: with a busy neighbour on one core, and over a sweep of widths.

With two cores and a neighbour on one of them, a barrier waits for the half that does not run. A
pool that hands its work over badly makes two threads many times slower than one.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.grid import WIDTHS, Row, find_row, width_row
from benchmarks.process import Process, Refused, all_cores, start
from benchmarks.scores import NOISE, refusals, threads_text
from benchmarks.table import number, render
from benchmarks.training import SERVICE, interleave, prepare

ROWS = ("digits", "mnist-32", "mnist-128")
CONTENDERS = ("ours-fit", "torch", "numpy", "jax-scan")
ALLOWED = 1.2
# Ends with its parent, however that ends.
BUSY = """
import os
parent = os.getppid()
os.sched_setaffinity(0, [{core}])
print(flush=True)
while os.getppid() == parent:
    sum(range(100_000))
"""


@contextlib.contextmanager
def busy_neighbour(core: int) -> Iterator[None]:
    """A process that keeps one core busy."""
    child = subprocess.Popen([sys.executable, "-c", BUSY.format(core=core)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield
    finally:
        child.kill()
        child.wait()


def _measure(
    processes: list[Process], arbiter: Process, row: Row, rounds: int, seconds: float
) -> dict[tuple[str, int], Any]:
    results = prepare(processes, arbiter, row, "float32", "sgd")
    interleave(processes, results, row, rounds, seconds)
    return results


def _cases(row: Row, results: dict[tuple[str, int], Any]) -> list[tuple[str, str, Any]]:
    """As `refusals` takes them."""
    return [
        (CONTESTANTS[name][1], f"{row.name}, {threads_text(n)}", result)
        for (name, n), result in results.items()
    ]


def run_neighbour(
    names: list[str], rounds: int, seconds: float
) -> tuple[list[dict[str, Any]], str, list[str]]:
    """One and all threads, alone and with a neighbour: records, table, what falls short."""
    names = [name for name in names if name in CONTENDERS]
    n = len(all_cores())
    if n == 1:
        return [], "A busy neighbour needs two cores to be told from an idle one.", []
    records, lines, short, refused = [], [], [], []
    with (
        start(SERVICE, names, [1, n]) as (processes, absent),
        Process(SERVICE, "numpy", 1) as arbiter,
    ):
        for row in map(find_row, ROWS):
            idle = _measure(processes, arbiter, row, rounds, seconds)
            # One thread is pinned to the last core, the neighbour to the first.
            with busy_neighbour(all_cores()[0]):
                busy = _measure(processes, arbiter, row, rounds, seconds)
            refused += _cases(row, idle)
            for name in names:
                times = {
                    f"{state}_{threads}": found.get((name, threads), {}).get("median")
                    for state, found in (("idle", idle), ("busy", busy))
                    for threads in (1, n)
                }
                one, both = times["busy_1"], times[f"busy_{n}"]
                ratio = both / one if one and both else None
                records.append({"row": row.name, "name": name, **times, "ratio": ratio})
                lines.append(
                    [
                        row.name,
                        CONTESTANTS[name][1],
                        *map(number, times.values()),
                        number(ratio, "x"),
                    ]
                )
                if name == "ours-fit" and ratio and ratio > ALLOWED:
                    short.append(
                        f"SHORT {row.name} beside a busy neighbour: {n} threads take "
                        f"{number(ratio, 'x')} the time of one, allowed {ALLOWED}x"
                    )
    header = ["µs per step", "", "1 thread", f"{n} threads", "busy, 1", f"busy, {n}", "busy ratio"]
    refused += [
        (CONTESTANTS[name][1], threads_text(threads), {"refused": why})
        for (name, threads), why in absent.items()
    ]
    title = f"A busy neighbour process on one of {n} cores, float32"
    return records, f"{title}\n\n{render(header, lines)}", short + refusals(refused)


def run_widths(rounds: int, seconds: float) -> tuple[list[dict[str, Any]], str, list[str]]:
    """Ours with one and all threads over two hidden layers of each width, interleaved."""
    n = len(all_cores())
    records, lines, short, refused = [], [], [], []
    name = "ours-fit"
    with (
        start(SERVICE, [name], sorted({1, n})) as (processes, absent),
        Process(SERVICE, "numpy", 1) as arbiter,
    ):
        if absent:
            raise Refused(next(iter(absent.values())))
        for row in map(width_row, WIDTHS):
            results = _measure(processes, arbiter, row, rounds, seconds)
            refused += _cases(row, results)
            one, both = (results[name, threads].get("median") for threads in (1, n))
            ratio = one / both if one and both else None
            records.append({"row": row.name, "one": one, "all": both, "speedup": ratio})
            lines.append([row.name, number(one), number(both), number(ratio, "x")])
            if ratio and ratio < 1 / NOISE:
                short.append(f"SLOWER {row.name}: {n} threads take {number(1 / ratio, 'x')} of one")
    title = "Ours over a sweep of widths, 64-w-w-10 at batch 64, float32"
    header = ["µs per step", "1 thread", f"{n} threads", "speed-up"]
    return records, f"{title}\n\n{render(header, lines)}", short + refusals(refused)
