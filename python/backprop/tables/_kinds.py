"""What a column is: number, category, date, text, identifier, constant, or empty.

The rule, in this order; what the user says comes before it.

1. No values: empty. One value in all rows: constant.
2. Numbers (at least 95 % of the different cells, in any spelling; no code such as `007`): a row
   number if they count by one from 0 or 1 and the name is blank or an index's, or the column is the
   first and no time, and another is left; an identifier if they are whole, all different, and the
   name says so, or are too large for a float64, or the first column counts by one; a category if
   the name says that they are codes (zip) or if they are an id's that repeats; else a number.
3. Two or more spellings of yes and no: a category. Dates (95 %): a date.
4. Words that all differ: an identifier if each is one word of letters and digits or the name says
   so, else text. Words that mostly differ and are sentences: text. All others: a category.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.tables import _dates, _numbers
from backprop.tables._raw import (
    EXACT,
    Frame,
    Numbers,
    Raw,
    Times,
    Words,
    as_words,
    number_text,
    used_levels,
)
from backprop.tables._words import MISSING_BESIDE_NUMBERS, are_booleans

KINDS = ("number", "category", "date", "text", "identifier", "constant", "empty")
# What share of the different cells must be numbers, or dates, for the column to be so.
MOST = 0.95
_ID_WORDS = frozenset(
    ["id", "ids", "uuid", "guid", "identifier", "pk", "oid", "ssn", "isbn", "key"]
)
_INDEX_NAMES = frozenset([
    "index", "idx", "no", "nr", "num", "#", "row", "rownum", "rownumber", "rowid", "rownames",
    "rowname", "unnamed", "level_0", "sno", "slno", "srno", "serial", "seq", "sequence", "obs",
    "observation", "case", "record", "instant", "number", "n°", "nº", "lfd", "lfdnr", "id",
    "__index_level_0__",
])  # fmt: skip
_CODE_WORDS = frozenset(
    ["zip", "zipcode", "postcode", "postal", "postalcode", "plz", "cep", "fips"]
)
_DATE_WORDS = frozenset(
    ["date", "day", "dt", "datum", "fecha", "dat", "time", "timestamp", "datetime"]
)
_TIME_WORDS = _DATE_WORDS | {"year", "month", "hour", "week", "t", "epoch", "years", "jahr"}
# One word of letters and digits; marks within it only where both are, or where it is long: a UUID.
_TOKEN = re.compile(r"[^\W_]+|[\w\-.:/@+#{}]{8,}|(?=.*[^\W\d_])(?=.*\d)[\w\-.:/@+#]+")
_FEWEST = 10


@dataclass
class Decision:
    """What a column is, and why.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    role : str
        "feature", "row number", or "left out".
    reason : str
        Why, in words.
    numbers, times, words
        The cells in the form that the kind needs.
    boolean : bool
        Whether the words are spellings of yes and no.
    notes : list of str
        What to say about it.
    style, order : str or None
        How its numbers, or dates, are spelled.
    """

    kind: str
    role: str = "feature"
    reason: str = ""
    numbers: NDArray[np.float64] | None = None
    times: NDArray[np.datetime64] | None = None
    words: Words | None = None
    boolean: bool = False
    notes: list[str] = field(default_factory=list)
    style: str | None = None
    order: str | None = None


def name_words(name: str) -> list[str]:
    """Return the words of a column's name: `customerId`, `customer_id` and `Customer ID` alike."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_]+", parts.lower()) if word]


def is_index_name(name: str) -> bool:
    """Say whether a name is one that programs give to row numbers, or none."""
    bare = name.strip().lower().rstrip(".:")
    bare = re.sub(r"^unnamed:? ?\d+(?:[._]\d+)*$", "unnamed", bare)
    joined = re.sub(r"[\s.\-]+", "_", bare)
    return not bare or joined in _INDEX_NAMES or joined.replace("_", "") in _INDEX_NAMES


def is_id_name(name: str) -> bool:
    """Say whether a name says that the column tells rows apart."""
    return bool(set(name_words(name)) & _ID_WORDS)


def file_commas(frame: Frame) -> bool | None:
    """Say whether the columns that leave no doubt have decimal commas, or points, or neither."""
    found = set()
    for column in frame.columns:
        if isinstance(column, Words):
            cells = column.levels[:1000]
            numeric = sum(map(_numbers.is_number, cells))
            if cells and numeric >= 0.9 * len(cells):
                found.add(_numbers.says_comma(cells))
        elif isinstance(column, Numbers) and not column.whole and frame.delimiter is not None:
            # The engine reads only points; 1.234 alone may be a thousand and more.
            few = column.values[:1000]
            few = few[~np.isnan(few)]
            thousandths = few * 1000
            finer = np.abs(thousandths - np.round(thousandths)) > 1e-6
            coarser = (few % 1 != 0) & (few * 100 == np.round(few * 100))
            if np.any(finer) or np.any(coarser):
                found.add(False)
    return True if True in found and False not in found else False if False in found else None


