"""Delimited text to arrays in one pass, every complaint with file, line and column."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from operator import itemgetter
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from backprop.data._dataset import Dataset, position

# Rows turned into numbers together: the texts of one chunk are all that is held as Python objects.
_CHUNK = 8192
_MISSING = {"", "?", "na", "n/a", "nan", "null", "none"}

_Row = Sequence[str]


def read_csv(
    path: str | os.PathLike[str],
    target: str | int | None = -1,
    *,
    features: Sequence[str] | None = None,
    header: bool = True,
    delimiter: str | None = None,
) -> Dataset:
    """Read a table of numbers, with a target column of numbers or text.

    Parameters
    ----------
    path : path of a UTF-8 text file
        Compressed with gzip if the name ends in ``.gz``. Quoted fields may hold delimiters.
    target : str, int or None
        The target's column name or position (default: the last column); None for no target.
    features : sequence of str, optional
        The columns of ``X``, in this order. By default all but the target.
    header : bool
        Whether the first line names the columns; without it they are named "1", "2", ...
    delimiter : str, optional
        By default the one of comma, semicolon and tab that the first line has most of.

    Returns
    -------
    Dataset
        ``X`` float64 (n_examples, n_features); ``y`` float64 if all of it is numbers, else text.

    Raises
    ------
    ValueError
        For an empty file, an unknown column, a row of another length, a missing cell or a text
        in a column of numbers: with file, line and column.
    OSError
        If the file cannot be read.
    """
    import csv

    name = os.fspath(path)
    with _open_text(name) as file:
        try:
            delimiter = delimiter or _most_frequent(file.readline())
            file.seek(0)
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                return _Table(name, rows, header, target, features).read()
            except csv.Error as error:
                raise ValueError(f"{name}, line {rows.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name} must be UTF-8 text, got byte 0x{error.object[error.start]:02x} "
                f"({error.reason}); save it as UTF-8"
            ) from error


class _Table:
    """One pass over the rows of a file, remembering where it is."""

    def __init__(
        self,
        name: str,
        rows: Any,  # csv.reader: its type is not public before Python 3.13
        header: bool,
        target: str | int | None,
        features: Sequence[str] | None,
    ) -> None:
        self.name = name
        self.rows: Iterator[list[str]] = rows
        self.line: Callable[[], int] = lambda: int(rows.line_num)
        first = next((row for row in self.rows if row), None)
        if first is None:
            raise ValueError(f"{name} is empty; the first line must name the columns")
        self.columns = [str(i + 1) for i in range(len(first))]
        self.first_row = None if header else (self.line(), first)
        if header:
            self.columns = [cell.strip() for cell in first]
            self._check_header()
        where = f"{name}, line 1"
        self.target = None if target is None else position(self.columns, target, "target", where)
        self.features = (
            [i for i in range(len(self.columns)) if i != self.target]
            if features is None
            else [position(self.columns, feature, "feature", where) for feature in features]
        )
        if not self.features:
            raise ValueError(f"{name} must have a feature column besides the target, got {first}")

    def read(self) -> Dataset:
        pick: Callable[[list[str]], _Row]
        if len(self.features) == 1:
            pick = itemgetter(slice(self.features[0], self.features[0] + 1))
        else:
            pick = itemgetter(*self.features)
        blocks: list[NDArray[np.float64]] = []
        targets: list[str] = []
        target_lines: list[int] = []
        for lines, rows in self._chunks():
            blocks.append(self._numbers([pick(row) for row in rows], lines))
            if self.target is not None:
                targets += map(itemgetter(self.target), rows)
                target_lines += lines
        if not blocks:
            raise ValueError(f"{self.name} must have rows below its header, got none")
        return Dataset(
            X=np.concatenate(blocks),
            y=None if self.target is None else self._target(targets, target_lines),
            name=self.name,
            feature_names=tuple(self.columns[i] for i in self.features),
            target_name=None if self.target is None else self.columns[self.target],
        )

    def _chunks(self) -> Iterator[tuple[list[int], list[list[str]]]]:
        lines: list[int] = []
        rows: list[list[str]] = []
        if self.first_row is not None:
            lines, rows = [self.first_row[0]], [self.first_row[1]]
        width = len(self.columns)
        for row in self.rows:
            if len(row) != width:
                if not row:
                    continue
                raise ValueError(
                    f"{self.name}, line {self.line()}: the row must have {width} cells like the "
                    f"first line, got {len(row)}"
                )
            rows.append(row)
            lines.append(self.line())
            if len(rows) == _CHUNK:
                yield lines, rows
                lines, rows = [], []
        if rows:
            yield lines, rows

    def _numbers(self, rows: Sequence[_Row], lines: list[int]) -> NDArray[np.float64]:
        shape = (len(rows), len(self.features))
        cells = chain.from_iterable(rows)
        try:
            X = np.fromiter(map(float, cells), np.float64, shape[0] * shape[1]).reshape(shape)
        except ValueError:
            self._complain(rows, lines)
        # float() reads "1_2" as 12, which in a file is an identifier, not a number.
        if not np.isfinite(X).all() or "_" in "".join(map("".join, rows)):
            self._complain(rows, lines)
        return X

    def _complain(self, rows: Sequence[_Row], lines: list[int]) -> NoReturn:
        line, column, cell = next(
            (line, column, cell)
            for line, row in zip(lines, rows, strict=True)
            for column, cell in zip(self.features, row, strict=True)
            if not _is_number(cell)
        )
        self._refuse_cell(line, column, cell)

    def _refuse_cell(self, line: int, column: int, cell: str) -> NoReturn:
        where = f"{self.name}, line {line}, column {column + 1} ({self.columns[column]!r})"
        if cell.strip().lower() in _MISSING:
            shown = "an empty cell" if not cell.strip() else repr(cell)
            raise ValueError(f"{where}: a value is missing, got {shown}; fill it or remove the row")
        raise ValueError(
            f"{where}: must be a finite number, got {cell!r}; "
            "encode the column as numbers or remove it"
        )

    def _target(self, cells: list[str], lines: list[int]) -> NDArray[Any]:
        assert self.target is not None
        cells = [cell.strip() for cell in cells]
        odd = [row for row, cell in enumerate(cells) if not _is_number(cell)]
        if not odd:
            return np.array(cells, dtype=np.float64)
        for row in odd:
            # Among numbers "NA" is a missing number; among texts it may be the name of a class.
            numbers = len(odd) < len(cells) and all(cells[i].lower() in _MISSING for i in odd)
            if numbers or not cells[row]:
                self._refuse_cell(lines[row], self.target, cells[row])
        return np.array(cells)

    def _check_header(self) -> None:
        for i, column in enumerate(self.columns):
            if not column:
                raise ValueError(
                    f"{self.name}, line 1, column {i + 1}: the column has no name; name it, or "
                    "remove it if it only numbers the rows"
                )
            if column in self.columns[:i]:
                raise ValueError(
                    f"{self.name}, line 1, column {i + 1}: the name {column!r} is already that of "
                    f"column {self.columns.index(column) + 1}"
                )
        numeric = [column for column in self.columns if _is_number(column)]
        counted = all(column.isdigit() for column in numeric) and len(set(numeric)) > 1
        if (
            numeric
            and len(numeric) >= len(self.columns) - 1
            and not (counted and _consecutive(numeric))
        ):
            raise ValueError(
                f"{self.name}, line 1: must name the columns, got the numbers "
                f"{', '.join(numeric[:4])}, ...; for a file without such a line say so "
                "(header=False, on the command line --no-header)"
            )


def _consecutive(numbers: list[str]) -> bool:
    return all(int(b) == int(a) + 1 for a, b in pairwise(numbers))


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell))) and "_" not in cell
    except ValueError:
        return False


def _most_frequent(line: str) -> str:
    return max(",;\t", key=line.count)


def _open_text(name: str) -> IO[str]:
    if name.lower().endswith(".gz"):
        import gzip

        return gzip.open(name, "rt", encoding="utf-8-sig", newline="")
    return open(name, encoding="utf-8-sig", newline="")
