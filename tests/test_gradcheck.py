"""The check of gradients finds what is wrong, says where, and does not cry wolf."""

import math

import numpy as np
import pytest
from cases import ACTIVATIONS, DTYPES, PAIRS, make_case

import backprop as bp
from backprop import Network, reference


@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_hidden", [0, 2])
def test_every_network_passes(hidden, output, loss, dtype, n_hidden):
    net, X, y = make_case(hidden, output, n_hidden, dtype=dtype, loss=loss)
    before = net.theta.copy()
    report = bp.check_gradients(net, X, y)
    assert report.ok, str(report)
    assert [a.name for a in report.arrays] == [
        f"{letter}_{k}" for k in range(1, n_hidden + 2) for letter in "Wb"
    ]
    assert all(a.n_measured + a.n_kinks == math.prod(a.shape) for a in report.arrays)
    np.testing.assert_array_equal(net.theta, before)


def spoil(monkeypatch, change):
    """Have `Network.gradients` return what `change` made of its result."""
    right = Network.gradients

    def wrong(self, X, y):
        g = right(self, X, y)
        change(g)
        return g

    monkeypatch.setattr(Network, "gradients", wrong)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wrong_entry_is_found_and_located(monkeypatch, dtype):
    net, X, y = make_case("tanh", "softmax", 2, dtype=dtype)

    def change(g):
        g.W[1][2, 3] += 0.01

    spoil(monkeypatch, change)
    report = bp.check_gradients(net, X, y)
    assert not report.ok
    [wrong] = [a for a in report.arrays if not a.ok]
    assert (wrong.name, wrong.where) == ("W_2", (2, 3))
    assert wrong.reference_error > 1e-4 < wrong.differences_error
    assert repr(report) == "GradientReport(ok=False, wrong=['W_2'])"
    assert "the gradients DISAGREE" in str(report)
    [row] = [line for line in str(report).splitlines() if line.startswith("W_2")]
    assert row.endswith("WRONG")
    assert "at [2, 3]" in row


@pytest.mark.parametrize("factor", [-1, 0, 2, np.nan])
def test_an_array_that_is_wrong_throughout_is_found(monkeypatch, factor):
    net, X, y = make_case("relu", "linear", 1)

    def change(g):
        g.b[0][:] *= factor

    spoil(monkeypatch, change)
    report = bp.check_gradients(net, X, y)
    [wrong] = [a for a in report.arrays if not a.ok]
    assert wrong.name == "b_1"
    # Both accounts find it, and no entry is excused as lying beside a kink.
    assert not wrong.reference_error < 1e-3
    assert not wrong.differences_error < 1e-3
    assert wrong.n_kinks == 0


def test_a_reference_that_disagrees_with_the_measurement_is_found(monkeypatch):
    net, X, y = make_case("tanh", "softmax", 1)
    stated = reference.gradients

    def wrong(*arguments):
        g = stated(*arguments)
        return g._replace(grad_b=[[2 * d for d in b] for b in g.grad_b])

    monkeypatch.setattr(reference, "gradients", wrong)
    report = bp.check_gradients(net, X, y)
    assert [a.name for a in report.arrays if not a.ok] == ["b_1", "b_2"]


def test_a_gradient_that_reference_and_core_agree_on_is_still_measured(monkeypatch):
    """A mistake in the note itself would be in both."""
    net, X, y = make_case("tanh", "softmax", 1)
    stated = reference.gradients

    def wrong(*arguments):
        g = stated(*arguments)
        return g._replace(grad_b=[[2 * d for d in b] for b in g.grad_b])

    monkeypatch.setattr(reference, "gradients", wrong)

    def change(g):
        g.b[0][:] *= 2
        g.b[1][:] *= 2

    spoil(monkeypatch, change)
    report = bp.check_gradients(net, X, y)
    wrong_arrays = [a for a in report.arrays if not a.ok]
    assert [a.name for a in wrong_arrays] == ["b_1", "b_2"]
    assert all(a.reference_error < 1e-12 < a.differences_error for a in wrong_arrays)


def test_a_wrong_loss_is_found(monkeypatch):
    net, X, y = make_case("tanh", "softmax", 1)

    def change(g):
        g.loss *= 1.001

    spoil(monkeypatch, change)
    report = bp.check_gradients(net, X, y)
    assert all(a.ok for a in report.arrays)
    assert not report.ok


def test_entries_beside_a_kink_are_left_out_and_counted():
    net = bp.Network([2, 3, 1], output="linear", dtype="float64", seed=0)
    X, y = np.ones((1, 2)), np.ones((1, 1))
    # A_1 = 1e-7 in the first unit: the step of 1e-5 in any of its parameters crosses zero.
    net.W[0][0] = [0.5, -0.5 + 1e-7]
    net.W[0][1:] = 1
    net.W[1][:] = 1
    report = bp.check_gradients(net, X, y)
    assert report.ok, str(report)
    assert {a.name: a.n_kinks for a in report.arrays} == {"W_1": 2, "b_1": 1, "W_2": 0, "b_2": 0}
    assert "4 (2 at kinks)" in str(report)


@pytest.mark.parametrize("hidden", ["relu", "leaky_relu", "elu", "selu", "hard_tanh"])
def test_no_kink_of_an_activation_is_mistaken_for_a_mistake(hidden):
    """Pre-activations of all the small numbers around 0 and 1: most entries cross something."""
    net = bp.Network([1, 8, 1], hidden=hidden, output="linear", dtype="float64", init="zeros")
    net.b[0][:] = [0, 1e-6, -1e-6, 3e-6, 1, 1 + 1e-6, 1 - 1e-6, -1 + 1e-6]
    net.W[1][:] = 1
    report = bp.check_gradients(net, [[1.0]], [[5.0]])
    assert report.ok, str(report)
    assert report.arrays[1].n_kinks >= 4


