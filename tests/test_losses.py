"""Every loss, its gradients and the weights of the examples, against plain Python."""

import math

import numpy as np
import pytest

from backprop import _backprop


def softmax(a):
    e = [math.exp(x - max(a)) for x in a]
    return [x / sum(e) for x in e]


def smooth(y, smoothing):
    return [(1 - smoothing) * t + smoothing / len(y) for t in y]


def cross_entropy(a, y, smoothing):
    log_sum_exp = max(a) + math.log(sum(math.exp(x - max(a)) for x in a))
    return sum(q * (log_sum_exp - x) for q, x in zip(smooth(y, smoothing), a, strict=True))


def cross_entropy_slope(a, y, smoothing):
    q = smooth(y, smoothing)
    return [sum(q) * y_hat - t for y_hat, t in zip(softmax(a), q, strict=True)]


def sign(r):
    return float((r > 0) - (r < 0))


def huber(r, delta):
    return r * r / 2 if abs(r) <= delta else delta * (abs(r) - delta / 2)


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def each(f):
    """Return the loss that is the sum of f(a_i, y_i), or the list of its slopes."""
    return lambda a, y, parameter: [f(x, t, parameter) for x, t in zip(a, y, strict=True)]


# (output, loss): output function, loss of an example (a list adds up), grad_a, grad_y_hat.
LOSSES = {
    ("softmax", "cross_entropy"): (
        softmax,
        cross_entropy,
        cross_entropy_slope,
        lambda y_hat, y, s: [-q / h for q, h in zip(smooth(y, s), y_hat, strict=True)],
    ),
    ("linear", "squared_error"): (
        list,
        each(lambda a, y, _: (a - y) ** 2 / 2),
        each(lambda a, y, _: a - y),
        each(lambda y_hat, y, _: y_hat - y),
    ),
    ("linear", "absolute_error"): (
        list,
        each(lambda a, y, _: abs(a - y)),
        each(lambda a, y, _: sign(a - y)),
        each(lambda y_hat, y, _: sign(y_hat - y)),
    ),
    ("linear", "huber"): (
        list,
        each(lambda a, y, delta: huber(a - y, delta)),
        each(lambda a, y, delta: max(-delta, min(a - y, delta))),
        each(lambda y_hat, y, delta: max(-delta, min(y_hat - y, delta))),
    ),
    ("sigmoid", "binary_cross_entropy"): (
        lambda a: [sigmoid(x) for x in a],
        each(lambda a, y, _: -y * math.log(sigmoid(a)) - (1 - y) * math.log(sigmoid(-a))),
        each(lambda a, y, _: sigmoid(a) - y),
        each(lambda y_hat, y, _: (y_hat - y) / (y_hat * (1 - y_hat))),
    ),
    ("exp", "poisson"): (
        lambda a: [math.exp(x) for x in a],
        each(lambda a, y, _: math.exp(a) - y * a),
        each(lambda a, y, _: math.exp(a) - y),
        each(lambda y_hat, y, _: 1 - y / y_hat),
    ),
}
PARAMETERS = {"cross_entropy": [0.0, 0.1, 1.0], "huber": [1.0, 0.3]}
CASES = [(*pair, parameter) for pair in LOSSES for parameter in PARAMETERS.get(pair[1], [None])]
NETWORKS = {"float32": _backprop.Network32, "float64": _backprop.Network64}


def problem(output, m, p, rng):
    """Return m inputs of 3 features and targets that suit the output."""
    X = rng.normal(size=(m, 3))
    Y = {
        "softmax": lambda: rng.dirichlet(np.ones(p), m),
        "linear": lambda: rng.normal(size=(m, p)) * 2,
        "sigmoid": lambda: rng.random((m, p)),
        "exp": lambda: rng.poisson(2.0, (m, p)).astype(float),
    }[output]()
    return X, Y


def network(output, loss, parameter, p, rng, dtype="float64"):
    net = NETWORKS[dtype]([3, 5, p], ["tanh"], output, loss, loss_parameter=parameter)
    net.theta[:] = rng.normal(size=net.theta.size) * 0.7
    return net


