"""The network and the data of a page as JSON: architecture, weights, examples and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core.checks import positive
from backprop.core.inputs import check_finite, dense
from backprop.core.network import Core

# The script has these in tables of its own: the note's activations (6.1), and the outputs with the
# losses that go with them.
HIDDEN = ("relu", "sigmoid", "tanh", "linear")
LOSSES = {
    "softmax": "cross_entropy",
    "linear": "squared_error",
    "sigmoid": "binary_cross_entropy",
}
# The script could compute more, but nobody could look at it.
MAX_UNITS = 64
MAX_EXAMPLES = 500
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def problem(
    net: Core,
    X: ArrayLike,
    y: ArrayLike,
    *,
    title: str,
    feature_names: Sequence[str],
    output_names: Sequence[str],
    lr: float,
    start: Core | None,
) -> dict[str, Any]:
    """Check and gather what the script reads; see `backprop.play.page`."""
    _check_network(net)
    inputs, targets, _ = net.checked(X, y)
    inputs = dense(inputs)
    check_finite(X=inputs, y=targets)
    if len(inputs) > MAX_EXAMPLES:
        raise ValueError(
            f"`X` must have at most {MAX_EXAMPLES} examples to be shown one by one, got "
            f"{len(inputs)}; pass some of its rows"
        )
    sizes = net.layer_sizes
    return {
        "title": title,
        **net.architecture,
        "lr": positive("lr", lr),
        "X": inputs.tolist(),
        "E": _rows(targets, sizes[-1]).tolist(),
        "feature_names": _names("feature_names", feature_names, sizes[0], "x"),
        "output_names": _names("output_names", output_names, sizes[-1], "ŷ"),
        "starts": _starts(net, start),
    }


def _check_network(net: Core) -> None:
    for name in net.hidden_names:
        if name not in HIDDEN:
            raise ValueError(
                f"`net` must have hidden activations of the note ({', '.join(HIDDEN)}) to be "
                f"shown, got {name!r}"
            )
    loss = net.architecture["loss"]
    if LOSSES.get(net.output_name) != loss:
        pairs = ", ".join(f"{output} with {loss}" for output, loss in LOSSES.items())
        raise ValueError(
            f"`net` must have one of the outputs and losses {pairs} to be shown, got "
            f"{net.output_name} with {loss}"
        )
    if max(net.layer_sizes) > MAX_UNITS:
        raise ValueError(
            f"`net` must have at most {MAX_UNITS} units in a layer to be drawn, got layer_sizes "
            f"{list(net.layer_sizes)}"
        )


def _rows(targets: NDArray[Any], p: int) -> NDArray[Any]:
    """Return targets as (m, p), labels one-hot: the transposed E of section 5.2."""
    rows: NDArray[Any] = np.eye(p)[targets] if targets.dtype == np.int64 else targets
    return rows.reshape(len(targets), p)


def _names(argument: str, names: Sequence[str], n: int, default: str) -> list[str]:
    if not names:
        return [f"{default}{str(i + 1).translate(_SUBSCRIPTS)}" for i in range(n)]
    if len(names) != n:
        raise ValueError(f"`{argument}` must hold {n} names, got {len(names)}: {list(names)}")
    return [str(name) for name in names]


def _starts(net: Core, start: Core | None) -> list[dict[str, Any]]:
    """Return the parameters one can go back to."""
    starts = {"these weights": net}
    if start is not None:
        if not net.same_architecture(start):
            raise ValueError(f"`start` must have the architecture of `net`, {net}, got {start}")
        starts = {"the trained weights": net, "the initial weights": start}
    for network in starts.values():
        if not np.isfinite(network.theta).all():
            raise ValueError("`net` must have finite weights, got NaN or infinity")
    return [
        {"name": name, "W": [W.tolist() for W in n.W], "b": [b.tolist() for b in n.b]}
        for name, n in starts.items()
    ]
