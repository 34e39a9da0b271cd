"""What exchange has in common: layers that form a chain, scalers folded in, nothing imported early.

Stand-ins take the part of PyTorch's and scikit-learn's objects; `test_interchange_torch.py` and
`test_interchange_sklearn.py` have the real ones where those are installed.
"""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from cases import DTYPES, make_case

import backprop as bp
from backprop.data import Standardizer
from backprop.interchange import fold, to_state_dict

# --- scalers -------------------------------------------------------------------------------------


def scalers(p):
    rng = np.random.default_rng(2)
    features = Standardizer(rng.normal(5, 3, 4), rng.uniform(0.5, 20, 4))
    return features, Standardizer(rng.normal(100, 10, p), rng.uniform(2, 50, p))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_hidden", [0, 2])
@pytest.mark.parametrize("shared", [False, True])
def test_a_folded_network_does_what_the_scalers_do(dtype, n_hidden, shared):
    net, X, _ = make_case("tanh", "linear", n_hidden, dtype=dtype)
    scaler, target_scaler = scalers(1 if shared else 3)
    before = net.theta.copy()
    folded = fold(net, scaler, target_scaler)
    assert folded.same_architecture(net)
    assert folded.dtype == net.dtype
    np.testing.assert_array_equal(net.theta, before)
    raw = scaler.inverse_transform(X)
    expected = target_scaler.inverse_transform(net.forward(X))
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(folded.forward(raw), expected, rtol=tolerance, atol=tolerance)


def test_float64_keeps_what_float32_would_cancel():
    net, X, _ = make_case("relu", "softmax", 1, dtype="float32")
    scaler = Standardizer(np.full(4, 1e6), np.full(4, 10.0))
    raw = scaler.inverse_transform(X)
    errors = [
        np.abs(fold(net, scaler, dtype=dtype).forward(raw) - net.forward(X)).max()
        for dtype in DTYPES
    ]
    assert errors[1] < 1e-6 < errors[0]


def test_a_classifier_is_folded_with_the_scaler_of_no_target():
    net, X, _ = make_case("relu", "softmax", 1)
    scaler, target_scaler = scalers(1)
    identity = Standardizer(np.zeros(1), np.ones(1))
    folded = fold(net, scaler, identity)
    np.testing.assert_allclose(
        folded.forward(scaler.inverse_transform(X)), net.forward(X), rtol=1e-12
    )
    np.testing.assert_array_equal(fold(net).theta, net.theta)
    with pytest.raises(ValueError, match="into a linear output only, got 'softmax'"):
        fold(net, target_scaler=target_scaler)


def test_scalers_that_do_not_fit_are_refused():
    net, _, _ = make_case("relu", "linear", 1, dtype="float32")
    three, four = (Standardizer(np.ones(n), np.ones(n)) for n in (3, 4))
    with pytest.raises(ValueError, match=r"`scaler` must be of 4 columns .* got 3"):
        fold(net, three)
    with pytest.raises(ValueError, match=r"`target_scaler` must be of 1 or 3 columns .* got 4"):
        fold(net, four, four)
    tiny = Standardizer(np.zeros(4), np.full(4, 1e-300))
    with pytest.raises(ValueError, match=r"does not fit float32; use dtype=\"float64\""):
        fold(net, tiny)
    assert np.isfinite(fold(net, tiny, dtype="float64").theta).all()


# --- state dicts ---------------------------------------------------------------------------------


