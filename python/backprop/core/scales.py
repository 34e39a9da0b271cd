"""How large features and targets are, beside the size of 1 that initial weights are drawn for.

The root mean square of each column is what counts: a large mean drowns a column's own variation as
a large deviation drowns the other columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core.inputs import CompressedRows

# A column of X drowns the others if its root mean square is larger than the first number, or larger
# than that of the median column by the second.
_LARGE, _UNEVEN = 10.0, 100.0
_SMALL = 0.01


class Size(NamedTuple):
    """A size that is out of bounds.

    Attributes
    ----------
    column : int
        The largest.
    number : float
        Its root mean square.
    usual : float
        That of the median column.
    mean, deviation : float
        Of the column.
    is_large : bool
        Whether it is too large; else all are too small.
    """

    column: int
    number: float
    usual: float
    mean: float
    deviation: float
    is_large: bool


def features(X: Any) -> Size | None:
    """Return the size of features that are not scaled, None where they are in order."""
    sizes = root_mean_squares(X)
    varied = sizes[sizes > 0]
    if not len(varied):
        return None
    j, largest, usual = int(sizes.argmax()), float(sizes.max()), float(np.median(varied))
    is_large = largest > _LARGE or largest > _UNEVEN * usual
    if not is_large and largest >= _SMALL:
        return None
    return Size(j, largest, usual, float("nan"), float("nan"), is_large)


def targets(y: NDArray[Any]) -> Size | None:
    """Return the size of targets (m,) or (m, p) that are not scaled, None where they are."""
    columns = y.reshape(len(y), -1)
    found = features(columns)
    # A column of zeros and ones is large beside nothing: only its own size counts here.
    if found is None or (found.is_large and found.number <= _LARGE):
        return None
    column = columns[:, found.column].astype(np.float64)
    return found._replace(mean=float(column.mean()), deviation=float(column.std()))


def root_mean_squares(X: Any) -> NDArray[np.float64]:
    """Return the root mean square of each column."""
    if isinstance(X, CompressedRows):
        data, indices, _ = X
        squares = np.bincount(indices, np.square(data, dtype=np.float64), X.shape[1])
    else:
        # einsum makes no array of squares, for which the memory may not suffice.
        squares = np.einsum("ij,ij->j", X, X, dtype=np.float64)
    sizes: NDArray[np.float64] = np.sqrt(squares / X.shape[0])
    return sizes


def remedy_for_targets(found: Size, output: str, n_outputs: int) -> str:
    """Say what brings targets of this size to the size of 1, with the numbers to do it."""
    which = "y" if n_outputs == 1 else f"column {found.column} of y"
    if output == "exp":
        return (
            f"start the last bias at the logarithm of the mean (net.b[-1][{found.column}] = "
            f"{np.log(found.mean):.3g}), or divide {which} by {found.mean:.3g}"
        )
    if found.deviation == 0:
        return f"divide {which} by {found.number:.3g}, and multiply predictions by it"
    return (
        f"standardise {which}: subtract the mean {found.mean:.3g}, divide by the standard "
        f"deviation {found.deviation:.3g}, and bring predictions back likewise"
    )
