"""Training does what it says: the same as the reference, the same every time, safely."""

import pickle
import signal

import numpy as np
import pytest
from cases import DTYPES, OUTPUTS, as_lists, make_case, names_of, relative_norm

import backprop as bp
from backprop import _backprop, reference
from backprop.data import load_digits


def digits_like(m=200, dtype="float64"):
    """Ten blurred clusters in 64 pixels of 0..1."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, m)
    X = rng.uniform(0, 1, (10, 64))[y] + 0.3 * rng.standard_normal((m, 64))
    return X.astype(dtype), y


@pytest.mark.parametrize("shuffle", [True, False])
def test_two_epochs_equal_the_reference(shuffle):
    X, y = digits_like()
    net = bp.Network([64, 30, 10], dtype="float64", seed=3)
    W, b = as_lists(net)
    settings = {"epochs": 2, "batch_size": 32, "lr": 0.1, "shuffle": shuffle, "seed": 11}
    losses = reference.fit(X.tolist(), y.tolist(), W, b, *names_of(net), **settings)
    history = net.fit(X, y, **settings)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(net.theta, reference.flatten(W, b), rtol=0, atol=1e-10)


def test_two_epochs_on_digits_equal_the_reference():
    digits = load_digits()
    X, y = digits.X[:200].astype(np.float64) / 16, digits.y[:200]
    net = bp.Network([64, 30, 10], dtype="float64")
    W, b = as_lists(net)
    settings = {"epochs": 2, "batch_size": 32, "lr": 0.1, "seed": 0}
    losses = reference.fit(X.tolist(), y.tolist(), W, b, *names_of(net), **settings)
    history = net.fit(X, y, **settings)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)
    np.testing.assert_allclose(net.theta, reference.flatten(W, b), rtol=0, atol=1e-10)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("n_hidden", [0, 3])
def test_a_last_batch_that_is_smaller_equals_the_reference(output, n_hidden):
    net, X, y = make_case("tanh", output, n_hidden, m=23)
    W, b = as_lists(net)
    settings = {"epochs": 3, "batch_size": 5, "lr": 0.05, "seed": 2}
    losses = reference.fit(X.tolist(), y.tolist(), W, b, *names_of(net), **settings)
    history = net.fit(X, y, **settings)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    assert relative_norm(net.theta, reference.flatten(W, b)) < 1e-12


@pytest.mark.parametrize(("m", "seed", "epoch"), [(1, 0, 0), (10, 0, 0), (97, 2**64 - 1, 12)])
def test_the_order_of_an_epoch_is_the_references(m, seed, epoch):
    order = np.zeros(m, np.int64)
    _backprop.shuffle(order, seed, epoch)
    assert order.tolist() == reference.shuffled_order(m, seed, epoch)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_seed_gives_the_same_bytes(dtype):
    X, y = digits_like(dtype=dtype)

    def trained(seed):
        net = bp.Network([64, 30, 10], dtype=dtype)
        net.fit(X, y, epochs=3, seed=seed)
        return net.theta.tobytes()

    assert trained(5) == trained(5)
    assert trained(5) != trained(6)


def test_no_seed_draws_an_order_of_its_own_each_time():
    X, y = digits_like()
    nets = [bp.Network([64, 10], dtype="float64", init="zeros") for _ in range(2)]
    for net in nets:
        net.fit(X, y, epochs=1, seed=None)
    assert (nets[0].theta != nets[1].theta).any()


@pytest.mark.parametrize("layout", ["F", "strided", "reversed", "columns"])
def test_any_layout_of_the_data_trains_the_same(layout):
    X, y = digits_like()
    wide = np.zeros((400, 130))
    wide[::2, 1:65] = X
    X_as = {
        "F": np.asfortranarray(X),
        "strided": wide[::2, 1:65],
        "reversed": X[::-1].copy()[::-1],
        "columns": np.repeat(X, 2, axis=1)[:, ::2],
    }[layout]
    y_as = np.repeat(y, 2)[::2]
    nets = [bp.Network([64, 20, 10], dtype="float64") for _ in range(2)]
    nets[0].fit(X, y, epochs=2)
    nets[1].fit(X_as, y_as, epochs=2)
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)


def test_it_learns_and_the_history_shows_it():
    X, y = digits_like(600, "float32")
    net = bp.Network([64, 50, 10])
    history = net.fit(X[:500], y[:500], epochs=12, lr=0.2, validation=(X[500:], y[500:]))
    assert list(history) == ["loss", "val_loss", "val_accuracy"]
    assert len(history) == 3
    assert history.epochs == 12
    assert all(len(values) == 12 for values in history.values())
    assert history["val_accuracy"][-1] > 0.95
    assert history["val_loss"][-1] == net.loss(X[500:], y[500:])
    accuracy = np.mean(net.predict(X[500:]).argmax(axis=1) == y[500:])
    assert history["val_accuracy"][-1] == accuracy
    first, last = history["loss"][0], history["loss"][-1]
    assert repr(history).startswith(f"History(12 epochs, loss {first:.4g} -> {last:.4g}, val_loss")


def test_validation_of_one_hot_rows_counts_the_same():
    net, X, y = make_case("relu", "softmax", 1, m=50)
    twin = net.copy()
    labels = net.fit(X, y, epochs=2, validation=(X, y))
    rows = twin.fit(X, y, epochs=2, validation=(X, np.eye(3)[y]))
    assert labels["val_accuracy"] == rows["val_accuracy"]


@pytest.mark.parametrize("p", [1, 3])
def test_validation_of_sigmoid_outputs_counts_sides_of_one_half(p):
    net, X, y = make_case("tanh", "sigmoid", 1, p=p, m=50)
    targets = y[:, 0] if p == 1 else y
    history = net.fit(X, targets, epochs=2, validation=(X, targets))
    assert history["val_accuracy"][-1] == np.mean((net.predict(X) > 0.5) == (y == 1))


def test_validation_of_a_linear_output_has_no_accuracy():
    net, X, y = make_case("tanh", "linear", 1, m=50)
    history = net.fit(X, y, epochs=2, lr=0.01, validation=(X.tolist(), y.tolist()))
    assert list(history) == ["loss", "val_loss"]


def test_a_batch_larger_than_the_data_is_all_of_it():
    net, X, y = make_case("relu", "softmax", 1)
    twin = net.copy()
    assert net.fit(X, y, epochs=2, batch_size=2**60)["loss"] == twin.fit(X, y, epochs=2)["loss"]


def test_callbacks_see_the_run_and_may_stop_it():
    net, X, y = make_case("relu", "softmax", 1)
    seen = []

    def watch(run):
        assert run.network is net
        seen.append((run.epoch, run.epochs, run.history["loss"][-1]))
        run.stop = run.epoch == 3

    history = net.fit(X, y, epochs=10, callbacks=[watch])
    assert seen == [(i + 1, 10, loss) for i, loss in enumerate(history["loss"])]
    assert history.epochs == 3


# Divergence


@pytest.mark.parametrize("batch_size", [200, 16])
@pytest.mark.parametrize("output", ["softmax", "linear"])
def test_a_diverging_run_keeps_weights_that_work(batch_size, output):
    """One batch an epoch is the hard case: an epoch's loss is seen before its step spoils all."""
    net, X, y = make_case("relu", output, 1, m=200)
    settings = {"batch_size": batch_size, "lr": 1e4, "seed": 4}
    twin, before = net.copy(), net.theta.copy()
    with pytest.raises(bp.DivergenceError, match=r"the loss became (inf|nan|-nan) in epoch") as e:
        net.fit(X, y, epochs=500, **settings)
    assert np.isfinite(net.theta).all()
    assert np.isfinite(net.loss(X, y))
    message = str(e.value)
    assert "Try a smaller lr (it is 10000)" in message
    assert f"in epoch {e.value.epoch} of 500, batch {e.value.batch} of " in message
    # They are the weights after the epoch it names, or the first ones.
    if "those before training" in message:
        np.testing.assert_array_equal(net.theta, before)
    else:
        good = int(message.split("those after epoch ")[1].split(".")[0])
        assert good == e.value.epoch - (2 if e.value.batch == 1 else 1)
        twin.fit(X, y, epochs=good, **settings)
        np.testing.assert_array_equal(net.theta, twin.theta)


