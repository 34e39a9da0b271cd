"""How a text separates its cells: delimiter, quote, comments, and lines before the table.

Every delimiter is tried on the first lines. The one is taken whose rows are most evenly
wide and whose cells are clean, that is, hold none of the other delimiters unless they are numbers
or are quoted; the engine's own sniffer decides between equals.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from backprop.tables._dates import order_of
from backprop.tables._numbers import is_number
from backprop.tables._words import DASHES, MISSING

SPACES = "spaces"
_DELIMITERS = [",", ";", "\t", "|", " ", SPACES, ":", "~", "^"]
_COMMENTS = ("#", "%", "//")
_SAMPLE_ROWS = 2000
_WORDS = re.compile(r"""\s*("[^"]*"|'[^']*'|\S+)""")


@dataclass(frozen=True)
class Dialect:
    """How a text separates its cells.

    Attributes
    ----------
    delimiter, quote, escape : str
        What stands between cells, around them, and before a quote within them; `spaces` is any
        number of blanks.
    comment : str
        What a line that is no row starts with, or nothing.
    skip : int
        Lines before the first row, header included or not, as they stand in the file.
    width : int
        Cells of a row.
    plain : bool
        Whether the engine reads it as it stands.
    """

    delimiter: str
    quote: str = '"'
    escape: str = '"'
    comment: str = ""
    skip: int = 0
    width: int = 1
    plain: bool = True


class Records:
    """The rows of a text with the number of the line each starts on, blank lines left out."""

    def __init__(self, lines: Iterable[str], dialect: Dialect) -> None:
        self._lines = iter(lines)
        self._dialect = dialect
        self._read = 0
        self.start = 0

    def _rows(self) -> Iterator[str]:
        comment = self._dialect.comment
        for line in self._lines:
            self._read += 1
            if self._read <= self._dialect.skip:
                continue
            if comment and line.lstrip().startswith(comment):
                continue
            if not self.start:
                self.start = self._read
            # The csv module wants one kind of line end.
            yield line[:-2] + "\n" if line.endswith("\r\n") else line

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        dialect = self._dialect
        if dialect.delimiter == SPACES:
            for line in self._rows():
                cells = [_bare(cell) for cell in _WORDS.findall(line)]
                if cells:
                    yield self.start, cells
                self.start = 0
            return
        double = dialect.escape == dialect.quote
        reader = csv.reader(
            self._rows(),
            delimiter=dialect.delimiter,
            quotechar=dialect.quote or None,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            doublequote=double,
            escapechar=None if double or not dialect.escape else dialect.escape,
            skipinitialspace=True,
        )
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield self.start, cells
            self.start = 0


def _bare(cell: str) -> str:
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "\"'" else cell


