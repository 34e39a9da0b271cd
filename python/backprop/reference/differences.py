"""Gradients measured instead of derived: ∂f/∂θ_i ≈ (f(θ + s e_i) - f(θ - s e_i)) / 2s."""

from collections.abc import Callable
from typing import Any

from . import checks, network
from .lists import Matrix, Vector, flatten, unflatten


def central_differences(
    function: Callable[[Vector], float], theta: Vector, step: float = 1e-5
) -> Vector:
    """Return the gradient of ``function`` at ``theta`` by central differences.

    Parameters
    ----------
    function : callable
        Takes a list of numbers, returns one.
    theta : list of float
        Where; it is not changed.
    step : float
        The s of the formula. The error falls with s² until rounding, about 1e-16/s, takes over.
    """
    gradient = []
    for i, theta_i in enumerate(theta):
        above = [*theta[:i], theta_i + step, *theta[i + 1 :]]
        below = [*theta[:i], theta_i - step, *theta[i + 1 :]]
        gradient.append((function(above) - function(below)) / (2 * step))
    return gradient


def numerical_gradients(
    X: Matrix,
    y: Any,
    W: list[Matrix],
    b: list[Vector],
    hidden: Any = "relu",
    output: Any = "softmax",
    loss: Any = "cross_entropy",
    *,
    step: float = 1e-5,
    sample_weight: Vector | None = None,
    l1: float | list[float] = 0.0,
    l2: float | list[float] = 0.0,
) -> tuple[list[Matrix], list[Vector]]:
    """Return ∇W and ∇b of the loss by central differences, to hold against `network.gradients`.

    It runs two forward passes per parameter. Parameters and errors are those of
    `network.gradients`; ``step`` is that of `central_differences`.
    """
    sizes = checks.layer_sizes(W, b)

    def loss_of(theta: Vector) -> float:
        W, b = unflatten(theta, sizes)
        return network.loss(
            X, y, W, b, hidden, output, loss, sample_weight=sample_weight, l1=l1, l2=l2
        )

    return unflatten(central_differences(loss_of, flatten(W, b), step), sizes)
