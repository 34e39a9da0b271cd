"""The arguments of `Network.fit` about callbacks, stopping and checkpoints, in one form each.

All raise TypeError for a wrong kind and ValueError for a wrong value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from backprop._checks import integer
from backprop.callbacks import Callback, Checkpoint, EarlyStopping
from backprop.training._checkpoint import newest

if TYPE_CHECKING:
    from backprop.training._run import Run


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
        checked.append(callback if isinstance(callback, Callback) else _EpochEnd(callback))
    return checked


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
