"""How tables spell dates and times; a column has one order of day and month.

Times are microseconds since 1970 in NumPy's datetime64. An offset ("+02:00", "Z") is used up:
the time is then UTC. `3/4/2021` alone leaves the order open: with slashes the month is taken to
come first, with points and dashes the day, and the column's line says so.
"""

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

_MONTHS = {
    name: k + 1
    for k, names in enumerate([
        ["jan", "january"], ["feb", "february"], ["mar", "march"], ["apr", "april"], ["may"],
        ["jun", "june"], ["jul", "july"], ["aug", "august"], ["sep", "sept", "september"],
        ["oct", "october"], ["nov", "november"], ["dec", "december"],
    ])
    for name in names
}  # fmt: skip
_TIME = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"\s*(?P<p>[AaPp]\.?[Mm]\.?)?"
)
_ZONE = r"\s*(?P<z>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
_AFTER = rf"(?:(?:[T ]|,\s*)\s*{_TIME}{_ZONE})?"
_DAY_NAME = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?"
_YEAR = r"(?P<Y>[12]\d{3})"
_NAME = r"(?P<b>[A-Za-z]{3,9})\.?"
_DAY, _MONTH = r"(?P<d>\d{1,2})", r"(?P<m>\d{1,2})"
_SHORT = r"(?P<Y>[12]\d{3}|\d{2})"

# Name of the order, and the pattern of a whole cell. The first that fits the cells is taken.
_PATTERNS = [
    ("year-month-day", rf"{_YEAR}(?P<s>[-/.])(?P<m>\d{{1,2}})(?P=s)(?P<d>\d{{1,2}}){_AFTER}"),
    ("month/day/year", rf"{_MONTH}/{_DAY}/{_SHORT}{_AFTER}"),
    ("day/month/year", rf"{_DAY}(?P<s>[-/.])\s?{_MONTH}(?P=s)\s?{_SHORT}{_AFTER}"),
    ("month/day/year", rf"{_MONTH}(?P<s>[-.]){_DAY}(?P=s){_SHORT}{_AFTER}"),
    (
        "day month year",
        rf"{_DAY_NAME}{_DAY}(?:st|nd|rd|th)?[\s.\-/]+{_NAME}[\s,\-/]+{_SHORT}{_AFTER}",
    ),
    ("month day year", rf"{_DAY_NAME}{_NAME}\s+{_DAY}(?:st|nd|rd|th)?,?\s+{_YEAR}{_AFTER}"),
    ("year month day", rf"{_YEAR}[\s\-]{_NAME}[\s\-]{_DAY}{_AFTER}"),
    ("year-month", rf"{_YEAR}[-/](?P<m>\d{{1,2}})"),
    ("month/year", r"(?P<m>\d{1,2})/(?P<Y>[12]\d{3})"),
    ("year month", rf"{_YEAR}[\s\-/]?{_NAME}"),
    ("month year", rf"{_NAME}[\s\-/]+{_SHORT}"),
    ("year-quarter", rf"{_YEAR}[\s\-]?[Qq](?P<q>[1-4])"),
    (
        "yearmonthday",
        r"(?P<Y>1[89]\d{2}|20\d{2})(?P<m>\d{2})(?P<d>\d{2})(?:T?(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2}))?",
    ),
    ("time of day", _TIME),
]
_COMPILED = [(name, re.compile(pattern)) for name, pattern in _PATTERNS]
# Eight digits are a date only if the column's name says so: elsewhere they may be anything.
DIGITS = "yearmonthday"
_EPOCH = date(1970, 1, 1).toordinal()
_NOT_A_TIME = np.iinfo(np.int64).min


def _microseconds(found: "re.Match[str]") -> int | None:
    """Return the time of a cell that fits a pattern, None if there is no such day."""
    got = found.groupdict()
    year, month, day = got.get("Y"), got.get("m"), got.get("d")
    if got.get("b"):
        number = _MONTHS.get(got["b"].lower())
        if number is None:
            return None
    elif got.get("q"):
        number = 3 * int(got["q"]) - 2
    else:
        number = int(month or 1)
    full_year = int(year or 1970)
    if year is not None and len(year) == 2:
        # As POSIX has it: 69 to 99 are of the last century.
        full_year += 1900 if full_year >= 69 else 2000
    try:
        days = date(full_year, number, int(day or 1)).toordinal() - _EPOCH
    except ValueError:
        return None
    hour, minute, second = (int(got.get(name) or 0) for name in "HMS")
    if got.get("p"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if got["p"][0] in "pP" else 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    fraction = int((got.get("f") or "0")[:6].ljust(6, "0"))
    zone = got.get("z") or ""
    offset = 0
    if zone[:1] in ("+", "-"):
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = (int(digits[:2]) * 60 + int(digits[2:])) * (1 if zone[0] == "+" else -1)
    minutes = (days * 24 + hour) * 60 + minute - offset
    return (minutes * 60 + second) * 1_000_000 + fraction


def parse(cells: Sequence[str], order: str) -> NDArray[np.datetime64]:
    """Return the cells as times, NaT where a cell is none in this order."""
    patterns = [pattern for name, pattern in _COMPILED if name == order]
    result = np.full(len(cells), _NOT_A_TIME, np.int64)
    for k, cell in enumerate(cells):
        for pattern in patterns:
            found = pattern.fullmatch(cell)
            if found is not None:
                time = _microseconds(found)
                if time is not None:
                    result[k] = time
                    break
    return result.view("datetime64[us]")


def order_of(cells: Sequence[str], share: float, digits: bool = False) -> str | None:
    """Return the order in which at least this share of the cells are dates, None if none is.

    Parameters
    ----------
    cells : sequence of str
        Different cells of one column, none of them missing.
    share : float
        How many of them must be dates.
    digits : bool
        Whether eight digits are a date.
    """
    best, best_count = None, 0
    few = cells[:: max(1, len(cells) // 50)]
    for name in dict.fromkeys(name for name, _ in _COMPILED):
        if name == DIGITS and not digits:
            continue
        if not np.count_nonzero(~np.isnat(parse(few, name))) >= 0.5 * share * len(few):
            continue
        count = int(np.count_nonzero(~np.isnat(parse(cells, name))))
        if count > best_count:
            best, best_count = name, count
        elif count == best_count and {best, name} == {"month/day/year", "day/month/year"}:
            # Every cell fits both: slashes are America's, points and dashes are not.
            best = "month/day/year" if "/" in cells[0] else "day/month/year"
    return best if cells and best_count >= share * len(cells) else None


def is_open(cells: Sequence[str], order: str) -> bool:
    """Say whether the cells would be dates as well with day and month exchanged."""
    pair = ["month/day/year", "day/month/year"]
    if order not in pair:
        return False
    other = pair[1 - pair.index(order)]
    return not np.isnat(parse(cells, other)).any()
