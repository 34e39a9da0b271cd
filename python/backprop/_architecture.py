"""Which sizes, names and dtypes make a network. All raise TypeError or ValueError for others."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from backprop import _backprop
from backprop._checks import integer, known_name

_DTYPES = ("float32", "float64")


def checked_sizes(layer_sizes: Any) -> list[int]:
    """Return n_0 .. n_L as integers of at least 1."""
    if isinstance(layer_sizes, str) or not isinstance(layer_sizes, Iterable):
        raise TypeError(
            f"`layer_sizes` must be a sequence of integers such as [64, 100, 10], got "
            f"{layer_sizes!r}"
        )
    sizes = [integer(f"layer_sizes[{k}]", n, 1) for k, n in enumerate(layer_sizes)]
    if len(sizes) < 2:
        raise ValueError(
            f"`layer_sizes` must name at least the input and the output layer, got {sizes}"
        )
    return sizes


def checked_hidden(hidden: Any, n_hidden: int, argument: str = "hidden") -> list[str]:
    """Return the name of the activation of each hidden layer."""
    known = _backprop.activations()
    if isinstance(hidden, str):
        return [known_name(argument, hidden, known)] * n_hidden
    if not isinstance(hidden, Iterable):
        raise TypeError(f"`{argument}` must be a name or a list of names, got {hidden!r}")
    names = [known_name(f"{argument}[{i}]", name, known) for i, name in enumerate(hidden)]
    if len(names) != n_hidden:
        raise ValueError(
            f"`{argument}` must be one name, or one for each of the {n_hidden} hidden layers, got "
            f"{len(names)}: {names}"
        )
    return names


def checked_pair(output: Any, loss: Any) -> tuple[str, str]:
    """Return an output activation and a loss that match, the loss chosen where it is None."""
    matches = _backprop.outputs()
    known_name("output", output, matches)
    if loss is None:
        return output, matches[output][0]
    known_name("loss", loss, [name for names in matches.values() for name in names])
    if loss not in matches[output]:
        fits = " or ".join(repr(name) for name in matches[output])
        wants = " or ".join(repr(name) for name, losses in matches.items() if loss in losses)
        raise ValueError(
            f"`loss` must match `output` {output!r}, got {loss!r}; use loss={fits}, or "
            f"output={wants}"
        )
    return output, loss


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64, as the object that native arrays carry: `is` tells them equal."""
    try:
        # NumPy takes None for float64.
        name = np.dtype("" if dtype is None else dtype).name
    except TypeError:
        raise TypeError(f"`dtype` must be float32 or float64, got {dtype!r}") from None
    if name not in _DTYPES:
        raise ValueError(f"`dtype` must be float32 or float64, got {name}")
    return np.dtype(name)
