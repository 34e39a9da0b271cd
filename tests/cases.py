"""The networks and data that several test files run over."""

import numpy as np

import backprop as bp

ACTIVATIONS = ["relu", "sigmoid", "tanh", "linear"]
OUTPUTS = ["softmax", "linear", "sigmoid"]
DTYPES = ["float32", "float64"]


def make_data(output, layer_sizes, m=6, dtype="float64", seed=0):
    """Random X, and a y that fits the output."""
    rng = np.random.default_rng(seed)
    n, p = layer_sizes[0], layer_sizes[-1]
    X = rng.standard_normal((m, n)).astype(dtype)
    if output == "softmax":
        return X, rng.integers(0, p, m)
    if output == "sigmoid":
        return X, rng.integers(0, 2, (m, p)).astype(dtype)
    return X, rng.standard_normal((m, p)).astype(dtype)


def make_case(hidden, output, n_hidden, p=3, dtype="float64", m=6, seed=0):
    """A random network, biases included, and data for it."""
    layer_sizes = [*[4, 5, 6, 5][: n_hidden + 1], p]
    names = [hidden] * n_hidden
    net = bp.Network(layer_sizes, hidden=names, output=output, dtype=dtype, seed=seed)
    net.theta[:] = np.random.default_rng(seed + 1).standard_normal(net.theta.size) * 0.7
    return net, *make_data(output, layer_sizes, m, dtype, seed)


def away_from_kinks(make, margin=1e-3):
    """The first case (net, X, y) of make(seed) none of whose pre-activations is near a kink."""
    for seed in range(1000):
        net, X, y = make(seed)
        A = [layer.A for layer in net.trace(X, y)[1:]]
        if min(np.abs(a).min() for a in A) > margin:
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
