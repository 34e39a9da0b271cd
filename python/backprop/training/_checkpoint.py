"""Checkpoints: the file of a network that has everything the next epoch depends on.

Besides the network, as `backprop.core.files` writes it, a file has the optimizer's state
(``optimizer.*`` in theta's layout), the history (``history.*``), the best weights of early stopping
(``best.theta``), and a JSON text with the counts and the settings. Nothing more is needed: whether
a quantity is the best so far follows from the history, which a plateau, early stopping and the best
checkpoint read again; the order of the examples and the masks of dropout follow from the seed, the
epoch and the step.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core import files
from backprop.core.network import Core
from backprop.training.callbacks import Checkpoint

Tensors = dict[str, NDArray[Any]]

_KEY = "backprop.training"
_FORMAT = 1
_ENDING = ".safetensors"
_NAME = re.compile(r"epoch-(\d{6,18})\.safetensors")
_BEST = "best.safetensors"


class Saved(NamedTuple):
    """How far a training has come: what a checkpoint holds besides the weights."""

    epoch: int
    steps: int
    settings: dict[str, Any]
    state: Tensors
    history: dict[str, list[float]]
    best_theta: NDArray[Any] | None
    set_lr: float | None = None


def write(path: str, network: Core, saved: Saved) -> None:
    """Write a checkpoint in one move."""
    tensors = {f"optimizer.{name}": array for name, array in saved.state.items()}
    for name, values in saved.history.items():
        tensors[f"history.{name}"] = np.array(values, dtype=np.float64)
    if saved.best_theta is not None:
        tensors["best.theta"] = saved.best_theta
    about = {
        "format": _FORMAT,
        "epoch": saved.epoch,
        "steps": saved.steps,
        "settings": saved.settings,
        "history": list(saved.history),
    }
    if saved.set_lr is not None:
        about["set_lr"] = saved.set_lr
    files.save(network, path, metadata={_KEY: json.dumps(about)}, tensors=tensors)


def read(path: str, network: Core) -> tuple[NDArray[Any], Saved]:
    """Return the weights and the rest of a checkpoint of such a network; nothing is changed.

    Raises
    ------
    ValueError
        If the file is damaged, no checkpoint, or of a network of another shape or dtype.
    OSError
        If it cannot be read.
    """
    found, metadata, tensors = files.read(path, type(network))
    if not (network.same_architecture(found) and network.dtype == found.dtype):
        raise ValueError(f"{path} must be a checkpoint of {network}, got one of {found}")
    try:
        return found.theta, _saved(metadata, tensors, network.theta)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be resumed: {error}") from error


def _saved(
    metadata: Mapping[str, str], tensors: Mapping[str, NDArray[Any]], theta: NDArray[Any]
) -> Saved:
    if _KEY not in metadata:
        raise ValueError("it is no checkpoint but a finished network; load it with bp.load")
    about = json.loads(metadata[_KEY])
    if not isinstance(about, dict) or type(about.get("format")) is not int:
        raise ValueError("its metadata are damaged")
    if about["format"] > _FORMAT:
        raise ValueError(f"it has format {about['format']}; upgrade backprop")
    counts: list[Any] = [about.get(name) for name in ("epoch", "steps")]
    names, settings = about.get("history"), about.get("settings")
    if (
        not all(type(n) is int and 0 <= n < 2**63 for n in counts)
        or not isinstance(settings, dict)
        or not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
        or "loss" not in names
    ):
        raise ValueError("its metadata are damaged")
    history = {}
    for name in names:
        values = tensors.get(f"history.{name}")
        if values is None or values.dtype != np.float64 or values.ndim != 1:
            raise ValueError(f"its history of {name!r} is missing or damaged")
        history[name] = values.tolist()
    if len({len(values) for values in history.values()}) != 1:
        raise ValueError("its history has values for some epochs only")
    if len(history["loss"]) > counts[0]:
        raise ValueError("its history has more epochs than it counts")
    flat = {
        name: array
        for name, array in tensors.items()
        if name.startswith("optimizer.") or name == "best.theta"
    }
    for name, array in flat.items():
        if array.shape != theta.shape or array.dtype != theta.dtype:
            raise ValueError(
                f"its tensor {name!r} must be {theta.dtype} {theta.shape}, got {array.dtype} "
                f"{array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"its tensor {name!r} must be finite, got NaN or infinity")
    best = flat.pop("best.theta", None)
    state = {name.removeprefix("optimizer."): array for name, array in flat.items()}
    set_lr = about.get("set_lr")
    if not (set_lr is None or (isinstance(set_lr, float) and 0 <= set_lr < inf)):
        raise ValueError("its learning rate is damaged")
    return Saved(counts[0], counts[1], settings, state, history, best, set_lr)


def require_same_settings(path: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to continue a training with other settings than it had, as if it were the same.

    Raises
    ------
    ValueError
        With the first setting that differs.
    """
    for name, value in wanted.items():
        # The value is brought into the form it would have after being in a file: tuples become
        # lists.
        value = json.loads(json.dumps(value))
        if name not in found or found[name] != value:
            raise ValueError(
                f"`{name}` must be {found.get(name)!r} to resume {path}, got {value!r}"
            )


