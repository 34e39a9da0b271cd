"""The compiled gradients equal the reference and central differences, everywhere."""

import numpy as np
import pytest
from cases import (
    DTYPES,
    as_lists,
    away_from_kinks,
    combinations,
    make_case,
    names_of,
    relative_norm,
)

import backprop as bp
from backprop import reference

# Against the reference, which computes in float64. A float32 number is good to 6e-8; an entry of
# these gradients goes through some 4 layers of sums of 6, whose rounding adds up to no more than
# a few tens of that.
TOLERANCE = {"float32": 3e-6, "float64": 1e-12}

outputs_wide = pytest.mark.parametrize("p", [1, 3])


def stated_gradients(net, X, y):
    """The reference's gradient as a flat array, and its loss."""
    stated = reference.gradients(X.tolist(), y.tolist(), *as_lists(net), *names_of(net))
    return np.array(reference.flatten(stated.grad_W, stated.grad_b)), stated.loss


@combinations
@outputs_wide
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_equal_the_reference(hidden, output, loss, n_hidden, p, dtype):
    net, X, y = make_case(hidden, output, n_hidden, p, dtype, loss=loss)
    g = net.gradients(X, y)
    stated, value = stated_gradients(net, X, y)
    assert g.theta.dtype == dtype
    assert relative_norm(g.theta, stated) <= TOLERANCE[dtype]
    # Terms of about 1 may cancel in a loss that is a difference.
    assert g.loss == pytest.approx(value, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])
    assert net.loss(X, y) == pytest.approx(value, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])


@combinations
@outputs_wide
def test_gradients_equal_central_differences(hidden, output, loss, n_hidden, p):
    net, X, y = away_from_kinks(
        lambda seed: make_case(hidden, output, n_hidden, p, seed=seed, loss=loss)
    )
    grad = net.gradients(X, y).theta
    step = 1e-5
    measured = np.empty_like(grad)
    for i in range(len(grad)):
        value = net.theta[i]
        net.theta[i] = value + step
        above = net.loss(X, y)
        net.theta[i] = value - step
        measured[i] = (above - net.loss(X, y)) / (2 * step)
        net.theta[i] = value
    # Softmax over one class is 1 whatever the parameters: there is nothing to measure but rounding.
    assert relative_norm(grad, measured) < 1e-7 or max(abs(grad).max(), abs(measured).max()) < 1e-10


@combinations
@pytest.mark.parametrize("dtype", DTYPES)
def test_step_is_forward_backward_and_an_explicit_update(hidden, output, loss, n_hidden, dtype):
    net, X, y = make_case(hidden, output, n_hidden, dtype=dtype, m=37, loss=loss)
    g = net.gradients(X, y)
    expected = net.theta.astype(np.float64) - 0.3 * g.theta.astype(np.float64)
    assert net.step(X, y, lr=0.3) == g.loss
    # One rounding of the product, one of the difference.
    eps = np.finfo(dtype).eps
    assert np.abs(net.theta - expected).max() <= 2 * eps * np.abs(expected).max()


@combinations
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_epoch_of_one_batch_is_a_step(hidden, output, loss, n_hidden, dtype):
    net, X, y = make_case(hidden, output, n_hidden, dtype=dtype, m=37, loss=loss)
    twin = net.copy()
    value = net.step(X, y, lr=0.1)
    history = twin.fit(X, y, epochs=1, batch_size=37, lr=0.1, shuffle=False)
    np.testing.assert_array_equal(net.theta, twin.theta)
    # (37 loss) / 37 may differ from the loss by a rounding.
    assert history["loss"] == [pytest.approx(value, rel=1e-15)]


@combinations
def test_one_example_at_a_time_adds_up_to_the_batch(hidden, output, loss, n_hidden):
    net, X, y = make_case(hidden, output, n_hidden, m=7, loss=loss)
    each = [net.gradients(X[i : i + 1], y[i : i + 1]).theta for i in range(7)]
    assert relative_norm(np.mean(each, axis=0), net.gradients(X, y).theta) < 1e-14


@pytest.mark.parametrize("m", [1, 7, 16, 33, 300, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_batch_size_gives_the_reference(m, dtype):
    net, X, y = make_case("tanh", "softmax", 1, dtype=dtype, m=m)
    stated, _ = stated_gradients(net, X, y)
    assert relative_norm(net.gradients(X, y).theta, stated) <= TOLERANCE[dtype]
    _, H = reference.forward(X.tolist(), *as_lists(net), *names_of(net)[:2])
    assert relative_norm(net.forward(X), H[-1]) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_wide_layers_give_the_reference(dtype):
    net = bp.Network([65, 130, 33, 17], hidden=["relu", "tanh"], dtype=dtype, seed=2)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((19, 65)).astype(dtype), rng.integers(0, 17, 19)
    stated, _ = stated_gradients(net, X, y)
    assert relative_norm(net.gradients(X, y).theta, stated) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_hot_rows_mean_the_same_as_labels(dtype):
    net, X, y = make_case("relu", "softmax", 1, dtype=dtype)
    labels, rows = net.gradients(X, y), net.gradients(X, np.eye(3)[y])
    tolerance = 4 * float(np.finfo(dtype).eps)
    assert relative_norm(labels.theta, rows.theta) <= tolerance
    assert labels.loss == pytest.approx(rows.loss, rel=tolerance)


def test_soft_labels_equal_the_reference():
    net, X, _ = make_case("tanh", "softmax", 1)
    Y = np.random.default_rng(0).dirichlet([1, 1, 1], len(X))
    stated, loss = stated_gradients(net, X, Y)
    g = net.gradients(X, Y)
    assert relative_norm(g.theta, stated) <= 1e-12
    assert g.loss == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_one_output_takes_a_vector_of_targets(output):
    net, X, y = make_case("tanh", output, 1, p=1)
    column, vector = net.gradients(X, y), net.gradients(X, y[:, 0])
    np.testing.assert_array_equal(column.theta, vector.theta)
    assert column.loss == vector.loss == net.loss(X, y[:, 0])


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_outputs_have_exact_losses(output, dtype):
    """Logits of a thousand: the log of a rounded probability would be infinite."""
    net = bp.Network([1, 2], output=output, dtype=dtype, init="zeros")
    net.W[0][:] = [[1000], [-1000]]
    X = np.ones((1, 1), dtype)
    y = [1] if output == "softmax" else [[0, 1]]
    expected = {"softmax": 2000, "sigmoid": 2000, "linear": (1000**2 + 1001**2) / 2}[output]
    assert net.loss(X, y) == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(net.gradients(X, y).theta).all()
