"""What people have their data in: frames, series and categoricals, sparse matrices, text."""

import copy
import pickle

import numpy as np
import pytest
from cases import make_case

import backprop as bp
from backprop.data import encode_labels, infer_task, split_indices, train_test_split

# Histories


def trained():
    net, X, y = make_case("tanh", "softmax", 1)
    return net.fit(X, y, epochs=3, validation=(X, y))


def test_a_history_is_a_dict_and_stays_one():
    history = trained()
    assert isinstance(history, dict)
    assert list(history) == ["loss", "val_loss", "val_accuracy"]
    assert dict(history) == {name: history[name] for name in history}
    for twin in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert type(twin) is bp.History
        assert twin == history
        assert twin.epochs == 3
    assert repr(bp.History({"loss": [2.0]})) == "History(1 epoch, loss 2 -> 2)"


def test_a_history_of_an_earlier_version_is_unpickled():
    old = bp.History.__new__(bp.History)
    old.__setstate__({"_values": {"loss": [1.0, 0.5]}})
    assert old["loss"] == [1.0, 0.5]
    assert old.epochs == 2


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_of_a_history_has_a_column_for_each_name(library):
    frames = pytest.importorskip(library)
    history = trained()
    frame = frames.DataFrame(history)
    assert frame.shape == (3, 3)
    assert list(frame.columns) == list(history)
    assert list(frame["val_loss"]) == history["val_loss"]


# Labels


def series_of_text(kind):
    pandas = pytest.importorskip("pandas")
    text = ["b", "a", "c"] * 20
    index = range(1000, 940, -1)
    return {
        "object": lambda: pandas.Series(text, dtype=object, index=index),
        "str": lambda: pandas.Series(text, dtype="str", index=index),
        "string": lambda: pandas.Series(text, dtype="string", index=index),
        "category": lambda: pandas.Series(text, dtype="category", index=index),
        "objects": lambda: np.array(text, dtype=object),
        "polars": lambda: pytest.importorskip("polars").Series(text),
    }[kind]()


KINDS = ["object", "str", "string", "category", "objects", "polars"]


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_any_kind_is_encoded(kind):
    labels, names = encode_labels(series_of_text(kind))
    assert names == ("a", "b", "c")
    np.testing.assert_array_equal(labels, [1, 0, 2] * 20)
    assert labels.dtype == np.int64
    assert encode_labels(series_of_text(kind), ("c", "b", "a"))[0].tolist() == [1, 2, 0] * 20
    assert infer_task(series_of_text(kind)) == "classification"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stratify", [None, True])
def test_text_of_any_kind_is_stratified(kind, stratify):
    """Twelve held-out examples of three equal classes: four of each."""
    y = series_of_text(kind)
    X = np.arange(60)[:, None]
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=12, stratify=stratify, seed=3
    )
    assert sorted(map(str, y_test)) == ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    np.testing.assert_array_equal(np.asarray(y)[X_test[:, 0]], y_test)
    np.testing.assert_array_equal(np.asarray(y)[X_train[:, 0]], y_train)
    train, test = split_indices(y, 12, stratify=stratify, seed=3)
    np.testing.assert_array_equal(test, X_test[:, 0])
    np.testing.assert_array_equal(train, X_train[:, 0])


def test_numbers_with_an_odd_index_are_split_by_place():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series([0, 1] * 10, index=range(19, -1, -1))
    for a, b in zip(
        split_indices(y, 0.25), split_indices(np.array([0, 1] * 10), 0.25), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64"])
def test_nullable_numbers_are_classes_too(dtype):
    pandas = pytest.importorskip("pandas")
    labels, names = encode_labels(pandas.Series([1, 0, 1, 1], dtype=dtype))
    assert labels.tolist() == [1, 0, 1, 1]
    assert names == (("False", "True") if dtype == "boolean" else ("0", "1"))


def test_other_classes_may_stratify():
    group = np.array(["x", "y"] * 10, dtype=object)
    *_, held = train_test_split(np.zeros((20, 1)), np.arange(20.0), test_size=4, stratify=group)
    assert sorted(held % 2) == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="`stratify` must be True, False, or one class for each"):
        train_test_split(np.zeros((20, 1)), np.arange(20.0), stratify=group[:3])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (["a", None], ValueError, "`y` must hold a class for each example, got None in row 1"),
        (["a", float("nan")], ValueError, "got nan in row 1; fill the missing values"),
        (["a", 1], TypeError, "`y` must hold numbers or text, got objects of int, str"),
        ([{}, {}], TypeError, "got objects of dict"),
    ],
)
def test_objects_that_are_no_classes_are_refused(values, error, message):
    y = np.array(values, dtype=object)
    with pytest.raises(error, match=message):
        encode_labels(y)
    with pytest.raises(error, match=message):
        train_test_split(np.zeros((2, 1)), y, test_size=1, stratify=True)


