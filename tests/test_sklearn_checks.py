"""scikit-learn's checks of every estimator, of which none may fail."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from backprop.sklearn import MLPClassifier, MLPRegressor

FEW = {"max_iter": 100}
# Rates and penalties with which a hundred epochs are enough for what the checks ask for.
SGD = {**FEW, "solver": "sgd", "learning_rate_init": 0.05, "random_state": 0}
LBFGS = {
    "solver": "lbfgs",
    "hidden_layer_sizes": 20,
    "activation": "tanh",
    "alpha": 0.1,
    "tol": 1e-2,
}
BEYOND = {
    "hidden_layer_sizes": (30, 20),
    "activation": ["mish", "leaky_relu"],
    "solver": "adamw",
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "n_threads": 1,
    **FEW,
}


def every_check(estimators):
    mark = parametrize_with_checks(estimators)
    # Older versions hand over a generator, of which pytest warns.
    return pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs)


@every_check([MLPClassifier(**FEW), MLPRegressor(**FEW)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_is_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.slow
@every_check(
    [
        MLPClassifier(**SGD, activation="tanh", learning_rate="adaptive"),
        MLPRegressor(**SGD, activation="logistic"),
        MLPClassifier(**LBFGS),
        MLPRegressor(**LBFGS),
        MLPClassifier(**BEYOND, label_smoothing=0.1),
        MLPRegressor(**BEYOND, loss=("huber", 0.5)),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_is_an_estimator_with_any_settings(estimator, check):
    check(estimator)
