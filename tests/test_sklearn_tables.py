"""Estimators of tables: mixed columns straight in, and what scikit-learn asks of an estimator."""

from __future__ import annotations

import datetime
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from test_sklearn_checks import every_check

from backprop import exchange, optimizers, schedules, tables
from backprop.sklearn import TableClassifier, TableRegressor

FEW = {"max_iter": 20, "hidden_layer_sizes": (16,), "random_state": 0}
# What these estimators do not promise.
EXCEPT = {
    "check_sample_weight_equivalence_on_dense_data": (
        "medians, places of categories, batches and the rows held out know of no weights"
    ),
}
IN_FLOAT32 = {
    "check_methods_subset_invariance": "float32 is rounded to more than the 1e-7 that it allows",
    "check_methods_sample_order_invariance": "likewise",
}


@every_check(
    [TableClassifier(max_iter=30, dtype="float64"), TableRegressor(max_iter=30, dtype="float64")]
)
def test_is_an_estimator(estimator: Any, check: Any) -> None:
    if check.func.__name__ in EXCEPT:
        pytest.skip(EXCEPT[check.func.__name__])
    check(estimator)


@pytest.mark.slow
@every_check([TableClassifier(max_iter=30), TableRegressor(max_iter=30)])
def test_is_an_estimator_in_float32(estimator: Any, check: Any) -> None:
    reasons = EXCEPT | IN_FLOAT32
    if check.func.__name__ in reasons:
        pytest.skip(reasons[check.func.__name__])
    check(estimator)


def mixed(m: int = 300, seed: int = 0) -> tuple[dict[str, Any], Any, Any]:
    """Return columns of every kind, classes and quantities that depend on them."""
    rng = np.random.default_rng(seed)
    size = rng.normal(20, 5, m)
    colour = rng.choice(["red", "green", "blue"], m).astype(object)
    days = rng.integers(0, 700, m)
    fresh = rng.choice([True, False], m)
    price = 1e6 + 40 * size + 300 * (colour == "red") + 0.5 * days + 100 * fresh
    label = np.where(price > np.median(price), "dear", "cheap")
    size[::13] = np.nan
    colour[::17] = None
    day = np.datetime64("2021-01-01") + days.astype("timedelta64[D]")
    columns = {
        "id": rng.permutation(m) + 1000, "size": size, "colour": colour, "day": day,
        "fresh": fresh, "always": np.ones(m),
    }  # fmt: skip
    return columns, label, price + rng.normal(0, 20, m)


def as_frame(columns: dict[str, Any], kind: str) -> Any:
    if kind == "dict":
        return columns
    if kind == "object array":
        cells = [value.astype(object) for value in columns.values()]
        return np.stack(cells, axis=1)
    library = pytest.importorskip(kind)
    if kind == "pyarrow":
        return library.table(columns)
    if kind == "polars":
        pytest.importorskip("duckdb")
        columns = {n: list(v) if v.dtype == object else v for n, v in columns.items()}
    return library.DataFrame(columns)


@pytest.mark.parametrize("kind", ["dict", "pandas", "polars", "pyarrow", "object array"])
def test_mixed_columns_go_straight_in(kind: str) -> None:
    columns, label, price = mixed()
    X = as_frame(columns, kind)
    clf = TableClassifier(**FEW).fit(X, label)
    assert clf.score(X, label) > 0.85
    assert clf.n_features_in_ == 6
    if kind != "object array":
        assert clf.feature_names_in_.tolist() == list(columns)
        assert set(clf.left_out_) == {"id", "always"}
        assert clf.encoder_.kinds == {
            "size": "number", "colour": "category", "day": "date", "fresh": "category"
        }  # fmt: skip
    assert clf.classes_.tolist() == list(clf.encoder_.classes) == ["cheap", "dear"]
    P = clf.predict_proba(X)
    assert P.shape == (300, 2)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
    assert (clf.predict(X) == clf.classes_[P.argmax(axis=1)]).all()
    np.testing.assert_allclose(clf.predict_log_proba(X), np.log(P))
    regressor = TableRegressor(**FEW | {"max_iter": 60}).fit(X, price)
    assert regressor.score(X, price) > 0.8
    assert regressor.predict(X).dtype == np.float64


