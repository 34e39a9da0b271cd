"""A network is built, read, copied and shown as its users expect."""

import copy
import pickle

import numpy as np
import pytest
from cases import DTYPES, make_case

import backprop as bp


def test_the_defaults_are_a_relu_softmax_classifier_in_float32():
    net = bp.Network([4, 5, 3])
    assert net.layer_sizes == (4, 5, 3)
    assert net.hidden_names == ("relu",)
    assert (net.output_name, net.loss_name) == ("softmax", "cross_entropy")
    assert net.dtype == np.float32
    assert net.check_finite is True


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("softmax", "cross_entropy"),
        ("linear", "squared_error"),
        ("sigmoid", "binary_cross_entropy"),
        ("exp", "poisson"),
    ],
)
def test_the_loss_follows_from_the_output(output, loss):
    assert bp.Network([2, 2], output=output).loss_name == loss
    assert bp.Network([2, 2], output=output, loss=loss).loss_name == loss


def test_hidden_is_one_name_or_one_a_layer():
    assert bp.Network([2, 3, 4, 1], hidden="tanh").hidden_names == ("tanh", "tanh")
    assert bp.Network([2, 3, 4, 1], hidden=("relu", "linear")).hidden_names == ("relu", "linear")
    assert bp.Network([2, 1], hidden=[]).hidden_names == ()


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("f8"), float, ">f8"])
def test_a_dtype_is_given_in_any_of_numpys_ways(dtype):
    net = bp.Network([2, 1], dtype=dtype)
    assert net.dtype == net.theta.dtype == np.float64
    assert net.dtype.isnative


def test_parameters_have_the_notes_shapes_and_lie_in_theta():
    net = bp.Network([4, 5, 3], dtype="float64")
    assert [W.shape for W in net.W] == [(5, 4), (3, 5)]
    assert [b.shape for b in net.b] == [(5,), (3,)]
    flat = np.concatenate([a.ravel() for pair in zip(net.W, net.b, strict=True) for a in pair])
    np.testing.assert_array_equal(net.theta, flat)


def test_gradients_lie_in_one_flat_array_of_the_same_layout():
    net, X, y = make_case("relu", "softmax", 2)
    g = net.gradients(X, y)
    flat = np.concatenate([a.ravel() for pair in zip(g.W, g.b, strict=True) for a in pair])
    np.testing.assert_array_equal(g.theta, flat)
    assert all(np.shares_memory(a, g.theta) for a in (*g.W, *g.b))
    assert [a.shape for a in g.W] == [a.shape for a in net.W]


def test_predict_is_forward():
    net, X, _ = make_case("relu", "softmax", 1)
    np.testing.assert_array_equal(net.predict(X), net.forward(X))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_row_is_predicted_as_it_is_in_a_batch(dtype):
    net, X, _ = make_case("tanh", "softmax", 3, dtype=dtype, m=40)
    rows = np.vstack([net.predict(X[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(rows, net.predict(X), rtol=50 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    "convert",
    [
        np.ndarray.tolist,
        lambda X: X.astype(np.int8),
        lambda X: X.astype(">f4"),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(np.longdouble),
        lambda X: X.astype(bool),
        lambda X: [tuple(row) for row in X],
        lambda X: X.view(np.memmap),
    ],
)
def test_examples_are_converted_where_one_expects_it(convert):
    X = np.random.default_rng(0).integers(0, 2, (6, 4)).astype("float32")
    net = bp.Network([4, 5, 3])
    np.testing.assert_array_equal(net.predict(convert(X)), net.predict(X))


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int32, np.uint64, ">i8", bool, np.float32, np.float64, "list"]
)
def test_labels_may_be_of_any_integer_dtype_or_whole_floats(dtype):
    net, X, _ = make_case("relu", "softmax", 1)
    y = np.array([0, 1, 1, 0, 1, 0])
    converted = y.tolist() if dtype == "list" else y.astype(dtype)
    assert net.loss(X, converted) == net.loss(X, y)
    twin = net.copy()
    assert twin.fit(X, converted, epochs=1)["loss"] == net.fit(X, y, epochs=1)["loss"]


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32, "list"])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear"])
def test_rows_of_targets_are_converted_to_the_networks_dtype(dtype, output):
    net, X, _ = make_case("relu", output, 1)
    Y = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    converted = Y.tolist() if dtype == "list" else Y.astype(dtype)
    assert net.loss(X, converted) == net.loss(X, Y)


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_one_output_takes_a_list_of_integers(output):
    net, X, _ = make_case("relu", output, 1, p=1)
    y = [0, 1, 1, 0, 1, 0]
    assert net.loss(X, y) == net.loss(X, np.array(y, float)[:, None])


