"""Habits of real tables in other clothes than the sample files'."""

import datetime
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backprop import tables

pytest.importorskip("duckdb")
pytest.importorskip("nanoarrow")

Write = Callable[..., Path]
R = random.Random(1)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def gauss() -> str:
    return f"{R.gauss(0, 1):.3f}"


def one(*words: str) -> str:
    return R.choice(words)


def uv() -> str:
    return one("u", "v")


def rows(make: Callable[[int], str], count: int = 60, end: str = "\n") -> str:
    return "".join(make(k) + end for k in range(count))


def facts(path: Path, **options: Any) -> dict[str, Any]:
    return tables.read(path, **options).facts()


# Header or none: the text, whether it has a header, and how many rows.
HEADERS = {
    "numbers and a class": ("", lambda k: f"{gauss()},{gauss()},{one('u', 'v', 'w')}", False),
    "class first": ("", lambda k: f"{uv()};{gauss()};{gauss()}", False),
    "tabs": ("", lambda k: f"{gauss()}\t{gauss()}\t{uv()}", False),
    "words only": ("", lambda k: f"{uv()},{one('s', 'm')},{one('p', 'q')}", False),
    "integers only": ("", lambda k: ",".join(one(*"123456789") for _ in range(6)), False),
    "dates first": ("", lambda k: f"2021-03-{k % 28 + 1:02d},{gauss()},{gauss()}", False),
    "a missing first cell": ("?,1.5,u\n", lambda k: f"{gauss()},{gauss()},{uv()}", False),
    "names": ("a,b,c\n", lambda k: f"{gauss()},{gauss()},{uv()}", True),
    "names of words": (
        "kind,size,sort\n",
        lambda k: f"{uv()},{one('s', 'm')},{one('p', 'q')}",
        True,
    ),
    "pandas counts": ("0,1,2,3\n", lambda k: f"{gauss()},{gauss()},{gauss()},{uv()}", True),
    "an index and counts": (",0,1,2\n", lambda k: f"{k},{gauss()},{gauss()},{gauss()}", True),
    "years": ("place,2001,2002,2003\n", lambda k: f"{uv()},{gauss()},{gauss()},{gauss()}", True),
    "quoted names with commas": (
        '"a, b","c, d","e"\n',
        lambda k: f"{gauss()},{gauss()},{uv()}",
        True,
    ),
    "a date column": ("day,v\n", lambda k: f"2021-03-{k % 28 + 1:02d},{gauss()}", True),
}


@pytest.mark.parametrize("habit", HEADERS)
def test_header(write: Write, habit: str) -> None:
    start, make, header = HEADERS[habit]
    found = facts(write(start + rows(make)))
    assert found["header"] is header
    assert found["n"] == 60 + (bool(start) and not header)
    if not header:
        assert found["target"].startswith("column ")


DIALECTS = {
    "semicolons": ("a;b;k\n", lambda k: f"{gauss()};{gauss()};{uv()}", ";"),
    "tabs": ("a\tb\tk\n", lambda k: f"{gauss()}\t{gauss()}\t{uv()}", "tab"),
    "pipes": ("a|b|k\n", lambda k: f"{gauss()}|{gauss()}|{uv()}", "|"),
    "aligned by blanks": ("", lambda k: f"  {k % 7:8.3f}  {k % 5:9.2f}   {uv()}", "spaces"),
    "blanks after commas": ("a, b, k\n", lambda k: f"{gauss()}, {gauss()}, {uv()}", ","),
    "decimal commas": ("a;b;k\n", lambda k: f"{k},5;{k % 9},25;{uv()}", ";"),
    "decimal commas, no header": ("", lambda k: f"{k},5;{k % 9},25;{uv()}", ";"),
    "thousands between tabs": ("a\tb\tk\n", lambda k: f"{k + 1},234\t{k + 2},345.5\t{uv()}", "tab"),
    "times with blanks": (
        "t,b,k\n",
        lambda k: f"2024-01-{k % 28 + 1:02d} 10:{k:02d}:00,{gauss()},{uv()}",
        ",",
    ),
}


