"""ONNX: the graph computes what the engine does, in NumPy here and in onnxruntime where it is."""

import json

import numpy as np
import pytest
from cases import ACTIVATIONS, DTYPES, OUTPUTS, make_case

import backprop as bp
from backprop.exchange._onnx import describe

CASES = [(hidden, "softmax", 2) for hidden in ACTIVATIONS] + [
    ("tanh", output, n_hidden) for output in OUTPUTS for n_hidden in (0, 1)
]
# Where saturation, cancellation and overflow would show.
EXTREMES = np.array([0, 1e-6, 0.3, 1, 3, 5, 9, 15, 30, 87, 300, 1e4, 1e30])
EXTREMES = np.concatenate([-EXTREMES[::-1], EXTREMES])
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def erf(a):
    from math import erf

    return np.array([erf(x) for x in a.ravel()], a.dtype).reshape(a.shape)


def softmax(a, axis):
    e = np.exp(a - a.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# What the ONNX standard says of each operator.
OPERATORS = {
    "Gemm": lambda a, b, c, transB: a @ b.T + c,
    "Relu": lambda a: np.maximum(a, 0),
    "Sigmoid": lambda a: np.exp(-np.logaddexp(0, -a)),
    "Tanh": np.tanh,
    "LeakyRelu": lambda a, alpha: np.where(a < 0, alpha * a, a),
    "Elu": lambda a, alpha: np.where(a < 0, alpha * np.expm1(np.minimum(a, 0)), a),
    "Selu": lambda a, alpha, gamma: gamma * np.where(a <= 0, alpha * np.expm1(np.minimum(a, 0)), a),
    "Softplus": lambda a: np.logaddexp(a, 0),
    "Clip": np.clip,
    "Erf": erf,
    "Exp": np.exp,
    "Log": np.log,
    "Neg": np.negative,
    "Abs": np.abs,
    "Max": np.maximum,
    "Min": np.minimum,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Softmax": softmax,
}


def run_graph(net, X):
    """Compute a graph node by node."""
    graph = describe(net)
    values = {"X": X, **graph.constants}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        with np.errstate(under="ignore", over="ignore"):
            values[node.output] = OPERATORS[node.op](*inputs, **node.attributes)
        assert values[node.output].dtype == net.dtype, node
    return values["Y_hat"]


def run_onnx(net, X, path, **options):
    """Compute a file in onnxruntime."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net.to_onnx(path, **options)
    onnx.checker.check_model(path, full_check=True)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (Y_hat,) = session.run(["Y_hat"], {"X": X})
    assert Y_hat.dtype == net.dtype
    return Y_hat


def one_unit(hidden, dtype):
    """A network that is its activation, at the extremes."""
    net = bp.Network([1, 1, 1], hidden=hidden, output="linear", dtype=dtype)
    net.theta[:] = [1, 0, 1, 0]
    return net, EXTREMES.astype(dtype)[:, None]


def assert_close(Y_hat, net, X):
    expected = net.forward(X)
    tolerance = TOLERANCE[net.dtype.name]
    np.testing.assert_allclose(Y_hat, expected, rtol=20 * tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("hidden", "output", "n_hidden"), CASES)
def test_the_graph_computes_the_network(hidden, output, n_hidden, dtype):
    net, X, _ = make_case(hidden, output, n_hidden, dtype=dtype)
    assert_close(run_graph(net, X), net, X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_the_graph_is_right_at_the_extremes(hidden, dtype):
    net, X = one_unit(hidden, dtype)
    assert_close(run_graph(net, X), net, X)


def test_the_graph_speaks_the_note_and_shares_the_weights():
    net, _, _ = make_case("relu", "softmax", 1)
    graph = describe(net)
    assert [(node.op, node.output) for node in graph.nodes] == [
        ("Gemm", "A_1"),
        ("Relu", "H_1"),
        ("Gemm", "A_2"),
        ("Softmax", "Y_hat"),
    ]
    assert graph.constants["W_1"] is net.W[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("hidden", "output", "n_hidden"), CASES)
@pytest.mark.parametrize("m", [1, 6])
def test_onnxruntime_computes_the_network(tmp_path, hidden, output, n_hidden, dtype, m):
    net, X, _ = make_case(hidden, output, n_hidden, dtype=dtype)
    assert_close(run_onnx(net, X[:m], tmp_path / "net.onnx"), net, X[:m])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_onnxruntime_is_right_at_the_extremes(tmp_path, hidden, dtype):
    net, X = one_unit(hidden, dtype)
    assert_close(run_onnx(net, X, tmp_path / "net.onnx"), net, X)


def test_the_file_has_a_dynamic_batch_an_old_opset_and_the_metadata(tmp_path):
    onnx = pytest.importorskip("onnx")
    net, _, _ = make_case("gelu", "softmax", 1)
    classes = json.dumps(["ä", "b", "c"])
    net.to_onnx(tmp_path / "net.onnx", metadata={"class_names": classes})
    model = onnx.load(tmp_path / "net.onnx")
    (X,), (Y_hat,) = model.graph.input, model.graph.output
    shapes = [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (X, Y_hat)
    ]
    assert (X.name, Y_hat.name, shapes) == ("X", "Y_hat", [["m", 4], ["m", 3]])
    assert (model.opset_import[0].version, model.ir_version) == (13, 7)
    assert (model.producer_name, model.producer_version) == ("backprop", bp.__version__)
    assert {p.key: p.value for p in model.metadata_props} == {"class_names": classes}