def expected(output, loss, parameter, A, Y, weights):
    """Return the loss, grad_A_L and grad_Y_hat in plain Python."""
    to_y_hat, value, slope, y_hat_slope = LOSSES[output, loss]
    shares = [w / sum(weights) for w in weights]
    values = [np.sum(value(a, y, parameter)) for a, y in zip(A, Y, strict=True)]
    grad_A = [[s * r for r in slope(a, y, parameter)] for s, a, y in zip(shares, A, Y, strict=True)]
    grad_Y_hat = [
        [s * r for r in y_hat_slope(to_y_hat(a), y, parameter)]
        for s, a, y in zip(shares, A, Y, strict=True)
    ]
    return sum(s * v for s, v in zip(shares, values, strict=True)), grad_A, grad_Y_hat


def test_every_loss_of_the_core_is_tested():
    pairs = {(o, loss) for o, names in _backprop.outputs().items() for loss in names}
    assert pairs == set(LOSSES)
    assert _backprop.loss_parameters() == {
        "cross_entropy": ("smoothing", 0.0),
        "huber": ("delta", 1.0),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", [1, 4])
@pytest.mark.parametrize(("output", "loss", "parameter"), CASES)
def test_loss_and_output_gradients_equal_plain_python(output, loss, parameter, p, weighted):
    rng = np.random.default_rng(1)
    X, Y = problem(output, 29, p, rng)
    net = network(output, loss, parameter, p, rng)
    weights = rng.integers(0, 4, 29).astype(float) if weighted else np.ones(29)
    trace = net.trace(X, Y, sample_weight=weights if weighted else None)
    A = trace["A"][-1].tolist()
    value, grad_A, grad_Y_hat = expected(output, loss, parameter, A, Y.tolist(), weights.tolist())
    assert trace["loss"] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(trace["grad_A"][-1], grad_A, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(trace["grad_H"][-1], grad_Y_hat, rtol=1e-10, atol=1e-14)
    y_hat = [LOSSES[output, loss][0](a) for a in A]
    np.testing.assert_allclose(net.forward(X), y_hat, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("output", "loss", "parameter"), CASES)
def test_loss_gradients_trace_and_step_agree(output, loss, parameter, weighted):
    rng = np.random.default_rng(2)
    X, Y = problem(output, 41, 3, rng)
    net = network(output, loss, parameter, 3, rng)
    weights = rng.random(41) if weighted else None
    trace = net.trace(X, Y, sample_weight=weights)
    value, gradient = net.gradients(X, Y, sample_weight=weights)
    assert net.loss(X, Y, sample_weight=weights) == pytest.approx(value, rel=1e-13)
    assert trace["loss"] == value
    np.testing.assert_array_equal(trace["grad_theta"], gradient)
    before = net.theta.copy()
    assert net.step(X, Y, 0.5, sample_weight=weights) == value
    np.testing.assert_allclose(net.theta, before - 0.5 * gradient, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("output", "loss", "parameter"), CASES)
def test_gradients_equal_central_differences(output, loss, parameter):
    rng = np.random.default_rng(3)
    X, Y = problem(output, 17, 3, rng)
    net = network(output, loss, parameter, 3, rng)
    weights = rng.random(17)
    _, gradient = net.gradients(X, Y, sample_weight=weights)
    numerical = np.empty_like(gradient)
    for i, value in enumerate(net.theta.copy()):
        net.theta[i] = value + 1e-6
        above = net.loss(X, Y, sample_weight=weights)
        net.theta[i] = value - 1e-6
        below = net.loss(X, Y, sample_weight=weights)
        net.theta[i] = value
        numerical[i] = (above - below) / 2e-6
    norms = np.linalg.norm(gradient) + np.linalg.norm(numerical)
    assert np.linalg.norm(gradient - numerical) / norms < 1e-7


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classes_and_one_hot_rows_are_the_same_targets(smoothing):
    rng = np.random.default_rng(4)
    net = network("softmax", "cross_entropy", smoothing, 5, rng)
    X, labels = rng.normal(size=(33, 3)), rng.integers(0, 5, 33)
    weights = rng.random(33)
    by_class = net.trace(X, labels, sample_weight=weights)
    one_hot = net.trace(X, np.eye(5)[labels], sample_weight=weights)
    assert by_class["loss"] == pytest.approx(one_hot["loss"], rel=1e-13)
    for name in ("grad_A", "grad_H"):
        np.testing.assert_allclose(by_class[name][-1], one_hot[name][-1], rtol=1e-12, atol=1e-16)


def test_absolute_error_has_gradient_0_at_0():
    net = _backprop.Network64([1, 1], [], "linear", "absolute_error")
    _, gradient = net.gradients(np.ones((3, 1)), np.zeros((3, 1)))
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("dtype", NETWORKS)
def test_a_poisson_loss_that_overflows_is_infinite(dtype):
    net = NETWORKS[dtype]([1, 1], [], "exp", "poisson")
    net.W[0][:] = 1000
    before = net.theta.copy()
    x = np.ones((3, 1), dtype)
    assert net.loss(x, x) == math.inf
    assert net.step(x, x, 0.1) == math.inf
    np.testing.assert_array_equal(net.theta, before)


@pytest.mark.parametrize(("output", "loss", "parameter"), CASES)
def test_float32_is_float64_to_its_rounding(output, loss, parameter):
    rng = np.random.default_rng(6)
    X, Y = problem(output, 29, 4, rng)
    double = network(output, loss, parameter, 4, rng)
    single = network(output, loss, parameter, 4, rng, "float32")
    double.theta[:] = np.float32(double.theta)
    single.theta[:] = double.theta
    X, Y = np.float32(X), np.float32(Y)
    value, gradient = single.gradients(X, Y)
    exact_value, exact = double.gradients(X.astype(float), Y.astype(float))
    assert value == pytest.approx(exact_value, rel=2e-6)
    np.testing.assert_allclose(gradient, exact, rtol=1e-5, atol=2e-6 * np.abs(exact).max())


# ---- weights


def test_a_weight_of_2_is_the_example_twice_and_0_is_its_absence():
    rng = np.random.default_rng(7)
    net = network("linear", "squared_error", None, 2, rng)
    X, Y = problem("linear", 31, 2, rng)
    counts = rng.integers(0, 3, 31)
    value, gradient = net.gradients(X, Y, sample_weight=counts.astype(float))
    expected_value, expected_gradient = net.gradients(X.repeat(counts, 0), Y.repeat(counts, 0))
    assert value == pytest.approx(expected_value, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-14)


def test_weights_of_any_stride_and_scale_mean_the_same():
    rng = np.random.default_rng(8)
    net = network("linear", "squared_error", None, 2, rng)
    X, Y = problem("linear", 31, 2, rng)
    weights = rng.random(31)
    value, gradient = net.gradients(X, Y, sample_weight=weights)
    apart = np.repeat(weights * 1024, 2)[::-2][::-1]
    assert apart.strides == (16,)
    other_value, other_gradient = net.gradients(X, Y, sample_weight=apart)
    assert other_value == value
    np.testing.assert_array_equal(other_gradient, gradient)


def test_an_epoch_divides_each_batch_by_its_own_weights():
    rng = np.random.default_rng(9)
    X, Y = problem("linear", 23, 2, rng)
    weights = rng.integers(0, 3, 23).astype(float)
    order = rng.permutation(23)
    weights[order[5:10]] = 0  # a batch that weighs nothing
    net, by_hand = (network("linear", "huber", 0.5, 2, np.random.default_rng(1)) for _ in range(2))
    loss, failed = _backprop.Trainer64(net, 5).epoch(X, Y, order, 0.1, sample_weight=weights)
    total = 0.0
    for begin in range(0, 23, 5):
        batch = order[begin : begin + 5]
        if weights[batch].sum() > 0:
            batch_loss = by_hand.step(X[batch], Y[batch], 0.1, sample_weight=weights[batch])
            total += batch_loss * weights[batch].sum()
    assert failed == -1
    assert loss == pytest.approx(total / weights.sum(), rel=1e-12)
    np.testing.assert_allclose(net.theta, by_hand.theta, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.zeros(4), ValueError, "`sample_weight` must weigh at least one example"),
        (np.array([1, -1.0, 1, 1]), ValueError, "not negative, got -1.* at position 1"),
        (np.array([1, 1, np.nan, 1]), ValueError, "must be finite and not negative, got nan"),
        (np.array([np.inf, 1, 1, 1]), ValueError, "must be finite and not negative, got inf"),
        (np.ones(3), ValueError, r"one weight for each of the 4 examples of `X`, got shape \(3,\)"),
        (np.ones((4, 1)), ValueError, r"for each of the 4 examples of `X`, got shape \(4, 1\)"),
        (np.ones(4, np.float32), TypeError, "`sample_weight` must be a NumPy array of float64"),
        ([1.0] * 4, TypeError, "`sample_weight` must be a NumPy array of float64, got list"),
    ],
)
def test_bad_weights_are_refused_and_change_nothing(weights, error, message):
    net = network("linear", "squared_error", None, 2, np.random.default_rng(0))
    before = net.theta.copy()
    X, Y = np.ones((4, 3)), np.ones((4, 2))
    trainer = _backprop.Trainer64(net, 2)
    for call in (net.loss, net.gradients, net.trace):
        with pytest.raises(error, match=message):
            call(X, Y, sample_weight=weights)
    with pytest.raises(error, match=message):
        net.step(X, Y, 0.1, sample_weight=weights)
    with pytest.raises(error, match=message):
        trainer.epoch(X, Y, np.arange(4), 0.1, sample_weight=weights)
    np.testing.assert_array_equal(net.theta, before)


