"""`Network.fit` against the reference: every optimizer with every way to alter a step."""

import numpy as np
import pytest
from cases import as_lists, names_of

import backprop as bp
from backprop import optimizers, reference
from backprop.gradcheck import reference_loss
from backprop.optimizers import SGD, AdaGrad, Adam, AdamW, Lion, RMSprop

SIZES, M = [5, 8, 6, 3], 37
# Ours, and the reference's name and options.
OPTIMIZERS = {
    "sgd": (SGD(), {"optimizer": "sgd"}),
    "momentum": (SGD(0.8), {"optimizer": "momentum", "momentum": 0.8}),
    "nesterov": (SGD(0.8, nesterov=True), {"optimizer": "nesterov", "momentum": 0.8}),
    "adagrad": (AdaGrad(1e-3), {"optimizer": "adagrad", "eps": 1e-3}),
    "rmsprop": (RMSprop(0.9, 1e-4), {"optimizer": "rmsprop", "alpha": 0.9, "eps": 1e-4}),
    "adam": (Adam(0.8, 0.95, 1e-4), {"optimizer": "adam", "betas": (0.8, 0.95), "eps": 1e-4}),
    "adamw": (AdamW(weight_decay=0.1), {"optimizer": "adamw", "weight_decay": 0.1}),
    "lion": (
        Lion(0.8, 0.95, 0.05),
        {"optimizer": "lion", "betas": (0.8, 0.95), "weight_decay": 0.05},
    ),
}
PENALTIES = {"l1": [0.01, 0.0, 0.02], "l2": 0.05}
DROPOUT = {"dropout": [0.4, 0.25]}
CLIPPING = {"clip_norm": 0.3, "clip_value": 0.1}


def problem(output="softmax", loss=None):
    rng = np.random.default_rng(5)
    net = bp.Network(SIZES, hidden=["tanh", "silu"], output=output, loss=loss, dtype="float64")
    net.theta[:] += 0.1 * rng.standard_normal(net.theta.size)
    X = rng.standard_normal((M, SIZES[0]))
    y = rng.integers(0, 3, M) if output == "softmax" else rng.standard_normal((M, 3))
    return net, X, y, rng.uniform(0.1, 3, M)


def assert_fit_equals_the_reference(net, X, y, optimizer="sgd", weight=None, **settings):
    ours, theirs = OPTIMIZERS[optimizer]
    W, b = as_lists(net)
    hidden, output, _ = names_of(net)
    shared = {"epochs": 4, "batch_size": 8, "lr": 0.02, "seed": 6, **settings}
    losses = reference.fit(
        X.tolist(), y.tolist(), W, b, hidden, output, reference_loss(net),
        sample_weight=None if weight is None else weight.tolist(), **shared, **theirs,
    )  # fmt: skip
    history = net.fit(X, y, optimizer=ours, sample_weight=weight, **shared)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)
    np.testing.assert_allclose(net.theta, reference.flatten(W, b), rtol=0, atol=1e-10)


def test_every_optimizer_of_the_core_is_compared():
    assert set(OPTIMIZERS) == set(optimizers.OPTIMIZERS) - {"lbfgs"}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("clipping", [{}, CLIPPING], ids=["", "clipping"])
@pytest.mark.parametrize("dropout", [{}, DROPOUT], ids=["", "dropout"])
@pytest.mark.parametrize("penalties", [{}, PENALTIES], ids=["", "penalties"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fit_equals_the_reference(optimizer, penalties, dropout, clipping, weighted):
    net, X, y, weight = problem()
    settings = {**penalties, **dropout, **clipping}
    assert_fit_equals_the_reference(
        net, X, y, optimizer, weight if weighted else None, epochs=2, **settings
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fit_with_bounded_rows_equals_the_reference(optimizer):
    net, X, y, weight = problem()
    assert_fit_equals_the_reference(
        net, X, y, optimizer, weight, max_norm=0.8, **PENALTIES, **DROPOUT, **CLIPPING
    )
    assert max(np.linalg.norm(W_k, axis=1).max() for W_k in net.W) <= 0.8 * (1 + 1e-14)


@pytest.mark.parametrize("clipping", [{"clip_norm": 0.3}, {"clip_value": 0.1}])
def test_fit_with_one_kind_of_clipping_equals_the_reference(clipping):
    net, X, y, _ = problem()
    assert_fit_equals_the_reference(net, X, y, "adam", **clipping)


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("softmax", ("cross_entropy", 0.2)),
        ("linear", ("huber", 0.5)),
        ("linear", "huber"),
        ("linear", "absolute_error"),
    ],
)
def test_fit_with_a_tuned_loss_equals_the_reference(output, loss):
    net, X, y, weight = problem(output, loss)
    assert_fit_equals_the_reference(net, X, y, "momentum", weight, **PENALTIES)


def test_a_batch_without_weight_takes_no_step():
    net, X, y, weight = problem()
    weight[8:16] = 0
    settings = {"shuffle": False, **DROPOUT}
    assert_fit_equals_the_reference(net, X, y, "adam", weight, **settings)
