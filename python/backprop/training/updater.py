"""An optimizer on its own: from a gradient, wherever it comes from, to new parameters.

A step of training is ``gradient = backward(batch)``, whatever is done to the gradient, and
``update(gradient)``. This is the last of the three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core.checks import not_negative, positive
from backprop.core.engine import UPDATERS
from backprop.core.gradients import Gradients
from backprop.core.inputs import all_finite, as_numbers
from backprop.core.network import Core

if TYPE_CHECKING:
    from backprop.core.engine import CompiledUpdater


class _Optimizer(Protocol):
    """One of `backprop.optimizers`, as far as it matters here."""

    @property
    def default_lr(self) -> float: ...


class Snapshot(NamedTuple):
    """What an updater has kept: the optimizer's arrays in theta's layout, and the steps taken."""

    state: Mapping[str, NDArray[Any]] = {}
    steps: int = 0


class Updater:
    """Takes steps along gradients; made by the ``on`` of an optimizer.

    >>> updater = bp.optimizers.Adam().on(net)
    >>> for X, y in batches:
    ...     updater.step(net.gradients(X, y), lr=0.001)

    Such a loop computes the same bits as `Network.fit` where both say the same, and ``fit(...,
    optimizer=updater)`` goes on from it.

    Attributes
    ----------
    network : Network
        Whose parameters are changed.
    optimizer : object of `backprop.optimizers`, or None
        Its settings; None where it was made by an estimator, whose optimizers are its own.
    settings : dict
        The penalties and limits around it: ``l1``, ``l2``, ``clip_norm``, ``clip_value``,
        ``max_norm``.
    compiled : object of the compiled module
        What does the work.
    """

    def __init__(
        self,
        network: Core,
        name: str,
        options: Mapping[str, float],
        optimizer: _Optimizer | None = None,
        **settings: Any,
    ) -> None:
        self.network, self.optimizer, self.settings = network, optimizer, settings
        kind = UPDATERS[network.dtype.name]
        self.compiled: CompiledUpdater = kind(network.engine, name, options, **settings)

    def step(self, gradients: Gradients | ArrayLike, lr: float | None = None) -> None:
        """Take one step in place, along the gradient of a mean loss.

        Parameters
        ----------
        gradients : Gradients or array_like (n_parameters,)
            What `Network.gradients` or `Network.backward` returns, or a flat array in the layout
            of ``Network.theta``; it is not changed.
        lr : float, optional
            The learning rate, finite and 0 or more; by default the optimizer's own.

        Raises
        ------
        TypeError, ValueError
            If the gradient is of the wrong kind or shape or, where ``network.check_finite``, not
            finite; or for a bad ``lr``. Nothing is changed then.
        """
        if lr is None:
            if self.optimizer is None:
                raise ValueError("`lr` must be given, as this updater has no default, got None")
            lr = self.optimizer.default_lr
        rate = not_negative("lr", lr)
        values = gradients.theta if isinstance(gradients, Gradients) else gradients
        flat = np.ascontiguousarray(as_numbers("gradients", values, self.network.dtype))
        if self.network.check_finite and not all_finite(flat.reshape(-1)):
            raise ValueError(
                "`gradients` must be finite, got NaN or infinity: the loss they are of may have "
                "diverged; nothing was changed"
            )
        self.compiled.step(flat, rate)

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's arrays by name, writable views in theta's layout."""
        return self.compiled.state

    @property
    def steps(self) -> int:
        """The number of steps taken, which Adam's corrections and dropout count by."""
        return self.compiled.steps

    def snapshot(self) -> Snapshot:
        """Return copies of what `restore` takes."""
        return Snapshot({name: array.copy() for name, array in self.state.items()}, self.steps)

    def restore(self, kept: Snapshot) -> None:
        """Go on from there; arrays that this optimizer does not have are left out."""
        self.compiled.steps = kept.steps
        for name, view in self.state.items():
            if name in kept.state:
                view[...] = kept.state[name]

    def __repr__(self) -> str:
        return f"Updater({self.optimizer!r}, steps={self.steps})"


def checked_around(network: Core, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check what stands around an optimizer: penalties and limits, each as `Network.fit` takes it.

    Raises
    ------
    TypeError, ValueError
        For one that is of the wrong kind or out of range.
    """
    n_layers = len(network.layer_sizes) - 1
    around: dict[str, Any] = {
        name: strengths(name, given[name], n_layers, "layer", not_negative) for name in ("l1", "l2")
    }
    for name in ("clip_norm", "clip_value", "max_norm"):
        around[name] = None if given[name] is None else positive(name, given[name])
    return around


def strengths(
    argument: str, value: Any, n: int, what: str, rule: Callable[[str, Any], float]
) -> tuple[float, ...]:
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
