"""``python -m benchmarks``: every table, one JSON file, one plot."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import footprint, inference, machine, neighbour, plot
from benchmarks.contestants import CONTESTANTS, OURS
from benchmarks.grid import OPTIMIZERS, ROWS, find_row
from benchmarks.predictors import PREDICTORS
from benchmarks.process import Process, Refused, all_cores, start
from benchmarks.scores import JUDGED, Score, grid_table, refusals, slower_with_threads, threads_text
from benchmarks.table import number
from benchmarks.training import SERVICE, interleave, prepare

PARTS = ("grid", "widths", "neighbour", "inference", "imports", "memory")


def words(allowed: tuple[str, ...] | None = None) -> Callable[[str], list[str]]:
    """An argparse type: a comma-separated list, each item among ``allowed``."""

    def parse(text: str) -> list[str]:
        found = text.split(",")
        for word in found:
            if allowed and word not in allowed:
                raise argparse.ArgumentTypeError(f"must be among {', '.join(allowed)}: {word!r}")
        return found

    return parse


def rows_named(text: str) -> list[str]:
    try:
        return [find_row(name).name for name in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def thread_counts(text: str) -> list[int]:
    n = len(all_cores())
    counts = sorted({n if word == "all" else int(word) for word in text.split(",")})
    if counts[0] < 1 or counts[-1] > n:
        raise argparse.ArgumentTypeError(f"must be between 1 and the {n} cores: {text!r}")
    return counts


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--parts", type=words(PARTS), default=list(PARTS), help="among " + ", ".join(PARTS))
    add("--rows", type=rows_named, default=[row.name for row in ROWS], help="rows of the grid")
    add("--contestants", type=words(tuple(CONTESTANTS)), default=list(CONTESTANTS))
    add("--dtype", type=words(("float32", "float64")), default=["float32"])
    add("--optimizer", type=words(OPTIMIZERS), default=["sgd"])
    add("--threads", type=thread_counts, default=thread_counts("1,all"), help="as in 1,all")
    add("--rounds", type=int, default=7, help="interleaved rounds")
    add("--statistic", choices=("median", "min"), default="median", help="of the rounds")
    add("--seconds", type=float, default=0.2, help="about this long per contestant and round")
    add("--quick", action="store_true", help="3 short rounds, without the rows wide and big")
    add("--json", metavar="FILE", help="write everything measured")
    add("--plot", metavar="FILE", help="draw the grid")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds = 3, 0.05
        chosen.rows = [name for name in chosen.rows if name not in ("wide", "big")]
    return chosen


def progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def run_grid(
    chosen: argparse.Namespace, peaks: dict[str, dict[str, float]] | None, report: dict[str, Any]
) -> list[tuple[str, list[Score]]]:
    """Print the grid's tables; fill the report; the scores for the plot, by title."""
    names, drawn = chosen.contestants, []
    with (
        start(SERVICE, names, chosen.threads) as (processes, absent),
        Process(SERVICE, "numpy", chosen.threads[-1]) as arbiter,
    ):
        report["versions"] = {p.name: p.ask("versions") for p in processes}
        for optimizer in chosen.optimizer:
            for dtype in chosen.dtype:
                scores = []
                for row in map(find_row, chosen.rows):
                    results = {key: {"refused": why} for key, why in absent.items()}
                    results |= prepare(processes, arbiter, row, dtype, optimizer)
                    interleave(processes, results, row, chosen.rounds, chosen.seconds)
                    for n in chosen.threads:
                        mine = {name: results[name, n] for name in names}
                        peak = peaks[dtype][str(n)] if peaks else None
                        scores.append(Score(row, n, mine, peak, chosen.statistic))
                        report["grid"].append(record(scores[-1], dtype, optimizer))
                        progress(
                            f"{row.name}, {dtype}, {optimizer}, {threads_text(n)}: "
                            f"{number(scores[-1].us(JUDGED))} µs, {number(scores[-1].ratio, 'x')}"
                        )
                title = f"{dtype}, {optimizer}"
                drawn.append((title, scores))
                print_grid(title, scores, chosen)
    return drawn


def record(score: Score, dtype: str, optimizer: str) -> dict[str, Any]:
    return {
        "row": score.row.name,
        "layer_sizes": score.row.layer_sizes,
        "batch_size": score.row.batch_size,
        "flops": score.row.flops,
        "dtype": dtype,
        "optimizer": optimizer,
        "threads": score.threads,
        "peak_gflops": score.peak,
        "best_peer": score.best_peer,
        "ratio": score.ratio,
        "target_ratio": score.row.target_ratio,
        "target_peak": score.row.target_peak,
        "results": {
            name: {**result, "gflops": score.gflops(name), "share_of_peak": score.share(name)}
            for name, result in score.results.items()
        },
    }


