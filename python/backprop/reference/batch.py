"""Section 5.2: the forward and the backward equations for a whole X, one function each.

Rows are examples, as the package says: where the note writes W_k H_{k-1} on columns, each row h
of H_{k-1} meets every row of W_k here. Nothing is checked: `backprop.reference.network` does.
"""

from typing import NamedTuple

from .activations import Activation
from .lists import Matrix, Vector, dot, transpose
from .losses import Loss, Output


class Gradients(NamedTuple):
    """The loss and every gradient of section 5.2.

    Attributes
    ----------
    loss : float
        L, the mean over the examples, and the penalties where there are any.
    grad_W, grad_b : list
        ∇W_1 … ∇W_L and ∇b_1 … ∇b_L, in the sizes of ``W`` and ``b``.
    grad_A, grad_H : list
        ∇A_1 … ∇A_L and ∇H_1 … ∇H_L, rows are examples; the last of ``grad_H`` is w.r.t. Y_hat.
    """

    loss: float
    grad_W: list[Matrix]
    grad_b: list[Vector]
    grad_A: list[Matrix]
    grad_H: list[Matrix]


def pre_activation(W_k: Matrix, H_below: Matrix, b_k: Vector) -> Matrix:
    """Return A_k = W_k H_{k-1} + b_k 1_mᵀ (5.2)."""
    return [[dot(w, h) + b for w, b in zip(W_k, b_k, strict=True)] for h in H_below]


def activation(A_k: Matrix, g: Activation) -> Matrix:
    """Return H_k = g_k(A_k) (5.2)."""
    return [[g.function(a) for a in row] for row in A_k]


def output(A_L: Matrix, out: Output) -> Matrix:
    """Return Ŷ = O(A_L), example by example (2, 5.2)."""
    return [out.function(a) for a in A_L]


def shares(n_examples: int, sample_weight: Vector | None = None) -> Vector:
    """Return each example's part in the mean: the 1/m of section 3, or w_i / Σ w with weights."""
    if sample_weight is None:
        return [1 / n_examples] * n_examples
    total = sum(sample_weight)
    return [w / total for w in sample_weight]


def average_loss(A_L: Matrix, E: Matrix, ell: Loss, share: Vector) -> float:
    """Return L = (1/m) Σ_i ℓ_i, from the pre-activations A_L (3)."""
    return sum(s * ell.value(a, t) for a, t, s in zip(A_L, E, share, strict=True))


def grad_Y_hat(Y_hat: Matrix, E: Matrix, ell: Loss, share: Vector) -> Matrix:
    """Return ∇Ŷ: for each example (1/m) ∇_ŷ ℓ (4.3.1)."""
    return [
        [s * d for d in ell.grad_y_hat(y_hat, t)]
        for y_hat, t, s in zip(Y_hat, E, share, strict=True)
    ]


def grad_A_output(Y_hat: Matrix, E: Matrix, ell: Loss, share: Vector) -> Matrix:
    """Return ∇A_L = (1/m)(Ŷ - E) (5.2)."""
    return [
        [s * d for d in ell.grad_a(y_hat, t)] for y_hat, t, s in zip(Y_hat, E, share, strict=True)
    ]


def grad_A_from_Y_hat(Y_hat: Matrix, A_L: Matrix, grad_Y_hat: Matrix, out: Output) -> Matrix:
    """Return ∇A_L = (∂Ŷ/∂A_L)ᵀ ∇Ŷ for each example, whatever function of Ŷ it is (4.3.1).

    The derivative of softmax is ŷ_l (1{l=i} - ŷ_i), that of the others is output by output.
    """
    if out.normalised:
        return [
            [y_i * (d_i - dot(d, y)) for y_i, d_i in zip(y, d, strict=True)]
            for y, d in zip(Y_hat, grad_Y_hat, strict=True)
        ]
    return [
        [d_i * out.derivative(a_i, y_i) for a_i, y_i, d_i in zip(*rows, strict=True)]
        for rows in zip(A_L, Y_hat, grad_Y_hat, strict=True)
    ]


def grad_H(W_above: Matrix, grad_A_above: Matrix) -> Matrix:
    """Return ∇H_k = W_{k+1}ᵀ ∇A_{k+1} (5.2, 4.3.2)."""
    columns = transpose(W_above)
    return [[dot(column, grad_a) for column in columns] for grad_a in grad_A_above]


