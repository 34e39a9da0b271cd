"""`Network.fit` against PyTorch, a hundred steps of each; skipped where PyTorch is missing."""

from itertools import pairwise

import numpy as np
import pytest

import backprop as bp
from backprop.optimizers import SGD, AdaGrad, Adam, AdamW, RMSprop

torch = pytest.importorskip("torch")

SIZES, M, LR = [6, 9, 4], 50, 0.02
KINDS = {
    "sgd": (SGD(), torch.optim.SGD, {}),
    "momentum": (SGD(0.9), torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (SGD(0.9, nesterov=True), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (AdaGrad(), torch.optim.Adagrad, {}),
    "rmsprop": (RMSprop(), torch.optim.RMSprop, {}),
    "adam": (Adam(), torch.optim.Adam, {}),
    "adamw": (AdamW(weight_decay=0.1), torch.optim.AdamW, {"weight_decay": 0.1}),
}


def problem():
    rng = np.random.default_rng(0)
    net = bp.Network(SIZES, hidden="tanh", dtype="float64", seed=1)
    layers = [torch.nn.Linear(*pair, dtype=torch.float64) for pair in pairwise(SIZES)]
    with torch.no_grad():
        for layer, W_k, b_k in zip(layers, net.W, net.b, strict=True):
            layer.weight.copy_(torch.from_numpy(W_k.copy()))
            layer.bias.copy_(torch.from_numpy(b_k.copy()))
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1])
    X, y = rng.standard_normal((M, SIZES[0])), rng.integers(0, SIZES[-1], M)
    return net, model, X, y, rng.uniform(0.1, 2, SIZES[-1])


def assert_same_weights(net, model):
    theirs = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    np.testing.assert_allclose(net.theta, theirs, rtol=0, atol=1e-10)


def torch_steps(model, X, y, optimizer, *, criterion, alter=None, penalty=None, scheduler=None):
    """Ten batches of five, ten times."""
    for _ in range(10):
        for begin in range(0, M, 5):
            rows = slice(begin, begin + 5)
            optimizer.zero_grad()
            loss = criterion(model(torch.from_numpy(X[rows])), torch.from_numpy(y[rows]))
            if penalty is not None:
                loss = loss + penalty()
            loss.backward()
            if alter is not None:
                alter(model.parameters())
            optimizer.step()
            if scheduler is not None:
                scheduler.step()


def groups(model):
    """Parameters as `AdamW` here takes them: biases do not decay."""
    named = list(model.named_parameters())
    return [
        {"params": [p for name, p in named if name.endswith("weight")]},
        {"params": [p for name, p in named if name.endswith("bias")], "weight_decay": 0.0},
    ]


@pytest.mark.parametrize("name", KINDS)
def test_a_hundred_steps_equal_pytorchs(name):
    net, model, X, y, _ = problem()
    ours, kind, settings = KINDS[name]
    optimizer = kind(groups(model), lr=LR, **settings)
    torch_steps(model, X, y, optimizer, criterion=torch.nn.CrossEntropyLoss())
    net.fit(X, y, epochs=10, batch_size=5, optimizer=ours, lr=LR, shuffle=False)
    assert_same_weights(net, model)


@pytest.mark.parametrize("which", ["value", "norm"])
def test_a_hundred_clipped_steps_equal_pytorchs(which):
    net, model, X, y, _ = problem()
    bound = {"value": 0.05, "norm": 0.1}[which]
    clip = {
        "value": lambda parameters: torch.nn.utils.clip_grad_value_(parameters, bound),
        # Ours is without the 1e-6 that PyTorch adds to the norm.
        "norm": lambda parameters: torch.nn.utils.clip_grad_norm_(parameters, bound),
    }[which]
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    torch_steps(model, X, y, optimizer, criterion=torch.nn.CrossEntropyLoss(), alter=clip)
    net.fit(
        X, y, epochs=10, batch_size=5, optimizer="momentum", lr=LR, shuffle=False,
        **{f"clip_{which}": bound},
    )  # fmt: skip
    theirs = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    np.testing.assert_allclose(net.theta, theirs, rtol=0, atol=1e-10 if which == "value" else 1e-5)


def test_a_hundred_steps_with_penalties_class_weights_and_a_schedule_equal_pytorchs():
    net, model, X, y, class_weight = problem()
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]

    def penalty():
        return sum(0.01 * p.abs().sum() + 0.5 * 0.02 * (p * p).sum() for p in weights)

    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LR, total_steps=100, cycle_momentum=False
    )
    criterion = torch.nn.CrossEntropyLoss(weight=torch.from_numpy(class_weight))
    torch_steps(model, X, y, optimizer, criterion=criterion, penalty=penalty, scheduler=scheduler)
    net.fit(
        X, y, epochs=10, batch_size=5, optimizer="adam", lr=LR, schedule="one_cycle", shuffle=False,
        l1=0.01, l2=0.02, class_weight=dict(enumerate(class_weight)),
    )  # fmt: skip
    assert_same_weights(net, model)


def test_a_hundred_steps_on_smoothed_labels_equal_pytorchs():
    _, model, X, y, _ = problem()
    net = bp.Network(SIZES, hidden="tanh", loss=("cross_entropy", 0.1), dtype="float64", seed=1)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    torch_steps(model, X, y, torch.optim.SGD(model.parameters(), lr=LR), criterion=criterion)
    net.fit(X, y, epochs=10, batch_size=5, lr=LR, shuffle=False)
    assert_same_weights(net, model)
