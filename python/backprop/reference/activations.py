"""Hidden activations g and their derivatives g' (sections 2 and 6.1): one table.

A derivative may use both the pre-activation a and the activation h = g(a). Those of the note are
written from the output h, as section 6.1 does. The note's "etc." (2) is the rest of the table; at
a kink it follows PyTorch, as the functions say.
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


def leaky_relu(slope: float = 0.01) -> Activation:
    """Return the entry of g(a) = a where a > 0, else slope · a; g'(0) = slope."""
    return Activation(
        lambda a: a if a > 0 else slope * a,
        lambda a, h: 1.0 if a > 0 else slope,
    )


def elu(alpha: float = 1.0, scale: float = 1.0) -> Activation:
    """Return the entry of g(a) = scale · (a where a > 0, else alpha (e^a - 1)).

    Left of 0, g' = h + scale · alpha; g'(0) is that too.
    """
    return Activation(
        lambda a: scale * a if a > 0 else scale * alpha * math.expm1(a),
        lambda a, h: scale if a > 0 else h + scale * alpha,
    )


# Klambauer et al. 2017: with these two, mean 0 and variance 1 are a fixed point of the layers.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def normal_cdf(a: float) -> float:
    """Return Φ(a), the standard normal distribution function."""
    return 0.5 * math.erfc(-a / math.sqrt(2))


def gelu(a: float) -> float:
    """Return a Φ(a)."""
    return a * normal_cdf(a)


def gelu_derivative(a: float, h: float) -> float:
    """Return Φ(a) + a φ(a), φ being the standard normal density."""
    return normal_cdf(a) + a * math.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)


GELU_SLOPE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


def gelu_tanh(a: float) -> float:
    """Return ½ a (1 + tanh u), u = √(2/π) (a + 0.044715 a³): GELU's approximation."""
    return 0.5 * a * (1 + math.tanh(GELU_SLOPE * (a + GELU_CUBIC * a * a * a)))


def gelu_tanh_derivative(a: float, h: float) -> float:
    """Return ½ (1 + tanh u) + ½ a (1 - tanh² u) u'."""
    t = math.tanh(GELU_SLOPE * (a + GELU_CUBIC * a * a * a))
    if abs(t) == 1:  # the second term is 0 then, but its a² may be infinite
        return 0.5 * (1 + t)
    return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * GELU_SLOPE * (1 + 3 * GELU_CUBIC * a * a)


def silu(a: float) -> float:
    """Return a σ(a), σ being the logistic function."""
    return a * sigmoid(a)


def silu_derivative(a: float, h: float) -> float:
    """Return σ(a) + h (1 - σ(a))."""
    return sigmoid(a) + h * (1 - sigmoid(a))


def softplus(a: float) -> float:
    """Return log(1 + e^a)."""
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))


def softplus_derivative(a: float, h: float) -> float:
    """Return σ(a), which is 1 - e^-h from the output."""
    return -math.expm1(-h)


def mish(a: float) -> float:
    """Return a tanh(softplus(a))."""
    return a * math.tanh(softplus(a))


def mish_derivative(a: float, h: float) -> float:
    """Return t + a σ(a) (1 - t²), t being tanh(softplus(a))."""
    t = math.tanh(softplus(a))
    return t + a * sigmoid(a) * (1 - t * t)


def hard_tanh(a: float) -> float:
    """Return a, cut off at -1 and 1."""
    return min(max(a, -1.0), 1.0)


def hard_tanh_derivative(a: float, h: float) -> float:
    """Return 1 where -1 < a < 1, else 0."""
    return 1.0 if -1 < h < 1 else 0.0


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(relu, relu_derivative),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "tanh": Activation(math.tanh, tanh_derivative),
    "linear": Activation(linear, linear_derivative),
    "leaky_relu": leaky_relu(),
    "elu": elu(),
    "selu": elu(SELU_ALPHA, SELU_SCALE),
    "gelu": Activation(gelu, gelu_derivative),
    "gelu_tanh": Activation(gelu_tanh, gelu_tanh_derivative),
    "silu": Activation(silu, silu_derivative),
    "mish": Activation(mish, mish_derivative),
    "softplus": Activation(softplus, softplus_derivative),
    "hard_tanh": Activation(hard_tanh, hard_tanh_derivative),
}
