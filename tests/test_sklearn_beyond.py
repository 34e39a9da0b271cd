"""What scikit-learn's perceptrons refuse and ours do, and what of theirs no curve shows."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from backprop import optimizers, schedules
from backprop.callbacks import Callback
from backprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def wine():
    return scaled(datasets.load_wine)


@pytest.fixture(scope="module")
def cancer():
    return scaled(datasets.load_breast_cancer)


@pytest.fixture(scope="module")
def diabetes():
    X, y = scaled(datasets.load_diabetes)
    return X, (y - y.mean()) / y.std()


def test_class_weight_is_a_factor_of_sample_weight(wine):
    X, y = wine
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    settings = {"max_iter": 20, "random_state": 0}
    for class_weight in ({0: 5.0, 2: 0.1}, "balanced"):
        classed = MLPClassifier(class_weight=class_weight, **settings).fit(X, y, weight)
        factors = compute_sample_weight(class_weight, y)
        plain = MLPClassifier(**settings).fit(X, y, weight * factors)
        np.testing.assert_array_equal(classed.coefs_[0], plain.coefs_[0])


def test_balance_helps_a_rare_class():
    X, y = datasets.make_classification(1000, weights=[0.97], class_sep=0.7, random_state=0)
    recalls = [
        MLPClassifier(class_weight=class_weight, random_state=0, max_iter=50)
        .fit(X, y)
        .predict(X)[y == 1]
        .mean()
        for class_weight in (None, "balanced")
    ]
    assert recalls[1] > recalls[0] + 0.2


def test_balance_cannot_be_seen_from_one_batch(wine):
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(*wine, classes=[0, 1, 2])


def test_weights_that_are_all_zero_are_refused(wine):
    X, y = wine
    with pytest.raises(ValueError, match="at least one non-zero number"):
        MLPClassifier().fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match="Negative values"):
        MLPClassifier().fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match="at least one non-zero number"):
        MLPClassifier(class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)


@pytest.mark.parametrize("sizes", [0, (3, 0), [-1]])
def test_layers_have_units(wine, sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        MLPClassifier(sizes).fit(*wine)


def test_dropout_trains_differently_and_predicts_whole(wine):
    X, y = wine
    settings = {"max_iter": 30, "random_state": 0, "hidden_layer_sizes": (40, 20)}
    whole = MLPClassifier(**settings).fit(X, y)
    dropped = MLPClassifier(dropout=[0.5, 0.0], **settings).fit(X, y)
    again = MLPClassifier(dropout=[0.5, 0.0], **settings).fit(X, y)
    assert dropped.loss_ > whole.loss_
    np.testing.assert_array_equal(dropped.coefs_[0], again.coefs_[0])
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))


@pytest.mark.parametrize("dropout", [[0.5], [0.5, 1.0], (0.1, 0.1, 0.1)])
def test_dropout_has_a_rate_for_each_hidden_layer(wine, dropout):
    with pytest.raises(ValueError, match=r"`dropout` must be one rate .* each of the 2 hidden"):
        MLPClassifier((4, 3), dropout=dropout).fit(*wine)


def test_activation_may_differ_by_layer(wine):
    X, y = wine
    model = MLPClassifier((20, 10), activation=["leaky_relu", "mish"], random_state=0).fit(X, y)
    assert model._network.hidden_names == ("leaky_relu", "mish")
    assert model.score(X, y) > 0.97
    H_1 = X @ model.coefs_[0] + model.intercepts_[0]
    H_1 = np.where(H_1 > 0, H_1, 0.01 * H_1)
    A_2 = H_1 @ model.coefs_[1] + model.intercepts_[1]
    H_2 = A_2 * np.tanh(np.log1p(np.exp(A_2)))
    A_3 = H_2 @ model.coefs_[2] + model.intercepts_[2]
    P = np.exp(A_3 - A_3.max(axis=1, keepdims=True))
    np.testing.assert_allclose(model.predict_proba(X), P / P.sum(axis=1, keepdims=True), atol=1e-12)


def test_a_list_of_one_name_trains_as_the_name(wine):
    settings = {"hidden_layer_sizes": (9, 8), "max_iter": 5, "random_state": 1}
    for name in ("logistic", "tanh"):
        one = MLPClassifier(activation=name, **settings).fit(*wine)
        each = MLPClassifier(activation=[name, name], **settings).fit(*wine)
        np.testing.assert_array_equal(one.coefs_[2], each.coefs_[2])


def test_activations_are_named_and_counted(wine):
    with pytest.raises(ValueError, match=r"`activation\[1\]` must be one of .* did you mean 'mish"):
        MLPClassifier((4, 3), activation=["relu", "mihs"]).fit(*wine)
    with pytest.raises(ValueError, match="`activation` must be one name, or one for each of the 2"):
        MLPClassifier((4, 3), activation=["relu"]).fit(*wine)
    with pytest.raises(ValueError, match="'activation' parameter of MLPClassifier must be a str"):
        MLPClassifier(activation="mihs").fit(*wine)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_eval_set_gives_the_loss_and_score_of_other_data(cancer, solver):
    X, y = cancer
    names = np.array(["benign", "malign"])[y]
    settings = {"max_iter": 15, "random_state": 0, "solver": solver}
    model = MLPClassifier(**settings).fit(X[:400], names[:400], eval_set=(X[400:], names[400:]))
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert model.validation_loss_curve_[-1] == pytest.approx(
        log_loss(names[400:], model.predict_proba(X[400:]))
    )
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[400:], names[400:]))
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_validation_loss_ == min(model.validation_loss_curve_)
    alone = MLPClassifier(**settings).fit(X[:400], names[:400])
    np.testing.assert_array_equal(model.coefs_[0], alone.coefs_[0])
    assert alone.validation_scores_ is None


def test_eval_set_of_a_regressor_with_two_targets(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, y**2])
    model = MLPRegressor(max_iter=10, random_state=0).fit(
        X[:300], Y[:300], eval_set=(X[300:], Y[300:])
    )
    Y_hat = model.predict(X[300:])
    assert model.validation_scores_[-1] == pytest.approx(r2_score(Y[300:], Y_hat))
    assert model.validation_loss_curve_[-1] == pytest.approx(np.mean((Y[300:] - Y_hat) ** 2) / 2)


def test_early_stopping_on_the_loss_restores_the_best_weights(cancer):
    X, y = cancer
    model = MLPClassifier(
        early_stopping="loss", learning_rate_init=0.02, alpha=0, random_state=0, max_iter=500
    )
    model.fit(X[:300], y[:300], eval_set=(X[300:], y[300:]))
    curve = model.validation_loss_curve_
    assert len(curve) < 500
    assert np.argmin(curve) < len(curve) - 10
    assert log_loss(y[300:], model.predict_proba(X[300:])) == pytest.approx(min(curve))


def test_early_stopping_on_the_loss_sets_examples_aside(cancer, capsys):
    model = MLPClassifier(early_stopping="loss", random_state=0, verbose=True, max_iter=500)
    model.fit(*cancer)
    assert model.t_ == model.n_iter_ * 512
    assert model.best_loss_ is None
    assert "Validation loss did not improve more than tol=" in capsys.readouterr().out


def test_early_stopping_takes_string_labels(wine):
    X, y = wine
    names = np.array(["barolo", "grignolino", "barbera"], dtype=object)[y]
    model = MLPClassifier(early_stopping=True, random_state=0, learning_rate_init=0.01)
    model.fit(X, names)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert set(model.predict(X)) == set(names)
    assert model.score(X, names) > 0.9


def test_eval_set_is_checked(wine, diabetes):
    X, y = wine
    with pytest.raises(ValueError, match=r"in `eval_set`: `y` has classes not in"):
        MLPClassifier().fit(X[y < 2], y[y < 2], eval_set=(X, y))
    with pytest.raises(ValueError, match=r"in `eval_set`: X has 3 features"):
        MLPClassifier().fit(X, y, eval_set=(X[:, :3], y))
    with pytest.raises(TypeError, match=r"`eval_set` must be a pair \(X, y\), got ndarray"):
        MLPClassifier().fit(X, y, eval_set=X)
    X, y = diabetes
    with pytest.raises(ValueError, match="in `eval_set`: y must have 1 columns, got 2"):
        MLPRegressor().fit(X, y, eval_set=(X, np.column_stack([y, y])))


def test_absolute_error_fits_the_median(diabetes):
    X, y = diabetes
    outliers = y.copy()
    outliers[::20] += 100
    settings = {"max_iter": 300, "random_state": 0, "learning_rate_init": 0.01, "alpha": 0}
    errors = {
        loss: np.abs(MLPRegressor(loss, **settings).fit(X, outliers).predict(X) - y).mean()
        for loss in ("squared_error", "absolute_error", ("huber", 1.0))
    }
    assert errors["absolute_error"] < errors["squared_error"] / 2
    assert errors["huber", 1.0] < errors["squared_error"] / 2


def test_losses_are_reported_as_means_over_outputs(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, 2 * y])
    settings = {"alpha": 0, "learning_rate_init": 1e-12, "max_iter": 1, "random_state": 0}
    for loss, function in {
        "absolute_error": np.abs,
        "huber": lambda r: np.where(np.abs(r) < 1, r**2 / 2, np.abs(r) - 0.5),
        ("huber", 3.0): lambda r: np.where(np.abs(r) < 3, r**2 / 2, 3 * np.abs(r) - 4.5),
    }.items():
        model = MLPRegressor(loss, **settings).fit(X, Y)
        assert model.loss_ == pytest.approx(function(model.predict(X) - Y).mean(), rel=1e-6)


def test_poisson_needs_counts(diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match="loss='poisson' requires y >= 0, got -"):
        MLPRegressor("poisson").fit(X, y)


def test_label_smoothing_keeps_a_sure_classifier_modest(wine, cancer):
    for X, y in (wine, cancer):
        settings = {"max_iter": 400, "random_state": 0, "learning_rate_init": 0.01}
        sure = MLPClassifier(**settings).fit(X, y).predict_proba(X).max(axis=1)
        modest = MLPClassifier(label_smoothing=0.2, **settings).fit(X, y).predict_proba(X)
        p = len(np.unique(y))
        assert sure.mean() > 0.99
        assert modest.max(axis=1).mean() == pytest.approx(0.8 + 0.2 / p, abs=0.02)


@pytest.mark.parametrize(
    "solver",
    [
        *("momentum", "nesterov", "adagrad", "rmsprop", "adamw", "lion"),
        *(optimizers.SGD(momentum=0.5), optimizers.Adam(beta_1=0.8), optimizers.LBFGS(memory=5)),
    ],
)
def test_any_optimizer_trains(wine, solver):
    X, y = wine
    model = MLPClassifier(solver=solver, learning_rate_init=0.01, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    assert clone(model).get_params()["solver"] == solver


def test_a_network_fits_as_an_estimator_does(diabetes):
    """The same equations through the package's other door: alpha is L2 times the examples."""
    X, y = diabetes
    optimizer = optimizers.RMSprop(alpha=0.8)
    settings = {"alpha": 2.0, "shuffle": False, "max_iter": 5, "batch_size": len(y)}
    model = MLPRegressor(solver=optimizer, random_state=0, **settings)
    model.partial_fit(X, y)
    net = model._network.copy()
    model.fit(X, y)
    fresh = clone(model).set_params(max_iter=1).fit(X, y)
    np.testing.assert_array_equal(fresh.coefs_[0], net.W[0].T)
    rest = clone(model).set_params(max_iter=1)
    rest.fit(X, y)
    history = net.fit(
        X, y, epochs=1, batch_size=len(y), optimizer=optimizer, lr=0.001, l2=2.0 / len(y)
    )
    assert history["loss"][0] == pytest.approx(model.loss_curve_[1], rel=1e-4)


