"""Examples as the engine reads them: a dense array, or the three arrays of a CSR matrix."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import issparse

from backprop.core.inputs import CompressedRows, as_examples, is_frame, not_finite_in_frame


def rows(X: Any, dtype: np.dtype[Any]) -> Any:
    """Return X of ``dtype``, without a copy where it has the dtype and, if sparse, is CSR.

    A sparse X becomes ``(data, indices, indptr)`` with int32 indices and int64 pointers; the engine
    spreads its rows batch by batch, and adds entries that are stored twice.
    """
    if not issparse(X):
        return as_examples(X, dtype)
    return CompressedRows.of(X, dtype)


@contextmanager
def naming_what_is_missing(**given: Any) -> Iterator[None]:
    """Say of a frame that is refused where it has NaN or infinity, by its own names.

    Raises
    ------
    ValueError
        In place of scikit-learn's, whose beginning it has.
    """
    try:
        yield
    except ValueError as error:
        for name, values in given.items():
            if (where := _what_is_missing(values)) is not None:
                raise ValueError(
                    f"Input {name} contains {where}; fill the missing values or drop their rows"
                ) from error
        raise


def _what_is_missing(values: Any) -> str | None:
    if not is_frame(values):
        return None
    try:
        return not_finite_in_frame(values, as_examples(values, np.dtype(np.float64)))
    except (TypeError, ValueError):
        # What is no number is for scikit-learn to refuse.
        return None
