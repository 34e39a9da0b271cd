"""What a callback may set takes effect, what it may not is refused; metrics see equal shapes."""

import numpy as np
import pytest
from cases import make_case

import backprop as bp
from backprop.callbacks import Callback


def rate_of_each_batch(net, X, y, change, **settings):
    """Train with a callback that has ``change`` as one of its hooks; return the rates used."""
    rates = []

    class Watch(Callback):
        def on_batch_end(self, run):
            rates.append(run.lr)

    net.fit(X, y, batch_size=2, callbacks=[Watch(), change], **settings)
    return rates


def setting(hook, at, lr):
    """A callback that sets the rate in one hook, once."""

    class Set(Callback):
        pass

    def change(self, run):
        if (run.epoch, run.batch) == at:
            run.lr = lr

    setattr(Set, hook, change)
    return Set()


# Six examples in batches of two: three batches an epoch.
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", bp.schedules.Step(1)])
@pytest.mark.parametrize(
    ("hook", "at", "first"),
    [
        ("on_train_begin", (0, 0), 0),
        ("on_epoch_begin", (1, 3), 3),
        ("on_batch_begin", (1, 2), 4),
        ("on_batch_end", (1, 2), 5),
        ("on_epoch_end", (2, 3), 6),
    ],
)
def test_a_rate_that_is_set_holds_from_the_next_batch(hook, at, first, schedule, dtype):
    net, X, y = make_case("tanh", "softmax", 1, dtype=dtype)
    plain = rate_of_each_batch(net.copy(), X, y, Callback(), epochs=3, lr=0.1, schedule=schedule)
    rates = rate_of_each_batch(
        net, X, y, setting(hook, at, 1e-9), epochs=3, lr=0.1, schedule=schedule
    )
    assert rates[:first] == plain[:first]
    assert rates[first:] == [1e-9] * (9 - first)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum"])
def test_a_rate_that_is_set_is_that_of_the_step(optimizer):
    """Without hooks for batches an epoch is one call of the core; rate 0 freezes the weights."""
    net, X, y = make_case("tanh", "softmax", 1)
    kept = []

    def freeze(run):
        kept.append(run.network.theta.copy())
        run.lr = 0

    net.fit(X, y, epochs=3, optimizer=optimizer, callbacks=[freeze])
    np.testing.assert_array_equal(kept[0], kept[1])
    np.testing.assert_array_equal(kept[0], net.theta)


def test_a_rate_that_is_set_equals_one_that_is_scheduled():
    net, X, y = make_case("tanh", "softmax", 1)
    by_hand, scheduled = net.copy(), net.copy()

    def halve(run):
        run.lr /= 2

    by_hand.fit(X, y, epochs=4, lr=0.1, callbacks=[halve])
    scheduled.fit(X, y, epochs=4, lr=0.1, schedule=bp.schedules.Step(1, factor=0.5))
    np.testing.assert_array_equal(by_hand.theta, scheduled.theta)


def test_a_plateau_goes_on_from_a_rate_that_is_set():
    net, X, y = make_case("tanh", "softmax", 1)
    seen = []

    def change(run):
        seen.append(run.lr)
        if run.epoch == 1:
            run.lr = 1e-6  # from here on nothing improves

    plateau = bp.schedules.ReduceOnPlateau(factor=0.5, patience=1)
    net.fit(X, y, epochs=8, lr=0.1, schedule=plateau, callbacks=[change], shuffle=False)
    assert seen[0] == 0.1
    assert seen[1] == 1e-6
    assert seen[-1] < 1e-6


