"""The version, the instruction set that was chosen, and the number of threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backprop.core import engine
from backprop.core.checks import integer

__version__ = engine.__version__


def get_num_threads() -> int:
    """Return the number of threads that computations may use."""
    return engine.get_num_threads()


def set_num_threads(n_threads: int) -> None:
    """Set the number of threads that computations may use, in the whole process.

    Results do not depend on it.

    Raises
    ------
    TypeError, ValueError
        If ``n_threads`` is not an integer from 1 to 1024.
    """
    engine.set_num_threads(integer("n_threads", n_threads, 1, 1024))


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """Set the number of threads inside a ``with`` block, and put it back afterwards.

    >>> with bp.threads(1):
    ...     net.fit(X, y)

    It is the number of the whole process, as for `set_num_threads`, whose errors it raises.
    """
    before = get_num_threads()
    set_num_threads(n_threads)
    try:
        yield
    finally:
        set_num_threads(before)


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Set the number of threads for what this Python thread computes inside a ``with`` block.

    Other threads of Python keep theirs; None changes nothing.
    """
    if threads is None:
        yield
        return
    before = engine.limit_threads(integer("threads", threads, 1, 1024))
    try:
        yield
    finally:
        engine.limit_threads(before)


def info() -> dict[str, Any]:
    """Return what is in use.

    Returns
    -------
    dict
        ``version``, ``eigen`` and ``compiler`` (versions), ``level`` (the instruction set),
        ``lanes_float32`` and ``lanes_float64`` (numbers a register), ``n_threads``.
    """
    return {**engine.info(), "n_threads": get_num_threads()}
