"""PyTorch with torch.compile over the whole step: forward, loss, backward and update, one graph.

Of the ways to compile a training step this was the fastest on every row: leaving the backward pass
to autograd or the update to an optimizer costs their Python overhead at every step. The C++
wrapper calls the compiled kernels without Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import grad_and_value
from torch.nn import functional

from benchmarks.contestants import torch_eager
from benchmarks.grid import BETA_1, BETA_2, EPSILON, MOMENTUM, Task, join

Tensors = list[tuple[torch.Tensor, torch.Tensor]]


def loss_of(parameters: Tensors, X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    H = X
    for W, b in parameters[:-1]:
        H = functional.relu(functional.linear(H, W, b))
    return functional.cross_entropy(functional.linear(H, *parameters[-1]), y)


def step_of(optimizer: str, lr: float) -> Any:
    """The step as one function: parameters and state change in place, the loss is returned."""

    def step(
        parameters: Tensors, state: list[Any], t: torch.Tensor, X: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        grads, loss = grad_and_value(loss_of)(parameters, X, y)
        flat = [
            (part, grad)
            for pair, grad_pair in zip(parameters, grads, strict=True)
            for part, grad in zip(pair, grad_pair, strict=True)
        ]
        if optimizer == "sgd":
            for part, grad in flat:
                part.sub_(grad, alpha=lr)
        elif optimizer == "momentum":
            for (part, grad), (velocity, _) in zip(flat, state, strict=True):
                velocity.mul_(MOMENTUM).add_(grad)
                part.sub_(velocity, alpha=lr)
        else:
            t += 1
            scale = (lr / (1 - BETA_1**t)).to(X.dtype)
            root = torch.sqrt(1 - BETA_2**t).to(X.dtype)
            for (part, grad), (mean, square) in zip(flat, state, strict=True):
                mean.mul_(BETA_1).add_(grad, alpha=1 - BETA_1)
                square.mul_(BETA_2).add_(grad * grad, alpha=1 - BETA_2)
                part.sub_(scale * mean / (square.sqrt() / root + EPSILON))
        return loss

    return step


class Contestant:
    def __init__(self, task: Task, threads: int) -> None:
        torch.set_num_threads(threads)
        self.task = task
        X = torch.from_numpy(task.X).split(task.batch_size)
        y = torch.from_numpy(task.y).split(task.batch_size)
        self.batches = list(zip(X, y, strict=True))
        # Graphs of the previous row would count towards the recompile limit.
        torch.compiler.reset()
        self.step = torch.compile(
            step_of(task.optimizer, task.lr), fullgraph=True, options={"cpp_wrapper": True}
        )
        self.reset()

    def reset(self) -> None:
        self.parameters = [
            (torch.from_numpy(W), torch.from_numpy(b)) for W, b in self.task.parameters()
        ]
        self.state = [
            (torch.zeros_like(part), torch.zeros_like(part))
            for pair in self.parameters
            for part in pair
        ]
        # Of shape (1,): the compiled graph drops the update of a tensor without dimensions.
        self.t = torch.zeros(1, dtype=torch.float64)

    def train(self, epochs: int) -> float:
        loss = torch.zeros(())
        for _ in range(epochs):
            for X, y in self.batches:
                loss = self.step(self.parameters, self.state, self.t, X, y)
        return float(loss)

    def theta(self) -> NDArray[np.floating]:
        return join([(W.numpy(), b.numpy()) for W, b in self.parameters])

    versions = staticmethod(torch_eager.Contestant.versions)