def test_columns_are_found_by_name_and_what_was_never_seen_is_no_error() -> None:
    columns, label, _ = mixed()
    clf = TableClassifier(**FEW).fit(columns, label)
    some = {name: columns[name][:20] for name in ("fresh", "day", "colour", "size")}
    expected = clf.predict_proba({name: cells[:20] for name, cells in columns.items()})
    np.testing.assert_array_equal(clf.predict_proba(some | {"more": np.zeros(20)}), expected)
    some["colour"] = np.array(["mauve", None] * 10, object)
    some["size"] = [None] * 20
    assert np.isfinite(clf.predict_proba(some)).all()
    del some["day"]
    with pytest.raises(ValueError, match="the column 'day' is missing, which the model"):
        clf.predict(some)


def test_a_column_is_of_the_kind_that_it_is_said_to_be() -> None:
    m = 200
    rng = np.random.default_rng(0)
    columns = {
        "id": rng.permutation(m),
        "zip": rng.choice([10115, 20095, 80331], m),
        "day": rng.choice(["20210103", "20210104", "20221224"], m),
    }
    y = (columns["zip"] == 20095).astype(int)
    for X, names in ((columns, list(columns)), (np.stack(list(columns.values()), axis=1), None)):
        ours = {"number": ["id"], "category": ["zip"], "date": "day"}
        if names is None:
            ours = {"number": [0], "category": [1], "date": [-1]}
        clf = TableClassifier(**FEW, **ours).fit(X, y)
        assert list(clf.encoder_.kinds.values()) == ["number", "category", "date"]
        assert not clf.left_out_
        assert clf.score(X, y) == 1.0
    for wrong, error, message in (
        ({"number": ["ID"]}, ValueError, "`number`: no column 'ID'; the columns are 'id', 'zip'"),
        ({"date": [3]}, ValueError, "`date` must be of columns 0 to 2, got 3"),
        (
            {"category": [1.5]},
            TypeError,
            "`category` must list names or places of columns, got 1.5",
        ),
        ({"number": ["id"], "date": ["id"]}, ValueError, "column 'id' cannot be both number and"),
    ):
        with pytest.raises(error, match=message):
            TableClassifier(**FEW, **wrong).fit(columns, y)


def test_all_columns_of_an_array_of_numbers_are_numbers() -> None:
    rng = np.random.default_rng(0)
    X = np.stack([np.arange(100), np.ones(100), rng.integers(0, 3, 100), rng.normal(0, 1, 100)], 1)
    y = X[:, 0] > 50
    clf = TableClassifier(**FEW).fit(X, y)
    assert set(clf.encoder_.kinds.values()) == {"number"}
    assert not clf.left_out_
    assert clf.classes_.dtype == bool
    assert clf.encoder_.transform(X).shape == (100, clf.network_.layer_sizes[0])
    X[3, 2] = np.nan
    assert clf.predict(X).shape == (100,)


@pytest.mark.parametrize(
    "labels", [["NA", "-", "?"], [" a", "a", "A"], [10, 9, 2], [1.0, 2.0, 3.0], ["yes", "no", "x"]]
)
def test_labels_stay_what_they_are(labels: list[Any]) -> None:
    y = np.array(labels * 30, object if isinstance(labels[0], str) else None)
    columns = {"y": np.tile([0.1, 0.5, 0.9], 30)}
    clf = TableClassifier(**FEW | {"max_iter": 60}).fit(columns, y)
    np.testing.assert_array_equal(clf.classes_, np.unique(y))
    assert clf.encoder_.classes == tuple(str(label) for label in np.unique(y).tolist())
    np.testing.assert_array_equal(clf.predict(columns), y)


def test_scores_on_tables_of_numbers_are_good() -> None:
    X, y = load_iris(return_X_y=True)
    scores = cross_val_score(TableClassifier(random_state=0), X, y, cv=5)
    assert scores.mean() > 0.93
    X, y = load_diabetes(return_X_y=True)
    regressor = TableRegressor(random_state=0, dropout=0.2)
    assert cross_val_score(regressor, X, y, cv=5).mean() > 0.4


def test_a_quantity_keeps_its_digits() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, 400)
    y = 2_458_849.25 + 0.01 * x
    regressor = TableRegressor(random_state=0).fit({"x": x}, y)
    assert regressor.score({"x": x}, y) > 0.99
    assert np.abs(regressor.predict({"x": x}) - y).max() < 0.02


