"""Every hidden activation and its derivative, against plain Python and central differences."""

import math
from fractions import Fraction

import numpy as np
import pytest

from backprop import _backprop

SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def sigmoid(a):
    return 1 / (1 + math.exp(-a)) if a >= 0 else math.exp(a) / (1 + math.exp(a))


def softplus(a):
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))


def normal(a):
    """Return the normal distribution function; erfc keeps its lower tail."""
    if a > 0:
        return 1 - normal(-a)
    x = -a / math.sqrt(2)
    # erfc(x) falls like exp(-x^2): what rounding did to x must not show.
    lost = Fraction(a) ** 2 / 2 - Fraction(x) ** 2
    return math.erfc(x) * math.exp(-lost) / 2 if a > -40 else 0.0


def gelu_tanh_argument(a):
    return 2 * math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)


def gelu_tanh_slope(a):
    s = sigmoid(gelu_tanh_argument(a))
    return s + a * s * (1 - s) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * a * a)


def mish_slope(a):
    t = math.tanh(softplus(a))
    return t + a * sigmoid(a) * (1 - t * t)


FUNCTIONS = {
    "relu": (lambda a: max(a, 0.0), lambda a: float(a > 0)),
    "sigmoid": (sigmoid, lambda a: sigmoid(a) * sigmoid(-a)),
    "tanh": (math.tanh, lambda a: 1 - math.tanh(a) ** 2),
    "linear": (lambda a: a, lambda a: 1.0),
    "leaky_relu": (lambda a: a if a > 0 else 0.01 * a, lambda a: 1.0 if a > 0 else 0.01),
    "elu": (lambda a: a if a > 0 else math.expm1(a), lambda a: 1.0 if a > 0 else math.exp(a)),
    "selu": (
        lambda a: SCALE * (a if a > 0 else ALPHA * math.expm1(a)),
        lambda a: SCALE * (1.0 if a > 0 else ALPHA * math.exp(a)),
    ),
    "gelu": (
        lambda a: a * normal(a),
        lambda a: normal(a) + a * math.exp(-a * a / 2) / math.sqrt(2 * math.pi),
    ),
    "gelu_tanh": (lambda a: a * sigmoid(gelu_tanh_argument(a)), gelu_tanh_slope),
    "silu": (lambda a: a * sigmoid(a), lambda a: sigmoid(a) * (1 + a * sigmoid(-a))),
    "mish": (lambda a: a * math.tanh(softplus(a)), mish_slope),
    "softplus": (softplus, sigmoid),
    "hard_tanh": (lambda a: min(max(a, -1.0), 1.0), lambda a: float(abs(a) < 1)),
}

#: Around 0, both tails, the ends of every branch, and numbers far outside.
POINTS = np.concatenate(
    [
        np.linspace(-6, 6, 241),
        [-1e-9, 1e-9, -1e-4, 1e-4, -0.5, 0.5, -0.0, -1.0, 1.0, -12.0, 12.0, -20.0, 20.0, -35.0],
        [35.0, -200.0, 200.0, -1e20, 1e20],
    ]
)

NETWORKS = {"float32": _backprop.Network32, "float64": _backprop.Network64}


def one_neuron(name, dtype):
    """Return a network whose H_1 is g(x)."""
    net = NETWORKS[dtype]([1, 1, 1], [name], "linear", "squared_error")
    net.W[0][:] = 1
    net.W[1][:] = 1
    return net


def test_every_activation_of_the_core_is_tested():
    assert set(_backprop.activations()) == set(FUNCTIONS)


@pytest.mark.parametrize("dtype", NETWORKS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_equal_plain_python(name, dtype):
    x = POINTS.astype(dtype)
    H = one_neuron(name, dtype).forward(x[:, None])[:, 0]
    g = np.array([FUNCTIONS[name][0](float(a)) for a in x])
    # A few units in the last place; subnormal numbers count as 0. The slope of the exponent of the
    # tanh form multiplies the rounding of its argument, in tails of no size.
    ulps = 8 if name != "gelu_tanh" else 512
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    np.testing.assert_allclose(H, g, rtol=ulps * eps, atol=1e4 * tiny)


@pytest.mark.parametrize("dtype", NETWORKS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_equal_plain_python(name, dtype):
    x = POINTS[np.abs(POINTS) <= 200].astype(dtype)
    net = one_neuron(name, dtype)
    # grad_A_2 = (Y_hat - y) / m is of size 1, or the quotient below would show its rounding.
    y = net.forward(x[:, None]) - len(x)
    trace = net.trace(x[:, None], y)
    slope = trace["grad_A"][0] / trace["grad_H"][0]
    expected = np.array([[FUNCTIONS[name][1](float(a))] for a in x])
    np.testing.assert_allclose(slope, expected, rtol=0, atol=300 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_lone_example_takes_the_same_values(name):
    net = one_neuron(name, "float64")
    together = net.forward(POINTS[:, None])
    alone = [net.forward(x[None, None])[0] for x in POINTS]
    np.testing.assert_allclose(alone, together, rtol=1e-15)


@pytest.mark.parametrize("dtype", NETWORKS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_nan_comes_out_as_nan(name, dtype):
    x = np.full((40, 1), np.nan, dtype)
    assert np.isnan(one_neuron(name, dtype).forward(x, check_finite=False)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_equal_central_differences_in_a_deep_network(name):
    rng = np.random.default_rng(5)
    net = _backprop.Network64([4, 21, 7, 3], [name, name], "softmax", "cross_entropy")
    net.theta[:] = rng.normal(scale=0.4, size=net.theta.size)
    X, y = rng.normal(size=(37, 4)), rng.integers(0, 3, 37)
    _, gradient = net.gradients(X, y)
    # Pre-activations next to a kink would make the difference meaningless.
    A = net.trace(X, y)["A"]
    kinks = {"relu": [0], "leaky_relu": [0], "selu": [0], "hard_tanh": [-1, 1]}.get(name, [])
    assert all(np.abs(a - kink).min() > 1e-5 for a in A[:-1] for kink in kinks)
    numerical = np.empty_like(gradient)
    for i, value in enumerate(net.theta.copy()):
        net.theta[i] = value + 1e-6
        above = net.loss(X, y)
        net.theta[i] = value - 1e-6
        below = net.loss(X, y)
        net.theta[i] = value
        numerical[i] = (above - below) / 2e-6
    norms = np.linalg.norm(gradient) + np.linalg.norm(numerical)
    assert np.linalg.norm(gradient - numerical) / norms < 1e-7


@pytest.mark.parametrize("name", FUNCTIONS)
def test_pytorch_agrees(name):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    function = {
        "linear": lambda a: a,
        "gelu_tanh": lambda a: functional.gelu(a, approximate="tanh"),
        "hard_tanh": functional.hardtanh,
        "softplus": lambda a: functional.softplus(a, threshold=100),
    }.get(name) or getattr(functional, name)
    x = POINTS[np.abs(POINTS) < 40]
    a = torch.tensor(x, requires_grad=True)
    h = function(a)
    h.sum().backward()
    net = one_neuron(name, "float64")
    y = net.forward(x[:, None])
    trace = net.trace(x[:, None], y - len(x))
    np.testing.assert_allclose(y[:, 0], h.detach().numpy(), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(
        (trace["grad_A"][0] / trace["grad_H"][0])[:, 0], a.grad.numpy(), rtol=1e-10, atol=1e-13
    )