def records(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a text and the line each starts on."""
    return iter(Records(lines, dialect))


@dataclass(frozen=True)
class _Trial:
    dialect: Dialect
    even: float
    clean: float
    rows: int

    @property
    def score(self) -> tuple[bool, float]:
        return self.dialect.width > 1, round(self.even + self.clean, 3)


def find(
    lines: list[str], delimiter: str | None, sniff: Callable[[], str | None] = lambda: None
) -> Dialect:
    """Return the dialect of a text by its first lines.

    Parameters
    ----------
    lines : list of str
        The first lines, whole.
    delimiter : str or None
        What the user says stands between cells.
    sniff : callable
        Returns the engine's guess of the delimiter: asked only between equals, for it takes time.
    """
    comment = _comment(lines)
    bare = [line for line in lines if line.strip() and not (comment and line.startswith(comment))]
    wanted = [delimiter] if delimiter is not None else _DELIMITERS
    trials = []
    for mark in wanted:
        if mark != SPACES and not any(mark in line for line in islice(bare, 50)):
            continue
        trials.append(_try(bare, mark, _quote(bare, mark)))
    best = max(trials, key=lambda trial: trial.score, default=None)
    if best is not None and best.dialect.width > 1:
        equal = [trial for trial in trials if trial.score == best.score]
        guess = sniff() if len(equal) > 1 else None
        best = next((trial for trial in equal if trial.dialect.delimiter == guess), best)
    if best is None or best.dialect.width < 2 or best.even < 0.5:
        best = _try(bare, delimiter or ",", _quote(bare, ","))
        if best.even < 0.5:
            best = replace(best, dialect=replace(best.dialect, width=1))
    dialect = replace(best.dialect, comment=comment)
    return _place(lines, dialect)


def _comment(lines: list[str]) -> str:
    """Return what comments start with: a mark that some lines start with, but not most."""
    full = [line.lstrip() for line in lines if line.strip()]
    for mark in _COMMENTS:
        count = sum(line.startswith(mark) for line in full)
        if 0 < count <= 0.5 * len(full) or (count and count == len(full) - 1):
            return mark
    return ""


def _quote(lines: list[str], delimiter: str) -> str:
    """Return the quote that more cells are between."""
    mark = r"\s" if delimiter in (SPACES, " ") else re.escape(delimiter)
    counts = {}
    for quote in "\"'":
        # Openings and ends apart, for a cell may run over several lines.
        opening = re.compile(rf"(?:^|{mark})[ ]*{quote}")
        ending = re.compile(rf"{quote}[ ]*(?={mark}|\r?\n?$)")
        few = lines[:200]
        counts[quote] = min(
            sum(len(pattern.findall(line)) for line in few) for pattern in (opening, ending)
        )
    return "'" if counts["'"] > counts['"'] else '"'


def _try(lines: list[str], delimiter: str, quote: str) -> _Trial:
    escape = quote
    text = "".join(islice(lines, 200))
    if "\\" + quote in text and quote * 2 not in text.replace(quote * 2 + delimiter, ""):
        escape = "\\"
    dialect = Dialect(delimiter, quote, escape)
    try:
        rows = [cells for _, cells in islice(records(lines, dialect), _SAMPLE_ROWS)]
    except csv.Error:
        return _Trial(dialect, 0.0, 0.0, 0)
    if not rows:
        return _Trial(dialect, 0.0, 0.0, 0)
    # A last row that the sample cut within quotes would be the only one that is uneven.
    rows = rows[:-1] if len(rows) > 3 else rows
    widths = Counter(map(len, rows))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    marks = {",", ";", "\t", "|"} - {delimiter}
    cells = [cell.strip() for row in rows[:200] if len(row) == width for cell in row[:200]]
    clean = sum(_is_clean(cell, marks, quote) for cell in cells) / max(1, len(cells))
    empty = sum(not cell for cell in cells) / max(1, len(cells))
    if delimiter in (" ", SPACES, ":", "~", "^"):
        # Blanks stand between words, and colons in times, more often than between cells.
        clean -= 0.05 + (empty if delimiter == " " else 0.0)
    return _Trial(replace(dialect, width=width), count / len(rows), clean, len(rows))


_BLANKS = re.compile(r"\S {2,}\S|\S\t")


def _is_clean(cell: str, marks: set[str], quote: str) -> bool:
    if _BLANKS.search(cell):
        # Columns that blanks align.
        return False
    if not any(mark in cell for mark in marks):
        return not (cell.endswith((",", ";")) or (quote and cell.count(quote) == 1))
    return is_number(cell) or order_of([cell], 1.0) is not None


def _place(lines: list[str], dialect: Dialect) -> Dialect:
    """Find where the table starts, and whether the engine can read it as it stands."""
    comment = dialect.comment
    if comment:
        inside = [
            k for k, line in enumerate(lines) if line.lstrip().startswith(comment) and line.strip()
        ]
        whole = replace(dialect, comment="")
        wide = [k for k in inside if dialect.width in _widths(lines[k], comment, whole)]
        if dialect.width > 1 and wide and len(wide) == len(inside) and inside[0] > 0:
            # Rows as wide as all others whose first cell starts with the mark: a colour, a tag.
            return _place(lines, whole)
        first = next((k for k, line in enumerate(lines) if line.strip() and k not in inside), 0)
        if dialect.width > 1 and wide and wide[-1] == first - 1 and _is_names(lines, first, whole):
            # The last comment before the rows names the columns.
            dialect = replace(dialect, skip=wide[-1], plain=False)
            later = [k for k in inside if k > first]
            return dialect if later else replace(dialect, comment="")
        if any(k > first for k in inside):
            dialect = replace(dialect, plain=False)
        else:
            dialect = replace(dialect, comment="", skip=first)
    dialect = replace(dialect, skip=_preamble(lines, dialect))
    rest = lines[dialect.skip :]
    blanks = any(not line.strip(" \t\r\n") and line.strip("\r\n") for line in rest)
    ends = {line[len(line.rstrip("\r\n")) :] for line in rest[:-1]}
    aligned = dialect.delimiter == " " and any("  " in line or line[0] == " " for line in rest)
    if aligned:
        dialect = replace(dialect, delimiter=SPACES)
    odd = dialect.delimiter == SPACES or blanks or len(ends) > 1 or "\r" in ends
    return replace(dialect, plain=dialect.plain and not odd)


def _widths(line: str, comment: str, dialect: Dialect) -> set[int]:
    """Return how many cells a line has with the mark in front of it, and without."""
    bare = replace(dialect, skip=0)
    both = [line, line.lstrip()[len(comment) :].lstrip()]
    return {len(cells) for one in both for _, cells in records([one], bare)}


def _is_names(lines: list[str], first: int, dialect: Dialect) -> bool:
    """Say whether the row before this one has names where this one has numbers."""
    bare = replace(dialect, skip=0, comment="")
    above = next((cells for _, cells in records([lines[first - 1].lstrip("#%/ ")], bare)), [])
    below = next((cells for _, cells in records([lines[first]], bare)), [])
    return len(above) == len(below) and any(
        is_number(b.strip()) and not is_number(a.strip().lstrip("#%/ "))
        for a, b in zip(above, below, strict=True)
    )


def _preamble(lines: list[str], dialect: Dialect) -> int:
    """Return how many lines stand before the table: titles, and rows with one cell filled."""
    skip = dialect.skip
    if dialect.width < 2:
        return skip
    for start, cells in islice(records(lines, dialect), 20):
        filled = [cell for cell in cells if cell.strip().lower() not in MISSING | DASHES]
        title = len(filled) <= 1 and (len(cells) == 1 or dialect.width > 3)
        if not title:
            return start - 1
    return skip
