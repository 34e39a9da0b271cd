"""A network made from the arrays of another program, after a check that they form a chain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backprop.core.network import Core

N = TypeVar("N", bound=Core)


class Affine(NamedTuple):
    """One layer's W (n_k, n_{k-1}) and b (n_k,), None for no bias, and where they come from."""

    origin: str
    W: NDArray[Any]
    b: NDArray[Any] | None


def assemble(
    layers: Sequence[Affine],
    into: type[N],
    *,
    hidden: Sequence[str] | str,
    output: str,
    loss: str | None = None,
    dtype: DTypeLike | None = None,
) -> N:
    """Build the network of these layers, an object of the class ``into``.

    It is in float64 if any of them is and no dtype is given.

    Raises
    ------
    TypeError, ValueError
        If they are not floating-point or do not fit each other; the message names the layer.
    """
    if not layers:
        raise ValueError("there must be at least one layer, got none")
    for layer in layers:
        _check(layer)
    for before, after in pairwise(layers):
        if after.W.shape[1] != before.W.shape[0]:
            raise ValueError(
                f"{after.origin} takes {after.W.shape[1]} inputs and {before.origin} before it "
                f"gives {before.W.shape[0]}; layers must follow one another"
            )
    if dtype is None:
        dtype = "float64" if any(layer.W.dtype == np.float64 for layer in layers) else "float32"
    sizes = [layers[0].W.shape[1], *(layer.W.shape[0] for layer in layers)]
    net = into(sizes, hidden=hidden, output=output, loss=loss, dtype=dtype, init="zeros")
    for W_k, b_k, layer in zip(net.W, net.b, layers, strict=True):
        W_k[...] = layer.W
        if layer.b is not None:
            b_k[...] = layer.b
    return net


def _check(layer: Affine) -> None:
    for array in layer[1:]:
        if array is not None and array.dtype.kind != "f":
            raise TypeError(
                f"{layer.origin} must hold floating-point numbers, got dtype {array.dtype}"
            )
    if layer.W.ndim != 2:
        raise ValueError(
            f"{layer.origin} must have a weight of shape (outputs, inputs), got {layer.W.shape}"
        )
    if layer.b is not None and layer.b.shape != layer.W.shape[:1]:
        raise ValueError(
            f"{layer.origin} must have a bias of shape {layer.W.shape[:1]} to match its weight "
            f"{layer.W.shape}, got {layer.b.shape}"
        )
