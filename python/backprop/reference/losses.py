"""Output activations O, and the loss of one example matched to each (sections 3 and 4.3.1).

Each loss is a function of the pre-activation a_L of the output layer ("logits"), never of a
rounded y_hat: the logarithm of a softmax is a log-sum-exp, that of a sigmoid a softplus. The loss
of a batch is the mean of these over its examples (section 3): every factor before a sum over the
outputs is written here.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .activations import linear, linear_derivative, sigmoid, sigmoid_derivative, softplus
from .lists import Vector


class Output(NamedTuple):
    """One output activation: ``function(a_L)`` is the row y_hat.

    ``derivative(a, y)`` is ∂ŷ_j/∂a_Lj, of an output with respect to its own pre-activation. Where
    the outputs are ``normalised`` to the sum 1, as softmax does, ∂ŷ_l/∂a_Li is -ŷ_l ŷ_i for i ≠ l;
    elsewhere it is 0.
    """

    function: Callable[[Vector], Vector]
    derivative: Callable[[float, float], float]
    normalised: bool = False


class Loss(NamedTuple):
    """One loss, matched to its output activation.

    ``value(a_L, t)`` is the loss of an example with target row t, ``grad_y_hat(y_hat, t)`` and
    ``grad_a(y_hat, t)`` are its gradients w.r.t. y_hat (4.3.1) and a_L (5.1), and ``targets``
    names the rule that t obeys (see `backprop.reference.targets`).
    """

    value: Callable[[Vector, Vector], float]
    grad_y_hat: Callable[[Vector, Vector], Vector]
    grad_a: Callable[[Vector, Vector], Vector]
    targets: str


def softmax(a: Vector) -> Vector:
    """Return ŷ_j = e^a_j / Σ_i e^a_i (4.3.1), the maximum subtracted so that nothing overflows."""
    largest = max(a)
    exponentials = [math.exp(a_j - largest) for a_j in a]
    total = sum(exponentials)
    return [e / total for e in exponentials]


def log_sum_exp(a: Vector) -> float:
    """Return log Σ_i e^a_i."""
    largest = max(a)
    return largest + math.log(sum(math.exp(a_j - largest) for a_j in a))


def exponential(a: float) -> float:
    """Return e^a, infinite where it overflows."""
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def difference(y_hat: Vector, t: Vector) -> Vector:
    """Return ∇a_L = -(t - ŷ), in which the matched pairs end (4.3.1, 5.1)."""
    return [-(t_j - y_j) for y_j, t_j in zip(y_hat, t, strict=True)]


def quotient(numerator: float, denominator: float) -> float:
    """Return the ratio in the limit of a denominator that rounded to 0 from above."""
    if numerator == 0:
        return 0.0
    return numerator / denominator if denominator else math.copysign(math.inf, numerator)


def cross_entropy(a: Vector, t: Vector) -> float:
    """Return -Σ_j t_j log ŷ_j, which is -log ŷ_l for a class l (section 3)."""
    log_normaliser = log_sum_exp(a)
    return sum(t_j * (log_normaliser - a_j) for a_j, t_j in zip(a, t, strict=True))


def cross_entropy_grad_a(y_hat: Vector, t: Vector) -> Vector:
    """Return -(t - ŷ), -(e_l - ŷ) for a class l (4.3.1, 5.1)."""
    # The note's ŷ comes with the factor Σ_i t_i = 1, kept for rows that rounding left short of it.
    total = sum(t)
    return [-(t_j - total * y_j) for y_j, t_j in zip(y_hat, t, strict=True)]


def cross_entropy_grad_y_hat(y_hat: Vector, t: Vector) -> Vector:
    """Return ∇_ŷ L = -(1/ŷ_l) e_l (4.3.1)."""
    return [-quotient(t_j, y_j) for y_j, t_j in zip(y_hat, t, strict=True)]


def squared_error(a: Vector, t: Vector) -> float:
    """Return ½ ‖ŷ - t‖²."""
    return 0.5 * sum((a_j - t_j) * (a_j - t_j) for a_j, t_j in zip(a, t, strict=True))


def binary_cross_entropy(a: Vector, t: Vector) -> float:
    """Return -Σ_j (t_j log ŷ_j + (1 - t_j) log(1 - ŷ_j)), summed over the outputs."""
    # With both factors on softplus no two large numbers are ever subtracted.
    return sum(
        t_j * softplus(-a_j) + (1 - t_j) * softplus(a_j) for a_j, t_j in zip(a, t, strict=True)
    )


def binary_cross_entropy_grad_y_hat(y_hat: Vector, t: Vector) -> Vector:
    """Return -t_j/ŷ_j + (1 - t_j)/(1 - ŷ_j)."""
    return [
        quotient(1 - t_j, 1 - y_j) - quotient(t_j, y_j) for y_j, t_j in zip(y_hat, t, strict=True)
    ]


def label_smoothing(ell: Loss, smoothing: float) -> Loss:
    """Return the loss that sees t as (1 - s) t + s u, with u = 1/p for classes, ½ for each output.

    Parameters
    ----------
    ell : Loss
        The cross-entropy or the binary cross-entropy of ``LOSSES``.
    smoothing : float
        The s, in 0 … 1.

    Raises
    ------
    ValueError
        If ``ell`` does not take probabilities, or ``smoothing`` is out of its range.
    """
    if ell.targets not in ("probabilities", "unit"):
        raise ValueError(f"`ell` must take probabilities to be smoothed, got one for {ell.targets}")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"`smoothing` must be in 0..1, got {smoothing}")

    def smoothed(t: Vector) -> Vector:
        uniform = 1 / len(t) if ell.targets == "probabilities" else 0.5
        return [(1 - smoothing) * t_j + smoothing * uniform for t_j in t]

    return Loss(
        lambda a, t: ell.value(a, smoothed(t)),
        lambda y_hat, t: ell.grad_y_hat(y_hat, smoothed(t)),
        lambda y_hat, t: ell.grad_a(y_hat, smoothed(t)),
        ell.targets,
    )


def absolute_error(a: Vector, t: Vector) -> float:
    """Return Σ_j |ŷ_j - t_j|, summed over the outputs."""
    return sum(abs(a_j - t_j) for a_j, t_j in zip(a, t, strict=True))


def absolute_error_grad(y_hat: Vector, t: Vector) -> Vector:
    """Return the sign of ŷ_j - t_j, 0 where they are equal."""
    return [float((y_j > t_j) - (y_j < t_j)) for y_j, t_j in zip(y_hat, t, strict=True)]


def huber(delta: float = 1.0) -> Loss:
    """Return the loss that is squared near 0 and absolute beyond ``delta``.

    Σ_j of ½ r² where |r| ≤ delta, else delta (|r| - ½ delta), with r = ŷ_j - t_j. ``delta`` is the
    name the field gives to the threshold; it is no gradient.

    Raises
    ------
    ValueError
        If ``delta`` is not positive.
    """
    if not delta > 0:
        raise ValueError(f"`delta` must be positive, got {delta}")

    def value(a: Vector, t: Vector) -> float:
        sizes = [abs(r) for r in difference(a, t)]
        return sum(0.5 * r * r if r <= delta else delta * (r - 0.5 * delta) for r in sizes)

    def grad(y_hat: Vector, t: Vector) -> Vector:
        return [min(max(r, -delta), delta) for r in difference(y_hat, t)]

    return Loss(value, grad, grad, targets="real")


def poisson(a: Vector, t: Vector) -> float:
    """Return Σ_j ŷ_j - t_j log ŷ_j, with ŷ = e^a (log link).

    That is -log of the Poisson probability of t without its log t!, which no parameter changes.
    """
    return sum(exponential(a_j) - t_j * a_j for a_j, t_j in zip(a, t, strict=True))


def poisson_grad_y_hat(y_hat: Vector, t: Vector) -> Vector:
    """Return 1 - t_j/ŷ_j."""
    return [1 - quotient(t_j, y_j) for y_j, t_j in zip(y_hat, t, strict=True)]


OUTPUTS: dict[str, Output] = {
    # 4.3.1: ∂ŷ_l/∂a_Li = 1{l=i} ŷ_l - ŷ_l ŷ_i, at i = l the sigmoid's derivative.
    "softmax": Output(softmax, sigmoid_derivative, normalised=True),
    "linear": Output(lambda a: [linear(a_j) for a_j in a], linear_derivative),
    "sigmoid": Output(lambda a: [sigmoid(a_j) for a_j in a], sigmoid_derivative),
    "exp": Output(lambda a: [exponential(a_j) for a_j in a], lambda a, y: y),
}

LOSSES: dict[tuple[str, str], Loss] = {
    ("softmax", "cross_entropy"): Loss(
        cross_entropy, cross_entropy_grad_y_hat, cross_entropy_grad_a, targets="probabilities"
    ),
    ("linear", "squared_error"): Loss(squared_error, difference, difference, targets="real"),
    ("linear", "absolute_error"): Loss(
        absolute_error, absolute_error_grad, absolute_error_grad, targets="real"
    ),
    ("linear", "huber"): huber(),
    ("sigmoid", "binary_cross_entropy"): Loss(
        binary_cross_entropy, binary_cross_entropy_grad_y_hat, difference, targets="unit"
    ),
    ("exp", "poisson"): Loss(poisson, poisson_grad_y_hat, difference, targets="nonnegative"),
}
