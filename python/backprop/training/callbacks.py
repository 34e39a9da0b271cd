"""Callbacks, which watch a training and may stop it; early stopping; when to save checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from backprop.core.checks import flag, integer, known_name, not_negative
from backprop.core.choice import Options
from backprop.training.history import History


class Run:
    """How a training goes; what callbacks are given.

    ``stop`` and ``lr`` can be set, all else is refused: an attribute that nobody reads would be
    ignored.

    Attributes
    ----------
    network : Network
        Being trained.
    epochs : int
        How many were asked for.
    history : History
        What was recorded so far.
    stop : bool
        Set it to end training after the present epoch, in a batch hook after the present batch.
    batch : int
        The present batch of the epoch, from 1; in batch hooks only.
    batch_loss : float
        Its loss before its step; in ``on_batch_end`` only.
    lr : float
        The learning rate of the present batch, in other hooks of the epoch's first. Set it, and
        it holds from the next batch to the end, in place of the schedule; a ReduceOnPlateau goes on
        from it. In ``on_batch_begin`` the next batch is the one that begins.

    Raises
    ------
    AttributeError
        If another attribute is set.
    TypeError, ValueError
        If ``stop`` is not True or False, or ``lr`` not finite and 0 or more, or if the optimizer is
        L-BFGS, which has none.
    """

    _SETTABLE: ClassVar[tuple[str, ...]] = ("stop", "lr")
    # What a training with L-BFGS has no use for.
    _has_lr = True

    def __init__(self, network: Any, epochs: int, first_epoch: int, lr: float) -> None:
        # `Any`, because callbacks are given the `Network` that `fit` was called of, a class above
        # this room.
        self._network: Any = network
        self._epochs, self._first_epoch = epochs, first_epoch
        self._history = History()
        self._stop = False
        self._batch, self._batch_loss, self._lr = 0, float("nan"), lr
        # The rate that a callback has set, and whether one ever did.
        self._set_lr: float | None = None
        self._lr_was_set = False

    @property
    def network(self) -> Any:
        """The network being trained."""
        return self._network

    @property
    def epochs(self) -> int:
        """How many epochs were asked for."""
        return self._epochs

    @property
    def history(self) -> History:
        """What was recorded so far."""
        return self._history

    @property
    def batch(self) -> int:
        """The present batch of the epoch, from 1."""
        return self._batch

    @property
    def batch_loss(self) -> float:
        """The loss of the present batch before its step."""
        return self._batch_loss

    @property
    def stop(self) -> bool:
        """Whether to end training after the present epoch or batch."""
        return self._stop

    @stop.setter
    def stop(self, value: Any) -> None:
        # NumPy's truth values come from comparisons of NumPy's numbers.
        self._stop = flag("run.stop", bool(value) if isinstance(value, np.bool_) else value)

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self._lr

    @lr.setter
    def lr(self, value: Any) -> None:
        if not self._has_lr:
            raise ValueError(f"`run.lr` must be left alone for L-BFGS, which has none, got {value}")
        self._lr = self._set_lr = not_negative("run.lr", value)
        self._lr_was_set = True

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in self._SETTABLE:
            raise AttributeError(
                f"`run.{name}` must be left alone: a callback can set "
                f"{' and '.join(f'`run.{known}`' for known in self._SETTABLE)}"
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        # Without it the message would name the class of the loop behind the run.
        known = [a for a in dir(Run) if not a.startswith("_")]
        raise AttributeError(f"`run` has no attribute {name!r}; it has {', '.join(known)}")

    @property
    def epoch(self) -> int:
        """The number of epochs finished, those before ``initial_epoch`` among them."""
        return self._first_epoch + self.history.epochs


class Callback:
    """Hooks into a training; override those you need, and pass an object as ``callbacks=[...]``.

    Each is given the `Run`, whose ``stop = True`` ends the training after the present batch or
    epoch. A plain function among the callbacks is an ``on_epoch_end``. The batch hooks make every
    batch a call of its own into the compiled core, so a training pays for them only where one is
    overridden; it computes the same numbers. A method ``on_...`` that is no hook is refused.
    """

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch."""

    def on_train_end(self, run: Run) -> None:
        """After the last epoch, the best weights restored; not after an error."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before an epoch; ``run.epoch`` are finished."""

    def on_epoch_end(self, run: Run) -> None:
        """After an epoch, its numbers in ``run.history``, before its checkpoint."""

    def on_batch_begin(self, run: Run) -> None:
        """Before batch ``run.batch`` (from 1) of an epoch, whose learning rate is ``run.lr``."""

    def on_batch_end(self, run: Run) -> None:
        """After a batch; ``run.batch_loss`` is its loss before its step."""


def _monitor(argument: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"`{argument}` must be a name in the history, got {type(value).__name__}")
    return value


def _mode(argument: str, value: Any) -> str | None:
    return None if value is None else known_name(argument, value, ("min", "max"))


@dataclass(frozen=True)
class EarlyStopping(Options):
    """Stop when a quantity has not improved for some epochs, and go back to its best weights.

    Parameters
    ----------
    patience : int
        The epochs without improvement after which training stops.
    min_delta : float
        An improvement is larger than this.
    monitor : str, optional
        A name in the history; "val_loss" where there are validation data, else "loss".
    restore_best : bool
        Whether the network gets the weights of the best epoch when training ends, early or not.
    mode : "min" or "max", optional
        Which is better; known for losses and for the metrics of `backprop.metrics`.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind or out of range.
    """

    patience: int = 10
    min_delta: float = 0.0
    monitor: str | None = None
    restore_best: bool = True
    mode: str | None = None

    def __post_init__(self) -> None:
        self._check(
            patience=partial(integer, at_least=1),
            min_delta=not_negative,
            monitor=_monitor,
            restore_best=flag,
            mode=_mode,
        )


@dataclass(frozen=True)
class Checkpoint(Options):
    """Save a training while it runs, so that ``fit(..., resume=path)`` continues it exactly.

    Parameters
    ----------
    path : path
        A file that ends in ".safetensors" and is replaced each time; or else a folder, made where
        it is missing, with a file for each of the last epochs.
    every : int
        The epochs between two checkpoints; the last epoch always gets one.
    keep_last : int
        How many files a folder keeps.
    keep_best : bool
        Whether to keep the best epoch too, as ``best.safetensors`` in a folder or beside the file
        as ``NAME.best.safetensors``.
    monitor, mode
        What is best, as for `EarlyStopping`.

    Each file is a network that `backprop.load` reads too, and appears in one move: whatever
    happens, a name stands for a whole file.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind or out of range.
    """

    path: str
    every: int = 1
    keep_last: int = 3
    keep_best: bool = True
    monitor: str | None = None
    mode: str | None = None

    def __post_init__(self) -> None:
        count = partial(integer, at_least=1)
        self._check(
            path=_path, every=count, keep_last=count, keep_best=flag, monitor=_monitor, mode=_mode
        )


def _path(argument: str, value: Any) -> str:
    from os import fspath

    try:
        return str(fspath(value))
    except TypeError:
        raise TypeError(f"`{argument}` must be a path, got {type(value).__name__}") from None
