"""PyTorch with torch.compile over the forward pass, the loss and (through autograd) its backward.

The fused optimizer stays outside: compiling it too was slower or equal wherever it was tried.
"""

from __future__ import annotations

import torch

from benchmarks.contestants import torch_eager
from benchmarks.grid import Task


class Contestant(torch_eager.Contestant):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        # Graphs of the previous row would count towards the recompile limit.
        torch.compiler.reset()
        self.loss_of = torch.compile(lambda X, y: self.loss(self.net(X), y))

    def _step(self, X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = self.loss_of(X, y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss
