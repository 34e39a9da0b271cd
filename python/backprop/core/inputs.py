"""Conversion of data to what the compiled core maps: at most one copy, and none where none is due.

An array of the network's dtype passes as it lies, whatever its strides. Lists, frames, integers and
other float dtypes are converted; what is not made of real numbers is refused.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core import facts
from backprop.core.engine import LOSSES_OF_LABELS

# Rows of probabilities may have been rounded to float32 or in a text file; their sums may be off 1
# by so much.
_SUM_TOLERANCE = 1e-5
# Numbers that are looked at in one go: 2 MiB of float64, which a level-2 cache holds.
_CHUNK = 1 << 18


class Batch(NamedTuple):
    """Examples as the core takes them.

    Attributes
    ----------
    X : ndarray (m, n_features)
        Of the network's dtype.
    y : ndarray or None
        Labels (m,) of int64, or targets (m, p) of the network's dtype; any array with a row for
        each example, or None, where the loss is the user's own.
    weight : ndarray (m,) or None
        How much each example counts, of the network's dtype; None is 1 for each.
    """

    X: NDArray[Any]
    y: Any
    weight: NDArray[Any] | None = None

    def rows(self, positions: NDArray[np.int64]) -> "Batch":
        """Return a copy of some of the examples."""
        weight = None if self.weight is None else self.weight[positions]
        return Batch(self.X[positions], self.y[positions], weight)

    @property
    def total_weight(self) -> float:
        """The sum of the weights, the number of examples where they all weigh 1."""
        return float(len(self.X) if self.weight is None else self.weight.sum(dtype=np.float64))


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


def as_numbers(argument: str, value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an argument as an array of ``dtype``; errors as `as_examples`."""
    return _as_dtype(argument, _as_numbers(argument, value), dtype)


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
    fact = facts.LOSSES[loss]
    if loss in LOSSES_OF_LABELS:
        if array.ndim == 2 and array.shape[1] == 1 != n_outputs:
            raise ValueError(
                f"`y` must be a vector of classes or have {n_outputs} columns, got shape "
                f"{array.shape}; flatten it with y.ravel()"
            )
        if array.ndim != 2:
            return _as_labels(array)
    targets = _as_dtype("y", array, dtype)
    if check and fact.targets is not None and targets.size:
        _check_range(targets, loss, *fact.targets)
    return targets


def as_weights(sample_weight: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the weights of examples as an array of ``dtype``; the core checks shape and values.

    Raises
    ------
    TypeError, ValueError
        As `as_examples`.
    """
    return _as_dtype("sample_weight", _as_numbers("sample_weight", sample_weight), dtype)


def check_finite(**arrays: NDArray[Any]) -> None:
    """Refuse NaN and infinity in arrays, which are given by the name of their argument.

    Raises
    ------
    ValueError
        With the name of the first array that has one.
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not all_finite(array):
            raise ValueError(
                f"`{name}` must be finite, got NaN or infinity; clean it with np.nan_to_num, "
                "or set check_finite = False"
            )


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
    if array.dtype.kind in "fu" and array.size and (largest := np.abs(array).max()) >= 2**63:
        raise ValueError(f"`y` must hold class numbers that fit int64, got {largest}")
    return np.asarray(array, dtype=np.int64)


def _check_range(targets: NDArray[Any], loss: str, low: float, high: float, rule: str) -> None:
    smallest, largest = targets.min(), targets.max()
    if not (smallest >= low and largest <= high):
        if not all_finite(targets):
            raise ValueError(
                "`y` must be finite, got NaN or infinity; clean it, or set check_finite = False"
            )
        worst = smallest if smallest < low else largest
        raise ValueError(f"`y` must {rule} for {loss}, got {worst}")
    if loss in LOSSES_OF_LABELS:
        sums = targets.sum(axis=1, dtype=np.float64)
        off = np.flatnonzero(np.abs(sums - 1) > _SUM_TOLERANCE)
        if off.size:
            raise ValueError(
                f"`y` must have rows of probabilities that sum to 1, got a sum of "
                f"{sums[off[0]]:.6g} in row {off[0]}"
            )
