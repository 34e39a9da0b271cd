"""Prediction timed: one call of predict, by network and batch, against what people serve with."""

from __future__ import annotations

import importlib
import statistics
import time
from typing import Any

from benchmarks.predictors import PREDICTORS
from benchmarks.process import Process, Refused, start
from benchmarks.scores import refusals, threads_text
from benchmarks.table import number, render
from benchmarks.training import SETTLE

SERVICE = "benchmarks.inference:Service"
NETWORKS = ((64, 100, 10), (784, 512, 512, 10))
BATCHES = (1, 32, 4096)
# One row of the first network: µs through Python, and times faster than onnxruntime.
LATENCY_TARGET, RATIO_TARGET = 2.0, 5.0


class Service:
    """What a predicting worker answers."""

    def __init__(self, name: str, threads: int) -> None:
        module = importlib.import_module(f"benchmarks.predictors.{PREDICTORS[name][0]}")
        self.predictor_class = module.Predictor
        self.threads = threads
        self.predictor: Any = None
        self.prepared: Any = None

    def versions(self) -> dict[str, Any]:
        return self.predictor_class.versions()

    def load(self, layer_sizes: list[int], batch: int) -> float:
        """Check the probabilities against NumPy; the seconds that one call takes."""
        import numpy as np

        from benchmarks.grid import Row, make_task

        task = make_task(Row("predict", tuple(layer_sizes), batch, 1), "float32")
        self.predictor = self.predictor_class(task.parameters(), self.threads)
        self.prepared = self.predictor.prepare(task.X)
        H = task.X.astype(np.float64)
        for W, b in task.parameters():
            A = H @ W.T + b
            H = np.maximum(A, 0)
        expected = np.exp(A - A.max(axis=1, keepdims=True))
        expected /= expected.sum(axis=1, keepdims=True)
        off = np.abs(np.asarray(self.predictor.predict(self.prepared)) - expected).max()
        if not off < 1e-5:
            raise Refused(f"other probabilities: off by {off:.1e}, allowed is 1e-5")
        self.time(5)
        return self.time(5)

    def time(self, calls: int) -> float:
        """Seconds of one call, averaged over ``calls``, the result of each thrown away."""
        predict, prepared = self.predictor.predict, self.prepared
        start = time.perf_counter()
        for _ in range(calls):
            predict(prepared)
        return (time.perf_counter() - start) / calls


def run(
    names: list[str], threads: list[int], rounds: int, seconds: float
) -> tuple[list[dict[str, Any]], str, list[str]]:
    """The records, the tables, and what falls short."""
    records: list[dict[str, Any]] = []
    tables, short = [], []
    with start(SERVICE, names, threads) as (processes, absent):
        for n in threads:
            lines = []
            for sizes in NETWORKS:
                for batch in BATCHES:
                    running = [p for p in processes if p.threads == n]
                    results = _time_problem(running, sizes, batch, rounds, seconds)
                    results |= {
                        name: {"refused": why} for (name, m), why in absent.items() if m == n
                    }
                    records.append(
                        {
                            "layer_sizes": sizes,
                            "batch": batch,
                            "threads": n,
                            "results": results,
                        }
                    )
                    lines.append(_line(names, sizes, batch, results))
                    short += _verdicts(sizes, batch, n, results)
            header = ["µs per call", "batch", *(PREDICTORS[name][1] for name in names)]
            title = f"Prediction, float32, {threads_text(n)}, probabilities out"
            tables.append(f"{title}\n\n{render([*header, 'best peer / ours'], lines)}")
    short += refusals(
        (
            PREDICTORS[name][1],
            _where(record["layer_sizes"], record["batch"], record["threads"]),
            result,
        )
        for record in records
        for name, result in record["results"].items()
    )
    return records, "\n\n".join(tables), short


def _time_problem(
    processes: list[Process], sizes: tuple[int, ...], batch: int, rounds: int, seconds: float
) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    calls: dict[str, int] = {}
    for process in processes:
        name = process.name
        try:
            call_seconds = process.ask("load", layer_sizes=sizes, batch=batch)
        except Refused as reason:
            results[name] = {"refused": str(reason)}
            continue
        calls[name] = max(3, round(seconds / call_seconds))
        results[name] = {"us_per_call": []}
    running = [process for process in processes if process.name in calls]
    for _ in range(rounds):
        for process in running:
            time.sleep(SETTLE)
            spent = process.ask("time", calls=calls[process.name])
            results[process.name]["us_per_call"].append(1e6 * spent)
    for name in calls:
        results[name]["median"] = statistics.median(results[name]["us_per_call"])
    return results


def _line(
    names: list[str], sizes: tuple[int, ...], batch: int, results: dict[str, dict[str, Any]]
) -> list[str]:
    medians = {name: results.get(name, {}).get("median") for name in names}
    cells = [
        "refused" if "refused" in results.get(name, {}) else number(medians[name]) for name in names
    ]
    peers = [value for name, value in medians.items() if name != "ours" and value]
    ours = medians.get("ours")
    ratio = min(peers) / ours if peers and ours else None
    return ["-".join(map(str, sizes)), str(batch), *cells, number(ratio, "x")]


def _where(sizes: tuple[int, ...], batch: int, threads: int) -> str:
    return f"{'-'.join(map(str, sizes))}, batch {batch}, {threads_text(threads)}"


def _verdicts(
    sizes: tuple[int, ...], batch: int, threads: int, results: dict[str, dict[str, Any]]
) -> list[str]:
    where, said = _where(sizes, batch, threads), []
    medians = {name: result["median"] for name, result in results.items() if "median" in result}
    ours = medians.pop("ours", None)
    if ours is None or not medians:
        return said
    best = min(medians, key=lambda name: medians[name])
    if medians[best] < ours:
        said.append(
            f"LOST predict {where}: {number(medians[best] / ours, 'x')} of {PREDICTORS[best][1]}"
        )
    if sizes == NETWORKS[0] and batch == 1:
        if ours > LATENCY_TARGET:
            said.append(f"SHORT predict {where}: {number(ours)} µs, target {LATENCY_TARGET} µs")
        ratio = medians.get("onnxruntime", float("inf")) / ours
        if ratio < RATIO_TARGET:
            said.append(
                f"SHORT predict {where}: {number(ratio, 'x')} onnxruntime, target {RATIO_TARGET}x"
            )
    return said
