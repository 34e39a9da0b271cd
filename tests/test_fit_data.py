"""What fit reads: weights, classes, held-out shares, and batches that come from elsewhere."""

import re

import numpy as np
import pytest
from cases import make_case
from test_bad_input import refuses
from test_fit import digits_like

import backprop as bp
from backprop.callbacks import Callback
from backprop.data import split_indices


class EveryBatch(Callback):
    """Sees every batch, which makes each a call of its own."""

    def __init__(self):
        self.losses = []

    def on_batch_end(self, run):
        self.losses.append(run.batch_loss)


def net_of(sizes=(64, 10), **settings):
    return bp.Network(list(sizes), dtype="float64", **settings)


# Weights


def test_whole_weights_count_as_copies_of_examples():
    X, y = digits_like(40)
    weight = np.arange(40) % 3
    nets = [net_of((64, 12, 10)) for _ in range(2)]
    nets[0].fit(X, y, epochs=3, batch_size=40, sample_weight=weight, shuffle=False)
    rows = np.repeat(np.arange(40), weight)
    nets[1].fit(X[rows], y[rows], epochs=3, batch_size=len(rows), shuffle=False)
    np.testing.assert_allclose(nets[0].theta, nets[1].theta, rtol=0, atol=1e-12)


def test_class_weights_multiply_sample_weights():
    X, y = digits_like()
    weight = np.random.default_rng(0).uniform(0, 2, len(y))
    factors = np.linspace(0.5, 2, 10)
    nets = [net_of() for _ in range(2)]
    nets[0].fit(X, y, epochs=2, sample_weight=weight, class_weight=dict(enumerate(factors)))
    nets[1].fit(X, y, epochs=2, sample_weight=weight * factors[y])
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)


def test_a_class_that_is_not_named_weighs_one():
    X, y = digits_like()
    nets = [net_of() for _ in range(2)]
    nets[0].fit(X, y, epochs=2, class_weight={3: 5})
    nets[1].fit(X, y, epochs=2, sample_weight=np.where(y == 3, 5, 1))
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)


@pytest.mark.parametrize("targets", ["labels", "rows"])
def test_balanced_classes_have_equal_sums(targets):
    X, y = digits_like(200)
    y = np.where(y < 7, 0, y)  # seven tenths of one class
    counts = np.bincount(y, minlength=10)
    weight = len(y) / (np.count_nonzero(counts) * counts[y])
    assert np.ptp(np.bincount(y, weight)[np.unique(y)]) < 1e-12
    nets = [net_of() for _ in range(2)]
    nets[0].fit(X, y if targets == "labels" else np.eye(10)[y], epochs=2, class_weight="balanced")
    nets[1].fit(X, y, epochs=2, sample_weight=weight)
    np.testing.assert_allclose(nets[0].theta, nets[1].theta, rtol=0, atol=1e-13)


def test_one_sigmoid_has_two_classes():
    net, X, y = make_case("tanh", "sigmoid", 1, p=1, m=40)
    twin = net.copy()
    net.fit(X, y, epochs=2, class_weight={1: 3.0})
    twin.fit(X, y, epochs=2, sample_weight=np.where(y[:, 0] == 1, 3.0, 1.0))
    np.testing.assert_array_equal(net.theta, twin.theta)


@pytest.mark.parametrize("method", ["loss", "gradients", "trace", "step"])
def test_every_method_takes_weights(method):
    net, X, y = make_case("tanh", "softmax", 1)
    arguments = (0.1,) if method == "step" else ()
    weight = [0, 1, 2, 0, 3, 1]
    rows = np.repeat(np.arange(6), weight)
    twin = net.copy()
    weighted = getattr(net, method)(X, y, *arguments, sample_weight=weight)
    copied = getattr(twin, method)(X[rows], y[rows], *arguments)
    if method in ("gradients", "trace"):
        weighted, copied = weighted.loss, copied.loss
    assert weighted == pytest.approx(copied, rel=1e-13)
    np.testing.assert_allclose(net.theta, twin.theta, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"sample_weight": np.zeros(6)}, ValueError, "must weigh at least one example to train on"),
        ({"sample_weight": np.ones(5)}, ValueError, "one weight for each of the 6 examples"),
        ({"sample_weight": -np.ones(6)}, ValueError, "`sample_weight` must be finite and not neg"),
        ({"sample_weight": [np.nan] * 6}, ValueError, "`sample_weight` must be finite and not neg"),
        ({"sample_weight": ["a"] * 6}, TypeError, "`sample_weight` must be made of real numbers"),
        ({"class_weight": "equal"}, ValueError, '`class_weight` must be "balanced" or map'),
        ({"class_weight": [1, 2]}, TypeError, '`class_weight` must be "balanced" or map'),
        ({"class_weight": {3: 1}}, ValueError, "must map classes from 0 to 2 to weights, got 3"),
        ({"class_weight": {"a": 1}}, TypeError, "a class being an integer, got 'a'"),
        ({"class_weight": {True: 1}}, TypeError, "a class being an integer, got True"),
        ({"class_weight": {1: -1}}, ValueError, "`class_weight[1]` must be finite and 0 or more"),
        (
            {"class_weight": {0: 0, 1: 0, 2: 0}},
            ValueError,
            "`sample_weight` and `class_weight` must weigh at least one example to train on",
        ),
        (
            {"sample_weight": [1, 0, 0, 0, 0, 0], "validation": 0.5, "seed": 1},
            ValueError,
            "must weigh at least one",
        ),
    ],
)
def test_bad_weights_are_refused(settings, error, message):
    net, X, y = make_case("relu", "softmax", 1)
    refuses(net, error, message, lambda: net.fit(X, y, **settings))


