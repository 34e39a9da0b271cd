"""Features of mean 0 and standard deviation 1: x' = (x - mean) / scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

# Rows worked on at once: statistics are summed in float64 without a float64 copy of all of X.
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Standardizer:
    """The mean and scale of each feature, from `fit`, to apply to any later examples.

    Attributes
    ----------
    mean, scale : ndarray of float64, shape (n_features,)
        A feature that never varied has scale 1: it becomes 0 and stays finite.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, X: ArrayLike, *, shared: bool = False, name: str | None = None) -> Standardizer:
        """Measure the features of ``X``, in float64.

        Parameters
        ----------
        X : array_like of shape (n_examples, n_features)
        shared : bool
            Give all features one scale, the root of their mean variance. For features of one
            unit, such as pixels, that keeps a rarely used one from being blown up to the size
            of the others.
        name : str, optional
            What ``X`` is called in an error, where it has one column.

        Raises
        ------
        ValueError
            If ``X`` has no rows, another number of dimensions than 2, or non-finite values.
        """
        X = np.asarray(X)
        if X.ndim != 2 or len(X) == 0:
            raise ValueError(
                f"`X` must have shape (n_examples, n_features) with examples, got {X.shape}"
            )
        # What overflows is found below, and said once.
        with np.errstate(over="ignore", invalid="ignore"):
            mean = sum(block.sum(axis=0) for block in _blocks(X)) / len(X)
            variance = sum(((block - mean) ** 2).sum(axis=0) for block in _blocks(X)) / len(X)
        if not np.isfinite(variance).all():
            column = int(np.flatnonzero(~np.isfinite(variance))[0])
            if name is None:
                raise ValueError(
                    f"`X` must be finite and its squares must fit float64, column {column} does not"
                )
            raise ValueError(
                f"{name} must be finite and its squares must fit float64, got values up to "
                f"{np.abs(X).max():.3g}; scale it"
            )
        if shared:
            variance = np.full_like(variance, variance.mean())
        scale = np.sqrt(variance)
        # Rounding of the mean leaves a constant column a scale near 0 that would blow it up.
        constant = X.min(axis=0) == X.max(axis=0)
        scale[(constant.all() if shared else constant) | (scale == 0)] = 1.0
        return cls(mean, scale)

    def transform(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Standardised copy of ``X`` in ``dtype``, computed in float64.

        Raises
        ------
        ValueError
            If ``X`` has another number of features than the data that was measured.
        """
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != len(self.mean):
            raise ValueError(
                f"`X` must have {len(self.mean)} columns like the data the scaler was fitted to, "
                f"got shape {X.shape}"
            )
        Z = np.empty(X.shape, dtype=dtype)
        for start, block in zip(range(0, len(X), _ROWS), _blocks(X), strict=True):
            # What does not fit the dtype becomes infinite, which no network takes.
            with np.errstate(over="ignore"):
                Z[start : start + _ROWS] = (block - self.mean) / self.scale
        return Z

    def inverse_transform(self, Z: ArrayLike) -> NDArray[np.float64]:
        """Undo `transform`: ``z * scale + mean``, in float64."""
        return np.asarray(np.asarray(Z, dtype=np.float64) * self.scale + self.mean)


def same_unit(X: ArrayLike) -> bool:
    """Whether the features look like one kind of quantity, such as pixels or shares.

    Most of them must reach both the least and the greatest value of all ``X``, and there must be
    more than one.
    """
    X = np.asarray(X)
    lowest, highest = X.min(axis=0), X.max(axis=0)
    full = (lowest == lowest.min()) & (highest == highest.max())
    return X.shape[1] > 1 and bool(2 * np.count_nonzero(full) > X.shape[1])


def _blocks(X: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(X), _ROWS):
        yield np.asarray(X[start : start + _ROWS], dtype=np.float64)
