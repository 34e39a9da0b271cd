"""How good predictions are, in numbers and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backprop.cli._console import table

# A confusion matrix wider than this does not fit a terminal; its largest confusions are listed.
_MAX_COLUMNS = 20


@dataclass(frozen=True)
class ClassificationReport:
    """Labels against predictions; ``confusion[i, j]`` counts class i predicted as class j."""

    loss: float
    confusion: NDArray[np.int64]
    class_names: Sequence[str]

    @classmethod
    def of(
        cls,
        loss: float,
        y: NDArray[np.int64],
        predicted: NDArray[np.int64],
        class_names: Sequence[str],
    ) -> ClassificationReport:
        """Count the pairs of true and predicted class."""
        p = len(class_names)
        confusion = np.bincount(y * p + predicted, minlength=p * p).reshape(p, p)
        return cls(loss, confusion, class_names)

    @property
    def accuracy(self) -> float:
        """Share of the examples whose class was predicted."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    def show(self, title: str, extra: Sequence[tuple[str, str]] = ()) -> None:
        """Print accuracy, loss and ``extra``, then the confusion counts."""
        total, right = int(self.confusion.sum()), int(np.trace(self.confusion))
        rows = [
            ("accuracy", f"{self.accuracy:.4f}"),
            ("correct", f"{right} of {total}"),
            ("loss", f"{self.loss:.4f}"),
            *extra,
        ]
        table(title, rows)
        names = self.class_names
        if len(names) <= _MAX_COLUMNS:
            table(
                "confusion counts (rows: true class, columns: predicted class)",
                [[names[i], *map(str, row)] for i, row in enumerate(self.confusion.tolist())],
                ["", *names],
            )
            return
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        worst = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_COLUMNS]
        pairs = [divmod(int(i), len(names)) for i in worst]
        table(
            f"the largest confusion counts of {len(names)} classes",
            [[names[i], names[j], str(wrong[i, j])] for i, j in pairs],
            ["true class", "predicted class", "count"],
        )


@dataclass(frozen=True)
class RegressionReport:
    """Targets against predictions, in the target's own unit."""

    loss: float
    y: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @property
    def r2(self) -> float:
        """Share of the target's variance that the predictions explain; NaN if it has none."""
        variance = float(np.var(self.y))
        residual = float(np.mean((self.y - self.predicted) ** 2))
        return 1 - residual / variance if variance > 0 else float("nan")

    def show(self, title: str, extra: Sequence[tuple[str, str]] = ()) -> None:
        """Print R2, root mean square and mean absolute residual, loss and ``extra``."""
        residual = self.y - self.predicted
        rows = [
            ("R2", f"{self.r2:.4f}"),
            ("root mean square residual", f"{np.sqrt(np.mean(residual**2)):.6g}"),
            ("mean absolute residual", f"{np.mean(np.abs(residual)):.6g}"),
            ("loss (of the standardised target)", f"{self.loss:.4f}"),
            *extra,
        ]
        table(title, rows)
