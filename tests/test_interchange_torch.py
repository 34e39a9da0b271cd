"""PyTorch: modules and state dicts, both ways, with equal outputs; skipped where it is missing."""

from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from cases import ACTIVATIONS, DTYPES, OUTPUTS, make_case

import backprop as bp
from backprop.interchange import to_state_dict

torch = pytest.importorskip("torch")
nn = torch.nn
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def outputs(module, X):
    with torch.no_grad():
        return module.eval()(torch.from_numpy(X)).numpy()


def assert_equal(net, module, X):
    expected = outputs(module, X)
    Y_hat = net.forward(X)
    assert Y_hat.dtype == expected.dtype
    tolerance = TOLERANCE[net.dtype.name]
    np.testing.assert_allclose(Y_hat, expected, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("hidden", "output", "n_hidden"),
    [(hidden, "linear", 3) for hidden in ACTIVATIONS]
    + [("tanh", output, n_hidden) for output in OUTPUTS for n_hidden in (0, 1)],
)
def test_there_and_back(hidden, output, n_hidden, dtype):
    net, X, _ = make_case(hidden, output, n_hidden, dtype=dtype)
    X *= 10  # past the threshold of PyTorch's own softplus
    module = net.to_torch()
    assert_equal(net, module, X)
    back = bp.from_torch(module)
    assert back.same_architecture(bp.Network(**net.architecture))
    assert back.dtype == net.dtype
    np.testing.assert_array_equal(back.theta, net.theta)


