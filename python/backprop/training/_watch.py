"""Quantities that are computed after an epoch, and whether they are better than before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf, isnan
from typing import Any, NamedTuple

from backprop.core.checks import known_name
from backprop.core.inputs import Batch
from backprop.core.network import Core
from backprop.training import metrics as metrics_table
from backprop.training.history import History
from backprop.training.losses import CustomLoss, mean


class Quantity(NamedTuple):
    """A metric under the name that the history has it by."""

    name: str
    function: Callable[[Any, Any], float]
    larger_is_better: bool | None


class Evaluation:
    """The loss and the metrics of held-out examples, or the metrics alone of the trained ones."""

    def __init__(
        self,
        network: Core,
        data: Batch | None,
        metrics: Any,
        *,
        held_out: bool,
        loss: CustomLoss | None = None,
    ) -> None:
        prefix = "val_" if held_out else ""
        if metrics is None:
            # Everyone wants to see the accuracy, but computing it for the examples trained on takes
            # a pass over all of them, which is made only where it was asked for.
            classes = loss is None and network.output_name in ("softmax", "sigmoid")
            named = ["accuracy"] if held_out and classes else []
        elif isinstance(metrics, str) or not isinstance(metrics, Iterable):
            named = [metrics]
        else:
            named = list(metrics)
        self._data, self._held_out, self._loss = data, held_out, loss
        self._quantities: list[Quantity] = []
        for metric in named:
            name, function, larger = metrics_table.get(metric, network.output_name)
            self._quantities.append(Quantity(prefix + name, function, larger))
        names = self.names
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"`metrics` must have different names, got {name!r} twice")
        if self._quantities and data is None:
            raise ValueError(
                "`metrics` must come with `validation` where the data are an iterable of batches"
            )

    @property
    def names(self) -> list[str]:
        """What the history will have, ``"loss"`` first."""
        losses = ["loss", "val_loss"] if self._held_out else ["loss"]
        return losses + [quantity.name for quantity in self._quantities]

    def record(self, network: Core, history: History) -> None:
        """Compute everything for the present weights."""
        if self._data is None:
            return
        X, y, weight = self._data
        # A metric sees targets in the shape of the predictions: (m, 1) - (m,) would be (m, m).
        shown = y.reshape(-1, 1) if y.ndim == 1 and not network.takes_labels else y
        if self._held_out:
            value = (
                network.engine.loss(X, y, False, weight)
                if self._loss is None
                else mean(network, self._loss, self._data)
            )
            history.append("val_loss", value)
        if self._quantities:
            Y_hat = network.engine.forward(X, False)
            for quantity in self._quantities:
                history.append(quantity.name, float(quantity.function(Y_hat, shown)))

    def larger_is_better(self, name: str) -> bool | None:
        """Whether a larger value of a recorded quantity is better, None where that is unknown."""
        found = {quantity.name: quantity.larger_is_better for quantity in self._quantities}
        return found.get(name, False)


class Watch:
    """The best value of a quantity so far, which follows from the history alone.

    Attributes
    ----------
    name : str
        In the history.
    best : float
    best_epoch, n_bad : int
        The epoch of the best value, counted from 1 in the history, and the epochs since.
    """

    def __init__(
        self, monitor: str | None, mode: str | None, evaluation: Evaluation, min_delta: float = 0.0
    ) -> None:
        names = evaluation.names
        if monitor is None:
            monitor = "val_loss" if "val_loss" in names else "loss"
        self.name = known_name("monitor", monitor, names)
        larger = evaluation.larger_is_better(monitor) if mode is None else mode == "max"
        if larger is None:
            raise ValueError(
                f"`mode` must be 'min' or 'max' to say which {monitor!r} is better, got None"
            )
        self._sign, self._min_delta = -1.0 if larger else 1.0, min_delta
        self.best, self.best_epoch, self.n_bad = self._sign * inf, 0, 0

    def update(self, history: History) -> bool:
        """Take in the last value; return whether it is the best."""
        return self._take(history[self.name][-1], history.epochs)

    def replay(self, history: History) -> None:
        """Take in all values in their order."""
        for i, value in enumerate(history[self.name]):
            self._take(value, i + 1)

    def _take(self, value: float, epoch: int) -> bool:
        better = self._sign * (self.best - value) > self._min_delta and not isnan(value)
        if better:
            self.best, self.best_epoch, self.n_bad = value, epoch, 0
        else:
            self.n_bad += 1
        return better
