"""Initial weights, drawn from a seeded generator; biases start at zero.

With n_in = n_{k-1} and n_out = n_k, each entry of W_k is drawn independently:

- ``he``: normal, variance 2 / n_in (keeps the variance through ReLU layers)
- ``glorot``: uniform on ±sqrt(6 / (n_in + n_out)) (for tanh and sigmoid)
- ``lecun``: normal, variance 1 / n_in (for linear layers)
- ``normal``: normal, standard deviation sigma
- ``zeros``: 0 (right for L = 1; deeper networks cannot break their symmetry from it)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import integer, known_name, positive

# The type is a string, because naming numpy.random would import it, which takes longer than the
# import of this package.
Draw = Callable[["np.random.Generator", int, int], NDArray[np.float64]]

DEFAULT_SIGMA = 0.01


def he(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Draw W (n_out, n_in) from N(0, 2 / n_in)."""
    return _normal(rng, n_in, n_out, sqrt(2 / n_in))


def lecun(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Draw W (n_out, n_in) from N(0, 1 / n_in)."""
    return _normal(rng, n_in, n_out, sqrt(1 / n_in))


def glorot(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Draw W (n_out, n_in) from U(-r, r), r = sqrt(6 / (n_in + n_out))."""
    r = sqrt(6 / (n_in + n_out))
    return rng.uniform(-r, r, (n_out, n_in))


def zeros(rng: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Return W (n_out, n_in) of zeros."""
    return np.zeros((n_out, n_in))


def normal(sigma: float = DEFAULT_SIGMA) -> Draw:
    """Return the initialiser that draws W from N(0, sigma²)."""
    sigma = positive("sigma", sigma)
    return lambda rng, n_in, n_out: _normal(rng, n_in, n_out, sigma)


INITIALIZERS: dict[str, Draw] = {
    "he": he,
    "glorot": glorot,
    "lecun": lecun,
    "zeros": zeros,
    "normal": normal(),
}


def get(init: Any) -> Draw:
    """Return the initialiser of a name, or of ``("normal", sigma)``.

    Raises
    ------
    TypeError, ValueError
        If ``init`` is neither, the name is unknown, or sigma is not positive and finite.
    """
    if isinstance(init, tuple | list):
        if len(init) != 2 or init[0] != "normal":
            raise ValueError(f'`init` must be a name or ("normal", sigma), got {init!r}')
        return normal(init[1])
    return INITIALIZERS[known_name("init", init, INITIALIZERS)]


def initialize(W: Sequence[NDArray[Any]], draw: Draw, seed: Any) -> None:
    """Fill W_1 .. W_L in this order from one generator.

    The draws are float64 whatever the dtype of ``W``, so that networks of one seed agree to
    rounding.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is no integer from 0 to 2⁶⁴ - 1, Generator or None.
    """
    if not (seed is None or isinstance(seed, np.random.Generator)):
        seed = integer("seed", seed, 0, 2**64 - 1)
    rng = np.random.default_rng(seed)
    for W_k in W:
        n_out, n_in = W_k.shape
        W_k[...] = draw(rng, n_in, n_out)


def _normal(rng: np.random.Generator, n_in: int, n_out: int, sigma: float) -> NDArray[np.float64]:
    W = rng.standard_normal((n_out, n_in))
    W *= sigma
    return W
