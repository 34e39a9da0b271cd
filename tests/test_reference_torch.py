"""The reference against PyTorch, where PyTorch has the same thing; skipped where it is missing."""

import random

import pytest

from backprop import reference
from backprop.reference import ACTIVATIONS, LOSSES, OPTIMIZERS

torch = pytest.importorskip("torch")
F = torch.nn.functional

# Both sides of every kink, the kinks, and where a saturating form loses digits.
POINTS = [-30.0, -5.0, -1.0, -0.999, -0.3, 0.0, 0.3, 0.999, 1.0, 5.0, 30.0]

TORCH_ACTIVATIONS = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda a: F.gelu(a, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "hard_tanh": F.hardtanh,
}


def tensor(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def test_every_activation_is_compared():
    assert set(TORCH_ACTIVATIONS) == set(ACTIVATIONS) - {"linear"}


@pytest.mark.parametrize("name", TORCH_ACTIVATIONS)
def test_activations_and_derivatives_equal_pytorchs(name):
    a = tensor(POINTS, requires_grad=True)
    h = TORCH_ACTIVATIONS[name](a)
    h.sum().backward()
    g = ACTIVATIONS[name]
    # PyTorch's softplus turns linear at 20, 1 - tanh² loses what both lose: hence the absolute part
    assert [g.function(p) for p in POINTS] == pytest.approx(h.tolist(), rel=1e-12, abs=1e-14)
    assert [g.derivative(p, g.function(p)) for p in POINTS] == pytest.approx(
        a.grad.tolist(), rel=1e-12, abs=2e-14
    )


A_L = [[0.3, -1.2, 2.0], [1.5, 0.1, -0.4], [-2.5, 0.7, 0.9], [0.0, 0.0, 3.0]]
LABELS = [0, 2, 1, 2]
UNIT = [[0.0, 1.0, 0.25], [1.0, 0.0, 0.5], [0.1, 0.9, 1.0], [0.0, 0.0, 1.0]]
REAL = [[0.1, -3.0, 2.0], [2.0, 0.2, 1.0], [0.0, 1.0, -1.0], [5.0, 0.0, 3.0]]
COUNTS = [[0.0, 1.0, 5.0], [2.0, 0.0, 1.0], [0.0, 3.0, 2.0], [1.0, 0.0, 12.0]]
CE, BCE = LOSSES["softmax", "cross_entropy"], LOSSES["sigmoid", "binary_cross_entropy"]


def per_example(values):
    """A sum over all numbers as the house takes it: summed over outputs, averaged over examples."""
    return values.sum() / len(A_L)


TORCH_LOSSES = {
    "cross_entropy": ("softmax", CE, LABELS, lambda a: F.cross_entropy(a, torch.tensor(LABELS))),
    "smoothed": (
        "softmax",
        reference.label_smoothing(CE, 0.1),
        LABELS,
        lambda a: F.cross_entropy(a, torch.tensor(LABELS), label_smoothing=0.1),
    ),
    "squared_error": (
        "linear",
        "squared_error",
        REAL,
        lambda a: 0.5 * per_example(F.mse_loss(a, tensor(REAL), reduction="none")),
    ),
    "absolute_error": (
        "linear",
        "absolute_error",
        REAL,
        lambda a: per_example(F.l1_loss(a, tensor(REAL), reduction="none")),
    ),
    "huber": (
        "linear",
        reference.huber(0.7),
        REAL,
        lambda a: per_example(F.huber_loss(a, tensor(REAL), reduction="none", delta=0.7)),
    ),
    "binary_cross_entropy": (
        "sigmoid",
        BCE,
        UNIT,
        lambda a: per_example(
            F.binary_cross_entropy_with_logits(a, tensor(UNIT), reduction="none")
        ),
    ),
    "poisson": (
        "exp",
        "poisson",
        COUNTS,
        lambda a: per_example(F.poisson_nll_loss(a, tensor(COUNTS), reduction="none")),
    ),
}


@pytest.mark.parametrize("name", TORCH_LOSSES)
def test_losses_and_their_gradients_equal_pytorchs(name):
    output, loss, y, torch_loss = TORCH_LOSSES[name]
    a = tensor(A_L, requires_grad=True)
    value = torch_loss(a)
    value.backward()
    identity = [[1.0 if i == j else 0.0 for j in range(3)] for i in range(3)]
    g = reference.gradients(A_L, y, [identity], [[0.0] * 3], [], output, loss)
    assert g.loss == pytest.approx(value.item(), rel=1e-14)
    for mine, theirs in zip(g.grad_A[0], a.grad.tolist(), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-13, abs=1e-16)


def test_a_weighted_mean_equals_pytorchs_class_weights():
    class_weight = [0.5, 2.0, 3.0]
    identity = [[1.0 if i == j else 0.0 for j in range(3)] for i in range(3)]
    expected = F.cross_entropy(tensor(A_L), torch.tensor(LABELS), weight=tensor(class_weight))
    loss = reference.loss(
        A_L,
        LABELS,
        [identity],
        [[0.0] * 3],
        [],
        sample_weight=[class_weight[label] for label in LABELS],
    )
    assert loss == pytest.approx(expected.item(), rel=1e-14)


TORCH_OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05}, {}),
    "momentum": (torch.optim.SGD, {"lr": 0.02, "momentum": 0.9}, {}),
    "nesterov": (torch.optim.SGD, {"lr": 0.02, "momentum": 0.9}, {"nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.1}, {}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01}, {}),
    "adam": (torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.95)}, {}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01}, {}),
}


def test_every_optimizer_of_pytorch_is_compared():
    assert set(TORCH_OPTIMIZERS) == set(OPTIMIZERS) - {"lion"}


@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
def test_a_hundred_steps_equal_pytorchs(name):
    kind, settings, only_theirs = TORCH_OPTIMIZERS[name]
    rng = random.Random(0)
    theta = [rng.gauss(0, 1) for _ in range(7)]
    parameter = torch.nn.Parameter(tensor(theta))
    optimizer = kind([parameter], **settings, **only_theirs)
    state = reference.initial_state(7)
    for _ in range(100):
        grad = [p + rng.gauss(0, 1) for p in theta]
        parameter.grad = tensor(grad)
        optimizer.step()
        theta, state = OPTIMIZERS[name](theta, grad, state, **settings)
    assert theta == pytest.approx(parameter.tolist(), rel=1e-12, abs=1e-14)
