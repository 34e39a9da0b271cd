"""scikit-learn: fitted multilayer perceptrons, both ways, with equal predictions."""

import warnings

import numpy as np
import pytest
from cases import make_case

import backprop as bp

pytest.importorskip("sklearn")
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

rng = np.random.default_rng(0)
X = rng.standard_normal((80, 4))
# Labels whose order is not that of their first appearance.
THREE = np.array(["pear", "apple", "fig"])[np.digitize(X[:, 0], [-0.5, 0.5])]
TWO = np.where(X[:, 1] > 0, 7, -2)
SEVERAL = (X[:, :3] > 0).astype(int)
TARGETS = {
    "multiclass": (MLPClassifier, THREE),
    "binary": (MLPClassifier, TWO),
    "multilabel": (MLPClassifier, SEVERAL),
    "regression": (MLPRegressor, X[:, 0] - X[:, 1]),
    "two targets": (MLPRegressor, X[:, :2]),
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def fit(kind, y, dtype="float64", **settings):
    estimator = kind(
        **{"hidden_layer_sizes": (6, 5), "max_iter": 30, "random_state": 0, **settings}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X.astype(dtype), y)


def predicted(net, classes, X):
    """The predictions that a network and its classes give."""
    Y_hat = net.predict(X)
    if classes is None:
        return Y_hat[:, 0] if Y_hat.shape[1] == 1 else Y_hat
    if net.output_name == "softmax":
        return classes[Y_hat.argmax(axis=1)]
    positive = (Y_hat > 0.5).astype(int)
    return classes[positive[:, 0]] if positive.shape[1] == 1 else positive


def assert_same_predictions(estimator, net, classes):
    dtype = net.dtype.name
    new = np.random.default_rng(1).standard_normal((50, 4)).astype(dtype)
    mine, theirs = predicted(net, classes, new), estimator.predict(new)
    if classes is None:
        np.testing.assert_allclose(mine, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    else:
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype.kind == theirs.dtype.kind
        Y_hat, proba = net.predict(new), estimator.predict_proba(new)
        if Y_hat.shape[1] == 1:
            Y_hat = np.column_stack([1 - Y_hat, Y_hat])
        np.testing.assert_allclose(Y_hat, proba, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("task", TARGETS)
def test_there_and_back(task, activation, dtype):
    kind, y = TARGETS[task]
    estimator = fit(kind, y, dtype, activation=activation)
    net, classes = bp.from_sklearn(estimator)
    assert net.dtype == dtype
    assert_same_predictions(estimator, net, classes)
    back = net.to_sklearn(classes)
    assert type(back) is kind
    assert_same_predictions(back, net, classes)
    for mine, theirs in zip(back.coefs_, estimator.coefs_, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    if classes is not None:
        np.testing.assert_array_equal(back.classes_, estimator.classes_)


def test_no_hidden_layer_and_another_dtype():
    net, classes = bp.from_sklearn(
        fit(MLPClassifier, THREE, hidden_layer_sizes=()), dtype="float32"
    )
    assert (net.layer_sizes, net.dtype) == ((4, 3), np.float32)
    assert_same_predictions(net.to_sklearn(classes), net, classes)


def test_poisson_regression():
    if "loss" not in MLPRegressor().get_params():
        pytest.skip("needs scikit-learn 1.7")
    net, classes = bp.from_sklearn(fit(MLPRegressor, np.exp(X[:, 0]), loss="poisson"))
    assert net.loss_name == "poisson"
    assert_same_predictions(net.to_sklearn(), net, classes)


@pytest.mark.parametrize(
    ("p", "output", "labels"),
    [
        (3, "softmax", None),
        (3, "softmax", ["pear", "apple", "fig"]),
        (2, "softmax", ["yes", "no"]),
        (2, "softmax", [0, 1]),
        (1, "sigmoid", None),
        (1, "sigmoid", [True, False]),
        (1, "sigmoid", ["a", "b"]),
    ],
)
def test_labels_in_any_order(p, output, labels):
    net, _, _ = make_case("tanh", output, 2, p=p)
    estimator = net.to_sklearn(labels)
    new = np.random.default_rng(1).standard_normal((50, 4))
    classes = np.arange(max(p, 2)) if labels is None else np.array(labels)
    mine = predicted(net, classes, new)
    np.testing.assert_array_equal(estimator.predict(new), mine)
    assert len(np.unique(mine)) > 1
    assert estimator.score(new, mine) == 1
    repr(estimator)


def test_a_regressor_is_scored():
    net, _, _ = make_case("relu", "linear", 1, p=2)
    estimator = net.to_sklearn()
    new = rng.standard_normal((20, 4))
    assert estimator.score(new, net.predict(new)) == pytest.approx(1)
    assert estimator.n_features_in_ == 4


def test_what_is_no_fitted_perceptron_is_refused():
    with pytest.raises(TypeError, match=r"`estimator` must be an MLPClassifier .* got dict"):
        bp.from_sklearn({})
    with pytest.raises(ValueError, match="`estimator` must be fitted"):
        bp.from_sklearn(MLPClassifier())
