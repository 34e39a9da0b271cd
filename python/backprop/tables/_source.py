"""What a source is: a path, folder, query, pipe, frame or dictionary; each becomes a Frame."""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np

from backprop.tables import _bytes, _csv, _stream
from backprop.tables._header import unique
from backprop.tables._raw import EXACT, Frame, Words, array_column, words_of
from backprop.tables._stream import NUMBER, TIME, WHOLE, WORD
from backprop.tables.errors import TableError, needs

_QUERY = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:select|with|from|values|\(\s*select)\b", re.IGNORECASE
)
_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".tab": "csv", ".psv": "csv",
    ".parquet": "parquet", ".pq": "parquet", ".parq": "parquet",
    ".jsonl": "json", ".ndjson": "json", ".json": "json",
}  # fmt: skip
# The engine's types, by how they are fetched.
_WHOLES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_REALS = {"FLOAT", "DOUBLE", "REAL"}
_TIMES = ("DATE", "TIMESTAMP")
_NESTED = re.compile(r"\[\d*\]$|^(?:STRUCT|MAP|UNION|BLOB|BIT|INTERVAL|JSON|VARIANT|GEOMETRY)")


@dataclass(frozen=True)
class How:
    """How to read what leaves a choice; see `read`."""

    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None
    expected: tuple[str, ...] | None = None
    # Given the names, and which of them are numbers with a fraction: which to read as words.
    as_words: Callable[[list[str], list[str]], Collection[str]] = lambda names, reals: ()
    loose: bool = True


def load(source: Any, how: How) -> Frame:
    """Return the whole of a source."""
    with _opened(source, how) as found:
        if isinstance(found, Frame):
            frame = found
        elif isinstance(found, _csv.Text):
            frame = _csv.load(found, _as_words(found, how), how.loose)
        else:
            relation, name, outside = found
            frame = _from_relation(relation, name, how, outside)
    if not frame.names:
        raise TableError(f"{frame.source}: no columns")
    if not frame.n_rows:
        raise TableError(f"{frame.source}: no rows")
    return frame


def stream(source: Any, rows: int, how: How) -> Iterator[Frame]:
    """Yield a source a number of rows at a time."""
    with _opened(source, how) as found:
        if isinstance(found, Frame):
            for start in range(0, found.n_rows, rows):
                yield found.take(slice(start, start + rows))
        elif isinstance(found, _csv.Text):
            yield from _csv.stream(found, rows, _as_words(found, how))
        else:
            relation, name, outside = found
            query, plan, names = _select(relation, how, outside)
            frame = Frame(name, names, [], outside=tuple(outside))
            yield from _stream.parts(query, plan, rows, frame)


def _as_words(text: _csv.Text, how: How) -> Collection[str]:
    plan = _csv.plan(text, ())
    reals = [name for name, one in zip(text.names, plan, strict=True) if one == NUMBER]
    return how.as_words(text.names[: text.width], reals)


@contextmanager
def _opened(source: Any, how: How) -> Iterator[Any]:
    """Open a source: a Frame, a text, or a relation with its name and its folders' columns."""
    if isinstance(source, Frame):
        yield source
        return
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if isinstance(source, bytes):
        raise TypeError("`source` must be a path, a query, a frame or a dictionary, got bytes")
    if not isinstance(source, str):
        with _frame(source) as found:
            yield found
        return
    duckdb = _engine()
    if source == "-":
        with tempfile.TemporaryDirectory() as folder:
            path = _bytes.spool(sys.stdin.buffer, folder)
            with closing(_connect(duckdb)) as connection, _file(path, connection, how) as found:
                if isinstance(found, _csv.Text):
                    found.source = "standard input"
                yield found
        return
    with closing(_connect(duckdb)) as connection:
        if _QUERY.match(source) and not Path(source).exists():
            yield _query(connection, source), "the query", []
            return
        with _path(source, connection, how) as found:
            yield found


def _engine() -> Any:
    try:
        import duckdb
    except ImportError:
        raise needs("duckdb", "reading a file") from None
    return duckdb


