"""Tables as text: what the first lines say is told to the engine, which reads the rest.

The engine reads what it can read as it stands. Texts with comments between the rows, other
encodings, columns aligned by blanks, thousands of columns, or rows that it refuses are read here,
slower, by Python's csv module; that is also where a row of another width gets its line number.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from backprop.tables import _bytes, _numbers, _stream
from backprop.tables._dates import order_of
from backprop.tables._dialect import SPACES, Dialect, find, records
from backprop.tables._header import has_header, unique
from backprop.tables._raw import Coder, Frame, Raw, Words, tidy, words_of
from backprop.tables._stream import LOOSE_WORD, NUMBER, WHOLE, WORD
from backprop.tables._words import MISSING, NULL_STRINGS
from backprop.tables.errors import TableError

# Above this the engine takes longer than Python does.
_WIDE = 2_000
_MOST_COLUMNS = 200_000
_CHUNK = 10_000
_GUESSED_FROM = 500
_WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})")
_WORDLIKE = re.compile(r"[^\W\d_]")


@dataclass
class Text:
    """What is understood of a table as text.

    Attributes
    ----------
    paths : list of Path
        The files, all of one form.
    packed, encoding : str or None
        How they are packed, and the encoding of what they hold.
    dialect : Dialect
        How they separate their cells.
    header : bool
        Whether their first row names the columns.
    names : list of str
        The columns' names; those that folders give come last.
    sample : list of list of str
        Rows from the start, the middle and the end of the first file.
    """

    paths: list[Path]
    packed: str | None
    encoding: str
    dialect: Dialect
    header: bool
    names: list[str]
    sample: list[list[str]]
    notes: list[str] = field(default_factory=list)
    rows: int = 2**16
    partitions: list[dict[str, str]] = field(default_factory=list)
    source: str = ""
    trailing: bool = False
    guesses: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        return self.dialect.width

    def frame(self, columns: list[Raw]) -> Frame:
        dialect = self.dialect
        return Frame(
            self.source, self.names, columns, self.header, dialect.delimiter, dialect.quote,
            self.encoding, list(self.notes), self.line_of, tuple(self.names[self.width :]),
        )  # fmt: skip

    def line_of(self, row: int) -> int | None:
        if len(self.paths) > 1:
            return None
        lines = _bytes.lines(self.paths[0], self.packed, self.encoding)
        found = next(islice(records(lines, self.dialect), row + self.header, None), None)
        return found[0] if found is not None else None


def understand(
    paths: Sequence[Path],
    source: str,
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    expected: Collection[str] | None = None,
    root: Path | None = None,
) -> Text:
    """Find out how texts hold their table.

    Raises
    ------
    TableError
        If they hold none; the message says what they are.
    """
    path = paths[0]
    kind = _bytes.identify(path)
    encoding, note = _bytes.encoding_of(path, kind.head, encoding)
    lines = _lines(kind, encoding)
    if not any(line.strip() for line in lines):
        raise TableError(f"{path}: the file is empty: it has blank lines only")
    dialect = find(lines, delimiter, lambda: _sniff(path, kind, encoding))
    try:
        found = list(islice(records(lines, dialect), 5000))
    except csv.Error as error:
        raise TableError(f"{path}: it is no table ({error})") from None
    if not kind.whole and len(found) > 1:
        found = found[:-1]
    if not found:
        raise TableError(f"{path}: no rows: the file has comments only")
    rows = [[cell.strip() for cell in cells] for _, cells in found]
    text = Text([*paths], kind.packed, encoding, dialect, False, [], [], source=source)
    if note is not None:
        text.notes.append(note)
    _settle(text, rows, header, expected)
    if text.width > _MOST_COLUMNS:
        raise TableError(
            f"{path}: {text.width} columns; a table has at most {_MOST_COLUMNS}: is it transposed?"
        )
    first = found[0][0]
    if text.header and len(found) > 1:
        after = Counter("".join(lines[first - 1 : found[1][0] - 1]))
        if after["\n"] > 1 and after[text.dialect.quote] > 0 and len(text.names) == text.width:
            # Names that run over several lines: the engine counts lines, not rows.
            text.dialect = replace(text.dialect, plain=False)
    size = sum(one.stat().st_size for one in paths) * (5 if kind.packed else 1)
    read = max(1, len(kind.head))
    text.rows = max(1024, int(1.02 * size * len(found) / read)) if not kind.whole else len(found)
    if not kind.whole and kind.packed is None:
        text.sample += _elsewhere(path, text)
    if len(paths) > 1:
        _compare(text, root)
    return text


def _lines(kind: _bytes.Kind, encoding: str) -> list[str]:
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    if "\0" in (text := kind.head.decode(codec, "replace")):
        text = text.replace("\0", "")
    lines = [line for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text) if line]
    # The last line is cut where the sample ends.
    return lines if kind.whole or len(lines) < 2 else lines[:-1]


def _sniff(path: Path, kind: _bytes.Kind, encoding: str) -> str | None:
    """Return the delimiter as the engine sees it, None if it sees no table."""
    if encoding != "utf-8":
        return None
    if b"\n" not in kind.head[:20_000]:
        return None
    import duckdb

    try:
        with duckdb.connect() as connection:
            compression = kind.packed or "none"
            found = connection.execute(
                "SELECT Delimiter FROM sniff_csv(?, sample_size=1000, compression=?)",
                [str(path), compression],
            ).fetchone()
    except duckdb.Error:
        return None
    return found[0] if found is not None else None


def _settle(
    text: Text,
    rows: list[list[str]],
    header: bool | None,
    expected: Collection[str] | None,
) -> None:
    """Decide on the header, and on the width where the header's differs from the rows'."""
    width = text.dialect.width
    first, body = rows[0], rows[1:]
    if first[0].startswith(("#", "%")) and len(first[0]) + len(first) > 2:
        # A header that is written as a comment: its mark is no name, and no part of one.
        bare = first[0].lstrip("#% ")
        first = [bare, *first[1:]] if bare else first[1:] if len(first) == width + 1 else first
    if width < len(first) and all(not cell for cell in first[width:]):
        first = first[:width]
    ends_empty = bool(body) and all(len(row) != width or not row[-1] for row in body)
    short = len(first) == width - 1
    lone = [*first, ""] if short and ends_empty else ["", *first] if short else first
    same = [row for row in body if len(row) == width]
    if header is None:
        header = len(lone) == width and has_header([lone, *same[:200]], expected)
        if short and not ends_empty and not header:
            lone = first
    text.header = header
    text.sample = same if header else [row for row in rows if len(row) == width]
    text.trailing = ends_empty and width > 1
    if not header:
        text.names = [f"column {k + 1}" for k in range(width)]
        return
    if len(lone) != width:
        line = text.line_of(-1) or 1
        raise TableError(
            f"{text.source}, line {line}: the header has {len(first)} names, the rows below it "
            f"{width} cells; correct the header, or say header=False"
        )
    if short and not ends_empty:
        text.notes.append(
            "the header has one name less than the rows have cells: the first column has no name"
        )
    names, notes = unique(lone)
    text.names = names
    text.notes += notes


def _elsewhere(path: Path, text: Text) -> list[list[str]]:
    """Return rows from the middle and the end of a file, for columns whose first rows mislead."""
    if text.encoding != "utf-8" or text.dialect.delimiter == SPACES:
        return []
    result = []
    size = path.stat().st_size
    dialect = replace(text.dialect, skip=0)
    with path.open("rb") as file:
        for at in (size // 2, max(0, size - 2**16)):
            file.seek(at)
            block = file.read(2**16).decode("utf-8", "replace")
            lines = block.splitlines(keepends=True)[1:-1]
            try:
                found = [cells for _, cells in records(lines, dialect)]
            except csv.Error:
                continue
            result += [
                [cell.strip() for cell in cells] for cells in found if len(cells) == text.width
            ]
    return result


def _compare(text: Text, root: Path | None) -> None:
    """See that all files have the first one's columns; take what their folders say as columns."""
    for path in text.paths:
        parts = path.relative_to(root).parts[:-1] if root is not None else path.parts[:-1]
        pairs = dict(part.split("=", 1) for part in parts if part.count("=") == 1)
        text.partitions.append(pairs)
    keys = list(text.partitions[0])
    for path, pairs in zip(text.paths, text.partitions, strict=True):
        if list(pairs) != keys:
            raise TableError(
                f"{path}: its folders name {', '.join(pairs) or 'nothing'}, those of "
                f"{text.paths[0]} name {', '.join(keys) or 'nothing'}"
            )
    for path in text.paths[1:]:
        kind = _bytes.identify(path)
        if kind.format != "csv" or kind.packed != text.packed:
            raise TableError(f"{path}: it is not a text like {text.paths[0]}, packed alike")
        _bytes.encoding_of(path, kind.head, None)
        found = next(records(_lines(kind, text.encoding), text.dialect), None)
        names = [cell.strip() for cell in found[1]] if found is not None else []
        if text.header and names != text.names[: len(names)]:
            raise TableError(
                f"{path}: its columns are {', '.join(names[:10])}; those of {text.paths[0]} are "
                f"{', '.join(text.names[:10])}"
            )
    text.names = [*text.names, *keys]


