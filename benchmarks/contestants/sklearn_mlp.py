"""scikit-learn: MLPClassifier.partial_fit, one call per epoch."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from benchmarks.grid import BETA_1, BETA_2, EPSILON, MOMENTUM, Task, join


class Contestant:
    # Its Adam adds epsilon before the bias correction, which shows in the first steps.
    allowance: ClassVar = {"adam": 0.02}

    def __init__(self, task: Task, threads: int) -> None:
        self.task = task
        self.clf = MLPClassifier(
            hidden_layer_sizes=task.layer_sizes[1:-1],
            solver="adam" if task.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=task.batch_size,
            learning_rate="constant",
            learning_rate_init=task.lr,
            momentum=MOMENTUM if task.optimizer == "momentum" else 0.0,
            nesterovs_momentum=False,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
            shuffle=False,
            n_iter_no_change=10**9,
            random_state=0,
        )
        m = task.batch_size
        self.clf.partial_fit(task.X[:m], task.y[:m], classes=np.arange(task.n_classes))
        self.reset()

    def reset(self) -> None:
        for k, (W, b) in enumerate(self.task.parameters()):
            self.clf.coefs_[k][...] = W.T
            self.clf.intercepts_[k][...] = b
        self.clf.__dict__.pop("_optimizer", None)  # partial_fit makes a fresh one

    def train(self, epochs: int) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(epochs):
                self.clf.partial_fit(self.task.X, self.task.y)
        return float(self.clf.loss_)

    def theta(self) -> NDArray[np.floating]:
        pairs = zip(self.clf.coefs_, self.clf.intercepts_, strict=True)
        return join([(W.T, b) for W, b in pairs])

    @staticmethod
    def versions() -> dict[str, Any]:
        return {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