@pytest.mark.parametrize("name", sorted(schedules.SCHEDULES))
def test_schedules_set_the_rate_of_every_batch(wine, name):
    X, y = wine
    seen = []
    settings = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1, "max_iter": 12}
    model = MLPClassifier(
        learning_rate=name,
        batch_size=50,
        n_iter_no_change=100,
        random_state=0,
        callbacks=[lambda progress: seen.append(progress.estimator._optimizer.learning_rate)],
        **settings,
    ).fit(X, y)
    schedule = schedules.SCHEDULES[name]
    if name != "reduce_on_plateau":
        expected = [schedule.rates(0.1, epoch, 12, 4)[-1] for epoch in range(12)]
        np.testing.assert_allclose(seen, expected)
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_reduce_on_plateau_looks_at_the_validation_loss(wine):
    X, y = wine
    rates = []
    model = MLPClassifier(
        solver="rmsprop",
        learning_rate=schedules.ReduceOnPlateau(patience=0, factor=0.5),
        learning_rate_init=0.01,
        max_iter=60,
        n_iter_no_change=100,
        random_state=0,
        callbacks=[lambda progress: rates.append(progress.estimator._optimizer.learning_rate)],
    ).fit(X[::2], y[::2], eval_set=(X[1::2], y[1::2]))
    curve = model.validation_loss_curve_
    best, expected = np.inf, [0.01]
    for loss in curve[:-1]:
        rate = expected[-1]
        if loss < best - (1e-4 * best if best < np.inf else 0):
            best = loss
        else:
            rate = rate / 2 if rate / 2 > 1e-8 else rate
        expected.append(rate)
    assert rates[-1] < 0.01
    np.testing.assert_allclose(rates, expected)