@pytest.mark.parametrize(("loss", "residuals"), [("absolute_error", [0]), ("huber", [-1, 1])])
def test_no_kink_of_a_loss_is_mistaken_for_a_mistake(loss, residuals):
    net = bp.Network([1, 4], output="linear", loss=loss, dtype="float64", init="zeros")
    net.b[0][:] = [kink + nudge for kink in (residuals * 2)[:2] for nudge in (1e-6, -2e-6)]
    report = bp.check_gradients(net, [[1.0]], [[0.0] * 4])
    assert report.ok, str(report)
    assert [a.n_kinks for a in report.arrays] == [4, 4]


def test_a_trained_network_whose_gradients_vanish_passes():
    X = np.random.default_rng(0).standard_normal((20, 3))
    y = (X[:, 0] > 0).astype(int)
    for dtype in DTYPES:
        net = bp.Network([3, 8, 2], hidden="tanh", dtype=dtype)
        net.fit(X, y, epochs=3000, batch_size=20, lr=2.0)
        assert np.abs(net.gradients(X, y).theta).max() < 1e-3
        report = bp.check_gradients(net, X, y)
        assert report.ok, str(report)


def test_large_inputs_are_cut_to_what_is_asked_for():
    net, X, y = make_case("tanh", "softmax", 1, m=100)
    report = bp.check_gradients(net, X, y, n_examples=7, n_entries=4)
    assert [a.n_measured for a in report.arrays] == [4, 4, 4, 3]
    assert report.loss == net.loss(X[:7], y[:7])
    assert report.reference_loss == pytest.approx(report.loss, rel=1e-14)


def test_the_table_has_a_row_for_each_array():
    net, X, y = make_case("tanh", "softmax", 1)
    report = bp.check_gradients(net, X, y)
    lines = str(report).splitlines()
    assert lines[0].split()[:4] == ["array", "shape", "reference", "differences"]
    assert [line.split()[0] for line in lines[1:5]] == ["W_1", "b_1", "W_2", "b_2"]
    assert all(line.endswith("ok") for line in lines[1:5])
    assert lines[-1] == "every gradient agrees"
    assert repr(report) == "GradientReport(ok=True)"


def test_bad_arguments_are_refused():
    net, X, y = make_case("tanh", "softmax", 1)
    with pytest.raises(ValueError, match="`n_examples` must be at least 1, got 0"):
        bp.check_gradients(net, X, y, n_examples=0)
    with pytest.raises(ValueError, match="`n_entries` must be at least 1, got -3"):
        bp.check_gradients(net, X, y, n_entries=-3)
    with pytest.raises(ValueError, match="`y` must have one entry for each of the 6 examples"):
        bp.check_gradients(net, X, y[:2], n_examples=2)


def wrong_derivative(name):
    """The activation with a derivative that is not its own."""
    right = reference.ACTIVATIONS[name]
    return reference.Activation(right.function, lambda a, h: 0.5 + right.derivative(a, h))


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
def test_a_wrong_derivative_is_named_by_array_and_layer(name, layer):
    net, X, y = make_case(name, "softmax", 3)
    hidden = [name] * 3
    hidden[layer - 1] = wrong_derivative(name)
    report = bp.check_gradients(net, X, y, reference_hidden=hidden)
    assert not report.ok
    # The equation is wrong in one layer, and its consequences reach all below.
    assert [a.name for a in report.arrays if not a.ok] == [
        f"{letter}_{k}" for k in range(1, layer + 1) for letter in "Wb"
    ]
    wrong = report.first_wrong
    assert (wrong.name, wrong.layer) == (f"grad_A_{layer}", layer)
    assert wrong.equation == f"∇A_{layer} = ∇H_{layer} ⊙ {name}'(A_{layer})"
    assert wrong.compiled == net.trace(X, y)[layer].grad_A[wrong.where]
    assert f"first wrong: grad_A_{layer} of layer {layer}, made by" in str(report)
    assert str(report).endswith("it is the reference that is wrong")


def test_a_wrong_activation_is_found_in_the_forward_pass():
    net, X, y = make_case("tanh", "linear", 2)
    report = bp.check_gradients(net, X, y, reference_hidden=["tanh", "sigmoid"])
    assert (report.first_wrong.name, report.first_wrong.equation) == ("H_2", "H_2 = tanh(A_2)")


def test_a_wrong_core_is_told_from_a_wrong_reference(monkeypatch):
    net, X, y = make_case("tanh", "softmax", 2)

    def change(g):
        g.b[1][2] = np.nan

    spoil(monkeypatch, change)
    report = bp.check_gradients(net, X, y)
    assert (report.first_wrong.name, report.first_wrong.where) == ("grad_b_2", (2,))
    assert str(report).endswith("central differences disagree with the core: it is wrong")


def test_where_all_agree_nothing_is_first_wrong(monkeypatch):
    net, X, y = make_case("tanh", "softmax", 1)
    assert bp.check_gradients(net, X, y).first_wrong is None

    def change(g):
        g.loss *= 1.001

    spoil(monkeypatch, change)
    report = bp.check_gradients(net, X, y)
    assert report.first_wrong is None
    assert str(report).endswith("the gradients DISAGREE")
