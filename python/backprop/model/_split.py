"""Which rows are trained on, watched while training, and tested on.

By chance, each class with its share; or whole groups of rows, so that no group is on both sides; or
by time, so that what is tested on lies after what was learned from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.data import split_indices

Rows = NDArray[np.int64]


class Parts(NamedTuple):
    """Rows to train on, to watch while training, and to test on, each in ascending order."""

    train: Rows
    watched: Rows
    test: Rows


def split(
    y: NDArray[Any],
    *,
    classes: bool,
    test_size: float = 0.2,
    validation_size: float = 0.1,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
    time: NDArray[np.float64] | None = None,
) -> Parts:
    """Divide rows.

    Parameters
    ----------
    y : ndarray (m,)
        Their targets.
    classes : bool
        Whether these are classes, which keep their shares where chance divides.
    test_size, validation_size : float
        The share to test on; and that of the rest to watch, which may be 0.
    seed : int
        The same seed gives the same parts.
    groups : ndarray of int (m,), optional
        The group of each row; no group is divided.
    time : ndarray (m,), optional
        The latest rows are tested on, those before them watched. Rows without a time come first.

    Raises
    ------
    ValueError
        If a part would be empty, or there are too few groups.
    """
    everything = np.arange(len(y))
    if groups is None and time is None:
        rest, test = _by_chance(y, everything, test_size, classes, seed)
        count = round(validation_size * len(rest))
        if count == 0:
            return Parts(rest, rest[:0], test)
        train, watched = _by_chance(y, rest, count, classes, seed)
        return Parts(train, watched, test)
    rng = np.random.default_rng(seed)
    rest, test = _by_units(everything, round(test_size * len(y)), groups, time, rng)
    count = round(validation_size * len(rest))
    units = len(np.unique(groups[rest])) if groups is not None else len(rest)
    if count == 0 or units < 2:
        return Parts(rest, rest[:0], test)
    train, watched = _by_units(rest, count, groups, time, rng)
    return Parts(train, watched, test)


def _by_chance(
    y: NDArray[Any], rows: Rows, size: float | int, classes: bool, seed: int
) -> tuple[Rows, Rows]:
    alone = rows[:0]
    if classes:
        # A class of one row cannot be tested before it is learned.
        _, places, counts = np.unique(y[rows], return_inverse=True, return_counts=True)
        single = counts[places.reshape(-1)] == 1
        if single.any() and not single.all():
            alone, rows = rows[single], rows[~single]
            if not isinstance(size, float):
                size = min(size, len(rows) - 1)
    rest, held_out = split_indices(y[rows], size, stratify=classes, seed=seed)
    return np.sort(np.concatenate([rows[rest], alone])), rows[held_out]


def _by_units(
    rows: Rows,
    wanted: int,
    groups: NDArray[np.int64] | None,
    time: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> tuple[Rows, Rows]:
    """Hold out about as many rows as wanted, in whole units."""
    unit = np.arange(len(rows)) if groups is None else groups[rows]
    unit = np.unique(unit, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(unit)
    if len(counts) < 2 or wanted < 1:
        raise ValueError(
            f"{len(counts)} group{'s' * (len(counts) != 1)} of {len(rows)} rows cannot be divided "
            "into a part to learn from and a part to test on"
        )
    if time is not None:
        latest = np.full(len(counts), -np.inf)
        np.maximum.at(latest, unit, np.nan_to_num(time[rows], nan=-np.inf))
        order = np.argsort(-latest, kind="stable")
        enough = int(np.searchsorted(np.cumsum(counts[order]), wanted)) + 1
        chosen = order[: min(enough, len(counts) - 1)]
    else:
        chosen = np.array(_filling(rng.permutation(len(counts)), counts, wanted))
    out = np.zeros(len(counts), bool)
    out[chosen] = True
    return rows[~out[unit]], rows[out[unit]]


def _filling(order: Rows, counts: Rows, wanted: int) -> list[int]:
    """Return units, as they come, that do not make more rows than wanted; at least the smallest."""
    chosen, total = [], 0
    for k in order.tolist():
        size = int(counts[k])
        if total + size <= wanted:
            chosen.append(k)
            total += size
    return chosen or [int(np.argmin(counts))]
