"""An explained derivative is the engine's own, factor by factor and path by path."""

import itertools
import math
import re

import numpy as np
import pytest
from cases import ACTIVATIONS, PAIRS, make_data

import backprop as bp
from backprop import reference
from backprop.explain import strongest_weight

OUTPUTS = ["softmax", "linear", "sigmoid"]


def random_case(seed):
    """A thin or wide network with up to 4 hidden layers, one example, and one of its weights."""
    rng = np.random.default_rng(seed)
    n_hidden = int(rng.integers(0, 5))
    if seed % 2:
        sizes, output = [1] * (n_hidden + 2), ["linear", "sigmoid"][seed // 2 % 2]
    else:
        sizes = rng.integers(1, 9, n_hidden + 2).tolist()
        output = OUTPUTS[seed // 2 % 3]
    hidden = [ACTIVATIONS[int(a)] for a in rng.integers(0, len(ACTIVATIONS), n_hidden)]
    net = bp.Network(sizes, hidden=hidden, output=output, dtype="float64", seed=seed)
    net.theta[:] = rng.standard_normal(net.theta.size)
    X, y = make_data(output, sizes, m=1, seed=seed)
    k = int(rng.integers(1, n_hidden + 2))
    return net, X[0], y[0], (k, int(rng.integers(sizes[k])), int(rng.integers(sizes[k - 1])))


@pytest.mark.parametrize("seed", range(200))
def test_the_total_is_the_gradient(seed):
    net, x, y, (k, i, j) = random_case(seed)
    e = net.explain(x, y, weight=(k, i, j))
    gradient = net.gradients(x[None], np.asarray(y)[None]).W[k - 1][i, j]
    assert e.gradient == gradient
    assert e.total == pytest.approx(gradient, rel=1e-10, abs=1e-300)
    assert e.difference == e.total - gradient
    assert e.n_paths == math.prod(net.layer_sizes[k + 1 :])
    assert e.n_alive <= e.n_paths
    if e.n_paths <= 10:
        assert len(e.paths) == e.n_alive
        assert sum(path.value for path in e.paths) == pytest.approx(gradient, rel=1e-9, abs=1e-15)
    for path in e.paths:
        assert math.prod(f.value for f in path.factors) == path.value != 0
    shares = [path.share for path in e.paths]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1 + 1e-12


def test_among_the_random_networks_are_all_kinds():
    cases = [random_case(seed) for seed in range(200)]
    assert {len(net.W) - 1 for net, *_ in cases} == {0, 1, 2, 3, 4}
    assert sum(set(net.layer_sizes) == {1} for net, *_ in cases) >= 100
    gradients = [net.explain(x, y, weight=w).gradient for net, x, y, w in cases]
    assert sum(g != 0 for g in gradients) > 120


def by_brute_force(net, x, y, k, i, j):
    """Every path's product, from the reference's activations and derivatives."""
    W = [w.tolist() for w in net.W]
    b = [v.tolist() for v in net.b]
    a, h = reference.example.forward(x.tolist(), W, b, list(net.hidden_names), net.output_name)
    grads = reference.example.gradients(
        x.tolist(), y, W, b, list(net.hidden_names), net.output_name, net.loss_name
    )
    L = len(W)
    found = {}
    for units in itertools.product(*(range(n) for n in net.layer_sizes[k + 1 :])):
        route = (i, *units)  # layers k .. L
        product = h[k - 1][j] * grads.grad_a[L - 1][route[-1]]
        for q in range(k, L):
            u, w = route[q - k], route[q - k + 1]
            derivative = reference.ACTIVATIONS[net.hidden_names[q - 1]].derivative
            product *= W[q][w][u] * derivative(a[q - 1][u], h[q][u])
        found[tuple(reversed(route))] = product
    return found


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_the_listed_paths_are_the_strongest_of_all(hidden):
    net = bp.Network([3, 4, 5, 4, 3], hidden=hidden, dtype="float64", seed=1)
    net.theta[:] = np.random.default_rng(2).standard_normal(net.theta.size)
    x = np.array([0.4, -1.1, 0.7])
    e = net.explain(x, 2, weight=(1, 2, 1), n_paths=12)
    every = by_brute_force(net, x, 2, 1, 2, 1)
    assert e.n_paths == len(every) == 5 * 4 * 3
    alive = sorted((v for v in every.values() if v), key=abs, reverse=True)
    assert e.n_alive == len(alive)
    np.testing.assert_allclose([p.value for p in e.paths], alive[:12], rtol=1e-12)
    for path in e.paths:
        assert path.value == pytest.approx(every[path.units], rel=1e-12)
        assert path.share == pytest.approx(abs(path.value) / sum(map(abs, alive)), rel=1e-12)
    assert e.magnitude == pytest.approx(sum(map(abs, alive)), rel=1e-12)


def test_a_thin_network_reads_like_section_4_2():
    net = bp.Network([1, 1, 1, 1], hidden="sigmoid", output="sigmoid", dtype="float64", seed=3)
    e = net.explain([0.7], 1, weight=(1, 0, 0))
    W, b = [w.tolist() for w in net.W], [v.tolist() for v in net.b]
    stated = reference.thin_network([0.7], 1, W, b)
    assert [f.question for f in e.factors] == [f.question for f in stated]
    assert [f.value for f in e.factors] == pytest.approx([f.value for f in stated], rel=1e-14)
    text = str(e)
    questions = re.findall(r"^  (talk.*|and now.*)$", text, re.M)
    assert questions == [
        "talk to the output layer",
        "talk to the previous hidden layer",
        "talk to the previous hidden layer",
        "and now talk to the weights",
    ]
    assert "the note's W_111" in text
    assert "[brackets] count from 0" in text
    assert "· ∂a_2[0]/∂h_1[0]" in text
    assert "difference" in text
    assert "gradient descent lowers this weight" in text
    assert repr(e).startswith("Explanation(weight=(1, 0, 0), total=0.00289925, gradient=0.00289925")


def test_a_wide_network_tells_the_sum_over_paths():
    net, x, y = bp.Network([4, 5, 6, 3], dtype="float64", seed=3), [0.1, 0.2, -0.3, 0.5], 1
    e = net.explain(x, y, weight=(1, 1, 3), n_paths=3)
    assert e.factors == ()
    lines = str(e).splitlines()
    assert "18 paths lead there" in str(e)
    assert f"Alive, with no factor 0: {e.n_alive}." in str(e)
    assert sum(line.startswith("  L ← a_3[") for line in lines) == 3
    assert any(line.startswith("  … these together") for line in lines)
    for name in ("push up", "push down", "sum over all paths", "engine's own gradient"):
        assert any(name in line for line in lines), name
    assert max(map(len, lines)) <= 100
    up = (e.magnitude + e.total) / 2
    assert up == pytest.approx(sum(v for v in by_brute_force(net, np.array(x), y, 1, 1, 3).values()
                                   if v > 0), rel=1e-12)  # fmt: skip


def test_numbers_of_two_digits_are_set_apart():
    net = bp.Network([12, 3], seed=0)
    assert "the note's W_1,3,12:" in str(net.explain(np.ones(12), 0, weight=(1, 2, 11)))


def test_a_weight_of_the_last_layer_has_one_path():
    net, x, y = bp.Network([4, 5, 3], hidden="tanh", seed=0), [0.1, 0.2, -0.3, 0.5], 1
    e = net.explain(x, y, weight=(2, 1, 4))
    assert e.n_paths == 1
    assert [f.name for f in e.factors] == ["∂L/∂ŷ[1]", "∂ŷ[1]/∂a_2[1]", "∂a_2[1]/∂W_2[1, 4]"]
    assert [f.question for f in e.factors][-1] == "and now talk to the weights"
    assert "Raising" in str(e)


def test_dead_paths_are_counted_and_not_listed():
    net = bp.Network([2, 3, 2], dtype="float64", seed=0)
    net.b[0][:] = [5, -50, 5]
    dead = net.explain([1.0, 1.0], 0, weight=(1, 1, 0))
    assert (dead.n_alive, dead.paths, dead.total, dead.gradient) == (0, (), 0, 0)
    assert "does not change the loss" in str(dead)
    alive = net.explain([1.0, 1.0], 0, weight=(1, 0, 0))
    assert alive.n_alive == 2
    thin = bp.Network([1, 1, 1], output="linear", dtype="float64", seed=0)
    thin.b[0][:] = -50
    e = thin.explain([1.0], [1.0], weight=(1, 0, 0))
    assert e.factors == ()
    assert "The one path is dead" in str(e)
    through_a_zero = net.explain([0.0, 1.0], 0, weight=(1, 0, 0))
    assert (through_a_zero.n_alive, through_a_zero.paths) == (0, ())


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_a_saturated_output_is_explained_by_both_factors_in_one(output):
    """y_hat rounds to 0 there, and the gradient w.r.t. it overflows."""
    net = bp.Network([1, 2] if output == "softmax" else [1, 1], output=output, dtype="float64",
                     hidden=[])  # fmt: skip
    net.W[0][:] = [[-900.0], [900.0]] if output == "softmax" else [[-900.0]]
    e = net.explain([1.0], 0 if output == "softmax" else 1.0, weight=(1, 0, 0))
    assert e.total == e.gradient == -1
    assert e.factors[0].name == "∂L/∂a_1[0]"
    assert len(e.factors) == 2


def test_soft_labels_are_explained():
    net = bp.Network([3, 4, 3], dtype="float64", seed=0)
    e = net.explain([0.3, -0.2, 0.9], [0.2, 0.5, 0.3], weight=(1, 1, 2))
    assert e.total == pytest.approx(e.gradient, rel=1e-10)
    assert e.paths[0].factors[0].name.startswith("∂L/∂a_2")


def test_float32_is_explained_to_its_own_rounding():
    for seed in range(0, 60):
        net64, x, y, weight = random_case(seed)
        net = bp.Network(**net64.architecture, dtype="float32", init="zeros")
        net.theta[:] = net64.theta
        e = net.explain(x, y, weight=weight)
        assert abs(e.difference) <= 1e-4 * e.magnitude + 1e-5


def test_millions_of_paths_take_no_enumeration():
    net = bp.Network([4, 300, 400, 300, 10], seed=3)
    e = net.explain([0.1, 0.2, -0.3, 0.5], 1, weight=(1, 1, 2), n_paths=5)
    assert e.n_paths == 400 * 300 * 10
    assert 0 < e.n_alive < e.n_paths
    assert len(e.paths) == 5


def test_the_strongest_weight_is_found():
    net, x, y, _ = random_case(4)
    for layer in range(1, len(net.W) + 1):
        k, i, j = strongest_weight(net, x, y, layer)
        grad_W = np.abs(net.gradients(x[None], np.asarray(y)[None]).W[layer - 1])
        assert (k, grad_W[i, j]) == (layer, grad_W.max())


def test_a_gradient_that_is_not_the_total_is_an_error(monkeypatch):
    net, x, y, weight = random_case(0)
    right = bp.Network.gradients

    def wrong(self, X, y):
        g = right(self, X, y)
        g.theta[:] += 1e-6
        return g

    monkeypatch.setattr(bp.Network, "gradients", wrong)
    with pytest.raises(ArithmeticError, match=r"must be the engine's gradient, got .* and .*; see"):
        net.explain(x, y, weight=weight)


@pytest.mark.parametrize(
    ("weight", "error", "match"),
    [
        ((0, 0, 0), ValueError, r"`weight\[0\]` must be at least 1, got 0"),
        ((3, 0, 0), ValueError, r"`weight\[0\]` must be at most 2, got 3"),
        ((1, 4, 0), ValueError, r"`weight` must be an entry of W_1 \(4, 3\), counted from 0"),
        ((1, 0, 3), ValueError, r"got \(1, 0, 3\)"),
        ((1, -1, 0), ValueError, r"`weight\[1\]` must be at least 0, got -1"),
        ((1, 0.5, 0), TypeError, r"`weight\[1\]` must be an integer, got 0.5"),
        ((1, 0), TypeError, r"`weight` must be \(k, i, j\): layer k = 1..L, .*, got \(1, 0\)"),
        (7, TypeError, r"`weight` must be \(k, i, j\).*, got 7"),
    ],
)
def test_bad_weights_are_refused(weight, error, match):
    net = bp.Network([3, 4, 2])
    with pytest.raises(error, match=match):
        net.explain([1, 2, 3], 0, weight=weight)


def test_more_than_one_example_is_refused():
    net = bp.Network([3, 4, 2])
    with pytest.raises(
        ValueError, match=r"`x` must be one example with 3 features, got .*\(2, 3\)"
    ):
        net.explain(np.ones((2, 3)), [0, 1], weight=(1, 0, 0))
    with pytest.raises(ValueError, match="`n_paths` must be at least 1, got 0"):
        net.explain([1, 2, 3], 0, weight=(1, 0, 0), n_paths=0)
    with pytest.raises(ValueError, match="must have 3 columns"):
        net.explain([1, 2], 0, weight=(1, 0, 0))


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_every_activation_output_and_loss_is_explained(hidden, output, loss):
    net = bp.Network([3, 4, 3, 2], hidden=hidden, output=output, loss=loss, dtype="float64", seed=0)
    # Positive and small: no unit is off, none at its end.
    net.theta[:] = np.random.default_rng(1).uniform(0.05, 0.3, net.theta.size)
    y = 1 if output == "softmax" else [1.0, 0.0]
    for weight in ((1, 2, 0), (2, 1, 3), (3, 0, 2)):
        e = net.explain([0.3, 0.8, 1.1], y, weight=weight)
        assert e.total == pytest.approx(e.gradient, rel=1e-10)
        assert e.gradient != 0
        assert e.paths[0].factors[0].name.startswith("∂L/∂ŷ")
