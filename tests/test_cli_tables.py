"""Tables on the command line: any table in, a model out, and next week's rows through the door."""

from __future__ import annotations

import csv
import gzip
import io as text_io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import backprop as bp
from backprop import tables

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("nanoarrow")

Run = Callable[..., tuple[int, str, str]]
FOLDER = Path(__file__).parent / "tables"
EXPECTED = json.loads((FOLDER / "expected.json").read_text("utf-8"))
ERRORS = {
    "ragged_row.csv": "line 42: 2 cells where there should be 3",
    "header_only.csv": "no rows",
    "empty.csv": "empty",
    "all_targets_missing.csv": "the target 't' has no values",
    "one_class_only.csv": "one class ('yes'): nothing to learn",
    "not_text.csv": "not a table",
    "months_that_are_no_dates.csv": "no column is left to learn 'Sales' from (Month: text)",
}
FAST = ("--epochs", 2, "--no-plot")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mixed(name: str = "shop.csv", m: int = 300, seed: int = 0) -> str:
    """An id, groups, days, numbers and words with missing cells; the class hangs on them."""
    rng = np.random.default_rng(seed)
    lines = ["order_id,customer,day,amount,town,w,paid"]
    for k in range(m):
        amount, town = rng.normal(50, 20), str(rng.choice(["Ulm", "Köln", "Bonn"]))
        paid = "yes" if amount + 20 * (town == "Ulm") + rng.normal(0, 5) > 55 else "no"
        cell = "" if rng.random() < 0.05 else f"{amount:.2f}"
        day = np.datetime64("2024-01-01") + k
        order = 9007199254740993 + 7 * k
        lines.append(f"{order},c{k % 25},{day},{cell},{town},{k % 3},{paid}")
    Path(name).write_text("\n".join(lines) + "\n", "utf-8")
    return name


# --- the sample files ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_sample_file_is_trained_on_or_gets_its_error(run: Run, name: str) -> None:
    shutil.copy(FOLDER / name, name)
    expected = EXPECTED[name]
    target = ("--target", expected["target"]) if "target" in expected else ()
    code, out, err = run("train", name, *target, *FAST)
    if name in ERRORS:
        assert (code, out) == (1, "")
        assert err.startswith(f"backprop train: error: {name}")
        assert (err.count("\n"), "Traceback" in err) == (1, False)
        assert ERRORS[name] in err
        assert os.listdir() == [name]
        return
    assert (code, err) == (0, "")
    assert f"{name}: {expected['n']} rows" in out
    path = name.partition(".")[0] + ".safetensors"
    model = bp.load(path)
    if expected["task"] in ("classification", "regression"):
        assert model.task == expected["task"]
        assert f"task: {model.task} (" in out
    if "classes" in expected:
        assert len(model.class_names) == expected["classes"]
    # What is in the file goes through the same door again.
    code, out, err = run("predict", path, name)
    assert (code, err) == (0, "")
    assert len(list(csv.reader(out.splitlines()))) == expected["n"] + 1


def test_what_was_understood_is_said(run: Run) -> None:
    shutil.copy(FOLDER / "ids_zips_constants_empty.csv", "a.csv")
    _, out, _ = run("train", "a.csv", *FAST)
    lines = out.splitlines()
    assert any(re.match(r"target: '.+' \(.+\)", line) for line in lines)
    assert any(re.match(r"task: classification \(.+\)", line) for line in lines)
    left = "\n".join(line for line in lines if line.startswith("left out: "))
    for name in ("customer_id", "notes", "country", "empty"):
        assert name in left
    shutil.copy(FOLDER / "index_written_by_pandas.csv", "b.csv")
    assert "left out: (no name) (row number" in run("train", "b.csv", *FAST)[1]
    shutil.copy(FOLDER / "na_and_target_in_the_middle.csv", "c.csv")
    out = run("train", "c.csv", "--target", "pm2.5", *FAST)[1]
    assert "note: 15 rows without a target are left out" in out
    shutil.copy(FOLDER / "rare_class_of_one.csv", "d.csv")
    assert (
        "note: classes with one row each go to training only: 'z'"
        in run("train", "d.csv", *FAST)[1]
    )