@pytest.mark.parametrize("habit", DIALECTS)
def test_delimiter(write: Write, habit: str) -> None:
    start, make, delimiter = DIALECTS[habit]
    table = tables.read(write(start + rows(make)))
    found = table.facts()
    assert found["delimiter"] == delimiter
    assert len(table.columns) == 3
    assert found["n"] == 60
    assert set(found["classes"]) == {"u", "v"}
    assert [c.kind for c in table.columns[:2]] == [
        "date" if "times" in habit else "number",
        "number",
    ]


# What the lines around and within a table may be; all have columns a, b, c and 60 rows.
LINES = {
    "comments above": ("# x\n# y\na,b,c\n", ""),
    "comments by percent": ("% x\na,b,c\n", "% y\n"),
    "comments between": ("a,b,c\n", "# y\n"),
    "the header as a comment": ("#a,b,c\n", ""),
    "the header as the last comment": ("# exported\n# a,b,c\n", ""),
    "a title": ("Sales of 2024\n\na,b,c\n", ""),
    "blank lines": ("\n\na,b,c\n", "\n"),
    "lines of blanks": ("a,b,c\n", "   \n"),
    "a mark of UTF-8": ("\ufeffa,b,c\n", ""),
    "a line end within a name": ('"a",b,"c"\n', ""),
}


@pytest.mark.parametrize("habit", LINES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines(write: Write, habit: str, end: str) -> None:
    start, between = LINES[habit]
    body = rows(lambda k: f"{gauss()},{gauss()},{uv()}\n" + between * (k % 9 == 4), end="")
    table = tables.read(write((start + body).replace("\n", end)))
    assert table.names == ["a", "b", "c"]
    assert table.n_rows == 60
    assert table.classes == ("u", "v")


@pytest.mark.parametrize(
    ("head", "tail"), [("a,b,c,", ","), ("a,b,c", ","), ("a,b,c,", ""), ("", ",")]
)
def test_trailing_commas(write: Write, head: str, tail: str) -> None:
    body = rows(lambda k: f"{gauss()},{gauss()},{uv()}{tail}")
    table = tables.read(write((head + "\n" if head else "") + body))
    assert table.n_rows == 60
    assert table.classes == ("u", "v")
    assert len(table.features) == 2


def test_line_ends_within_single_quotes(write: Write) -> None:
    path = write("id;txt;g\n" + rows(lambda k: f"{k};'a; b\n''x'' {k}';{uv()}"))
    table = tables.read(path, drop=["id"], category="txt")
    assert table.quote == "'"
    assert table["txt"].words[3] == "a; b\n'x' 3"


def test_a_first_cell_that_starts_like_a_comment(write: Write) -> None:
    table = tables.read(
        write("colour,b,c\n" + rows(lambda k: f"{one('#f00', '#0f0', 'red')},{gauss()},{uv()}"))
    )
    assert set(table["colour"].words) == {"#f00", "#0f0", "red"}
    assert table.n_rows == 60


@pytest.mark.parametrize("end", ["\r", "mixed"])
def test_odd_line_ends(write: Write, end: str) -> None:
    lines = ["a,b", *(f"{k},{k % 2}.5" for k in range(60))]
    text = "".join(
        line + (end if end != "mixed" else "\r\n" if k % 5 else "\n")
        for k, line in enumerate(lines)
    )
    assert tables.read(write(text), number=["a"]).n_rows == 60


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("1,234.5", 1234.5),
        ("$1,234.50", 1234.5),
        ("-$3.5", -3.5),
        ("(3.5)", -3.5),
        ("3.5-", -3.5),
        ("−3.5", -3.5),
        ("+3.5", 3.5),
        ("3.5 %", 3.5),
        ("€ 3.5", 3.5),
        ("USD 3.5", 3.5),
        ("1'234.5", 1234.5),
        ("12,34,567.5", 1234567.5),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("5.", 5.0),
        ("3.5 EUR", 3.5),
        ("1 234.5", 1234.5),
    ],
)
def test_spellings_of_numbers(write: Write, spelling: str, value: float) -> None:
    path = write("a\tk\n" + rows(lambda k: f"{spelling if k % 2 else f'{k}.25'}\t{uv()}"))
    column = tables.read(path)["a"]
    assert column.kind == "number"
    assert column.numbers[1] == value
    assert column.numbers[2] == 2.25


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("1.234,5", 1234.5),
        ("3,5", 3.5),
        ("1 234,5", 1234.5),
        ("3,50 €", 3.5),
        ("-3,5", -3.5),
        ("1\u202f234,5", 1234.5),
        ("3,5%", 3.5),
        ("1.234.567,5", 1234567.5),
        ("1,5e3", 1500.0),
    ],
)
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_spellings_with_decimal_commas(
    write: Write, spelling: str, value: float, delimiter: str
) -> None:
    path = write(
        f"a{delimiter}k\n" + rows(lambda k: f"{spelling if k % 2 else f'{k},25'}{delimiter}{uv()}")
    )
    column = tables.read(path)["a"]
    assert column.kind == "number"
    assert column.numbers[1] == value
    assert column.numbers[2] == 2.25


