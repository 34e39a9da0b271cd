"""PyTorch, eager: nn.Sequential, autograd and the fused optimizers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.grid import BETA_1, BETA_2, EPSILON, MOMENTUM, Task, join


class Contestant:
    def __init__(self, task: Task, threads: int) -> None:
        torch.set_num_threads(threads)
        self.task = task
        # Split once: eager slicing in the loop would cost every step two views.
        X = torch.from_numpy(task.X).split(task.batch_size)
        y = torch.from_numpy(task.y).split(task.batch_size)
        self.batches = list(zip(X, y, strict=True))
        sizes = task.layer_sizes
        layers: list[torch.nn.Module] = []
        for n, p in pairwise(sizes):
            layers += [torch.nn.Linear(n, p, dtype=X[0].dtype), torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.linear = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
        self.loss = torch.nn.CrossEntropyLoss()
        self.reset()
        self.step = self._step

    def reset(self) -> None:
        with torch.no_grad():
            for layer, (W, b) in zip(self.linear, self.task.parameters(), strict=True):
                layer.weight.copy_(torch.from_numpy(W))
                layer.bias.copy_(torch.from_numpy(b))
        parameters, lr = self.net.parameters(), self.task.lr
        self.optimizer: torch.optim.Optimizer
        if self.task.optimizer == "adam":
            self.optimizer = torch.optim.Adam(
                parameters, lr, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True
            )
        else:
            momentum = MOMENTUM if self.task.optimizer == "momentum" else 0.0
            self.optimizer = torch.optim.SGD(parameters, lr, momentum=momentum, fused=True)

    def _step(self, X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = self.loss(self.net(X), y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self, epochs: int) -> float:
        loss = torch.zeros(())
        for _ in range(epochs):
            for X, y in self.batches:
                loss = self.step(X, y)
        return float(loss.detach())

    def theta(self) -> NDArray[np.floating]:
        return join(
            [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in self.linear]
        )

    @staticmethod
    def versions() -> dict[str, Any]:
        return {
            "torch": torch.__version__,
            "capability": torch.backends.cpu.get_cpu_capability(),
            "mkl": torch.backends.mkl.is_available(),
        }
