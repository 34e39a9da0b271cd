"""Targets of any kind to class labels 0..p-1, with the names they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Whole numbers are taken for classes up to this many; above it for quantities.
_MAX_NUMERIC_CLASSES = 30


def encode_labels(
    y: ArrayLike, class_names: Sequence[str] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Give the classes of ``y`` numbers from 0 in sorted order.

    Parameters
    ----------
    y : array_like of shape (n_examples,)
        Text, integers, Booleans or whole floats.
    class_names : sequence of str, optional
        The known classes in order, as an earlier call returned them; by default those of ``y``.

    Returns
    -------
    labels : ndarray of int64, shape (n_examples,)
        The place in ``class_names`` of each target.
    class_names : tuple of str
        The name of each class: texts as they are, numbers as Python writes them.

    Raises
    ------
    ValueError
        If ``y`` is not one-dimensional, holds fractions, or a class that is not known.
    TypeError
        If ``y`` holds something else than numbers or text.
    """
    values = np.asarray(y)
    if values.ndim != 1:
        raise ValueError(f"`y` must have shape (n_examples,), got shape {values.shape}")
    if values.dtype.kind == "f":
        fractions = np.flatnonzero(values != np.floor(values))
        if len(fractions):
            raise ValueError(
                f"`y` must hold whole numbers or text to be classes, got {values[fractions[0]]} "
                f"in row {fractions[0]}; for quantities use regression"
            )
        values = values.astype(np.int64)
    elif values.dtype.kind not in "biuU":
        raise TypeError(f"`y` must hold numbers or text, got dtype {values.dtype}")
    found, labels = np.unique(values, return_inverse=True)
    names = tuple(str(value) for value in found.tolist())
    if class_names is None:
        return labels.astype(np.int64), names
    known = {name: label for label, name in enumerate(class_names)}
    for name in names:
        if name not in known:
            shown = ", ".join(list(class_names)[:10]) + (", ..." if len(class_names) > 10 else "")
            raise ValueError(f"`y` must hold the known classes {shown}, got {name!r}")
    return np.array([known[name] for name in names], dtype=np.int64)[labels], tuple(class_names)


def infer_task(y: NDArray[Any]) -> Literal["classification", "regression"]:
    """Guess whether a target names classes or measures a quantity.

    Text and Booleans are classes. Whole numbers are classes if there are at most 30 different
    ones and each occurs at least twice on average. The rest are quantities.
    """
    if y.dtype.kind in "bU":
        return "classification"
    n_values = len(np.unique(y))
    whole = y.dtype.kind in "iu" or bool(np.all(y == np.floor(y)))
    few = n_values <= _MAX_NUMERIC_CLASSES and 2 * n_values <= len(y)
    return "classification" if whole and few else "regression"
