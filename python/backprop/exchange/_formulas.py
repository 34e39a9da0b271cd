"""How others compute each activation: as operators of ONNX, and as the body of a C function.

The operators are those of opset 13 that runtimes have for float32. For float64, where they often
have no kernel, the same function is made of elementary ones. The C is written for double; its first
comparison lets a NaN through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backprop.exchange._graph import Graph

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
# These are the coefficients, the highest power first, of a polynomial in (z - 6) / (z + 6) for Q(z)
# exp(z²/2) (1 + 1.25 z), Q being the tail of the normal distribution. The engine has the same in
# vector_math.hpp.
_TAIL = (
    *(1.9912874962849395e-9, 3.5511472254175863e-9, -2.0319608873896132e-8),
    *(-2.3781887871216796e-8, 1.7161505395409783e-7, -1.6198074347928629e-8),
    *(-1.2779754747761225e-6, 2.4090214080873356e-6, 5.396326814156746e-6),
    *(-3.4313223689872538e-5, 5.2370957530468011e-5, 1.4626853952671425e-4),
    *(-1.131336561350474e-3, 3.9229324325601434e-3, -9.6792562803191899e-3),
    *(1.877018917571306e-2, -2.9455018769317595e-2, 3.700421878483617e-2),
    *(-3.4382684823943903e-2, 1.5009776475308502e-2, 2.330640734041967e-2),
    *(-7.5482519517958663e-2, 5.5062417175779822e-1),
)


class Formula(NamedTuple):
    """One activation: from the name of A_k to that of H_k in a graph, and C from ``a`` to g(a).

    ``c`` is None where there is nothing to compute for each number by itself.
    """

    onnx: Callable[[Graph, str], str]
    c: str | None


def _node(op: str, **attributes: Any) -> Callable[[Graph, str], str]:
    return lambda graph, a: graph.add(op, a, **attributes)


def _native(
    wide: Callable[[Graph, str], str], op: str, **attributes: Any
) -> Callable[[Graph, str], str]:
    """Take the operator for float32, ``wide`` for float64."""
    single = _node(op, **attributes)
    return lambda graph, a: (single if graph.dtype == np.float32 else wide)(graph, a)


def _linear(graph: Graph, a: str) -> str:
    return a


def _leaky_relu(graph: Graph, a: str) -> str:
    return graph.add("Max", a, graph.add("Mul", a, 0.01))


def _exponential_linear(scale: float, alpha: float) -> Callable[[Graph, str], str]:
    """Return scale (max(a, 0) + alpha (exp(min(a, 0)) - 1))."""

    def g(graph: Graph, a: str) -> str:
        below = graph.add("Sub", graph.add("Exp", graph.add("Min", a, 0.0)), 1.0)
        h = graph.add("Add", graph.add("Relu", a), graph.add("Mul", below, alpha))
        return graph.add("Mul", h, scale)

    return g


def _softplus(graph: Graph, a: str) -> str:
    """Return max(a, 0) + log(1 + exp(-|a|))."""
    e = graph.add("Exp", graph.add("Neg", graph.add("Abs", a)))
    return graph.add("Add", graph.add("Relu", a), graph.add("Log", graph.add("Add", e, 1.0)))


def _gelu(graph: Graph, a: str) -> str:
    """Return a Φ(a): with erf in float32; in float64 max(a, 0) - |a| Q(|a|), Q being 1 - Φ."""
    if graph.dtype == np.float32:
        erf = graph.add("Erf", graph.add("Mul", a, 0.7071067811865476))
        half = graph.add("Mul", a, 0.5)
        return graph.add("Mul", half, graph.add("Add", erf, 1.0))
    magnitude = graph.add("Abs", a)
    # From 39 on Q is 0 in float64; the bound keeps the square finite.
    z = graph.add("Min", magnitude, 39.0)
    x = graph.add("Div", graph.add("Sub", z, 6.0), graph.add("Add", z, 6.0))
    polynomial = graph.add("Add", graph.add("Mul", x, _TAIL[0]), _TAIL[1])
    for coefficient in _TAIL[2:]:
        polynomial = graph.add("Add", graph.add("Mul", polynomial, x), coefficient)
    gaussian = graph.add("Exp", graph.add("Mul", graph.add("Mul", z, z), -0.5))
    scale = graph.add("Add", graph.add("Mul", z, 1.25), 1.0)
    tail = graph.add("Div", graph.add("Mul", gaussian, polynomial), scale)
    return graph.add("Sub", graph.add("Relu", a), graph.add("Mul", magnitude, tail))


def _gelu_tanh(graph: Graph, a: str) -> str:
    """Return a (1 + tanh u) / 2 = a sigmoid(2u), 2u = a (√(8/π) + 0.0713… a²)."""
    square = graph.add("Mul", a, a)
    slope = graph.add("Add", graph.add("Mul", square, 0.07135481627260025), 1.5957691216057308)
    return graph.add("Mul", a, graph.add("Sigmoid", graph.add("Mul", a, slope)))


def _silu(graph: Graph, a: str) -> str:
    return graph.add("Mul", a, graph.add("Sigmoid", a))


def _mish(graph: Graph, a: str) -> str:
    """Return a tanh(softplus(a)) = a n / (n + 2), n = e (e + 2), e = exp(a)."""
    # From 20 on the quotient is 1 to the last bit; the bound keeps n finite.
    e = graph.add("Exp", graph.add("Min", a, 20.0))
    n = graph.add("Mul", e, graph.add("Add", e, 2.0))
    return graph.add("Mul", a, graph.add("Div", n, graph.add("Add", n, 2.0)))


def _hard_tanh(graph: Graph, a: str) -> str:
    return graph.add("Clip", a, -1.0, 1.0)


ACTIVATIONS: dict[str, Formula] = {
    "relu": Formula(_node("Relu"), "return a < 0 ? 0 : a;"),
    "sigmoid": Formula(
        _node("Sigmoid"), "const double e = exp(-fabs(a));\n  return (a < 0 ? e : 1) / (1 + e);"
    ),
    "tanh": Formula(_node("Tanh"), "return tanh(a);"),
    "linear": Formula(_linear, None),
    "leaky_relu": Formula(
        _native(_leaky_relu, "LeakyRelu", alpha=0.01), "return a < 0 ? 0.01 * a : a;"
    ),
    "elu": Formula(
        _native(_exponential_linear(1.0, 1.0), "Elu", alpha=1.0), "return a < 0 ? expm1(a) : a;"
    ),
    "selu": Formula(
        _native(
            _exponential_linear(_SELU_SCALE, _SELU_ALPHA),
            "Selu",
            alpha=_SELU_ALPHA,
            gamma=_SELU_SCALE,
        ),
        "return 1.0507009873554805 * (a < 0 ? 1.6732632423543772 * expm1(a) : a);",
    ),
    # This is a Φ(a); erfc keeps the digits of its tail.
    "gelu": Formula(_gelu, "return 0.5 * a * erfc(-0.7071067811865476 * a);"),
    # This is a sigmoid(2u) with u = √(2/π) (a + 0.044715 a³).
    "gelu_tanh": Formula(
        _gelu_tanh, "return a / (1 + exp(-a * (1.5957691216057308 + 0.07135481627260025 * a * a)));"
    ),
    "silu": Formula(_silu, "return a / (1 + exp(-a));"),
    # This is a tanh(softplus(a)); its quotient is 1 to the last bit from 20 on.
    "mish": Formula(
        _mish,
        "const double e = exp(a < 20 ? a : 20), n = e * (e + 2);\n  return a * (n / (n + 2));",
    ),
    "softplus": Formula(
        _native(_softplus, "Softplus"), "return (a < 0 ? 0 : a) + log1p(exp(-fabs(a)));"
    ),
    "hard_tanh": Formula(_hard_tanh, "return a < -1 ? -1 : a > 1 ? 1 : a;"),
}
# Softmax has no C of its own, because it is computed from all outputs together.
OUTPUTS: dict[str, Formula] = {
    "softmax": Formula(_node("Softmax", axis=1), None),
    "linear": ACTIVATIONS["linear"],
    "sigmoid": ACTIVATIONS["sigmoid"],
    "exp": Formula(_node("Exp"), "return exp(a);"),
}
