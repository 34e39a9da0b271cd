"""L-BFGS: the minimum it must find, what it records, and how it ends."""

import sys

import numpy as np
import pytest
from cases import make_case
from test_fit import digits_like

import backprop as bp
from backprop.optimizers import LBFGS

pytest.importorskip("scipy")


def test_a_linear_regression_ends_in_the_normal_equations():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 2))
    weight = rng.uniform(0.1, 2, 50)
    net = bp.Network([4, 2], output="linear", dtype="float64")
    exact = LBFGS(gradient_tolerance=1e-12, loss_tolerance=0)
    net.fit(X, y, epochs=200, optimizer=exact, l2=0.3, sample_weight=weight)
    # Σ w (Wx + b - y) xᵀ / Σ w + 0.3 W = 0, without the penalty for b.
    Z = np.column_stack([X, np.ones(50)])
    D = np.diag(weight / weight.sum())
    solution = np.linalg.solve(Z.T @ D @ Z + np.diag([0.3] * 4 + [0]), Z.T @ D @ y)
    np.testing.assert_allclose(np.column_stack([net.W[0], net.b[0]]), solution.T, atol=1e-9)


def test_it_ends_where_the_gradient_with_its_penalties_is_zero():
    X, y = digits_like(100)
    net = bp.Network([64, 8, 10], hidden="tanh", dtype="float64")
    l2 = [0.02, 0.05]
    history = net.fit(
        X, y, epochs=2000, optimizer=LBFGS(gradient_tolerance=1e-6, loss_tolerance=0), l2=l2
    )
    g = net.gradients(X, y)
    for k in range(2):
        assert np.abs(g.W[k] + l2[k] * net.W[k]).max() <= 1e-6
        assert np.abs(g.b[k]).max() <= 1e-6
    penalty = sum(0.5 * l2[k] * (net.W[k] ** 2).sum() for k in range(2))
    assert history["loss"][-1] == pytest.approx(g.loss + penalty, rel=1e-12)
    assert history.epochs < 2000
    assert (np.diff(history["loss"]) <= 0).all()


def test_l1_makes_weights_small():
    X, y = digits_like(100)
    nets = [bp.Network([64, 10], dtype="float64") for _ in range(2)]
    for net, l1 in zip(nets, (0.0, 0.05), strict=True):
        net.fit(X, y, epochs=100, optimizer="lbfgs", l1=l1)
    assert np.abs(nets[1].W[0]).sum() < 0.2 * np.abs(nets[0].W[0]).sum()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_iteration_is_an_epoch_that_is_watched(dtype):
    X, y = digits_like(200, dtype)
    net = bp.Network([64, 20, 10], dtype=dtype)
    seen = []
    history = net.fit(
        X,
        y,
        epochs=12,
        optimizer="lbfgs",
        validation=0.2,
        callbacks=[lambda run: seen.append(run.epoch)],
    )
    assert seen == list(range(1, 13))
    assert list(history) == ["loss", "val_loss", "val_accuracy"]
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_a_callback_may_end_it():
    X, y = digits_like(200)
    nets = [bp.Network([64, 20, 10], dtype="float64") for _ in range(2)]
    history = nets[0].fit(
        X,
        y,
        epochs=50,
        optimizer="lbfgs",
        callbacks=[lambda run: setattr(run, "stop", run.epoch == 4)],
    )
    assert history.epochs == 4
    nets[1].fit(X, y, epochs=4, optimizer="lbfgs")
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)


def test_early_stopping_goes_back_to_its_best():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
    validation = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
    net = bp.Network([5, 20, 2], dtype="float64")
    history = net.fit(X, y, epochs=200, optimizer="lbfgs", validation=validation, early_stopping=3)
    assert history.epochs < 200
    assert net.loss(*validation) == min(history["val_loss"])


def test_weights_that_fail_at_once_are_left_as_they_are():
    net, X, y = make_case("linear", "linear", 1)
    net.theta[:] = 1e200
    before = net.theta.copy()
    with pytest.raises(bp.DivergenceError, match="the loss became inf in epoch 1 of 20"):
        net.fit(X, y, optimizer="lbfgs")
    np.testing.assert_array_equal(net.theta, before)


def test_a_line_search_into_overflow_comes_back():
    """A Poisson loss explodes where a first step is too long."""
    rng = np.random.default_rng(0)
    X = 1e3 * rng.standard_normal((50, 3))
    y = rng.integers(0, 5, (50, 1)).astype(float)
    net = bp.Network([3, 1], output="exp", dtype="float64", init="zeros")
    history = net.fit(X, y, epochs=50, optimizer="lbfgs")
    assert np.isfinite(net.theta).all()
    assert np.isfinite(net.loss(X, y))
    assert net.loss(X, y) <= min(history["loss"])


def test_the_last_iteration_has_its_checkpoint(tmp_path):
    X, y = digits_like(50)
    net = bp.Network([64, 10], dtype="float64")
    checkpoint = bp.Checkpoint(tmp_path / "a.safetensors", every=1000, keep_best=False)
    history = net.fit(X, y, epochs=900, optimizer="lbfgs", l2=0.1, checkpoint=checkpoint)
    assert history.epochs < 900
    np.testing.assert_array_equal(bp.load(tmp_path / "a.safetensors").theta, net.theta)


def test_scipy_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    net, X, y = make_case("relu", "softmax", 1)
    with pytest.raises(ImportError, match=r'needs SciPy; install it with pip install "backprop\[l'):
        net.fit(X, y, optimizer="lbfgs")