def test_the_files_other_columns_say_what_a_comma_is(write: Write) -> None:
    body = lambda k: f"{k + 1}.{k + 100};{k},5;{uv()}"  # noqa: E731
    german = tables.read(write("a;b;k\n" + rows(body)))
    assert german["a"].numbers[0] == 1100.0
    alone = tables.read(write("a,k\n" + rows(lambda k: f'"{k + 1},{k + 100}",{uv()}'), "b.csv"))
    assert alone["a"].numbers[0] == 1100.0


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "7", "12"],
        ["0x1F", "0x20"],
        ["1_000", "2_000"],
        ["30-39", "40-49"],
        ["1.2.3", "4.5.6"],
    ],
)
def test_what_is_no_number(write: Write, cells: list[str]) -> None:
    path = write("a,k\n" + rows(lambda k: f"{cells[k % len(cells)]},{uv()}"))
    assert tables.read(path)["a"].kind == "category"


@pytest.mark.parametrize(
    "nothing",
    [
        "",
        "?",
        "NA",
        "N/A",
        "n/a",
        "null",
        "NULL",
        "NaN",
        "nan",
        "-",
        "--",
        ".",
        "#N/A",
        " ",
        "<NA>",
    ],
)
def test_spellings_of_nothing(write: Write, nothing: str) -> None:
    def make(k: int) -> str:
        return f"{nothing if k % 3 == 0 else gauss()},{nothing if k % 4 == 0 else uv()},{gauss()}"

    path = write("a,k,y\n" + rows(make))
    found = facts(path)
    assert found["missing"] == {"a": 20, "k": 15}
    assert found["kinds"] == {"a": "number", "k": "category", "y": "number"}


def test_words_that_mean_nothing_beside_numbers_only(write: Write) -> None:
    table = tables.read(
        write(
            "a,k,y\n"
            + rows(
                lambda k: f"{'unknown' if k % 3 == 0 else gauss()},{one('unknown', 'v')},{gauss()}"
            )
        )
    )
    assert table["a"].missing == 20
    assert "unknown" in table["a"].notes[0]
    assert table["k"].missing == 0


def test_a_dash_beside_a_plus_is_a_class(write: Write) -> None:
    assert facts(write("a,y\n" + rows(lambda k: f"{gauss()},{one('+', '-')}")))["classes"] == [
        "+",
        "-",
    ]


FORMATS = [
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%m/%d/%Y %I:%M %p",
    "%d.%m.%y",
    "%Y%m%d",
    "%d %B %Y",
    "%a, %d %b %Y",
    "%Y-%m-%dT%H:%M:%S+00:00",
    "%d-%m-%Y %H:%M:%S",
]


@pytest.mark.parametrize("form", FORMATS)
def test_spellings_of_dates(write: Write, form: str) -> None:
    times = [
        datetime.datetime(2019, 1, 28) + datetime.timedelta(days=5 * k, minutes=7 * k)
        for k in range(60)
    ]
    path = write("date;y\n" + "".join(f"{time.strftime(form)};{gauss()}\n" for time in times))
    column = tables.read(path)["date"]
    assert column.kind == "date"
    expected = [datetime.datetime.strptime(time.strftime(form), form) for time in times]
    expected = [time.replace(tzinfo=None) for time in expected]
    np.testing.assert_array_equal(column.values, np.array(expected, "datetime64[us]"))


