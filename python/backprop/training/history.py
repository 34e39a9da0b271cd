"""The record of a training: for each quantity one value an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class History(Mapping[str, list[float]]):
    """What `Network.fit` returns, a mapping from names to lists.

    ``history["loss"]`` is the mean over the examples, by weight, of the losses seen during each
    epoch, each with its penalties and taken before the step on its batch; of L-BFGS the loss after
    each iteration. With validation data there are ``"val_loss"`` and ``"val_accuracy"`` or other
    metrics, all of the weights after the epoch.

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
        self._values: dict[str, list[float]] = {"loss": []}
        for name, numbers in (values or {}).items():
            self._values[name] = list(numbers)

    @property
    def epochs(self) -> int:
        """The number of epochs recorded."""
        return len(self._values["loss"])

    def append(self, name: str, value: float) -> None:
        """Record the value of one more epoch."""
        self._values.setdefault(name, []).append(value)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw losses (left, logarithmic) and metrics (right) by epoch; needs matplotlib.

        See `backprop.plots.curves`.
        """
        from backprop.core.drawing import curves

        return curves(self, ax=ax)

    def __getitem__(self, name: str) -> list[float]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        runs = (f"{name} {v[0]:.4g} -> {v[-1]:.4g}" for name, v in self._values.items() if v)
        return f"History({self.epochs} epochs{''.join(', ' + run for run in runs)})"