def _connect(duckdb: Any) -> Any:
    connection = duckdb.connect()
    # A query means tables and files, never variables of the program that calls.
    connection.execute("SET python_enable_replacements=false")
    connection.execute("SET enable_progress_bar=false")
    connection.execute("SET TimeZone='UTC'")
    return connection


def _query(connection: Any, query: str) -> Any:
    import duckdb

    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise TableError("the query must be one SELECT: it may not change or write anything")
        return connection.sql(query.rstrip().rstrip(";"))
    except duckdb.Error as error:
        raise TableError(f"the query failed: {error}") from None


@contextmanager
def _path(source: str, connection: Any, how: How) -> Iterator[Any]:
    path = Path(source)
    name, table = source, None
    if not path.exists() and "::" in source:
        name, table = source.rsplit("::", 1)
        path = Path(name)
    if path.is_file():
        with _file(path, connection, how, table) as found:
            yield found
        return
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file() and _suffix(one))
        if not files:
            raise TableError(
                f"{source}: the folder has no tables (files that end in "
                f"{', '.join(sorted(_SUFFIXES))}, packed or not)"
            )
        yield _files(files, source, connection, how, path)
        return
    if any(mark in source for mark in "*?["):
        files = sorted(Path(one) for one in glob(source, recursive=True) if Path(one).is_file())
        if not files:
            raise FileNotFoundError(f"{source}: no file has such a name")
        yield _files(files, source, connection, how, None)
        return
    raise FileNotFoundError(_not_there(source, path))


def _not_there(source: str, path: Path) -> str:
    from difflib import get_close_matches

    there = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, there, n=1)
    hint = f"; did you mean {path.parent / near[0]}?" if near else ""
    return f"{source}: there is no such file, folder or query{hint}"


def _suffix(path: Path) -> str | None:
    if any(part.startswith((".", "_")) for part in path.parts[-1:]):
        return None
    suffixes = [one.lower() for one in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst", ".zstd"):
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def _files(files: list[Path], source: str, connection: Any, how: How, root: Path | None) -> Any:
    kinds = {_bytes.identify(one).format: one for one in reversed(files)}
    if len(kinds) > 1:
        raise TableError(
            f"{source}: files of several kinds, such as "
            f"{' and '.join(str(one) for one in kinds.values())}; name one kind: '*.csv'"
        )
    kind = next(iter(kinds))
    if kind == "csv":
        return _csv.understand(
            files, source, how.header, how.delimiter, how.encoding, how.expected, root
        )
    if kind in ("duckdb", "sqlite"):
        raise TableError(f"{source}: several databases; name one, and the table in it")
    names = [str(one) for one in files]
    outside = [part.split("=")[0] for part in files[0].parts[:-1] if part.count("=") == 1]
    hive = "true" if outside else "false"
    reader = "read_parquet" if kind == "parquet" else "read_json_auto"
    return _ask(
        connection, f"SELECT * FROM {reader}(?, hive_partitioning={hive}, union_by_name=true)",
        [names], source, outside,
    )  # fmt: skip


def _ask(
    connection: Any, query: str, values: list[Any], source: str, outside: Sequence[str] = ()
) -> Any:
    import duckdb

    try:
        return connection.sql(query, params=values), source, list(outside)
    except duckdb.Error as error:
        raise TableError(f"{source}: {str(error).splitlines()[0]}") from None


@contextmanager
def _file(path: Path, connection: Any, how: How, table: str | None = None) -> Iterator[Any]:
    kind = _bytes.identify(path)
    source = str(path)
    if table is not None and kind.format not in ("duckdb", "sqlite"):
        raise TableError(f"{source}: it is no database, so it has no table {table!r}")
    if kind.format == "csv":
        yield _csv.understand([path], source, how.header, how.delimiter, how.encoding, how.expected)
    elif kind.format == "parquet":
        yield _ask(connection, "SELECT * FROM read_parquet(?)", [source], source)
    elif kind.format == "json":
        packed = kind.packed or "uncompressed"
        yield _ask(
            connection,
            f"SELECT * FROM read_json_auto(?, compression='{packed}', sample_size=-1)",
            [source], source,
        )  # fmt: skip
    elif kind.format == "duckdb":
        yield _database(path, connection, table)
    else:
        yield _sqlite(path, table)


def _choose(source: str, tables: list[str], table: str | None) -> str:
    if table is None and len(tables) == 1:
        return tables[0]
    if not tables:
        raise TableError(f"{source}: the database has no table")
    few = ", ".join(tables[:20])
    if table is None:
        raise TableError(
            f"{source}: the database has {len(tables)} tables; name one, as in "
            f"'{source}::{tables[0]}': {few}"
        )
    if table not in tables:
        raise TableError(f"{source}: the database has no table {table!r}; it has {few}")
    return table


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _database(path: Path, connection: Any, table: str | None) -> Any:
    import duckdb

    try:
        connection.execute(
            f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS given (READ_ONLY)"
        )
    except duckdb.Error as error:
        raise TableError(f"{path}: it cannot be opened: {str(error).splitlines()[0]}") from None
    found = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'given' UNION "
        "ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = 'given' AND "
        "NOT internal"
    ).fetchall()
    full = {
        (name if schema == "main" else f"{schema}.{name}"): (schema, name) for schema, name in found
    }
    schema, name = full[_choose(str(path), sorted(full), table)]
    query = f"SELECT * FROM given.{_quoted(schema)}.{_quoted(name)}"
    return _ask(connection, query, [], f"{path}::{name}")