def test_divergence_late_in_a_run_keeps_the_epoch_before():
    """A learning rate that is fine until the data get their outlier."""
    X, y = np.ones((8, 1)), np.zeros((8, 1))
    net = bp.Network([1, 1], output="linear", dtype="float64")
    twin = net.copy()

    def spoil(run):
        if run.epoch == 3:
            X[4:] = 1e200

    with pytest.raises(bp.DivergenceError, match="in epoch 4 of 9, batch 2 of 2; the weights are "):
        net.fit(X, y, epochs=9, batch_size=4, shuffle=False, callbacks=[spoil])
    twin.fit(np.ones((8, 1)), y, epochs=3, batch_size=4, shuffle=False)
    np.testing.assert_array_equal(net.theta, twin.theta)


def test_initial_weights_that_fail_at_once_are_left_as_they_are():
    net, X, y = make_case("linear", "linear", 1)
    net.theta[:] = 1e200
    before = net.theta.copy()
    with pytest.raises(bp.DivergenceError, match=r"epoch 1 of 20, batch 1 of 1.*before training"):
        net.fit(X, y)
    np.testing.assert_array_equal(net.theta, before)


def test_weights_that_the_very_last_step_spoils_are_noticed():
    X, y = np.full((4, 1), 1e150), np.zeros((4, 1))
    net = bp.Network([1, 1], output="linear", dtype="float64")
    net.W[0][:] = 1e-10
    with pytest.raises(bp.DivergenceError, match="a weight became NaN or infinite in epoch 1 of 1"):
        net.fit(X, y, epochs=1, lr=1e250)
    np.testing.assert_array_equal(net.W[0], 1e-10)


def test_a_divergence_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(bp.DivergenceError("the loss became nan", 3, 7)))
    assert isinstance(error, ArithmeticError)
    assert (str(error), error.epoch, error.batch) == ("the loss became nan", 3, 7)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_an_interrupt_stops_between_batches_and_leaves_a_sound_network():
    # Two million batches without their memory: one epoch is far longer than the timer, and what
    # comes before it far shorter.
    X = np.broadcast_to(np.float32(0.5), (2_000_000, 64))
    y = np.broadcast_to(np.int64(3), 2_000_000)
    net = bp.Network([64, 100, 10], check_finite=False)
    before = net.theta.copy()

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y, epochs=1, batch_size=1, lr=0.001, shuffle=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert np.isfinite(net.theta).all()
    assert (net.theta != before).any()
    assert net.fit(X[:64], y[:64], epochs=1).epochs == 1