def newest(path: str | os.PathLike[str]) -> str | None:
    """Return the newest checkpoint of a folder, a file itself, or None where there is none."""
    path = os.fspath(path)
    if os.path.isdir(path):
        names = [name for name in os.listdir(path) if _NAME.fullmatch(name)]
        return os.path.join(path, max(names, key=_epoch_of)) if names else None
    return path if os.path.exists(path) else None


def _epoch_of(name: str) -> int:
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else -1


class Writer:
    """Keeps the checkpoints of one training as a `Checkpoint` asks for."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._is_file = checkpoint.path.endswith(_ENDING)
        self._folder = os.path.dirname(checkpoint.path) if self._is_file else checkpoint.path
        self.newest_epoch = -1

    def open(self, *, resumed: bool) -> None:
        """Make the folder; remove what a killed process left half-written.

        Raises
        ------
        ValueError
            If the folder has checkpoints of another training.
        OSError
            If it cannot be made.
        """
        os.makedirs(self._folder or ".", exist_ok=True)
        if not self._is_file and not resumed and newest(self._folder) is not None:
            raise ValueError(
                f"`checkpoint` must name a folder without checkpoints, found {newest(self._folder)}"
                "; continue them with resume=True, or choose another folder"
            )
        last, best = (re.escape(os.path.basename(path)) for path in (self._last(0), self._best))
        if not self._is_file:
            last = _NAME.pattern
        half_written = re.compile(rf"\.({last}|{best})\.[0-9a-f]{{8}}\.tmp")
        for name in os.listdir(self._folder or "."):
            if half_written.fullmatch(name):
                os.remove(os.path.join(self._folder, name))

    @property
    def _best(self) -> str:
        if self._is_file:
            return self._checkpoint.path.removesuffix(_ENDING) + ".best" + _ENDING
        return os.path.join(self._folder, _BEST)

    def _last(self, epoch: int) -> str:
        if self._is_file:
            return self._checkpoint.path
        return os.path.join(self._folder, f"epoch-{epoch:06d}{_ENDING}")

    def due(self, epoch: int, last: bool) -> bool:
        """Whether an epoch, counted from 1, gets a checkpoint."""
        return last or epoch % self._checkpoint.every == 0

    def keep(self, network: Core, saved: Saved, *, is_due: bool, is_best: bool) -> None:
        """Write the checkpoints of an epoch, then remove the oldest."""
        if not np.isfinite(network.theta).all():
            # The next batch will raise a DivergenceError, and the checkpoint before this one is
            # good.
            return
        if is_best and self._checkpoint.keep_best:
            write(self._best, network, saved)
        if not is_due:
            return
        write(self._last(saved.epoch), network, saved)
        self.newest_epoch = saved.epoch
        if self._is_file:
            return
        kept = sorted(filter(_NAME.fullmatch, os.listdir(self._folder)), key=_epoch_of)
        for name in kept[: -self._checkpoint.keep_last]:
            os.remove(os.path.join(self._folder, name))
