"""The gradient of the loss with respect to every parameter: one flat array, seen layer by layer.

A flat array has the layout of theta: [W_1 b_1 ... W_L b_L], each W_k row by row.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]


def split(theta: NDArray[Any], layer_sizes: Sequence[int]) -> tuple[Arrays, Arrays]:
    """Return views into a flat array: (W_1 .. W_L), (b_1 .. b_L)."""
    W, b, start = [], [], 0
    for k in range(1, len(layer_sizes)):
        n_out, n_in = layer_sizes[k], layer_sizes[k - 1]
        W.append(theta[start : start + n_out * n_in].reshape(n_out, n_in))
        start += n_out * n_in
        b.append(theta[start : start + n_out])
        start += n_out
    return tuple(W), tuple(b)


class Gradients:
    """What `Network.gradients` returns.

    Attributes
    ----------
    loss : float
        The mean loss of the batch; NaN from `Network.backward`, which does not know it.
    theta : ndarray (n_parameters,)
        The gradient w.r.t. ``Network.theta``.
    W, b : tuple of ndarray
        ∇W_1 .. ∇W_L and ∇b_1 .. ∇b_L (note 5.2), views into ``theta``.
    X : ndarray (m, n_features) or None
        The gradient w.r.t. the inputs, ∇H_0, where it was asked for.
    """

    __slots__ = ("W", "X", "b", "loss", "theta")

    def __init__(
        self,
        loss: float,
        theta: NDArray[Any],
        X: NDArray[Any] | None = None,
        *,
        layer_sizes: Sequence[int],
    ) -> None:
        self.loss = loss
        self.theta = theta
        self.X = X
        self.W, self.b = split(theta, layer_sizes)

    def __repr__(self) -> str:
        shapes = ", ".join(str(W_k.shape) for W_k in self.W)
        inputs = "" if self.X is None else f", X: {self.X.shape}"
        return f"Gradients(loss={self.loss:.6g}, W: {shapes}{inputs})"
