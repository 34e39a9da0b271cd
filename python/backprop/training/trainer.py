"""A compiled trainer that can be made again and goes on where the last one stood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core.engine import TRAINERS
from backprop.core.inputs import Batch
from backprop.core.network import Core

if TYPE_CHECKING:
    from backprop.core.engine import CompiledTrainer


class Snapshot(NamedTuple):
    """What a trainer has kept: the optimizer's arrays in theta's layout, and the steps taken."""

    state: Mapping[str, NDArray[Any]] = {}
    steps: int = 0


class Trainer:
    """Takes the steps of an epoch on batches of up to so many examples.

    The buffers of the compiled trainer are as large as its batch. A larger batch therefore needs
    another one, to which `reserve` moves the optimizer's state.

    Parameters
    ----------
    network : Core
        It is changed in place.
    batch_size : int
        The most examples of a step.
    optimizer, options
        By which the compiled trainer knows the optimizer; see `optimizers.core`.
    **settings
        The other arguments of the compiled trainer: penalties, dropout, bounds, the seed.
    """

    def __init__(
        self,
        network: Core,
        batch_size: int,
        optimizer: str,
        options: Mapping[str, float],
        **settings: Any,
    ) -> None:
        self._network = network
        self._arguments = optimizer, options
        self._settings = settings
        self._compiled = self._make(batch_size)

    def _make(self, batch_size: int) -> CompiledTrainer:
        self.batch_size = batch_size
        kind = TRAINERS[self._network.dtype.name]
        return kind(self._network.engine, batch_size, *self._arguments, **self._settings)

    def reserve(self, n_examples: int) -> None:
        """Make room for batches of ``n_examples``."""
        if n_examples > self.batch_size:
            kept = self.snapshot()
            self._compiled = self._make(n_examples)
            self.restore(kept)

    def epoch(
        self,
        data: Batch,
        order: NDArray[np.int64] | None,
        rates: float | NDArray[np.float64],
        losses: NDArray[np.float64] | None = None,
    ) -> tuple[float, int]:
        """Take a step for each batch of ``data``, in place.

        Every step of every training goes through here. The compiled trainer checks X, y and the
        weights in each call.

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
        X, y, weight = data
        return self._compiled.epoch(X, y, order, rates, weight, losses)

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's arrays, writable views in theta's layout."""
        return self._compiled.state

    @property
    def steps(self) -> int:
        """The steps taken, which Adam and dropout count by."""
        return self._compiled.steps

    def snapshot(self) -> Snapshot:
        """Return copies of what `restore` takes."""
        return Snapshot({name: array.copy() for name, array in self.state.items()}, self.steps)

    def restore(self, kept: Snapshot) -> None:
        """Go on from there; arrays that this optimizer does not have are left out."""
        self._compiled.steps = kept.steps
        for name, view in self.state.items():
            if name in kept.state:
                view[...] = kept.state[name]