def plan(text: Text, as_words: Collection[str]) -> list[str]:
    """Return how each column is fetched, by the rows of the sample."""
    if not text.guesses:
        text.guesses = _guess(text)
    return [
        WORD if name in as_words else one
        for name, one in zip(text.names, text.guesses, strict=True)
    ]


def _guess(text: Text) -> list[str]:
    # The first rows, and those from the middle and the end.
    sample = text.sample[:_GUESSED_FROM] + text.sample[_GUESSED_FROM:][-_GUESSED_FROM:]
    cells = [{row[k] for row in sample}.difference(NULL_STRINGS) for k in range(text.width)]
    result = [_guess_one(column) for column in cells]
    if any(map(_has_commas, cells)):
        # Where commas are decimals 1.234 is a thousand and more, which the engine does not know.
        for k, column in enumerate(cells):
            if result[k] == NUMBER and _numbers.says_comma(column) is None:
                result[k] = WORD
    return result + [WORD] * (len(text.names) - text.width)


def _guess_one(cells: set[str]) -> str:
    if not cells:
        return WORD
    if all(_WHOLE.fullmatch(cell) for cell in cells):
        return WHOLE
    if all(_numbers.is_plain(cell) for cell in cells):
        return NUMBER
    return LOOSE_WORD if _is_loose(list(cells)) else WORD


