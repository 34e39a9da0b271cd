"""What shapes a training apart from its data: checked once, described for a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop import _backprop, optimizers, schedules
from backprop._checks import below_one, flag, integer, not_negative, positive
from backprop._choice import describe
from backprop.network import Network

TRAINERS: dict[str, Any] = {"float32": _backprop.Trainer32, "float64": _backprop.Trainer64}
Strengths = tuple[float, ...]


@dataclass(frozen=True)
class Settings:
    """The arguments of `Network.fit` that decide on each step, checked and in one form.

    ``l1``, ``l2`` have one number for each layer, ``dropout`` for each hidden layer; they are empty
    where all are 0.
    """

    optimizer: optimizers.Optimizer
    lr: float
    schedule: schedules.Schedule
    batch_size: int
    shuffle: bool
    seed: int
    l1: Strengths
    l2: Strengths
    dropout: Strengths
    clip_norm: float | None
    clip_value: float | None
    max_norm: float | None

    @property
    def full_batch(self) -> bool:
        """Whether the optimizer is L-BFGS, which takes all examples at once."""
        return isinstance(self.optimizer, optimizers.LBFGS)

    def trainer(self, network: Network, batch_size: int) -> Any:
        """Return a compiled trainer for batches of up to ``batch_size`` examples."""
        name, options = optimizers.core(self.optimizer)
        more = {
            "l1": self.l1,
            "l2": self.l2,
            "dropout": self.dropout,
            "clip_norm": self.clip_norm,
            "clip_value": self.clip_value,
            "max_norm": self.max_norm,
        }
        return TRAINERS[network.dtype.name](
            network._core, batch_size, name, options, seed=self.seed, **more
        )

    def described(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "optimizer": describe(self.optimizer, optimizers.OPTIMIZERS),
            "lr": self.lr,
            "schedule": describe(self.schedule, schedules.SCHEDULES),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "l1": list(self.l1),
            "l2": list(self.l2),
            "dropout": list(self.dropout),
            "clip_norm": self.clip_norm,
            "clip_value": self.clip_value,
            "max_norm": self.max_norm,
        }


def checked_settings(
    network: Network,
    *,
    optimizer: Any,
    lr: Any,
    schedule: Any,
    batch_size: Any,
    shuffle: Any,
    seed: Any,
    l1: Any,
    l2: Any,
    dropout: Any,
    clip_norm: Any,
    clip_value: Any,
    max_norm: Any,
) -> Settings:
    """Check the arguments of `Network.fit`.

    Raises
    ------
    TypeError, ValueError
        For one that is of the wrong kind or out of range, or that L-BFGS has no use for.
    """
    chosen = optimizers.get(optimizer)
    n_layers = len(network.layer_sizes) - 1
    if seed is None:
        seed = int(np.random.default_rng().integers(2**63))
    settings = Settings(
        optimizer=chosen,
        lr=chosen.default_lr if lr is None else positive("lr", lr),
        schedule=schedules.get(schedule),
        batch_size=integer("batch_size", batch_size, 1),
        shuffle=flag("shuffle", shuffle),
        seed=integer("seed", seed, 0, 2**64 - 1),
        l1=_strengths("l1", l1, n_layers, "layer", not_negative),
        l2=_strengths("l2", l2, n_layers, "layer", not_negative),
        dropout=_strengths("dropout", dropout, n_layers - 1, "hidden layer", below_one),
        clip_norm=None if clip_norm is None else positive("clip_norm", clip_norm),
        clip_value=None if clip_value is None else positive("clip_value", clip_value),
        max_norm=None if max_norm is None else positive("max_norm", max_norm),
    )
    if settings.full_batch:
        unused = {
            "lr": lr,
            "dropout": settings.dropout,
            "clip_norm": clip_norm,
            "clip_value": clip_value,
            "max_norm": max_norm,
            "schedule": None if settings.schedule == schedules.Constant() else schedule,
        }
        for name, value in unused.items():
            if value is not None and value != ():
                raise ValueError(
                    f"`{name}` must be left out for L-BFGS, which has no use for it, got {value!r}"
                )
    return settings


def _strengths(
    argument: str, value: Any, n: int, what: str, rule: Callable[[str, Any], float]
) -> Strengths:
    """Return a number for each of ``n`` layers, from one for all or a list of them."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        numbers = [rule(argument, value)] * n
    else:
        numbers = [rule(f"{argument}[{i}]", number) for i, number in enumerate(value)]
        if len(numbers) != n:
            raise ValueError(
                f"`{argument}` must be a number, or one for each {what}, which are {n}, got "
                f"{len(numbers)}: {numbers}"
            )
    return tuple(numbers) if any(numbers) else ()