def test_closing_lines_show_what_took_how_long(run: Run) -> None:
    out = run("train", "penguins", *FAST)[1]
    found = re.search(
        r"^time: reading .* s, encoding .* s, training .* s, scoring .* s$", out, re.M
    )
    assert found is not None
    assert out.splitlines()[-1] == found[0]


# --- where tables come from ----------------------------------------------------------------------


def test_penguins(run: Run) -> None:
    code, out, err = run("train", "penguins")
    assert (code, err) == (0, "")
    assert "penguins: 344 rows, 8 columns" in out
    assert float(re.findall(r"accuracy +(\S+)", out)[0]) > 0.95
    assert Path("penguins.png").exists()
    code, out, _ = run("train", "penguins", "--target", "body_mass_g", "--out", "m.safetensors")
    assert (code, "regression" in out) == (0, True)


def test_queries_pipes_parquet_databases_and_folders(run: Run) -> None:
    mixed()
    expected = None
    Path("many").mkdir()
    text = Path("shop.csv").read_text("utf-8").splitlines(keepends=True)
    Path("many/a.csv").write_text("".join(text[:150]), "utf-8")
    Path("many/b.csv").write_text("".join([text[0], *text[150:]]), "utf-8")
    with duckdb.connect("shop.duckdb") as connection:
        connection.execute("create table orders as select * from 'shop.csv'")
        connection.execute("copy orders to 'shop2.parquet' (format parquet)")
    Path("packed.csv.gz").write_bytes(gzip.compress(Path("shop.csv").read_bytes()))
    for data, model in [
        ("shop.csv", "shop"),
        ("select * from 'shop.csv'", "query"),
        ("shop2.parquet", "shop2"),
        ("shop.duckdb::orders", "orders"),
        ("many", "many"),
        ("packed.csv.gz", "packed"),
    ]:
        code, out, err = run("train", data, "--target", "paid", *FAST)
        assert (code, err) == (0, ""), data
        assert f"model saved to {model}.safetensors" in out
        theta = bp.load(f"{model}.safetensors").network.theta
        if expected is None:
            expected = theta
        np.testing.assert_allclose(theta, expected, atol=1e-6, err_msg=data)
    code, out, _ = run(
        "train", "select amount, town, paid from 'shop.csv' where w = 1", "--target", "paid", *FAST
    )
    assert (code, "100 rows, 3 columns" in out) == (0, True)


def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed()
    content = Path("shop.csv").read_bytes()

    def pipe(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "backprop", *argv],
            input=content, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode()

    assert "standard input: 300 rows" in pipe("train", "-", "--epochs", "2", "--no-plot")
    run("train", "shop.csv", *FAST)
    assert np.array_equal(
        bp.load("stdin.safetensors").network.theta, bp.load("shop.safetensors").network.theta
    )
    assert (
        pipe("predict", "stdin.safetensors", "-")
        == run("predict", "stdin.safetensors", "shop.csv")[1]
    )


# --- options of columns --------------------------------------------------------------------------


def test_columns_are_what_the_user_says(run: Run) -> None:
    mixed()
    code, _, err = run("train", "shop.csv", "--weights", "town", *FAST)
    assert (code, "'town'" in err) == (1, True)
    options = ("--drop", 'order_id,"day"', "--category", "customer", "--number", "amount")
    code, out, err = run("train", "shop.csv", *options, "--weights", "w", *FAST)
    assert (code, err) == (0, "")
    assert "weights: 'w', no input" in out
    assert "left out: order_id, day (as you said)" in out
    model = bp.load("shop.safetensors")
    assert model.encoder.kinds == {"customer": "category", "amount": "number", "town": "category"}
    Path("run.toml").write_text(
        'data = "shop.csv"\ndrop = ["order_id", "day"]\nweights = "w"\nepochs = 2\n'
    )
    code, _, err = run("train", "--config", "run.toml", "--no-plot", "--out", "b.safetensors")
    assert (code, err) == (0, "")
    assert np.array_equal(bp.load("b.safetensors").network.theta, model.network.theta)