def test_partial_fit_takes_several_labels():
    X, Y = datasets.make_multilabel_classification(600, n_classes=4, random_state=0)
    X = StandardScaler().fit_transform(X)
    model = MLPClassifier(random_state=0, learning_rate_init=0.01)
    for _ in range(15):
        for start in range(0, 600, 60):
            rows = slice(start, start + 60)
            model.partial_fit(X[rows], Y[rows], classes=np.arange(4))
    assert model.out_activation_ == "logistic"
    assert model.predict(X).shape == Y.shape
    assert (model.predict(X) == Y).mean() > 0.9
    # One example, and one whose labels are all set, make no other kind of target.
    model.partial_fit(X[:1], np.ones((1, 4), dtype=int))


def test_callbacks_watch_and_stop(wine):
    seen = []

    class Watcher(Callback):
        def on_train_begin(self, run):
            seen.append("begin")

        def on_epoch_begin(self, run):
            seen.append(run.epoch)

        def on_epoch_end(self, run):
            assert run.network is run.estimator._network
            assert run.epochs == 50
            assert run.history["loss"] == run.estimator.loss_curve_
            assert len(run.history["val_score"]) == run.epoch
            run.stop = run.epoch == 3

        def on_train_end(self, run):
            seen.append("end")

    X, y = wine
    model = MLPClassifier(max_iter=50, callbacks=[Watcher()]).fit(X, y, eval_set=(X, y))
    assert seen == ["begin", 0, 1, 2, "end"]
    assert model.n_iter_ == 3


