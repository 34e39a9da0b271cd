"""Warnings that point at the caller's line, however deep in the package they are given."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Frames of these stand between a caller and the package: its own, and those that call
# estimators and leave contexts.
_BETWEEN = ("backprop", "sklearn", "joblib", "contextlib")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of the first line outside the package."""
    warnings.warn(message, category, stacklevel=_level())


@contextmanager
def relayed() -> Iterator[None]:
    """Give the warnings of other packages' functions as if they were our own.

    Theirs point at the line that called them, which is one of ours.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        warnings.warn(warning.message, warning.category, stacklevel=_level())


def _level() -> int:
    """Return the stacklevel by which the calling function warns of the first line outside."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_between(frame.f_globals):
        frame, level = frame.f_back, level + 1
    return level


def _is_between(names: dict[str, object]) -> bool:
    # `python -m backprop` has the name __main__, but knows its package.
    module = str(names.get("__package__") or names.get("__name__") or "")
    return module.partition(".")[0] in _BETWEEN
