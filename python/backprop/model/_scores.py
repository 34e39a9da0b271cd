"""How good predictions are: numbers by name, and the tables that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import counted, share

# A confusion matrix wider than this does not fit a terminal; instead the largest counts are listed.
_MAX_COLUMNS = 20


class Block(NamedTuple):
    """One table: its title, its rows and, if they have names, its columns."""

    title: str
    rows: Sequence[Sequence[str]]
    header: Sequence[str] = ()


@dataclass(frozen=True)
class ClassificationReport:
    """Labels against predictions; ``confusion[i, j]`` counts class i predicted as class j.

    Attributes
    ----------
    loss : float
        The network's mean loss.
    confusion : ndarray of int (p, p)
    class_names : sequence of str
    auc : float or None
        The area under the ROC of the second of two classes.
    """

    loss: float
    confusion: NDArray[np.int64]
    class_names: Sequence[str]
    auc: float | None = None

    @classmethod
    def of(
        cls,
        loss: float,
        y: NDArray[np.int64],
        predicted: NDArray[np.int64],
        class_names: Sequence[str],
        probabilities: NDArray[Any] | None = None,
    ) -> ClassificationReport:
        """Count the pairs of true and predicted class."""
        p = len(class_names)
        confusion = np.bincount(y * p + predicted, minlength=p * p).reshape(p, p)
        two = p == 2 and probabilities is not None
        auc = area_under_roc(y, probabilities[:, 1]) if two and probabilities is not None else None
        return cls(loss, confusion, class_names, auc)

    @property
    def accuracy(self) -> float:
        """Share of the examples whose class was predicted."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def commonest(self) -> float:
        """The accuracy of always saying the commonest class."""
        return float(self.confusion.sum(axis=1).max() / self.confusion.sum())

    @property
    def balanced_accuracy(self) -> float:
        """The mean over the classes that occur of the share that is recognised."""
        counts = self.confusion.sum(axis=1)
        there = counts > 0
        return float(np.mean(np.diag(self.confusion)[there] / counts[there]))

    @property
    def f1(self) -> float:
        """The mean F1 of the classes that occur or are predicted."""
        right = np.diag(self.confusion)
        sizes = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return float(np.mean(2 * right[sizes > 0] / sizes[sizes > 0]))

    @property
    def scores(self) -> dict[str, float]:
        """All of it by name."""
        found = {
            "accuracy": self.accuracy,
            "loss": self.loss,
            "balanced_accuracy": self.balanced_accuracy,
            "f1": self.f1,
            "commonest_class": self.commonest,
        }
        return found if self.auc is None else {**found, "roc_auc": self.auc}

    def blocks(self, title: str, extra: Sequence[tuple[str, str]] = ()) -> list[Block]:
        """Return the tables to show: the numbers and ``extra``, then the confusion counts."""
        total, right = int(self.confusion.sum()), int(np.trace(self.confusion))
        rows = [
            ("accuracy", share(right, total)),
            ("correct", f"{right} of {total}"),
            ("always the commonest class", f"{self.commonest:.4f}"),
            ("balanced accuracy", f"{self.balanced_accuracy:.4f}"),
            ("F1, mean over classes", f"{self.f1:.4f}"),
        ]
        if self.auc is not None:
            rows.append(("area under the ROC", f"{self.auc:.4f}"))
        rows += [("loss", f"{self.loss:.4f}"), *extra]
        names = self.class_names
        if len(names) <= _MAX_COLUMNS:
            confusion = Block(
                "confusion counts (rows: true class, columns: predicted class)",
                [[names[i], *map(str, row)] for i, row in enumerate(self.confusion.tolist())],
                ["", *names],
            )
            return [Block(title, rows), confusion]
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        worst = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_COLUMNS]
        pairs = [divmod(int(i), len(names)) for i in worst]
        largest = Block(
            f"the largest confusion counts of {len(names)} classes",
            [[names[i], names[j], str(wrong[i, j])] for i, j in pairs],
            ["true class", "predicted class", "count"],
        )
        return [Block(title, rows), largest]

    def __str__(self) -> str:
        return "\n".join(line for block in self.blocks("scores") for line in lines(block))


@dataclass(frozen=True)
class RegressionReport:
    """Targets against predictions, in the target's own unit."""

    loss: float
    y: NDArray[np.float64]
    predicted: NDArray[np.float64]
    is_standardised: bool = True

    @property
    def r2(self) -> float:
        """Share of the target's variance that the predictions explain; NaN if it has none."""
        variance = float(np.var(self.y))
        residual = float(np.mean((self.y - self.predicted) ** 2))
        return 1 - residual / variance if variance > 0 else float("nan")

    @property
    def scores(self) -> dict[str, float]:
        """All of it by name."""
        residual = self.y - self.predicted
        return {
            "r2": self.r2,
            "rmse": float(np.sqrt(np.mean(residual**2))),
            "mae": float(np.mean(np.abs(residual))),
            "loss": self.loss,
        }

    def blocks(self, title: str, extra: Sequence[tuple[str, str]] = ()) -> list[Block]:
        """Return the table to show: R2, residuals, loss and ``extra``."""
        scores = self.scores
        rows = [
            ("R2", "undefined" if np.isnan(self.r2) else f"{self.r2:.4f}"),
            ("root mean square residual", f"{scores['rmse']:.6g}"),
            ("mean absolute residual", f"{scores['mae']:.6g}"),
            (
                "loss (of the standardised target)" if self.is_standardised else "loss",
                f"{self.loss:.4f}",
            ),
            *extra,
        ]
        return [Block(title, rows)]

    def __str__(self) -> str:
        return "\n".join(lines(self.blocks("scores")[0]))


def lines(block: Block) -> list[str]:
    """Return a block as text, its first column to the left and the others to the right."""
    rows = [block.header, *block.rows] if block.header else block.rows
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    shown = [block.title]
    for row in rows:
        first, *rest = (cell.rjust(size) for cell, size in zip(row, sizes, strict=True))
        shown.append("  ".join(["", first.strip().ljust(sizes[0]), *rest]))
    return shown


def area_under_roc(y: NDArray[np.int64], probability: NDArray[Any]) -> float | None:
    """Return how often a row of class 1 is ranked above one of class 0; ties count half."""
    positive = int(np.count_nonzero(y == 1))
    negative = len(y) - positive
    if not positive or not negative:
        return None
    _, places, counts = np.unique(probability, return_inverse=True, return_counts=True)
    # The mean rank of each value, from 1.
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = float(ranks[places.reshape(-1)][y == 1].sum())
    return (total - positive * (positive + 1) / 2) / (positive * negative)


def too_small(n: int, classes: bool) -> str:
    """Say that so few rows to test on tell little, or nothing if they are enough."""
    if n >= 50:
        return ""
    rows, are = counted(n, "row"), "is" if n == 1 else "are"
    if not classes:
        return f"{rows} to test on {are} too few to say much: R2 may be far off"
    # Two standard errors of a share, at its widest.
    off = min(1.0, 1.0 / np.sqrt(n))
    return (
        f"{rows} to test on {are} too few to say much: the accuracy may be off by up to {off:.2f}"
    )