def decide(frame: Frame, place: int, commas: bool | None, wanted: str | None = None) -> Decision:
    """Decide what a column is.

    Parameters
    ----------
    frame : Frame
        The table.
    place : int
        Which of its columns.
    commas : bool or None
        What `file_commas` says.
    wanted : str or None
        The kind that the user says.

    Raises
    ------
    ValueError
        If the column cannot be what the user says: the message names the first cell that is not.
    """
    name, raw = frame.names[place], frame.columns[place]
    if wanted is not None:
        return _as_wanted(frame, place, commas, wanted)
    if isinstance(raw, Times):
        return _times(raw.values)
    if isinstance(raw, Numbers):
        return _number(name, place, raw.values, raw, commas)
    levels = used_levels(raw)
    if not levels:
        return Decision("empty", "left out", "no cell holds a value", words=raw)
    if len(levels) == 1 and raw.n_missing == 0 and raw.codes is not None and len(raw) > 1:
        return Decision("constant", "left out", f"always {_shown(levels[0][0])}", words=raw)
    words = [level for level, _ in levels]
    if raw.codes is not None:
        style = _numbers.style_of(words, commas, frame.delimiter)
        found = _as_numbers(raw, words, style)
        if found is not None:
            decision = _number(name, place, found, raw, commas)
            decision.style = style
            _say_odd(decision, frame, place, found, raw)
            return decision
        if are_booleans(words):
            return Decision("category", reason="yes and no", words=raw, boolean=True)
        order = _dates.order_of(
            _without_odd(words), MOST, bool(set(name_words(name)) & _DATE_WORDS)
        )
        if order is not None:
            return _dated(frame, place, raw, order)
    return _words(name, raw, levels)


def _as_numbers(raw: Words, words: Sequence[str], style: str) -> NDArray[np.float64] | None:
    """Return words as numbers if that is what most of them are."""
    if _numbers.has_code(words):
        return None
    few = _without_odd(words[:50])
    if few and np.isnan(_numbers.parse(few, style)).mean() > 0.5:
        return None
    values = _numbers.parse(raw.levels, style)
    used = np.unique(raw.codes[raw.codes >= 0]) if raw.codes is not None else np.empty(0, int)
    real = [k for k in used.tolist() if raw.levels[k].lower() not in MISSING_BESIDE_NUMBERS]
    if not real or np.isnan(values[real]).sum() > (1 - MOST) * len(real):
        return None
    return spread(raw, values)


def _without_odd(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.lower() not in MISSING_BESIDE_NUMBERS]


def spread(words: Words, values: NDArray[Any]) -> NDArray[Any]:
    """Return for every row what its word means; nothing (NaN, NaT) where there is none."""
    assert words.codes is not None
    nothing = np.array(["NaT"], values.dtype) if values.dtype.kind == "M" else np.array([np.nan])
    # The last place is reached by the code -1.
    result = np.concatenate([values, nothing])[words.codes]
    if result.dtype.kind == "f":
        result[np.isinf(result)] = np.nan
    return result


def _say_odd(
    decision: Decision, frame: Frame, place: int, values: NDArray[Any], raw: Words
) -> None:
    """Say which cells were taken for missing because they are not what all others are."""
    assert raw.codes is not None
    nothing = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)
    odd = np.flatnonzero(nothing & (raw.codes >= 0))
    if not odd.size:
        return
    words = list(dict.fromkeys(raw.levels[raw.codes[row]] for row in odd[:1000].tolist()))
    few = ", ".join(map(_shown, words[:4])) + (", ..." if len(words) > 4 else "")
    decision.notes.append(
        f"{odd.size} cell{'s' * (odd.size > 1)} taken as missing: {few} "
        f"(first at row {int(odd[0]) + 1})"
    )


