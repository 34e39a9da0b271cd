"""The examples of a training: arrays that are cut into batches, or an iterable of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core import engine
from backprop.core.inputs import Batch, CompressedRows, as_examples, as_weights, check_finite
from backprop.core.network import Core
from backprop.training.losses import CustomLoss

Rows = NDArray[np.int64]


class ArrayData:
    """Examples in memory, and which of them are trained on.

    ``rows`` are positions in X, None standing for all: what is held out stays where it lies.
    """

    def __init__(self, examples: Batch, rows: Rows | None, batch_size: int) -> None:
        self.examples, self.rows = examples, rows
        self.n_examples = examples.n_examples if rows is None else len(rows)
        self.batch_size = min(batch_size, self.n_examples)
        self.n_batches = -(-self.n_examples // self.batch_size)
        self._place: Rows | None = None

    def order(self, seed: int, epoch: int, shuffle: bool) -> Rows | None:
        """Return the positions in X that an epoch visits, in its order; None is X as it lies."""
        if not shuffle:
            return self.rows
        if self._place is None:
            self._place = np.empty(self.n_examples, dtype=np.int64)
        engine.shuffle(self._place, seed, epoch)
        return self._place if self.rows is None else self.rows[self._place]

    def batches(self, seed: int, epoch: int, shuffle: bool) -> Iterator[Batch]:
        """Yield the batches of an epoch as copies."""
        order = self.order(seed, epoch, shuffle)
        if order is None:
            order = np.arange(self.n_examples, dtype=np.int64)
        for begin in range(0, self.n_examples, self.batch_size):
            yield self.examples.rows(order[begin : begin + self.batch_size])

    def trained_on(self) -> Batch:
        """Return all examples to train on; a copy where some are held out."""
        return self.examples if self.rows is None else self.examples.rows(self.rows)


class BatchData:
    """Batches that come from elsewhere, read anew for every epoch.

    ``source`` is an iterable of (X, y) or (X, y, sample_weight), or a function that returns one.
    """

    def __init__(self, network: Core, source: Any, loss: CustomLoss | None = None) -> None:
        if not callable(source) and not isinstance(source, Iterable):
            raise TypeError(
                "`X` must be an iterable of batches (X, y), or a function that returns one, where "
                f"`y` is left out, got {type(source).__name__}"
            )
        if isinstance(source, np.ndarray):
            raise TypeError("`y` must be given where `X` is an array, got None")
        self._network, self._source, self._loss = network, source, loss
        self.n_batches = len(source) if hasattr(source, "__len__") else None

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, converted where they need it.

        Raises
        ------
        TypeError, ValueError
            If one is no pair or triple, is of the wrong kind or shape, or there is none.
        """
        source: Iterable[Any] = self._source() if callable(self._source) else self._source
        index = -1
        for index, item in enumerate(source):
            yield self._checked(item, index)
        if index < 0:
            raise ValueError(
                f"`X` must have at least one batch in every epoch, got none in epoch {epoch + 1}; "
                "a generator can be read once: pass a function that returns a new one"
            )

    def _checked(self, item: Any, index: int) -> Batch:
        if not isinstance(item, tuple | list) or len(item) not in (2, 3):
            raise TypeError(
                f"`X` must yield batches (X, y) or (X, y, sample_weight), got "
                f"{type(item).__name__} as batch {index + 1}"
            )
        try:
            return checked_examples(self._network, *item, loss=self._loss)
        except (TypeError, ValueError) as error:
            raise type(error)(f"in batch {index + 1} of `X`: {error}") from error


Data = ArrayData | BatchData


def checked_examples(
    network: Core,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    fully: bool = False,
    loss: CustomLoss | None = None,
) -> Batch:
    """Return examples as the core takes them.

    What remains, shapes, labels and weights, the compiled trainer checks before its first step;
    with ``fully`` it is done here, for those who index by labels or rows before that. With a
    ``loss`` of the user's own, y is handed to it as it is.

    Raises
    ------
    TypeError, ValueError
        As `Network.loss`.
    """
    if loss is not None:
        return _for_loss(network, X, y, sample_weight)
    batch = network.convert(X, y, sample_weight)
    if batch.X.ndim != 2 or batch.n_examples == 0:
        return network.checked(*batch)
    if network.check_finite:
        X = batch.X[0] if isinstance(batch.X, CompressedRows) else batch.X
        check_finite(X=X, y=batch.y)
    return network.checked(*batch) if fully else batch


def _for_loss(network: Core, X: Any, y: Any, sample_weight: Any) -> Batch:
    """Return examples for a loss of the user's own: X and weights checked, y as it was given."""
    weight = None if sample_weight is None else as_weights(sample_weight, network.dtype)
    n_features, n_outputs = network.layer_sizes[0], network.layer_sizes[-1]
    X = as_examples(X, network.dtype, network.check_finite, n_features)
    y = np.asarray(y)
    batch = Batch(X, y, weight)
    network.mapped(batch._replace(y=None), check_finite=network.check_finite)
    if y.ndim == 0 or len(y) != batch.n_examples:
        raise ValueError(
            f"`y` must have one entry for each of the {batch.n_examples} examples of `X`, got "
            f"shape {y.shape}"
        )
    if n_outputs == 1 and y.ndim == 1:
        # As A_L, whose shape is (m, 1): their difference would otherwise be (m, m).
        batch = batch._replace(y=y[:, np.newaxis])
    return batch
