"""Whatever a table lies in, the same columns come out; what is no table is refused at once."""

import gzip
import io
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backprop import tables

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("nanoarrow")

N = 90
KINDS = {"id": "identifier", "x": "number", "kind": "category", "when": "date", "y": "category"}
TEXT = "id,x,kind,when,y\n" + "".join(
    f"C{k:05d},{'' if k % 7 == 0 else k * 1.25},{'uvw'[k % 3]},"
    f"2024-01-{k % 28 + 1:02d} 10:{k % 60:02d}:00,{k % 2}\n"
    for k in range(N)
)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TEXT)
    return path


def same(table: tables.Table, times: int = 1) -> None:
    kinds = KINDS if times == 1 else KINDS | {"id": "category"}
    assert {column.name: column.kind for column in table.columns[: len(KINDS)]} == kinds
    assert table.n_rows == N * times
    assert (table.target, table.task, table.classes) == ("y", "classification", ("0", "1"))
    np.testing.assert_array_equal(
        table["x"].numbers[:N], [np.nan if k % 7 == 0 else k * 1.25 for k in range(N)]
    )
    assert table["kind"].words[:3].tolist() == ["u", "v", "w"]
    assert table["when"].values[1] == np.datetime64("2024-01-02T10:01:00")


def test_files(csv: Path, tmp_path: Path) -> None:
    same(tables.read(csv))
    same(tables.read(str(csv)))
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    same(tables.read(packed))
    # By its first bytes, not its name.
    packed.rename(tmp_path / "t.bin")
    same(tables.read(tmp_path / "t.bin"))
    for name, form in [
        ("t.parquet", "parquet"),
        ("t.jsonl", "json"),
        ("t2.csv.zst", "csv, header, compression zstd"),
        ("t.jsonl.gz", "json, compression gzip"),
    ]:
        duckdb.sql(f"COPY (SELECT * FROM '{csv}') TO '{tmp_path / name}' (FORMAT {form})")
        same(tables.read(tmp_path / name))


def test_queries(csv: Path) -> None:
    same(tables.read(f"select * from '{csv}'"))
    table = tables.read(f"SELECT x, y FROM '{csv}' WHERE kind = 'u';")
    assert table.n_rows == N // 3
    with pytest.raises(tables.TableError, match="must be one SELECT"):
        tables.read("select 1; select 2")
    with pytest.raises(tables.TableError, match='"nothing" not found'):
        tables.read(f"select nothing from '{csv}'")
    # A query means files and tables, never the variables of the program.
    secret = {"a": np.arange(3)}
    with pytest.raises(tables.TableError, match="secret does not exist"):
        tables.read("select * from secret")
    assert secret


def test_folders_and_globs(csv: Path, tmp_path: Path) -> None:
    for year in (2020, 2021):
        for form in ("csv", "parquet"):
            folder = tmp_path / form / f"year={year}"
            folder.mkdir(parents=True)
            duckdb.sql(f"COPY (SELECT * FROM '{csv}') TO '{folder / 'a'}.{form}' (FORMAT {form})")
    for form in ("csv", "parquet"):
        for source in (tmp_path / form, tmp_path / form / "*" / f"*.{form}"):
            table = tables.read(source)
            same(table, 2)
            years = table["year"].numbers
            assert years[0] == 2020
            assert years[-1] == 2021
    (tmp_path / "csv" / "year=2021" / "a.csv").write_text(TEXT.replace("kind", "sort"))
    with pytest.raises(tables.TableError, match=r"its columns are id, x, sort"):
        tables.read(tmp_path / "csv")
    with pytest.raises(tables.TableError, match="several kinds"):
        tables.read(tmp_path / "*" / "*" / "*")
    (tmp_path / "none").mkdir()
    with pytest.raises(tables.TableError, match="the folder has no tables"):
        tables.read(tmp_path / "none")


def test_databases(csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT * FROM '{csv}'")
        same(tables.read(f"select * from '{csv}'"))
        connection.execute("CREATE VIEW v AS SELECT * FROM t")
    same(tables.read(f"{path}::t"))
    same(tables.read(f"{path}::v"))
    with pytest.raises(tables.TableError, match=r"2 tables; name one, as in '.*a.duckdb::t': t, v"):
        tables.read(path)
    with pytest.raises(tables.TableError, match="no table 'w'; it has t, v"):
        tables.read(f"{path}::w")
    lite = tmp_path / "a.sqlite"
    rows = [line.split(",") for line in TEXT.splitlines()[1:]]
    with sqlite3.connect(lite) as connection:
        connection.execute('CREATE TABLE t (id TEXT, x REAL, kind TEXT, "when" TEXT, y INTEGER)')
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?, ?)", [[v or None for v in r] for r in rows]
        )
    connection.close()
    same(tables.read(lite))
    same(tables.read(f"{lite}::t"))


