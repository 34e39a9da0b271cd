"""Examples as the engine reads them: a dense array, or the three arrays of a CSR matrix."""

from typing import Any

import numpy as np
from scipy.sparse import issparse

from backprop.core.inputs import as_examples


def rows(X: Any, dtype: np.dtype[Any]) -> Any:
    """Return X of ``dtype``, without a copy where it has the dtype and, if sparse, is CSR.

    A sparse X becomes ``(data, indices, indptr)`` with int32 indices and int64 pointers; the engine
    spreads its rows batch by batch, and adds entries that are stored twice.
    """
    if not issparse(X):
        return as_examples(X, dtype)
    csr = X.tocsr()
    return (
        csr.data.astype(dtype, copy=False),
        csr.indices.astype(np.int32, copy=False),
        csr.indptr.astype(np.int64, copy=False),
    )
