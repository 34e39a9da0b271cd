"""Parameters that are set between calls take effect; a call that is refused leaves no trace."""

import copy
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

import backprop as bp
from backprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
Y = np.exp(X[:, 0])
FEW = {"hidden_layer_sizes": (6, 5), "max_iter": 3, "random_state": 0}


def make(kind, **settings):
    model, y = {"classes": (MLPClassifier, LABELS), "numbers": (MLPRegressor, Y)}[kind]
    return model(**{**FEW, **settings}), y


def again(model, how, y):
    """Train further: by ``fit`` with warm_start, or by ``partial_fit``."""
    if how == "fit":
        return model.fit(X, y)
    known = {"classes": [0, 1, 2]} if isinstance(model, MLPClassifier) else {}
    return model.partial_fit(X, y, **known)


HOW = pytest.mark.parametrize("how", ["fit", "partial_fit"])
KIND = pytest.mark.parametrize("kind", ["classes", "numbers"])


@HOW
@KIND
@pytest.mark.parametrize(
    ("parameter", "value"), [("activation", "tanh"), ("activation", ["gelu", "logistic"])]
)
def test_a_new_activation_is_that_of_the_network(kind, how, parameter, value):
    model, y = make(kind, warm_start=True)
    again(model, how, y)
    weights = model.network_.theta.copy()
    again(model.set_params(**{parameter: value}, learning_rate_init=1e-12), how, y)
    expected = ("tanh", "tanh") if value == "tanh" else ("gelu", "sigmoid")
    assert model.network_.hidden_names == expected
    np.testing.assert_allclose(model.network_.theta, weights, atol=1e-8)
    assert model.coefs_[0].base is not None
    np.testing.assert_array_equal(model.coefs_[0], model.network_.W[0].T)


@HOW
@pytest.mark.parametrize("loss", ["poisson", "absolute_error", "huber", ("huber", 0.5)])
def test_a_new_loss_is_that_of_the_network(how, loss):
    model, y = make("numbers", warm_start=True)
    again(model, how, y)
    again(model.set_params(loss=loss), how, y)
    net = model.network_
    assert net.loss_name == (loss if isinstance(loss, str) else loss[0])
    if loss == "poisson":
        assert (net.output_name, model.out_activation_) == ("exp", "exp")
        assert (model.predict(X) > 0).all()
    if not isinstance(loss, str):
        assert net.loss_parameter == 0.5
    # A loss of another kind is no measure of this one.
    assert len(model.loss_curve_) == (3 if how == "fit" else 1)


@HOW
def test_new_label_smoothing_is_taken(how):
    model, y = make("classes", warm_start=True)
    again(model, how, y)
    again(model.set_params(label_smoothing=0.2), how, y)
    assert model.network_.loss_parameter == pytest.approx(0.2)


@HOW
@KIND
@pytest.mark.parametrize(
    "change",
    [
        {"solver": "sgd"},
        {"solver": "adamw"},
        {"learning_rate_init": 1e-12},
        {"beta_1": 0.0},
        {"alpha": 1000.0},
        {"dropout": 0.5},
        {"learning_rate": "cosine", "solver": "sgd"},
        {"batch_size": 7},
    ],
    ids=str,
)
def test_every_other_parameter_counts_from_then_on(kind, how, change):
    model, y = make(kind, warm_start=True)
    again(model, how, y)
    plain, changed = copy.deepcopy(model), copy.deepcopy(model)
    before = model.network_.theta.copy()
    again(plain, how, y)
    again(changed.set_params(**change), how, y)
    assert not np.array_equal(plain.network_.theta, changed.network_.theta)
    if change == {"learning_rate_init": 1e-12}:
        np.testing.assert_allclose(changed.network_.theta, before, atol=1e-8)


def test_the_state_of_an_optimizer_outlives_a_new_rate_and_no_new_rule():
    model, y = make("numbers")
    for _ in range(3):
        model.partial_fit(X, y)
    optimizer = model._optimizer
    model.set_params(learning_rate_init=0.5).partial_fit(X, y)
    assert model._optimizer is optimizer
    assert optimizer.learning_rate == 0.5
    model.set_params(beta_2=0.5).partial_fit(X, y)
    assert model._optimizer is not optimizer


@HOW
@KIND
@pytest.mark.parametrize("sizes", [(6, 4), (6,), (6, 5, 5), 6])
def test_other_layers_are_refused(kind, how, sizes):
    model, y = make(kind, warm_start=True)
    again(model, how, y)
    expected = model.predict(X)
    model.set_params(hidden_layer_sizes=sizes)
    with pytest.raises(ValueError, match=r"`hidden_layer_sizes` and `y` must fit the weights of"):
        again(model, how, y)
    np.testing.assert_array_equal(model.predict(X), expected)
    # What the message says to do works.
    model.set_params(warm_start=False).fit(X, y)
    assert model.network_.layer_sizes[1:-1] == (tuple(sizes) if sizes != 6 else (6,))


# Refused calls


def attributes(model):
    return copy.deepcopy({k: v for k, v in vars(model).items() if k not in ("_network", "_views")})


def assert_untouched(model, before, theta):
    after = attributes(model)
    assert after.keys() == before.keys()
    for name, value in before.items():
        if name in ("_optimizer", "_random_state", "_label_binarizer"):
            continue
        np.testing.assert_equal(after[name], value, err_msg=name)
    if theta is not None:
        np.testing.assert_array_equal(model.network_.theta, theta)