def test_offsets_are_used_up(write: Write) -> None:
    path = write(
        "t,y\n" + rows(lambda k: f"2024-06-20T04:{k:02d}:00{one('+02:00', '+0200')},{gauss()}")
    )
    assert tables.read(path)["t"].values[0] == np.datetime64("2024-06-20T02:00:00")


def test_an_open_order_is_said(write: Write) -> None:
    path = write("d,y\n" + rows(lambda k: f"{k % 12 + 1}/{k % 11 + 1}/2020,{gauss()}"))
    column = tables.read(path)["d"]
    assert column.kind == "date"
    assert "month/day/year" in column.notes[0]


@pytest.mark.parametrize(
    ("name", "make", "kind", "role"),
    [
        ("PassengerId", lambda k: k + 1, "identifier", "row number"),
        ("index", lambda k: k, "identifier", "row number"),
        ("Unnamed: 0", lambda k: 3 * k + k % 2, "identifier", "row number"),
        ("No.", lambda k: k + 1, "identifier", "row number"),
        ("order_no", lambda k: 100_000 + k, "identifier", "left out"),
        ("uuid", lambda k: f"{k:08x}-1111-2222-3333-{k * 7:012x}", "identifier", "left out"),
        ("Sample ID", lambda k: 1_000_000 + 37 * k % 7919, "identifier", "left out"),
        ("ref", lambda k: f"R-{k:04d}", "identifier", "left out"),
        ("email", lambda k: f"user{k}@example.org", "identifier", "left out"),
        ("account", lambda k: 9007199254740993 + 3 * (k * 7 % 61), "identifier", "left out"),
        ("store_id", lambda k: k % 7, "category", "feature"),
        ("postcode", lambda k: 10_000 + k % 9, "category", "feature"),
        ("zip", lambda k: f"{k % 9:05d}", "category", "feature"),
        ("year", lambda k: 1900 + k, "number", "feature"),
        ("population", lambda k: 126_522 + 7919 * (k * 31 % 97), "number", "feature"),
        ("review", lambda k: f"it was good the time {k}", "text", "left out"),
        ("name", lambda k: f"Lee {k}", "text", "left out"),
        ("country", lambda k: "PT", "constant", "left out"),
        ("nothing", lambda k: "", "empty", "left out"),
        ("flag", lambda k: "x" if k % 3 else "", "category", "feature"),
        ("answer", lambda k: ["Yes", "no", "Y", "TRUE", "f"][k % 5], "category", "feature"),
        ("digit", lambda k: k % 2, "number", "feature"),
    ],
)
def test_kinds(write: Write, name: str, make: Callable[[int], Any], kind: str, role: str) -> None:
    table = tables.read(write(f"{name},v,y\n" + rows(lambda k: f"{make(k)},{gauss()},{gauss()}")))
    assert (table[name].kind, table[name].role) == (kind, role)
    if name == "answer":
        assert table[name].boolean


def test_kinds_that_the_user_says(write: Write) -> None:
    path = write("a,b,c,y\n" + rows(lambda k: f"{k % 5},{20200101 + k % 28},x{k},{gauss()}"))
    table = tables.read(path, category=["a"], date=["b"], text="c", drop=[])
    assert [c.kind for c in table.columns] == ["category", "date", "text", "number"]
    assert [c.name for c in tables.read(path, drop=["a", 2], category="c").features] == ["c"]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["007", "7"], ("007", "7")),
        (["01", "02", "2A"], ("01", "02", "2A")),
        (["9007199254740993", "9007199254740992"], ("9007199254740992", "9007199254740993")),
        (["1.0", "0.0"], ("0.0", "1.0")),
        (["yes", "no"], ("no", "yes")),
        (["10", "9", "2"], ("2", "9", "10")),
    ],
)
def test_labels_stay_what_the_file_says(
    write: Write, labels: list[str], classes: tuple[str, ...]
) -> None:
    path = write("x,y\n" + rows(lambda k: f"{gauss()},{labels[k % len(labels)]}"))
    table = tables.read(path, task="classification")
    assert table.classes == classes
    assert list(table.y[:2]) == labels[:2]


