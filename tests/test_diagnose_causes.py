"""What stops a network from learning at all, and causes told from what follows from them."""

import numpy as np
import pytest

import backprop as bp

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 4))
PRICES = 3e5 + 1e5 * np.tanh(X @ [1.0, -1.0, 0.5, 0.0])


def faults(diagnosis):
    return [finding.fault for finding in diagnosis]


def targets_of(output):
    return {
        "softmax": (X[:, 0] > 0).astype(int),
        "sigmoid": (X[:, :1] > 0).astype(float),
        "linear": np.tanh(X[:, :1]) + 1,
        "exp": np.floor(np.exp(X[:, :1])),
    }[output]


def network(output, hidden="tanh", sizes=(4, 6, 5), **settings):
    return bp.Network([*sizes, 2 if output == "softmax" else 1], hidden=hidden, output=output,
                      **settings)  # fmt: skip


# What learns nothing


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear", "exp"])
def test_weights_of_zero_are_the_first_finding(output, hidden, dtype):
    net = network(output, hidden, init="zeros", dtype=dtype)
    found = net.diagnose(X, targets_of(output), lr=0.01)
    assert found[0].fault == "zero weights"
    assert "has a gradient of 0 for all weights of layer" in found[0].message
    assert "all weights of layers 1, 2, 3 are 0" in found[0].message
    assert 'init="he"' in found[0].remedy
    assert all(finding.cause for finding in found[1:])


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("equal", [2, "all"])
def test_equal_units_are_found_and_do_stay_equal(hidden, layer, equal):
    net = network("softmax", hidden, dtype="float64")
    n = len(net.W[layer - 1]) if equal == "all" else equal
    net.W[layer - 1][:n], net.W[layer][:, :n] = net.W[layer - 1][0], net.W[layer][:, :1]
    y = targets_of("softmax")
    [finding] = [f for f in net.diagnose(X, y) if f.fault == "equal units"]
    size = len(net.W[layer - 1])
    assert finding.layer == layer
    assert finding.number == pytest.approx((n - 1) / size)
    which = f"all {size} units" if n == size else f"2 of the {size} units"
    assert f"{which} of layer {layer} have the same weights, in and out" in finding.message
    net.fit(X, y, epochs=3)
    np.testing.assert_allclose(net.W[layer - 1][:n] - net.W[layer - 1][0], 0, atol=1e-12)


def test_units_that_are_equal_on_one_side_alone_are_no_finding():
    net = network("softmax", dtype="float64")
    net.W[0][:] = net.W[0][0]
    assert "equal units" not in faults(net.diagnose(X, targets_of("softmax")))


@pytest.mark.parametrize("output", ["softmax", "linear"])
def test_a_gradient_of_zero_below_dead_units_follows_from_them(output):
    net = network(output, "relu")
    net.b[1][:] = -1000
    found = net.diagnose(X, targets_of(output), lr=0.01)
    assert faults(found)[0] == "dead units"
    [zero] = [f for f in found if f.fault == "zero gradients"]
    assert zero.cause == "dead units"
    assert "for all weights of layers 1, 2" in zero.message


def test_saturation_to_a_gradient_of_zero_is_a_finding():
    net = network("softmax", "hard_tanh")
    net.b[0][:], net.b[1][:] = 50, 50
    assert "zero gradients" in faults(net.diagnose(X, targets_of("softmax")))


def test_a_perfect_fit_has_a_gradient_of_zero_and_no_fault():
    net = network("linear", dtype="float64")
    assert "zero gradients" not in faults(net.diagnose(X, net.forward(X), lr=0.01))


# Targets


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unscaled_targets_are_the_cause(loss, dtype):
    net = bp.Network([4, 20, 1], output="linear", loss=loss, dtype=dtype)
    found = net.diagnose(X, PRICES, lr=0.1)
    assert found[0].fault == "unscaled targets"
    assert found[0].number == pytest.approx(np.sqrt((PRICES**2).mean()), rel=1e-5)
    assert found[0].cause is None
    assert f"divide by the standard deviation {PRICES.std():.3g}" in found[0].remedy
    assert f"subtract the mean {PRICES.mean():.3g}" in found[0].remedy
    assert {f.cause for f in found[1:]} <= {"unscaled targets"}
    # The remedy heals: nothing is left to find.
    scaled = (PRICES - PRICES.mean()) / PRICES.std()
    assert "unscaled targets" not in faults(net.diagnose(X, scaled, lr=0.01))


