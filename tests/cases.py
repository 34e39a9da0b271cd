"""The networks and data that several test files run over."""

import numpy as np
import pytest

import backprop as bp
from backprop import _backprop

ACTIVATIONS = _backprop.activations()
OUTPUTS = list(_backprop.outputs())
PAIRS = [(output, loss) for output, losses in _backprop.outputs().items() for loss in losses]
DTYPES = ["float32", "float64"]

# Every activation x output and loss x {0, 1, 3} hidden layers.
combinations = pytest.mark.parametrize(
    ("hidden", "output", "loss", "n_hidden"),
    [
        (hidden, *pair, n_hidden)
        for n_hidden in (0, 1, 3)
        for pair in PAIRS
        for hidden in (ACTIVATIONS if n_hidden else ["relu"])
    ],
)


def make_data(output, layer_sizes, m=6, dtype="float64", seed=0):
    """Random X, and a y that fits the output."""
    rng = np.random.default_rng(seed)
    n, p = layer_sizes[0], layer_sizes[-1]
    X = rng.standard_normal((m, n)).astype(dtype)
    y = {
        "softmax": rng.integers(0, p, m),
        "sigmoid": rng.integers(0, 2, (m, p)).astype(dtype),
        "exp": rng.integers(0, 5, (m, p)).astype(dtype),
        "linear": rng.standard_normal((m, p)).astype(dtype),
    }[output]
    return X, y


def make_case(hidden, output, n_hidden, p=3, dtype="float64", m=6, seed=0, loss=None):
    """A random network, biases included, and data for it."""
    layer_sizes = [*[4, 5, 6, 5][: n_hidden + 1], p]
    names = [hidden] * n_hidden
    net = bp.Network(layer_sizes, hidden=names, output=output, loss=loss, dtype=dtype, seed=seed)
    net.theta[:] = np.random.default_rng(seed + 1).standard_normal(net.theta.size) * 0.7
    return net, *make_data(output, layer_sizes, m, dtype, seed)


def away_from_kinks(make, margin=1e-3):
    """The first case (net, X, y) of make(seed) in which nothing is near a kink at 0, 1 or -1."""
    for seed in range(1000):
        net, X, y = make(seed)
        t = net.trace(X, y)
        numbers = [layer.A.ravel() for layer in t[1:-1]]
        if net.output_name == "linear":
            numbers.append((t.Y_hat - y).ravel())
        distances = [np.abs(a - kink).min() for a in numbers for kink in (-1, 0, 1)]
        if not distances or min(distances) > margin:
            return net, X, y
    raise AssertionError("no seed keeps away from the kinks")


def as_lists(net):
    """W and b as `backprop.reference` takes them."""
    return [w.tolist() for w in net.W], [b.tolist() for b in net.b]


def names_of(net):
    """The arguments hidden, output, loss of `backprop.reference`."""
    return list(net.hidden_names), net.output_name, net.loss_name


def relative_norm(a, b):
    """||a - b|| / (||a|| + ||b||)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    size = np.linalg.norm(a) + np.linalg.norm(b)
    return np.linalg.norm(a - b) / size if size else 0.0
