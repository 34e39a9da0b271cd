"""Schedules of the learning rate: pure functions of how far a training has come.

``rates(lr, epoch, epochs, n_batches)`` of a schedule are the learning rates of the batches of an
epoch. In the equations η is ``lr``; e counts the epochs from 0 and E is their number; t counts the
steps from 0 and T = E · ``n_batches`` is theirs. What PyTorch's ``lr_scheduler`` calls the same is
the same. A name in `SCHEDULES` stands for an object with its defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import below_one, integer, not_negative, number
from backprop.core.choice import Options, choose

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "Plateau",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "get",
]

Rates = NDArray[np.float64]


def _factor(argument: str, value: Any) -> float:
    return number(argument, value, "above 0 and at most 1", lambda x: 0 < x <= 1)


def _at_least_one(argument: str, value: Any) -> float:
    return number(argument, value, "finite and at least 1", lambda x: x >= 1)


def _steps(epoch: int, n_batches: int) -> Rates:
    return np.arange(epoch * n_batches, (epoch + 1) * n_batches, dtype=np.float64)


@dataclass(frozen=True)
class Constant(Options):
    """η throughout."""

    def rates(self, lr: float, epoch: int, epochs: int, n_batches: int) -> Rates:
        """Return the learning rate of each batch of an epoch, (n_batches,)."""
        return np.full(n_batches, lr)


@dataclass(frozen=True)
class Step(Options):
    """η · factor^⌊e / every⌋: PyTorch's StepLR."""

    every: int = 10
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._check(every=partial(integer, at_least=1), factor=_factor)

    def rates(self, lr: float, epoch: int, epochs: int, n_batches: int) -> Rates:
        """Return the learning rate of each batch of an epoch, (n_batches,)."""
        return np.full(n_batches, lr * self.factor ** (epoch // self.every))


@dataclass(frozen=True)
class Exponential(Options):
    """η · factor^e: PyTorch's ExponentialLR."""

    factor: float = 0.95

    def __post_init__(self) -> None:
        self._check(factor=_factor)

    def rates(self, lr: float, epoch: int, epochs: int, n_batches: int) -> Rates:
        """Return the learning rate of each batch of an epoch, (n_batches,)."""
        return np.full(n_batches, lr * self.factor**epoch)


@dataclass(frozen=True)
class Cosine(Options):
    """Half a wave from η to ``final`` · η, after a linear rise over ``warmup`` epochs.

    With w = ``warmup`` · n_batches steps (to the nearest whole one) it is η (t + 1) / w for t < w,
    then η (f + (1 - f) (1 + cos(π (t - w) / (T - w))) / 2), f being ``final``: PyTorch's LinearLR
    and CosineAnnealingLR in a row (Loshchilov and Hutter 2017).
    """

    warmup: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        self._check(
            warmup=not_negative,
            final=partial(number, rule="from 0 to 1", holds=lambda x: 0 <= x <= 1),
        )

    def rates(self, lr: float, epoch: int, epochs: int, n_batches: int) -> Rates:
        """Return the learning rate of each batch of an epoch, (n_batches,)."""
        t, total = _steps(epoch, n_batches), epochs * n_batches
        w = round(self.warmup * n_batches)
        wave = (1 + np.cos(np.pi * (t - w) / max(1, total - w))) / 2
        return lr * np.where(t < w, (t + 1) / max(1, w), self.final + (1 - self.final) * wave)


@dataclass(frozen=True)
class InverseScaling(Options):
    """η / (t + 1)^power."""

    power: float = 0.5

    def __post_init__(self) -> None:
        self._check(power=not_negative)

    def rates(self, lr: float, epoch: int, epochs: int, n_batches: int) -> Rates:
        """Return the learning rate of each batch of an epoch, (n_batches,)."""
        result: Rates = lr / (_steps(epoch, n_batches) + 1) ** self.power
        return result


@dataclass(frozen=True)
class OneCycle(Options):
    """Up to η and down again, along half waves: PyTorch's OneCycleLR (Smith and Topin 2018).

    From η / ``start`` at t = 0 to η at t = ``rise`` · T - 1, then to η / (``start`` · ``end``) at
    t = T - 1.
    """

    rise: float = 0.3
    start: float = 25.0
    end: float = 1e4

    def __post_init__(self) -> None:
        self._check(rise=below_one, start=_at_least_one, end=_at_least_one)

    def rates(self, lr: float, epoch: int, epochs: int, n_batches: int) -> Rates:
        """Return the learning rate of each batch of an epoch, (n_batches,)."""
        t, last = _steps(epoch, n_batches), epochs * n_batches - 1
        top = self.rise * epochs * n_batches - 1
        first, final = lr / self.start, lr / self.start / self.end

        def half_wave(begin: float, end: float, done: Rates) -> Rates:
            result: Rates = end + (begin - end) / 2 * (1 + np.cos(np.pi * done))
            return result

        # If the top is at 0 or before, no step lies before it, and `where` below never takes this
        # branch.
        up = half_wave(first, lr, t / top if top > 0 else np.ones_like(t))
        down = half_wave(lr, final, (t - top) / (last - top))
        return np.where(t <= top, up, down)


class Plateau(NamedTuple):
    """Where `ReduceOnPlateau` stands: the present rate, the best loss, and for how long no better.

    It is a fold of the losses so far, ``state = schedule.after(state, loss)`` from ``Plateau(lr)``.
    """

    lr: float
    best: float = inf
    n_bad: int = 0


@dataclass(frozen=True)
class ReduceOnPlateau(Options):
    """η · factor each time the loss has not improved for more than ``patience`` epochs.

    A loss improves the best so far if it is less than ``best - threshold · |best|``; the rate
    never falls below ``smallest``. PyTorch's ReduceLROnPlateau.

    The loss is that of the validation data where there are any, else that of training.
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    smallest: float = 0.0

    def __post_init__(self) -> None:
        self._check(
            factor=_factor,
            patience=partial(integer, at_least=0),
            threshold=below_one,
            smallest=not_negative,
        )

    def rates(self, lr: float, epoch: int, epochs: int, n_batches: int) -> Rates:
        """Return the learning rate of each batch of an epoch, (n_batches,): `Plateau`'s ``lr``."""
        return np.full(n_batches, lr)

    def after(self, state: Plateau, loss: float) -> Plateau:
        """Return the state after one more epoch with its loss."""
        margin = self.threshold * abs(state.best) if state.best < inf else 0.0
        if loss < state.best - margin:
            return Plateau(state.lr, loss, 0)
        if state.n_bad < self.patience:
            return state._replace(n_bad=state.n_bad + 1)
        # PyTorch, whose definition this is, does not make a change smaller than 1e-8.
        lr = max(state.lr * self.factor, self.smallest)
        return Plateau(lr if state.lr - lr > 1e-8 else state.lr, state.best, 0)


Schedule = Constant | Step | Exponential | Cosine | InverseScaling | OneCycle | ReduceOnPlateau

SCHEDULES: dict[str, Schedule] = {
    "constant": Constant(),
    "step": Step(),
    "exponential": Exponential(),
    "cosine": Cosine(),
    "inverse_scaling": InverseScaling(),
    "one_cycle": OneCycle(),
    "reduce_on_plateau": ReduceOnPlateau(),
}


def get(schedule: Any) -> Schedule:
    """Return the schedule of a name, of ``{"name": ..., option: ...}``, or an object as it is.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or a name is unknown.
    """
    return choose("schedule", schedule, SCHEDULES)
