"""What the times mean: ratio to the best peer, GFLOP/s, share of the limit, and what falls short.

The table's verdicts are about ours through the public Python API, not about the C++ core alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.contestants import CONTESTANTS, PEERS
from benchmarks.grid import Row
from benchmarks.table import number, render

JUDGED = "ours-fit"
# Two runs of one program differ by this much; less is not "slower".
NOISE = 1.03


@dataclass
class Score:
    """A row's verdict for one thread count."""

    row: Row
    threads: int
    results: dict[str, dict[str, Any]]
    peak: float | None
    statistic: str = "median"

    def us(self, name: str) -> float | None:
        """µs per step: the rounds' median, or their minimum on a machine that is not quiet."""
        return self.results.get(name, {}).get(self.statistic)

    @property
    def best_peer(self) -> str | None:
        timed = [name for name in PEERS if self.us(name) is not None]
        return min(timed, key=lambda name: self.results[name][self.statistic], default=None)

    @property
    def ratio(self) -> float | None:
        """How many times faster than the best peer ours is."""
        ours, best = self.us(JUDGED), self.best_peer
        return self.results[best][self.statistic] / ours if ours and best else None

    def gflops(self, name: str) -> float | None:
        us = self.us(name)
        return self.row.flops / us / 1e3 if us else None

    def share(self, name: str) -> float | None:
        gflops = self.gflops(name)
        return gflops / self.peak if gflops and self.peak else None

    def verdicts(self) -> list[str]:
        """What falls short on this row."""
        said = []
        where = f"{self.row.name}, {threads_text(self.threads)}"
        ratio, share, best = self.ratio, self.share(JUDGED), self.best_peer
        if ratio is None or best is None:
            return said
        if ratio < 1:
            said.append(f"LOST {where}: {number(ratio, 'x')} of {CONTESTANTS[best][1]}")
        elif ratio < self.row.target_ratio:
            target = number(self.row.target_ratio, "x")
            said.append(f"SHORT {where}: {number(ratio, 'x')} the best peer, target {target}")
        if share is not None and share < self.row.target_peak:
            said.append(
                f"SHORT {where}: {share:.0%} of the limit, target {self.row.target_peak:.0%}"
            )
        return said


def threads_text(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def grid_table(scores: list[Score], names: list[str]) -> str:
    """One line a row: everyone's µs per step, then ours against the best peer and the limit."""
    header = ["µs per step", *(CONTESTANTS[name][1] for name in names)]
    header += ["best peer", "ratio", "target", "GFLOP/s", "% of peak", "target"]
    rows = []
    for score in scores:
        times = [
            "refused" if "refused" in score.results.get(name, {}) else number(score.us(name))
            for name in names
        ]
        best = score.best_peer
        share = score.share(JUDGED)
        rows.append(
            [
                score.row.name,
                *times,
                CONTESTANTS[best][1] if best else "-",
                number(score.ratio, "x"),
                number(score.row.target_ratio or None, "x"),
                number(score.gflops(JUDGED)),
                "-" if share is None else f"{share:.0%}",
                f"{score.row.target_peak:.0%}" if score.row.target_peak else "-",
            ]
        )
    return render(header, rows)


def refusals(cases: Iterable[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """Who was refused, where and why; said once for all the cases of one reason.

    ``cases`` are (who, where, result).
    """
    where_by_reason: dict[tuple[str, str], list[str]] = {}
    for who, where, result in cases:
        if "refused" in result:
            where_by_reason.setdefault((who, result["refused"]), []).append(where)
    return [
        f"REFUSED {who} ({'; '.join(where)}): {reason}"
        for (who, reason), where in where_by_reason.items()
    ]


def slower_with_threads(scores: list[Score]) -> list[str]:
    """Rows on which ours takes longer with all threads than with one."""
    one = {score.row.name: score.us(JUDGED) for score in scores if score.threads == 1}
    said = []
    for score in scores:
        alone, together = one.get(score.row.name), score.us(JUDGED)
        if alone and together and together > NOISE * alone:
            said.append(
                f"SLOWER {score.row.name}: {number(together)} µs with {score.threads} threads, "
                f"{number(alone)} with one"
            )
    return said
