"""Optimizers: the settings of the rules by which the compiled core turns a gradient into a step.

In the equations θ, g and η are theta, its gradient and the learning rate, m and v running means
that start at 0, t the number of the step from 1. All arithmetic is parameter by parameter, the
definitions are PyTorch's but for Lion's, and `backprop.reference.OPTIMIZERS` states them in Python.
A name in `OPTIMIZERS` stands for an object with its defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

from backprop.core import engine
from backprop.core.checks import below_one, flag, integer, not_negative
from backprop.core.choice import Options, choose
from backprop.core.network import Core
from backprop.training.updater import Updater, checked_around

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Lion",
    "Optimizer",
    "RMSprop",
    "core",
    "get",
]

# The compiled core has the defaults of what it runs.
_DEFAULTS = engine.optimizers()


class _OnGradients(Options):
    """An optimizer that needs no more than the gradient of a batch."""

    def on(
        self,
        network: Core,
        *,
        l1: float | Sequence[float] = 0.0,
        l2: float | Sequence[float] = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> Updater:
        """Put the optimizer to work on a network: its state starts at 0, its steps at 1.

        Parameters
        ----------
        network : Network
            Whose parameters the steps change.
        l1, l2, clip_norm, clip_value, max_norm
            What stands around each step, as for `Network.fit`.

        Returns
        -------
        Updater
            Whose ``step(gradients, lr=...)`` takes a step.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong kind or out of range.
        """
        if not isinstance(network, Core):
            raise TypeError(f"`network` must be a Network, got {type(network).__name__}")
        given = locals()
        return Updater(network, *core(self), self, **checked_around(network, given))  # type: ignore[arg-type]


@dataclass(frozen=True)
class SGD(_OnGradients):
    """Gradient descent θ ← θ - η g, with momentum μ: m ← μ m + g, θ ← θ - η m.

    Nesterov's form steps by g + μ m instead of m. The names "momentum" and "nesterov" stand for
    μ = 0.9.
    """

    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        self._check(momentum=below_one, nesterov=flag)
        if self.nesterov and self.momentum == 0:
            raise ValueError("`nesterov` must come with a `momentum` above 0, got momentum=0.0")

    @property
    def default_lr(self) -> float:
        """The learning rate where none is given."""
        return 0.01 if self.momentum else 0.1


@dataclass(frozen=True)
class AdaGrad(_OnGradients):
    """v ← v + g², θ ← θ - η g / (√v + ε) (Duchi et al. 2011)."""

    default_lr: ClassVar[float] = 0.01
    eps: float = _DEFAULTS["adagrad"]["eps"]

    def __post_init__(self) -> None:
        self._check(eps=not_negative)


@dataclass(frozen=True)
class RMSprop(_OnGradients):
    """v ← α v + (1 - α) g², θ ← θ - η g / (√v + ε) (Tieleman and Hinton 2012)."""

    default_lr: ClassVar[float] = 0.001
    alpha: float = _DEFAULTS["rmsprop"]["alpha"]
    eps: float = _DEFAULTS["rmsprop"]["eps"]

    def __post_init__(self) -> None:
        self._check(alpha=below_one, eps=not_negative)


@dataclass(frozen=True)
class Adam(_OnGradients):
    """θ ← θ - η m̂ / (√v̂ + ε), m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ) (Kingma and Ba 2015).

    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g².
    """

    default_lr: ClassVar[float] = 0.001
    beta_1: float = _DEFAULTS["adam"]["beta_1"]
    beta_2: float = _DEFAULTS["adam"]["beta_2"]
    eps: float = _DEFAULTS["adam"]["eps"]

    def __post_init__(self) -> None:
        self._check(beta_1=below_one, beta_2=below_one, eps=not_negative)


@dataclass(frozen=True)
class AdamW(Adam):
    """W ← (1 - η λ) W, then Adam's step (Loshchilov and Hutter 2019); λ leaves biases alone."""

    weight_decay: float = _DEFAULTS["adamw"]["weight_decay"]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(weight_decay=not_negative)


@dataclass(frozen=True)
class Lion(_OnGradients):
    """u = sign(β₁ m + (1 - β₁) g), θ ← θ - η (u + λ θ), m ← β₂ m + (1 - β₂) g (Chen et al. 2023).

    λ, the weight decay, leaves biases alone.
    """

    default_lr: ClassVar[float] = 1e-4
    beta_1: float = _DEFAULTS["lion"]["beta_1"]
    beta_2: float = _DEFAULTS["lion"]["beta_2"]
    weight_decay: float = _DEFAULTS["lion"]["weight_decay"]

    def __post_init__(self) -> None:
        self._check(beta_1=below_one, beta_2=below_one, weight_decay=not_negative)


@dataclass(frozen=True)
class LBFGS(Options):
    """Limited-memory BFGS on all examples at once, by SciPy (``pip install "backprop[lbfgs]"``).

    It chooses its own step lengths, so it has neither a learning rate nor batches; an epoch is one
    of its iterations. It ends when no entry of the gradient is larger than ``gradient_tolerance``,
    when the loss falls by less than the fraction ``loss_tolerance``, or after ``evaluations`` of
    the loss. ``memory`` counts the pairs of steps and gradients it keeps.
    """

    default_lr: ClassVar[float] = 1.0
    memory: int = 10
    gradient_tolerance: float = 1e-5
    loss_tolerance: float = 2.220446049250313e-09
    line_search: int = 20
    evaluations: int = 15000

    def __post_init__(self) -> None:
        count = partial(integer, at_least=1)
        self._check(
            memory=count,
            gradient_tolerance=not_negative,
            loss_tolerance=not_negative,
            line_search=count,
            evaluations=count,
        )


Optimizer = SGD | AdaGrad | RMSprop | Adam | AdamW | Lion | LBFGS

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(),
    "momentum": SGD(_DEFAULTS["momentum"]["momentum"]),
    "nesterov": SGD(_DEFAULTS["nesterov"]["momentum"], nesterov=True),
    "adagrad": AdaGrad(),
    "rmsprop": RMSprop(),
    "adam": Adam(),
    "adamw": AdamW(),
    "lion": Lion(),
    "lbfgs": LBFGS(),
}


def get(optimizer: Any) -> Optimizer:
    """Return the optimizer of a name, of ``{"name": ..., option: ...}``, or an object as it is.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or a name is unknown.
    """
    return choose("optimizer", optimizer, OPTIMIZERS)


def core(optimizer: Optimizer) -> tuple[str, dict[str, float]]:
    """Return the name and the options by which the compiled trainer knows an optimizer.

    L-BFGS is none of its own: it needs the whole gradient at once.
    """
    if isinstance(optimizer, SGD):
        if optimizer.momentum == 0:
            return "sgd", {}
        name = "nesterov" if optimizer.nesterov else "momentum"
        return name, {"momentum": optimizer.momentum}
    return type(optimizer).__name__.lower(), asdict(optimizer)