def test_infinity_is_no_class():
    with pytest.raises(ValueError, match="`y` must hold whole numbers or text to be classes, got"):
        encode_labels([0.0, np.inf])


# Frames with holes


def frame_with_a_hole(library, value=float("nan")):
    frames = pytest.importorskip(library)
    data = {"age": [1.0, 2.0, 3.0], "height": [1.0, value, value]}
    if library == "pandas":
        return frames.DataFrame(data, index=["anna", "bert", "carl"]), "'bert'"
    return frames.DataFrame(data), "1"


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize(("value", "what"), [(float("nan"), "NaN"), (float("inf"), "infinity")])
@pytest.mark.parametrize("call", ["forward", "loss", "fit", "validation", "batches"])
def test_a_missing_number_is_found_by_the_names_of_the_frame(library, value, what, call):
    frame, row = frame_with_a_hole(library, value)
    net = bp.Network([2, 3, 1], output="linear")
    before, y = net.theta.copy(), [1.0, 2.0, 3.0]
    message = f"`X` must be finite, got {what} in column 'height', row {row}, the first of 2 rows"
    with pytest.raises(ValueError, match=message):
        {
            "forward": lambda: net.forward(frame),
            "loss": lambda: net.loss(frame, y),
            "fit": lambda: net.fit(frame, y, epochs=1),
            "validation": lambda: net.fit(np.ones((3, 2)), y, epochs=1, validation=(frame, y)),
            "batches": lambda: net.fit([(frame, y)], epochs=1),
        }[call]()
    np.testing.assert_array_equal(net.theta, before)
    if call == "forward":
        net.check_finite = False
        assert np.isnan(net.forward(frame)).any()


def test_a_missing_target_is_found_by_the_names_of_the_series():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series([1.0, np.nan, 3.0], index=[7, 8, 9], name="price")
    with pytest.raises(ValueError, match="`y` must be finite, got NaN in column 'price', row 8;"):
        bp.Network([2, 1], output="linear").fit(np.ones((3, 2)), y)
    with pytest.raises(ValueError, match="`y` must be finite, got NaN in row 8;"):
        bp.Network([2, 1], output="linear").loss(np.ones((3, 2)), y.rename(None))


def test_nullable_columns_are_numbers_and_text_is_named():
    pandas = pytest.importorskip("pandas")
    net = bp.Network([2, 1], output="linear", dtype="float64")
    frame = pandas.DataFrame({"a": pandas.array([1, 2], dtype="Int64"), "b": [True, False]})
    np.testing.assert_array_equal(net.forward(frame), net.forward([[1.0, 1.0], [2.0, 0.0]]))
    holed = pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64"), "b": [0.5, 1.5]})
    with pytest.raises(ValueError, match="got NaN in column 'a', row 1"):
        net.forward(holed)
    with pytest.raises(
        TypeError, match=r"real numbers, got .* in column 'town'; encode the column"
    ):
        net.forward(pandas.DataFrame({"a": [1, 2], "town": ["Rome", "Bari"]}))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_estimators_find_a_missing_number_by_its_names(library, kind):
    pytest.importorskip("sklearn")
    from backprop import sklearn as estimators

    frame, row = frame_with_a_hole(library)
    model = getattr(estimators, kind)(max_iter=1)
    message = f"Input X contains NaN in column 'height', row {row}, the first of 2 rows"
    with pytest.raises(ValueError, match=message):
        model.fit(frame, [0, 1, 0])
    with pytest.raises(ValueError, match=message):
        model.partial_fit(frame, [0, 1, 0], **({"classes": [0, 1]} if "Cl" in kind else {}))


# Numbers as text


