"""What a column is worth: how much worse predictions become when its cells are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH = 30


@dataclass(frozen=True)
class Importance:
    """Permutation importance of columns, most important first.

    Attributes
    ----------
    names : tuple of str
        The columns.
    values : ndarray (n_columns, n_repeats)
        What each shuffle cost.
    quantity : str
        What the cost is: the increase of the log loss, or the decrease of R2.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    quantity: str

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean cost of each column."""
        result: NDArray[np.float64] = self.values.mean(axis=1)
        return result

    @property
    def spread(self) -> NDArray[np.float64]:
        """The standard deviation of each column's cost over the shuffles."""
        result: NDArray[np.float64] = self.values.std(axis=1)
        return result

    def __str__(self) -> str:
        largest = max(float(self.mean.max(initial=0.0)), 1e-300)
        width = max(len(name) for name in self.names)
        lines = [f"{self.quantity} when a column is shuffled: mean ± spread"]
        for name, mean, spread in zip(self.names, self.mean, self.spread, strict=True):
            bar = "#" * round(_WIDTH * max(0.0, mean) / largest)
            lines.append(f"  {name.ljust(width)}  {bar.ljust(_WIDTH)}  {mean:.4f} ± {spread:.4f}")
        return "\n".join(lines)


def importance(
    X: NDArray[Any],
    places: Mapping[str, slice],
    cost: Callable[[NDArray[Any]], float],
    quantity: str,
    n_repeats: int,
    seed: int,
) -> Importance:
    """Shuffle each column's features together, and put them back.

    ``X`` (m, n) is written to while this runs, and is as it was afterwards.
    """
    if isinstance(n_repeats, bool) or not isinstance(n_repeats, int) or n_repeats < 1:
        raise ValueError(f"`n_repeats` must be a whole number of at least 1, got {n_repeats!r}")
    if len(X) < 2:
        raise ValueError(f"`rows` must be at least 2 to be shuffled, got {len(X)}")
    rng = np.random.default_rng(seed)
    before = cost(X)
    values = np.zeros((len(places), n_repeats))
    for k, place in enumerate(places.values()):
        kept = X[:, place].copy()
        try:
            for repeat in range(n_repeats):
                X[:, place] = kept[rng.permutation(len(X))]
                values[k, repeat] = cost(X) - before
        finally:
            X[:, place] = kept
    order = np.argsort(-values.mean(axis=1), kind="stable")
    names = list(places)
    return Importance(tuple(names[k] for k in order), values[order], quantity)
