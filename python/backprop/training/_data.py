"""What a training reads: arrays cut into batches by an order, or an iterable of ready batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop import _backprop
from backprop._inputs import all_finite
from backprop.network import Network

Rows = NDArray[np.int64]


class Batch(NamedTuple):
    """Examples of one step, as the core takes them."""

    X: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None

    @property
    def total_weight(self) -> float:
        """The sum of the weights, the number of examples where they all weigh 1."""
        return float(len(self.X) if self.weight is None else self.weight.sum(dtype=np.float64))


class ArrayData:
    """Examples in memory: X, y, their weights, and which of them are trained on.

    ``rows`` are positions in X, None standing for all: what is held out stays where it lies.
    """

    def __init__(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any] | None,
        rows: Rows | None,
        batch_size: int,
    ) -> None:
        self.X, self.y, self.weight, self.rows = X, y, weight, rows
        self.n_examples = len(X) if rows is None else len(rows)
        self.batch_size = min(batch_size, self.n_examples)
        self.n_batches = -(-self.n_examples // self.batch_size)
        self._place = np.arange(self.n_examples, dtype=np.int64)

    def order(self, seed: int, epoch: int, shuffle: bool) -> Rows:
        """Return the positions in X that an epoch visits, in its order."""
        if shuffle:
            _backprop.shuffle(self._place, seed, epoch)
        return self._place if self.rows is None else self.rows[self._place]

    def batches(self, seed: int, epoch: int, shuffle: bool) -> Iterator[Batch]:
        """Yield the batches of an epoch as copies."""
        order = self.order(seed, epoch, shuffle)
        for begin in range(0, self.n_examples, self.batch_size):
            rows = order[begin : begin + self.batch_size]
            weight = None if self.weight is None else self.weight[rows]
            yield Batch(self.X[rows], self.y[rows], weight)

    def trained_on(self) -> Batch:
        """Return all examples to train on; a copy where some are held out."""
        if self.rows is None:
            return Batch(self.X, self.y, self.weight)
        weight = None if self.weight is None else self.weight[self.rows]
        return Batch(self.X[self.rows], self.y[self.rows], weight)


class BatchData:
    """Batches that come from elsewhere, read anew for every epoch.

    ``source`` is an iterable of (X, y) or (X, y, sample_weight), or a function that returns one.
    """

    def __init__(self, network: Network, source: Any) -> None:
        if not callable(source) and not isinstance(source, Iterable):
            raise TypeError(
                "`X` must be an iterable of batches (X, y), or a function that returns one, where "
                f"`y` is left out, got {type(source).__name__}"
            )
        if isinstance(source, np.ndarray):
            raise TypeError("`y` must be given where `X` is an array, got None")
        self._network, self._source = network, source
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
            X, y = checked_arrays(self._network, item[0], item[1])
            return Batch(X, y, self._network._weights(item[2] if len(item) == 3 else None))
        except (TypeError, ValueError) as error:
            raise type(error)(f"in batch {index + 1} of `X`: {error}") from error


Data = ArrayData | BatchData


def checked_arrays(network: Network, X: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return X and y as the core takes them; it checks y against X in the first epoch.

    Raises
    ------
    TypeError, ValueError
        As `Network.loss`.
    """
    X, y = network._batch(X, y)
    if X.ndim != 2 or len(X) == 0:
        network.forward(X)  # for the error that every method raises for such an X
    if network.check_finite:
        for name, array in (("X", X), ("y", y)):
            if array.dtype == network.dtype and not all_finite(array):
                raise ValueError(
                    f"`{name}` must be finite, got NaN or infinity; clean it with np.nan_to_num, "
                    "or set check_finite = False"
                )
    return X, y