# ---- parameters


@pytest.mark.parametrize(
    ("output", "loss", "parameter", "message"),
    [
        ("softmax", "cross_entropy", -0.1, "the smoothing of cross_entropy, must be from 0 to 1"),
        ("softmax", "cross_entropy", 1.5, "the smoothing of cross_entropy, must be from 0 to 1"),
        ("softmax", "cross_entropy", math.nan, "must be from 0 to 1, got nan"),
        ("linear", "huber", 0.0, "the delta of huber, must be positive and finite"),
        ("linear", "huber", math.inf, "must be positive and finite, got inf"),
        ("linear", "squared_error", 1.0, "must be left out for squared_error"),
        ("linear", "poisson", None, "`output` and `loss` must be one of the pairs .*exp with poi"),
    ],
)
def test_bad_parameters_are_refused(output, loss, parameter, message):
    with pytest.raises(ValueError, match=message):
        _backprop.Network64([2, 2], [], output, loss, loss_parameter=parameter)


def test_the_parameter_can_be_read_back():
    assert _backprop.Network32([2, 2], [], "linear", "huber").loss_parameter == 1.0
    assert _backprop.Network32([2, 2], [], "linear", "huber", 0.1).loss_parameter == 0.1
    assert _backprop.Network32([2, 2], [], "exp", "poisson").loss_parameter is None