class Pipe:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("form", ["csv", "gz"])
def test_a_pipe(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    content = TEXT.encode() if form == "csv" else gzip.compress(TEXT.encode())
    monkeypatch.setattr(sys, "stdin", Pipe(content))
    table = tables.read("-")
    same(table)
    assert table.source == "standard input"


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "duckdb"])
def test_frames(csv: Path, library: str) -> None:
    module = pytest.importorskip(library)
    read = {
        "pandas": lambda: module.read_csv(csv, parse_dates=["when"]),
        "polars": lambda: module.read_csv(csv, try_parse_dates=True),
        "pyarrow": lambda: pytest.importorskip("pyarrow.csv").read_csv(csv),
        "duckdb": lambda: module.sql(f"select * from '{csv}'"),
    }
    frame = read[library]()
    same(tables.read(frame))
    if library == "pandas":
        same(tables.read(frame.convert_dtypes()))
        same(tables.read(frame.astype({"kind": "category"})))
        frame["when"] = frame["when"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
        same(tables.read(frame))


def test_an_index_that_pandas_wrote(csv: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.read_csv(csv)
    frame.sample(frac=0.5, random_state=1).to_parquet(tmp_path / "a.parquet")
    assert tables.read(tmp_path / "a.parquet").facts()["row_number"] == ["__index_level_0__"]
    frame.set_index("id").to_parquet(tmp_path / "b.parquet")
    table = tables.read(tmp_path / "b.parquet")
    assert (table.target, table["id"].kind) == ("y", "identifier")
    frame.sample(frac=0.5, random_state=0).to_csv(tmp_path / "c.csv")
    assert tables.read(tmp_path / "c.csv").facts()["row_number"] == [""]
    frame.to_csv(tmp_path / "d.csv")
    pandas.read_csv(tmp_path / "d.csv").to_csv(tmp_path / "e.csv")
    assert tables.read(tmp_path / "e.csv").facts()["row_number"] == ["", "Unnamed: 0"]


def test_dictionaries_and_matrices() -> None:
    table = tables.read({"x": np.arange(40.0) ** 0.5, "k": ["u", None] * 20, "y": [1.0, 0.0] * 20})
    assert table["k"].missing == 20
    assert table.classes == ("0", "1")
    matrix = np.random.default_rng(0).normal(0, 1, (50, 3))
    table = tables.read(matrix)
    np.testing.assert_array_equal(table["column 2"].numbers, matrix[:, 1])
    with pytest.raises(tables.TableError, match="equally long, got a 2, b 1"):
        tables.read({"a": [1, 2], "b": [1]})
    with pytest.raises(tables.TableError, match=r"column 'a'.*got list; column 'b' must be a list"):
        tables.read({"a": [[1], [2]], "b": 3})
    with pytest.raises(TypeError, match=r"`source` must be a path.*got int"):
        tables.read(3)


def test_big_whole_numbers_keep_every_digit() -> None:
    big = [2**53 + 1 + k for k in range(60)]
    for values in (big, np.array(big), np.array(big, object)):
        table = tables.read(
            {"key": values, "x": np.arange(60.0) ** 0.5, "y": [0, 1] * 30}, keep="key"
        )
        assert table["key"].kind == "identifier"
        assert table["key"].words[0] == "9007199254740993"


def test_without_the_frames_libraries(csv: Path) -> None:
    code = f"""
import sys
for name in ("pandas", "pyarrow", "polars"):
    sys.modules[name] = None
from backprop import tables
table = tables.read({str(csv)!r})
assert table.n_rows == {N}, table
assert tables.Encoder().fit_transform(table).shape[0] == {N}
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_engine_is_imported_when_a_file_is_read() -> None:
    code = """
import sys
import backprop
assert not any(name.startswith("backprop.tables") for name in sys.modules)
import backprop.tables
table = backprop.tables.read({"x": [0.5 * k for k in range(30)], "y": [0, 1] * 15})
assert "duckdb" not in sys.modules and "nanoarrow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_batches(csv: Path) -> None:
    whole = tables.read(csv)
    encoder = tables.Encoder().fit(whole)
    expected = encoder.transform(whole)
    for source in (
        csv,
        f"select * from '{csv}'",
        dict(zip(whole.names, [c.words for c in whole.columns], strict=True)),
    ):
        parts = list(tables.batches(source, 40, like=encoder))
        assert [part.n_rows for part in parts] == [40, 40, 10]
        found = np.concatenate([encoder.transform(part) for part in parts])
        np.testing.assert_array_equal(found, expected)
    first, *rest = tables.batches(csv, 60, target="y")
    assert first.classes == ("0", "1")
    assert {c.name: c.kind for c in rest[0].columns} == {c.name: c.kind for c in first.columns}
    with pytest.raises(ValueError, match="`rows` must be at least 1, got 0"):
        next(tables.batches(csv, 0))


def test_rows_to_predict(csv: Path, tmp_path: Path) -> None:
    encoder = tables.Encoder().fit(tables.read(csv))
    expected = encoder.transform(csv)
    one = tmp_path / "one.csv"
    one.write_text("\n".join(TEXT.splitlines()[:2]) + "\n")
    np.testing.assert_array_equal(encoder.transform(one), expected[:1])
    one.write_text("when;kind;x\n2024-01-02 10:01:00;v;1,25\n")
    np.testing.assert_array_equal(encoder.transform(one), expected[1:2])


def test_a_part_of_a_table(csv: Path) -> None:
    table = tables.read(csv)
    part = table.take(np.arange(10, 20))
    assert part.n_rows == 10
    assert part.y.tolist() == table.y[10:20].tolist()
    encoder = tables.Encoder().fit(table)
    np.testing.assert_array_equal(encoder.transform(part), encoder.transform(table)[10:20])
    np.testing.assert_array_equal(
        encoder.transform_target(part), encoder.transform_target(table)[10:20]
    )


def refused(path: Path, match: str, content: bytes | None = None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(tables.TableError, match=match) as error:
        tables.read(path)
    assert str(path) in str(error.value)


def test_what_is_no_table(tmp_path: Path) -> None:
    book = tmp_path / "a.xlsx"
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/workbook.xml", "x")
    refused(book, "an Excel workbook.*save the sheet as CSV")
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", TEXT)
    refused(packed, r"a zip archive with a\.csv; unpack it")
    for name, content, match in [
        ("a.png", b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        ("a.pdf", b"%PDF-1.4", "a PDF document"),
        ("a.npy", b"\x93NUMPY\x01", "np.load"),
        ("a.csv", b"<!DOCTYPE html><html>", "a web page"),
        ("b.csv", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel"),
        ("c.csv", b"\n \n", "empty"),
        ("a.arff", b"% x\n@RELATION iris\n", "an ARFF file"),
        ("d.csv", b"a,b\n1,\0\n2,3\n", "line 2"),
        ("a.bz2", b"BZh91AY", "bunzip2"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00garbage", "cannot be unpacked"),
        ("e.csv", b"a,b\n" + b"1.5,xx\n" * 300_000 + b"1,\0a\n", "line 300002: a zero byte"),
        ("f.csv", b"# a\n# b\n", "no"),
    ]:
        refused(tmp_path / name, match, content)
    with pytest.raises(FileNotFoundError, match=r"did you mean .*a\.npy"):
        tables.read(tmp_path / "a.npx")


def test_a_bomb_ends_in_an_error_within_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(tmp_path / "line.csv", "line 1 is longer than 8 MB", b"a" * 100_000_000)
    refused(tmp_path / "later.csv", "line 3", b"a,b\n1,2\n" + b"a" * 20_000_000 + b"\n1,2\n")
    wide = b",".join(b"%d" % k for k in range(1_000_000)) + b"\n"
    refused(tmp_path / "wide.csv", "1000000 columns", wide * 2)
    with gzip.open(tmp_path / "one.gz", "wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(b"a" * 2_000_000)
    refused(tmp_path / "one.gz", "line 1 is longer")
    with gzip.open(tmp_path / "rows.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"a,b,y\n")
        for _ in range(40):
            file.write(b"1.25,2.5,3.75\n" * 100_000)
    monkeypatch.setattr("backprop.tables._stream.budget", lambda: 30_000_000)
    refused(tmp_path / "rows.csv.gz", "more than half of the memory.*select")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1_000_000


def test_ragged_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = "1,2,x\n" * 30
    refused(
        path,
        r"line 32: 4 cells where there should be 3; so it is at 1 more \(63\)",
        f"a,b,c\n{good}1,2,x,4\n{good}1\n{good}".encode(),
    )
    refused(path, "line 2: 2 cells where there should be 3", f"a,b,c\n1,2\n{good}".encode())
    quoted = '"1\n2",2,x\n' * 30
    refused(path, "line 62: 2 cells", f"a,b,c\n{quoted}1,2\n{quoted}".encode())
    start = "# x\n\na,b,c\n# y\n" + "1,2,x\n" * 8
    refused(path, "line 13: 2 cells", f"{start}1,2\n{good}".encode())


def test_wrong_columns_are_named_all_at_once(csv: Path) -> None:
    with pytest.raises(tables.TableError, match="3 problems") as error:
        tables.read(csv, target="yy", drop=["kin", "zzz"])
    assert "`target`: no column 'yy'; did you mean 'y'?" in str(error.value)
    assert "`drop`: no column 'kin'; did you mean 'kind'?" in str(error.value)
    assert "'zzz'" in str(error.value)
    with pytest.raises(tables.TableError, match="2 problems") as error:
        tables.read(csv, number=["kind"], date=["id"])
    assert "column 'kind' cannot be a number: line 2 has 'u', and 89 other cells" in str(
        error.value
    )
    assert "column 'id' cannot be a date: line 2 has 'C00000'" in str(error.value)
    with pytest.raises(tables.TableError, match="'x' cannot be both weights and groups"):
        tables.read(csv, weights="x", groups="x")


def test_weights_groups_and_time(csv: Path) -> None:
    frame: dict[str, Any] = {
        "x": np.arange(60.0) ** 0.5,
        "w": np.full(60, 2.0),
        "g": ["a", "b", None] * 20,
    }
    frame |= {"t": np.arange(60.0) * 0.25, "y": [0, 1] * 30}
    table = tables.read(frame, weights="w", groups="g", time="t")
    assert [column.name for column in table.features] == ["x", "t"]
    assert table.weights is not None
    assert table.weights.tolist() == [2.0] * 60
    assert table.groups is not None
    assert table.groups[0] == table.groups[3] != table.groups[1]
    assert len(set(table.groups.tolist())) == 22
    assert table.time is not None
    assert table.time[1] == 0.25
    frame["w"][3] = -1
    with pytest.raises(tables.TableError, match="zero or above: row 4 has -1"):
        tables.read(frame, weights="w")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"task": "ranking"}, ValueError, "`task` must be"),
        ({"header": 1}, TypeError, "`header`"),
        ({"delimiter": "ab"}, ValueError, "`delimiter` must be one character"),
        ({"delimiter": 3}, TypeError, "`delimiter` must be a string"),
        ({"drop": 3.5}, TypeError, "`drop` must be a list"),
        ({"target": 2.5}, TypeError, "a column must"),
        ({"encoding": "klingon"}, ValueError, "`encoding` must be a name"),
    ],
)
def test_wrong_arguments(csv: Path, options: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        tables.read(csv, **options)


def test_a_class_with_too_many_names_needs_a_word() -> None:
    frame = {"x": np.arange(60.0) ** 0.5, "y": [f"k{k % 30}" for k in range(60)]}
    with pytest.raises(
        tables.TableError, match=r"30 different words in 60 rows.*task='classification'"
    ):
        tables.read(frame)
    assert len(tables.read(frame, task="classification").classes) == 30
    with pytest.raises(
        tables.TableError, match=r"no number at row 1 .'k0'.*regression needs numbers"
    ):
        tables.read(frame, task="regression")


def test_a_table_of_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = ",".join(f"g{k}" for k in range(6000))
    lines = [",".join(f"{(k * j + j) % 97 / 8}" for k in range(6000)) for j in range(20)]
    path.write_text(names + ",y\n" + "".join(f"{line},{j % 2}\n" for j, line in enumerate(lines)))
    table = tables.read(path)
    assert (table.n_rows, len(table.columns), table.task) == (20, 6001, "classification")
    same = ",".join("1.5" for _ in range(6000))
    path.write_text(names + ",y\n" + "".join(f"{same},{j % 2}\n" for j in range(20)))
    with pytest.raises(tables.TableError, match=r"no column is left.*6000 in all") as error:
        tables.read(path)
    assert len(str(error.value)) < 1000
