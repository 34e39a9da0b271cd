"""A compiled trainer that makes room for larger batches and goes on with the same optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.engine import TRAINERS
from backprop.core.inputs import Batch
from backprop.training.losses import CustomLoss
from backprop.training.updater import Updater

if TYPE_CHECKING:
    from backprop.core.engine import CompiledData, CompiledTrainer


class Trainer:
    """Takes the steps of an epoch on batches of up to so many examples.

    Parameters
    ----------
    updater : Updater
        The optimizer at work; its network is changed in place.
    batch_size : int
        The most examples of a step.
    dropout : sequence of float
        A rate for each hidden layer, empty for none.
    seed : int
        Of the masks of dropout.
    loss : CustomLoss, optional
        In place of the network's.
    """

    def __init__(
        self,
        updater: Updater,
        batch_size: int,
        *,
        dropout: Any = (),
        seed: int = 0,
        loss: CustomLoss | None = None,
    ) -> None:
        self.updater = updater
        self._settings = {"dropout": dropout, "seed": seed}
        self._loss = loss
        self._compiled = self._make(batch_size)
        self._seen: Batch | None = None
        self._mapped: CompiledData

    def _make(self, batch_size: int) -> CompiledTrainer:
        self.batch_size = batch_size
        kind = TRAINERS[self.updater.network.dtype.name]
        return kind(self.updater.compiled, batch_size, **self._settings)

    def reserve(self, n_examples: int) -> None:
        """Make room for batches of ``n_examples``."""
        if n_examples > self.batch_size:
            self._compiled = self._make(n_examples)

    def epoch(
        self,
        data: Batch,
        order: NDArray[np.int64] | None,
        rates: float | NDArray[np.float64],
        losses: NDArray[np.float64] | None = None,
    ) -> tuple[float, int]:
        """Take a step for each batch of ``data``, in place.

        Every step of every training goes through here. The same ``data`` is checked and mapped in
        the first call alone.

        Parameters
        ----------
        data : Batch
            All examples; X may be the three arrays of compressed rows.
        order : ndarray of int64, optional
            Positions in X, which are cut into batches; all of X as it lies if not given.
        rates : float or ndarray (n_batches,)
            The learning rate.
        losses : ndarray (n_batches, 2), optional
            Takes the loss and the penalty of each batch.

        Returns
        -------
        loss : float
            The mean over the examples by weight, penalties included; that of the failed batch, if
            there is one.
        failed_batch : int
            The first batch whose loss is not finite, at which the epoch ended, or -1.
        """
        if data is not self._seen:
            network, custom = self.updater.network, self._loss
            if custom is None:
                self._mapped = network.mapped(data)
            else:
                self._mapped = network.mapped(data._replace(y=None))
                self._compiled.set_loss(lambda A_L, at: custom.value_and_gradient(A_L, data.y[at]))
            self._seen = data
        return self._compiled.epoch(self._mapped, order, rates, losses)