def _number(
    name: str, place: int, values: NDArray[np.float64], raw: Raw, commas: bool | None
) -> Decision:
    decision = Decision("number", numbers=values)
    there = values
    if len(values) and np.isnan(values.min()):
        there = values[~np.isnan(values)]
    if not len(there):
        return Decision("empty", "left out", "no cell holds a number", numbers=values)
    low, high = float(there.min()), float(there.max())
    if low == high and len(there) == len(values) and len(values) > 1:
        big = isinstance(raw, Words) and raw.codes is not None and len(used_levels(raw)) > 1
        if not big:
            return Decision("constant", "left out", f"always {number_text(low)}", numbers=values)
    # Cheap first: a number with a fraction is neither an index nor an identifier.
    head = there[:1000]
    if np.any(head != np.floor(head)) or (
        not (isinstance(raw, Numbers) and raw.whole) and np.any(there != np.floor(there))
    ):
        return decision
    words = set(name_words(name))
    if words & _CODE_WORDS:
        decision = Decision("category", reason="the name says that the numbers are codes")
        decision.words = as_words(raw)
        return decision
    if words & _DATE_WORDS and low > 18_000_000 and high < 21_000_000:
        order = _dates.order_of([number_text(v) for v in np.unique(there)[:200]], 1.0, True)
        if order == _dates.DIGITS:
            found = as_words(raw)
            times = spread(found, _dates.parse(found.levels, order))
            return Decision("date", reason="eight digits", times=times, order=order)
    return _whole(name, place, values, there, raw, decision)


def _whole(
    name: str,
    place: int,
    values: NDArray[np.float64],
    there: NDArray[np.float64],
    raw: Raw,
    decision: Decision,
) -> Decision:
    """Tell whole numbers that count or name rows from those that say how much."""
    count = len(there)
    full = count == len(values) and count > 2
    low, high = float(there.min()), float(there.max())
    by_one = full and bool(np.all(np.diff(there[:1000]) == 1)) and bool(np.all(np.diff(there) == 1))
    index_name = is_index_name(name)
    first = place == 0 and not set(name_words(name)) & _TIME_WORDS
    if by_one and low in (0, 1) and (index_name or first):
        return _left_out(decision, "identifier", "row number", "it counts the rows")
    different = _all_differ(there, raw)
    shuffled = full and low in (0, 1) and high - low == count - 1
    written = not name.strip() or "unnamed" in name.lower() or name.startswith("__")
    if index_name and different and (shuffled or written):
        return _left_out(decision, "identifier", "row number", "an index that was written along")
    if different and count >= _FEWEST:
        if is_id_name(name):
            return _left_out(decision, "identifier", "left out", "all different, named as an id")
        if max(abs(low), abs(high)) > EXACT:
            why = "all different, of 16 digits or more"
            return _left_out(decision, "identifier", "left out", why)
        years = low >= 1000 and high <= 2999
        if by_one and first and low >= 1000 and not years:
            return _left_out(decision, "identifier", "left out", "it counts by one")
    elif "id" in name_words(name):
        decision = Decision("category", reason="named as an id, and repeated", words=as_words(raw))
    return decision


def _left_out(decision: Decision, kind: str, role: str, reason: str) -> Decision:
    decision.kind, decision.role, decision.reason = kind, role, reason
    return decision


def _all_differ(there: NDArray[np.float64], raw: Raw) -> bool:
    """Say whether all values differ, without sorting where the first ones already repeat."""
    if isinstance(raw, Words) and raw.codes is not None:
        return len(used_levels(raw)) == int(np.count_nonzero(raw.codes >= 0))
    head = there[:1000]
    if len(np.unique(head)) < len(head):
        return False
    return len(np.unique(there)) == len(there)


def _times(values: NDArray[np.datetime64]) -> Decision:
    there = values[~np.isnat(values)]
    if not len(there):
        return Decision("empty", "left out", "no cell holds a date", times=values)
    if len(there) == len(values) > 1 and there.min() == there.max():
        return Decision("constant", "left out", f"always {there[0]}", times=values)
    return Decision("date", times=values)


def _dated(frame: Frame, place: int, raw: Words, order: str) -> Decision:
    times = spread(raw, _dates.parse(raw.levels, order))
    decision = _times(times)
    decision.order, decision.words = order, raw
    _say_odd(decision, frame, place, times, raw)
    if _dates.is_open([word for word, _ in used_levels(raw)], order):
        decision.notes.append(f"read as {order}: no cell says whether day or month comes first")
    return decision


