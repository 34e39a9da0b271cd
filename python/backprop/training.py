"""The training loop: epochs of mini-batches, the quantities recorded, and what to do on divergence.

The batches themselves, theta <- theta - lr grad_theta, run in the compiled core.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop import _backprop
from backprop._checks import integer, known_name, positive
from backprop._inputs import all_finite
from backprop.errors import DivergenceError
from backprop.history import History
from backprop.metrics import ACCURACIES
from backprop.network import Network

_TRAINERS: dict[str, Any] = {"float32": _backprop.Trainer32, "float64": _backprop.Trainer64}
_OPTIMIZERS = ("sgd",)


class Run:
    """One training of a network; what `Network.fit` makes and callbacks are given.

    Attributes
    ----------
    network : Network
        Being trained.
    epochs : int
        How many were asked for.
    history : History
        What was recorded so far.
    stop : bool
        Set it to end training after the present epoch.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        y: Any,
        *,
        epochs: int,
        batch_size: int,
        optimizer: str,
        lr: float,
        shuffle: bool,
        seed: int | None,
        validation: Any,
        callbacks: Iterable[Callable[["Run"], object]],
    ) -> None:
        self.network = network
        self.epochs = integer("epochs", epochs, 1)
        self.history = History()
        self.stop = False
        known_name("optimizer", optimizer, _OPTIMIZERS)
        self._lr = positive("lr", lr)
        batch_size = integer("batch_size", batch_size, 1)
        if seed is None:
            seed = int(np.random.default_rng().integers(2**63))
        self._seed = integer("seed", seed, 0, 2**64 - 1)
        self._shuffle = bool(shuffle)
        self._callbacks = _checked_callbacks(callbacks)
        self._X, self._y = _checked_data(network, X, y)
        self._validation = _checked_validation(network, validation)
        self._batch_size = min(batch_size, len(self._X))
        self._trainer = _TRAINERS[network.dtype.name](network._core, self._batch_size)

    @property
    def epoch(self) -> int:
        """The number of epochs finished."""
        return self.history.epochs

    def train(self) -> History:
        """Run the epochs; see `Network.fit`."""
        X, y, seed, lr = self._X, self._y, self._seed, self._lr
        run_epoch, theta = self._trainer.epoch, self.network.theta
        # Without one the core goes by the order of the data.
        order = np.empty(len(X), dtype=np.int64) if self._shuffle else None
        # A loss is known before its batch changes the weights, so those at the end of an epoch are
        # proven good only by the first batch of the next: the epoch before is kept as well.
        older, newer = np.empty_like(theta), theta.copy()
        for epoch in range(self.epochs):
            if order is not None:
                _backprop.shuffle(order, seed, epoch)
            loss, failed_batch = run_epoch(X, y, order, lr)
            if failed_batch >= 0:
                proven = epoch if failed_batch > 0 or epoch == 0 else epoch - 1
                np.copyto(theta, newer if proven == epoch else older)
                raise self._divergence(f"the loss became {loss}", epoch, failed_batch, proven)
            self.history.append("loss", loss)
            if self._validation is not None:
                self._validate(*self._validation)
            for callback in self._callbacks:
                callback(self)
            if self.stop or epoch + 1 == self.epochs:
                break
            older, newer = newer, older
            np.copyto(newer, theta)
        if not all_finite(theta):
            np.copyto(theta, newer)
            last_batch = (len(X) - 1) // self._batch_size
            raise self._divergence("a weight became NaN or infinite", epoch, last_batch, epoch)
        return self.history

    def _validate(self, X: NDArray[Any], y: NDArray[Any]) -> None:
        core = self.network._core
        self.history.append("val_loss", core.loss(X, y, False))
        accuracy = ACCURACIES.get(self.network.output_name)
        if accuracy is not None:
            self.history.append("val_accuracy", accuracy(core.forward(X, False), y))

    def _divergence(self, what: str, epoch: int, batch: int, kept: int) -> DivergenceError:
        n_batches = -(-len(self._X) // self._batch_size)
        weights = f"those after epoch {kept}" if kept else "those before training"
        return DivergenceError(
            f"{what} in epoch {epoch + 1} of {self.epochs}, batch {batch + 1} of {n_batches}; the "
            f"weights are {weights}. Try a smaller lr (it is {self._lr:g}), or standardise the "
            "columns of X",
            epoch + 1,
            batch + 1,
        )


def _checked_callbacks(callbacks: Any) -> list[Callable[[Run], object]]:
    try:
        listed = list(callbacks)
    except TypeError:
        raise TypeError(
            f"`callbacks` must be a list of callables, got {type(callbacks).__name__}"
        ) from None
    for callback in listed:
        if not callable(callback):
            raise TypeError(f"`callbacks` must be callable, got {callback!r}")
    return listed


def _checked_data(network: Network, X: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return X and y as the core takes them; it checks y against X in the first epoch."""
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


def _checked_validation(network: Network, validation: Any) -> Any:
    if validation is None:
        return None
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(
            f"`validation` must be a pair (X, y), got {type(validation).__name__}"
            + (f" of {len(validation)}" if isinstance(validation, tuple | list) else "")
        )
    X, y = validation
    try:
        network.loss(X, y)
        return network._batch(X, y)
    except (TypeError, ValueError) as error:
        raise type(error)(f"in `validation`: {error}") from error
