"""A limit on the engine's threads while an estimator computes, though several may at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from backprop.runtime import get_num_threads, set_num_threads

_lock = Lock()
_limits: list[int] = []
_before = 0


@contextmanager
def limited(n_threads: int | None) -> Iterator[None]:
    """Hold the engine to so many threads, or leave it alone for None.

    The number is the whole process's. Of limits that overlap, as those of estimators fitted by
    joblib's threads do, the least holds, and the last to end puts back what was before the first.
    """
    global _before
    if n_threads is None:
        yield
        return
    with _lock:
        if not _limits:
            _before = get_num_threads()
        _limits.append(n_threads)
        set_num_threads(min(_limits))
    try:
        yield
    finally:
        with _lock:
            _limits.remove(n_threads)
            set_num_threads(min(_limits, default=_before))
