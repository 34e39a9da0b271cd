"""The parameters of the constructors: scikit-learn's, with more values for some of them.

scikit-learn itself checks them against these constraints at the start of ``fit``, so that the
messages are its own.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from backprop.core import engine, facts
from backprop.core.architecture import checked_hidden
from backprop.training.optimizers import OPTIMIZERS
from backprop.training.schedules import SCHEDULES

# scikit-learn calls these activations otherwise than the engine.
ALIASES = {
    fact.sklearn: name
    for name, fact in facts.ACTIVATIONS.items()
    if fact.sklearn not in (None, name)
}


def _kinds(table: dict[str, Any]) -> list[type]:
    return sorted({type(entry) for entry in table.values()}, key=lambda kind: kind.__name__)


CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions({*ALIASES, *engine.activations()}), "array-like"],
    "solver": [StrOptions(set(OPTIMIZERS)), *_kinds(OPTIMIZERS)],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [
        StrOptions({"constant", "invscaling", "adaptive", *SCHEDULES}),
        *_kinds(SCHEDULES),
    ],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean", StrOptions({"loss"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    "callbacks": [list, tuple, None],
}


def layer_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Return the sizes of the hidden layers as a list."""
    if not hasattr(hidden_layer_sizes, "__iter__"):
        hidden_layer_sizes = [hidden_layer_sizes]
    sizes = list(hidden_layer_sizes)
    if np.any(np.array(sizes) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def hidden_names(activation: str | Sequence[str], n_hidden: int) -> list[str]:
    """Return the engine's name of the activation of each hidden layer.

    Raises
    ------
    TypeError, ValueError
        If a list has an unknown name, or not as many as there are hidden layers.
    """
    if isinstance(activation, str):
        return [ALIASES.get(activation, activation)] * n_hidden
    names = [ALIASES.get(name, name) for name in activation]
    return checked_hidden(names, n_hidden, argument="activation")


def dropout_rates(dropout: Any, n_hidden: int) -> list[float]:
    """Return the rate of each hidden layer, or nothing where none is dropped.

    Raises
    ------
    ValueError
        If a list has not one rate from 0 to below 1 for each hidden layer.
    """
    rates = [float(dropout)] * n_hidden if isinstance(dropout, Real) else [*map(float, dropout)]
    if len(rates) != n_hidden or not all(0 <= rate < 1 for rate in rates):
        raise ValueError(
            "`dropout` must be one rate from 0 to below 1, or one for each of the "
            f"{n_hidden} hidden layers, got {dropout!r}"
        )
    return rates if any(rates) else []
