"""Seeded division of the examples, keeping the share of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.data._labels import as_classes


def split_indices(
    y: ArrayLike,
    test_size: float | int,
    *,
    stratify: bool | ArrayLike | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of the two parts that `train_test_split` makes, each in ascending order."""
    # An array has no index by which a series would be read.
    y = np.asarray(y)
    m = len(y)
    classes = _classes(y, stratify)
    n_test = _count(test_size, m)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(m)
    if classes is not None:
        shuffled = _interleave_classes(classes[shuffled], shuffled)
    return np.sort(shuffled[n_test:]), np.sort(shuffled[:n_test])


def train_test_split(
    X: ArrayLike,
    y: ArrayLike,
    *,
    test_size: float | int = 0.2,
    stratify: bool | ArrayLike | None = None,
    seed: int = 0,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Divide examples at random into a part to train on and a part to test on.

    Parameters
    ----------
    X : array_like of shape (n_examples, n_features)
    y : array_like of shape (n_examples,) or (n_examples, n_outputs)
    test_size : float or int
        The share (0 < share < 1) or the number of examples of the test part.
    stratify : bool or array_like (n_examples,), optional
        Whether each class of ``y`` gets its share of both parts; by default if ``y`` is
        one-dimensional and holds integers, Booleans or text. Or other classes that do.
    seed : int
        The same seed gives the same parts.

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarrays
        Copies, the rows in their old order.

    Raises
    ------
    ValueError
        If ``X`` and ``y`` differ in length, a part would be empty, or a class is missing.
    TypeError
        If the classes to stratify by are neither numbers nor text.
    """
    X, y = np.asarray(X), np.asarray(y)
    if len(X) != len(y):
        raise ValueError(
            f"`y` must have one target for each of the {len(X)} rows of `X`, got {len(y)}"
        )
    train, test = split_indices(y, test_size, stratify=stratify, seed=seed)
    return X[train], X[test], y[train], y[test]


def _classes(y: NDArray[Any], stratify: Any) -> NDArray[Any] | None:
    """Return the classes that get their share of both parts, None for none."""
    if stratify is None:
        # Objects are text in a series of pandas; anything else in them is no class.
        if y.ndim != 1 or y.dtype.kind not in "biuUOT":
            return None
        classes = as_classes(y)
        return classes if classes.dtype.kind in "biuU" else None
    if isinstance(stratify, bool | np.bool_):
        return as_classes(y) if stratify else None
    classes = as_classes(stratify)
    if classes.shape != (len(y),):
        raise ValueError(
            f"`stratify` must be True, False, or one class for each of the {len(y)} examples, got "
            f"shape {classes.shape}"
        )
    return classes


def _interleave_classes(y: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order ``rows`` so that every prefix holds each class in its share, to within one example."""
    _, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
    by_class = np.argsort(labels, kind="stable")
    first = np.cumsum(counts) - counts
    # The i-th of the c examples of a class stands at (i + 1/2) / c of the whole.
    place = np.arange(len(rows)) - np.repeat(first, counts)
    position = (place + 0.5) / np.repeat(counts, counts)
    return rows[by_class[np.argsort(position, kind="stable")]]


def _count(test_size: float | int, m: int) -> int:
    whole = isinstance(test_size, (int, np.integer)) and not isinstance(test_size, bool)
    count = 0
    if whole:
        count = int(test_size)
    elif 0 < test_size < 1:
        count = round(test_size * m)
    if not 0 < count < m:
        raise ValueError(
            "`test_size` must be a share between 0 and 1 or a number of examples that leaves "
            f"both parts some of the {m}, got {test_size}"
        )
    return count
