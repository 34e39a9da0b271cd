"""Losses with a parameter, everywhere a network's loss is asked for."""

import pickle
import re

import numpy as np
import pytest
from cases import make_data

import backprop as bp
from backprop import play

CASES = [("softmax", ("cross_entropy", 0.2)), ("linear", ("huber", 0.5))]


def make(output, loss, dtype="float64", m=6):
    net = bp.Network([4, 5, 3], hidden="tanh", output=output, loss=loss, dtype=dtype)
    net.theta[:] = np.random.default_rng(1).standard_normal(net.theta.size)
    return net, *make_data(output, [4, 5, 3], m, dtype)


@pytest.mark.parametrize(("output", "loss"), CASES)
def test_the_parameter_stays_with_the_network(tmp_path, output, loss):
    net, X, y = make(output, loss)
    assert (net.loss_name, net.loss_parameter) == loss
    assert net.architecture["loss"] == loss
    assert f"loss={loss!r}" in repr(net)
    net.save(tmp_path / "net.safetensors")
    copies = {
        "load": bp.load(tmp_path / "net.safetensors"),
        "pickle": pickle.loads(pickle.dumps(net)),
        "copy": net.copy(),
        "repr": eval(repr(net), {"Network": bp.Network}),
    }
    copies["repr"].theta[:] = net.theta
    for name, copy in copies.items():
        assert copy.same_architecture(net), name
        assert copy.loss(X, y) == net.loss(X, y), name
    plain = bp.Network([4, 5, 3], hidden="tanh", output=output, loss=loss[0], dtype="float64")
    plain.theta[:] = net.theta
    assert not plain.same_architecture(net)
    assert plain.loss(X, y) != net.loss(X, y)


@pytest.mark.parametrize(
    ("output", "loss", "parameter"),
    [
        ("softmax", "cross_entropy", 0.0),
        ("linear", "huber", 1.0),
        ("linear", "squared_error", None),
    ],
)
def test_a_default_is_no_parameter(output, loss, parameter):
    net = bp.Network([4, 3], output=output, loss=loss)
    assert net.architecture["loss"] == loss
    assert net.loss_parameter == parameter
    if parameter is not None:
        assert bp.Network([4, 3], output=output, loss=(loss, parameter)).same_architecture(net)


@pytest.mark.parametrize(("output", "loss"), CASES)
def test_gradients_of_a_tuned_loss_are_the_references(output, loss):
    for dtype in ("float32", "float64"):
        report = bp.check_gradients(*make(output, loss, dtype))
        assert report.ok, str(report)


@pytest.mark.parametrize(("output", "loss"), CASES)
def test_a_tuned_loss_is_explained(output, loss):
    net, X, y = make(output, loss)
    explained = net.explain(X[0], y[0], (1, 2, 3))
    assert explained.total == pytest.approx(explained.gradient, rel=1e-12)
    assert explained.gradient == net.trace(X[:1], y[:1])[1].grad_W[2, 3]


def test_a_trace_names_smoothed_labels_and_weights():
    net, X, y = make(*CASES[0])
    assert "∇A_2 = (Ŷ - Ē) / m" in str(net.trace(X, y))
    assert "∇A_2 = (Ŷ - Ē) ⊙ w / Σw" in str(net.trace(X, y, sample_weight=np.ones(6)))
    plain, X, y = make("softmax", "cross_entropy")
    assert "∇A_2 = (Ŷ - E) / m" in str(plain.trace(X, y))
    smoothed = 0.8 * np.eye(3)[y] + 0.2 / 3
    trace = net.trace(X, y)
    np.testing.assert_allclose(trace[2].grad_A, (trace.Y_hat - smoothed) / 6, atol=1e-15)


def test_a_page_shows_no_smoothing():
    net, X, y = make(*CASES[0])
    with pytest.raises(ValueError, match=r"softmax with \('cross_entropy', 0\.2\)"):
        play.page(net, X, y)


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (("huber", 0.0), ValueError, "the delta of huber, must be positive and finite"),
        (("huber", "0.5"), TypeError, "`delta` must be a number, got '0.5'"),
        (("huber", np.nan), ValueError, "`delta` must be finite, got nan"),
        (
            ("huber",),
            ValueError,
            "`loss` must be a name or a pair (name, parameter), got ('huber',)",
        ),
        (
            ("squared_error", 1.0),
            ValueError,
            "`loss` must be a bare name for 'squared_error', which",
        ),
        (("hubre", 1.0), ValueError, "did you mean 'huber'?"),
        ((1.0, "huber"), TypeError, "`loss` must be a name, got float"),
        (("cross_entropy", 0.1), ValueError, "`loss` must match `output` 'linear', got 'cross_ent"),
    ],
)
def test_bad_tuned_losses(loss, error, message):
    with pytest.raises(error, match=re.escape(message)):
        bp.Network([4, 3], output="linear", loss=loss)
