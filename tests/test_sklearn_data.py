"""What the estimators take and keep: sparse data, frames, weights that are views, pickles."""

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from scipy import sparse
from sklearn import datasets
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

import backprop as bp
from backprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = datasets.load_wine(return_X_y=True)
X = StandardScaler().fit_transform(X)
FEW = {"max_iter": 5, "random_state": 0}
SPARSE_X = np.where(np.abs(X) > 0.7, X, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "csr_matrix", "coo_array"])
def test_sparse_trains_as_dense(kind, solver, dtype):
    dense = SPARSE_X.astype(dtype)
    S = getattr(sparse, kind)(dense)
    models = [
        MLPClassifier(solver=solver, early_stopping=True, **FEW).fit(data, y) for data in (dense, S)
    ]
    expected = models[0].predict_proba(dense)
    # The rows are the same numbers in the same order, so that nothing may differ.
    np.testing.assert_array_equal(models[1].predict_proba(dense), expected)
    np.testing.assert_array_equal(models[1].predict_proba(S), expected)


def test_sparse_with_entries_stored_twice_in_wide_indices():
    S = sparse.csr_array(SPARSE_X)
    halves = sparse.csr_array(
        (
            np.repeat(S.data / 2, 2),
            np.repeat(S.indices, 2).astype(np.int64),
            (2 * S.indptr).astype(np.int64),
        ),
        shape=S.shape,
    )
    stored = halves.data.copy()
    model = MLPClassifier(**FEW).fit(halves, y)
    np.testing.assert_array_equal(model.coefs_[0], MLPClassifier(**FEW).fit(S, y).coefs_[0])
    np.testing.assert_array_equal(halves.data, stored)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_bring_their_names(library):
    frames = pytest.importorskip(library)
    if library == "polars":
        pytest.importorskip("sklearn", "1.7", reason="it finds no names in today's polars before")
    columns = [f"feature {i}" for i in range(X.shape[1])]
    frame = frames.DataFrame({name: X[:, i] for i, name in enumerate(columns)})
    labels = frames.Series(np.array(["a", "b", "c"])[y])
    model = MLPClassifier(early_stopping=True, **FEW).fit(frame, labels)
    assert list(model.feature_names_in_) == columns
    assert set(model.predict(frame)) <= {"a", "b", "c"}
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="The feature names should match"):
        model.predict(frame[columns[::-1]])


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], np.array(["no", "yes"], dtype=object), [False, True], [-1, 7], [2.0, 5.0]],
)
def test_labels_of_any_kind(labels):
    named = np.asarray(labels)[(y > 0).astype(int)]
    model = MLPClassifier(random_state=0, max_iter=50).fit(X, named)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    predicted = model.predict(X)
    assert predicted.dtype == model.classes_.dtype
    assert (predicted == named).mean() > 0.95


def test_arrays_that_cannot_be_written_or_lie_otherwise(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    frozen = X.copy()
    frozen.flags.writeable = False
    expected = MLPClassifier(**FEW).fit(X, y)
    for same in (mapped, frozen, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.tolist()):
        model = MLPClassifier(**FEW).fit(same, y)
        np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])
        np.testing.assert_array_equal(model.predict_proba(same), expected.predict_proba(X))


def test_coefs_are_the_engines_memory():
    model = MLPClassifier((7,), **FEW).fit(X, y)
    for coef, intercept, W, b in zip(
        model.coefs_, model.intercepts_, model._network.W, model._network.b, strict=True
    ):
        assert np.shares_memory(coef, W)
        assert np.shares_memory(intercept, b)
        assert coef.shape == W.shape[::-1]


def test_assigned_weights_are_those_used():
    model = MLPClassifier((7,), random_state=0, solver="sgd", momentum=0.0)
    model.partial_fit(X, y, classes=[0, 1, 2])
    # In place, one array in place of another, and all of them.
    model.coefs_[0][...] = 0
    model.intercepts_[0] = np.zeros(7)
    P = model.predict_proba(X)
    np.testing.assert_array_equal(P, np.tile(P[:1], (len(X), 1)))
    model.coefs_ = [np.full((13, 7), 0.1), np.full((7, 3), 0.2)]
    model.intercepts_ = [np.zeros(7), np.array([0.0, 1.0, 2.0])]
    expected = np.exp(
        0.2 * np.maximum(X @ np.full((13, 7), 0.1), 0).sum(axis=1)[:, None] + [0, 1, 2]
    )
    np.testing.assert_allclose(
        model.predict_proba(X), expected / expected.sum(axis=1, keepdims=True), rtol=1e-12
    )


