"""What a data file is once it is read: numbers to learn from, a target, and their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples in rows, read from a file or bundled; ``X, y = dataset`` unpacks it.

    Attributes
    ----------
    X : ndarray of shape (n_examples, n_features)
        The features, real and finite, in the dtype they were stored in (float64 from text).
    y : ndarray of shape (n_examples,) or None
        The target as it was found: numbers, or text. None where the data has no target.
    name : str
        Where the data came from, for messages.
    feature_names : tuple of str
        One name for each column of ``X``; empty where the source names no columns.
    target_name : str or None
        The name of the target column, where the source has one.
    """

    X: NDArray[Any]
    y: NDArray[Any] | None
    name: str
    feature_names: tuple[str, ...] = ()
    target_name: str | None = None

    def __iter__(self) -> Iterator[Any]:
        yield self.X
        yield self.y

    def rows(self, rows: NDArray[np.int64]) -> Dataset:
        """Return a copy of some of the examples."""
        return replace(self, X=self.X[rows], y=None if self.y is None else self.y[rows])

    def __repr__(self) -> str:
        target = "no target" if self.y is None else f"target {self.target_name or 'y'!r}"
        return f"Dataset({self.name!r}, X {self.X.shape} {self.X.dtype}, {target})"


def checked(
    X: NDArray[Any], y: NDArray[Any] | None, name: str, *, y_name: str = "y"
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Refuse what no network can learn from; give back ``X`` and a one-dimensional ``y``."""
    if X.dtype.kind not in "biuf":
        raise TypeError(f"{name}: X must hold real numbers, got dtype {X.dtype}")
    if X.ndim != 2:
        raise ValueError(
            f"{name}: X must have shape (n_examples, n_features), got shape {X.shape}; "
            "reshape it with X.reshape(len(X), -1)"
        )
    if 0 in X.shape:
        raise ValueError(
            f"{name}: X must have at least one example and one feature, got shape {X.shape}"
        )
    _refuse_missing(X, f"{name}: X")
    if y is None:
        return X, None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            f"{name}: {y_name} must have shape (n_examples,), one target for each row of X, "
            f"got shape {y.shape}"
        )
    if len(y) != len(X):
        raise ValueError(
            f"{name}: {y_name} must have one target for each of the {len(X)} rows of X, "
            f"got {len(y)}"
        )
    if y.dtype.kind not in "biufU":
        raise TypeError(f"{name}: {y_name} must hold numbers or text, got dtype {y.dtype}")
    if y.dtype.kind == "f":
        _refuse_missing(y[:, None], f"{name}: {y_name}")
    return X, y


def position(columns: Sequence[str], wanted: str | int, kind: str, where: str) -> int:
    """Place among ``columns`` of the one named or counted; ``kind`` and ``where`` for messages."""
    if isinstance(wanted, int):
        if not -len(columns) <= wanted < len(columns):
            raise ValueError(
                f"{where}: the {kind} must be one of the {len(columns)} columns, "
                f"got position {wanted}"
            )
        return wanted % len(columns)
    if wanted in columns:
        return columns.index(wanted)
    from difflib import get_close_matches

    near = get_close_matches(wanted, columns, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
    raise ValueError(f"{where}: unknown {kind} column {wanted!r}; {hint}the columns are {shown}")


def _refuse_missing(X: NDArray[Any], what: str) -> None:
    if X.dtype.kind != "f":
        return
    # Row blocks: the Boolean temporary of a memory-mapped array must not be as long as the array.
    for start in range(0, len(X), 8192):
        finite = np.isfinite(X[start : start + 8192])
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise ValueError(
                f"{what} must be finite, got {X[start + row, column]} at row {start + row}, "
                f"column {column} (counted from 0); remove or fill the missing values first"
            )
