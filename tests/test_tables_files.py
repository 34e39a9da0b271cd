"""Every sample file is understood as `tables/expected.json` says, or gets the error it says."""

import json
import re
from pathlib import Path

import pytest

from backprop import tables

pytest.importorskip("duckdb")
pytest.importorskip("nanoarrow")

FOLDER = Path(__file__).parent / "tables"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
ERRORS = {
    "ragged_row.csv": r"line 42: 2 cells where there should be 3",
    "header_only.csv": "no rows",
    "empty.csv": "empty",
    "all_targets_missing.csv": "the target 't' has no values",
    "one_class_only.csv": r"one class \('yes'\): nothing to learn",
    "not_text.csv": "not a table",
}
# What expected.json says in a sentence, as the kinds that the sentence allows.
KINDS = {
    "category (leading zeros: not a number)": {"category"},
    "text, all different: dropped with a line that says so": {"text"},
    "number with missing": {"number"},
    "identifier or category": {"identifier", "category"},
    "date and time": {"date"},
}


def read(name: str) -> tables.Table:
    return tables.read(FOLDER / name, target=EXPECTED[name].get("target"))


def named(names: list[str]) -> list[str]:
    return ["" if name == "the column without a name" else name for name in names]


@pytest.mark.parametrize("name", [name for name, one in EXPECTED.items() if "error" in one])
def test_a_file_that_is_no_table_gets_its_error(name: str) -> None:
    with pytest.raises(tables.TableError, match=ERRORS[name]) as error:
        read(name)
    assert name in str(error.value)


@pytest.mark.parametrize("name", [name for name, one in EXPECTED.items() if "error" not in one])
def test_a_file_is_understood(name: str) -> None:
    expected = EXPECTED[name]
    if name == "months_that_are_no_dates.csv":
        # The only column is text that all differs: there is nothing to learn from.
        with pytest.raises(tables.TableError, match=r"no column is left to learn 'Sales'.*text"):
            read(name)
        facts = tables.read(FOLDER / name, check=False).facts()
        assert (facts["header"], facts["n"], facts["task"]) == (True, 36, "regression")
        assert facts["text"] == ["Month"]
        return
    table = read(name)
    facts = table.facts()
    for key in ("header", "n", "rows_without_target", "constant", "text", "all_missing"):
        if key in expected:
            assert facts[key] == expected[key], key
    for key in ("delimiter", "quote"):
        assert key not in expected or facts[key] == expected[key]
    if "classes" in expected:
        assert len(facts["classes"]) == expected["classes"]
    if "target" in expected:
        target = expected["target"]
        assert facts["target"] == (f"column {target}" if isinstance(target, int) else target)
    if expected["task"] in ("classification", "regression"):
        assert facts["task"] == expected["task"]
    assert facts["task_reason"]
    assert set(expected.get("missing", [])) <= set(facts["missing"])
    if "row_number" in expected:
        assert facts["row_number"] == named(expected["row_number"])
    assert set(expected.get("identifier", [])) <= set(facts["identifier"])
    kinds = expected.get("kinds", {})
    if isinstance(kinds, list):
        features = [kind for name, kind in facts["kinds"].items() if name != facts["target"]]
        assert features == kinds
    else:
        for column, kind in kinds.items():
            assert facts["kinds"][column] in KINDS.get(kind, {kind}), column


def test_what_the_sentences_of_the_expectations_say() -> None:
    assert read("numbers_as_they_come.csv")["inf"].missing == 2
    latin = read("latin1.csv")
    assert set(latin["ville"].words) == {"Orléans", "Besançon", "Nîmes"}
    assert any("latin-1" in note and "iconv" in note for note in latin.notes)
    rare = read("rare_class_of_one.csv")
    assert any("one row" in note and "'z'" in note for note in rare.notes)
    german = read("semicolons_decimal_commas_bom_crlf.csv")
    assert german["preis"].numbers[0] == 2813.84
    american = read("thousands_currency_percent.tsv")
    assert american.y[0] == 510425.33
    assert american["tax"].numbers[0] == 3.9
    kept = tables.read(FOLDER / "numbers_as_they_come.csv", keep=["id"])
    assert kept["id"].words[1] == "9007199254741000"
    assert kept["id"].words[0] == "9007199254740993"


def test_describe_has_a_line_for_each_column_and_each_problem() -> None:
    table = read("ids_zips_constants_empty.csv")
    text = table.describe()
    for column in table.columns:
        assert re.search(rf"^  {column.name} +{column.kind}", text, re.MULTILINE), column.name
    assert "PT" in text
    rows = {row["name"]: row for row in table.rows()}
    assert rows["income"]["missing"] == 13
    assert rows["zip"]["distinct"] == 59
    assert rows["signup"]["range"].startswith("2023-01-05 to ")
    assert "left out" in rows["notes"]["use"]
    wrong = tables.read(FOLDER / "one_class_only.csv", check=False)
    assert "problem: the target 't' has one class" in wrong.describe()


def test_the_penguins() -> None:
    table = tables.load_penguins()
    facts = table.facts()
    assert facts["n"] == 344
    assert facts["classes"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert facts["missing"] == {
        "bill_length_mm": 2, "bill_depth_mm": 2, "flipper_length_mm": 2, "body_mass_g": 2,
        "sex": 11,
    }  # fmt: skip
    assert facts["kinds"]["island"] == facts["kinds"]["sex"] == "category"
    X = tables.Encoder().fit_transform(table)
    assert X.shape[0] == 344
