"""What the engine answers, batch by batch, into NumPy: the Arrow C stream without pyarrow.

Arrays grow in place, so that a table is held once. What does not fit into half of the machine's
memory is refused while it is read, not after.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.tables._coding import CellCoder
from backprop.tables._raw import EXACT, Frame, Numbers, Raw, Times, numbers, tidy
from backprop.tables.errors import TableError, needs

# How a column is fetched. Loose words may be given up where nearly every cell differs.
NUMBER, WHOLE, TIME, WORD, LOOSE_WORD = "number", "whole", "time", "word", "loose word"
_GIVE_UP_AT = 100_000


def budget() -> int:
    """Return how many bytes a table may take: half of the memory this process may have."""
    total = 2**33
    with suppress(ValueError, OSError, AttributeError):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(ValueError, OSError):
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total // 2


def too_large(source: str, rows: int) -> TableError:
    """Return the error for a table that does not fit."""
    return TableError(
        f"{source}: after {rows} rows it takes more than half of the memory; name fewer columns or "
        f"rows by a query, such as \"select a, b, y from '{source}' using sample 10%\""
    )


class _Growing:
    """One column while it grows."""

    def __init__(self, how: str, rows: int) -> None:
        self.how = how
        kinds = {NUMBER: np.float64, WHOLE: np.int64, TIME: np.int64}
        self.values: NDArray[Any] | None = np.empty(rows, kinds.get(how, np.int32))
        self.coder = CellCoder()
        self.missing = False

    def grow(self, rows: int) -> None:
        if self.values is not None and len(self.values) < rows:
            # In place where the system can move pages, as Linux does.
            self.values.resize(max(rows, len(self.values) * 5 // 4), refcheck=False)

    def add(self, child: Any, at: int, count: int) -> None:
        buffers = [child.view().buffer(k) for k in range(child.n_buffers)]
        start = child.offset
        if self.how in (NUMBER, WHOLE, TIME):
            assert self.values is not None
            kind = np.float64 if self.how == NUMBER else np.int64
            part = self.values[at : at + count]
            part[:] = np.frombuffer(buffers[1], kind)[start : start + count]
            if child.null_count != 0 and len(buffers[0]):
                bits = np.unpackbits(np.frombuffer(buffers[0], np.uint8), bitorder="little")
                gone = bits[start : start + count] == 0
                if gone.any():
                    self.missing = True
                    part[gone] = np.nan if self.how == NUMBER else np.iinfo(np.int64).min
            return
        if self.values is None:
            return
        wide: type[np.integer[Any]] = np.int64 if child.schema.format == "U" else np.int32
        ends = np.frombuffer(buffers[1], wide)[start : start + count + 1]
        # Only these rows' bytes: a batch may be taken in parts.
        low, high = (int(ends[0]), int(ends[-1])) if count else (0, 0)
        data = bytes(np.frombuffer(buffers[2], np.uint8)[low:high]) if high > low else b""
        self.values[at : at + count] = self.coder.codes(data, ends - low)
        rows = at + count
        if self.how == LOOSE_WORD and len(self.coder) > max(_GIVE_UP_AT, 0.9 * rows):
            self.values = None

    @property
    def n_bytes(self) -> int:
        kept = 0 if self.values is None else self.values.nbytes
        # A cell of the table of different ones: key, entry and word.
        return kept + 160 * len(self.coder)

    def finish(self, rows: int) -> Raw:
        if self.how in (WORD, LOOSE_WORD):
            if self.values is None:
                few = [key.decode() for key, _ in zip(self.coder.coder, range(1000), strict=False)]
                return tidy(None, few, rows)
            self.values.resize(rows, refcheck=False)
            return tidy(self.values, [key.decode() for key in self.coder.coder], rows)
        assert self.values is not None
        self.values.resize(rows, refcheck=False)
        if self.how == NUMBER:
            return numbers(self.values)
        if self.how == TIME:
            return Times(self.values.view("datetime64[us]"))
        smallest = np.iinfo(np.int64).min
        gone = self.values == smallest if self.missing else None
        low = self.values if gone is None else self.values[~gone]
        if low.size and not (low.min() >= -EXACT and low.max() <= EXACT):
            # No float64 holds all of their digits.
            different, codes = np.unique(self.values, return_inverse=True)
            levels = ["" if value == smallest else str(value) for value in different.tolist()]
            return tidy(codes.reshape(-1).astype(np.int32), levels, rows)
        result = self.values.astype(np.float64)
        if gone is not None:
            result[gone] = np.nan
        return Numbers(result, True)


def fetch(relation: Any, plan: Sequence[str], source: str, guess: int = 2**16) -> list[Raw]:
    """Return the columns of a relation.

    Parameters
    ----------
    relation : DuckDBPyRelation
        What to read.
    plan : sequence of str
        How each column is fetched.
    source : str
        What to call it in errors.
    guess : int
        About how many rows there are.
    """
    columns = [_Growing(how, guess) for how in plan]
    rows = 0
    limit = budget()
    for batch in _batches(relation):
        count = batch.length
        for k, column in enumerate(columns):
            column.grow(rows + count)
            column.add(batch.child(k), rows, count)
        rows += count
        if sum(column.n_bytes for column in columns) > limit:
            raise too_large(source, rows)
    result = []
    for k in range(len(columns)):
        result.append(columns[k].finish(rows))
        columns[k] = _Growing(LOOSE_WORD, 0)
    return result


class EngineError(Exception):
    """The engine cannot go on reading; the message is its own."""


def _batches(relation: Any) -> Generator[Any, None, None]:
    import duckdb

    try:
        import nanoarrow
    except ImportError:
        raise needs("nanoarrow", "reading a table") from None
    try:
        with nanoarrow.c_array_stream(relation.__arrow_c_stream__()) as stream:
            while True:
                batch = next(stream, None)
                if batch is None:
                    return
                yield batch
    # nanoarrow has an error of its own, a RuntimeError, for what the engine says amid a stream.
    except (duckdb.Error, RuntimeError) as error:
        raise EngineError(str(error)) from error


def parts(relation: Any, plan: Sequence[str], rows: int, frame: Frame) -> Iterator[Frame]:
    """Yield the columns of a relation a number of rows at a time, in bounded memory."""
    with closing(_batches(relation)) as found:
        columns, at = [_Growing(how, rows) for how in plan], 0
        for batch in found:
            done = 0
            while done < batch.length:
                count = min(rows - at, batch.length - done)
                for k, column in enumerate(columns):
                    child = batch.child(k)
                    column.add(child[done : done + count], at, count)
                at, done = at + count, done + count
                if at == rows:
                    yield _frame(frame, columns, at)
                    columns, at = [_Growing(how, rows) for how in plan], 0
        if at:
            yield _frame(frame, columns, at)


def _frame(frame: Frame, columns: Sequence[_Growing], rows: int) -> Frame:
    return Frame(
        frame.source, frame.names, [column.finish(rows) for column in columns], frame.header,
        frame.delimiter, frame.quote, frame.encoding, list(frame.notes), None, frame.outside,
    )  # fmt: skip