def test_training_goes_on_from_assigned_weights():
    settings = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "learning_rate_init": 0.1}
    model = MLPRegressor(hidden_layer_sizes=(), batch_size=len(X), random_state=0, **settings)
    model.partial_fit(X, y)
    w, b = np.linspace(-1, 1, 13)[:, None], np.array([0.5])
    model.coefs_, model.intercepts_ = [w], [b]
    stored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(stored.coefs_[0], w)
    for each in (model, stored):
        each.partial_fit(X, y)
        residual = X @ w + b - y[:, None]
        np.testing.assert_allclose(each.coefs_[0], w - 0.1 * X.T @ residual / len(X), rtol=1e-10)
        np.testing.assert_allclose(each.intercepts_[0], b - 0.1 * residual.mean(), rtol=1e-10)
        assert np.shares_memory(each.coefs_[0], each._network.W[0])


def test_the_network_is_there_to_be_used(tmp_path):
    model = MLPClassifier((7,), **FEW)
    with pytest.raises(NotFittedError):
        _ = model.network_
    model.fit(X, y)
    assert model.network_.layer_sizes == (13, 7, 3)
    model.coefs_[0] = np.zeros((13, 7))
    model.network_.save(tmp_path / "wine.safetensors")
    loaded = bp.load(tmp_path / "wine.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), model.predict_proba(X))


def test_assigned_weights_are_checked():
    model = MLPRegressor(hidden_layer_sizes=(7,), **FEW).fit(X, y)
    model.coefs_[1] = np.zeros((7, 2))
    with pytest.raises(ValueError, match=r"`coefs_\[1\]` must have shape \(7, 1\), got \(7, 2\)"):
        model.predict(X)
    model.coefs_ = model.coefs_[:1]
    with pytest.raises(ValueError, match="`coefs_` must hold one array for each of the 2 layers"):
        model.predict(X)


@pytest.mark.parametrize(
    "through",
    [
        lambda model, path: pickle.loads(pickle.dumps(model)),
        lambda model, path: copy.deepcopy(model),
        lambda model, path: joblib.load(joblib.dump(model, path / "model.joblib")[0]),
        lambda model, path: joblib.load(joblib.dump(model, path / "m.joblib")[0], mmap_mode="r"),
    ],
)
@pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1")
@pytest.mark.parametrize("settings", [{}, {"solver": "sgd"}, {"dropout": 0.3}, {"batch_size": 50}])
def test_a_copy_goes_on_where_the_model_stands(settings, through, tmp_path):
    model = MLPClassifier(random_state=3, **settings)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    model.coefs_[0] = model.coefs_[0] * 0.5
    other = through(model, tmp_path)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert np.shares_memory(other.coefs_[0], other._network.W[0])
    assert not np.shares_memory(other.coefs_[0], model.coefs_[0])
    for each in (model, other):
        each.partial_fit(X, y)
        each.partial_fit(X[:20], y[:20])
    np.testing.assert_array_equal(other.coefs_[0], model.coefs_[0])
    assert other.loss_curve_ == model.loss_curve_


def test_a_pickle_holds_the_weights_once():
    model = MLPClassifier((500,), max_iter=1, solver="sgd", momentum=0.0).fit(X, y)
    assert len(pickle.dumps(model)) < 1.2 * model._network.theta.nbytes + 20_000


def test_partial_fit_is_refused_after_lbfgs_and_with_early_stopping():
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    assert not hasattr(MLPRegressor(solver="lbfgs"), "partial_fit")
    for model, arguments in ((MLPClassifier, {"classes": [0, 1, 2]}), (MLPRegressor, {})):
        with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
            model(early_stopping=True).partial_fit(X, y, **arguments)


def test_warm_start_keeps_the_classes():
    model = MLPClassifier(warm_start=True, **FEW).fit(X, y)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same"):
        model.fit(X, y + 1)
    model.fit(X.astype(np.float32), y)
    assert model.coefs_[0].dtype == np.float64


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"solver": "lbfgs"}, {"solver": "adam"}),
        ({"solver": "lbfgs"}, {"solver": "sgd", "early_stopping": True}),
        ({"early_stopping": True}, {"early_stopping": False}),
        ({}, {"early_stopping": "loss"}),
        ({"activation": "tanh"}, {"solver": "lbfgs"}),
    ],
)
def test_warm_start_takes_other_settings(first, then):
    model = MLPClassifier(warm_start=True, **FEW, **first).fit(X, y)
    before = model.loss_
    model.set_params(**then).fit(X, y)
    assert model.loss_ < 1.2 * before  # new weights would have some 1.1 again
    assert model.n_iter_ == 5


def test_one_class_is_predicted_always():
    model = MLPClassifier(**FEW).fit(X, np.full(len(X), "only"), eval_set=(X, ["only"] * len(X)))
    assert set(model.predict(X)) == {"only"}
    assert model.validation_scores_ == [1.0] * 5


def test_a_constant_target_scores_as_in_scikit_learn():
    model = MLPRegressor(**FEW).fit(X, np.ones(len(X)), eval_set=(X, np.ones(len(X))))
    assert model.validation_scores_ == [0.0] * 5
