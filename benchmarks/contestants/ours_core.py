"""Ours without the Python face: the C++ trainer, called once an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop import _backprop
from benchmarks.grid import BETA_1, BETA_2, EPSILON, MOMENTUM, Task

CLASSES = {
    "float32": (_backprop.Network32, _backprop.Data32, _backprop.Trainer32),
    "float64": (_backprop.Network64, _backprop.Data64, _backprop.Trainer64),
}
OPTIONS = {
    "sgd": {},
    "momentum": {"momentum": MOMENTUM},
    "adam": {"beta_1": BETA_1, "beta_2": BETA_2, "eps": EPSILON},
}


class Contestant:
    def __init__(self, task: Task, threads: int) -> None:
        _backprop.set_num_threads(threads)
        network, data, trainer = CLASSES[task.X.dtype.name]
        hidden = ["relu"] * (len(task.layer_sizes) - 2)
        self.task = task
        self.net = network(task.layer_sizes, hidden, "softmax", "cross_entropy")
        self.data = data(self.net, task.X, task.y)
        self.trainer = trainer(self.net, task.batch_size, task.optimizer, OPTIONS[task.optimizer])
        self.reset()

    def reset(self) -> None:
        self.net.theta[:] = self.task.theta

    def train(self, epochs: int) -> float:
        task, loss = self.task, 0.0
        for _ in range(epochs):
            loss, _ = self.trainer.epoch(self.data, None, task.lr)
        return loss

    def theta(self) -> NDArray[np.floating]:
        return self.net.theta.copy()

    @staticmethod
    def versions() -> dict[str, Any]:
        return dict(_backprop.info())
