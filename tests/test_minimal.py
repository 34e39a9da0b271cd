"""What must hold wherever the package is installed, with NumPy and pytest alone."""

from importlib.metadata import version

import numpy as np

import backprop as bp
from backprop import _backprop


def test_python_and_compiled_core_are_of_one_version():
    assert bp.__version__ == _backprop.__version__ == version("backprop")


def test_a_network_learns_exclusive_or():
    X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    y = [0, 1, 1, 0]
    net = bp.Network([2, 16, 2], hidden="tanh", init="glorot", seed=1)
    history = net.fit(X, y, epochs=2000, batch_size=4, lr=0.5)
    assert net.predict(X).argmax(axis=1).tolist() == y
    assert history["loss"][-1] < 0.05 < history["loss"][0]


def test_info_names_what_runs():
    info = bp.info()
    assert info["version"] == bp.__version__
    assert info["n_threads"] == bp.get_num_threads() >= 1
    assert {"eigen", "level", "compiler", "lanes_float32", "lanes_float64"} < set(info)


def test_outputs_are_probabilities_of_the_networks_dtype():
    X = np.random.default_rng(0).standard_normal((5, 3))
    for dtype in ("float32", "float64"):
        Y_hat = bp.Network([3, 4, 2], dtype=dtype).predict(X)
        assert Y_hat.dtype == dtype
        assert Y_hat.shape == (5, 2)
        np.testing.assert_allclose(Y_hat.sum(axis=1), 1, rtol=1e-6)


def test_set_num_threads_is_what_get_num_threads_returns():
    before = bp.get_num_threads()
    try:
        bp.set_num_threads(1)
        assert bp.get_num_threads() == 1
    finally:
        bp.set_num_threads(before)
    assert bp.get_num_threads() == before