def test_quantities_have_no_class_weights():
    net, X, y = make_case("relu", "linear", 1)
    with pytest.raises(ValueError, match="`class_weight` must be left out where the targets are"):
        net.fit(X, y, class_weight="balanced")


# Held-out shares


def test_a_held_out_share_is_the_split_of_its_seed_and_nothing_is_copied():
    X, y = digits_like(200)
    X.flags.writeable = False
    nets = [net_of() for _ in range(2)]
    held = nets[0].fit(X, y, epochs=3, validation=0.2, seed=4, shuffle=False)
    train, test = split_indices(y, 0.2, stratify=True, seed=4)
    assert len(test) == 40
    pair = nets[1].fit(
        X[train], y[train], epochs=3, validation=(X[test], y[test]), seed=4, shuffle=False
    )
    assert dict(held) == dict(pair)
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)


@pytest.mark.parametrize("form", ["labels", "rows", "sigmoid"])
def test_each_class_is_held_out_in_its_share(form):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [90, 10])
    X = rng.standard_normal((100, 4))
    net = bp.Network([4, 2], dtype="float64")
    if form == "sigmoid":
        net = bp.Network([4, 1], output="sigmoid", dtype="float64")
    seen = []
    targets = np.eye(2)[y] if form == "rows" else y.astype(float) if form == "sigmoid" else y

    def share(Y_hat, y):
        seen.append(y.argmax(axis=1).sum() if form == "rows" else y.sum())
        return 0.0

    net.fit(X, targets, epochs=1, validation=0.2, metrics=share)
    assert seen == [2]


def test_quantities_are_held_out_at_random():
    net, X, y = make_case("tanh", "linear", 1, m=20)
    history = net.fit(X, y, epochs=2, lr=0.01, validation=0.25)
    _, test = split_indices(y, 0.25, stratify=False, seed=0)
    assert history["val_loss"][-1] == pytest.approx(net.loss(X[test], y[test]), rel=1e-13)


def test_weights_go_with_what_is_held_out_but_not_those_of_classes():
    X, y = digits_like(100)
    weight = np.random.default_rng(0).uniform(0.5, 2, 100)
    net = net_of()
    history = net.fit(X, y, epochs=1, validation=0.2, sample_weight=weight, class_weight={1: 50.0})
    _, test = split_indices(y, 0.2, stratify=True, seed=0)
    expected = net.loss(X[test], y[test], sample_weight=weight[test])
    assert history["val_loss"] == [pytest.approx(expected, rel=1e-13)]


@pytest.mark.parametrize("part", ["trained on", "held out"])
def test_both_parts_must_weigh_something(part):
    X, y = digits_like(100)
    train, test = split_indices(y, 0.2, stratify=True, seed=0)
    weight = np.ones(100)
    weight[train if part == "trained on" else test] = 0
    message = {"trained on": "at least one example to train on", "held out": "one held-out example"}
    with pytest.raises(ValueError, match=message[part]):
        net_of().fit(X, y, validation=0.2, sample_weight=weight)


def test_validation_data_may_have_weights():
    X, y = digits_like(100)
    net = net_of()
    weight = np.arange(100) % 4
    history = net.fit(X, y, epochs=1, validation=(X, y, weight))
    assert history["val_loss"] == [net.loss(X, y, sample_weight=weight)]


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, 0.01, np.nan])
def test_bad_shares_are_refused(share):
    net, X, y = make_case("relu", "softmax", 1)
    with pytest.raises(ValueError, match=r"`validation` must (be a share between 0|leave both)"):
        net.fit(X, y, validation=share)


# Batches from elsewhere


def batches_of(X, y, size, weight=None):
    rows = [slice(i, i + size) for i in range(0, len(X), size)]
    if weight is None:
        return [(X[r], y[r]) for r in rows]
    return [(X[r], y[r], weight[r]) for r in rows]


@pytest.mark.parametrize("kind", ["list", "function", "iterable"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_iterable_of_batches_trains_as_the_arrays_do(kind, optimizer):
    X, y = digits_like(100)
    weight = np.random.default_rng(0).integers(1, 4, 100).astype(float)
    batches = batches_of(X, y, 32, weight)

    class Loader:
        def __iter__(self):
            return iter(batches)

    source = {"list": batches, "function": lambda: iter(batches), "iterable": Loader()}[kind]
    nets = [net_of((64, 20, 10)) for _ in range(2)]
    settings = {"epochs": 3, "optimizer": optimizer, "lr": 0.01, "dropout": 0.2, "seed": 5}
    ours = nets[0].fit(source, **settings)
    theirs = nets[1].fit(X, y, batch_size=32, shuffle=False, sample_weight=weight, **settings)
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)
    # One mean of a batch divides and multiplies by its weight once more.
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-14)


