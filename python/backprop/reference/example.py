"""Section 5.1: the same equations for a single data point, on vectors.

Written apart from the batch form on purpose: the sum of these gradients over a batch, divided by
m, must be the batch form's (section 5.2), and a test says so.
"""

from typing import Any, NamedTuple

from . import checks
from .activations import Activation
from .lists import Matrix, Vector, dot, transpose
from .losses import Loss, Output
from .targets import target_row


class ExampleGradients(NamedTuple):
    """The loss of one example and its gradients.

    ``grad_a`` holds ∇a_1 … ∇a_L and ``grad_h`` ∇h_1 … ∇h_L, of which the last is w.r.t. y_hat.
    """

    loss: float
    grad_W: list[Matrix]
    grad_b: list[Vector]
    grad_a: list[Vector]
    grad_h: list[Vector]


def pre_activation(W_k: Matrix, h_below: Vector, b_k: Vector) -> Vector:
    """Return a_k = W_k h_{k-1} + b_k (2)."""
    return [dot(w, h_below) + b for w, b in zip(W_k, b_k, strict=True)]


def activation(a_k: Vector, g: Activation) -> Vector:
    """Return h_k = g(a_k) (2)."""
    return [g.function(a) for a in a_k]


def output(a_L: Vector, out: Output) -> Vector:
    """Return ŷ = O(a_L) (2)."""
    return out.function(a_L)


def grad_y_hat(y_hat: Vector, t: Vector, ell: Loss) -> Vector:
    """Return ∇_ŷ L, which is -(1/ŷ_l) e_l for cross-entropy with t = e_l (4.3.1)."""
    return ell.grad_y_hat(y_hat, t)


def softmax_jacobian(y_hat: Vector) -> Matrix:
    """Return ∂ŷ_l/∂a_Li = 1{l=i} ŷ_l - ŷ_l ŷ_i, row l and column i (4.3.1).

    The gradient w.r.t. y_hat times this matrix is `grad_a_output`, in which the small ŷ cancel.
    """
    return [
        [(y_l if i == row else 0.0) - y_l * y_i for i, y_i in enumerate(y_hat)]
        for row, y_l in enumerate(y_hat)
    ]


def grad_a_output(y_hat: Vector, t: Vector, ell: Loss) -> Vector:
    """Return ∇a_L = -(e_l - ŷ), with t = e_l (5.1)."""
    return ell.grad_a(y_hat, t)


def grad_h(W_above: Matrix, grad_a_above: Vector) -> Vector:
    """Return ∇h_k = W_{k+1}ᵀ ∇a_{k+1} (5.1, 4.3.2)."""
    return [dot(column, grad_a_above) for column in transpose(W_above)]


def grad_a(grad_h_k: Vector, a_k: Vector, h_k: Vector, g: Activation) -> Vector:
    """Return ∇a_k = ∇h_k ⊙ g'(a_k) (5.1, 4.3.2)."""
    return [d * g.derivative(a, h) for d, a, h in zip(grad_h_k, a_k, h_k, strict=True)]


def grad_W(grad_a_k: Vector, h_below: Vector) -> Matrix:
    """Return ∇W_k = ∇a_k h_{k-1}ᵀ (5.1, 4.3.3)."""
    return [[d * h for h in h_below] for d in grad_a_k]


def grad_b(grad_a_k: Vector) -> Vector:
    """Return ∇b_k = ∇a_k (5.1, 4.3.3)."""
    return list(grad_a_k)


def forward_pass(
    x: Vector, W: list[Matrix], b: list[Vector], g: list[Activation], out: Output
) -> tuple[list[Vector], list[Vector]]:
    """Return a_1 … a_L and h_0 … h_L (2)."""
    L = len(W)
    a, h = [], [x]
    for k in range(1, L):
        a.append(pre_activation(W[k - 1], h[k - 1], b[k - 1]))
        h.append(activation(a[k - 1], g[k - 1]))
    a.append(pre_activation(W[L - 1], h[L - 1], b[L - 1]))
    h.append(output(a[L - 1], out))
    return a, h


def backward_pass(
    a: list[Vector], h: list[Vector], t: Vector, W: list[Matrix], g: list[Activation], ell: Loss
) -> ExampleGradients:
    """Return the gradients of one example (5.1)."""
    L = len(W)
    all_grad_h = [grad_y_hat(h[L], t, ell)]
    all_grad_a = [grad_a_output(h[L], t, ell)]
    for k in range(L - 1, 0, -1):
        all_grad_h.insert(0, grad_h(W[k], all_grad_a[0]))  # W[k] is W_{k+1}
        all_grad_a.insert(0, grad_a(all_grad_h[0], a[k - 1], h[k], g[k - 1]))
    return ExampleGradients(
        loss=ell.value(a[L - 1], t),
        grad_W=[grad_W(all_grad_a[k - 1], h[k - 1]) for k in range(1, L + 1)],
        grad_b=[grad_b(all_grad_a[k - 1]) for k in range(1, L + 1)],
        grad_a=all_grad_a,
        grad_h=all_grad_h,
    )


def forward(
    x: Vector, W: list[Matrix], b: list[Vector], hidden: Any = "relu", output: Any = "softmax"
) -> tuple[list[Vector], list[Vector]]:
    """Return a_1 … a_L and h_0 = x, h_1 … h_{L-1}, h_L = y_hat of one example (2).

    Raises
    ------
    TypeError, ValueError
        As `backprop.reference.forward` does.
    """
    checks.layer_sizes(W, b)
    checks.check_examples([x], W[0])
    g = checks.hidden_activations(hidden, len(W))
    return forward_pass(x, W, b, g, checks.output_activation(output))


def gradients(
    x: Vector,
    y: Any,
    W: list[Matrix],
    b: list[Vector],
    hidden: Any = "relu",
    output: Any = "softmax",
    loss: Any = "cross_entropy",
) -> ExampleGradients:
    """Return the loss of one example and its gradients (5.1).

    Parameters
    ----------
    x : list of n_features numbers
        The example.
    y : int, float or list of float
        Its class, or its target.
    W, b, hidden, output, loss
        As for `backprop.reference.gradients`.

    Raises
    ------
    TypeError, ValueError
        As `backprop.reference.gradients` does.
    """
    a, h = forward(x, W, b, hidden, output)
    g = checks.hidden_activations(hidden, len(W))
    ell = checks.matched_loss(output, loss)
    return backward_pass(a, h, target_row(y, len(W[-1]), ell.targets), W, g, ell)
