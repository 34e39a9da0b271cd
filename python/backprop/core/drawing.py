"""Axes to draw on, and numbers by epoch drawn on them, with matplotlib (the extra "plot").

It stands this low because what is recorded can be drawn without a network. matplotlib is imported
when something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Losses that are spread over less than this factor are read better on a linear scale.
_SPREAD = 3.0


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

    The scale of the losses is logarithmic where they are positive and spread over a factor of
    three or more. The best epoch is marked: of the held-out loss, else of the loss trained on.

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
        ax.plot(_epochs(history[name]), history[name], color=f"C{n}", label=name, **_style(history))
    _scale(ax, [v for name in losses for v in history[name] if isfinite(v)])
    ax.set(xlabel="epoch", ylabel="loss")
    ax.grid(alpha=0.3)
    lines = list(ax.get_lines())
    _mark_best(ax, history)
    if metrics:
        right = ax.twinx()
        for n, name in enumerate(metrics, start=len(losses)):
            right.plot(
                _epochs(history[name]),
                history[name],
                "--",
                color=f"C{n}",
                label=name,
                **_style(history),
            )
        right.set_ylabel(metrics[0].removeprefix("val_") if len(metrics) == 1 else "metric")
        lines = [*lines, *right.get_lines()]
    # The legend stands above the picture, where no curve can run under it.
    names = [str(line.get_label()) for line in lines]
    # Four names fit beside each other.
    ax.legend(lines, names, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=min(4, len(names)))
    _whole_epochs(ax, max((len(values) for values in history.values()), default=0))
    return ax


def _scale(ax: Axes, values: Sequence[float]) -> None:
    """Choose the scale of the losses and write its ticks as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if not values or min(values) <= 0 or max(values) < _SPREAD * min(values):
        return
    ax.set_yscale("log")
    # Few decades have few powers of ten: then ticks between them are named as well.
    decades = log10(max(values) / min(values))
    between = (1, 1.5, 2, 3, 5, 7) if decades < 1.5 else (1, 2, 5) if decades < 4 else (1,)
    ax.yaxis.set_major_locator(LogLocator(subs=between))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _whole_epochs(ax: Axes, n_epochs: int) -> None:
    """Put the ticks on whole epochs, of which 1 is the first, also where there is one."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
    if n_epochs:
        ax.set_xlim(0.5, n_epochs + 0.5)


def _style(history: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    # A line through one point cannot be seen.
    return {"marker": "o"} if max(map(len, history.values()), default=0) == 1 else {}


def _mark_best(ax: Axes, history: Mapping[str, Sequence[float]]) -> None:
    """Mark the epoch of the least loss that was held out, else of that trained on."""
    name = "val_loss" if history.get("val_loss") else "loss"
    finite = [(v, epoch) for epoch, v in enumerate(history.get(name, ()), 1) if isfinite(v)]
    if len(finite) < 2:
        return
    loss, epoch = min(finite)
    ax.scatter([epoch], [loss], s=30, color="0.2", zorder=3)
    side = "left" if epoch <= len(finite) / 2 else "right"
    ax.annotate(
        f"best epoch {epoch}",
        (epoch, loss),
        xytext=(0, 8),
        textcoords="offset points",
        ha=side,
        color="0.2",
    )


def _epochs(values: Sequence[float]) -> range:
    return range(1, len(values) + 1)