def test_the_best_epoch_is_kept() -> None:
    columns, label, _ = mixed()
    clf = TableClassifier(**FEW | {"learning_rate_init": 0.05}).fit(columns, label)
    losses = clf.validation_loss_curve_
    assert len(losses) == len(clf.loss_curve_) == clf.n_iter_ == 20
    assert losses[clf.best_iter_ - 1] == min(losses)
    assert clf.loss_ == clf.loss_curve_[clf.best_iter_ - 1]
    _, held_out = train_test_split(
        np.arange(300), test_size=60, stratify=label, random_state=np.random.RandomState(0)
    )
    held_out = np.sort(held_out)
    rows = {name: cells[held_out] for name, cells in columns.items()}
    X = clf.encoder_.transform(rows)
    targets = (label[held_out] == "dear").astype(int)
    assert clf.network_.loss(X, targets) == pytest.approx(min(losses), rel=1e-5)
    sooner = clone(clf).set_params(n_iter_no_change=2).fit(columns, label)
    assert sooner.best_iter_ <= sooner.n_iter_ <= sooner.best_iter_ + 2
    assert sooner.n_iter_ < 20
    without = clone(clf).set_params(early_stopping=False).fit(columns, label)
    assert (without.validation_loss_curve_, without.best_iter_) == (None, 20)
    assert TableClassifier(**FEW).fit({"x": range(9)}, [0, 1, 1] * 3).validation_loss_curve_ is None


def test_settings_reach_the_training(capsys: pytest.CaptureFixture[str]) -> None:
    columns, label, _ = mixed()
    settings = [
        {"solver": "adamw", "alpha": 0.1},
        {"solver": "adamw", "alpha": 0.2},
        {"solver": optimizers.Lion(), "learning_rate": schedules.Cosine(warmup=2)},
        {"solver": "sgd", "alpha": 0.1, "learning_rate": "constant"},
        {"dropout": 0.3},
        {"label_smoothing": 0.0},
        {"batch_size": 300},
        {"activation": ["tanh"]},
        {"beta_2": 0.9},
        {"random_state": 1},
        {"early_stopping": False},
        {"early_stopping": False, "random_state": 1},
        {"n_threads": 1, "verbose": True},
    ]
    plain = TableClassifier(**FEW | {"max_iter": 3})
    curves = [
        clone(plain).set_params(**one).fit(columns, label).loss_curve_ for one in ({}, *settings)
    ]
    # Threads change nothing.
    assert curves.pop() == curves[0]
    assert len({tuple(curve) for curve in curves}) == len(settings)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in printed] == ["Iteration 1", "Iteration 2", "Iteration 3"]
    assert all("validation loss = " in line for line in printed)


def test_rows_held_out_are_not_learned_from() -> None:
    x = np.random.default_rng(0).normal(0, 1, 100)
    columns, y = {"x": x, "kind": np.array(["a"] * 50 + ["b"] * 50)}, x > 0
    clf = TableClassifier(**FEW).fit(columns, y)
    train, _ = train_test_split(
        np.arange(100), test_size=20, stratify=y, random_state=np.random.RandomState(0)
    )
    _, arrays = clf.encoder_.to_state()
    assert arrays["medians"][0] == np.median(x[train]) != np.median(x)


def test_weights_count() -> None:
    columns, label, price = mixed()
    weights = np.where(label == "dear", 50.0, 1.0)
    plain = TableClassifier(**FEW).fit(columns, label)
    heavy = TableClassifier(**FEW).fit(columns, label, sample_weight=weights)
    assert heavy.predict_proba(columns)[:, 1].mean() > plain.predict_proba(columns)[:, 1].mean()
    TableRegressor(**FEW).fit(columns, price, sample_weight=weights)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        TableRegressor(**FEW).fit(columns, price, sample_weight=-weights)
    with pytest.raises(ValueError, match="at least one non-zero number"):
        TableRegressor(**FEW).fit(columns, price, sample_weight=np.zeros(300))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_pipelines_and_searches_take_frames(kind: str) -> None:
    columns, label, _ = mixed(120)
    X = as_frame(columns, kind)
    pipe = Pipeline([("same", FunctionTransformer()), ("table", TableClassifier(**FEW))])
    search = GridSearchCV(pipe, {"table__activation": ["relu", "selu"]}, cv=2).fit(X, label)
    assert search.best_score_ > 0.6
    assert search.predict(X).shape == (120,)


