"""The arguments of `Network.fit` about the course of a training, in one form each.

All raise TypeError for a wrong kind and ValueError for a wrong value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backprop.core.checks import flag, integer, known_name
from backprop.training._checkpoint import newest
from backprop.training.callbacks import Callback, Checkpoint, EarlyStopping, Run


@dataclass(frozen=True)
class Course:
    """How long a training goes on, who watches it, and where it is kept.

    Attributes
    ----------
    resume : str or None
        The file to continue from.

    The other attributes are the arguments of `Network.fit`, checked.
    """

    epochs: int
    initial_epoch: int
    callbacks: list[Callback]
    early_stopping: EarlyStopping | None
    checkpoint: Checkpoint | None
    resume: str | None
    threads: int | None
    progress: bool | None

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Course:
        """Check the arguments, which are given by the names of the fields."""
        epochs = integer("epochs", given["epochs"], 1)
        threads, progress = given["threads"], given["progress"]
        checkpoint = checked_checkpoint(given["checkpoint"])
        return cls(
            epochs=epochs,
            initial_epoch=integer("initial_epoch", given["initial_epoch"], 0, epochs),
            threads=None if threads is None else integer("threads", threads, 1, 1024),
            progress=None if progress is None else flag("progress", progress),
            callbacks=checked_callbacks(given["callbacks"]),
            early_stopping=checked_stopping(given["early_stopping"]),
            checkpoint=checkpoint,
            resume=checked_resume(given["resume"], checkpoint),
        )


class _EpochEnd(Callback):
    """A plain function as a callback."""

    def __init__(self, function: Callable[[Run], object]) -> None:
        self._function = function

    def on_epoch_end(self, run: Run) -> None:
        self._function(run)


def checked_callbacks(callbacks: Any) -> list[Callback]:
    """Return callbacks as objects, plain functions among them."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"`callbacks` must be a list of callables, got {type(callbacks).__name__}")
    checked = []
    for callback in callbacks:
        if isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(f"`callbacks` must hold objects, got the class {callback.__name__}")
        if not isinstance(callback, Callback) and not callable(callback):
            raise TypeError(f"`callbacks` must be callable, or a Callback, got {callback!r}")
        if isinstance(callback, Callback):
            _refuse_unknown_hooks(callback)
        checked.append(callback if isinstance(callback, Callback) else _EpochEnd(callback))
    return checked


def _refuse_unknown_hooks(callback: Callback) -> None:
    """Refuse methods that are named like hooks and that nobody would call."""
    hooks = [name for name in dir(Callback) if name.startswith("on_")]
    for name in dir(callback):
        if name.startswith("on_") and name not in hooks:
            known_name(f"hook of {type(callback).__name__}", name, hooks)


def checked_stopping(early_stopping: Any) -> EarlyStopping | None:
    """Return the early stopping, from its patience or True as well; None for none."""
    if early_stopping is None or isinstance(early_stopping, EarlyStopping):
        return early_stopping
    if isinstance(early_stopping, bool):
        return EarlyStopping() if early_stopping else None
    try:
        return EarlyStopping(patience=integer("early_stopping", early_stopping, 1))
    except TypeError:
        raise TypeError(
            "`early_stopping` must be an EarlyStopping, its patience, or True, got "
            f"{type(early_stopping).__name__}"
        ) from None


def checked_checkpoint(checkpoint: Any) -> Checkpoint | None:
    """Return the checkpoint, from its path as well; None for none."""
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    if isinstance(checkpoint, str | os.PathLike):
        return Checkpoint(os.fspath(checkpoint))
    raise TypeError(
        f"`checkpoint` must be a Checkpoint or its path, got {type(checkpoint).__name__}"
    )


def checked_resume(resume: Any, checkpoint: Checkpoint | None) -> str | None:
    """Return the file to resume from, None to begin anew."""
    if resume is None or resume is False:
        return None
    if resume is True:
        if checkpoint is None:
            raise ValueError("`resume` must be a path where there is no `checkpoint`, got True")
        return newest(checkpoint.path)
    if not isinstance(resume, str | os.PathLike):
        raise TypeError(
            f"`resume` must be the path of a checkpoint, or True, got {type(resume).__name__}"
        )
    path = newest(resume)
    if path is None:
        raise FileNotFoundError(f"`resume` must name a checkpoint or their folder, got {resume!s}")
    return path