def test_the_copy_shares_no_memory_and_draws_no_random_number():
    net, X, _ = make_case("relu", "softmax", 1)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    module = net.to_torch()
    assert torch.rand(1) == expected
    before = outputs(module, X)
    net.theta[:] = 0
    np.testing.assert_array_equal(outputs(module, X), before)
    assert all(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize(("output", "loss"), [("softmax", "cross_entropy"), ("sigmoid", None)])
def test_logits_train_in_pytorch_with_the_engines_gradients(output, loss):
    net, X, y = make_case("gelu", output, 2, loss=loss)
    module = net.to_torch(logits=True)
    A_L = module(torch.from_numpy(X))
    if output == "softmax":
        value = nn.functional.cross_entropy(A_L, torch.from_numpy(y))
    else:
        targets = torch.from_numpy(y)
        value = nn.functional.binary_cross_entropy_with_logits(A_L, targets, reduction="sum") / 6
    value.backward()
    g = net.gradients(X, y)
    linears = [m for m in module if isinstance(m, nn.Linear)]
    for linear, grad_W, grad_b in zip(linears, g.W, g.b, strict=True):
        np.testing.assert_allclose(linear.weight.grad.numpy(), grad_W, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(linear.bias.grad.numpy(), grad_b, rtol=1e-10, atol=1e-14)
    assert bp.from_torch(module, output=output).same_architecture(net)


def test_nested_repeated_and_idle_modules():
    shared = nn.ReLU()
    square = nn.Linear(5, 5, bias=False)
    module = nn.Sequential(
        OrderedDict(
            body=nn.Sequential(nn.Linear(4, 5), shared, nn.Dropout(0.5), square, shared),
            idle=nn.Identity(),
            again=nn.Sequential(square, nn.Softplus(), nn.Linear(5, 5)),
            head=nn.Linear(5, 2),
            output=nn.Softmax(dim=-1),
        )
    )
    net = bp.from_torch(module)
    assert net.layer_sizes == (4, 5, 5, 5, 5, 2)
    assert net.hidden_names == ("relu", "relu", "softplus", "linear")
    assert (net.output_name, net.dtype) == ("softmax", np.float32)
    assert not net.b[1].any()
    assert_equal(net, module, np.random.default_rng(0).standard_normal((6, 4)).astype("float32"))


def test_one_linear_and_a_subclass_that_changes_nothing():
    class Net(nn.Sequential):
        pass

    linear = nn.Linear(3, 2)
    assert bp.from_torch(linear).output_name == "linear"
    assert bp.from_torch(Net(linear), output="exp").loss_name == "poisson"
    assert bp.from_torch(linear, loss="huber", dtype="float64").loss_name == "huber"


class Own(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def sequential(*modules):
    return nn.Sequential(nn.Linear(4, 3), *modules)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (sequential(nn.Conv1d(3, 3, 1)), "1 is Conv1d; supported are Linear, ReLU, Sigmoid, Tanh"),
        (sequential(nn.Sequential(nn.BatchNorm1d(3))), r"1\.0 is BatchNorm1d; supported are"),
        (sequential(Own(3, 3)), "1 is Own; supported are"),
        (nn.ModuleList([nn.Linear(2, 2)]), r"it is ModuleList; .* from_torch\(module.state_dict"),
        (sequential(nn.LeakyReLU(0.2), nn.Linear(3, 3)), "1 must be LeakyReLU with negative_slo"),
        (sequential(nn.ELU(2.0), nn.Linear(3, 3)), r"1 must be ELU with alpha=1.0, got ELU\(alp"),
        (sequential(nn.Softplus(threshold=5), nn.Linear(3, 3)), "1 must be Softplus with beta"),
        (sequential(nn.Softmax(1), nn.Linear(3, 3)), "Softmax as its last module only, 1 is one"),
        (sequential(nn.ReLU(), nn.ReLU(), nn.Linear(3, 3)), "a Linear before each activation, 2"),
        (sequential(nn.ReLU()), r"must end with Linear, Softmax over dim 1 .* 1 is ReLU\(\)"),
        (sequential(nn.Softmax(0)), r"must end with Linear, .* Softmax\(dim=0\)"),
        (nn.Sequential(nn.ReLU(), nn.Linear(3, 3)), "must begin with Linear"),
        (nn.Sequential(), "must begin with Linear"),
        (sequential(nn.Linear(2, 3)), "Linear 1 takes 2 inputs and the Linear 0 before it gives 3"),
        (nn.Sequential(nn.LazyLinear(2)), "the Linear 0 has no weights yet; run the module once"),
    ],
)
def test_what_is_not_supported_is_named(module, message):
    with pytest.raises(ValueError, match=message):
        bp.from_torch(module)


def test_arguments_that_contradict_the_module():
    module = sequential(nn.Sigmoid())
    with pytest.raises(ValueError, match="`output` must be 'sigmoid', with which the module ends"):
        bp.from_torch(module, output="softmax")
    with pytest.raises(ValueError, match="`hidden` is for state dicts"):
        bp.from_torch(module, hidden="relu")
    with pytest.raises(TypeError, match="`module` must be a torch module or a state dict, got int"):
        bp.from_torch(3)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_every_floating_point_is_read(kind):
    linear = nn.Linear(3, 2).to(kind)
    net = bp.from_torch(linear)
    assert net.dtype == ("float64" if kind == torch.float64 else "float32")
    np.testing.assert_array_equal(net.W[0], linear.weight.detach().to(torch.float64).numpy())


class Mlp(nn.Module):
    """What most people write."""

    def __init__(self, *sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n, k) for n, k in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


def test_state_dicts_both_ways():
    module = Mlp(4, *[5] * 11, 3)
    X = np.random.default_rng(0).standard_normal((6, 4)).astype("float32")
    net = bp.from_torch(module.state_dict(), hidden="tanh")
    assert_equal(net, module, X)
    # In the order of a file that sorts: layers.1, layers.10, layers.11, layers.2.
    by_name = dict(sorted(module.state_dict().items()))
    np.testing.assert_array_equal(bp.from_torch(by_name, hidden="tanh").theta, net.theta)
    net.theta[:] *= 1.5
    module.load_state_dict(to_state_dict(net))
    assert_equal(net, module, X)
    state = to_state_dict(net, "encoder.{}.linear")
    assert list(state)[:2] == ["encoder.0.linear.weight", "encoder.0.linear.bias"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_module_whose_layers_are_linear_loads_a_saved_network(tmp_path, dtype):
    safetensors = pytest.importorskip("safetensors.torch")
    net, X, _ = make_case("tanh", "linear", 3, dtype=dtype)
    net.save(tmp_path / "net.safetensors")
    module = Mlp(*net.layer_sizes).to(getattr(torch, dtype))
    module.load_state_dict(safetensors.load_file(tmp_path / "net.safetensors"))
    assert_equal(net, module, X)
    safetensors.save_file(module.state_dict(), tmp_path / "theirs.safetensors")
    theirs = safetensors.load_file(tmp_path / "theirs.safetensors")
    np.testing.assert_array_equal(bp.from_torch(theirs, hidden="tanh").theta, net.theta)


def test_the_module_of_a_poisson_network_can_be_saved(tmp_path):
    net, X, _ = make_case("relu", "exp", 1)
    torch.save(net.to_torch(), tmp_path / "net.pt")
    assert_equal(net, torch.load(tmp_path / "net.pt", weights_only=False), X)
