"""NumPy, written by hand the way a careful user would: preallocated buffers, no copies.

Also the arbiter: run in float64 it says what the weights must be after three steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.grid import BETA_1, BETA_2, EPSILON, MOMENTUM, Task, join


class Contestant:
    def __init__(self, task: Task, threads: int) -> None:
        self.task = task
        m, dtype = task.batch_size, task.X.dtype
        self.batches = [(task.X[i : i + m], task.y[i : i + m]) for i in range(0, task.steps * m, m)]
        self.A = [np.empty((m, n), dtype) for n in task.layer_sizes[1:]]
        self.H = [np.empty((m, n), dtype) for n in task.layer_sizes[1:-1]]
        self.grad_H = [np.empty_like(H) for H in self.H]
        self.active = [np.empty(H.shape, bool) for H in self.H]
        self.grads = [(np.empty_like(W), np.empty_like(b)) for W, b in task.parameters()]
        self.rows = np.arange(m)
        self.reset()

    def reset(self) -> None:
        self.parameters = self.task.parameters()
        self.t = 0
        self.state = [
            [np.zeros_like(part) for part in pair for _ in range(2)] for pair in self.parameters
        ]
        self.update = {"sgd": self._sgd, "momentum": self._momentum, "adam": self._adam}[
            self.task.optimizer
        ]

    def train(self, epochs: int) -> float:
        loss = 0.0
        for _ in range(epochs):
            for X, y in self.batches:
                loss = self._step(X, y)
        return loss

    def _step(self, X: NDArray[np.floating], y: NDArray[np.int64]) -> float:
        m, last = len(X), len(self.parameters) - 1
        H = X
        for k, (W, b) in enumerate(self.parameters):
            A = self.A[k]
            np.dot(H, W.T, out=A)
            A += b
            if k < last:
                H = np.maximum(A, 0, out=self.H[k])
        A -= A.max(axis=1, keepdims=True)
        true_logits = A[self.rows, y]
        np.exp(A, out=A)
        sums = A.sum(axis=1, keepdims=True)
        loss = (np.log(sums).sum() - true_logits.sum()) / m
        A /= sums
        A[self.rows, y] -= 1
        A *= 1 / m
        grad_A = A
        for k in range(last, -1, -1):
            W, b = self.parameters[k]
            grad_W, grad_b = self.grads[k]
            np.dot(grad_A.T, self.H[k - 1] if k else X, out=grad_W)
            grad_A.sum(axis=0, out=grad_b)
            if k:
                grad_A = np.dot(grad_A, W, out=self.grad_H[k - 1])
                np.greater(self.H[k - 1], 0, out=self.active[k - 1])
                grad_A *= self.active[k - 1]
        self.update()
        return float(loss)

    def _sgd(self) -> None:
        lr = self.task.lr
        for pair, grads in zip(self.parameters, self.grads, strict=True):
            for part, grad in zip(pair, grads, strict=True):
                grad *= lr
                part -= grad

    def _momentum(self) -> None:
        lr = self.task.lr
        for pair, grads, state in zip(self.parameters, self.grads, self.state, strict=True):
            for part, grad, velocity in zip(pair, grads, state[::2], strict=True):
                velocity *= MOMENTUM
                velocity += grad
                np.multiply(velocity, lr, out=grad)
                part -= grad

    def _adam(self) -> None:
        self.t += 1
        scale = self.task.lr / (1 - BETA_1**self.t)
        root = (1 - BETA_2**self.t) ** 0.5
        for pair, grads, state in zip(self.parameters, self.grads, self.state, strict=True):
            for part, grad, mean, square in zip(pair, grads, state[::2], state[1::2], strict=True):
                mean *= BETA_1
                mean += (1 - BETA_1) * grad
                square *= BETA_2
                np.multiply(grad, grad, out=grad)
                grad *= 1 - BETA_2
                square += grad
                np.sqrt(square, out=grad)
                grad /= root
                grad += EPSILON
                np.divide(mean, grad, out=grad)
                grad *= scale
                part -= grad

    def theta(self) -> NDArray[np.floating]:
        return join(self.parameters)

    @staticmethod
    def versions() -> dict[str, Any]:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"numpy": np.__version__, "blas": f"{blas['name']} {blas['version']}"}
