"""Two classes in the plane that no straight line separates: data to play with."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Toy = tuple[NDArray[np.float64], NDArray[np.int64]]


def two_moons(m: int, *, noise: float = 0.12, seed: int = 0) -> Toy:
    """Draw two half circles that reach into each other.

    Parameters
    ----------
    m : int
        The number of examples; the classes alternate.
    noise : float
        The standard deviation of what is added to every coordinate.
    seed : int

    Returns
    -------
    X : ndarray (m, 2)
    y : ndarray (m,) of int64
        0 for the upper moon, 1 for the lower.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    angle = np.pi * rng.random(m)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    # The lower moon is the upper one turned about the origin.
    X = np.where(y[:, None] == 0, upper, -upper)
    return X + noise * rng.standard_normal((m, 2)), y


def spirals(m: int, *, noise: float = 0.05, seed: int = 0) -> Toy:
    """Draw two spirals wound around each other, a turn and a quarter; see `two_moons`."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    along = np.sqrt(rng.uniform(0.05, 1, m))
    angle = 2.5 * np.pi * along + np.pi * y
    X = 1.3 * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return X + noise * rng.standard_normal((m, 2)), y


TOYS: dict[str, Callable[..., Toy]] = {"moons": two_moons, "spirals": spirals}
