"""One epoch of mini-batches, in one call of the compiled core or in a call for each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core.inputs import Batch
from backprop.core.network import Core
from backprop.training._data import ArrayData, BatchData, Data
from backprop.training._settings import Settings


class EpochResult(NamedTuple):
    """The mean loss of an epoch; or the loss that is not finite, and the batch it came from."""

    loss: float
    failed_batch: int


class Hooks(NamedTuple):
    """Functions around each batch; where there are any, each batch is a call of its own.

    ``before(index, lr)`` returns the learning rate to use, ``after(loss)`` whether to stop.
    """

    before: Callable[[int, float], float]
    after: Callable[[float], bool]


class Epochs:
    """The epochs of a run: its trainer, its data, and the learning rates handed to it."""

    def __init__(self, network: Core, settings: Settings, data: Data, hooks: Hooks | None) -> None:
        self._settings, self._data, self._hooks = settings, data, hooks
        # The largest batch of an iterable is not known before it comes; the trainer grows with it.
        batch_size = data.batch_size if isinstance(data, ArrayData) else settings.batch_size
        self.trainer = settings.trainer(network, batch_size)

    def run(self, epoch: int, rates: float | NDArray[np.float64]) -> EpochResult:
        """Take the steps of an epoch, counted from 0."""
        data, settings = self._data, self._settings
        if isinstance(data, BatchData):
            return self._by_batch(data.batches(epoch), rates)
        if self._hooks is not None:
            return self._by_batch(data.batches(settings.seed, epoch, settings.shuffle), rates)
        order = data.order(settings.seed, epoch, settings.shuffle)
        return EpochResult(*self.trainer.epoch(data.examples, order, rates))

    def _by_batch(
        self, batches: Iterator[Batch], rates: float | NDArray[np.float64]
    ) -> EpochResult:
        total, weight = 0.0, 0.0
        for index, batch in enumerate(batches):
            # An iterable without a length has a single rate for the epoch.
            lr = float(rates if isinstance(rates, float) else rates[min(index, len(rates) - 1)])
            batch_weight = batch.total_weight
            if batch_weight == 0:
                # The core's own epoch takes no step for a batch without weight either.
                continue
            self.trainer.reserve(batch.n_examples)
            if self._hooks is not None:
                lr = self._hooks.before(index, lr)
            loss, failed = self.trainer.epoch(batch, None, lr)
            if failed >= 0:
                return EpochResult(loss, index)
            total += loss * batch_weight
            weight += batch_weight
            if self._hooks is not None and self._hooks.after(loss):
                break
        if weight == 0:
            raise ValueError("`X` must weigh at least one example in an epoch, got only zeros")
        return EpochResult(total / weight, -1)
