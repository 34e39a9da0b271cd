"""What watches a training: callbacks, early stopping, metrics, threads, the progress bar."""

import io
import sys
import types

import numpy as np
import pytest
from cases import make_case
from test_bad_input import refuses
from test_fit import digits_like

import backprop as bp
from backprop import optimizers
from backprop.callbacks import Callback, EarlyStopping
from backprop.training import _progress


class Diary(Callback):
    """Writes down every call."""

    def __init__(self):
        self.entries = []

    def on_train_begin(self, run):
        self.entries.append("train begin")

    def on_train_end(self, run):
        self.entries.append("train end")

    def on_epoch_begin(self, run):
        self.entries.append(f"epoch {run.epoch} begin")

    def on_epoch_end(self, run):
        self.entries.append(f"epoch {run.epoch} end")

    def on_batch_begin(self, run):
        self.entries.append(f"batch {run.batch} begin")

    def on_batch_end(self, run):
        assert np.isfinite(run.batch_loss)
        self.entries.append(f"batch {run.batch} end")


BATCHES = ["batch 1 begin", "batch 1 end", "batch 2 begin", "batch 2 end"]


def test_hooks_are_called_in_their_order():
    net, X, y = make_case("relu", "softmax", 1)
    diary = Diary()
    net.fit(X, y, epochs=2, batch_size=4, callbacks=[diary])
    assert diary.entries == [
        "train begin",
        *("epoch 0 begin", *BATCHES, "epoch 1 end"),
        *("epoch 1 begin", *BATCHES, "epoch 2 end"),
        "train end",
    ]


def test_a_hook_before_a_batch_is_enough_to_see_its_rate():
    net, X, y = make_case("relu", "softmax", 1)
    rates = []

    class Rates(Callback):
        def on_batch_begin(self, run):
            rates.append(run.lr)

    net.fit(X, y, epochs=2, batch_size=3, lr=0.1, schedule="step", callbacks=[Rates()])
    assert rates == [0.1] * 4


def test_hooks_around_epochs_leave_the_batches_together():
    net, X, y = make_case("relu", "softmax", 1)
    seen = []

    class Epochs(Callback):
        def on_epoch_begin(self, run):
            assert run._steps._hooks is None
            seen.append(run.lr)

    net.fit(X, y, epochs=3, schedule="exponential", callbacks=[Epochs()])
    assert seen == pytest.approx([0.1, 0.095, 0.09025])


def test_a_hook_may_stop_within_an_epoch():
    net, X, y = make_case("relu", "softmax", 1)
    twin = net.copy()

    class Stop(Callback):
        def on_batch_end(self, run):
            run.stop = run.batch == 2

    history = net.fit(X, y, epochs=5, batch_size=2, shuffle=False, callbacks=[Stop()])
    losses = [twin.step(X[i : i + 2], y[i : i + 2], 0.1) for i in (0, 2)]
    np.testing.assert_array_equal(net.theta, twin.theta)
    assert history["loss"] == [pytest.approx(np.mean(losses), rel=1e-14)]


def test_a_hook_may_stop_before_it_begins():
    net, X, y = make_case("relu", "softmax", 1)
    before = net.theta.copy()

    class Stop(Callback):
        def on_train_begin(self, run):
            run.stop = True

    assert net.fit(X, y, callbacks=[Stop()]).epochs == 0
    np.testing.assert_array_equal(net.theta, before)


def test_functions_and_callbacks_mix():
    net, X, y = make_case("relu", "softmax", 1)
    diary, epochs = Diary(), []
    net.fit(X, y, epochs=2, callbacks=[lambda run: epochs.append(run.epoch), diary])
    assert epochs == [1, 2]
    assert len(diary.entries) == 10


def test_a_callback_class_is_no_callback():
    net, X, y = make_case("relu", "softmax", 1)
    with pytest.raises(TypeError, match="`callbacks` must hold objects, got the class Diary"):
        net.fit(X, y, callbacks=[Diary])


def test_initial_epoch_continues_orders_and_schedules():
    X, y = digits_like()
    whole, half = (bp.Network([64, 10], dtype="float64") for _ in range(2))
    settings = {"schedule": "cosine", "seed": 3, "lr": 0.2}
    expected = whole.fit(X, y, epochs=6, **settings)
    half.fit(
        X, y, epochs=6, callbacks=[lambda run: setattr(run, "stop", run.epoch == 2)], **settings
    )
    epochs = []
    rest = half.fit(
        X,
        y,
        epochs=6,
        initial_epoch=2,
        callbacks=[lambda run: epochs.append(run.epoch)],
        **settings,
    )
    np.testing.assert_array_equal(half.theta, whole.theta)
    assert rest["loss"] == expected["loss"][2:]
    assert epochs == [3, 4, 5, 6]
    assert half.fit(X, y, epochs=6, initial_epoch=6).epochs == 0


# Early stopping


