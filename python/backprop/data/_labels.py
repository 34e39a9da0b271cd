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
    y : array_like or series of shape (n_examples,)
        Text, integers, Booleans or whole floats; a categorical, or objects that are all one of
        these. The index of a series is of no account.
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
        If ``y`` holds something else than numbers or text, or both.
    """
    values = as_classes(y)
    if values.ndim != 1:
        raise ValueError(f"`y` must have shape (n_examples,), got shape {values.shape}")
    if values.dtype.kind == "f":
        fractions = np.flatnonzero(~np.isfinite(values) | (values != np.floor(values)))
        if len(fractions):
            raise ValueError(
                f"`y` must hold whole numbers or text to be classes, got {values[fractions[0]]} "
                f"in row {fractions[0]}; for quantities use regression"
            )
    elif values.dtype.kind not in "biuU":
        raise TypeError(f"`y` must hold numbers or text, got dtype {values.dtype}")
    if values.dtype.kind == "f":
        values = values.astype(np.int64)
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


def as_classes(y: Any) -> NDArray[Any]:
    """Return ``y`` as an array of text or numbers, where pandas and polars have Python objects.

    Raises
    ------
    TypeError
        If there are objects of several kinds, or of another.
    ValueError
        If a value is missing.
    """
    values: NDArray[Any] = np.asarray(y)
    if values.dtype.kind == "T":
        # NumPy's text of variable length.
        return values.astype(str)
    if values.dtype.kind != "O":
        return values
    flat = values.ravel().tolist()
    # None, NaN, pandas' NA and NaT: the last three are not equal to themselves, or cannot say so.
    missing = next((i for i, value in enumerate(flat) if _is_missing(value)), None)
    if missing is not None:
        raise ValueError(
            f"`y` must hold a class for each example, got {flat[missing]} in row {missing}; fill "
            "the missing values or drop their rows"
        )
    kinds: tuple[tuple[Any, Any], ...] = (
        (str, str),
        ((bool, np.bool_), bool),
        ((int, np.integer), np.int64),
        ((int, float, np.integer, np.floating), np.float64),
    )
    for kind, dtype in kinds:
        if all(isinstance(value, kind) for value in flat):
            return np.array(flat, dtype=dtype).reshape(values.shape)
    names = sorted({type(value).__name__ for value in flat})
    raise TypeError(f"`y` must hold numbers or text, got objects of {', '.join(names)}")


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def infer_task(y: ArrayLike) -> Literal["classification", "regression"]:
    """Guess whether a target names classes or measures a quantity.

    Text and Booleans are classes. Whole numbers are classes if there are at most 30 different
    ones and each occurs at least twice on average. The rest are quantities.
    """
    y = as_classes(y)
    if y.dtype.kind in "bU":
        return "classification"
    n_values = len(np.unique(y))
    whole = y.dtype.kind in "iu" or bool(np.all(y == np.floor(y)))
    few = n_values <= _MAX_NUMERIC_CLASSES and 2 * n_values <= len(y)
    return "classification" if whole and few else "regression"
