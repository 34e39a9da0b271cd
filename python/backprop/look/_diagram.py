"""The note's figures 1 and 2: a network as circles and lines, coloured by weight or gradient.

Each hidden and output unit is a circle of two halves, pre-activation a and activation h, as section
2 has it; a line is a weight: red is positive, blue negative, the stronger the larger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core.checks import integer, known_name
from backprop.core.drawing import axes
from backprop.core.network import Core

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

_RADIUS = 0.32
# The distance between layers; units of a layer stand 1 apart.
_GAP = 2.6
_HALVES = "#f2e3c6", "#cfe3f2"
_COLORS = "coolwarm"
# The length 1 in inches, in a new figure.
_INCHES = 0.65
# So many lines can have their numbers written on them.
_FEW = 6


def network_diagram(
    network: Core,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    color_by: str = "weight",
    max_units: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draw the network as in the note's figures, its lines coloured by weight or by gradient.

    Parameters
    ----------
    network : Network
    X, y : array_like
        As for `Network.loss`; needed for ``color_by="gradient"``.
    color_by : {"weight", "gradient"}
        Red is positive, blue negative, on one scale for all layers.
    max_units : int
        Of a wider layer only the first and the last units are drawn, dots between them.
    ax : Axes, optional

    Raises
    ------
    ValueError
        If ``color_by`` is unknown, or "gradient" without X and y.
    """
    known_name("color_by", color_by, ("weight", "gradient"))
    max_units = integer("max_units", max_units, 2)
    if color_by == "weight":
        values = network.W
    elif X is None or y is None:
        raise ValueError('`X` and `y` must be given for color_by="gradient", got None')
    else:
        values = network.gradients(X, y).W
    L = len(values)
    shown = [_shown(n, max_units) for n in network.layer_sizes]
    width, height = L * _GAP + 1.6, max(map(len, shown)) + 2.4
    ax = axes(ax, (_INCHES * width + 1.2, _INCHES * height + 0.4))
    # These stand after `axes`, whose error says how to get matplotlib.
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import SymLogNorm

    largest = max(float(np.abs(v).max()) for v in values) or 1.0
    # The scale is logarithmic, because the gradients of layers may be orders of magnitude apart.
    scale = SymLogNorm(largest / 100, vmin=-largest, vmax=largest)
    few = sum(v.size for v in values) <= _FEW
    for k in range(1, L + 1):
        _draw_weights(ax, k, values[k - 1], shown, scale, few)
    for k, units in enumerate(shown):
        _draw_layer(ax, k, units, L, network)
    ax.set(xlim=(-0.8, width - 0.8), ylim=(-height / 2, height / 2), aspect="equal")
    ax.axis("off")
    if not few:
        label = "weight" if color_by == "weight" else "∂L/∂W"
        ax.figure.colorbar(ScalarMappable(scale, _COLORS), ax=ax, shrink=0.6, label=label)
    return ax


def _shown(n: int, max_units: int) -> list[int | None]:
    """Return the units of a layer to draw, None where dots stand for the others."""
    if n <= max_units:
        return list(range(n))
    last = (max_units - 1) // 2
    return [*range(max_units - 1 - last), None, *range(n - last, n)]


def _place(k: int, slot: int, n_slots: int) -> tuple[float, float]:
    return k * _GAP, (n_slots - 1) / 2 - slot


def _draw_weights(
    ax: Axes,
    k: int,
    values: NDArray[Any],
    shown: list[list[int | None]],
    scale: Normalize,
    few: bool,
) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    below, here = shown[k - 1], shown[k]
    lines, numbers = [], []
    for s, j in enumerate(below):
        for r, i in enumerate(here):
            if i is not None and j is not None:
                lines.append([_place(k - 1, s, len(below)), _place(k, r, len(here))])
                numbers.append(float(values[i, j]))
    if few:
        for (start, end), value in zip(lines, numbers, strict=True):
            middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.1
            ax.text(*middle, f"{value:.3g}", ha="center", va="bottom", fontsize=9)
    sizes = 2 * np.asarray(scale(numbers)) - 1
    # The strongest lines are drawn last, on top of the others.
    order = np.argsort(np.abs(sizes))
    colors = colormaps[_COLORS]((sizes + 1) / 2)
    colors[:, 3] = 0.2 + 0.8 * np.abs(sizes)
    ax.add_collection(
        LineCollection(
            [lines[n] for n in order],
            colors=colors[order],
            linewidths=0.5 + 2.5 * np.abs(sizes[order]),
            zorder=1,
        )
    )


def _draw_layer(ax: Axes, k: int, units: list[int | None], L: int, network: Core) -> None:
    from matplotlib.patches import Circle, Wedge

    for slot, unit in enumerate(units):
        x, y = center = _place(k, slot, len(units))
        if unit is None:
            ax.text(x, y, "⋮", ha="center", va="center", fontsize=14)
            continue
        if k == 0:
            ax.add_patch(Circle(center, _RADIUS, facecolor="white", edgecolor="black", zorder=2))
            ax.text(x, y, f"x[{unit}]", ha="center", va="center", fontsize=8, zorder=3)
            continue
        for start, color in zip((90, 270), _HALVES, strict=True):
            half = Wedge(center, _RADIUS, start, start + 180, facecolor=color, edgecolor="black")
            half.set_zorder(2)
            ax.add_patch(half)
        for offset, letter in ((-0.5, "a"), (0.5, "ŷ" if k == L else "h")):
            ax.text(x + offset * _RADIUS, y, letter, ha="center", va="center", fontsize=8, zorder=3)
    names = ("input", *network.hidden_names, network.output_name)
    head = (len(units) - 1) / 2 + 0.75
    ax.text(k * _GAP, head, f"layer {k}\n{names[k]}", ha="center", va="bottom", fontsize=9)
    ax.text(
        k * _GAP, -head, f"n_{k} = {network.layer_sizes[k]}", ha="center", va="top", fontsize=9
    )  # fmt: skip
