"""Axes to draw on, and numbers by epoch drawn on them, with matplotlib (the extra "plot").

It stands this low because what is recorded can be drawn without a network. matplotlib is imported
when something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes(ax: Axes | None, figsize: tuple[float, float] | None = None) -> Axes:
    """Return ``ax``, or those of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib; pip install 'backprop[plot]' installs it"
        ) from error
    return pyplot.subplots(figsize=figsize, layout="constrained")[1]


def curves(history: Mapping[str, Sequence[float]], *, ax: Axes | None = None) -> Axes:
    """Draw every recorded quantity by epoch: losses on the left, metrics on the right.

    Parameters
    ----------
    history : History
        What `Network.fit` returned.
    ax : Axes, optional

    Returns
    -------
    Axes
        That of the losses.
    """
    ax = axes(ax)
    losses = [name for name in history if "loss" in name]
    metrics = [name for name in history if "loss" not in name]
    for n, name in enumerate(losses):
        ax.plot(_epochs(history[name]), history[name], color=f"C{n}", label=name)
    positive = all(v > 0 for name in losses for v in history[name])
    ax.set(xlabel="epoch", ylabel="loss", yscale="log" if positive else "linear")
    ax.grid(alpha=0.3)
    lines = ax.get_lines()
    if metrics:
        right = ax.twinx()
        for n, name in enumerate(metrics, start=len(losses)):
            right.plot(_epochs(history[name]), history[name], "--", color=f"C{n}", label=name)
        right.set_ylabel(metrics[0].removeprefix("val_") if len(metrics) == 1 else "metric")
        lines = [*lines, *right.get_lines()]
    # The legend stands above the picture, where no curve can run under it.
    names = [str(line.get_label()) for line in lines]
    ax.legend(lines, names, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(names))
    ax.locator_params(axis="x", integer=True)
    return ax


def _epochs(values: Sequence[float]) -> range:
    return range(1, len(values) + 1)
