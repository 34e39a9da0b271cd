"""Columns as they come, before anyone decides what they are: numbers, times, or words.

Words are kept as the place of each cell in the list of the different ones. Whatever is decided on
words (missing, yes and no, numbers, dates) is then decided once for each of them, not once a row.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# Whole numbers above this are not all float64s.
EXACT = 2**53


@dataclass
class Numbers:
    """Numbers, NaN where there is none; whether all are whole."""

    values: NDArray[np.float64]
    whole: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> "Numbers":
        return Numbers(self.values[rows], self.whole)


@dataclass
class Times:
    """Times, NaT where there is none."""

    values: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> "Times":
        return Times(self.values[rows])


@dataclass
class Words:
    """Words: the place of each cell in ``levels``, -1 where there is none.

    ``codes`` is None where nearly every cell differs and nobody asked for the cells: ``levels``
    then has the first of them only.
    """

    codes: NDArray[np.int32] | None
    levels: list[str]
    n_rows: int
    n_missing: int = 0

    def __len__(self) -> int:
        return self.n_rows

    def take(self, rows: Any) -> "Words":
        if self.codes is None:
            count = len(np.arange(self.n_rows)[rows])
            return Words(None, self.levels, count, min(self.n_missing, count))
        codes = self.codes[rows]
        return Words(codes, self.levels, len(codes), int(np.count_nonzero(codes < 0)))


Raw: TypeAlias = Numbers | Times | Words


@dataclass
class Frame:
    """Columns as they come, and what is known of where they come from.

    Attributes
    ----------
    source : str
        What error messages call it.
    names, columns : list
        The columns in the order of the source.
    header : bool or None
        Whether a text names its columns; None where the source is no text.
    delimiter, quote, encoding : str or None
        The text's dialect.
    notes : list of str
        What to say about the source.
    line_of : callable or None
        The line of a row, for messages: it reads the file again.
    """

    source: str
    names: list[str]
    columns: list[Raw]
    header: bool | None = None
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    notes: list[str] = field(default_factory=list)
    line_of: Callable[[int], int | None] | None = None
    # Columns that folders name, not the files.
    outside: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def take(self, rows: Any) -> "Frame":
        columns = [column.take(rows) for column in self.columns]
        return Frame(
            self.source, self.names, columns, self.header, self.delimiter, self.quote,
            self.encoding, list(self.notes), None, self.outside,
        )  # fmt: skip

    def where(self, row: int) -> str:
        """Say where a row is, for messages: its line in a text."""
        line = self.line_of(row) if self.line_of is not None else None
        return f"line {line}" if line is not None else f"row {row + 1}"


class Coder(dict[Any, int]):
    """The place of each different cell in the order they first came."""

    def __missing__(self, key: Any) -> int:
        self[key] = code = len(self)
        return code


def words_of(cells: Sequence[str | None]) -> Words:
    """Return cells as words."""
    coder = Coder()
    codes = np.fromiter(map(coder.__getitem__, cells), np.int32, len(cells))
    return tidy(codes, list(coder), len(cells))


def tidy(codes: NDArray[np.int32] | None, levels: Sequence[str | None], n_rows: int) -> Words:
    """Return words without blanks around them and without those that hold nothing."""
    from backprop.tables._words import missing_levels

    bare = ["" if level is None else level.strip() for level in levels]
    nothing = missing_levels(bare)
    kept = Coder()
    places = np.array(
        [-1 if gone else kept[word] for word, gone in zip(bare, nothing, strict=True)], np.int32
    )
    if codes is None:
        return Words(None, list(kept), n_rows)
    if len(kept) < len(levels):
        codes = places[codes] if len(places) else np.full(n_rows, -1, np.int32)
    return Words(codes, list(kept), n_rows, int(np.count_nonzero(codes < 0)))


def used_levels(words: Words) -> list[tuple[str, int]]:
    """Return the levels that occur with their number of rows, the commonest first."""
    if words.codes is None:
        return [(level, 1) for level in words.levels]
    counts = np.bincount(words.codes[words.codes >= 0], minlength=len(words.levels))
    order = np.argsort(-counts, kind="stable")
    return [(words.levels[k], int(counts[k])) for k in order.tolist() if counts[k]]


def number_text(value: float) -> str:
    """Return a number as the class or category it stands for: whole ones without a point."""
    return str(int(value)) if value == int(value) and abs(value) < EXACT else repr(float(value))


def as_words(raw: Raw) -> Words:
    """Return a column as words, whatever it came as."""
    if isinstance(raw, Words):
        return raw
    if isinstance(raw, Times):
        different, codes = np.unique(raw.values, return_inverse=True)
        names = ["" if np.isnat(value) else str(value) for value in different]
    else:
        different, codes = np.unique(raw.values, return_inverse=True)
        names = ["" if not np.isfinite(value) else number_text(value) for value in different]
    return tidy(codes.reshape(-1).astype(np.int32), names, len(raw))


def array_column(name: str, values: Any) -> Raw:
    """Return a column of a dictionary or frame, given as an array or list.

    Raises
    ------
    ValueError
        If it is no column.
    """
    array = np.ma.filled(values, np.nan) if isinstance(values, np.ma.MaskedArray) else values
    if not isinstance(array, np.ndarray):
        array = list(array)
        kinds = {type(value) for value in array if value is not None}
        numeric = kinds and all(issubclass(k, int | float | np.number) for k in kinds)
        mixed = numeric and any(issubclass(k, bool) for k in kinds)
        if numeric and not mixed and not any(_is_big(value) for value in array):
            whole = all(issubclass(k, int | np.integer) for k in kinds)
            filled = np.array([np.nan if v is None else v for v in array], np.float64)
            return Numbers(filled, whole)
        array = np.array([*array, None], dtype=object)[:-1]
    if array.ndim != 1:
        raise ValueError(f"column {name!r} must have one dimension, got shape {array.shape}")
    if array.dtype.kind in "iu":
        if array.size and (_is_big(array.max()) or _is_big(array.min())):
            return words_of([str(value) for value in array.tolist()])
        return Numbers(array.astype(np.float64), whole=True)
    if array.dtype.kind == "f":
        return numbers(np.array(array, np.float64))
    if array.dtype.kind == "b":
        return words_of(["true" if value else "false" for value in array.tolist()])
    if array.dtype.kind == "M":
        return Times(array.astype("datetime64[us]"))
    if array.dtype.kind not in "OUST":
        raise ValueError(f"column {name!r} must hold numbers, words or dates, got {array.dtype}")
    return _objects(array.tolist())


def _is_big(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not -EXACT <= int(value) <= EXACT


def _objects(cells: list[Any]) -> Raw:
    import datetime

    kinds = {type(cell) for cell in cells if not _is_nothing(cell)}
    if kinds and all(issubclass(kind, datetime.date) for kind in kinds):
        times = np.full(len(cells), np.datetime64("NaT"), "datetime64[us]")
        for k, cell in enumerate(cells):
            if not _is_nothing(cell):
                if isinstance(cell, datetime.datetime) and cell.tzinfo is not None:
                    cell = cell.astimezone(datetime.timezone.utc).replace(tzinfo=None)
                times[k] = np.datetime64(cell, "us")
        return Times(times)
    numeric = kinds and all(issubclass(k, int | float | np.number) for k in kinds)
    if numeric and bool not in kinds and not any(_is_big(cell) for cell in cells):
        values = [np.nan if _is_nothing(cell) else float(cell) for cell in cells]
        whole = all(issubclass(k, int | np.integer) for k in kinds)
        return Numbers(np.array(values, np.float64), whole)
    odd = next((kind for kind in kinds if kind in (list, dict, tuple, set, np.ndarray)), None)
    if odd is not None:
        raise ValueError(f"cells must be numbers, words or dates, got {odd.__name__}")
    return words_of([_text(cell) for cell in cells])


def _is_nothing(cell: Any) -> bool:
    """Say whether a cell is None, NaN, or what pandas has for them."""
    if cell is None or (isinstance(cell, float | np.floating) and bool(cell != cell)):
        return True
    return type(cell).__name__ in ("NaTType", "NAType")


def _text(cell: Any) -> str | None:
    if _is_nothing(cell):
        return None
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    return str(cell)


def numbers(values: NDArray[np.float64]) -> Numbers:
    """Return numbers with what is known of them; infinities become missing ones."""
    if len(values) and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        np.copyto(values, np.nan, where=~np.isfinite(values))
    whole = True
    for block in _blocks(values, 2**14):
        finite = block[~np.isnan(block)]
        if not np.array_equal(finite, np.floor(finite)):
            whole = False
            break
    return Numbers(values, whole)


def _blocks(values: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
