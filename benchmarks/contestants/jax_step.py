"""JAX, one jitted step per batch, its parameters and optimizer state donated."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks.grid import BETA_1, BETA_2, EPSILON, MOMENTUM, Task, join

Parameters = list[tuple[jax.Array, jax.Array]]
jax.config.update("jax_enable_x64", True)  # float64 rows; float32 arrays stay float32


def loss_of(parameters: Parameters, X: jax.Array, y: jax.Array) -> jax.Array:
    H = X
    for W, b in parameters[:-1]:
        H = jax.nn.relu(H @ W.T + b)
    W, b = parameters[-1]
    logits = H @ W.T + b
    log_p = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()


def step_of(optimizer: str, lr: float, carry: Any, X: jax.Array, y: jax.Array) -> Any:
    """(parameters, state, t) after one step, and the loss before it."""
    parameters, state, t = carry
    loss, grads = jax.value_and_grad(loss_of)(parameters, X, y)
    t = t + 1
    if optimizer == "sgd":
        parameters = jax.tree.map(lambda p, g: p - lr * g, parameters, grads)
    elif optimizer == "momentum":
        state = jax.tree.map(lambda v, g: MOMENTUM * v + g, state, grads)
        parameters = jax.tree.map(lambda p, v: p - lr * v, parameters, state)
    else:
        means, squares = state
        means = jax.tree.map(lambda s, g: BETA_1 * s + (1 - BETA_1) * g, means, grads)
        squares = jax.tree.map(lambda s, g: BETA_2 * s + (1 - BETA_2) * g * g, squares, grads)
        t_real = t.astype(X.dtype)
        scale = lr / (1 - BETA_1**t_real)
        root = jnp.sqrt(1 - BETA_2**t_real)
        parameters = jax.tree.map(
            lambda p, a, s: p - scale * a / (jnp.sqrt(s) / root + EPSILON),
            parameters,
            means,
            squares,
        )
        state = (means, squares)
    return (parameters, state, t), loss


class Contestant:
    def __init__(self, task: Task, threads: int) -> None:
        # XLA takes its pool's size from the CPU affinity the worker set, and from nothing else.
        self.task = task
        step = partial(step_of, task.optimizer, task.lr)
        self.step = jax.jit(step, donate_argnums=0)
        self._load()
        self.reset()

    def _load(self) -> None:
        m = self.task.batch_size
        self.batches = [
            (jnp.asarray(self.task.X[i : i + m]), jnp.asarray(self.task.y[i : i + m], jnp.int32))
            for i in range(0, self.task.steps * m, m)
        ]

    def reset(self) -> None:
        parameters = [(jnp.array(W), jnp.array(b)) for W, b in self.task.parameters()]

        def zeros() -> Parameters:
            return [(jnp.zeros_like(W), jnp.zeros_like(b)) for W, b in parameters]

        state: Any = {"sgd": (), "momentum": zeros(), "adam": (zeros(), zeros())}[
            self.task.optimizer
        ]
        self.carry = (parameters, state, jnp.zeros((), jnp.int32))

    def train(self, epochs: int) -> float:
        carry, loss = self.carry, jnp.zeros(())
        for _ in range(epochs):
            for X, y in self.batches:
                carry, loss = self.step(carry, X, y)
        self.carry = jax.block_until_ready(carry)
        return float(loss)

    def theta(self) -> NDArray[np.floating]:
        return join([(np.asarray(W), np.asarray(b)) for W, b in self.carry[0]])

    @staticmethod
    def versions() -> dict[str, Any]:
        return {"jax": jax.__version__}
