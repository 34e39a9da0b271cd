"""Which spelling of a category's cell has which place, for programs that encode without this one.

`Encoder.transform` decides by rules; here they are as two lists for each column, so that a graph or
a C function can look a cell up and answer as it does.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from backprop.tables._words import DASHES, FALSE, FALSE_DIGITS, MISSING, TRUE, TRUE_DIGITS


class Spelling(NamedTuple):
    """Places of the cells of one category, counted from its first feature; -1 is nowhere.

    A cell, without the blanks around it, is looked up in ``exact``, then in lower case in
    ``any_case``; what is in neither has the place ``unseen``.
    """

    exact: dict[str, int]
    any_case: dict[str, int]
    unseen: int


def n_places(column: Mapping[str, Any]) -> int:
    """Return how many features a category makes; see `spelling`."""
    values = 1 if column["boolean"] else len(column["levels"]) + column["rare"]
    return int(values + column["has_missing"])


def spelling(column: Mapping[str, Any]) -> Spelling:
    """Return the places of a category's cells.

    Parameters
    ----------
    column : dict
        One of the ``"columns"`` that `Encoder.to_state` describes.
    """
    missing = n_places(column) - 1 if column["has_missing"] else -1
    if column["boolean"]:
        any_case = dict.fromkeys(TRUE | TRUE_DIGITS, 0)
        any_case |= dict.fromkeys(FALSE | FALSE_DIGITS, -1)
        any_case |= dict.fromkeys(MISSING | DASHES, missing)
        # What is neither yes nor no says nothing.
        return Spelling({}, any_case, missing)
    levels = {level: k for k, level in enumerate(column["levels"])}
    # Where there is a plus, a dash is a minus and not nothing.
    nothing = MISSING if "+" in levels else MISSING | DASHES
    others: dict[str, int] = {}
    # `3.0` and `3` are one where only the other was seen; of two that were, the shorter.
    for level, place in levels.items():
        others[level + ".0"] = place
    for level, place in levels.items():
        if level.endswith(".0"):
            others.setdefault(level[:-2], place)
    others = {word: place for word, place in others.items() if word.lower() not in nothing}
    unseen = len(levels) if column["rare"] else -1
    return Spelling(others | levels, dict.fromkeys(nothing, missing), unseen)