def test_groups_and_time_divide_the_rows(run: Run) -> None:
    mixed()
    code, out, err = run("train", "shop.csv", "--groups", "customer", *FAST)
    assert (code, err) == (0, "")
    assert "groups: 'customer', no input" in out
    table = tables.read("shop.csv", groups="customer")
    held_out = bp.load("shop.safetensors").held_out(table)
    assert not set(table.groups[held_out]) & set(table.groups[~held_out])
    assert held_out.sum() == 60
    assert run("train", "shop.csv", "--time", "day", *FAST)[0] == 0
    held_out = bp.load("shop.safetensors").held_out(table)
    assert held_out[-60:].all()
    assert not held_out[:-60].any()


def test_header_delimiter_and_task(run: Run) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f}|{b:.3f}|{k % 3}" for k, (a, b) in enumerate(rng.normal(size=(90, 2)))]
    Path("a.txt").write_text("\n".join(lines))
    code, out, _ = run("train", "a.txt", "--no-header", "--delimiter", "|", *FAST)
    assert (code, "90 rows, 3 columns" in out, "3 classes" in out) == (0, True, True)
    code, out, _ = run("train", "a.txt", "--no-header", "--task", "regression", *FAST)
    assert (code, "task: regression (as you said)" in out) == (0, True)
    code, out, _ = run("train", "a.txt", "--header", *FAST, "--target", "3")
    assert (code, "89 rows, 3 columns" in out) == (0, True)
    code, _, err = run("train", "a.txt", "--header", "--no-header")
    assert (code, "--header and --no-header cannot both be given" in err) == (1, True)


def test_options_of_tables_are_refused_for_arrays(run: Run) -> None:
    code, _, err = run("train", "digits", "--drop", "a")
    assert (code, "--drop is for tables; digits holds arrays" in err) == (1, True)
    mixed()
    code, _, err = run("train", "shop.csv", "--scale", "together")
    assert (code, "`scale` is for arrays, got 'together'" in err) == (1, True)
    assert sorted(os.listdir()) == ["shop.csv"]


def test_columns_says_a_line_a_column_and_every_problem_at_once(run: Run) -> None:
    mixed()
    code, out, err = run("columns", "shop.csv")
    assert (code, err) == (0, "")
    for name, kind in tables.read("shop.csv").facts()["kinds"].items():
        assert re.search(rf"^  {name} +({kind}|row number)", out, re.M), name
    Path("bad.csv").write_text("a,b,y\n" + "x,1,yes\n" * 30 + "z,2,yes\n")
    code, out, _ = run("columns", "bad.csv", "--number", "a")
    assert code == 1
    assert len(re.findall(r"^problem: ", out, re.M)) == 2
    code, out, _ = run("columns", "digits")
    assert (code, "pixel_0_0" in out) == (0, True)
    code, out, err = run("columns", FOLDER / "ragged_row.csv")
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_all_unusable_columns_are_in_one_message(run: Run) -> None:
    mixed()
    code, out, err = run("train", "shop.csv", "--number", "customer,town", "--date", "paid")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "'customer'" in err
    assert "'town'" in err
    assert os.listdir() == ["shop.csv"]


# --- what is refused, and what is said -----------------------------------------------------------


def test_a_class_target_with_too_many_classes_needs_a_word(run: Run) -> None:
    lines = ["x,name"] + [f"{k},n{k % 40}" for k in range(200)]
    Path("a.csv").write_text("\n".join(lines))
    code, out, err = run("train", "a.csv", *FAST)
    assert (code, out) == (1, "")
    assert "40 different words in 200 rows" in err
    assert os.listdir() == ["a.csv"]
    assert run("train", "a.csv", "--task", "classification", *FAST)[0] == 0
    assert len(bp.load("a.safetensors").class_names) == 40


def test_a_small_test_set_says_so(run: Run) -> None:
    mixed(m=60)
    out = run("train", "shop.csv", *FAST)[1]
    assert "note: 12 rows to test on are too few to say much: the accuracy may be off by " in out
    mixed("large.csv", m=400)
    assert "too few" not in run("train", "large.csv", *FAST)[1]


