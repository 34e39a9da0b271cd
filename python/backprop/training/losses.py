"""A loss of one's own in `Network.fit`: an object that knows its value and its derivatives.

>>> class Pinball:
...     "The quantile loss: its least expectation is at the q-quantile of y."
...
...     def __init__(self, q):
...         self.q = q
...
...     def value_and_gradient(self, A_L, y):
...         slope = np.where(A_L > y, 1 - self.q, -self.q)
...         return (slope * (A_L - y)).sum(axis=1), slope
>>> net = bp.Network([3, 16, 1], output="linear")
>>> history = net.fit(X, y, loss=Pinball(0.9))

The compiled core runs the forward pass, calls the object once for the batch, and goes back from the
derivatives that it gets.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from backprop.core.inputs import Batch
from backprop.core.network import Core


@runtime_checkable
class CustomLoss(Protocol):
    """What ``fit(..., loss=...)`` takes."""

    def value_and_gradient(self, A_L: NDArray[Any], y: Any) -> tuple[Any, Any]:
        """Return the loss of each example and its derivatives.

        Parameters
        ----------
        A_L : ndarray (m, n_outputs)
            The pre-activations of the output layer for a batch: a read-only view of the core's
            memory, which holds the next batch after this call.
        y : ndarray
            The rows of ``fit``'s y that belong to the batch, as they were given; (m, 1) for one
            output.

        Returns
        -------
        array_like (m,), array_like (m, n_outputs)
            ℓ_j of each example, and ∂ℓ_j/∂A_L. The mean over the batch, by weight, is formed by
            the core.
        """


def checked_loss(loss: Any) -> CustomLoss | None:
    """Return a custom loss, or None for the network's own.

    Raises
    ------
    TypeError
        If it has no ``value_and_gradient``.
    """
    if loss is None or (isinstance(loss, CustomLoss) and not isinstance(loss, type)):
        return loss
    raise TypeError(
        "`loss` must be an object with a method value_and_gradient(A_L, y), got "
        f"{loss.__name__ if isinstance(loss, type) else type(loss).__name__}"
    )


def mean(network: Core, loss: CustomLoss, data: Batch) -> float:
    """Return the mean of a custom loss over examples, by weight."""
    A_L = network.engine.forward(data.X, False, False)
    A_L.flags.writeable = False  # As in training.
    losses = np.asarray(loss.value_and_gradient(A_L, data.y)[0], dtype=np.float64)
    return float(np.average(losses, weights=data.weight))