def _sqlite(path: Path, table: str | None) -> Frame:
    """Read a table of SQLite by Python's own module, for the engine's is a download."""
    import sqlite3

    connection = sqlite3.connect(f"file:{path.resolve().as_posix()}?mode=ro", uri=True)
    with closing(connection):
        try:
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite_%' ORDER BY name"
            ).fetchall()
            table = _choose(str(path), [name for (name,) in names], table)
            cursor = connection.execute(f"SELECT * FROM {_quoted(table)}")
            columns = [one[0] for one in cursor.description]
            cells: list[list[Any]] = [[] for _ in columns]
            limit, rows = _stream.budget(), 0
            while chunk := cursor.fetchmany(10_000):
                for column, values in zip(cells, zip(*chunk, strict=True), strict=True):
                    column.extend(values)
                rows += len(chunk)
                if 64 * rows * len(columns) > limit:
                    raise _stream.too_large(str(path), rows)
        except sqlite3.Error as error:
            raise TableError(f"{path}: it cannot be read: {error}") from None
    return _from_columns(f"{path}::{table}", dict(zip(columns, cells, strict=True)))


@contextmanager
def _frame(source: Any) -> Iterator[Any]:
    if isinstance(source, Mapping):
        yield _from_columns("the dictionary", source)
        return
    if isinstance(source, np.ndarray):
        yield _from_array(source)
        return
    if not hasattr(source, "__arrow_c_stream__"):
        if hasattr(source, "columns") and hasattr(source, "to_dict"):
            yield _from_pandas(source)
            return
        raise TypeError(
            "`source` must be a path, a query, '-', a dictionary of columns, a matrix, or a frame "
            f"with the Arrow C stream (pandas, polars, pyarrow, DuckDB), got "
            f"{type(source).__name__}"
        )
    if type(source).__module__.partition(".")[0] == "pandas":
        yield _from_pandas(source)
        return
    duckdb = _engine()
    with closing(_connect(duckdb)) as connection:
        connection.register("given", _Capsule(source))
        yield connection.sql("SELECT * FROM given"), "the frame", []