def print_grid(title: str, scores: list[Score], chosen: argparse.Namespace) -> None:
    for n in chosen.threads:
        mine = [score for score in scores if score.threads == n]
        peak = f", peak {mine[0].peak} GFLOP/s" if mine[0].peak else ""
        how = f"{chosen.statistic} of {chosen.rounds} rounds"
        print(f"\n{title}, {threads_text(n)}{peak}, {how}\n")
        print(grid_table(mine, chosen.contestants))
        said = [verdict for score in mine for verdict in score.verdicts()]
        said += refusals(
            (CONTESTANTS[name][1], score.row.name, result)
            for score in mine
            for name, result in score.results.items()
        )
        if JUDGED not in chosen.contestants:
            said.append(f"NOTE no verdict: {CONTESTANTS[JUDGED][1]} does not take part")
        print("\n" + "\n".join(sorted(said, key=_gravity) or ["Every row meets its targets."]))
    for verdict in slower_with_threads(scores):
        print(verdict)


def _gravity(verdict: str) -> int:
    return ("LOST", "SHORT", "REFUSED", "NOTE").index(verdict.split()[0])


def main() -> None:
    chosen = arguments()
    report: dict[str, Any] = {"settings": dict(vars(chosen)), "grid": []}
    report["machine"] = {**machine.processor(), **machine.software()}
    started = time.time()
    peaks = machine.peaks(chosen.dtype, chosen.threads)
    report["peak_gflops"] = peaks
    print(describe_machine(report["machine"], peaks))
    if report["machine"]["load"] > 0.5:
        print(f"NOT QUIET: load {report['machine']['load']:.1f} before the start")
    ours = [name for name in chosen.contestants if name in OURS]

    drawn: list[tuple[str, list[Score]]] = []
    if "grid" in chosen.parts:
        drawn = run_grid(chosen, peaks, report)
        for name, versions in report["versions"].items():
            print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in versions.items()))
    if "widths" in chosen.parts and "ours-fit" in ours:
        progress("widths")
        try:
            report["widths"], text, short = neighbour.run_widths(chosen.rounds, chosen.seconds)
            print(f"\n{text}\n\n" + "\n".join(short))
        except Refused as reason:
            print(f"\nREFUSED the sweep of widths: {reason}")
    if "neighbour" in chosen.parts:
        progress("neighbour")
        report["neighbour"], text, short = neighbour.run_neighbour(
            chosen.contestants, chosen.rounds, chosen.seconds
        )
        print(f"\n{text}\n\n" + "\n".join(short))
    if "inference" in chosen.parts:
        progress("inference")
        report["inference"], text, short = inference.run(
            list(PREDICTORS), chosen.threads, chosen.rounds, chosen.seconds
        )
        print(f"\n{text}\n\n" + "\n".join(short))
    if "imports" in chosen.parts:
        progress("imports")
        report["imports"], text = footprint.run_imports(chosen.rounds)
        print(f"\n{text}")
    if "memory" in chosen.parts:
        progress("memory")
        report["memory"], text = footprint.run_memory(chosen.contestants)
        print(f"\n{text}")

    report["seconds"] = round(time.time() - started)
    print(f"\n{report['seconds']} s")
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump(report, file, indent=1)
    if chosen.plot and drawn:
        plot.save(drawn[0][1], chosen.contestants, drawn[0][0], chosen.plot)


def describe_machine(found: dict[str, Any], peaks: dict[str, dict[str, float]] | None) -> str:
    caches = " ".join(f"{level} {size}" for level, size in found["caches"].items())
    text = (
        f"{found['model']} ({found['family']}), {found['cores']} cores, {found['level']}, {caches}"
        f"; Python {found['python']}, Linux {found['kernel']}"
    )
    if not peaks:
        return text + "\nno C++ compiler: the limit of the processor was not measured"
    for dtype, by_threads in peaks.items():
        limits = ", ".join(f"{threads_text(int(n))} {peak}" for n, peak in by_threads.items())
        text += f"\nfused multiply-add limit, GFLOP/s, {dtype}: {limits}"
    return text


if __name__ == "__main__":
    main()