@pytest.mark.parametrize("dtype", [str, object, "S"])
@pytest.mark.parametrize(
    "settings", [{}, {"early_stopping": True}, {"solver": "lbfgs"}, {"eval_set": True}]
)
def test_numbers_as_text_are_targets_alike(dtype, settings):
    sklearn = pytest.importorskip("sklearn")
    from backprop.sklearn import MLPRegressor

    settings = dict(settings)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), rng.integers(0, 9, 40).astype(float)
    with_text = np.array([str(value) for value in y]).astype(dtype)
    more = [{}, {}]
    if settings.pop("eval_set", False):
        more = [{"eval_set": (X, y)}, {"eval_set": (X, with_text)}]
    predictions = []
    for targets, extra in zip((y, with_text), more, strict=True):
        model = MLPRegressor(max_iter=4, random_state=0, **settings)
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            model.fit(X, targets, **extra)
        predictions.append(model.predict(X))
    np.testing.assert_array_equal(*predictions)
    with pytest.raises(ValueError, match="y must hold numbers, or numbers as text: could not conv"):
        MLPRegressor().fit(X, ["cheap"] * 40)


# Sparse matrices


def sparse_case(form, dtype, output="softmax"):
    sparse = pytest.importorskip("scipy.sparse")
    net, X, y = make_case("tanh", output, 1, m=40, dtype=dtype)
    X = np.where(np.abs(X) > 0.8, X, 0).astype(dtype)
    X[3] = 0
    return net, X, getattr(sparse, form)(X), y


FORMS = ["csr_array", "csc_array", "coo_array", "csr_matrix", "csc_matrix", "coo_matrix"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shuffle": False},
        {"validation": 0.25},
        {"class_weight": "balanced", "early_stopping": 1, "validation": 0.25},
        {"callbacks": [type("Hooked", (bp.Callback,), {"on_batch_end": lambda self, run: None})()]},
        {"optimizer": "lbfgs"},
        {"metrics": "accuracy"},
    ],
    ids=str,
)
def test_a_network_trains_on_sparse_examples_as_on_dense(form, dtype, settings):
    net, X, S, y = sparse_case(form, dtype)
    twin = net.copy()
    dense = net.fit(X, y, epochs=3, batch_size=7, **settings)
    history = twin.fit(S, y, epochs=3, batch_size=7, **settings)
    rtol = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(twin.theta, net.theta, rtol=rtol, atol=rtol / 10)
    assert list(history) == list(dense)
    np.testing.assert_allclose(history["loss"], dense["loss"], rtol=rtol)


@pytest.mark.parametrize("form", FORMS)
def test_everything_takes_sparse_examples(form):
    net, X, S, y = sparse_case(form, "float64")
    np.testing.assert_allclose(net.forward(S), net.forward(X), rtol=1e-12)
    np.testing.assert_allclose(net.predict(S), net.forward(X), rtol=1e-12)
    assert net.loss(S, y) == pytest.approx(net.loss(X, y), rel=1e-12)
    np.testing.assert_allclose(net.gradients(S, y).theta, net.gradients(X, y).theta, rtol=1e-10)
    np.testing.assert_array_equal(net.trace(S, y)[0].H, X)
    assert str(net.account(S, y)) == str(net.account(X, y))
    assert str(net.diagnose(S, y)) == str(net.diagnose(X, y))
    assert bp.check_gradients(net, S, y).ok
    assert net.copy().step(S, y, 0.1) == pytest.approx(net.step(X, y, 0.1), rel=1e-12)
    batches = net.copy()
    batches.fit([(S, y)], epochs=1)
    net.fit([(X, y)], epochs=1)
    np.testing.assert_allclose(batches.theta, net.theta, rtol=1e-10)


def test_what_sparse_examples_cannot_do_is_said():
    sparse = pytest.importorskip("scipy.sparse")
    net = bp.Network([3, 2])
    for n in (2, 4):
        with pytest.raises(ValueError, match=rf"`X` must have 3 columns, got shape \(5, {n}\)"):
            net.forward(sparse.csr_array((5, n)))
    with pytest.raises(TypeError, match=r"got a sparse csr_array; pass X.toarray\(\)"):
        net.explain(sparse.csr_array(np.ones((1, 3))), 0)
    holed = sparse.csr_array(np.array([[0, np.nan, 1.0]]))
    with pytest.raises(ValueError, match="`X` must be finite, got NaN or infinity"):
        net.fit(holed, [0])


def test_entries_that_are_stored_twice_are_added():
    sparse = pytest.importorskip("scipy.sparse")
    twice = sparse.coo_array(([1.0, 2.0, 4.0], ([0, 0, 1], [1, 1, 2])), shape=(2, 3))
    net = bp.Network([3, 2], dtype="float64")
    np.testing.assert_allclose(net.forward(twice), net.forward([[0, 3.0, 0], [0, 0, 4.0]]))
