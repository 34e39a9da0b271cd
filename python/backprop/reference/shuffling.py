"""The engine's own random order of the examples, and the generator behind it."""

from . import checks

WORD = 2**64


def splitmix64(state: int) -> tuple[int, int]:
    """Return the next state and the next 64 random bits of Steele, Lea and Flood's generator."""
    state = (state + 0x9E3779B97F4A7C15) % WORD
    z = state
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return state, z ^ (z >> 31)


def shuffled_order(n_examples: int, seed: int, epoch: int) -> list[int]:
    """Return the order in which an epoch visits the examples: a permutation of 0 … n_examples - 1.

    Fisher and Yates's shuffle from a generator of its own for each (seed, epoch), so that an
    epoch's order does not depend on the epochs before it.

    Parameters
    ----------
    n_examples : int
        The m of the note.
    seed : int
        In 0 … 2**64 - 1.
    epoch : int
        Counted from 0.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If it is negative or does not fit into 64 bits.
    """
    for name, number in (("n_examples", n_examples), ("seed", seed), ("epoch", epoch)):
        checks.check_integer(number, name, at_least=0)
        if number >= WORD:
            raise ValueError(f"`{name}` must be less than 2**64, got {number}")
    _, mixed = splitmix64(seed)
    state = mixed ^ epoch
    order = list(range(n_examples))
    for i in range(n_examples - 1, 0, -1):
        state, bits = splitmix64(state)
        j = bits * (i + 1) // WORD
        order[i], order[j] = order[j], order[i]
    return order