def grad_A(grad_H_k: Matrix, A_k: Matrix, H_k: Matrix, g: Activation) -> Matrix:
    """Return ∇A_k = ∇H_k ⊙ g'(A_k) (5.2, 4.3.2)."""
    return [
        [d * g.derivative(a, h) for d, a, h in zip(*rows, strict=True)]
        for rows in zip(grad_H_k, A_k, H_k, strict=True)
    ]


def grad_W(grad_A_k: Matrix, H_below: Matrix) -> Matrix:
    """Return ∇W_k = ∇A_k H_{k-1}ᵀ (5.2, 4.3.3)."""
    inputs = transpose(H_below)
    return [[dot(grad_unit, h) for h in inputs] for grad_unit in transpose(grad_A_k)]


def grad_b(grad_A_k: Matrix) -> Vector:
    """Return ∇b_k = ∇A_k 1_m (5.2, 4.3.3)."""
    return [sum(grad_unit) for grad_unit in transpose(grad_A_k)]


def masked(M: Matrix, mask: Matrix) -> Matrix:
    """Return M ⊙ mask: dropout, on activations and on their gradients alike."""
    return [[p * q for p, q in zip(*rows, strict=True)] for rows in zip(M, mask, strict=True)]


def forward_pass(
    X: Matrix,
    W: list[Matrix],
    b: list[Vector],
    g: list[Activation],
    out: Output,
    masks: list[Matrix] | None = None,
) -> tuple[list[Matrix], list[Matrix]]:
    """Return A_1 … A_L and H_0 … H_L, the forward equations in their order."""
    L = len(W)
    A, H = [], [X]
    for k in range(1, L):
        A.append(pre_activation(W[k - 1], H[k - 1], b[k - 1]))
        H_k = activation(A[k - 1], g[k - 1])
        H.append(masked(H_k, masks[k - 1]) if masks else H_k)
    A.append(pre_activation(W[L - 1], H[L - 1], b[L - 1]))
    H.append(output(A[L - 1], out))
    return A, H


def backward_pass(
    A: list[Matrix],
    H: list[Matrix],
    E: Matrix,
    W: list[Matrix],
    g: list[Activation],
    ell: Loss,
    share: Vector,
    masks: list[Matrix] | None = None,
) -> Gradients:
    """Return every gradient, the backward equations in their order."""
    L = len(W)
    return backward_from(
        A,
        H,
        W,
        g,
        loss=average_loss(A[L - 1], E, ell, share),
        grad_Y_hat=grad_Y_hat(H[L], E, ell, share),
        grad_A_L=grad_A_output(H[L], E, ell, share),
        masks=masks,
    )


def backward_from(
    A: list[Matrix],
    H: list[Matrix],
    W: list[Matrix],
    g: list[Activation],
    *,
    loss: float,
    grad_Y_hat: Matrix,
    grad_A_L: Matrix,
    masks: list[Matrix] | None = None,
) -> Gradients:
    """Return every gradient from those at the output, the backward equations in their order."""
    L = len(W)
    all_grad_H, all_grad_A = [grad_Y_hat], [grad_A_L]
    for k in range(L - 1, 0, -1):
        all_grad_H.insert(0, grad_H(W[k], all_grad_A[0]))  # W[k] is W_{k+1}
        grad_H_k, H_k = all_grad_H[0], H[k]
        if masks:
            # Through H_k ⊙ M_k, to g' from an activation without its mask.
            grad_H_k, H_k = masked(grad_H_k, masks[k - 1]), activation(A[k - 1], g[k - 1])
        all_grad_A.insert(0, grad_A(grad_H_k, A[k - 1], H_k, g[k - 1]))
    return Gradients(
        loss=loss,
        grad_W=[grad_W(all_grad_A[k - 1], H[k - 1]) for k in range(1, L + 1)],
        grad_b=[grad_b(all_grad_A[k - 1]) for k in range(1, L + 1)],
        grad_A=all_grad_A,
        grad_H=all_grad_H,
    )


def grad_X(W_1: Matrix, grad_A_1: Matrix) -> Matrix:
    """Return ∇H_0 = W_1ᵀ ∇A_1, the gradient w.r.t. the inputs: 5.2 taken one layer further."""
    return grad_H(W_1, grad_A_1)