def test_one_column_of_targets_is_named():
    y = np.column_stack([np.tanh(X[:, 0]), PRICES])
    found = bp.Network([4, 8, 2], output="linear").diagnose(X, y, lr=0.01)[0]
    assert found.message.startswith("column 1 of y has a root mean square of")
    assert found.remedy.startswith("standardise column 1 of y")


def test_tiny_and_constant_targets_are_found():
    tiny = bp.Network([4, 8, 1], output="linear").diagnose(X, 1e-5 * np.tanh(X[:, 0]), lr=0.01)
    assert "unscaled targets" in faults(tiny)
    constant = bp.Network([4, 8, 1], output="linear").diagnose(X, np.full(200, 5e4), lr=0.01)
    assert "divide y by 5e+04" in constant[0].remedy


def test_large_counts_are_met_by_the_bias():
    counts = np.floor(1e5 * np.exp(0.1 * X[:, 0]))
    net = bp.Network([4, 8, 1], output="exp")
    finding = net.diagnose(X, counts, lr=0.01)[0]
    assert finding.fault == "unscaled targets"
    assert f"net.b[-1][0] = {np.log(counts.mean()):.3g}" in finding.remedy
    net.b[-1][0] = np.log(counts.mean())
    assert net.loss(X, counts) < bp.Network([4, 8, 1], output="exp").loss(X, counts)


def test_large_targets_that_are_learnt_are_no_fault():
    y = 50 * X[:, 0]
    net = bp.Network([4, 1], output="linear")
    net.fit(X, y, epochs=50, lr=0.01)
    assert "unscaled targets" not in faults(net.diagnose(X, y, lr=0.01))


@pytest.mark.parametrize("hidden", ["relu", "tanh"])
def test_what_follows_from_unscaled_features_comes_behind_them(hidden):
    net = network("softmax", hidden)
    found = net.diagnose(X * 1e4, targets_of("softmax"), lr=1)
    assert found[0].fault == "unscaled features"
    assert len(found) > 1
    for finding in found[1:]:
        assert finding.cause == "unscaled features"
        assert finding.remedy == "the remedy for unscaled features first, and diagnose again"
        assert "lr =" not in finding.remedy
    assert "\n  follows from: unscaled features\n" in str(found)


# The error of a training


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_on_unscaled_targets_names_them(dtype):
    net = bp.Network([4, 30, 30, 1], hidden="linear", output="linear", dtype=dtype)
    with pytest.raises(bp.DivergenceError) as caught:
        net.fit(X, PRICES, lr=0.01, epochs=200)
    message = str(caught.value)
    assert f"The targets y have a root mean square of {np.sqrt((PRICES**2).mean()):.3g}" in message
    assert f"divide by the standard deviation {PRICES.std():.3g}" in message
    assert "columns of X" not in message
    net.fit(X, (PRICES - PRICES.mean()) / PRICES.std(), lr=0.01, epochs=5)


def test_divergence_on_unscaled_features_names_them():
    net = network("linear", "relu")
    with pytest.raises(bp.DivergenceError, match="Standardise the columns of X: column 2 has a"):
        net.fit(X * [1, 1, 1e9, 1], targets_of("linear"), lr=0.1)
    sparse = pytest.importorskip("scipy.sparse")
    net = network("linear", "relu")
    with pytest.raises(bp.DivergenceError, match="Standardise the columns of X: column 2 has a"):
        net.fit(sparse.csr_array(X * [1, 1, 1e9, 1]), targets_of("linear"), lr=0.1)


def test_divergence_on_scaled_data_blames_the_rate_alone():
    net = network("linear", "relu")
    with pytest.raises(bp.DivergenceError) as caught:
        net.fit(X, targets_of("linear"), lr=1e4)
    assert str(caught.value).endswith("Try a smaller lr (it is 10000)")


def test_divergence_on_batches_names_both():
    net = network("linear", "relu")
    batches = [(X, targets_of("linear"))]
    with pytest.raises(bp.DivergenceError, match="standardise the columns of X and the targets"):
        net.fit(batches, lr=1e4)