def test_a_callback_stops_lbfgs(wine):
    def third(progress):
        progress.stop = progress.epoch == 3

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLPClassifier(solver="lbfgs", callbacks=[third], random_state=0).fit(*wine)
        assert model.n_iter_ == 3
    with pytest.warns(ConvergenceWarning):
        same = MLPClassifier(solver="lbfgs", max_iter=3, random_state=0).fit(*wine)
    np.testing.assert_array_equal(model.coefs_[0], same.coefs_[0])
    assert model.loss_ == pytest.approx(same.loss_)


def test_callbacks_are_checked(wine):
    class Batches(Callback):
        def on_batch_end(self, run):
            raise AssertionError

    with pytest.raises(TypeError, match="`callbacks` must be callable, or a Callback, got 3"):
        MLPClassifier(callbacks=[3]).fit(*wine)
    with pytest.raises(ValueError, match="must do without on_batch_end, which Batches has"):
        MLPClassifier(callbacks=[Batches()]).fit(*wine)


def test_lbfgs_tells_every_iteration(wine, capsys):
    model = MLPClassifier(solver="lbfgs", max_iter=4, verbose=True, random_state=0).fit(*wine)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[-1] == f"Iteration 4, loss = {model.loss_:.8f}"


def test_an_interrupted_training_is_kept(wine):
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = MLPClassifier(callbacks=[interrupt]).fit(*wine)
    assert model.n_iter_ == 2
    assert model.predict(wine[0]).shape == wine[1].shape


def test_diverged_weights_are_an_error(diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        MLPRegressor(solver="sgd", learning_rate_init=1e6, max_iter=30, random_state=0).fit(X, y)
