"""Pictures of training and of networks, one function each, with matplotlib (the extra "plot").

Every function draws into the Axes ``ax`` it is given, a new figure's if there is none, and returns
it. matplotlib is imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core.drawing import axes, curves
from backprop.core.network import Core
from backprop.look._diagram import network_diagram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "activation_histograms",
    "confusion_matrix",
    "curves",
    "decision_regions",
    "gradient_flow",
    "network_diagram",
    "weight_histograms",
]

# Each class has a marker besides its colour, for those who see the colours alike.
_MARKERS = "osD^vP*X<>"
_N_BINS = 60
_VANISHED, _EXPLODED = 1e-3, 1e3


def decision_regions(
    network: Core,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ax: Axes | None = None,
    resolution: int = 200,
) -> Axes:
    """Draw what a network of two inputs says over the plane, and the examples on it.

    Classes are regions of colour, the fainter the less sure; a sigmoid or linear output of one unit
    is drawn by its value.

    Parameters
    ----------
    network : Network
        With two inputs and softmax, or one output.
    X : array_like (m, 2)
    y : array_like (m,)
    ax : Axes, optional
    resolution : int
        The network computes so many points along each side.

    Raises
    ------
    ValueError
        If X has not two columns, or the network not two inputs, or several outputs that are not
        softmax.
    """
    if network.layer_sizes[0] != 2:
        raise ValueError(
            f"`network` must have 2 inputs to be drawn on a plane, got {network.layer_sizes[0]}"
        )
    softmax = network.output_name == "softmax"
    p = network.layer_sizes[-1]
    if not softmax and p != 1:
        raise ValueError(f"`network` must have softmax or one output to be drawn, got {p} outputs")
    points, targets = np.asarray(X, dtype=np.float64), np.asarray(y).reshape(len(np.asarray(y)), -1)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"`X` must have 2 columns, got shape {points.shape}")
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * np.maximum(high - low, 1e-9)
    low, high = low - margin, high + margin
    x1, x2 = (np.linspace(low[c], high[c], resolution) for c in range(2))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2).astype(network.dtype)
    Y_hat = network.forward(grid).astype(np.float64).reshape(resolution, resolution, p)
    ax = axes(ax)
    extent = (low[0], high[0], low[1], high[1])
    if softmax:
        _class_regions(ax, Y_hat, extent)
        labels = targets[:, 0] if targets.shape[1] == 1 else targets.argmax(axis=1)
        _scatter_classes(ax, points, labels.astype(int))
    else:
        _value_regions(ax, Y_hat[..., 0], extent, points, targets[:, 0], network.output_name)
    ax.set(xlabel="x[0]", ylabel="x[1]", xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return ax


def weight_histograms(
    networks: Core | Sequence[Core], *, layer: int = 1, ax: Axes | None = None
) -> Axes:
    """Draw the distribution of the weights of each layer, or of one layer epoch by epoch.

    Parameters
    ----------
    networks : Network or sequence of Network
        One network, all of whose layers are drawn; or its copies from epoch to epoch, as
        ``callbacks=[lambda run: copies.append(run.network.copy())]`` collects them.
    layer : int
        Which to draw, 1..L, where there are copies.
    ax : Axes, optional
    """
    if isinstance(networks, Core):
        rows = [(f"W_{k}", W) for k, W in enumerate(networks.W, start=1)]
        return _ridges(rows, "weight", axes(ax))
    k = _checked_layer(networks, layer)
    epochs = [(f"epoch {e}", copy.W[k - 1]) for e, copy in enumerate(networks, start=1)]
    return _ridges(epochs, f"weights W_{k}", axes(ax))


def activation_histograms(
    networks: Core | Sequence[Core],
    X: ArrayLike,
    *,
    layer: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of the activations H_k of each layer, or of one epoch by epoch.

    Activations that are exactly 0, of which ReLU makes many, are given as a percentage.

    Parameters
    ----------
    networks, layer, ax
        As for `weight_histograms`.
    X : array_like (m, n_features)
    """
    if isinstance(networks, Core):
        rows = [(f"H_{k}", H) for k, H in enumerate(_activations(networks, X), start=1)]
        return _ridges(rows, "activation", axes(ax))
    k = _checked_layer(networks, layer)
    epochs = [
        (f"epoch {e}", _activations(copy, X)[k - 1]) for e, copy in enumerate(networks, start=1)
    ]
    return _ridges(epochs, f"activations H_{k}", axes(ax))


