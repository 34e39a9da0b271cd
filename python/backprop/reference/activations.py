"""Hidden activations g and their derivatives g' (sections 2 and 6.1): one table.

A derivative may use both the pre-activation a and the activation h = g(a). Those of the note are
written from the output h, as section 6.1 does.
"""

import math
from collections.abc import Callable
from typing import NamedTuple


class Activation(NamedTuple):
    """One entry of the table: ``function(a)`` is g(a), ``derivative(a, h)`` is g'(a)."""

    function: Callable[[float], float]
    derivative: Callable[[float, float], float]


def relu(a: float) -> float:
    """Return max(a, 0)."""
    return a if a > 0 else 0.0


def relu_derivative(a: float, h: float) -> float:
    """Return 1 where a > 0, else 0: the kink at a = 0 counts as flat (6.1)."""
    return 1.0 if h > 0 else 0.0


def sigmoid(a: float) -> float:
    """Return the logistic function 1 / (1 + e^-a) (6.1)."""
    # e^-a would overflow for a very negative a; e^a / (1 + e^a) is the same number.
    if a >= 0:
        return 1 / (1 + math.exp(-a))
    return math.exp(a) / (1 + math.exp(a))


def sigmoid_derivative(a: float, h: float) -> float:
    """Return g' = g (1 - g) (6.1)."""
    return h * (1 - h)


def tanh_derivative(a: float, h: float) -> float:
    """Return g' = 1 - g² (6.1)."""
    return 1 - h * h


def linear(a: float) -> float:
    """Return a itself."""
    return a


def linear_derivative(a: float, h: float) -> float:
    """Return 1."""
    return 1.0


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(relu, relu_derivative),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "tanh": Activation(math.tanh, tanh_derivative),
    "linear": Activation(linear, linear_derivative),
}
