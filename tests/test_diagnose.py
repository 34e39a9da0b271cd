"""Each planted fault is found, with its number and its layer; a healthy run is left in peace."""

import numpy as np
import pytest

import backprop as bp
from backprop.data import load_digits


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits()
    return X / 16, y


def faults(diagnosis):
    return [finding.fault for finding in diagnosis]


def only(diagnosis, fault):
    """The one finding of that fault."""
    [finding] = [f for f in diagnosis if f.fault == fault]
    return finding


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("sizes", [[64, 10], [64, 100, 10], [64, 50, 50, 10]])
def test_a_healthy_run_is_silent_from_beginning_to_end(digits, hidden, sizes):
    X, y = digits
    init = "glorot" if hidden == "sigmoid" else "he"
    net = bp.Network(sizes, hidden=hidden, init=init, seed=0)
    assert net.diagnose(X, y) == []
    said = []
    net.fit(X, y, epochs=15, lr=0.1, callbacks=[lambda run: said.extend(net.diagnose(X, y))])
    assert said == []
    assert str(net.diagnose(X, y)).startswith("nothing found")


def test_a_healthy_regression_is_silent():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 5))
    y = np.tanh(X @ rng.standard_normal(5))
    net = bp.Network([5, 30, 1], hidden="tanh", output="linear", seed=0)
    for _ in range(5):
        assert net.diagnose(X, y, lr=0.05) == []
        net.fit(X, y, epochs=20, lr=0.05)
    assert net.loss(X, y) < 0.01


def test_a_healthy_deep_network_is_silent(digits):
    assert bp.Network([64, *[64] * 12, 10], seed=0).diagnose(*digits) == []


def test_a_healthy_binary_classifier_is_silent():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(float)
    net = bp.Network([3, 16, 1], output="sigmoid", seed=0)
    assert net.diagnose(X, y) == []
    net.fit(X, y, epochs=60)
    assert net.diagnose(X, y) == []


