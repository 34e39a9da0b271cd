"""A whole network by the names of its parts: arguments checked, then the equations of 5.2 run."""

import math
from typing import Any

from . import batch, checks
from .batch import Gradients
from .lists import Matrix, Vector, add
from .penalties import grad_penalty, penalty
from .targets import target_rows


def forward(
    X: Matrix,
    W: list[Matrix],
    b: list[Vector],
    hidden: Any = "relu",
    output: Any = "softmax",
    *,
    masks: list[Matrix] | None = None,
) -> tuple[list[Matrix], list[Matrix]]:
    """Run the forward equations (5.2).

    Parameters
    ----------
    X : list of m rows of n_features numbers
        The examples.
    W, b : list
        W_k is a list of n_k rows of n_{k-1} numbers, b_k a list of n_k numbers.
    hidden, output : str or list of str
        Names in ``ACTIVATIONS`` (one for all hidden layers, or L - 1 of them) and ``OUTPUTS``.
    masks : list, optional
        M_1 … M_{L-1} of dropout, with which the H_k are multiplied.

    Returns
    -------
    A : list
        A_1 … A_L.
    H : list
        H_0 = X, H_1 … H_{L-1}, and H_L = Y_hat.

    Raises
    ------
    TypeError, ValueError
        If an argument is no list or no name, sizes do not fit together, or a name is unknown.
    """
    checks.layer_sizes(W, b)
    checks.check_examples(X, W[0])
    g = checks.hidden_activations(hidden, len(W))
    checks.check_masks(masks, [[len(X), len(b_k)] for b_k in b[:-1]])
    return batch.forward_pass(X, W, b, g, checks.output_activation(output), masks)


def backward(
    A: list[Matrix],
    H: list[Matrix],
    y: Any,
    W: list[Matrix],
    hidden: Any = "relu",
    output: Any = "softmax",
    loss: Any = "cross_entropy",
    *,
    sample_weight: Vector | None = None,
    l1: float | list[float] = 0.0,
    l2: float | list[float] = 0.0,
    masks: list[Matrix] | None = None,
) -> Gradients:
    """Run the backward equations (5.2) over what `forward` returned.

    Parameters
    ----------
    A, H : list
        The results of `forward`.
    y : list
        Class labels or rows of probabilities for "cross_entropy", rows of targets for the others,
        bare numbers too where the network has one output.
    W : list
        The matrices that `forward` used.
    hidden, output, loss : str or list of str
        Names in ``ACTIVATIONS``, ``OUTPUTS`` and ``LOSSES``.
    sample_weight : list of m floats, optional
        The mean over the examples becomes Σ_i w_i ℓ_i / Σ_i w_i.
    l1, l2 : float or list of L floats
        Strengths of the `penalty` that is added to the loss; biases bear none.
    masks : list, optional
        Those that `forward` used.

    Returns
    -------
    Gradients
        The loss, ∇W, ∇b, ∇A and ∇H.

    Raises
    ------
    TypeError, ValueError
        If ``y``, ``sample_weight``, ``l1`` or ``l2`` does not fit, or a name is unknown.
    """
    g = checks.hidden_activations(hidden, len(W))
    ell = checks.matched_loss(output, loss)
    m = len(H[0])
    checks.check_labels(y, m)
    checks.check_sample_weight(sample_weight, m)
    checks.check_strengths(l1=l1, l2=l2, n_layers=len(W))
    E = target_rows(y, len(W[-1]), ell.targets)
    checks.check_masks(masks, [[m, len(W_k)] for W_k in W[:-1]])
    unpenalised = batch.backward_pass(A, H, E, W, g, ell, batch.shares(m, sample_weight), masks)
    return unpenalised._replace(
        loss=unpenalised.loss + penalty(W, l1, l2),
        grad_W=list(map(add, unpenalised.grad_W, grad_penalty(W, l1, l2))),
    )


