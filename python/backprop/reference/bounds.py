"""Bounds on a gradient before a step, and on the weights after it."""

import math

from .lists import Matrix, Vector


def clip_value(grad: Vector, bound: float) -> Vector:
    """Return the gradient with each entry cut to -bound … bound: PyTorch's clip_grad_value_."""
    return [min(max(g, -bound), bound) for g in grad]


def clip_norm(grad: Vector, bound: float) -> Vector:
    """Return g min(1, bound / ‖g‖), the whole gradient no longer than ``bound``.

    PyTorch's clip_grad_norm_, but for the 1e-6 that it adds to the norm.
    """
    norm = math.sqrt(sum(g * g for g in grad))
    return [g * bound / norm for g in grad] if norm > bound else grad


def max_norm(W: list[Matrix], bound: float) -> list[Matrix]:
    """Return the W_k with each row, the weights into one unit, no longer than ``bound``."""
    return [[clip_norm(row, bound) for row in W_k] for W_k in W]
