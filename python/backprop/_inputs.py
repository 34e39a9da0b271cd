"""Conversion of data to what the compiled core maps: one copy at most, and only where expected.

An array of the network's dtype passes as it lies, whatever its strides. Lists, frames, integers and
other float dtypes are converted; what is not made of real numbers is refused.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows of probabilities may come from float32 or a file; rounding must not refuse them.
_SUM_TOLERANCE = 1e-5
_CHUNK = 1 << 18
# Losses that are not defined for every target: bounds, and how to say them.
_RANGES = {
    "cross_entropy": (0.0, 1.0, "lie between 0 and 1"),
    "binary_cross_entropy": (0.0, 1.0, "lie between 0 and 1"),
    "poisson": (0.0, np.finfo(np.float64).max, "not be negative"),
}


def as_examples(X: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return X as an array of ``dtype``, the same memory where it is one already.

    Raises
    ------
    TypeError
        If it is not made of real numbers.
    ValueError
        If it is ragged, or holds numbers too large for ``dtype``.
    """
    return _as_dtype("X", _as_numbers("X", X), dtype)


def as_targets(
    y: Any, dtype: np.dtype[Any], loss: str, n_outputs: int, check: bool
) -> NDArray[Any]:
    """Return y as the loss takes it: int64 class labels, or targets of ``dtype``.

    Labels may be of any integer dtype, bool, or floats that are whole. The core checks shapes and
    the range of labels; here the range of targets is checked, unless ``check`` is False.

    Raises
    ------
    TypeError
        If it is not made of real numbers.
    ValueError
        If labels are not whole, or targets are not what the loss is defined for.
    """
    array = _as_numbers("y", y)
    if loss == "cross_entropy":
        if array.ndim == 2 and array.shape[1] == 1 != n_outputs:
            raise ValueError(
                f"`y` must be a vector of classes or have {n_outputs} columns, got shape "
                f"{array.shape}; flatten it with y.ravel()"
            )
        if array.ndim != 2:
            return _as_labels(array)
    targets = _as_dtype("y", array, dtype)
    if check and loss in _RANGES and targets.size:
        _check_range(targets, loss)
    return targets


def as_weights(sample_weight: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the weights of examples as an array of ``dtype``; the core checks shape and values.

    Raises
    ------
    TypeError, ValueError
        As `as_examples`.
    """
    return _as_dtype("sample_weight", _as_numbers("sample_weight", sample_weight), dtype)


def all_finite(X: NDArray[Any]) -> bool:
    """Whether no number of X is NaN or infinite; a large X is read in pieces, to stay in cache."""
    if X.size <= _CHUNK:
        return bool(np.isfinite(X).all())
    rows = max(1, _CHUNK * len(X) // X.size)
    return all(np.isfinite(X[i : i + rows]).all() for i in range(0, len(X), rows))


def _as_numbers(name: str, values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and hasattr(values, "mask"):
        raise TypeError(
            f"`{name}` must not be masked: the values under the mask would be used; "
            f"fill it first, with {name}.filled(value)"
        )
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"`{name}` must have rows of one length: {error}") from None
    if array.dtype.kind not in "fiub":
        remedy = (
            "number the classes with np.unique(y, return_inverse=True)[1]"
            if name == "y"
            else f"convert it with np.asarray({name}, dtype=float)"
        )
        raise TypeError(f"`{name}` must be made of real numbers, got dtype {array.dtype}; {remedy}")
    return array


def _as_dtype(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        with np.errstate(over="raise"):
            return np.asarray(array, dtype=dtype)
    except FloatingPointError:
        largest = np.abs(array[np.isfinite(array)]).max()
        raise ValueError(
            f"`{name}` must fit {dtype}, got values up to {largest:.3g}; scale it, or build the "
            'network with dtype="float64"'
        ) from None


def _as_labels(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind == "f":
        broken = np.flatnonzero(array != np.floor(array))
        if broken.size:
            raise ValueError(
                f"`y` must hold whole class numbers, got {array.flat[broken[0]]} at position "
                f"{broken[0]}; for targets that are no classes use output='linear'"
            )
        if not all_finite(array.reshape(-1)):
            raise ValueError("`y` must hold whole class numbers, got infinity")
    return np.asarray(array, dtype=np.int64)


def _check_range(targets: NDArray[Any], loss: str) -> None:
    low, high, rule = _RANGES[loss]
    smallest, largest = targets.min(), targets.max()
    if not (smallest >= low and largest <= high):
        if not all_finite(targets):
            raise ValueError(
                "`y` must be finite, got NaN or infinity; clean it, or set check_finite = False"
            )
        worst = smallest if smallest < low else largest
        raise ValueError(f"`y` must {rule} for {loss}, got {worst}")
    if loss == "cross_entropy":
        sums = targets.sum(axis=1, dtype=np.float64)
        off = np.flatnonzero(np.abs(sums - 1) > _SUM_TOLERANCE)
        if off.size:
            raise ValueError(
                f"`y` must have rows of probabilities that sum to 1, got a sum of "
                f"{sums[off[0]]:.6g} in row {off[0]}"
            )
