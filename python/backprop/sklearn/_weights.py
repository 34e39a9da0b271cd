"""The weights of an estimator: drawn as by scikit-learn, in its shapes, in the network's memory."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.network import Network

Arrays = list[NDArray[Any]]


def initialize(net: Network, random_state: Any) -> None:
    """Draw the weights as scikit-learn does: layer by layer W, then b, in float64.

    Each entry of W_k and b_k comes from U(-r, r), r = sqrt(6 / (n_in + n_out)), or with 2 for 6
    where the activation is the logistic sigmoid (Glorot and Bengio 2010). The output layer goes by
    the activation of the last hidden one.
    """
    names = [*net.hidden_names, *net.hidden_names[-1:]] or ["linear"]
    for W, b, name in zip(net.W, net.b, names, strict=True):
        n_out, n_in = W.shape
        r = sqrt((2.0 if name == "sigmoid" else 6.0) / (n_in + n_out))
        W.T[...] = random_state.uniform(-r, r, (n_in, n_out))
        b[...] = random_state.uniform(-r, r, n_out)


def views(net: Network) -> tuple[Arrays, Arrays]:
    """Return coefs_ (n_in, n_out) and intercepts_ (n_out,), which are the network's own memory."""
    return [W.T for W in net.W], list(net.b)


def adopt(net: Network, own: tuple[Arrays, Arrays], shown: tuple[Any, Any]) -> None:
    """Copy into the network every array that was put in the place of one of its own views.

    Raises
    ------
    ValueError
        If one has another shape.
    """
    for name, mine, theirs in zip(("coefs_", "intercepts_"), own, shown, strict=True):
        if len(theirs) != len(mine):
            raise ValueError(
                f"`{name}` must hold one array for each of the {len(mine)} layers, got "
                f"{len(theirs)}"
            )
        for i, (view, array) in enumerate(zip(mine, theirs, strict=True)):
            if array is view:
                continue
            if np.shape(array) != view.shape:
                raise ValueError(
                    f"`{name}[{i}]` must have shape {view.shape}, got {np.shape(array)}"
                )
            view[...] = array