def overfitting():
    """Noise to learn by heart."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 5)), rng.integers(0, 2, 60)
    net = bp.Network([5, 30, 2], dtype="float64")
    return net, X[:30], y[:30], (X[30:], y[30:])


def test_training_stops_when_the_validation_loss_rises_and_goes_back_to_the_best():
    net, X, y, validation = overfitting()
    history = net.fit(
        X, y, epochs=200, lr=0.3, batch_size=8, validation=validation, early_stopping=7
    )
    best = int(np.argmin(history["val_loss"]))
    assert history.epochs == best + 1 + 7 < 200
    assert net.loss(*validation) == history["val_loss"][best]


def test_the_last_weights_may_be_kept():
    net, X, y, validation = overfitting()
    stopping = EarlyStopping(patience=7, restore_best=False)
    history = net.fit(
        X, y, epochs=200, lr=0.3, batch_size=8, validation=validation, early_stopping=stopping
    )
    assert net.loss(*validation) == history["val_loss"][-1]


def test_the_best_weights_come_back_without_stopping_too():
    net, X, y, validation = overfitting()
    history = net.fit(X, y, epochs=60, lr=0.3, validation=validation, early_stopping=1000)
    assert history.epochs == 60
    assert net.loss(*validation) == min(history["val_loss"]) < history["val_loss"][-1]


@pytest.mark.parametrize(
    ("monitor", "mode", "best"), [("val_accuracy", None, "max"), ("val_f1", "min", "min")]
)
def test_a_metric_has_its_better_side(monitor, mode, best):
    net, X, y, validation = overfitting()
    stopping = EarlyStopping(patience=200, monitor=monitor, mode=mode)
    metrics = ["accuracy", "f1"]
    history = net.fit(
        X, y, epochs=20, lr=0.3, validation=validation, metrics=metrics, early_stopping=stopping
    )
    values = history[monitor]
    assert len(set(values)) > 1
    again = net.fit(X, y, epochs=1, lr=1e-300, validation=validation, metrics=metrics)
    assert again[monitor] == [{"max": max, "min": min}[best](values)]


def test_without_validation_the_training_loss_is_watched():
    net, X, y, _ = overfitting()
    stopping = EarlyStopping(patience=3, min_delta=0.01)
    losses = net.fit(X, y, epochs=500, lr=0.05, early_stopping=stopping)["loss"]
    assert 4 < len(losses) < 500
    best = losses[0]
    for loss in losses[1:-3]:
        best = loss if best - loss > 0.01 else best
    assert all(best - loss <= 0.01 for loss in losses[-3:])


def test_early_stopping_may_be_a_patience_true_or_false():
    net, X, y, validation = overfitting()
    settings = {"epochs": 100, "lr": 0.5, "batch_size": 4, "validation": validation}
    lengths = [
        net.copy().fit(X, y, early_stopping=stopping, **settings).epochs
        for stopping in (True, 10, EarlyStopping(), False)
    ]
    assert lengths[0] == lengths[1] == lengths[2] < lengths[3] == 100


@pytest.mark.parametrize(
    ("stopping", "error", "message"),
    [
        (0, ValueError, "`early_stopping` must be at least 1, got 0"),
        ("soon", TypeError, "`early_stopping` must be an EarlyStopping, its patience, or True"),
        (EarlyStopping(monitor="val_los"), ValueError, "`monitor` must be one of loss, got 'val_l"),
    ],
)
def test_bad_early_stopping_is_refused(stopping, error, message):
    net, X, y = make_case("relu", "softmax", 1)
    with pytest.raises(error, match=message):
        net.fit(X, y, early_stopping=stopping)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EarlyStopping(patience=0), ValueError, "`patience` must be at least 1, got 0"),
        (lambda: EarlyStopping(min_delta=-1), ValueError, "`min_delta` must be finite and 0 or m"),
        (lambda: EarlyStopping(monitor=3), TypeError, "`monitor` must be a name in the history"),
        (lambda: EarlyStopping(restore_best=1), TypeError, "`restore_best` must be True or False"),
        (lambda: EarlyStopping(mode="high"), ValueError, "`mode` must be one of min, max"),
    ],
)
def test_bad_options_of_early_stopping_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


# Metrics


def test_metrics_of_trained_and_of_held_out_examples():
    net, X, y, validation = overfitting()

    def share_of_ones(Y_hat, y):
        return Y_hat.argmax(axis=1).mean()

    trained = net.fit(X, y, epochs=2, metrics=["top_1", share_of_ones])
    assert list(trained) == ["loss", "top_1", "share_of_ones"]
    assert trained["top_1"][-1] == np.mean(net.predict(X).argmax(axis=1) == y)
    held = net.fit(X, y, epochs=2, metrics=["log_loss", share_of_ones], validation=validation)
    assert list(held) == ["loss", "val_loss", "val_log_loss", "val_share_of_ones"]
    assert held["val_log_loss"] == pytest.approx(held["val_loss"], rel=1e-12)
    assert list(net.fit(X, y, epochs=1, metrics=[], validation=validation)) == ["loss", "val_loss"]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"metrics": ["f1", "f1"]}, ValueError, "`metrics` must have different names, got 'f1' tw"),
        ({"metrics": "r2"}, ValueError, "`metrics` must suit the output 'softmax'"),
        ({"metrics": 3}, TypeError, "`metrics` must be a name, got int"),
        (
            {"metrics": [max], "early_stopping": EarlyStopping(monitor="max")},
            ValueError,
            "`mode` must be 'min' or 'max' to say which 'max' is better, got None",
        ),
        ({"l1": -1}, ValueError, "`l1` must be finite and 0 or more, got -1"),
        ({"l2": [1, 2, 3]}, ValueError, "`l2` must be a number, or one for each layer, which are"),
        ({"l2": ["a", 1]}, TypeError, "`l2[0]` must be a number, got 'a'"),
        ({"dropout": 1}, ValueError, "`dropout` must be from 0 to below 1, got 1"),
        ({"dropout": [0.1, 0.1]}, ValueError, "one for each hidden layer, which are 1, got 2"),
        ({"clip_norm": 0}, ValueError, "`clip_norm` must be positive and finite, got 0"),
        ({"clip_value": -1}, ValueError, "`clip_value` must be positive and finite, got -1"),
        ({"max_norm": "a"}, TypeError, "`max_norm` must be a number, got 'a'"),
        ({"shuffle": 1}, TypeError, "`shuffle` must be True or False, got 1"),
        ({"schedule": "cosin"}, ValueError, "did you mean 'cosine'?"),
        ({"initial_epoch": 30}, ValueError, "`initial_epoch` must be at most 20, got 30"),
        ({"threads": 0}, ValueError, "`threads` must be at least 1, got 0"),
        ({"progress": 1}, TypeError, "`progress` must be True or False, got 1"),
        ({"optimizer": "lbfgs", "lr": 0.1}, ValueError, "`lr` must be left out for L-BFGS"),
        ({"optimizer": "lbfgs", "dropout": 0.1}, ValueError, "`dropout` must be left out for L-"),
        ({"optimizer": "lbfgs", "schedule": "step"}, ValueError, "`schedule` must be left out"),
        ({"optimizer": "lbfgs", "max_norm": 1.0}, ValueError, "`max_norm` must be left out for"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    net, X, y = make_case("relu", "softmax", 1)
    refuses(net, error, message, lambda: net.fit(X, y, **settings))


@pytest.mark.parametrize("name", set(optimizers.OPTIMIZERS) - {"lbfgs"})
def test_every_optimizer_learns_with_its_own_learning_rate(name):
    X, y = digits_like(400)
    net = bp.Network([64, 50, 10], dtype="float64")
    history = net.fit(X, y, epochs=40, optimizer=name)
    assert history["loss"][-1] < 0.5 * history["loss"][0]


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "lion"])
def test_a_diverging_run_of_any_optimizer_keeps_weights_that_work(optimizer):
    net, X, y = make_case("relu", "linear", 1, m=200)
    with pytest.raises(bp.DivergenceError, match=r"Try a smaller lr \(it is 1e\+150\)"):
        net.fit(X, y, epochs=50, batch_size=16, lr=1e150, optimizer=optimizer)
    assert np.isfinite(net.theta).all()
    assert np.isfinite(net.loss(X, y))


# Threads


def test_threads_are_those_of_this_training_only():
    net, X, y = make_case("relu", "softmax", 1)
    before, seen = bp.get_num_threads(), []
    net.fit(
        X,
        y,
        epochs=1,
        threads=before + 1,
        callbacks=[lambda run: seen.append(bp.get_num_threads())],
    )
    assert seen == [before + 1]
    assert bp.get_num_threads() == before


# Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def without_rich(monkeypatch):
    for name in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)


def test_nothing_is_shown_where_nobody_looks(capsys):
    net, X, y = make_case("relu", "softmax", 1)
    net.fit(X, y, epochs=3, progress=True)
    assert capsys.readouterr() == ("", "")


def test_a_line_shows_how_far_it_is_where_rich_is_missing(monkeypatch):
    without_rich(monkeypatch)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    net, X, y = make_case("relu", "softmax", 1)
    history = net.fit(X, y, epochs=2, progress=True, validation=(X, y))
    shown = terminal.getvalue()
    assert "\repoch 1/2 [############------------] loss " in shown
    assert f"validation accuracy {history['val_accuracy'][-1]:.4f}" in shown
    assert shown.endswith("\n")


def test_a_short_training_shows_nothing_unless_asked(monkeypatch):
    without_rich(monkeypatch)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    net, X, y = make_case("relu", "softmax", 1)
    net.fit(X, y, epochs=3)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(_progress, "_PATIENCE", 0.0)
    net.fit(X, y, epochs=3, progress=False)
    assert terminal.getvalue() == ""
    net.fit(X, y, epochs=3)
    assert "epoch 3/3" in terminal.getvalue()


def test_rich_draws_the_bar_in_a_terminal(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    net, X, y = make_case("relu", "softmax", 1)
    net.fit(X, y, epochs=4, progress=True)
    assert "4/4" in terminal.getvalue()
    assert "loss" in terminal.getvalue()


def test_a_notebook_gets_the_line(monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", cell := io.StringIO())
    net, X, y = make_case("relu", "softmax", 1)
    net.fit(X, y, epochs=2, progress=True)
    assert "epoch 2/2" in cell.getvalue()
    assert "\x1b" not in cell.getvalue()
