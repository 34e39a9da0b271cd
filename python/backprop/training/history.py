"""The record of a training: for each quantity one value an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backprop.core.checks import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class History(dict[str, list[float]]):
    """What `Network.fit` returns, a dict from names to lists.

    ``history["loss"]`` is the mean over the examples, by weight, of the losses seen during each
    epoch, each with its penalties and taken before the step on its batch; of L-BFGS the loss after
    each iteration. With validation data there are ``"val_loss"`` and ``"val_accuracy"`` or other
    metrics, all of the weights after the epoch. A frame of pandas or polars made of it has a column
    for each name and a row for each epoch.

    Parameters
    ----------
    values : mapping from names to lists, optional
        Earlier epochs, to go on from.

    Attributes
    ----------
    epochs : int
        The number of epochs recorded.
    """

    def __init__(self, values: Mapping[str, list[float]] | None = None) -> None:
        super().__init__({"loss": []})
        for name, numbers in (values or {}).items():
            self[name] = list(numbers)

    @property
    def epochs(self) -> int:
        """The number of epochs recorded."""
        return len(self["loss"])

    def append(self, name: str, value: float) -> None:
        """Record the value of one more epoch."""
        self.setdefault(name, []).append(value)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw losses (left) and metrics (right) by epoch; needs matplotlib.

        See `backprop.plots.curves`.
        """
        from backprop.core.drawing import curves

        return curves(self, ax=ax)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickles of earlier versions, which were no dict, have their values in here.
        self.update(state.pop("_values", {}))

    def __repr__(self) -> str:
        runs = (f"{name} {v[0]:.4g} -> {v[-1]:.4g}" for name, v in self.items() if v)
        return f"History({counted(self.epochs, 'epoch')}{''.join(', ' + run for run in runs)})"
