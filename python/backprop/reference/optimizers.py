"""The "upgradations" of gradient descent (sections 1 and 3): update rules, over the flat theta.

A rule is a pure function of (theta, grad_theta, state, lr) that returns the new theta and state.
The definitions are PyTorch's, defaults included, but for Lion, which is its paper's (Chen et al.
2023). In the comments θ, g, m, v, u are theta, its gradient, the running means and the update; t
counts the steps from 1. All arithmetic is parameter by parameter.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .lists import Vector


class State(NamedTuple):
    """What a rule remembers: the steps taken, and two lists in the layout of theta.

    ``mean`` runs over the gradients (momentum), ``square`` over their squares; a rule that does
    not need one leaves it as it is.
    """

    step: int
    mean: Vector
    square: Vector


# The decoupled kind, of the rules that have it.
WEIGHT_DECAY = {"adamw": 0.01, "lion": 0.0}

Rule = Callable[..., tuple[Vector, State]]


def initial_state(n_parameters: int) -> State:
    """Return the state before the first step: all zeros."""
    return State(0, [0.0] * n_parameters, [0.0] * n_parameters)


def each(number: float | Vector, theta: Vector) -> Vector:
    """Return one number for each parameter."""
    return number if isinstance(number, list) else [number] * len(theta)


def sgd(theta: Vector, grad: Vector, state: State, lr: float) -> tuple[Vector, State]:
    """Gradient descent: θ ← θ - η g (3)."""
    theta = [p - lr * g for p, g in zip(theta, grad, strict=True)]
    return theta, state._replace(step=state.step + 1)


def momentum(
    theta: Vector, grad: Vector, state: State, lr: float, momentum: float = 0.9
) -> tuple[Vector, State]:
    """Gradient descent with momentum μ: m ← μ m + g, θ ← θ - η m."""
    mean = [momentum * m + g for m, g in zip(state.mean, grad, strict=True)]
    theta = [p - lr * m for p, m in zip(theta, mean, strict=True)]
    return theta, state._replace(step=state.step + 1, mean=mean)


def nesterov(
    theta: Vector, grad: Vector, state: State, lr: float, momentum: float = 0.9
) -> tuple[Vector, State]:
    """Nesterov's momentum: m ← μ m + g, θ ← θ - η (g + μ m)."""
    mean = [momentum * m + g for m, g in zip(state.mean, grad, strict=True)]
    theta = [p - lr * (g + momentum * m) for p, g, m in zip(theta, grad, mean, strict=True)]
    return theta, state._replace(step=state.step + 1, mean=mean)


def adagrad(
    theta: Vector, grad: Vector, state: State, lr: float, eps: float = 1e-10
) -> tuple[Vector, State]:
    """AdaGrad: v ← v + g², θ ← θ - η g / (√v + ε)."""
    square = [v + g * g for v, g in zip(state.square, grad, strict=True)]
    theta = [p - lr * g / (math.sqrt(v) + eps) for p, g, v in zip(theta, grad, square, strict=True)]
    return theta, state._replace(step=state.step + 1, square=square)


def rmsprop(
    theta: Vector, grad: Vector, state: State, lr: float, alpha: float = 0.99, eps: float = 1e-8
) -> tuple[Vector, State]:
    """RMSprop: v ← α v + (1 - α) g², θ ← θ - η g / (√v + ε)."""
    square = [alpha * v + (1 - alpha) * g * g for v, g in zip(state.square, grad, strict=True)]
    theta = [p - lr * g / (math.sqrt(v) + eps) for p, g, v in zip(theta, grad, square, strict=True)]
    return theta, state._replace(step=state.step + 1, square=square)


def adam(
    theta: Vector,
    grad: Vector,
    state: State,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Vector, State]:
    """Adam: θ ← θ - η m̂ / (√v̂ + ε), from running means that start at 0 and are corrected for it.

    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ).
    """
    beta_1, beta_2 = betas
    t = state.step + 1
    mean = [beta_1 * m + (1 - beta_1) * g for m, g in zip(state.mean, grad, strict=True)]
    square = [beta_2 * v + (1 - beta_2) * g * g for v, g in zip(state.square, grad, strict=True)]
    m_hat = [m / (1 - beta_1**t) for m in mean]
    v_hat = [v / (1 - beta_2**t) for v in square]
    theta = [p - lr * m / (math.sqrt(v) + eps) for p, m, v in zip(theta, m_hat, v_hat, strict=True)]
    return theta, State(t, mean, square)


def adamw(
    theta: Vector,
    grad: Vector,
    state: State,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float | Vector = WEIGHT_DECAY["adamw"],
) -> tuple[Vector, State]:
    """AdamW: θ ← (1 - η λ) θ, then Adam's step.

    λ is ``weight_decay``, one number for all of theta or one for each parameter.
    """
    decays = each(weight_decay, theta)
    shrunk = [(1 - lr * decay) * p for p, decay in zip(theta, decays, strict=True)]
    return adam(shrunk, grad, state, lr, betas, eps)


def lion(
    theta: Vector,
    grad: Vector,
    state: State,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float | Vector = WEIGHT_DECAY["lion"],
) -> tuple[Vector, State]:
    """Lion: u = sign(β₁ m + (1 - β₁) g), θ ← θ - η (u + λ θ), m ← β₂ m + (1 - β₂) g.

    The sign of 0 is 0; λ is ``weight_decay``, one number for all of theta or one for each
    parameter.
    """
    beta_1, beta_2 = betas
    blend = [beta_1 * m + (1 - beta_1) * g for m, g in zip(state.mean, grad, strict=True)]
    theta = [
        p - lr * ((c > 0) - (c < 0) + decay * p)
        for p, c, decay in zip(theta, blend, each(weight_decay, theta), strict=True)
    ]
    mean = [beta_2 * m + (1 - beta_2) * g for m, g in zip(state.mean, grad, strict=True)]
    return theta, state._replace(step=state.step + 1, mean=mean)


OPTIMIZERS: dict[str, Rule] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "lion": lion,
}