def backward_from_output(
    A: list[Matrix],
    H: list[Matrix],
    grad_Y_hat: Matrix,
    W: list[Matrix],
    hidden: Any = "relu",
    output: Any = "softmax",
) -> Gradients:
    """Run the backward equations (5.2) for any function of the output, from its ∇Ŷ.

    Parameters
    ----------
    A, H, W, hidden, output
        As for `backward`.
    grad_Y_hat : list of m rows of p numbers
        The derivatives of the function with respect to Ŷ; no 1/m is added to them.

    Returns
    -------
    Gradients
        Its loss is NaN, as the function itself is not known.

    Raises
    ------
    TypeError, ValueError
        If sizes do not fit together, or a name is unknown.
    """
    g = checks.hidden_activations(hidden, len(W))
    out = checks.output_activation(output)
    checks.check_rows(grad_Y_hat, "`grad_Y_hat`")
    checks.check_labels(grad_Y_hat, len(H[0]))
    checks.check_columns(grad_Y_hat, "`grad_Y_hat`", len(W[-1]), "the outputs")
    return batch.backward_from(
        A,
        H,
        W,
        g,
        loss=math.nan,
        grad_Y_hat=grad_Y_hat,
        grad_A_L=batch.grad_A_from_Y_hat(H[-1], A[-1], grad_Y_hat, out),
    )


def jacobian(
    X: Matrix, W: list[Matrix], b: list[Vector], hidden: Any = "relu", output: Any = "softmax"
) -> list[Matrix]:
    """Return ∂ŷ_i/∂x_f of each example, at [j][i][f].

    Row i of all examples is `grad_X` of the backward equations that start from ∇Ŷ = e_i. The
    parameters and the errors are those of `forward`.
    """
    A, H = forward(X, W, b, hidden, output)
    p = len(W[-1])
    by_output = []
    for i in range(p):
        e_i = [[float(row == i) for row in range(p)] for _ in X]
        found = backward_from_output(A, H, e_i, W, hidden, output)
        by_output.append(batch.grad_X(W[0], found.grad_A[0]))
    return [[by_output[i][j] for i in range(p)] for j in range(len(X))]


def loss(
    X: Matrix,
    y: Any,
    W: list[Matrix],
    b: list[Vector],
    hidden: Any = "relu",
    output: Any = "softmax",
    loss: Any = "cross_entropy",
    *,
    sample_weight: Vector | None = None,
    l1: float | list[float] = 0.0,
    l2: float | list[float] = 0.0,
) -> float:
    """Return the loss of a batch, the mean over its examples (3); see `gradients`."""
    A, _ = forward(X, W, b, hidden, output)
    ell = checks.matched_loss(output, loss)
    checks.check_labels(y, len(X))
    checks.check_sample_weight(sample_weight, len(X))
    checks.check_strengths(l1=l1, l2=l2, n_layers=len(W))
    E = target_rows(y, len(W[-1]), ell.targets)
    mean = batch.average_loss(A[-1], E, ell, batch.shares(len(X), sample_weight))
    return mean + penalty(W, l1, l2)


def gradients(
    X: Matrix,
    y: Any,
    W: list[Matrix],
    b: list[Vector],
    hidden: Any = "relu",
    output: Any = "softmax",
    loss: Any = "cross_entropy",
    *,
    sample_weight: Vector | None = None,
    l1: float | list[float] = 0.0,
    l2: float | list[float] = 0.0,
    masks: list[Matrix] | None = None,
) -> Gradients:
    """Return the loss of a batch and all its gradients: `forward`, then `backward`.

    The parameters are theirs, and so are the errors.
    """
    A, H = forward(X, W, b, hidden, output, masks=masks)
    return backward(
        A, H, y, W, hidden, output, loss, sample_weight=sample_weight, l1=l1, l2=l2, masks=masks
    )


def gradient_descent_step(
    W: list[Matrix], b: list[Vector], grad_W: list[Matrix], grad_b: list[Vector], lr: float
) -> None:
    """Take θ ← θ - η ∇θ (section 3) in place, η being ``lr``."""
    for W_k, grad_W_k in zip(W, grad_W, strict=True):
        for row, grad_row in zip(W_k, grad_W_k, strict=True):
            row[:] = [w - lr * d for w, d in zip(row, grad_row, strict=True)]
    for b_k, grad_b_k in zip(b, grad_b, strict=True):
        b_k[:] = [beta - lr * d for beta, d in zip(b_k, grad_b_k, strict=True)]