def test_nothing_that_is_not_ours_is_overwritten(run: Run) -> None:
    mixed()
    before = Path("shop.csv").read_bytes()
    code, out, err = run("train", "shop.csv", "--out", "shop.csv")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "shop.csv is there already and is no model that `backprop train` wrote" in err
    assert "--force" in err
    assert Path("shop.csv").read_bytes() == before
    # A network that a program saved, and a picture that somebody drew.
    bp.Network([2, 2]).save("shop.safetensors")
    assert run("train", "shop.csv")[0] == 1
    os.remove("shop.safetensors")
    Path("shop.png").write_bytes(b"\x89PNG holiday")
    code, _, err = run("train", "shop.csv", "--epochs", 1)
    assert (code, "shop.png is there already and is no picture" in err) == (1, True)
    assert Path("shop.png").read_bytes() == b"\x89PNG holiday"
    assert not Path("shop.safetensors").exists()
    assert run("train", "shop.csv", *FAST)[0] == 0
    assert run("train", "shop.csv", "--epochs", 1, "--force")[0] == 0
    # Both are its own now.
    assert run("train", "shop.csv", "--epochs", 1)[0] == 0
    Path("kept").write_text("notes")
    code, _, err = run("train", "shop.csv", "--checkpoint", "kept", *FAST)
    assert (code, "kept is there already and is no checkpoint" in err) == (1, True)
    assert Path("kept").read_text() == "notes"


# --- predict -------------------------------------------------------------------------------------


def trained(run: Run) -> str:
    mixed()
    assert run("train", "shop.csv", *FAST)[0] == 0
    return "shop.safetensors"


def test_predict_carries_columns_through(run: Run) -> None:
    model = trained(run)
    mixed("new.csv", 20, seed=1)
    code, out, err = run("predict", model, "new.csv", "--keep", "order_id,customer", "--proba")
    assert (code, err) == (0, "")
    found = list(csv.DictReader(text_io.StringIO(out)))
    assert list(found[0]) == ["order_id", "customer", "prediction", "P(no)", "P(yes)"]
    given = list(csv.DictReader(text_io.StringIO(Path("new.csv").read_text("utf-8"))))
    assert [row["order_id"] for row in found] == [row["order_id"] for row in given]
    expected = bp.load(model).predict("new.csv")
    assert [row["prediction"] for row in found] == expected.tolist()
    code, _, err = run("predict", model, "new.csv", "--keep", "order")
    assert (code, "no column 'order'" in err, "'order_id'" in err) == (1, True, True)


def test_predict_writes_parquet(run: Run) -> None:
    model = trained(run)
    code, out, err = run(
        "predict", model, "shop.csv", "--keep", "order_id", "--proba", "--out", "p.parquet"
    )
    assert (code, out, err) == (0, "", "")
    found = duckdb.sql("select * from 'p.parquet'")
    assert found.columns == ["order_id", "prediction", "P(no)", "P(yes)"]
    rows = found.fetchall()
    assert len(rows) == 300
    assert rows[1][0] == "9007199254741000"
    assert [row[1] for row in rows] == bp.load(model).predict("shop.csv").tolist()
    np.testing.assert_array_equal(
        np.array([row[2] for row in rows], np.float32),
        bp.load(model).predict_proba("shop.csv")[:, 0],
    )
    assert sorted(os.listdir()) == ["p.parquet", "shop.csv", "shop.safetensors"]