def test_a_pickle_answers_alike() -> None:
    columns, label, price = mixed()
    for estimator, y in ((TableClassifier(**FEW), label), (TableRegressor(**FEW), price)):
        fitted = estimator.fit(columns, y)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(columns), fitted.predict(columns))
        same = clone(fitted).fit(columns, y)
        np.testing.assert_array_equal(same.predict(columns), fitted.predict(columns))


def test_it_leaves_as_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    table = tables.load_penguins()
    columns = {name: table[name].values for name in ("bill_length_mm", "sex", "flipper_length_mm")}
    clf = TableClassifier(**FEW).fit(columns, table.y)
    exchange.table_to_onnx(clf.network_, clf.encoder_, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    feeds = {
        name: np.array(["" if cell is None else cell for cell in cells], cells.dtype)[:, None]
        for name, cells in columns.items()
    }
    labels, P = session.run(["label", "probabilities"], feeds)
    assert labels.tolist() == clf.predict(columns).tolist()
    np.testing.assert_allclose(P, clf.predict_proba(columns), rtol=1e-5)


def test_what_cannot_be_used_is_refused() -> None:
    columns, label, price = mixed()
    clf, regressor = TableClassifier(**FEW), TableRegressor(**FEW)
    X = np.eye(10)
    with pytest.raises(NotFittedError):
        clf.predict(columns)
    with pytest.raises(TypeError, match=r"Sparse data was passed.*Use '.toarray\(\)' to convert"):
        clf.fit(sparse.csr_matrix(X), [0, 1] * 5)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        clf.fit(X, [0, 1] * 5).predict(sparse.dok_array(X))
    with pytest.raises(TypeError, match="X must be an array or a frame, as in fit"):
        clf.predict({"a": [1]})
    with pytest.raises(ValueError, match="y must have two classes or more, got 1 class, 'a'"):
        clf.fit(columns, ["a"] * 300)
    with pytest.raises(ValueError, match="is always 5: nothing to learn"):
        regressor.fit(columns, np.full(300, 5))
    with pytest.raises(ValueError, match="requires y to be passed"):
        clf.fit(columns, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.fit(columns, label[:-1])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        clf.fit(columns, price)
    with pytest.raises(ValueError, match="y should be a 1d array, got an array of shape"):
        regressor.fit(columns, np.stack([price, price], axis=1))
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        regressor.fit(columns, price[:, None])
    with pytest.raises(ValueError, match="no column is left to learn 'target' from"):
        clf.fit({"always": np.ones(300), "id": np.arange(300)}, label)
    with pytest.raises(ValueError, match="columns"):
        clf.fit({}, label)
    with pytest.raises(ValueError, match="The 'solver' parameter of TableClassifier must be"):
        TableClassifier(solver="lbfgs").fit(columns, label)


def test_the_target_gives_way_to_a_column_of_its_name() -> None:
    columns, label, _ = mixed()
    columns["target"] = columns.pop("size")
    clf = TableClassifier(**FEW).fit(columns, label)
    assert clf.encoder_.target == "target_"
    pandas = pytest.importorskip("pandas")
    assert (
        TableClassifier(**FEW).fit(columns, pandas.Series(label, name="kind")).encoder_.target
        == "kind"
    )


def test_frames_and_arrays_may_be_mixed_by_place() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = rng.normal(0, 1, (100, 3))
    y = X[:, 0] > 0
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    by_name = TableClassifier(**FEW).fit(frame, y)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        found = by_name.predict_proba(X)
    np.testing.assert_array_equal(found, by_name.predict_proba(frame))
    by_place = TableClassifier(**FEW).fit(X, y)
    with pytest.warns(UserWarning, match="X has feature names, but"):
        found = by_place.predict_proba(frame)
    np.testing.assert_array_equal(found, by_place.predict_proba(X))


def test_dates_of_the_standard_library_are_dates() -> None:
    days = [datetime.date(2021, 1, 1) + datetime.timedelta(days=7 * k) for k in range(60)]
    y = [day.month > 6 for day in days]
    clf = TableClassifier(**FEW | {"max_iter": 100}).fit({"day": days}, y)
    assert clf.encoder_.kinds == {"day": "date"}
    assert clf.score({"day": days}, y) > 0.9