def gradient_flow(network: Core, X: ArrayLike, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw ‖∇A_k‖ and ‖∇W_k‖ layer by layer: a slope is a vanishing or an exploding gradient.

    The shaded bands begin where ‖∇A_k‖ is a thousandth or a thousand times that of the output.

    Parameters
    ----------
    network : Network
    X, y : array_like
        As for `Network.loss`.
    ax : Axes, optional
    """
    trace = network.trace(X, y)
    ax = axes(ax)
    layers = [t.k for t in trace[1:]]
    norms = [float(np.linalg.norm(t.grad_A.astype(np.float64))) for t in trace[1:]]
    weights = [float(np.linalg.norm(t.grad_W.astype(np.float64))) for t in trace[1:]]
    ax.plot(layers, norms, "o-", label="‖∇A_k‖")
    ax.plot(layers, weights, "s--", label="‖∇W_k‖")
    if norms[-1] > 0:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        low, high = min(low, _VANISHED / 5 * norms[-1]), max(high, _EXPLODED * 5 * norms[-1])
        for edge, end, name in (
            (_VANISHED * norms[-1], low, "vanishing"),
            (_EXPLODED * norms[-1], high, "exploding"),
        ):
            ax.axhspan(edge, end, color="C3", alpha=0.12, lw=0)
            side = "top" if end == low else "bottom"
            ax.text(0.99, edge, name, transform=ax.get_yaxis_transform(), ha="right", va=side)
        ax.set_ylim(low, high)
    ax.set(xlabel="layer k (the gradient flows from right to left)", ylabel="norm", xticks=layers)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def confusion_matrix(
    network: Core,
    X: ArrayLike,
    y: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many examples of each class (rows) were taken for each class (columns).

    Parameters
    ----------
    network : Network
        With softmax output, or one sigmoid output.
    X : array_like (m, n_features)
    y : array_like (m,)
    class_names : sequence of str, optional
        One for each class; their numbers if not given.
    ax : Axes, optional

    Raises
    ------
    ValueError
        If the network has another output, or there are not as many names as classes.
    """
    p = network.layer_sizes[-1]
    binary = network.output_name == "sigmoid" and p == 1
    if network.output_name != "softmax" and not binary:
        raise ValueError(
            "`network` must have softmax or one sigmoid output to have a confusion matrix, got "
            f"{network.output_name} with {p}"
        )
    n_classes = 2 if binary else p
    names = [str(c) for c in range(n_classes)] if class_names is None else list(class_names)
    if len(names) != n_classes:
        raise ValueError(f"`class_names` must have {n_classes} names, got {len(names)}")
    examples = network.checked(X, y).X
    Y_hat = network.forward(examples)
    said = (Y_hat[:, 0] > 0.5).astype(int) if binary else Y_hat.argmax(axis=1)
    labels = np.asarray(y).reshape(len(said), -1)
    true = labels[:, 0].astype(int) if labels.shape[1] == 1 else labels.argmax(axis=1)
    counts = np.zeros((n_classes, n_classes), dtype=int)
    np.add.at(counts, (true, said), 1)
    ax = axes(ax)
    # Each row is shaded by its own total, so that rare classes show as well as common ones.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for r, c in np.ndindex(*counts.shape):
        if counts[r, c]:
            color = "white" if shares[r, c] > 0.5 else "black"
            ax.text(c, r, str(counts[r, c]), ha="center", va="center", color=color)
    ticks = range(n_classes)
    long = max(map(len, names)) > 3
    ax.set_xticks(ticks, names, rotation=45 if long else 0, ha="right" if long else "center")
    ax.set_yticks(ticks, names)
    accuracy = np.trace(counts) / max(counts.sum(), 1)
    ax.set(xlabel="predicted", ylabel="true", title=f"accuracy {accuracy:.4f}")
    return ax


def _class_regions(ax: Axes, Y_hat: NDArray[Any], extent: Any) -> None:
    from matplotlib.colors import to_rgb

    p = Y_hat.shape[-1]
    colors = np.array([to_rgb(_color(c)) for c in range(p)])
    said, sure = Y_hat.argmax(axis=-1), Y_hat.max(axis=-1)
    # A region is white where all classes are equally likely, and never so strong that the points
    # drown in it.
    strength = 0.6 * (sure - 1 / p) / (1 - 1 / p) if p > 1 else np.full(sure.shape, 0.6)
    image = 1 - strength[..., None] * (1 - colors[said])
    ax.imshow(image, extent=extent, origin="lower", aspect="auto", interpolation="bilinear")


def _value_regions(
    ax: Axes,
    Y_hat: NDArray[Any],
    extent: Any,
    points: NDArray[Any],
    y: NDArray[Any],
    output: str,
) -> None:
    if output == "sigmoid":
        low, high, colors = 0.0, 1.0, "coolwarm"
    else:
        low, high = min(Y_hat.min(), y.min()), max(Y_hat.max(), y.max())
        colors = "viridis"
    image = ax.imshow(
        Y_hat, extent=extent, origin="lower", aspect="auto", cmap=colors, vmin=low, vmax=high
    )
    if output == "sigmoid" and Y_hat.min() < 0.5 < Y_hat.max():
        ax.contour(Y_hat, levels=[0.5], extent=extent, colors="black", linewidths=1)
    ax.scatter(
        points[:, 0], points[:, 1], c=y, cmap=colors, vmin=low, vmax=high, s=25,
        edgecolors="black", linewidths=0.7,
    )  # fmt: skip
    ax.figure.colorbar(image, ax=ax, label="ŷ")


def _scatter_classes(ax: Axes, points: NDArray[Any], labels: NDArray[Any]) -> None:
    for c in np.unique(labels):
        chosen = points[labels == c]
        marker = _MARKERS[c % len(_MARKERS)]
        ax.scatter(
            chosen[:, 0], chosen[:, 1], s=25, color=_color(int(c)), marker=marker,
            edgecolors="black", linewidths=0.7, label=f"class {c}",
        )  # fmt: skip
    ax.legend(loc="upper right", framealpha=0.9)


def _color(c: int) -> str:
    return f"C{c % 10}"


def _activations(network: Core, X: ArrayLike) -> list[NDArray[Any]]:
    """Return H_1 .. H_L; the core's trace wants targets, and any will do."""
    Y_hat = network.forward(X)
    y = Y_hat.argmax(axis=1) if network.output_name == "softmax" else np.clip(Y_hat, 0, 1)
    return [t.H for t in network.trace(X, y)[1:]]


def _checked_layer(networks: Sequence[Core], layer: int) -> int:
    if not networks:
        raise ValueError("`networks` must have at least one network, got an empty sequence")
    L = len(networks[0].W)
    if not 1 <= layer <= L:
        raise ValueError(f"`layer` must be in 1..{L}, got {layer}")
    return layer


def _ridges(rows: list[tuple[str, NDArray[Any]]], xlabel: str, ax: Axes) -> Axes:
    """Draw one histogram above the other, first at the bottom, each to its own height."""
    from matplotlib import colormaps

    names, flat = [], []
    for name, array in rows:
        values = np.asarray(array, dtype=np.float64).ravel()
        zeros = float((values == 0).mean())
        # The zeros are left out, because their spike would flatten everything else.
        names.append(f"{name} ({zeros:.0%} zero)" if zeros else name)
        flat.append(values[values != 0] if 0 < zeros < 1 else values)
    low, high = min(v.min() for v in flat), max(v.max() for v in flat)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _N_BINS + 1)
    shades = colormaps["viridis"](np.linspace(0.1, 0.85, len(rows)))
    for n, values in enumerate(flat):
        counts = np.histogram(values, edges)[0]
        heights = n + 1.3 * counts / counts.max()
        # A lower row lies in front and may rise into the one above it.
        ax.stairs(heights, edges, baseline=n, fill=True, color=shades[n], zorder=2 - n)
        ax.stairs(heights, edges, baseline=n, color="white", lw=0.6, zorder=2 - n)
    # About fifteen labels can be read, however many epochs there are.
    every = -(-len(rows) // 15)
    ticks = range(0, len(rows), every)
    ax.set_yticks(ticks, [names[n] for n in ticks])
    ax.set(xlabel=xlabel, ylim=(-0.1, len(rows) + 0.5))
    ax.grid(axis="x", alpha=0.3)
    return ax