@pytest.mark.parametrize("schedule", ["constant", bp.schedules.ReduceOnPlateau(patience=1)])
def test_a_rate_that_is_set_survives_a_checkpoint(tmp_path, schedule):
    net, X, y = make_case("tanh", "softmax", 1)

    def change(run):
        if run.epoch == 2:
            run.lr = 0.003

    settings = {"lr": 0.1, "schedule": schedule, "callbacks": [change]}
    whole, halved = net.copy(), net.copy()
    whole.fit(X, y, epochs=5, **settings)
    halved.fit(X, y, epochs=3, checkpoint=tmp_path / "run", **settings)
    halved.fit(X, y, epochs=5, checkpoint=tmp_path / "run", resume=True, **settings)
    np.testing.assert_array_equal(halved.theta, whole.theta)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("lr", -1, ValueError, "`run.lr` must be finite and 0 or more, got -1"),
        ("lr", float("nan"), ValueError, "`run.lr` must be finite and 0 or more, got nan"),
        ("lr", "small", TypeError, "`run.lr` must be a number, got 'small'"),
        ("stop", "yes", TypeError, "`run.stop` must be True or False, got 'yes'"),
        ("epochs", 3, AttributeError, "`run.epochs` must be left alone: a callback can set"),
        ("epoch", 3, AttributeError, "`run.epoch` must be left alone"),
        ("history", {}, AttributeError, "`run.history` must be left alone"),
        ("network", None, AttributeError, "`run.network` must be left alone"),
        ("batch_loss", 0.0, AttributeError, "`run.batch_loss` must be left alone"),
        ("learning_rate", 0.1, AttributeError, "can set `run.stop` and `run.lr`"),
        ("stop_training", True, AttributeError, "`run.stop_training` must be left alone"),
    ],
)
def test_what_would_be_ignored_is_refused(name, value, error, message):
    net, X, y = make_case("tanh", "softmax", 1)
    with pytest.raises(error, match=message):
        net.fit(X, y, epochs=1, callbacks=[lambda run: setattr(run, name, value)])


def test_numpy_may_say_when_to_stop():
    net, X, y = make_case("tanh", "softmax", 1)

    def stop(run):
        run.stop = np.float64(run.history["loss"][-1]) > 0

    assert net.fit(X, y, epochs=5, callbacks=[stop]).epochs == 1


def test_the_rate_of_lbfgs_cannot_be_set():
    pytest.importorskip("scipy")
    net, X, y = make_case("tanh", "softmax", 1)
    with pytest.raises(ValueError, match=r"`run\.lr` must be left alone for L-BFGS"):
        net.fit(X, y, optimizer="lbfgs", callbacks=[lambda run: setattr(run, "lr", 0.1)])


def test_an_attribute_that_is_not_there_is_not_that_of_a_private_class():
    net, X, y = make_case("tanh", "softmax", 1)
    with pytest.raises(AttributeError, match="`run` has no attribute 'loss'; it has batch, batch_"):
        net.fit(X, y, epochs=1, callbacks=[lambda run: run.loss])


@pytest.mark.parametrize(
    ("name", "message"),
    [("lr", "a callback can set `progress.stop`"), ("stop_training", "must be left alone")],
)
def test_the_callbacks_of_an_estimator_are_refused_likewise(name, message):
    pytest.importorskip("sklearn")
    from backprop.sklearn import MLPClassifier

    model = MLPClassifier(max_iter=2, callbacks=[lambda p: setattr(p, name, 0.1)])
    with pytest.raises(AttributeError, match=message):
        model.fit(np.eye(4), [0, 1, 0, 1])


def test_a_hook_that_nobody_would_call_is_refused():
    class Misspelt(Callback):
        def on_epoch_ends(self, run):
            raise AssertionError

    net, X, y = make_case("tanh", "softmax", 1)
    with pytest.raises(
        ValueError, match=r"`hook of Misspelt` must be .*; did you mean 'on_epoch_e"
    ):
        net.fit(X, y, callbacks=[Misspelt()])


# Metrics


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["linear", "exp", "sigmoid"])
@pytest.mark.parametrize("p", [1, 3])
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("held_out", ["none", "pair", "share"])
def test_a_metric_gets_predictions_and_targets_of_one_shape(output, p, flat, held_out, dtype):
    net, X, y = make_case("tanh", output, 1, p=p, m=20, dtype=dtype)
    if flat and p == 1:
        y = y.ravel()
    seen = []

    def mae(Y_hat, y):
        seen.append((Y_hat.shape, y.shape))
        return np.mean(np.abs(Y_hat - y))

    validation = {"none": None, "pair": (X, y), "share": 0.25}[held_out]
    history = net.fit(X, y, epochs=1, lr=1e-3, metrics=mae, validation=validation)
    m = 5 if held_out == "share" else 20
    assert seen == [((m, p), (m, p))]
    if held_out != "share":
        expected = np.mean(np.abs(net.forward(X) - y.reshape(20, p)))
        [value] = history["mae" if held_out == "none" else "val_mae"]
        assert value == pytest.approx(expected, rel=1e-6)


def test_a_metric_of_classes_gets_their_numbers():
    net, X, y = make_case("tanh", "softmax", 1)
    seen = []
    net.fit(X, y, epochs=1, metrics=lambda Y_hat, y: seen.append((Y_hat.shape, y.shape)) or 0.0)
    assert seen == [((6, 3), (6,))]
