"""An account of the loss adds up, and leaves the network alone."""

import numpy as np
import pytest
from cases import DTYPES, OUTPUTS, make_case

import backprop as bp


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_and_shares_are_those_of_the_trace(output, dtype):
    net, X, y = make_case("tanh", output, 2, dtype=dtype)
    account = net.account(X, y, lr=0.01)
    t = net.trace(X, y)
    squares = [float((s.grad_W**2).sum() + (s.grad_b**2).sum()) for s in t[1:]]
    assert [a.k for a in account.before] == [1, 2, 3]
    for a, layer, square in zip(account.before, t[1:], squares, strict=True):
        assert a.grad_A == pytest.approx(np.linalg.norm(layer.grad_A), rel=1e-5)
        assert a.grad_H == pytest.approx(np.linalg.norm(layer.grad_H), rel=1e-5)
        assert a.grad_W == pytest.approx(np.linalg.norm(layer.grad_W), rel=1e-5)
        assert a.grad_b == pytest.approx(np.linalg.norm(layer.grad_b), rel=1e-5)
        assert a.share == pytest.approx(square / sum(squares), rel=1e-5)
        assert a.unit_shares.shape == layer.b.shape == a.unit_grad_A.shape
        assert a.unit_shares.sum() == pytest.approx(a.share)
        assert np.linalg.norm(a.unit_grad_A) == pytest.approx(a.grad_A)
        row = (layer.grad_W[1] ** 2).sum() + layer.grad_b[1] ** 2
        assert a.unit_shares[1] == pytest.approx(row / sum(squares), rel=1e-5)
    assert sum(a.share for a in account.before) == pytest.approx(1)
    assert account.predicted == pytest.approx(-0.01 * sum(squares), rel=1e-5)


def test_the_second_account_is_that_of_one_step_and_the_network_stays():
    net, X, y = make_case("relu", "softmax", 1)
    theta = net.theta.copy()
    account = net.account(X, y, lr=0.05)
    np.testing.assert_array_equal(net.theta, theta)
    assert account.loss == net.loss(X, y)
    net.step(X, y, lr=0.05)
    assert account.loss_after == net.loss(X, y)
    assert account.observed == account.loss_after - account.loss < 0
    after = [np.linalg.norm(t.grad_A) for t in net.trace(X, y)[1:]]
    assert [a.grad_A for a in account.after] == pytest.approx(after)


def test_a_small_step_changes_the_loss_as_predicted():
    net, X, y = make_case("tanh", "softmax", 2)
    account = net.account(X, y, lr=1e-6)
    assert account.observed == pytest.approx(account.predicted, rel=1e-3)


def test_the_table_has_a_row_for_each_layer():
    net, X, y = make_case("tanh", "softmax", 2)
    account = net.account(X, y)
    lines = str(account).splitlines()
    assert lines[0] == f"loss {account.loss:.6g} → {account.loss_after:.6g} by a step with lr = 0.1"
    assert lines[1].split() == [
        "layer",
        "‖∇H_k‖",
        "‖∇A_k‖",
        "share",
        "most",
        "responsible",
        "units",
    ]
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "3"]
    strongest = int(account.before[0].unit_shares.argmax())
    assert f"[{strongest}] {account.before[0].unit_shares[strongest]:.1%}," in lines[2]
    assert "-lr ‖∇θ‖² predicted" in lines[5]
    assert "shares of layers 1: " in repr(account)


def test_a_perfect_fit_has_nothing_to_account_for():
    net = bp.Network([2, 3, 1], output="linear", dtype="float64", seed=0)
    X = np.array([[0.5, 1.0]])
    account = net.account(X, net.forward(X))
    assert account.predicted == account.observed == 0
    assert all(a.share == 0 for a in account.before)


def test_a_step_that_diverges_is_accounted_for():
    net, X, y = make_case("relu", "linear", 3)
    account = net.account(X, y, lr=1e100)
    assert not account.loss_after < 1e100
    assert "→ inf" in str(account) or "→ nan" in str(account)


def test_bad_arguments_are_refused():
    net, X, y = make_case("relu", "softmax", 1)
    with pytest.raises(ValueError, match="`lr` must be positive and finite, got 0"):
        net.account(X, y, lr=0)
    with pytest.raises(ValueError, match="must have 4 columns"):
        net.account(X[:, :2], y)