def test_predict_streams(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(run)
    _, whole, _ = run("predict", model, "shop.csv", "--keep", "order_id", "--proba")
    monkeypatch.setattr("backprop.cli._use._ROWS", 70)
    seen = []
    outputs = bp.TableModel.outputs
    monkeypatch.setattr(
        bp.TableModel, "outputs", lambda self, rows: seen.append(len(rows)) or outputs(self, rows)
    )
    _, parts, _ = run("predict", model, "shop.csv", "--keep", "order_id", "--proba")
    assert seen == [70, 70, 70, 70, 20]
    assert parts == whole


def test_predict_writes_all_or_nothing(run: Run) -> None:
    model = trained(run)
    Path("p.csv").write_text("old")
    Path("bad.csv").write_text("order_id,customer\n1,2\n")
    code, out, err = run("predict", model, "bad.csv", "--out", "p.csv")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "columns 'day', 'amount', 'town'" in err
    assert Path("p.csv").read_text() == "old"
    for out_path in ("shop.csv", model):
        code, _, err = run("predict", model, "shop.csv", "--out", out_path)
        assert (code, "--out must not be the model or DATA itself" in err) == (1, True)


def test_a_new_process_predicts_the_same_on_raw_rows(run: Run) -> None:
    model = trained(run)
    lines = "town,amount,day,w,customer,more\nRom,,2025-01-01,1,c1,?\nUlm,1e9,,0,new,x\n"
    Path("new.csv").write_text(lines)
    done = subprocess.run(
        [sys.executable, "-m", "backprop", "predict", model, "new.csv", "--proba"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    printed = [list(map(float, row[1:])) for row in csv.reader(done.stdout.splitlines()[1:])]
    expected = bp.load(model).predict_proba("new.csv")
    np.testing.assert_array_equal(np.array(printed, np.float32), expected)


# --- the other commands --------------------------------------------------------------------------


def test_evaluate_knows_the_rows_of_its_training(run: Run) -> None:
    model = trained(run)
    tested = bp.load(model).scores["accuracy"]
    code, out, err = run("evaluate", model, "shop.csv")
    assert (code, err) == (0, "")
    assert f"on the 60 held out the accuracy is {tested:.4f}" in out
    mixed("new.csv", 50, seed=1)
    text = Path("new.csv").read_text("utf-8").replace(",yes\n", ",\n", 1)
    Path("new.csv").write_text(text, "utf-8")
    code, out, _ = run("evaluate", model, "new.csv")
    assert (code, "new.csv (49 examples)" in out, "held out" in out) == (0, True, False)
    assert "note: 1 row without a target is left out" in out


def test_importance_draws_bars_for_the_rows_held_out(run: Run) -> None:
    mixed()
    run("train", "shop.csv", "--epochs", 30, "--no-plot")
    code, out, err = run("importance", "shop.safetensors", "shop.csv", "--repeats", 3)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "shop.csv: the rows held out of training (60)"
    assert re.match(r"  amount +#{30}  \d\.\d+ ± \d\.\d+$", lines[2])
    assert len(lines) == 2 + len(bp.load("shop.safetensors").encoder.names)
    mixed("new.csv", 50, seed=1)
    assert "new.csv: all rows (50)" in run("importance", "shop.safetensors", "new.csv")[1]


def test_info_says_how_a_model_came_to_be(run: Run) -> None:
    model = trained(run)
    code, out, err = run("info", model)
    assert (code, err) == (0, "")
    assert "target: 'paid', one of no, yes" in out
    for name, kind in bp.load(model).encoder.kinds.items():
        assert re.search(rf"^  {name} +{kind} +\d+ ", out, re.M)
    assert "  order_id: left out" in out
    assert re.search(r"^  epochs +2$", out, re.M)
    assert re.search(rf"^  backprop +{re.escape(bp.__version__)}$", out, re.M)
    assert re.search(r"^  date +\d{4}-\d\d-\d\dT", out, re.M)
    assert re.search(r"^  accuracy +0\.\d+$", out, re.M)
    assert "curve of 2 epochs" in out
    assert re.search(r"^  val_loss .*[▁█]", out, re.M)


def test_explain_and_diagnose_name_columns(run: Run) -> None:
    model = trained(run)
    names = bp.load(model).encoder.feature_names_out
    code, out, _ = run("explain", model, "shop.csv")
    found = re.search(r" x\[(.+)\]$", out, re.M)
    assert code == 0
    assert found is not None
    assert found[1] in names
    assert run("diagnose", model, "shop.csv")[0] == 0
    from backprop.cli._see import _with_names

    text = "column 5 of X has a root mean square of 9e4"
    assert _with_names(text, names) == text.replace("5", repr(names[5]))


def test_export_takes_the_raw_columns(run: Run) -> None:
    model = trained(run)
    code, out, err = run("export", model, "--format", "c")
    assert (code, err) == (0, "")
    assert "const char *town" in Path("shop.h").read_text()
    assert "it takes the 5 columns as they are in the data and gives the probabilities" in out
    code, out, _ = run("export", model, "--out", "plain.safetensors")
    assert (code, "the bare network" in out) == (0, True)
    assert np.array_equal(bp.load("plain.safetensors").theta, bp.load(model).network.theta)
