"""Dropout (Srivastava et al. 2014), inverted: H_k ← H_k ⊙ M_k with the engine's own masks.

An entry of M_k is 0 with the probability of the layer's rate, else 1 / (1 - rate), so that its mean
is 1 and predictions need no change. It depends on (seed, step, layer, unit, place in the batch)
alone: a hash, no sequence of random numbers.
"""

from .lists import Matrix
from .shuffling import WORD, splitmix64

HALF = 2**32


def mix(x: int) -> int:
    """Return 32 bits that each depend on all 32 of ``x`` (Wellons' lowbias32)."""
    x = (x ^ (x >> 16)) * 0x7FEB352D % HALF
    x = (x ^ (x >> 15)) * 0x846CA68B % HALF
    return x ^ (x >> 16)


def mask(rate: float, seed: int, step: int, k: int, n_examples: int, n_units: int) -> Matrix:
    """Return M_k of one step, rows are examples.

    Parameters
    ----------
    rate : float
        The share of the entries that is dropped, in 0 … 1 and less than 1.
    seed, step : int
        Of the training, in 0 … 2**64 - 1; steps count from 0.
    k : int
        The layer, from 1.
    n_examples, n_units : int
        The size of M_k.

    Raises
    ------
    ValueError
        If ``rate`` is out of its range.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"`rate` must be 0 or more and less than 1, got {rate}")
    key = seed
    for number in (0, step, k):
        _, key = splitmix64((key ^ number) % WORD)
    low, high = key % HALF, key // HALF
    threshold, kept = int(rate * HALF), 1 / (1 - rate)
    rows = [mix(i ^ low) ^ high for i in range(n_units)]
    return [
        [0.0 if mix(row ^ (j * 0x9E3779B9 % HALF)) < threshold else kept for row in rows]
        for j in range(n_examples)
    ]
