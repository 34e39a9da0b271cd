"""The arguments of `Network.fit` that shape each step: checked once, described for a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from backprop.core.checks import below_one, flag, integer, not_negative, positive
from backprop.core.choice import describe
from backprop.core.network import Core
from backprop.training import optimizers, schedules
from backprop.training.trainer import Trainer

Strengths = tuple[float, ...]
Rule = Callable[[str, Any], float]


# A field that the compiled trainer takes under the same name; and one of those for which L-BFGS has
# no use.
_OF_TRAINER = {"of_trainer": True}
_UNUSED_BY_LBFGS = {"of_trainer": True, "unused_by_lbfgs": True}


@dataclass(frozen=True)
class Settings:
    """The arguments of `Network.fit` that decide on each step, checked and in one form.

    ``l1``, ``l2`` have one number for each layer, ``dropout`` for each hidden layer; they are empty
    where all are 0.
    """

    optimizer: optimizers.Optimizer
    lr: float = field(metadata={"unused_by_lbfgs": True})
    schedule: schedules.Schedule
    batch_size: int
    shuffle: bool
    seed: int = field(metadata=_OF_TRAINER)
    l1: Strengths = field(metadata=_OF_TRAINER)
    l2: Strengths = field(metadata=_OF_TRAINER)
    dropout: Strengths = field(metadata=_UNUSED_BY_LBFGS)
    clip_norm: float | None = field(metadata=_UNUSED_BY_LBFGS)
    clip_value: float | None = field(metadata=_UNUSED_BY_LBFGS)
    max_norm: float | None = field(metadata=_UNUSED_BY_LBFGS)

    @classmethod
    def checked(cls, network: Core, given: Mapping[str, Any]) -> Settings:
        """Check the arguments, which are given by the names of the fields.

        Raises
        ------
        TypeError, ValueError
            For one that is of the wrong kind or out of range, or that L-BFGS has no use for.
        """
        chosen, lr = optimizers.get(given["optimizer"]), given["lr"]
        n_layers = len(network.layer_sizes) - 1

        def strengths(name: str, n: int, what: str, rule: Rule) -> Strengths:
            return _strengths(name, given[name], n, what, rule)

        def bound(name: str) -> float | None:
            return None if given[name] is None else positive(name, given[name])

        settings = cls(
            optimizer=chosen,
            lr=chosen.default_lr if lr is None else not_negative("lr", lr),
            schedule=schedules.get(given["schedule"]),
            batch_size=integer("batch_size", given["batch_size"], 1),
            shuffle=flag("shuffle", given["shuffle"]),
            seed=integer("seed", _drawn(given["seed"]), 0, 2**64 - 1),
            l1=strengths("l1", n_layers, "layer", not_negative),
            l2=strengths("l2", n_layers, "layer", not_negative),
            dropout=strengths("dropout", n_layers - 1, "hidden layer", below_one),
            clip_norm=bound("clip_norm"),
            clip_value=bound("clip_value"),
            max_norm=bound("max_norm"),
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
        more = {f.name: getattr(self, f.name) for f in fields(self) if "of_trainer" in f.metadata}
        return Trainer(network, batch_size, *optimizers.core(self.optimizer), **more)

    def described(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        described = {f.name: getattr(self, f.name) for f in fields(self)}
        described["optimizer"] = describe(self.optimizer, optimizers.OPTIMIZERS)
        described["schedule"] = describe(self.schedule, schedules.SCHEDULES)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in described.items()
        }


def _drawn(seed: Any) -> Any:
    """Return the seed, a new one for None."""
    return int(np.random.default_rng().integers(2**63)) if seed is None else seed


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
