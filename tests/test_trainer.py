"""The compiled trainer: update rules, penalties, clips and masks against the same in Python."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

import backprop as bp
from backprop import _backprop, reference

SIZES = [7, 19, 5, 3]
M, BATCH = 50, 16
TRAINERS = {"float32": _backprop.Trainer32, "float64": _backprop.Trainer64}
OPTIMIZERS = list(_backprop.optimizers())
# Of each, options that are not its defaults, as the core and as the reference call them.
TUNED = {
    "momentum": ({"momentum": 0.7}, {"momentum": 0.7}),
    "nesterov": ({"momentum": 0.7}, {"momentum": 0.7}),
    "adagrad": ({"eps": 1e-3}, {"eps": 1e-3}),
    "rmsprop": ({"alpha": 0.8, "eps": 1e-3}, {"alpha": 0.8, "eps": 1e-3}),
    "adam": ({"beta_1": 0.7, "beta_2": 0.9, "eps": 1e-3}, {"betas": (0.7, 0.9), "eps": 1e-3}),
    "adamw": ({"beta_1": 0.7, "weight_decay": 0}, {"betas": (0.7, 0.999), "weight_decay": 0.0}),
    "lion": ({"beta_1": 0.7, "beta_2": 0.8}, {"betas": (0.7, 0.8)}),
}


def problem(dtype="float64", hidden="tanh", sizes=SIZES, m=M):
    rng = np.random.default_rng(1)
    net = bp.Network(sizes, hidden=hidden, dtype=dtype, seed=2)
    X = rng.standard_normal((m, sizes[0])).astype(dtype)
    return net, X, rng.integers(0, sizes[-1], m), rng.random(m).astype(dtype)


def trainer_of(net, *args, **settings):
    return TRAINERS[net.dtype.name](net.engine, *args, **settings)


def epochs(net, trainer, X, y, n, lr, weight=None):
    order, losses = np.arange(len(X)), []
    for epoch in range(n):
        _backprop.shuffle(order, 4, epoch)
        loss, failed = trainer.epoch(X, y, order, lr, weight)
        assert failed == -1
        losses.append(loss)
    return losses


def assert_equal_theta(net, W, b, tolerance):
    expected = np.array(reference.flatten(W, b))
    assert np.abs(net.theta - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [{}, {"l1": [0.01, 0.0, 0.02], "l2": [0.1, 0.2, 0.0]}])
@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_equals_the_reference(optimizer, tuned, penalty, weighted):
    net, X, y, weight = problem()
    if not weighted:
        weight = None
    options, named = TUNED.get(optimizer, ({}, {})) if tuned else ({}, {})
    if optimizer == "adamw" and not tuned:
        options, named = {"weight_decay": 0}, {"weight_decay": 0.0}  # decays W alone: tested below
    W, b = [W_k.tolist() for W_k in net.W], [b_k.tolist() for b_k in net.b]
    expected = reference.fit(
        X.tolist(), y.tolist(), W, b, "tanh", epochs=3, lr=0.01, batch_size=BATCH, seed=4,
        optimizer=optimizer, sample_weight=weight.tolist() if weighted else None,
        **penalty, **named,
    )  # fmt: skip
    losses = epochs(
        net, trainer_of(net, BATCH, optimizer, options, **penalty), X, y, 3, 0.01, weight
    )
    assert_equal_theta(net, W, b, 1e-12)
    assert losses == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_float32_follows_float64_to_rounding(optimizer):
    single, X, y, _ = problem("float32")
    double, X64, *_ = problem("float64")
    # lion steps by signs, and a sign can hang on the last bit.
    lr, steps = (1e-5, 1) if optimizer == "lion" else (1e-3, 5)
    epochs(single, trainer_of(single, BATCH, optimizer, l2=[0.1] * 3), X, y, steps, lr)
    epochs(double, trainer_of(double, BATCH, optimizer, l2=[0.1] * 3), X64, y, steps, lr)
    # adagrad and rmsprop divide a first gradient by its own size, so that tiny ones move theta too.
    assert np.abs(single.theta - double.theta).max() < 2e-5


@pytest.mark.parametrize("optimizer", ["adamw", "lion"])
def test_decoupled_decay_takes_weights_and_no_biases(optimizer):
    net, X, y, _ = problem()
    net.theta[...] += 0.1
    plain = net.copy()
    lr, decay = 0.01, 0.3
    epochs(net, trainer_of(net, M, optimizer, {"weight_decay": decay}), X, y, 1, lr)
    start = plain.copy()
    epochs(plain, trainer_of(plain, M, optimizer, {"weight_decay": 0}), X, y, 1, lr)
    for decayed, undecayed, before in zip(net.W, plain.W, start.W, strict=True):
        np.testing.assert_allclose(decayed, undecayed - lr * decay * before, rtol=0, atol=1e-14)
    for decayed, undecayed in zip(net.b, plain.b, strict=True):
        np.testing.assert_array_equal(decayed, undecayed)


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_velocity_may_hold_the_learning_rate(nesterov):
    """v <- mu v - lr g, theta <- theta + v, or with Nesterov theta + mu v - lr g."""
    net, X, y, _ = problem()
    expected, mu = net.copy(), 0.8
    name = "nesterov" if nesterov else "momentum"
    trainer = trainer_of(net, M, name, {"momentum": mu, "lr_in_velocity": 1})
    v = np.zeros_like(net.theta)
    for lr in (0.1, 0.05, 0.2):
        trainer.epoch(X, y, None, lr)
        g = expected.gradients(X, y).theta
        v = mu * v - lr * g
        expected.theta[...] += mu * v - lr * g if nesterov else v
    np.testing.assert_allclose(net.theta, expected.theta, rtol=0, atol=1e-13)


def test_eps_may_be_added_before_the_correction():
    """The step is lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + eps)."""
    net, X, y, _ = problem()
    expected, eps = net.copy(), 1e-2
    trainer = trainer_of(net, M, "adam", {"eps": eps, "eps_uncorrected": 1})
    m, v = np.zeros_like(net.theta), np.zeros_like(net.theta)
    for t in (1, 2, 3):
        trainer.epoch(X, y, None, 0.1)
        g = expected.gradients(X, y).theta
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        lr = 0.1 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        expected.theta[...] -= lr * m / (np.sqrt(v) + eps)
    np.testing.assert_allclose(net.theta, expected.theta, rtol=0, atol=1e-13)


def test_a_penalty_may_be_divided_by_the_weight_of_its_batch():
    net, X, y, weight = problem()
    divided, l2 = net.copy(), 0.5
    total = float(weight.sum())
    loss, _ = trainer_of(net, M, l2=[l2 / total] * 3).epoch(X, y, None, 0.1, weight)
    other, _ = trainer_of(divided, M, l2=[l2] * 3, penalty_by_weight=True).epoch(
        X, y, None, 0.1, weight
    )
    assert other == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(divided.theta, net.theta, rtol=1e-14)


@pytest.mark.parametrize("penalty", [{}, {"l2": [0.5] * 3, "penalty_by_weight": True}])
def test_the_losses_of_an_epochs_batches(penalty):
    net, X, y, weight = problem()
    weight[2 * BATCH : 3 * BATCH] = 0
    before = net.copy()
    losses = np.full((4, 2), -1.0)
    mean, _ = trainer_of(net, BATCH, **penalty).epoch(X, y, None, 0.1, weight, losses)
    step = trainer_of(before, BATCH, **penalty)
    sums = np.add.reduceat(weight, np.arange(0, M, BATCH))
    for i, (data, cost) in enumerate(losses):
        rows = slice(i * BATCH, (i + 1) * BATCH)
        if i == 2:  # weighs nothing
            assert (data, cost) == (0, 0)
            continue
        expected = before.engine.loss(X[rows], y[rows], True, weight[rows])
        assert data == pytest.approx(expected, rel=1e-13)
        squares = sum(float((W * W).sum()) for W in before.W) if penalty else 0.0
        assert cost == pytest.approx(0.25 * squares / sums[i], rel=1e-13)
        step.epoch(X[rows], y[rows], None, 0.1, weight[rows])
    assert mean == pytest.approx((losses.sum(axis=1) * sums).sum() / sums.sum(), rel=1e-13)


def whole_gradient(net, X, y, l1, l2):
    """The gradient of loss and penalty, flat."""
    gradient = net.gradients(X, y)
    for grad_W, W in zip(gradient.W, net.W, strict=True):
        grad_W += l1 * np.sign(W) + l2 * W
    return gradient.theta


@pytest.mark.parametrize(
    "clip", [{"clip_value": 0.02}, {"clip_norm": 0.3}, {"clip_value": 0.02, "clip_norm": 0.1}]
)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_gradients_are_clipped_by_value_then_by_norm(optimizer, clip):
    net, X, y, _ = problem()
    g = whole_gradient(net, X, y, 0.01, 0.1)
    cut = np.clip(g, -clip.get("clip_value", math.inf), clip.get("clip_value", math.inf))
    cut *= min(1, clip.get("clip_norm", math.inf) / np.linalg.norm(cut))
    assert not np.array_equal(cut, g)
    state = reference.initial_state(len(g))
    expected, _ = reference.OPTIMIZERS[optimizer](net.theta.tolist(), cut.tolist(), state, 0.1)
    trainer = trainer_of(net, M, optimizer, l1=[0.01] * 3, l2=[0.1] * 3, **clip)
    trainer.epoch(X, y, None, 0.1)
    np.testing.assert_allclose(net.theta, expected, rtol=0, atol=1e-13)


def test_a_gradient_within_bounds_is_not_clipped():
    net, X, y, _ = problem()
    clipped = net.copy()
    loss, _ = trainer_of(net, BATCH, "adam", l2=[0.1] * 3).epoch(X, y, None, 0.1)
    same, _ = trainer_of(clipped, BATCH, "adam", l2=[0.1] * 3, clip_norm=1e3).epoch(X, y, None, 0.1)
    assert same == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(clipped.theta, net.theta, rtol=0, atol=1e-13)


@pytest.mark.parametrize("clip", [{}, {"clip_norm": 1e3}])
def test_rows_longer_than_max_norm_are_scaled_to_it(clip):
    net, X, y, _ = problem()
    free, limit = net.copy(), 1.2
    trainer_of(free, M).epoch(X, y, None, 0.1)
    trainer_of(net, M, max_norm=limit, **clip).epoch(X, y, None, 0.1)
    touched = 0
    for limited, W in zip(net.W, free.W, strict=True):
        norms = np.linalg.norm(W, axis=1, keepdims=True)
        touched += int((norms > limit).sum())
        np.testing.assert_allclose(limited, W * np.minimum(1, limit / norms), rtol=1e-13)
    assert 0 < touched < sum(SIZES[1:])
    for limited, b in zip(net.b, free.b, strict=True):
        np.testing.assert_allclose(limited, b, rtol=1e-13)


def mask(rate, seed, step, k, n_units, m):
    """M_k (m, n_k)."""
    return np.array(reference.mask(rate, seed, step, k, m, n_units))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("hidden", ["tanh", "gelu", "relu"])
def test_dropout_is_the_equations_with_the_masks_between(hidden, dtype):
    net, X, y, _ = problem(dtype, hidden)
    before, rates, lr, seed = net.copy(), [0.5, 0.25], 0.1, 11
    trainer = trainer_of(net, M, dropout=rates, seed=seed)
    trainer.steps = 3
    loss, _ = trainer.epoch(X, y, None, lr)
    # By linear algebra: H_k <- H_k o M_k, and grad_H_k <- grad_H_k o M_k.
    g = reference.ACTIVATIONS[hidden]
    H, A = [X.astype(float)], []
    for k, (W, b) in enumerate(zip(before.W, before.b, strict=True), 1):
        A.append(H[-1] @ W.T.astype(float) + b)
        if k < 3:
            M_k = mask(rates[k - 1], seed, 3, k, SIZES[k], M)
            H.append(np.vectorize(g.function)(A[-1]) * M_k)
    Y_hat = np.exp(A[-1]) / np.exp(A[-1]).sum(axis=1, keepdims=True)
    tolerance = {"float64": 1e-12, "float32": 1e-5}[dtype]
    assert loss == pytest.approx(-np.log(Y_hat[np.arange(M), y]).mean(), rel=tolerance)
    grad_A = (Y_hat - np.eye(3)[y]) / M
    for k in (3, 2, 1):
        np.testing.assert_allclose(
            net.W[k - 1], before.W[k - 1] - lr * grad_A.T @ H[k - 1], atol=tolerance
        )
        np.testing.assert_allclose(net.b[k - 1], -lr * grad_A.sum(axis=0), atol=tolerance)
        if k > 1:
            slope = np.vectorize(lambda a: g.derivative(a, g.function(a)))(A[k - 2])
            M_k = mask(rates[k - 2], seed, 3, k - 1, SIZES[k - 1], M)
            grad_A = grad_A @ before.W[k - 1].astype(float) * M_k * slope


def test_masks_drop_at_their_rate_and_change_with_every_step():
    masks = [mask(0.3, 5, step, 1, 64, 100) for step in (0, 1)]
    for one in masks:
        # 6400 units: a standard deviation is 0.0057.
        assert abs((one == 0).mean() - 0.3) < 0.025
        assert abs((one == 0).mean(axis=0) - 0.3).max() < 0.25
    assert ((masks[0] == 0) & (masks[1] == 0)).mean() == pytest.approx(0.09, abs=0.015)


def trained_bytes(threads, **settings):
    rng = np.random.default_rng(3)
    net = bp.Network([40, 130, 70, 10], seed=1)
    X = rng.standard_normal((300, 40)).astype(np.float32)
    y = rng.integers(0, 10, 300)
    with bp.threads(threads):
        trainer = _backprop.Trainer32(net.engine, 128, **settings)
        losses = epochs(net, trainer, X, y, 4, 0.01)
    return net.theta.tobytes(), losses, {n: s.tobytes() for n, s in trainer.state.items()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_threads_change_no_byte(optimizer):
    everything = {
        "optimizer": optimizer, "l1": [1e-4] * 3, "l2": [1e-3] * 3, "dropout": [0.5, 0.2],
        "clip_norm": 0.5, "clip_value": 0.1, "max_norm": 2.0, "seed": 9,
    }  # fmt: skip
    alone = trained_bytes(1, **everything)
    assert trained_bytes(2, **everything) == alone
    assert trained_bytes(3, **everything) == alone


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_trainer_goes_on_from_a_state(optimizer):
    settings = {"dropout": [0.5, 0.0], "seed": 3}
    net, X, y, _ = problem("float32")
    trainer = trainer_of(net, BATCH, optimizer, **settings)
    epochs(net, trainer, X, y, 2, 0.01)
    resumed = net.copy()
    other = trainer_of(resumed, BATCH, optimizer, **settings)
    assert other.state.keys() == trainer.state.keys()
    for name, array in trainer.state.items():
        assert array.shape == net.theta.shape
        other.state[name][...] = array
    other.steps = trainer.steps
    assert trainer.steps == 8
    for one, its in ((net, trainer), (resumed, other)):
        epochs(one, its, X, y, 2, 0.01)
    assert net.theta.tobytes() == resumed.theta.tobytes()


def test_the_state_outlives_the_trainer():
    net, X, y, _ = problem()
    trainer = trainer_of(net, BATCH, "adam")
    state = trainer.state["square"]
    trainer.epoch(X, y, None, 0.1)
    expected = state.copy()
    del trainer, net
    np.testing.assert_array_equal(state, expected)
    assert state.any()


def test_an_order_may_name_some_of_the_examples():
    net, X, y, weight = problem()
    picked, chosen = net.copy(), np.array([3, 41, 3, 7, 20], np.int64)
    loss, _ = trainer_of(net, 2, "adam").epoch(X, y, chosen, 0.1, weight)
    rows = [np.ascontiguousarray(a[chosen]) for a in (X, y, weight)]
    expected, _ = trainer_of(picked, 2, "adam").epoch(*rows[:2], None, 0.1, rows[2])
    assert loss == expected
    np.testing.assert_array_equal(net.theta, picked.theta)


def test_each_batch_may_have_its_learning_rate():
    net, X, y, _ = problem()
    other, rates = net.copy(), np.array([0.1, 0.01, 0.2, 0.05])
    trainer_of(net, BATCH, "momentum").epoch(X, y, None, rates)
    trainer = trainer_of(other, BATCH, "momentum")
    edges = [0, 16, 32, 48, 50]
    for (begin, end), lr in zip(pairwise(edges), rates, strict=True):
        trainer.epoch(X, y, np.arange(begin, end), float(lr))
    np.testing.assert_array_equal(net.theta, other.theta)


def test_a_batch_without_weight_takes_no_step():
    net, X, y, weight = problem()
    weight[:BATCH] = 0
    weighed = net.copy()
    trainer = trainer_of(net, BATCH, "adam", l2=[0.1] * 3)
    loss, _ = trainer.epoch(X, y, None, 0.1, weight)
    rest = trainer_of(weighed, BATCH, "adam", l2=[0.1] * 3)
    expected, _ = rest.epoch(X, y, np.arange(BATCH, M), 0.1, weight)
    assert (loss, trainer.steps) == (expected, rest.steps)
    np.testing.assert_array_equal(net.theta, weighed.theta)


def test_a_loss_that_is_not_finite_moves_neither_theta_nor_state():
    net, X, y, _ = problem()
    X[20, 3] = np.nan
    trainer = trainer_of(net, BATCH, "adam", l2=[0.1] * 3)
    trainer.epoch(X, y, np.arange(BATCH), 0.1)
    before = [net.theta.copy(), *(s.copy() for s in trainer.state.values())]
    loss, failed = trainer.epoch(X, y, np.arange(BATCH, M), 0.1)
    assert math.isnan(loss)
    assert failed == 0
    assert trainer.steps == 1
    for array, old in zip((net.theta, *trainer.state.values()), before, strict=True):
        np.testing.assert_array_equal(array, old)


def compressed(X):
    """X as (data, indices, indptr), row by row."""
    rows, columns = X.nonzero()
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(X)))])
    return X[rows, columns], columns.astype(np.int32), starts.astype(np.int64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [1, 5, 50, 700])
def test_compressed_rows_are_the_same_examples(dtype, m):
    net, X, y, _ = problem(dtype, sizes=[67, 20, 3], m=m)
    X[np.random.default_rng(0).random(X.shape) < 0.9] = 0
    X[m // 2] = 0  # a row that stores nothing
    rows, dense = compressed(X), net.copy()
    # One example alone takes another way when it is dense, and sums in another order.
    np.testing.assert_allclose(net.engine.forward(rows), dense.forward(X), rtol=1e-5)
    assert net.engine.loss(rows, y) == pytest.approx(dense.loss(X, y), rel=1e-6)
    for one, data in ((net, rows), (dense, X)):
        epochs_of = trainer_of(one, BATCH, "adam")
        order = np.arange(m)[::-1].copy()
        for _ in range(3):
            epochs_of.epoch(data, y, order, 0.01)
    np.testing.assert_array_equal(net.theta, dense.theta)


def test_entries_of_one_place_add_up():
    net, *_ = problem(sizes=[4, 3], m=2)
    rows = (np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0], np.int32), np.array([0, 2, 3]))
    dense = np.array([[0.0, 3, 0, 0], [5, 0, 0, 0]])
    np.testing.assert_allclose(net.engine.forward(rows), net.forward(dense), rtol=1e-15)
