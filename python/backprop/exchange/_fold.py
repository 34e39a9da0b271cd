"""A network that takes raw features and gives predictions in the target's unit.

With x' = (x - mean) / scale before it, W_1 x' + b_1 = (W_1 / scale) x + (b_1 - (W_1 / scale) mean);
with y = scale y' + mean behind a linear output, W_L and b_L are scaled likewise.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backprop.core.network import Core
from backprop.data import Standardizer

N = TypeVar("N", bound=Core)


def fold(
    net: N,
    scaler: Standardizer | None = None,
    target_scaler: Standardizer | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> N:
    """Return a network with the scalers around ``net`` inside its first and last layer.

    The weights are computed in float64 and rounded once. Where a feature's mean is large beside its
    deviation, W_1 x + b_1 cancels: then ask for float64.

    Parameters
    ----------
    net : Network
        It is not changed.
    scaler : Standardizer, optional
        Of the features.
    target_scaler : Standardizer, optional
        Of the targets, one for all outputs or one for each; the output must be linear.
    dtype : dtype, optional
        Of the result; that of ``net`` if not given.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If a scaler has the wrong number of features, the output does not let the target be scaled,
        or a weight does not fit ``dtype``.
    """
    W, b = ([np.asarray(a, np.float64) for a in arrays] for arrays in (net.W, net.b))
    n, p = net.layer_sizes[0], net.layer_sizes[-1]
    if scaler is not None:
        _check("scaler", scaler, (n,))
        W[0] = W[0] / scaler.scale
        b[0] = b[0] - W[0] @ scaler.mean
    if target_scaler is not None and not _is_identity(target_scaler):
        _check("target_scaler", target_scaler, (1, p))
        if net.output_name != "linear":
            raise ValueError(
                f"`target_scaler` can be folded into a linear output only, got {net.output_name!r}"
            )
        W[-1] = W[-1] * target_scaler.scale[:, None]
        b[-1] = b[-1] * target_scaler.scale + target_scaler.mean
    folded = type(net)(
        **net.architecture,
        dtype=net.dtype if dtype is None else dtype,
        init="zeros",
        check_finite=net.check_finite,
    )
    for views, arrays in ((folded.W, W), (folded.b, b)):
        for view, array in zip(views, arrays, strict=True):
            _round_into(view, array)
    return folded


def _is_identity(scaler: Standardizer) -> bool:
    return not scaler.mean.any() and bool((scaler.scale == 1).all())


def _check(argument: str, scaler: Standardizer, sizes: tuple[int, ...]) -> None:
    if len(scaler.mean) not in sizes:
        raise ValueError(
            f"`{argument}` must be of {' or '.join(map(str, sizes))} columns to match the network, "
            f"got {len(scaler.mean)}"
        )


def _round_into(view: NDArray[Any], array: NDArray[np.float64]) -> None:
    with np.errstate(over="ignore"):
        view[...] = array
    if np.isfinite(array).all() and not np.isfinite(view).all():
        raise ValueError(
            f"the folded weights reach {np.abs(array).max():.2g}, which does not fit {view.dtype}; "
            'use dtype="float64"'
        )
