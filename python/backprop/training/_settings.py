"""The arguments of `Network.fit` that shape each step: checked once, described for a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from backprop.core.checks import below_one, flag, integer, not_negative
from backprop.core.choice import describe
from backprop.core.network import Core
from backprop.training import optimizers, schedules
from backprop.training.losses import CustomLoss, checked_loss
from backprop.training.trainer import Trainer
from backprop.training.updater import Updater, checked_around, strengths

# A field that the compiled updater takes under the same name; and one for which L-BFGS has no use.
_OF_UPDATER = {"of_updater": True}
_UNUSED_BY_LBFGS = {"unused_by_lbfgs": True}


@dataclass(frozen=True)
class Settings:
    """The arguments of `Network.fit` that decide on each step, checked and in one form.

    ``l1``, ``l2`` have one number for each layer, ``dropout`` for each hidden layer; they are empty
    where all are 0.
    """

    optimizer: optimizers.Optimizer
    lr: float = field(metadata=_UNUSED_BY_LBFGS)
    schedule: schedules.Schedule
    batch_size: int
    shuffle: bool
    seed: int
    l1: tuple[float, ...] = field(metadata=_OF_UPDATER)
    l2: tuple[float, ...] = field(metadata=_OF_UPDATER)
    dropout: tuple[float, ...] = field(metadata=_UNUSED_BY_LBFGS)
    clip_norm: float | None = field(metadata=_OF_UPDATER | _UNUSED_BY_LBFGS)
    clip_value: float | None = field(metadata=_OF_UPDATER | _UNUSED_BY_LBFGS)
    max_norm: float | None = field(metadata=_OF_UPDATER | _UNUSED_BY_LBFGS)
    loss: CustomLoss | None = field(metadata=_UNUSED_BY_LBFGS)
    updater: Updater | None = None

    @classmethod
    def checked(cls, network: Core, given: Mapping[str, Any]) -> Settings:
        """Check the arguments, which are given by the names of the fields.

        Raises
        ------
        TypeError, ValueError
            For one that is of the wrong kind or out of range, or that L-BFGS has no use for.
        """
        updater = given["optimizer"] if isinstance(given["optimizer"], Updater) else None
        if updater is None:
            chosen, around = optimizers.get(given["optimizer"]), checked_around(network, given)
        else:
            chosen, around = _continued(network, updater, given)
        lr, n_hidden = given["lr"], len(network.layer_sizes) - 2
        settings = cls(
            optimizer=chosen,
            lr=chosen.default_lr if lr is None else not_negative("lr", lr),
            schedule=schedules.get(given["schedule"]),
            batch_size=integer("batch_size", given["batch_size"], 1),
            shuffle=flag("shuffle", given["shuffle"]),
            seed=integer("seed", _drawn(given["seed"]), 0, 2**64 - 1),
            dropout=strengths("dropout", given["dropout"], n_hidden, "hidden layer", below_one),
            loss=checked_loss(given["loss"]),
            updater=updater,
            **around,
        )
        settings._refuse_unused(given)
        return settings

    def _refuse_unused(self, given: Mapping[str, Any]) -> None:
        if not self.full_batch:
            return
        used = {
            "dropout": self.dropout,
            "schedule": None if self.schedule == schedules.Constant() else given["schedule"],
        }
        unused = [f.name for f in fields(self) if f.metadata.get("unused_by_lbfgs")]
        for name in [*unused, "schedule"]:
            value = used.get(name, given[name])
            if value is not None and value != ():
                raise ValueError(
                    f"`{name}` must be left out for L-BFGS, which has no use for it, got {value!r}"
                )

    @property
    def full_batch(self) -> bool:
        """Whether the optimizer is L-BFGS, which takes all examples at once."""
        return isinstance(self.optimizer, optimizers.LBFGS)

    def trainer(self, network: Core, batch_size: int) -> Trainer:
        """Return a trainer for batches of up to ``batch_size`` examples."""
        updater = self.updater
        if updater is None:
            around = {name: getattr(self, name) for name in _of("of_updater")}
            updater = Updater(network, *optimizers.core(self.optimizer), self.optimizer, **around)
        return Trainer(updater, batch_size, dropout=self.dropout, seed=self.seed, loss=self.loss)

    def described(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        described = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "updater"}
        # A loss cannot be written down, so its kind is; files of earlier versions have none.
        if described.pop("loss") is not None:
            described["loss"] = type(self.loss).__qualname__
        described["optimizer"] = describe(self.optimizer, optimizers.OPTIMIZERS)
        described["schedule"] = describe(self.schedule, schedules.SCHEDULES)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in described.items()
        }


def _of(mark: str) -> list[str]:
    """Return the names of the settings with this mark."""
    return [f.name for f in fields(Settings) if mark in f.metadata]


def _continued(
    network: Core, updater: Updater, given: Mapping[str, Any]
) -> tuple[optimizers.Optimizer, dict[str, Any]]:
    """Return the optimizer of an updater that goes on, and what stands around it."""
    if updater.network is not network:
        raise ValueError("`optimizer` must be an updater on this network, got one on another")
    if not isinstance(updater.optimizer, optimizers.Optimizer):
        raise ValueError("`optimizer` must be made by bp.optimizers, got an estimator's")
    for name in _of("of_updater"):
        if given[name] not in (None, 0.0):
            raise ValueError(
                f"`{name}` must be left out where `optimizer` is an updater, which has its own, "
                f"got {given[name]!r}"
            )
    return updater.optimizer, {name: updater.settings[name] for name in _of("of_updater")}


def _drawn(seed: Any) -> Any:
    """Return the seed, a new one for None."""
    return int(np.random.default_rng().integers(2**63)) if seed is None else seed
