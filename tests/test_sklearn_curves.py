"""The estimators' trainings are scikit-learn's, number by number."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from backprop import sklearn as ours

SGD = {"solver": "sgd", "learning_rate_init": 0.05}
PLAIN = {**SGD, "momentum": 0.0}
HEAVY = {**SGD, "nesterovs_momentum": False, "momentum": 0.8}
UNSHUFFLED = {"shuffle": False}
WEIGHTED = {"weighted": True}


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def digits():
    X, y = datasets.load_digits(return_X_y=True)
    return X[:500] / 16, y[:500]


def cancer():
    return scaled(datasets.load_breast_cancer)


def wine():
    return scaled(datasets.load_wine)


def iris():
    X, y = datasets.load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"], dtype=object)[y]


def diabetes():
    X, y = scaled(datasets.load_diabetes)
    return X, (y - y.mean()) / y.std()


def two_targets():
    X, y = diabetes()
    return X, np.column_stack([y, np.sin(3 * y)])


def counts():
    X, y = diabetes()
    return X, np.random.default_rng(0).poisson(np.exp(y))


def labels():
    X, y = diabetes()
    return X, np.column_stack([y > 0, y > 1, X[:, 2] * y > 0]).astype(int)


CLASSIFIER, REGRESSOR = "MLPClassifier", "MLPRegressor"
PAIRS = [
    (CLASSIFIER, digits, {}),
    (CLASSIFIER, digits, UNSHUFFLED),
    (CLASSIFIER, digits, SGD),
    (CLASSIFIER, digits, {**PLAIN, **UNSHUFFLED, "hidden_layer_sizes": (30, 20)}),
    (CLASSIFIER, cancer, {"activation": "tanh", "batch_size": 64}),
    (CLASSIFIER, cancer, {**SGD, "learning_rate": "adaptive", "tol": 1e-2, "max_iter": 100}),
    (CLASSIFIER, cancer, {**HEAVY, "learning_rate": "invscaling", "activation": "logistic"}),
    (CLASSIFIER, cancer, WEIGHTED),
    (CLASSIFIER, wine, {"early_stopping": True, "alpha": 0.1}),
    (CLASSIFIER, wine, {**SGD, **UNSHUFFLED, "early_stopping": True, "validation_fraction": 0.3}),
    (CLASSIFIER, iris, {"hidden_layer_sizes": (), "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    (CLASSIFIER, iris, {**HEAVY, **UNSHUFFLED, "batch_size": 7}),
    (CLASSIFIER, labels, {}),
    (CLASSIFIER, labels, {**SGD, "early_stopping": True, **WEIGHTED}),
    (REGRESSOR, diabetes, {"alpha": 10.0}),
    (REGRESSOR, diabetes, {**PLAIN, "activation": "identity", "batch_size": 32}),
    (REGRESSOR, diabetes, {"early_stopping": True, **WEIGHTED}),
    (REGRESSOR, two_targets, {"alpha": 1.0}),
    (REGRESSOR, two_targets, {**SGD, **UNSHUFFLED, "early_stopping": True, **WEIGHTED}),
    (REGRESSOR, counts, {"loss": "poisson"}),
    (REGRESSOR, counts, {"loss": "poisson", "batch_size": 50, **WEIGHTED}),
]


def fitted(module, kind, load, settings):
    X, y = load()
    settings = {"max_iter": 60, "random_state": 3, **settings}
    weighted = settings.pop("weighted", False)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y)) if weighted else None
    if settings.get("loss") == "poisson" or settings.get("solver") == "lbfgs" or weighted:
        pytest.importorskip("sklearn", "1.7", reason="its own cannot before, with today's SciPy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator = getattr(module, kind)(**settings)
        fit_arguments = {} if weight is None else {"sample_weight": weight}
        return estimator.fit(X, y, **fit_arguments)


@pytest.mark.parametrize(("kind", "load", "settings"), PAIRS)
def test_trains_along_scikit_learns_curve(kind, load, settings):
    theirs = fitted(neural_network, kind, load, settings)
    mine = fitted(ours, kind, load, settings)
    assert mine.n_iter_ == theirs.n_iter_
    assert mine.t_ == theirs.t_
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-8)
    for name in ("coefs_", "intercepts_"):
        for array, expected in zip(getattr(mine, name), getattr(theirs, name), strict=True):
            np.testing.assert_allclose(array, expected, rtol=0, atol=1e-8)
    for name in ("loss_", "best_loss_", "best_validation_score_"):
        value, expected = getattr(mine, name), getattr(theirs, name)
        assert value == (expected if expected is None else pytest.approx(expected, abs=1e-8))
    if theirs.validation_scores_ is None:
        assert mine.validation_scores_ is None
    else:
        np.testing.assert_allclose(mine.validation_scores_, theirs.validation_scores_, atol=1e-8)
    X, y = load()
    np.testing.assert_array_equal(mine.predict(X[:50]), theirs.predict(X[:50])) if (
        kind == CLASSIFIER
    ) else np.testing.assert_allclose(mine.predict(X), theirs.predict(X), atol=1e-7)
    assert mine.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-9)
    shared = {name for name in vars(theirs) if name.endswith("_")}
    assert shared <= set(vars(mine))
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(mine, name) == getattr(theirs, name)


@pytest.mark.parametrize(("kind", "load"), [(CLASSIFIER, iris), (REGRESSOR, two_targets)])
def test_lbfgs_finds_the_same_minimum(kind, load):
    settings = {"solver": "lbfgs", "hidden_layer_sizes": (), "alpha": 1.0, "tol": 1e-9}
    theirs, mine = (
        fitted(module, kind, load, {**settings, "max_iter": 1000})
        for module in (neural_network, ours)
    )
    assert mine.loss_ == pytest.approx(theirs.loss_, abs=1e-6)
    np.testing.assert_allclose(mine.coefs_[0], theirs.coefs_[0], atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_keeps_the_dtype(dtype, solver):
    X, y = iris()
    settings = {"hidden_layer_sizes": (5,), "max_iter": 20, "random_state": 0, "solver": solver}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mine = ours.MLPClassifier(**settings).fit(X.astype(dtype), y)
        wide = ours.MLPClassifier(**settings).fit(X, y)
    assert {array.dtype for array in mine.coefs_ + mine.intercepts_} == {np.dtype(dtype)}
    assert mine.predict_proba(X.astype(dtype)).dtype == dtype
    assert mine.predict_proba(X).dtype == np.float64
    np.testing.assert_allclose(mine.predict_proba(X), wide.predict_proba(X), atol=2e-3)


def test_partial_fit_follows_scikit_learns_stream():
    X, y = cancer()
    kinds = [neural_network.MLPClassifier, ours.MLPClassifier]
    theirs, mine = (kind(random_state=0, learning_rate_init=0.01) for kind in kinds)
    rng = np.random.default_rng(0)
    # Streams come in pieces of any size, of which some have several batches and some lack a class.
    for size in (10, 300, 1, 500, 37, 2):
        rows = rng.choice(len(y), size, replace=False)
        for model in (theirs, mine):
            model.partial_fit(X[rows], y[rows], classes=[0, 1])
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, atol=1e-8)
    np.testing.assert_allclose(mine.predict_proba(X), theirs.predict_proba(X), atol=1e-8)
    assert (mine.n_iter_, mine.t_) == (theirs.n_iter_, theirs.t_) == (1, 850)


def test_warm_start_goes_on_like_scikit_learn():
    X, y = wine()
    settings = {"warm_start": True, "max_iter": 7, "random_state": 2}
    models = [module.MLPClassifier(**settings) for module in (neural_network, ours)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in models:
            for _ in range(3):
                model.fit(X, y)
            model.set_params(alpha=1.0).partial_fit(X, y)
    theirs, mine = models
    assert len(mine.loss_curve_) == 22
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, atol=1e-8)


def test_prints_what_scikit_learn_prints(capsys):
    X, y = wine()
    printed = []
    for settings in ({"early_stopping": True}, {**SGD, "learning_rate": "adaptive", "tol": 0.1}):
        for module in (neural_network, ours):
            model = module.MLPClassifier(verbose=True, random_state=0, max_iter=300, **settings)
            model.fit(X, y)
            printed.append(capsys.readouterr().out)
        assert "Stopping." in printed[-1]
        assert printed[-1] == printed[-2]


def test_warns_when_epochs_run_out():
    X, y = wine()
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        ours.MLPClassifier(max_iter=3).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        ours.MLPClassifier(max_iter=3, solver="lbfgs").fit(X, y)
    with (
        pytest.warns(UserWarning, match="larger than sample size. It is going to be clipped"),
        pytest.warns(ConvergenceWarning),
    ):
        ours.MLPClassifier(max_iter=3, batch_size=1000).fit(X, y)
