"""Whether the first row names the columns.

Each column has a voice. Where all other cells are numbers or dates, a first cell that is none says
"a header", one that is, "no header". In a column of words that repeat, a first cell that occurs
again says "no header". Names that differ and look like names decide what is left open. A row that
counts 0, 1, 2, ... or years above other numbers names columns that have no other name.
"""

import re
from collections.abc import Collection, Sequence

from backprop.tables import _dates
from backprop.tables._numbers import is_number
from backprop.tables._words import DASHES, MISSING, MISSING_BESIDE_NUMBERS

_NAME = re.compile(r"[^\W\d][\w .:%#()/\[\]°²³$€&'+*-]*")
_CODED = re.compile(r"[+-]?\d[\d.]*")


def _is_missing(cell: str) -> bool:
    word = cell.lower()
    return word in MISSING or word in DASHES


def has_header(rows: Sequence[Sequence[str]], expected: Collection[str] | None = None) -> bool:
    """Say whether the first of the rows names the columns.

    Parameters
    ----------
    rows : sequence of sequences of str
        The first rows of a table, all of one width, blanks taken from around the cells.
    expected : collection of str or None
        Names of which the table is known to have some.
    """
    first, rest = rows[0], rows[1:]
    if expected is not None and set(expected) & set(first):
        return True
    if not rest:
        return not any(is_number(cell) or _is_missing(cell) for cell in first if cell)
    if _counts(first) and not _counts(rest[0]) and _others_differ(first, rest):
        return True
    yes = no = 0.0
    for k, cell in enumerate(first):
        column = [row[k] for row in rest if not _is_missing(row[k])]
        words = [other for other in column if other.lower() not in MISSING_BESIDE_NUMBERS]
        if not words:
            continue
        if _is_missing(cell):
            continue
        numbers = sum(is_number(other) or bool(_CODED.fullmatch(other)) for other in words)
        if numbers >= 0.9 * len(words):
            if is_number(cell) or _CODED.fullmatch(cell):
                no += 1
            elif cell.lower() not in MISSING_BESIDE_NUMBERS:
                yes += 1
            continue
        order = _dates.order_of(list(dict.fromkeys(words))[:50], 0.9)
        if order is not None:
            if _dates.order_of([cell], 1.0) is not None:
                no += 1
            else:
                yes += 1
            continue
        if is_number(cell):
            no += 0.5
        elif cell in words:
            # A header's name among its column's own cells is rare.
            no += 1
        elif len(set(words)) <= 0.5 * len(words):
            yes += 0.5
    if yes != no:
        return yes > no
    names = [cell for cell in first if cell]
    return len(set(names)) == len(names) and all(_NAME.fullmatch(name) for name in names)


def _counts(cells: Sequence[str]) -> bool:
    """Say whether the cells count by one, from 0 or 1 or through years, words in front left out."""
    numbers = [cell for cell in cells if cell.isdigit()]
    if len(numbers) < 3 or len(numbers) < 0.5 * len(cells):
        return False
    start = int(numbers[0])
    steady = numbers == [str(start + k) for k in range(len(numbers))]
    return steady and (start in (0, 1) or 1800 <= start <= 2200)


def _others_differ(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Say whether few of the columns have the number of their place below it."""
    same = sum(cell in {row[k] for row in rest} for k, cell in enumerate(first))
    return same <= 0.5 * len(first)


def unique(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names that all differ, and what to say of those that were changed.

    A column without a name stays without one if it is the only one: programs write an index so.
    """
    result: list[str] = []
    notes = []
    taken = set(names)
    seen: set[str] = set()
    for place, name in enumerate(names):
        new = name
        if name in seen:
            count = 2
            while (new := f"{name or 'column'}_{count}") in taken | seen:
                count += 1
            what = f"{name!r} names two columns" if name else "several columns have no name"
            notes.append(f"{what}: the one at place {place + 1} is called {new!r}")
        seen.add(new)
        result.append(new)
    return result, notes
