"""A trace holds every array of the reference's forward and backward pass."""

import numpy as np
import pytest
from cases import ACTIVATIONS, DTYPES, PAIRS, as_lists, make_case, names_of, relative_norm

import backprop as bp
from backprop import reference

TOLERANCE = {"float32": 3e-6, "float64": 1e-12}


@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_array_equals_the_reference(hidden, output, loss, dtype):
    net, X, y = make_case(hidden, output, 3, dtype=dtype, m=19, loss=loss)
    t = net.trace(X, y)
    A, H = reference.forward(X.tolist(), *as_lists(net), *names_of(net)[:2])
    stated = reference.backward(A, H, y.tolist(), as_lists(net)[0], *names_of(net))
    assert t.loss == pytest.approx(stated.loss, rel=TOLERANCE[dtype])
    for k in range(1, 5):
        of_reference = {
            "A": A[k - 1],
            "H": H[k],
            "grad_A": stated.grad_A[k - 1],
            "grad_H": stated.grad_H[k - 1],
            "grad_W": stated.grad_W[k - 1],
            "grad_b": stated.grad_b[k - 1],
        }
        for name, expected in of_reference.items():
            array = getattr(t[k], name)
            assert array.dtype == dtype
            assert array.shape == np.shape(expected)
            tolerance = TOLERANCE[dtype]
            if name == "grad_H" and k == 4 and output == "sigmoid":
                # 1 / (1 - y_hat) has the rounding of y_hat times 1 / (1 - y_hat).
                tolerance /= (1 - t.Y_hat).min()
            assert relative_norm(array, expected) <= tolerance, (k, name)


def test_a_saturated_sigmoid_output_has_the_references_gradient():
    net = bp.Network([1, 1], output="sigmoid", dtype="float32", init="zeros")
    net.W[0][:] = 1000
    stated = reference.gradients([[1.0]], [[1.0]], *as_lists(net), *names_of(net))
    assert stated.grad_H == [[[-1.0]]]
    assert net.trace([[1]], [[1]])[1].grad_H.tolist() == stated.grad_H[0]


def test_a_trace_is_a_sequence_of_layers_from_the_input_up():
    net, X, y = make_case("relu", "softmax", 2)
    t = net.trace(X, y)
    assert len(t) == 4
    assert [layer.k for layer in t] == [0, 1, 2, 3]
    assert t[0].H is X
    assert t[-1].H is t.Y_hat
    np.testing.assert_array_equal(t.Y_hat, net.forward(X))
    assert t.loss == net.gradients(X, y).loss
    np.testing.assert_array_equal(t[2].grad_W, net.gradients(X, y).W[1])


def test_the_traced_weights_stay_those_of_the_trace():
    net, X, y = make_case("relu", "softmax", 1)
    t = net.trace(X, y)
    W, b = net.W[1].copy(), net.b[1].copy()
    net.step(X, y, lr=1)
    np.testing.assert_array_equal(t[2].W, W)
    np.testing.assert_array_equal(t[2].b, b)
    assert (net.W[1] != W).any()


def test_the_input_layer_says_what_it_lacks():
    net, X, y = make_case("relu", "softmax", 1)
    t = net.trace(X, y)
    with pytest.raises(AttributeError, match="layer 0 is the input and has only `H`, not `grad_A`"):
        _ = t[0].grad_A
    with pytest.raises(AttributeError, match="'Layer' object has no attribute 'weight'"):
        _ = t[1].weight


def test_reprs_show_loss_and_shapes():
    net, X, y = make_case("relu", "softmax", 1)
    t = net.trace(X, y)
    assert repr(t[0]) == "Layer(0: H (6, 4))"
    assert f"loss={t.loss:.6g}" in repr(t)
    assert "Layer(2: A (6, 3), H (6, 3), grad_A (6, 3), grad_H (6, 3), W (3, 5)" in repr(t)
    assert repr(net.gradients(X, y)) == f"Gradients(loss={t.loss:.6g}, W: (5, 4), (3, 5))"