def _words(name: str, raw: Words, levels: list[tuple[str, int]]) -> Decision:
    there = len(raw) - raw.n_missing
    words = [level for level, _ in levels]
    few = words[:1000]
    differ = raw.codes is None or len(levels) == there
    mean_words = sum(len(word.split()) for word in few) / len(few)
    mean_length = sum(map(len, few)) / len(few)
    sentences = mean_words >= 3 or mean_length > 40
    if all(word.startswith("nested ") and word[7:].isdigit() for word in few):
        return Decision("text", "left out", "lists or records", words=raw)
    if differ and there >= _FEWEST:
        token = all(_TOKEN.fullmatch(word) for word in few)
        if token or is_id_name(name):
            return Decision("identifier", "left out", "all different", words=raw)
        return Decision("text", "left out", "all different", words=raw)
    if differ and sentences and there > 1:
        return Decision("text", "left out", "sentences, all different", words=raw)
    if sentences and len(levels) > 0.5 * there:
        return Decision("text", "left out", "sentences that mostly differ", words=raw)
    spaced = sum(" " in word for word in few) > 0.5 * len(few)
    if spaced and len(levels) > 0.9 * there and there >= _FEWEST:
        return Decision("text", "left out", "words that mostly differ", words=raw)
    if is_id_name(name) and len(levels) > 0.9 * there and there >= _FEWEST:
        return Decision("identifier", "left out", "mostly different, named as an id", words=raw)
    return Decision("category", words=raw)


def _shown(word: str) -> str:
    return repr(word if len(word) <= 30 else word[:27] + "...")


def _as_wanted(frame: Frame, place: int, commas: bool | None, wanted: str) -> Decision:
    name, raw = frame.names[place], frame.columns[place]
    if wanted == "text":
        words = raw if isinstance(raw, Words) else as_words(raw)
        return Decision("text", "left out", "as you said", words=words)
    if wanted == "category":
        if isinstance(raw, Words) and raw.codes is None:
            raise ValueError(f"column {name!r} has too many different values for a category")
        words = as_words(raw)
        boolean = are_booleans([word for word, _ in used_levels(words)])
        return Decision("category", reason="as you said", words=words, boolean=boolean)
    if wanted == "number":
        values, style = as_numbers(raw, commas, frame.delimiter)
        decision = Decision("number", reason="as you said", numbers=values, style=style)
        _refuse_odd(frame, place, raw, np.isnan(values), "number", MISSING_BESIDE_NUMBERS)
        return decision
    times, order = as_times(raw)
    _refuse_odd(frame, place, raw, np.isnat(times), "date", MISSING_BESIDE_NUMBERS)
    return Decision("date", reason="as you said", times=times, order=order)


def _refuse_odd(
    frame: Frame,
    place: int,
    raw: Raw,
    nothing: NDArray[np.bool_],
    what: str,
    allowed: frozenset[str],
) -> None:
    if not isinstance(raw, Words) or raw.codes is None:
        return
    infinite = {"inf", "-inf", "+inf", "infinity", "-infinity"}
    bad = {k for k, word in enumerate(raw.levels) if word.lower() not in allowed | infinite}
    rows = np.flatnonzero(nothing & (raw.codes >= 0))
    rows = rows[np.isin(raw.codes[rows], list(bad))]
    if rows.size:
        row = int(rows[0])
        raise ValueError(
            f"column {frame.names[place]!r} cannot be a {what}: {frame.where(row)} has "
            f"{_shown(raw.levels[raw.codes[row]])}"
            + (f", and {rows.size - 1} other cells are none either" if rows.size > 1 else "")
        )


def as_numbers(
    raw: Raw, commas: bool | None = None, delimiter: str | None = None, style: str | None = None
) -> tuple[NDArray[np.float64], str | None]:
    """Return a column as numbers, NaN for cells that are none, and how they are spelled."""
    if isinstance(raw, Numbers):
        return raw.values, None
    if isinstance(raw, Times):
        values = raw.values.astype(np.int64) / 86_400e6
        return np.where(np.isnat(raw.values), np.nan, values), None
    if raw.codes is None:
        return np.full(len(raw), np.nan), None
    words = [word for word, _ in used_levels(raw)]
    if are_booleans(words):
        from backprop.tables._words import truth

        flags = np.array([float(truth(level) or 0) for level in raw.levels])
        return spread(raw, flags), None
    style = style or _numbers.style_of(words, commas, delimiter)
    return spread(raw, _numbers.parse(raw.levels, style)), style


def as_times(raw: Raw, order: str | None = None) -> tuple[NDArray[np.datetime64], str | None]:
    """Return a column as times, NaT for cells that are none, and their order."""
    if isinstance(raw, Times):
        return raw.values, None
    words = as_words(raw)
    if words.codes is None:
        return np.full(len(raw), np.datetime64("NaT"), "datetime64[us]"), None
    if order is not None:
        times = _dates.parse(words.levels, order)
        if not np.all(np.isnat(times)):
            return spread(words, times), order
    used = [word for word, _ in used_levels(words)]
    order = _dates.order_of(used, 0.01, digits=True)
    if order is None:
        return np.full(len(raw), np.datetime64("NaT"), "datetime64[us]"), None
    return spread(words, _dates.parse(words.levels, order)), order
