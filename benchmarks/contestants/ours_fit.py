"""Ours through the public Python API: Network.fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from backprop.optimizers import SGD, Adam
from benchmarks.grid import BETA_1, BETA_2, EPSILON, MOMENTUM, Task

OPTIMIZERS = {
    "sgd": SGD(),
    "momentum": SGD(momentum=MOMENTUM),
    "adam": Adam(beta_1=BETA_1, beta_2=BETA_2, eps=EPSILON),
}


class Contestant:
    def __init__(self, task: Task, threads: int) -> None:
        bp.set_num_threads(threads)
        self.task = task
        self.net = bp.Network(
            list(task.layer_sizes),
            hidden="relu",
            output="softmax",
            loss="cross_entropy",
            dtype=task.X.dtype.name,
        )
        self.reset()

    def reset(self) -> None:
        self.net.theta[:] = self.task.theta

    def train(self, epochs: int) -> float:
        task = self.task
        history = self.net.fit(
            task.X,
            task.y,
            epochs=epochs,
            batch_size=task.batch_size,
            optimizer=OPTIMIZERS[task.optimizer],
            lr=task.lr,
            shuffle=False,
        )
        return float(history["loss"][-1])

    def theta(self) -> NDArray[np.floating]:
        return self.net.theta.copy()

    @staticmethod
    def versions() -> dict[str, Any]:
        return dict(bp.info())