def state(net, names="layers.{}"):
    return {
        f"{names.format(k)}.{part}": array
        for k, pair in enumerate(zip(net.W, net.b, strict=True))
        for part, array in zip(("weight", "bias"), pair, strict=True)
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("names", ["{}", "layers.{}", "fc{}", "encoder.{}.linear"])
def test_a_state_dict_of_arrays(names, dtype):
    net = bp.Network([3] * 14, hidden="tanh", output="sigmoid", dtype=dtype)
    # As a file may have it: 10 before 2.
    sorted_by_name = dict(sorted(state(net, names).items()))
    copy = bp.from_torch(sorted_by_name, hidden="tanh", output="sigmoid")
    np.testing.assert_array_equal(copy.theta, net.theta)
    assert copy.dtype == dtype
    assert not np.shares_memory(copy.theta, net.theta)


def test_layers_of_other_names_keep_their_order_and_may_lack_a_bias():
    net = bp.Network([4, 6, 2], output="linear")
    tensors = {"body.weight": net.W[0], "arms.weight": net.W[1], "arms.bias": net.b[1] + 1}
    copy = bp.from_torch(tensors, hidden=["mish"], loss="huber")
    np.testing.assert_array_equal(copy.W[1], net.W[1])
    assert (copy.b[0].tolist(), copy.b[1].tolist()) == ([0] * 6, [1, 1])
    assert copy.hidden_names == ("mish",)
    assert copy.loss_name == "huber"


def test_one_layer_needs_no_activation():
    net = bp.from_torch({"weight": np.ones((2, 3), "float32")}, output="softmax")
    assert net.layer_sizes == (3, 2)


ONE = np.ones((2, 2), np.float32)


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ({}, ValueError, "there must be at least one layer"),
        ({"a.weight": ONE, "b.weight": ONE}, ValueError, "`hidden` must name the activations of"),
        (
            {"norm.running_mean": ONE},
            ValueError,
            "NAME.weight and .* 'norm.running_mean'",
        ),
        ({"a.bias": ONE[0]}, ValueError, "must have 'a.weight' with 'a.bias'"),
        ({"a.weight": ONE[0]}, ValueError, r"'a' must have a weight of shape \(outputs, inputs\)"),
        ({"a.weight": ONE, "a.bias": ONE}, ValueError, r"'a' must have a bias of shape \(2,\)"),
        ({"a.weight": ONE.astype(int)}, TypeError, "'a' must hold floating-point .* int64"),
    ],
)
def test_a_state_dict_of_something_else_is_refused(tensors, error, message):
    with pytest.raises(error, match=message):
        bp.from_torch(tensors)


def test_layers_that_do_not_follow_one_another_are_named():
    tensors = {"in.weight": ONE, "out.weight": np.ones((2, 3), np.float32)}
    with pytest.raises(ValueError, match="'out' takes 3 inputs and the layer 'in' before"):
        bp.from_torch(tensors, hidden="relu")


# --- modules, as PyTorch's classes look ----------------------------------------------------------


def torch_class(name):
    """A stand-in for torch.nn's class of this name; keywords become attributes."""
    namespace = {"__name__": "torch.nn.modules.standin"}
    source = f"class {name}:\n  def forward(self, x): ...\n  def state_dict(self): ...\n"
    exec(f"{source}  def __init__(self, **k): self.__dict__.update(k)", namespace)
    return namespace[name]


def linear(n_outputs, n_inputs, bias=True):
    W = np.random.default_rng(n_outputs).standard_normal((n_outputs, n_inputs))
    return torch_class("Linear")(weight=W, bias=W[:, 0] if bias else None)


def sequential(*modules):
    return torch_class("Sequential")(_modules={str(i): m for i, m in enumerate(modules)})


def other(name, **attributes):
    return torch_class(name)(**attributes)


def test_a_sequential_is_walked():
    gelu = other("GELU", approximate="tanh")
    first, last = linear(3, 4), linear(2, 2)
    net = bp.from_torch(
        sequential(
            sequential(first, gelu, other("Dropout")),
            linear(2, 3, bias=False),
            last,
            other("Softmax", dim=-1),
        )
    )
    assert net.layer_sizes == (4, 3, 2, 2)
    assert (net.hidden_names, net.output_name) == (("gelu_tanh", "linear"), "softmax")
    np.testing.assert_array_equal(net.W[0], first.weight)
    np.testing.assert_array_equal(net.b[2], last.bias)
    assert bp.from_torch(first, output="softmax").output_name == "softmax"
    assert bp.from_torch(sequential(first, other("Sigmoid"))).output_name == "sigmoid"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (other("Conv2d"), "but it is Conv2d; supported are Linear, ReLU"),
        (sequential(linear(2, 2), sequential(other("BatchNorm1d"))), r"1\.0 is BatchNorm1d"),
        (sequential(other("ReLU")), "must begin with Linear"),
        (sequential(linear(2, 2), other("ReLU"), other("Tanh")), "2 has none"),
        (sequential(linear(2, 2), other("ReLU")), "must end with Linear"),
        (sequential(linear(2, 2), other("Softmax", dim=0)), "must end with Linear"),
        (sequential(linear(2, 2), other("Softmax", dim=1), linear(2, 2)), "last module only"),
        (
            sequential(linear(2, 2), other("LeakyReLU", negative_slope=0.2), linear(2, 2)),
            "1 must be LeakyReLU with negative_slope=0.01, got",
        ),
        (
            sequential(linear(2, 2), other("Softplus", beta=1.0, threshold=5.0), linear(2, 2)),
            "1 must be Softplus with beta=1.0, threshold=",
        ),
    ],
)
def test_what_is_not_supported_is_named(module, message):
    with pytest.raises(ValueError, match=message):
        bp.from_torch(module)