class _Capsule:
    """Only the Arrow C stream of a frame: the engine would ask the frame's own library first."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._frame.__arrow_c_stream__(requested_schema)


def _from_array(array: "np.ndarray[Any, Any]") -> Frame:
    if array.ndim != 2:
        raise ValueError(f"`source` must have two dimensions as an array, got shape {array.shape}")
    names = array.dtype.names
    if names is not None:
        raise ValueError("`source` must be a dictionary of columns, not a structured array")
    return _from_columns(
        "the matrix", {f"column {k + 1}": array[:, k] for k in range(array.shape[1])}
    )


def _from_columns(source: str, columns: Mapping[Any, Any]) -> Frame:
    wrong, result = [], {}
    for name, values in columns.items():
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            wrong.append(f"column {name!r} must be a list or an array, got {type(values).__name__}")
            continue
        if hasattr(values, "to_numpy"):
            values = values.to_numpy()
        try:
            result[str(name)] = array_column(str(name), values)
        except (ValueError, TypeError) as error:
            wrong.append(f"column {name!r}: {error}")
    lengths = {name: len(column) for name, column in result.items()}
    if len(set(lengths.values())) > 1:
        few = ", ".join(f"{name} {count}" for name, count in list(lengths.items())[:10])
        wrong.append(f"the columns must be equally long, got {few}")
    if wrong:
        raise TableError(f"{source}: " + "; ".join(wrong))
    return Frame(source, list(result), list(result.values()))


def _from_pandas(frame: Any) -> Frame:
    """Read a frame of pandas column by column: its Arrow stream would need pyarrow."""
    names, notes = unique([str(name) for name in frame.columns])
    columns: dict[str, Any] = {}
    for place, name in enumerate(names):
        series = frame.iloc[:, place]
        kind = str(series.dtype)
        if kind == "category":
            columns[name] = _from_categories(series)
            continue
        if kind.startswith("datetime64"):
            if getattr(series.dtype, "tz", None) is not None:
                series = series.dt.tz_convert("UTC").dt.tz_localize(None)
            values = series.to_numpy()
        elif kind.startswith(("Int", "UInt", "Float")):
            big = kind.endswith("nt64") and (abs(series.dropna()) > EXACT).any()
            values = series.to_numpy(
                object if big else np.float64, na_value=None if big else np.nan
            )
        elif kind in ("boolean", "string", "str") or kind.startswith("string"):
            values = series.to_numpy(object, na_value=None)
        elif kind.startswith(("period", "timedelta", "interval")):
            values = series.astype(str).to_numpy(object)
        else:
            values = series.to_numpy()
        columns[name] = values
    wordy = {name: v for name, v in columns.items() if isinstance(v, Words)}
    found = _from_columns(
        "the frame", {name: v for name, v in columns.items() if name not in wordy}
    )
    ready = dict(zip(found.names, found.columns, strict=True)) | wordy
    return Frame("the frame", names, [ready[name] for name in names], notes=notes)


def _from_categories(series: Any) -> Any:
    values = series.astype(object).to_numpy()
    return words_of([None if v is None or v != v else str(v) for v in values.tolist()])


def _select(relation: Any, how: How, outside: Sequence[str]) -> tuple[Any, list[str], list[str]]:
    """Return the query that brings a relation's columns into the forms that are fetched."""
    names = list(relation.columns)
    types = [str(one) for one in relation.types]
    reals = [
        name for name, kind in zip(names, types, strict=True)
        if kind in _REALS or kind.startswith("DECIMAL")
    ]  # fmt: skip
    as_words = set(how.as_words([name for name in names if name not in outside], reals))
    terms, plan = [], []
    for name, kind in zip(names, types, strict=True):
        column = _quoted(name)
        if _NESTED.search(kind):
            # Cells that are lists or records are no numbers and no words: they are left out.
            term, one = f"CAST({column} IS NOT NULL AS VARCHAR)", WORD
            term = (
                f"CASE WHEN {column} IS NULL THEN NULL ELSE 'nested ' || row_number() OVER () END"
            )
        elif kind.startswith(_TIMES):
            term, one = f"epoch_us({column})", TIME
        elif name in as_words or not (kind in _WHOLES or name in reals):
            term, one = f"CAST({column} AS VARCHAR)", WORD
        elif kind in _WHOLES:
            term, one = f"CAST({column} AS BIGINT)", WHOLE
        else:
            term, one = f"CAST({column} AS DOUBLE)", NUMBER
        terms.append(f"{term} AS {column}")
        plan.append(one)
    return relation.project(", ".join(terms)), plan, names


def _from_relation(relation: Any, source: str, how: How, outside: Sequence[str]) -> Frame:
    import duckdb

    query, plan, names = _select(relation, how, outside)
    try:
        columns = _stream.fetch(query, plan, source)
    except (duckdb.Error, _stream.EngineError) as error:
        raise TableError(f"{source}: it cannot be read: {str(error).splitlines()[0]}") from None
    return Frame(source, names, columns, outside=tuple(outside))