@pytest.mark.parametrize(
    ("make", "count", "task"),
    [
        (lambda k: k % 28 + 1, 4000, "regression"),
        (lambda k: k % 10, 1797, "classification"),
        (lambda k: k % 2, 60, "classification"),
        (lambda k: k % 12, 60, "regression"),
        (lambda k: f"{k % 2}.0", 60, "classification"),
        (lambda k: gauss(), 60, "regression"),
        (lambda k: f"${k},000", 60, "regression"),
        (lambda k: one("T", "F"), 60, "classification"),
    ],
)
def test_task(write: Write, make: Callable[[int], Any], count: int, task: str) -> None:
    table = tables.read(write("x\ty\n" + rows(lambda k: f"{gauss()}\t{make(k)}", count)))
    assert table.task == task
    assert table.task_reason


@pytest.mark.parametrize(
    ("names", "target"),
    [
        ("a,target,c", "target"),
        ("Label,b,c", "Label"),
        ("a,b,c", "c"),
        ("x,y,kind", "kind"),
        ("y,b,c", "y"),
        ("a,class,c", "class"),
        ("a,b,index", "b"),
    ],
)
def test_target(write: Write, names: str, target: str) -> None:
    path = write(names + "\n" + rows(lambda k: f"{gauss()},{gauss()},{gauss()}"))
    table = tables.read(path)
    assert table.target == target
    assert table.target_reason


def test_dates_and_ids_at_the_end_are_no_targets(write: Write) -> None:
    path = write("a,v,day\n" + rows(lambda k: f"{gauss()},{gauss()},2021-03-{k % 28 + 1:02d}"))
    table = tables.read(path)
    assert (table.target, table.target_reason.endswith("no date and no identifier")) == ("v", True)
    path = write("a,v,customer_id\n" + rows(lambda k: f"{gauss()},{gauss()},C{k}"))
    assert tables.read(path).target == "v"
    with pytest.raises(tables.TableError, match="'day' is a date, which cannot be learned"):
        tables.read(
            write("a,day\n" + rows(lambda k: f"{gauss()},2021-03-{k % 28 + 1:02d}")), target="day"
        )


def test_other_encodings(write: Write) -> None:
    text = "ville,prix\n" + rows(lambda k: f"{one('Orléans', 'Nîmes', 'L’Haÿ')},{gauss()}")
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        table = tables.read(write(text, encoding=encoding))
        assert set(table["ville"].words) == {"Orléans", "Nîmes", "L’Haÿ"}, encoding
    russian = "город,цена\n" + rows(lambda k: f"{one('Москва', 'Тверь')},{gauss()}")
    path = write(russian, encoding="cp1251")
    with pytest.raises(tables.TableError, match=r"line 1: byte 0xE3 is not UTF-8.*iconv"):
        tables.read(path)
    assert set(tables.read(path, encoding="cp1251")["город"].words) == {"Москва", "Тверь"}


def test_an_accent_deep_in_a_file(write: Write) -> None:
    text = "ville,prix\n" + rows(lambda k: f"Orleans,{k}.{'1' * 20}", 60_000) + "Nîmes,3\n"
    table = tables.read(write(text, encoding="latin-1"))
    assert table["ville"].words[-1] == "Nîmes"


def test_a_column_that_changes_after_the_sample(write: Write) -> None:
    text = (
        "a,b,y\n"
        + rows(lambda k: f"{k},{k}.5,{gauss()}", 300_000)
        + "7x,8,1.5\n"
        + rows(lambda k: f"{k},{k}.5,{gauss()}", 200_000)
    )
    column = tables.read(write(text))["a"]
    assert column.kind == "number"
    assert column.missing == 1
    assert "'7x' (first at row 300001)" in column.notes[0]
