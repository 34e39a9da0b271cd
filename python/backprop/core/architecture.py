"""Checks of the sizes, names and dtypes that make a network.

Each function returns its argument in one form, or raises TypeError for a wrong kind and ValueError
for a wrong value.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from backprop.core import engine
from backprop.core.checks import integer, known_name, number

_DTYPES = ("float32", "float64")
# These can be iterated over, but nobody meant them as a list of layers: a set has no order, and a
# string would be read letter by letter.
_NO_SEQUENCE = (str, bytes, Set, Mapping)


def checked_sizes(layer_sizes: Any) -> list[int]:
    """Return n_0 .. n_L as integers of at least 1."""
    if isinstance(layer_sizes, _NO_SEQUENCE) or not isinstance(layer_sizes, Iterable):
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
    known = engine.activations()
    if isinstance(hidden, str):
        return [known_name(argument, hidden, known)] * n_hidden
    if isinstance(hidden, _NO_SEQUENCE) or not isinstance(hidden, Iterable):
        raise TypeError(f"`{argument}` must be a name or a list of names, got {hidden!r}")
    names = [known_name(f"{argument}[{i}]", name, known) for i, name in enumerate(hidden)]
    if len(names) != n_hidden:
        raise ValueError(
            f"`{argument}` must be one name, or one for each of the {n_hidden} hidden layers, got "
            f"{len(names)}: {names}"
        )
    return names


def checked_loss(output: Any, loss: Any) -> tuple[str, str, float | None]:
    """Return an output activation, a loss that matches it, and the loss's parameter if it is given.

    The loss may be None, a name, or a pair of name and parameter.
    """
    matches = engine.outputs()
    known_name("output", output, matches)
    if loss is None:
        return output, matches[output][0], None
    parameter = None
    if isinstance(loss, tuple | list):
        if len(loss) != 2:
            raise ValueError(f"`loss` must be a name or a pair (name, parameter), got {loss!r}")
        loss, parameter = loss
    known_name("loss", loss, [name for names in matches.values() for name in names])
    if loss not in matches[output]:
        fits = " or ".join(repr(name) for name in matches[output])
        wants = " or ".join(repr(name) for name, losses in matches.items() if loss in losses)
        raise ValueError(
            f"`loss` must match `output` {output!r}, got {loss!r}; use loss={fits}, or "
            f"output={wants}"
        )
    if parameter is None:
        return output, loss, None
    parameters = engine.loss_parameters()
    if loss not in parameters:
        raise ValueError(
            f"`loss` must be a bare name for {loss!r}, which has no parameter, got {parameter!r}; "
            f"those with one are {', '.join(parameters)}"
        )
    name = parameters[loss][0]
    # Any finite number passes here, because the core checks the range of its own parameters.
    return output, loss, number(name, parameter, "finite", lambda _: True)


def loss_choice(name: str, parameter: float | None) -> str | tuple[str, float]:
    """Return a loss as `Network` takes it: a name, with the parameter where that is no default."""
    default = engine.loss_parameters().get(name)
    if parameter is None or default is None or parameter == default[1]:
        return name
    return name, parameter


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64, as the object that native arrays carry: `is` tells them equal."""
    try:
        # NumPy would take None for float64, which nobody asked for; "" makes it an error.
        name = np.dtype("" if dtype is None else dtype).name
    except TypeError:
        raise TypeError(f"`dtype` must be float32 or float64, got {dtype!r}") from None
    if name not in _DTYPES:
        raise ValueError(f"`dtype` must be float32 or float64, got {name}")
    return np.dtype(name)