def _has_commas(cells: set[str]) -> bool:
    """Say whether cells are numbers with decimal commas beyond doubt."""
    if not any("," in cell for cell in cells):
        return False
    numeric = sum(map(_numbers.is_number, cells))
    return numeric >= 0.9 * len(cells) and _numbers.says_comma(cells) is True


def _is_loose(cells: list[str]) -> bool:
    """Say whether cells are words that are neither numbers nor dates in any spelling."""
    few = [cell for cell in cells[:100] if cell.lower() not in MISSING]
    wordy = sum(_WORDLIKE.search(cell) is not None for cell in few)
    numeric = sum(_numbers.is_number(cell) for cell in few)
    return wordy > 0.5 * len(few) and not numeric and order_of(few, 0.5) is None


def relation(connection: Any, text: Text, how: Sequence[str]) -> Any:
    """Return the engine's reading of texts that it can read as they stand."""
    types = {NUMBER: "DOUBLE", WHOLE: "BIGINT"}
    columns = {f"c{k}": types.get(how[k], "VARCHAR") for k in range(text.width)}
    dialect = text.dialect
    query = f"""
        SELECT * FROM read_csv(
            {_sql([str(path) for path in text.paths])}, columns={_sql(columns)},
            auto_detect=false, header=false, skip={dialect.skip + text.header},
            delim={_sql(dialect.delimiter)}, quote={_sql(dialect.quote)},
            escape={_sql(dialect.escape)}, nullstr={_sql(NULL_STRINGS)},
            compression={_sql(text.packed or "none")}, max_line_size={_bytes.LONGEST_LINE},
            encoding={_sql(text.encoding)}, hive_types_autocast=false,
            hive_partitioning={"true" if text.partitions and text.partitions[0] else "false"}
        )"""
    return connection.sql(query)