def test_batches_may_grow_and_the_optimizer_remembers():
    X, y = digits_like(100)
    sizes = [slice(0, 5), slice(5, 60), slice(60, 100)]
    nets = [net_of() for _ in range(2)]
    nets[0].fit([(X[r], y[r]) for r in sizes], epochs=2, optimizer="adam", batch_size=8)
    nets[1].fit([(X[r], y[r]) for r in sizes], epochs=2, optimizer="adam", batch_size=100)
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)


def test_a_schedule_needs_the_number_of_batches_or_changes_by_the_epoch():
    X, y = digits_like(96)
    batches, rates = batches_of(X, y, 32), []

    class Rates(Callback):
        def on_batch_begin(self, run):
            rates.append(run.lr)

    settings = {"epochs": 2, "schedule": "cosine", "lr": 1.0, "callbacks": [Rates()]}
    net_of().fit(batches, **settings)
    by_step = [0.5 * (1 + np.cos(np.pi * t / 6)) for t in range(6)]
    assert rates == pytest.approx(by_step, rel=1e-14)
    rates.clear()
    net_of().fit(lambda: iter(batches), **settings)
    assert rates == pytest.approx([1.0] * 3 + [0.5] * 3, rel=1e-14)


def test_a_batch_by_batch_epoch_is_the_whole_one():
    X, y = digits_like(100)
    weight = np.random.default_rng(0).integers(0, 3, 100)
    weight[:40] = 0  # a batch without weight among them
    settings = {
        "epochs": 3, "optimizer": "adam", "dropout": 0.3, "schedule": "one_cycle",
        "sample_weight": weight, "batch_size": 16, "validation": 0.2, "shuffle": False,
    }  # fmt: skip
    nets, watch = [net_of((64, 20, 10)) for _ in range(2)], EveryBatch()
    by_batch = nets[0].fit(X, y, callbacks=[watch], **settings)
    whole = nets[1].fit(X, y, **settings)
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)
    assert by_batch["loss"] == pytest.approx(whole["loss"], rel=1e-14)
    assert by_batch["val_loss"] == whole["val_loss"]
    assert 0 < len(watch.losses) < 15


def test_divergence_in_a_batch_from_elsewhere_is_noticed():
    X, y = np.ones((8, 1)), np.zeros((8, 1))
    net = bp.Network([1, 1], output="linear", dtype="float64")
    before = net.theta.copy()
    batches = [(X, y), (X * 1e200, y)]
    with pytest.raises(bp.DivergenceError, match="in epoch 1 of 2, batch 2 of 2; the weights are"):
        net.fit(batches, epochs=2)
    np.testing.assert_array_equal(net.theta, before)
    with pytest.raises(bp.DivergenceError, match="in epoch 1 of 2, batch 2; the weights are"):
        net.fit(lambda: iter(batches), epochs=2)


def generator():
    X, y = digits_like(10)
    yield X, y


@pytest.mark.parametrize(
    ("X", "settings", "error", "message"),
    [
        (np.ones((3, 64)), {}, TypeError, "`y` must be given where `X` is an array, got None"),
        (3, {}, TypeError, "`X` must be an iterable of batches (X, y), or a function that"),
        ([], {}, ValueError, "at least one batch in every epoch, got none in epoch 1"),
        ([3], {}, TypeError, "`X` must yield batches (X, y) or (X, y, sample_weight), got int as"),
        ([(np.ones((2, 3)), [0, 1])], {}, ValueError, "`X` must have 64 columns"),
        ([(np.ones((2, 64)), [0.5, 1])], {}, ValueError, "in batch 1 of `X`: `y` must hold whole"),
        (
            [(np.ones((2, 64)), [0, 1], np.zeros(2))],
            {},
            ValueError,
            "`X` must weigh at least one example in an epoch, got only zeros",
        ),
        ([(np.ones((2, 64)), [0, 1])], {"sample_weight": [1, 1]}, ValueError, "`sample_weight` m"),
        ([(np.ones((2, 64)), [0, 1])], {"class_weight": {0: 1}}, ValueError, "`class_weight` must"),
        ([(np.ones((2, 64)), [0, 1])], {"validation": 0.1}, ValueError, "`validation` must be a p"),
        ([(np.ones((2, 64)), [0, 1])], {"metrics": "f1"}, ValueError, "`metrics` must come with `"),
        (
            [(np.ones((2, 64)), [0, 1])],
            {"optimizer": "lbfgs"},
            ValueError,
            "`y` must be given for L-",
        ),
    ],
)
def test_bad_batches_are_refused(X, settings, error, message):
    with pytest.raises(error, match=re.escape(message)):
        net_of().fit(X, **settings)


def test_a_generator_serves_one_epoch():
    assert net_of().fit(generator(), epochs=1).epochs == 1
    with pytest.raises(ValueError, match=r"got none in epoch 2; a generator can be read once"):
        net_of().fit(generator(), epochs=2)
