"""Conversion of data to what the compiled core maps: at most one copy, and none where none is due.

An array of the network's dtype passes as it lies, whatever its strides. Lists, frames, integers and
other float dtypes are converted, sparse matrices of SciPy become compressed rows; what is not made
of real numbers is refused.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
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


class CompressedRows(tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int64]]):
    """A sparse X (m, n_features) as the engine takes it: SciPy's data, indices and indptr.

    The engine spreads its rows batch by batch and adds entries that are stored twice; X is never
    made dense as a whole.

    Attributes
    ----------
    shape : tuple of int
    """

    shape: tuple[int, int]
    ndim = 2

    @classmethod
    def of(cls, matrix: Any, dtype: np.dtype[Any]) -> "CompressedRows":
        """Return a SciPy matrix or array in this form, without a copy where it has it already."""
        csr = matrix.tocsr()
        rows = cls(
            (
                _as_dtype("X", _as_numbers("X", csr.data), dtype),
                csr.indices.astype(np.int32, copy=False),
                csr.indptr.astype(np.int64, copy=False),
            )
        )
        rows.shape = csr.shape
        return rows

    def rows(self, positions: NDArray[np.int64]) -> "CompressedRows":
        """Return a copy of some of the rows."""
        data, indices, starts = self
        counts = np.diff(starts)[positions]
        ends = np.cumsum(counts)
        # Entry e of the result is entry e - (its row's start there) + (its row's start here).
        entries = np.arange(counts.sum()) + np.repeat(starts[positions] - (ends - counts), counts)
        some = CompressedRows((data[entries], indices[entries], np.concatenate([[0], ends])))
        some.shape = (len(positions), self.shape[1])
        return some

    def toarray(self) -> NDArray[Any]:
        """Return the dense array (m, n_features)."""
        data, indices, starts = self
        X = np.zeros(self.shape, data.dtype)
        np.add.at(X, (np.repeat(np.arange(len(X)), np.diff(starts)), indices), data)
        return X


def dense(X: Any) -> NDArray[Any]:
    """Return X as an array, for those who look at single numbers of it."""
    array: NDArray[Any] = X.toarray() if isinstance(X, CompressedRows) else X
    return array


class Batch(NamedTuple):
    """Examples as the core takes them.

    Attributes
    ----------
    X : ndarray (m, n_features)
        Of the network's dtype; or `CompressedRows`.
    y : ndarray or None
        Labels (m,) of int64, or targets (m, p) of the network's dtype; any array with a row for
        each example, or None, where the loss is the user's own.
    weight : ndarray (m,) or None
        How much each example counts, of the network's dtype; None is 1 for each.
    """

    X: Any
    y: Any
    weight: NDArray[Any] | None = None

    @property
    def n_examples(self) -> int:
        """The number of rows of X."""
        return int(self.X.shape[0])

    def rows(self, positions: NDArray[np.int64]) -> "Batch":
        """Return a copy of some of the examples."""
        weight = None if self.weight is None else self.weight[positions]
        X = self.X.rows(positions) if isinstance(self.X, CompressedRows) else self.X[positions]
        return Batch(X, self.y[positions], weight)

    @property
    def total_weight(self) -> float:
        """The sum of the weights, the number of examples where they all weigh 1."""
        return float(self.n_examples if self.weight is None else self.weight.sum(dtype=np.float64))


def as_examples(
    X: Any, dtype: np.dtype[Any], check: bool = False, n_features: int | None = None
) -> Any:
    """Return X as an array of ``dtype``, the same memory where it is one already.

    Parameters
    ----------
    X : array_like, frame, or sparse matrix of SciPy
    dtype : dtype
    check : bool
        Whether to look for NaN and infinity in a frame, to name its column and row. Those of an
        array the core finds.
    n_features : int, optional
        The columns that a sparse X must have. Without it a sparse X is refused.

    Returns
    -------
    ndarray or CompressedRows

    Raises
    ------
    TypeError
        If it is not made of real numbers.
    ValueError
        If it is ragged, holds numbers too large for ``dtype``, or is a frame with a missing number.
    """
    if isinstance(X, CompressedRows):
        return X
    if is_sparse(X):
        if n_features is None:
            raise TypeError(
                f"`X` must be a dense array here, got a sparse {type(X).__name__}; pass X.toarray()"
            )
        if X.ndim != 2 or X.shape[1] != n_features:
            raise ValueError(f"`X` must have {n_features} columns, got shape {X.shape}")
        return CompressedRows.of(X, dtype)
    array = _as_dtype("X", _as_numbers("X", X), dtype)
    if check and type(X) is not np.ndarray and (where := not_finite_in_frame(X, array)):
        raise ValueError(
            f"`X` must be finite, got {where}; fill the missing values or drop their rows"
        )
    return array


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy, which is not imported for that."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(X))


def not_finite_in_frame(values: Any, array: NDArray[Any]) -> str | None:
    """Say where a frame or series has its first NaN or infinity, by the names it has for it.

    Parameters
    ----------
    values : object
        What a caller gave. Anything but a frame or series of pandas or polars has no names.
    array : ndarray (m, n) or (m,)
        Its numbers.

    Returns
    -------
    str or None
        As in "NaN in column 'age', row 17"; None where all is finite or there are no names.
    """
    if not is_frame(values) or array.dtype.kind != "f" or array.ndim not in (1, 2):
        return None
    if all_finite(array):
        return None
    columns, name = getattr(values, "columns", None), getattr(values, "name", None)
    place = np.argwhere(~np.isfinite(array))[0]
    what = "NaN" if np.isnan(array[tuple(place)]) else "infinity"
    index = getattr(values, "index", None)
    # The index of polars is a method, and means something else.
    row = int(place[0]) if index is None or callable(index) else _plain(index[int(place[0])])
    if columns is not None and array.ndim == 2:
        name = _plain(list(columns)[int(place[1])])
    n_rows = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).sum())
    more = "" if n_rows == 1 else f", the first of {n_rows} rows"
    column = "" if name is None else f"column {_plain(name)!r}, "
    return f"{what} in {column}row {row!r}{more}"


def is_frame(values: Any) -> bool:
    """Whether it is a frame or a series of pandas or polars, neither of which is imported."""
    return hasattr(values, "to_numpy") and (hasattr(values, "columns") or hasattr(values, "name"))


def _plain(label: Any) -> Any:
    """Return a label as Python writes it: 3, where NumPy would write np.int64(3)."""
    return label.item() if isinstance(label, np.generic) else label


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
    if check and type(y) is not np.ndarray and (where := not_finite_in_frame(y, targets)):
        raise ValueError(
            f"`y` must be finite, got {where}; fill the missing values or drop their rows"
        )
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
        if (frame := _numbers_of_frame(name, values)) is not None:
            return frame
        remedy = (
            "number the classes with np.unique(y, return_inverse=True)[1]"
            if name == "y"
            else f"convert it with np.asarray({name}, dtype=float)"
        )
        raise TypeError(f"`{name}` must be made of real numbers, got dtype {array.dtype}; {remedy}")
    return array


def _numbers_of_frame(name: str, values: Any) -> NDArray[Any] | None:
    """Return the numbers of a frame whose columns are of several kinds; None for no frame.

    Nullable integers and Booleans are such: as one array they are Python objects.

    Raises
    ------
    TypeError
        With the name of the first column that has no numbers.
    """
    columns: Sequence[Any] | None = getattr(values, "columns", None)
    if columns is None or not is_frame(values):
        return None
    arrays = []
    for column in columns:
        array = np.asarray(values[column])
        if array.dtype.kind == "O":
            with suppress(TypeError):
                array = np.array(
                    [np.nan if _is_missing(v) else _number(v) for v in array], dtype=np.float64
                )
        if array.dtype.kind not in "fiub":
            raise TypeError(
                f"`{name}` must be made of real numbers, got {array.dtype} in column "
                f"{_plain(column)!r}; encode the column as numbers or leave it out"
            )
        arrays.append(array)
    return np.column_stack(arrays) if arrays else None


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType"


def _number(value: Any) -> float:
    if isinstance(value, str | bytes):
        raise TypeError
    return float(value)


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
