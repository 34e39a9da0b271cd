"""A model is a network with its columns: what goes in, what comes out, and what is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop as bp
from backprop import io, tables
from backprop.data import Dataset, Standardizer
from backprop.model import ClassificationReport, RegressionReport, split

pytest.importorskip("duckdb")
pytest.importorskip("nanoarrow")


def rows(m: int = 400, seed: int = 0) -> dict[str, Any]:
    """Mixed columns, some cells missing; price and kind hang on them."""
    rng = np.random.default_rng(seed)
    size = rng.normal(100, 30, m)
    town = rng.choice(["Ulm", "Bonn", "Köln"], m)
    day = np.datetime64("2020-01-01") + rng.integers(0, 900, m)
    price = 2.4e6 + 1000 * size + 50_000 * (town == "Bonn") + rng.normal(0, 1000, m)
    size[rng.random(m) < 0.05] = np.nan
    return {
        "id": np.arange(m) + 2**53,
        "size": size,
        "town": np.where(rng.random(m) < 0.05, None, town.astype(object)).tolist(),
        "sold": day,
        "garden": [bool(x) for x in rng.random(m) < 0.5],
        "price": price,
        "kind": np.where(price > np.median(price), "dear", "cheap").tolist(),
    }


@pytest.fixture(scope="module")
def classifier() -> bp.TableModel:
    return bp.TableModel.fit(rows(), target="kind", reading={"drop": ["price"]}, epochs=30)


@pytest.fixture(scope="module")
def regressor() -> bp.TableModel:
    return bp.TableModel.fit(
        rows(), target="price", reading={"drop": ["kind"]}, epochs=60, dtype="float64"
    )


def test_it_learns_and_says_what_it_is(classifier: bp.TableModel) -> None:
    assert classifier.task == "classification"
    assert (classifier.target, classifier.class_names) == ("kind", ("cheap", "dear"))
    assert classifier.encoder.names == ["size", "town", "sold", "garden"]
    assert classifier.scores["accuracy"] > 0.8
    assert set(classifier.scores) >= {"roc_auc", "balanced_accuracy", "f1", "loss"}
    assert classifier.history.epochs == 30
    assert classifier.settings["lr"] == 0.1
    assert classifier.versions["backprop"] == bp.__version__
    assert "4 columns to 2 classes of 'kind'" in repr(classifier)


def test_answers_have_the_terms_of_the_target(
    classifier: bp.TableModel, regressor: bp.TableModel
) -> None:
    some = rows(50, seed=1)
    answers = classifier.predict(some)
    assert set(answers) == {"cheap", "dear"}
    P = classifier.predict_proba(some)
    assert P.shape == (50, 2)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
    assert np.array_equal(np.array(classifier.class_names)[P.argmax(axis=1)], answers)
    prices = regressor.predict(some)
    assert prices.dtype == np.float64
    residual = prices - some["price"]
    assert regressor.scores["r2"] > 0.8
    assert np.sqrt(np.mean(residual**2)) < 0.7 * np.std(some["price"])
    with pytest.raises(ValueError, match="predicts no classes"):
        regressor.predict_proba(some)


def test_a_quantity_keeps_its_fraction() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    day = 2_460_000.5 + 0.01 * x
    model = bp.TableModel.fit({"x": x, "day": day}, target="day", epochs=60)
    # float32 has steps of a quarter of a day there.
    assert np.abs(model.predict({"x": x}) - day).max() < 0.005


@pytest.mark.parametrize("change", ["order", "extra", "float32", "words", "object"])
def test_rows_as_people_have_them(classifier: bp.TableModel, change: str) -> None:
    some = rows(60, seed=2)
    expected = classifier.predict_proba(some)
    other: dict[str, Any] = {
        "order": dict(reversed(some.items())),
        "extra": {"note": ["?"] * 60, **some},
        "float32": {**some, "size": some["size"].astype(np.float32)},
        "words": {**some, "size": [None if x != x else repr(float(x)) for x in some["size"]]},
        "object": {**some, "size": np.array(some["size"], dtype=object)},
    }[change]
    np.testing.assert_allclose(classifier.predict_proba(other), expected, rtol=1e-4)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(classifier: bp.TableModel, library: str) -> None:
    frames = pytest.importorskip(library)
    some = rows(60, seed=2)
    frame = frames.DataFrame(some)
    np.testing.assert_array_equal(classifier.predict(frame), classifier.predict(some))


def test_files_and_tables(classifier: bp.TableModel, tmp_path: Path) -> None:
    some = rows(60, seed=2)
    path = tmp_path / "rows.csv"
    lines = [",".join(some)]
    lines += [
        ",".join("" if x is None or x != x else str(x) for x in row)
        for row in zip(*some.values(), strict=True)
    ]
    path.write_text("\n".join(lines), "utf-8")
    expected = classifier.predict(some)
    np.testing.assert_array_equal(classifier.predict(path), expected)
    np.testing.assert_array_equal(classifier.predict(tables.read(path)), expected)


def test_one_row_and_a_list_of_rows(classifier: bp.TableModel) -> None:
    one = {"size": 150.0, "town": "Bonn", "sold": "2020-05-01", "garden": True}
    assert classifier.predict(one).tolist() == ["dear"]
    two = [one, {"size": 20.0, "sold": "2020-05-01", "garden": False}]
    assert classifier.predict(two).tolist() == ["dear", "cheap"]


def test_a_missing_column_is_named(classifier: bp.TableModel) -> None:
    some = rows(5)
    del some["size"], some["sold"]
    with pytest.raises(tables.TableError, match="columns 'size', 'sold' are missing"):
        classifier.predict(some)


def test_an_unseen_category_is_answered_and_odd_words_are_named(
    classifier: bp.TableModel,
) -> None:
    some = rows(5)
    assert len(classifier.predict({**some, "town": ["Rom"] * 5})) == 5
    with pytest.raises(tables.TableError, match=r"column 'size' held numbers .*'large'"):
        classifier.predict({**some, "size": ["large"] * 5})


def test_a_matrix_is_no_table(classifier: bp.TableModel) -> None:
    with pytest.raises(tables.TableError, match="are missing"):
        classifier.predict(np.ones((3, 4)))


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", ["kind", "price"])
def test_a_file_gives_it_back_in_a_new_process(tmp_path: Path, target: str, dtype: str) -> None:
    other = "price" if target == "kind" else "kind"
    model = bp.TableModel.fit(
        rows(), target=target, reading={"drop": [other]}, epochs=5, dtype=dtype
    )
    path, data, out = (str(tmp_path / name) for name in ("m.safetensors", "new.csv", "out.npy"))
    model.save(path)
    lines = ["garden,town,size,sold"]
    lines += ["yes,Rom,,2020-02-03", "no,Bonn,90.5,", "true,,1e300,2031-01-01"]
    Path(data).write_text("\n".join(lines), "utf-8")
    code = (
        "import sys, numpy as np, backprop as bp\n"
        "model = bp.load(sys.argv[1])\n"
        "assert type(model) is bp.TableModel and type(model.network) is bp.Network\n"
        "np.save(sys.argv[3], model.outputs(sys.argv[2]))\n"
        "print(*model.predict(sys.argv[2]).tolist(), sep='|')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path, data, out],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(out), model.outputs(data))
    assert done.stdout.strip() == "|".join(map(str, model.predict(data).tolist()))
    found = bp.load(path)
    assert isinstance(found, bp.TableModel)
    assert found.scores == model.scores
    assert dict(found.history) == dict(model.history)
    assert (found.settings["epochs"], found.versions) == (5, model.versions)
    assert found.columns == model.columns
    assert found.encoder.target_scale == model.encoder.target_scale


def test_all_that_was_learned_is_arrays_and_json(classifier: bp.TableModel, tmp_path: Path) -> None:
    classifier.save(tmp_path / "m.safetensors")
    saved = io.read(tmp_path / "m.safetensors")
    about = json.loads(saved.metadata["backprop.model"])
    assert [one["name"] for one in about["encoder"]["columns"]] == classifier.encoder.names
    assert saved.tensors["encoder.medians"].dtype == np.float64
    assert np.array_equal(saved.network.theta, classifier.network.theta)


def test_bare_networks_still_load(tmp_path: Path) -> None:
    net = bp.Network([3, 2])
    net.save(tmp_path / "n.safetensors")
    assert type(bp.load(tmp_path / "n.safetensors")) is bp.Network
    with pytest.raises(ValueError, match="a network without columns"):
        bp.TableModel.load(tmp_path / "n.safetensors")


def old_model(path: Path) -> tuple[bp.Network, Standardizer, Standardizer]:
    """What the command line of earlier versions saved."""
    net = bp.Network([2, 5, 1], output="linear", seed=1)
    scaler = Standardizer(np.array([100.0, 3.0]), np.array([20.0, 0.5]))
    target = Standardizer(np.array([250_000.0]), np.array([80_000.0]))
    about = {
        "class_names": [], "feature_names": ["size", "rooms"], "target_name": "price",
        "options": {"lr": 0.01},
    }  # fmt: skip
    parts = {"scaler": scaler, "target_scaler": target}
    tensors = {f"{name}.mean": one.mean for name, one in parts.items()}
    tensors |= {f"{name}.scale": one.scale for name, one in parts.items()}
    net.save(path, metadata={"backprop.cli": json.dumps(about)}, tensors=tensors)
    return net, scaler, target


def test_models_of_the_old_command_line_answer_with_their_scaler(tmp_path: Path) -> None:
    net, scaler, target = old_model(tmp_path / "old.safetensors")
    model = bp.load(tmp_path / "old.safetensors")
    X = np.array([[120.0, 4.0], [60.0, 2.0]])
    expected = target.inverse_transform(net.forward(scaler.transform(X)))[:, 0]
    np.testing.assert_array_equal(model.predict(X), expected)
    named = {"price": [0, 0], "rooms": X[:, 1], "size": X[:, 0]}
    np.testing.assert_array_equal(model.predict(named), expected)
    assert model.settings["lr"] == 0.01
    assert io.read(tmp_path / "old.safetensors").network.layer_sizes == (2, 5, 1)
    with pytest.raises(tables.TableError, match="column 'rooms' is missing"):
        model.predict({"size": [1.0]})
    with pytest.raises(tables.TableError, match=r"a number is missing in column 'rooms', row 1"):
        model.predict({"size": [1.0], "rooms": [None]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: "{", "its metadata 'backprop.model' is damaged"),
        (lambda about: json.dumps({**about, "format": 99}), "upgrade backprop"),
        (lambda about: json.dumps({**about, "kind": "tree"}), "is damaged"),
        (lambda about: json.dumps({**about, "encoder": {}}), "is damaged"),
        (lambda about: json.dumps({**about, "history": 3}), "is damaged"),
    ],
)
def test_damaged_files_are_refused(
    classifier: bp.TableModel, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "m.safetensors"
    classifier.save(path)
    saved = io.read(path)
    text = change(json.loads(saved.metadata["backprop.model"]))
    saved.network.save(path, metadata={"backprop.model": text}, tensors=saved.tensors)
    with pytest.raises(ValueError, match=message):
        bp.load(path)


# --- scores --------------------------------------------------------------------------------------


def test_evaluate_leaves_out_rows_without_target(regressor: bp.TableModel) -> None:
    some = rows(60, seed=3)
    whole = regressor.evaluate(some)
    assert isinstance(whole, RegressionReport)
    np.testing.assert_allclose(whole.y, some["price"], rtol=1e-12)
    np.testing.assert_array_equal(whole.predicted, regressor.predict(some))
    some["price"][:10] = np.nan
    assert len(regressor.evaluate(some).y) == 50
    given = regressor.evaluate({k: v for k, v in some.items() if k != "price"}, some["price"])
    assert given.scores == regressor.evaluate(some).scores
    with pytest.raises(ValueError, match="one target for each of the 60 rows, got 3"):
        regressor.evaluate(some, [1.0, 2.0, 3.0])


def test_classes_are_scored_by_more_than_accuracy() -> None:
    y = np.array([0] * 94 + [1] * 6)
    P = np.full((100, 2), [0.9, 0.1])
    P[97:] = [0.2, 0.8]
    report = ClassificationReport.of(0.1, y, P.argmax(axis=1), ["no", "yes"], P)
    assert report.accuracy == 0.97
    assert report.commonest == 0.94
    assert report.balanced_accuracy == 0.75
    assert report.f1 == pytest.approx((2 * 94 / 191 + 2 * 3 / 9) / 2)
    assert report.auc == pytest.approx(0.75)
    metrics = pytest.importorskip("sklearn.metrics")
    assert report.auc == pytest.approx(metrics.roc_auc_score(y, P[:, 1]))
    assert report.f1 == pytest.approx(metrics.f1_score(y, P.argmax(axis=1), average="macro"))
    assert "area under the ROC" in str(report)


def test_classes_of_a_subset_can_be_evaluated() -> None:
    rng = np.random.default_rng(0)
    y = np.array(["01", "02", "2A"])[np.arange(90) % 3]
    x = np.arange(90) % 3 + 0.1 * rng.normal(size=90)
    model = bp.TableModel.fit({"x": x, "y": y}, target="y", epochs=20)
    assert model.class_names == ("01", "02", "2A")
    some = y != "2A"
    report = model.evaluate({"x": x[some], "y": y[some]})
    assert report.confusion.sum() == 60
    assert report.accuracy > 0.9


def test_importance_finds_what_counts_and_its_spread(
    classifier: bp.TableModel, regressor: bp.TableModel
) -> None:
    some = rows(300, seed=4)
    found = classifier.importance(some)
    assert found.names[0] == "size"
    assert set(found.names) == {"size", "town", "sold", "garden"}
    assert found.values.shape == (4, 5)
    assert found.mean[0] > 5 * abs(found.mean[found.names.index("garden")])
    assert found.spread[0] > 0
    again = classifier.importance(some, n_repeats=5, seed=0)
    assert np.array_equal(found.values, again.values)
    assert "±" in str(found)
    assert "#" * 30 in str(found)
    prices = regressor.importance(some)
    assert (prices.names[:2], prices.quantity) == (("size", "town"), "decrease of R2")
    with pytest.raises(ValueError, match="`n_repeats` must be a whole number of at least 1"):
        classifier.importance(some, n_repeats=0)


def test_importance_is_that_of_the_raw_columns(regressor: bp.TableModel) -> None:
    some = rows(200, seed=4)
    found = regressor.importance(some, n_repeats=200)
    # By hand: shuffle the cells themselves.
    rng = np.random.default_rng(1)
    before = regressor.evaluate(some).r2
    lost = []
    for _ in range(50):
        shuffled = {**some, "size": rng.permutation(some["size"])}
        lost.append(before - regressor.evaluate(shuffled).r2)
    place = found.names.index("size")
    assert found.mean[place] == pytest.approx(np.mean(lost), abs=4 * np.std(lost) / 50**0.5)


def test_the_rows_held_out_are_known_again(classifier: bp.TableModel, tmp_path: Path) -> None:
    classifier.save(tmp_path / "m.safetensors")
    model = bp.load(tmp_path / "m.safetensors")
    table = tables.read(rows(), target="kind")
    held_out = model.held_out(table)
    assert held_out is not None
    assert held_out.sum() == 80
    scores = model.evaluate(table.take(held_out)).scores
    assert scores == pytest.approx(model.scores)
    assert model.held_out(tables.read(rows(seed=9), target="kind")) is None
    assert model.held_out(table.take(slice(10))) is None


# --- splits --------------------------------------------------------------------------------------


def test_no_group_is_on_both_sides() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 30, 500)
    parts = split(rng.normal(size=500), classes=False, groups=groups)
    sides = [set(groups[part].tolist()) for part in parts]
    assert all(len(part) for part in parts)
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(map(len, parts)) == 500
    assert 60 <= len(parts.test) <= 100
    with pytest.raises(ValueError, match="1 group of 500 rows cannot be divided"):
        split(np.zeros(500), classes=False, groups=np.zeros(500, np.int64))


def test_what_is_tested_on_lies_after_what_was_learned_from() -> None:
    rng = np.random.default_rng(0)
    time = rng.permutation(200).astype(float)
    time[:5] = np.nan
    parts = split(np.arange(200), classes=False, time=time)
    assert np.nanmax(time[parts.train]) < time[parts.watched].min()
    assert time[parts.watched].max() < time[parts.test].min()
    assert set(range(5)) <= set(parts.train.tolist())
    assert len(parts.test) == 40


def test_a_class_of_one_row_is_trained_on() -> None:
    y = np.array([0] * 50 + [1] * 49 + [2])
    for seed in range(20):
        parts = split(y, classes=True, seed=seed)
        assert 99 in parts.train
        assert sorted(np.concatenate(parts).tolist()) == list(range(100))


def test_weights_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    fit = bp.Network.fit

    def spy(self: bp.Network, X: Any, y: Any, **settings: Any) -> Any:
        seen.update(settings)
        return fit(self, X, y, **settings)

    monkeypatch.setattr(bp.Network, "fit", spy)
    some = rows()
    some["w"] = np.arange(400) % 7
    model = bp.TableModel.fit(
        some, target="price", reading={"weights": "w", "drop": ["kind"]}, epochs=1
    )
    assert "w" not in model.encoder.names
    assert set(seen["sample_weight"].tolist()) == set(range(7))
    assert len(seen["validation"]) == 3


# --- arguments -----------------------------------------------------------------------------------


def test_what_a_fit_refuses() -> None:
    some = rows()
    with pytest.raises(ValueError, match="`loss` must be one of cross_entropy for classification"):
        bp.TableModel.fit(some, target="kind", loss="huber")
    with pytest.raises(ValueError, match="have no place beside a table that was read"):
        bp.TableModel.fit(tables.read(some, target="kind"), target="price")
    with pytest.raises(tables.TableError, match="no column 'kinds'; did you mean 'kind'"):
        bp.TableModel.fit(some, target="kinds")
    with pytest.raises(ValueError, match="`class_weight` must be one of cheap, dear"):
        bp.TableModel.fit(some, target="kind", class_weight={"odd": 2.0})
    with pytest.raises(ValueError, match="`encoder` must give the 3 features"):
        bp.TableModel(bp.Network([3, 2]), tables.Encoder().fit(tables.read(some, target="kind")))


def test_counts_are_not_scaled() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    counts = rng.poisson(np.exp(1 + x))
    model = bp.TableModel.fit(
        {"x": x, "n": counts}, target="n", task="regression", loss="poisson", epochs=30
    )
    assert model.network.output_name == "exp"
    assert model.encoder.target_scale == (0.0, 1.0)
    assert model.scores["r2"] > 0.5


def test_arrays_have_a_model_too() -> None:
    digits = bp.data.load_digits()
    model = bp.TableModel.fit(digits, epochs=3)
    assert model.predict(digits.X[:3]).tolist() == ["0", "1", "2"]
    assert model.evaluate(digits).accuracy > 0.9
    assert model.evaluate(digits.X, digits.y).accuracy > 0.9
    with pytest.raises(ValueError, match="must have 64 features"):
        model.predict(np.ones((2, 3)))
    with pytest.raises(ValueError, match="has no target"):
        bp.TableModel.fit(Dataset(np.ones((4, 2)), None, "no y"))