def test_the_check_for_nan_can_be_turned_off():
    net, X, y = make_case("relu", "softmax", 1)
    X[2, 1] = np.nan
    net.check_finite = False
    assert np.isnan(net.predict(X)[2]).all()
    assert np.isnan(net.loss(X, y))
    assert bp.Network([2, 1], check_finite=False).check_finite is False


def test_a_step_on_a_loss_that_is_not_finite_changes_nothing():
    net, X, y = make_case("relu", "softmax", 1)
    X[2, 1] = np.nan
    net.check_finite = False
    before = net.theta.copy()
    assert np.isnan(net.step(X, y, lr=0.1))
    np.testing.assert_array_equal(net.theta, before)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, bp.Network.copy])
def test_a_copy_is_equal_and_independent(how):
    net, _, _ = make_case("tanh", "softmax", 2)
    net.check_finite = False
    twin = how(net)
    assert twin.same_architecture(net)
    assert twin.dtype == net.dtype
    assert twin.check_finite is False
    np.testing.assert_array_equal(twin.theta, net.theta)
    twin.theta[:] = 0
    assert net.theta.any()
    assert not np.shares_memory(twin.theta, net.theta)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_network_predicts_the_same(protocol):
    net, X, _ = make_case("tanh", "sigmoid", 2)
    twin = pickle.loads(pickle.dumps(net, protocol))
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    assert repr(twin) == repr(net)


def test_architectures_are_compared_without_weights_and_dtype():
    net = bp.Network([2, 3, 1], hidden="tanh", output="linear")
    same = bp.Network([2, 3, 1], hidden=["tanh"], output="linear", seed=5, dtype="float64")
    assert net.same_architecture(same)
    for other in (
        bp.Network([2, 4, 1], hidden="tanh", output="linear"),
        bp.Network([2, 3, 1], hidden="relu", output="linear"),
        bp.Network([2, 3, 1], hidden="tanh", output="sigmoid"),
    ):
        assert not net.same_architecture(other)
    assert bp.Network(**net.architecture).same_architecture(net)


def test_repr_reads_like_the_call():
    assert repr(bp.Network([64, 100, 10])) == (
        "Network([64, 100, 10], hidden='relu', output='softmax', loss='cross_entropy', "
        "dtype='float32')"
    )
    assert "hidden=['relu', 'tanh']" in repr(bp.Network([2, 3, 4, 1], hidden=["relu", "tanh"]))
    assert "hidden" not in repr(bp.Network([2, 1]))
    net = bp.Network([3, 4, 5, 2], hidden=["tanh", "relu"], output="sigmoid", dtype="float64")
    assert eval(repr(net), {"Network": bp.Network}).same_architecture(net)


def test_views_cannot_be_replaced_by_accident():
    net = bp.Network([2, 1])
    with pytest.raises(AttributeError, match="theta"):
        net.theta = np.zeros(3)
    with pytest.raises(TypeError, match="assignment"):
        net.W[0] = np.zeros((1, 2))
    with pytest.raises(AttributeError, match="lernrate"):
        net.lernrate = 0.1