def test_arguments_that_contradict_the_module():
    module = sequential(linear(2, 2), other("Sigmoid"))
    with pytest.raises(ValueError, match="`output` must be 'sigmoid', with which the module ends"):
        bp.from_torch(module, output="linear")
    with pytest.raises(ValueError, match="`hidden` is for state dicts"):
        bp.from_torch(module, hidden="relu")
    with pytest.raises(TypeError, match="a torch module or a state dict, got list"):
        bp.from_torch([])
    empty = torch_class("Linear")(weight=torch_class("UninitializedParameter")(), bias=None)
    with pytest.raises(ValueError, match="the Linear 0 has no weights yet"):
        bp.from_torch(sequential(empty))


# --- estimators ----------------------------------------------------------------------------------


def estimator(activation="tanh", out_activation="softmax", **attributes):
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        hidden_layer_sizes=(5,),
        activation=activation,
        coefs_=[rng.standard_normal((4, 5)), rng.standard_normal((5, 3))],
        intercepts_=[rng.standard_normal(5), rng.standard_normal(3)],
        out_activation_=out_activation,
        **attributes,
    )


def test_an_estimator_is_read():
    fitted = estimator(classes_=["x", "y", "z"])
    net, classes = bp.from_sklearn(fitted)
    assert net.layer_sizes == (4, 5, 3)
    np.testing.assert_array_equal(net.W[1], fitted.coefs_[1].T)
    np.testing.assert_array_equal(net.b[0], fitted.intercepts_[0])
    assert classes.tolist() == ["x", "y", "z"]
    regressor = bp.from_sklearn(estimator("identity", "identity"), dtype="float32")
    assert regressor.network.hidden_names == ("linear",)
    assert regressor.network.dtype == np.float32
    assert regressor.classes is None


def test_an_estimator_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="MLPRegressor, got dict"):
        bp.from_sklearn({})
    unfitted = SimpleNamespace(hidden_layer_sizes=(), activation="relu")
    with pytest.raises(ValueError, match="must be fitted"):
        bp.from_sklearn(unfitted)
    with pytest.raises(ValueError, match=r"`estimator.activation` must be one of relu, logistic"):
        bp.from_sklearn(estimator("swish"))


@pytest.mark.parametrize(
    ("case", "classes", "message"),
    [
        (("mish", "linear", 1), None, "has one of relu, sigmoid, tanh, linear .* has mish"),
        (("tanh", "linear", 1), [0, 1, 2], "`classes` must be None for 3 linear outputs"),
        (("tanh", "sigmoid", 1), [0, 2, 1], "`classes` must be None for 3 sigmoid outputs"),
        (("tanh", "softmax", 1), ["a", "b"], "must be 3 different labels for 3 softmax outputs"),
        (("tanh", "softmax", 1), ["a", "b", "a"], "must be 3 different labels"),
        (("tanh", "softmax", 1, 1), None, "must be 2 different labels for 1 softmax output, got"),
        (("tanh", "sigmoid", 1, 1), ["a"], "must be 2 different labels for 1 sigmoid output, got"),
    ],
)
def test_networks_that_scikit_learn_does_not_have(case, classes, message):
    net, _, _ = make_case(*case)
    with pytest.raises(ValueError, match=message):
        net.to_sklearn(classes)
    mixed = bp.Network([2, 2, 2, 2], hidden=["relu", "tanh"])
    with pytest.raises(ValueError, match="network has relu, tanh"):
        mixed.to_sklearn()


def test_names_of_a_state_dict_are_numbered():
    with pytest.raises(ValueError, match=r"`names` must hold {} for .* got 'layers'"):
        to_state_dict(bp.Network([2, 3]), "layers")


# --- imports -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "call", "install"),
    [
        ("onnx", lambda net: net.to_onnx("net.onnx"), r"'backprop\[onnx\]'"),
        ("torch", lambda net: net.to_torch(), "torch"),
        ("torch", to_state_dict, "torch"),
        ("sklearn.neural_network", lambda net: net.to_sklearn(), "scikit-learn"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, tmp_path, module, call, install):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=f"needs {module.split('.')[0]}; pip install {install} installs it"
    ):
        call(bp.Network([2, 3]))
    assert not list(tmp_path.iterdir())


def test_nothing_is_imported_before_it_is_used():
    program = """
import sys, backprop as bp
assert "backprop.interchange" not in sys.modules
assert {"from_torch", "from_sklearn"} <= set(bp.__all__)
assert bp.from_torch is bp.interchange.from_torch
for name in ("torch", "sklearn", "onnx"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="module 'backprop' has no attribute 'from_keras'"):
        bp.from_keras  # noqa: B018