def _sql(value: Any) -> str:
    """Return a value as the engine's language writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_sql(k)}: {_sql(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_sql, value)) + "]"
    return "'" + str(value).replace("'", "''") + "'"


def is_plain(text: Text) -> bool:
    """Say whether the engine may try."""
    known = text.encoding in ("utf-8", "latin-1")
    return text.dialect.plain and known and text.width <= _WIDE


def load(text: Text, as_words: Collection[str] = (), loose: bool = True) -> Frame:
    """Read the whole of a text."""
    import duckdb

    how = plan(text, as_words)
    if not loose:
        how = [WORD if one == LOOSE_WORD else one for one in how]
    if is_plain(text):
        # Once more for each column that is not what the sample said; at last all are words.
        for attempt in range(4):
            try:
                with duckdb.connect() as connection:
                    found = relation(connection, text, how)
                    columns = _stream.fetch(found, how, text.source, text.rows)
                if not any(_has_zero(column) for column in columns):
                    return _with_rows(text, columns)
                break
            except (duckdb.Error, _stream.EngineError) as error:
                if "could not convert" not in str(error).lower():
                    break
                named = re.search(r'column "c(\d+)"', str(error))
                if named is not None and attempt < 2:
                    how[int(named[1])] = WORD
                else:
                    how = [WORD] * len(how)
    if text.encoding == "utf-8":
        other = _deep_encoding(text)
        if other is not None:
            text.encoding = other[0]
            text.notes.append(other[1] or "")
    return _with_rows(text, _by_hand(text))


def _has_zero(column: Raw) -> bool:
    return isinstance(column, Words) and any("\0" in level for level in column.levels)


def _with_rows(text: Text, columns: list[Raw]) -> Frame:
    if not columns or not len(columns[0]):
        what = "a header only" if text.header else "nothing"
        raise TableError(f"{text.source}: no rows: the file has {what}")
    return text.frame(columns)


def _deep_encoding(text: Text) -> tuple[str, str | None] | None:
    """Return the encoding of a text whose first megabyte was UTF-8 and whose rest is not."""
    for path in text.paths:
        decoder = codecs.getincrementaldecoder("utf-8")()
        block = b""
        with _bytes.open_binary(path, text.packed) as file:
            try:
                while block := file.read(2**20):
                    decoder.decode(block)
            except UnicodeDecodeError:
                return _bytes.encoding_of(path, block, None)
    return None


def _by_hand(text: Text) -> list[Raw]:
    """Read texts by Python's csv module."""
    coders = [Coder() for _ in range(text.width)]
    parts: list[list[Any]] = [[] for _ in coders]
    counts = []
    limit = _stream.budget()
    total = 0
    for path in text.paths:
        rows = _checked(path, text)
        before = total
        while chunk := list(islice(rows, max(1, min(_CHUNK, 4_000_000 // text.width)))):
            total += len(chunk)
            for k, cells in enumerate(zip(*chunk, strict=True)):
                codes = np.fromiter(map(coders[k].__getitem__, cells), np.int32, len(chunk))
                parts[k].append(codes)
            if 4 * total * text.width + 160 * sum(map(len, coders)) > limit:
                raise _stream.too_large(text.source, total)
        counts.append(total - before)
    columns: list[Raw] = []
    for k, coder in enumerate(coders):
        codes = np.concatenate(parts[k]) if parts[k] else np.empty(0, np.int32)
        parts[k] = []
        columns.append(tidy(codes, list(coder), total))
    for name in text.names[text.width :]:
        folders = np.array([pairs[name] for pairs in text.partitions], object)
        columns.append(words_of(np.repeat(folders, counts).tolist()))
    return columns


def _checked(path: Path, text: Text) -> Iterator[list[str]]:
    """Yield the rows of a file below its header, each of the table's width.

    Raises
    ------
    TableError
        If rows have another; all of them are counted, the first are named.
    """
    width = text.width
    wrong: list[tuple[int, int]] = []
    lines = _bytes.lines(path, text.packed, text.encoding)
    rows = iter(records(lines, text.dialect))
    start = 0
    try:
        for place, (start, cells) in enumerate(rows):
            if place == 0 and text.header:
                continue
            if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                cells = cells[:width]
            elif len(cells) == width - 1 and text.trailing:
                cells = [*cells, ""]
            if len(cells) != width:
                wrong.append((start, len(cells)))
            elif not wrong:
                yield cells
            if len(wrong) >= 1000:
                break
    except csv.Error as error:
        what = f"a cell that is no end of ({error}); is a quote left open?"
        raise TableError(f"{path}, line {start + 1} or below: {what}") from None
    if wrong:
        line, count = wrong[0]
        more = ""
        if len(wrong) > 1:
            few = ", ".join(str(one) for one, _ in wrong[1:6]) + ", ..." * (len(wrong) > 6)
            more = f"; so it is at {len(wrong) - 1} more ({few})"
        cells_ = "1 cell" if count == 1 else f"{count} cells"
        raise TableError(
            f"{path}, line {line}: {cells_} where there should be {width}{more}; correct the line, "
            "and put quotes around cells that hold the delimiter or a line end"
        )


def stream(text: Text, rows: int, as_words: Collection[str] = ()) -> Iterator[Frame]:
    """Yield a text a number of rows at a time."""
    import duckdb

    how = [WORD if one == LOOSE_WORD else one for one in plan(text, as_words)]
    if is_plain(text):
        with duckdb.connect() as connection:
            yield from _stream.parts(relation(connection, text, how), how, rows, text.frame([]))
        return
    for path, pairs in zip(text.paths, text.partitions or [{}] * len(text.paths), strict=True):
        found = _checked(path, text)
        while chunk := list(islice(found, rows)):
            columns: list[Raw] = [words_of(cells) for cells in zip(*chunk, strict=True)]
            outside = text.names[text.width :]
            columns += [words_of([pairs[name]] * len(chunk)) for name in outside]
            yield text.frame(columns)