# ---- PyTorch


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("output", "loss", "parameter"), CASES)
def test_pytorch_agrees(output, loss, parameter, weighted):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    rng = np.random.default_rng(11)
    X, Y = problem(output, 29, 4, rng)
    net = network(output, loss, parameter, 4, rng)
    weights = rng.random(29) if weighted else np.ones(29)
    trace = net.trace(X, Y, sample_weight=weights if weighted else None)
    a, y = torch.tensor(trace["A"][-1], requires_grad=True), torch.tensor(Y)
    values = {
        "cross_entropy": lambda: functional.cross_entropy(
            a, y, reduction="none", label_smoothing=parameter
        )[:, None],
        "squared_error": lambda: functional.mse_loss(a, y, reduction="none") / 2,
        "absolute_error": lambda: functional.l1_loss(a, y, reduction="none"),
        "huber": lambda: functional.huber_loss(a, y, reduction="none", delta=parameter),
        "binary_cross_entropy": lambda: functional.binary_cross_entropy_with_logits(
            a, y, reduction="none"
        ),
        "poisson": lambda: functional.poisson_nll_loss(a, y, log_input=True, reduction="none"),
    }[loss]()
    shares = torch.tensor(weights / weights.sum())
    value = (values.sum(dim=1) * shares).sum()
    value.backward()
    assert trace["loss"] == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(trace["grad_A"][-1], a.grad.numpy(), rtol=1e-10, atol=1e-14)