REFUSED_BY_ALL = {
    "dimensions": lambda m, how, y: getattr(m, how)(X[:, 0], y),
    "lengths": lambda m, how, y: getattr(m, how)(X, y[:9]),
    "missing": lambda m, how, y: getattr(m, how)(np.where(X > 1, np.nan, X), y),
    "weights": lambda m, how, y: getattr(m, how)(X, y, sample_weight=-np.ones(60)),
    "zero weights": lambda m, how, y: getattr(m, how)(X, y, sample_weight=np.zeros(60)),
    "dropout": lambda m, how, y: getattr(m.set_params(dropout=[0.1]), how)(X, y),
    "sizes": lambda m, how, y: getattr(m.set_params(hidden_layer_sizes=(0,)), how)(X, y),
    "activation": lambda m, how, y: getattr(m.set_params(activation=["relu"]), how)(X, y),
    "callbacks": lambda m, how, y: getattr(m.set_params(callbacks=[3]), how)(X, y),
}


@HOW
@KIND
@pytest.mark.parametrize("call", REFUSED_BY_ALL)
@pytest.mark.parametrize("fitted", ["new", "fitted", "warm"])
def test_a_refused_call_changes_nothing(kind, how, call, fitted):
    model, y = make(kind, warm_start=fitted == "warm")
    if fitted != "new":
        again(model, how, y)
    # The set parameters are the user's own doing.
    twin = copy.deepcopy(model)
    with pytest.raises((ValueError, TypeError)):
        REFUSED_BY_ALL[call](twin, how, y)
    parameters = twin.get_params()
    model.set_params(**parameters)
    before = attributes(model)
    theta = model.network_.theta.copy() if fitted != "new" else None
    with pytest.raises((ValueError, TypeError)):
        REFUSED_BY_ALL[call](model, how, y)
    assert_untouched(model, before, theta)


def test_two_targets_after_one_are_refused_without_a_trace():
    model = MLPRegressor(warm_start=True, **FEW).fit(X, Y)
    for call in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="must fit the weights of the previous call"):
            call(X, np.column_stack([Y, Y]))
        assert model.n_outputs_ == 1
        assert model.predict(X).shape == (60,)


@HOW
def test_other_columns_are_refused_without_a_trace(how):
    model = MLPRegressor(warm_start=True, **FEW).fit(X, Y)
    before = attributes(model)
    with pytest.raises(ValueError, match="X has 3 features, but MLPRegressor is expecting 4"):
        getattr(model, how)(X[:, :3], Y)
    assert_untouched(model, before, None)


def test_a_first_call_with_unknown_classes_is_forgotten():
    model = MLPClassifier(**FEW)
    with pytest.raises(ValueError, match="`y` has classes not in"):
        model.partial_fit(X, LABELS, classes=[0, 1])
    assert not hasattr(model, "classes_")
    model.partial_fit(X, LABELS, classes=[0, 1, 2])


@pytest.mark.parametrize(
    ("settings", "more", "message"),
    [
        ({}, {"eval_set": 3}, "`eval_set` must be a pair"),
        ({}, {"eval_set": (X, LABELS + 7)}, "in `eval_set`: `y` has classes not in"),
        ({"early_stopping": True, "validation_fraction": 0.001}, {}, "The test_size|validation"),
    ],
)
def test_a_refused_fit_is_forgotten_even_late(settings, more, message):
    for model in (MLPClassifier(**FEW, **settings), MLPClassifier(**FEW).fit(X[:30], LABELS[:30])):
        model.set_params(**settings)
        before = attributes(model)
        with pytest.raises((ValueError, TypeError), match=message):
            model.fit(X, LABELS, **more)
        assert_untouched(model, before, None)


def test_an_error_in_training_leaves_what_was_trained():
    def fail(progress):
        if progress.epoch == 2:
            raise RuntimeError("enough")

    model = MLPClassifier(callbacks=[fail], **FEW)
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, LABELS)
    assert len(model.loss_curve_) == 2


# Warnings


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(
    ("settings", "y", "category"),
    [
        ({}, LABELS, ConvergenceWarning),
        ({"solver": "lbfgs"}, LABELS, ConvergenceWarning),
        ({"batch_size": 1000}, LABELS, UserWarning),
        ({}, LABELS[:, None], DataConversionWarning),
    ],
    ids=["iterations", "lbfgs", "batch size", "column"],
)
@pytest.mark.parametrize("through", ["itself", "a pipeline", "a search"])
def test_warnings_point_at_the_line_of_the_caller(settings, y, category, through):
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    model = MLPClassifier(**{**FEW, **settings})
    if through == "a pipeline":
        model = make_pipeline(model)
    if through == "a search":
        model = GridSearchCV(model, {"alpha": [0.1]}, cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    ours = [w for w in caught if w.category is category and "rows" not in str(w.message)]
    assert ours
    assert {w.filename for w in ours} == {__file__}


def test_a_warning_through_the_network_points_there_too(tmp_path):
    net = bp.Network([2, 2])
    net.W[0][0, 0] = np.nan
    with pytest.warns(UserWarning, match="has NaN or infinity") as caught:
        (lambda: net.save(tmp_path / "net"))()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("model", [MLPClassifier, MLPRegressor])
def test_python_names_the_method_that_users_call(model):
    with pytest.raises(TypeError, match=rf"^{model.__name__}\.fit\(\) missing 1 required"):
        model().fit(X)
    with pytest.raises(TypeError, match=rf"^{model.__name__}\.fit\(\) got an unexpected"):
        model().fit(X, LABELS, epochs=3)