def test_a_converged_network_is_left_in_peace():
    """Its gradient is tiny and would bear a giant step, that it has no use for."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = (X[:, 0] > 0).astype(int)
    X[:, 0] += np.sign(X[:, 0])
    net = bp.Network([3, 2], seed=0)
    for epochs in (10, 100):
        net.fit(X, y, epochs=epochs)
        assert net.loss(X, y) < 0.03
        assert net.diagnose(X, y) == []


def test_the_network_is_not_changed(digits):
    X, y = digits
    net = bp.Network([64, 20, 10], seed=0)
    theta = net.theta.copy()
    net.diagnose(X, y, lr=100)
    np.testing.assert_array_equal(net.theta, theta)
    assert net.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dead_relus_are_found(digits, dtype):
    net = bp.Network([64, 50, 40, 10], seed=0, dtype=dtype)
    net.b[1][:20], net.b[1][20:] = -100, 1
    finding = only(net.diagnose(*digits), "dead units")
    assert (finding.layer, finding.number) == (2, 0.5)
    assert "20 of the 40 relu units of layer 2 have a slope of 0 on all" in finding.message
    assert "leaky_relu" in finding.remedy


def test_a_layer_that_is_dead_throughout_is_one_finding(digits):
    net = bp.Network([64, 50, 40, 10], seed=0)
    net.b[1][:] = -100
    assert [f.layer for f in net.diagnose(*digits) if f.fault == "dead units"] == [2]
    assert "vanishing gradients" not in faults(net.diagnose(*digits))


@pytest.mark.parametrize("hidden", ["tanh", "sigmoid"])
def test_saturated_units_are_found(digits, hidden):
    net = bp.Network([64, 50, 40, 10], hidden=hidden, init="glorot", seed=0)
    net.b[0][:30] = 20
    finding = only(net.diagnose(*digits), "saturated units")
    assert (finding.layer, finding.number) == (1, 0.6)
    assert f"30 of the 50 {hidden} units of layer 1" in finding.message


def test_vanishing_gradients_are_found_where_they_vanish(digits):
    net = bp.Network([64, 30, 30, 30, 10], hidden="tanh", init="glorot", seed=0)
    net.W[2][:] *= 1e-4  # between layers 2 and 3
    finding = only(net.diagnose(*digits), "vanishing gradients")
    assert finding.layer == 2
    assert finding.number < 1e-3
    assert "the greatest step is from layer 3 to layer 2" in finding.message
    deep = bp.Network([64, *[30] * 9, 10], hidden="sigmoid", init="glorot", seed=0)
    assert faults(deep.diagnose(*digits)) == ["vanishing gradients"]


def test_exploding_gradients_are_found(digits):
    net = bp.Network([64, *[50] * 6, 10], init=("normal", 0.8), seed=0)
    finding = only(net.diagnose(*digits), "exploding gradients")
    assert finding.number > 1e3
    assert "smaller initial weights" in finding.remedy


def test_unscaled_features_are_found(digits):
    X, y = digits
    net = bp.Network([64, 20, 10], seed=0)
    uneven = X.copy()
    uneven[:, 7] = 1000 + np.arange(len(X))
    finding = only(net.diagnose(uneven, y), "unscaled features")
    assert "column 7 of X has a root mean square of" in finding.message
    assert finding.number == pytest.approx(np.sqrt((uneven[:, 7] ** 2).mean()))
    assert "unscaled features" in faults(net.diagnose(X * 256, y))
    assert "no column of X" in only(net.diagnose(X * 1e-4, y), "unscaled features").message
    uneven = np.ones((50, 3)) * [1e-3, 1e-3, 0.5]
    small = bp.Network([3, 2], seed=0).diagnose(uneven, np.arange(50) % 2)
    assert only(small, "unscaled features").number == 0.5


def test_columns_of_zeros_are_no_fault():
    net = bp.Network([3, 2], seed=0)
    assert "unscaled features" not in faults(net.diagnose(np.zeros((4, 3)), [0, 1, 0, 1]))


def test_imbalanced_labels_are_found(digits):
    X, y = digits
    keep = (y != 4) | (np.arange(len(y)) % 12 == 0)
    net = bp.Network([64, 20, 10], seed=0)
    finding = only(net.diagnose(X[keep], y[keep]), "imbalanced labels")
    n_rare = int((y[keep] == 4).sum())
    assert f"class 4 has {n_rare}" in finding.message
    assert finding.number == max(np.bincount(y[keep])) / n_rare
    missing = only(net.diagnose(X[y < 9], y[y < 9]), "imbalanced labels")
    assert missing.number == float("inf")
    assert "class 9 has 0" in missing.message


def test_imbalanced_soft_labels_and_outputs_are_found(digits):
    X, y = digits
    E = np.eye(2, dtype=np.float32)[((y == 0) & (np.arange(len(y)) % 2 == 0)).astype(int)]
    soft = bp.Network([64, 2], seed=0).diagnose(X, E)
    assert only(soft, "imbalanced labels").number > 10
    net = bp.Network([64, 2], output="sigmoid", seed=0)
    both = [f for f in net.diagnose(X, E) if f.fault == "imbalanced labels"]
    assert len(both) == 2
    assert "of the targets of output 1 are 1" in both[1].message


def test_a_learning_rate_that_is_too_high_is_found(digits):
    net = bp.Network([64, 100, 10], seed=0)
    finding = only(net.diagnose(*digits, lr=50), "learning rate too high")
    assert finding.number < -1
    assert "where -lr ‖∇θ‖² predicts -" in finding.message
    better = float(finding.remedy.split()[2].rstrip(","))
    net.fit(*digits, epochs=2, batch_size=1797, lr=better)
    assert net.loss(*digits) < bp.Network([64, 100, 10], seed=0).loss(*digits)


def test_a_learning_rate_that_overflows_is_too_high(digits):
    net = bp.Network([64, 50, 50, 10], seed=0)
    assert only(net.diagnose(*digits, lr=1e300), "learning rate too high").number == -float("inf")


@pytest.mark.parametrize("lr", [1e-3, 1e-5, 1e-9])
def test_a_learning_rate_that_is_too_low_is_found(digits, lr):
    finding = only(
        bp.Network([64, 100, 10], seed=0).diagnose(*digits, lr=lr), "learning rate too low"
    )
    assert finding.number > 100
    assert float(finding.remedy.split()[2]) == pytest.approx(0.4, abs=0.25)


def test_a_finding_reads_as_what_and_what_to_do(digits):
    X, y = digits
    text = str(bp.Network([64, 10], seed=0).diagnose(X * 256, y))
    assert text.startswith("unscaled features: column")
    assert "\n  try: standardise the columns of X" in text


def test_only_so_many_examples_are_used_and_of_all_classes(digits):
    X, y = digits
    order = np.argsort(y, kind="stable")
    net = bp.Network([64, 20, 10], seed=0)
    assert net.diagnose(X[order], y[order], n_examples=50) == []


def test_bad_arguments_are_refused(digits):
    net = bp.Network([64, 10])
    with pytest.raises(ValueError, match="`lr` must be positive and finite, got -1"):
        net.diagnose(*digits, lr=-1)
    with pytest.raises(ValueError, match="`n_examples` must be at least 1, got 0"):
        net.diagnose(*digits, n_examples=0)
    with pytest.raises(ValueError, match="`X` must have 64 columns"):
        net.diagnose(np.ones((3, 5)), [0, 1, 2])
