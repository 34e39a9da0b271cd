"""The step in three calls: backward, what stands in between, update; each proven on its own."""

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
from backprop import _backprop, reference
from backprop.optimizers import OPTIMIZERS

# As for the gradients of the loss: float64 to a few roundings, float32 to a few tens of them.
TOLERANCE = {"float32": 3e-6, "float64": 1e-12}
ON_GRADIENTS = [name for name in OPTIMIZERS if name != "lbfgs"]
AROUND = {
    "nothing": {},
    "l2": {"l2": 0.01},
    "l1": {"l1": [0.01, 0.0]},
    "elastic": {"l1": 0.002, "l2": 0.01},
    "clip_value": {"clip_value": 0.05},
    "clip_norm": {"clip_norm": 0.1},
    "all": {"l1": 0.002, "l2": 0.01, "clip_value": 0.05, "clip_norm": 0.1, "max_norm": 0.9},
}
ADDRESSES = {"float32": _backprop.Trainer32, "float64": _backprop.Trainer64}


def random_like(shape, dtype, seed=7):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def classes(seed=0, m=70, n=9, dtype="float64"):
    """A network of three classes and examples for it."""
    rng = np.random.default_rng(seed)
    net = bp.Network([n, 12, 3], hidden="tanh", dtype=dtype, seed=seed)
    return net, rng.standard_normal((m, n)).astype(dtype), rng.integers(0, 3, m)


# --- backward ---------------------------------------------------------------------------------


@combinations
@pytest.mark.parametrize("dtype", DTYPES)
def test_backward_from_any_derivatives_of_the_output_equals_the_reference(
    hidden, output, loss, n_hidden, dtype
):
    net, X, _ = make_case(hidden, output, n_hidden, dtype=dtype, loss=loss)
    grad_Y_hat = random_like((len(X), 3), dtype)
    g = net.backward(X, grad_Y_hat, inputs=True)
    W, b = as_lists(net)
    names = names_of(net)[:2]
    A, H = reference.forward(X.tolist(), W, b, *names)
    stated = reference.backward_from_output(A, H, grad_Y_hat.tolist(), W, *names)
    flat = np.array(reference.flatten(stated.grad_W, stated.grad_b))
    assert g.theta.dtype == g.X.dtype == dtype
    assert relative_norm(g.theta, flat) <= TOLERANCE[dtype]
    assert relative_norm(g.X, reference.grad_X(W[0], stated.grad_A[0])) <= TOLERANCE[dtype]
    assert np.isnan(g.loss)


@combinations
def test_backward_from_the_losses_own_derivatives_is_gradients(hidden, output, loss, n_hidden):
    net, X, y = away_from_kinks(
        lambda seed: make_case(hidden, output, n_hidden, seed=seed, loss=loss)
    )
    g, t = net.gradients(X, y, inputs=True), net.trace(X, y)
    for found in (
        net.backward(X, grad_A=t[-1].grad_A, inputs=True),
        net.backward(X, t[-1].grad_H, inputs=True),
    ):
        assert relative_norm(found.theta, g.theta) <= 1e-12
        assert relative_norm(found.X, g.X) <= 1e-12


@pytest.mark.parametrize("m", [1, 7, 33, 600])
@pytest.mark.parametrize("dtype", DTYPES)
def test_backward_takes_as_many_examples_as_there_are_on_any_threads(m, dtype):
    net = bp.Network([5, 40, 30, 4], hidden="gelu", dtype=dtype, seed=1)
    X, grad = random_like((m, 5), dtype, 1), random_like((m, 4), dtype, 2)
    found = []
    for threads in (1, 2, 3):
        with bp.threads(threads):
            g = net.backward(X, grad, inputs=True)
        found.append((g.theta.tobytes(), g.X.tobytes()))
    assert len(set(found)) == 1
    # It is a sum over the examples.
    parts = [net.backward(X[[j]], grad[[j]]).theta.astype(float) for j in range(m)]
    assert relative_norm(g.theta, np.sum(parts, axis=0)) <= 10 * TOLERANCE[dtype]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "either `grad_Y_hat` or `grad_A` must be given, got neither"),
        (
            {"grad_Y_hat": np.ones((6, 3)), "grad_A": np.ones((6, 3))},
            ValueError,
            "must be given, got both",
        ),
        ({"grad_Y_hat": np.ones((6, 2))}, ValueError, r"`grad_Y_hat` must have shape \(6, 3\)"),
        ({"grad_A": np.ones((5, 3))}, ValueError, r"`grad_A` must have shape \(6, 3\)"),
        (
            {"grad_A": np.ones(6)},
            ValueError,
            r"`grad_A` must have shape \(6, 3\).*got shape \(6,\)",
        ),
        ({"grad_Y_hat": [["a"] * 3] * 6}, TypeError, "`grad_Y_hat` must be made of real numbers"),
        ({"grad_A": np.full((6, 3), np.nan)}, ValueError, "`grad_A` must be finite"),
    ],
)
def test_backward_refuses_by_name(arguments, error, message):
    net, X, _ = make_case("relu", "softmax", 1)
    with pytest.raises(error, match=message):
        net.backward(X, **arguments)


# --- gradients with respect to the inputs -----------------------------------------------------


@combinations
@pytest.mark.parametrize("dtype", DTYPES)
def test_input_gradients_equal_the_reference(hidden, output, loss, n_hidden, dtype):
    net, X, y = make_case(hidden, output, n_hidden, dtype=dtype, loss=loss)
    weight = random_like(len(X), dtype) ** 2
    g = net.gradients(X, y, sample_weight=weight, inputs=True)
    W, b = as_lists(net)
    stated = reference.gradients(
        X.tolist(), y.tolist(), W, b, *names_of(net), sample_weight=weight.tolist()
    )
    assert relative_norm(g.X, reference.grad_X(W[0], stated.grad_A[0])) <= TOLERANCE[dtype]
    # The rest is what it is without.
    plain = net.gradients(X, y, sample_weight=weight)
    assert plain.X is None
    assert g.loss == plain.loss
    np.testing.assert_array_equal(g.theta, plain.theta)


@combinations
def test_input_gradients_equal_central_differences(hidden, output, loss, n_hidden):
    net, X, y = away_from_kinks(
        lambda seed: make_case(hidden, output, n_hidden, seed=seed, loss=loss)
    )
    g, step = net.gradients(X, y, inputs=True).X, 1e-5
    measured = np.empty_like(X)
    for at in np.ndindex(X.shape):
        above, below = X.copy(), X.copy()
        above[at] += step
        below[at] -= step
        measured[at] = (net.loss(above, y) - net.loss(below, y)) / (2 * step)
    assert relative_norm(g, measured) <= 1e-7


@combinations
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_jacobian_equals_the_reference(hidden, output, loss, n_hidden, dtype):
    net, X, _ = make_case(hidden, output, n_hidden, dtype=dtype, loss=loss)
    J = net.jacobian(X)
    assert J.shape == (len(X), 3, X.shape[1])
    stated = reference.jacobian(X.tolist(), *as_lists(net), *names_of(net)[:2])
    assert relative_norm(J, stated) <= TOLERANCE[dtype]


@pytest.mark.parametrize("layout", ["C", "F", "sliced"])
def test_the_jacobian_of_many_examples_is_that_of_each(layout):
    net = bp.Network([7, 20, 5], hidden="silu", dtype="float64", seed=3)
    X = random_like((1200, 14), "float64")
    X = {
        "C": np.ascontiguousarray(X[:, ::2]),
        "F": np.asfortranarray(X[:, ::2]),
        "sliced": X[:, ::2],
    }[layout]
    J = net.jacobian(X)
    for j in (0, 511, 512, 1199):
        assert relative_norm(J[j], net.jacobian(X[[j]])[0]) <= 1e-13
    # A vector times the Jacobian is what backward computes in one pass.
    grad = random_like((1200, 5), "float64")
    assert (
        relative_norm(net.backward(X, grad, inputs=True).X, np.einsum("ji,jif->jf", grad, J))
        <= 1e-13
    )


# --- PyTorch ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "hidden"), [("softmax", "tanh"), ("linear", "gelu"), ("sigmoid", "silu")]
)
def test_backward_input_gradients_and_jacobian_equal_pytorchs(output, hidden):
    torch = pytest.importorskip("torch")
    net = bp.Network([4, 6, 5, 3], hidden=hidden, output=output, dtype="float64", seed=2)
    model = net.to_torch()
    X, grad = random_like((8, 4), "float64"), random_like((8, 3), "float64")
    inputs = torch.from_numpy(X).requires_grad_()
    (model(inputs) * torch.from_numpy(grad)).sum().backward()
    g = net.backward(X, grad, inputs=True)
    theirs = np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])
    assert relative_norm(g.theta, theirs) <= 1e-12
    assert relative_norm(g.X, inputs.grad.numpy()) <= 1e-12
    J = torch.autograd.functional.jacobian(model, torch.from_numpy(X)).detach().numpy()
    assert relative_norm(net.jacobian(X), J[np.arange(8), :, np.arange(8)]) <= 1e-12


# --- an optimizer on its own ------------------------------------------------------------------


def step_by_step(net, X, y, updater, lr, epochs=3, batch_size=16):
    for _ in range(epochs):
        for begin in range(0, len(X), batch_size):
            batch = slice(begin, begin + batch_size)
            updater.step(net.gradients(X[batch], y[batch]), lr=lr)


@pytest.mark.parametrize("name", ON_GRADIENTS)
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_of_an_updater_are_bitwise_those_of_fit(name, around, dtype):
    net, X, y = classes(dtype=dtype)
    other = net.copy()
    net.fit(X, y, epochs=3, batch_size=16, optimizer=name, lr=0.02, shuffle=False, **AROUND[around])
    updater = OPTIMIZERS[name].on(other, **AROUND[around])
    step_by_step(other, X, y, updater, 0.02)
    np.testing.assert_array_equal(other.theta, net.theta)
    assert updater.steps == 15


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ON_GRADIENTS)
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fused_and_the_open_step_are_bitwise_equal(name, around, dtype, threads):
    net, X, y = classes(dtype=dtype, n=37)
    twin = net.copy()
    seen = []

    def decide(gradient, found):
        seen.append((gradient.weight, found))
        return found

    settings = dict(AROUND[around])
    for penalty in ("l1", "l2"):
        if penalty in settings:
            settings[penalty] = np.broadcast_to(settings[penalty], 2).tolist()
    with bp.threads(threads):
        for network, between in ((net, None), (twin, decide)):
            options = bp.training.optimizers.core(OPTIMIZERS[name])
            trainer = ADDRESSES[dtype](
                network.engine, 16, *options, dropout=[0.2], seed=3, **settings
            )
            trainer.set_between(between)
            for _ in range(3):
                trainer.epoch(X, y, None, 0.02)
    np.testing.assert_array_equal(twin.theta, net.theta)
    assert (
        seen == [(16, "update"), (16, "update"), (16, "update"), (16, "update"), (6, "update")] * 3
    )


def test_gradients_of_parts_add_up_to_the_step_of_the_whole():
    net, X, y = classes()
    other = net.copy()
    updater, accumulated = bp.optimizers.SGD().on(net), bp.optimizers.SGD().on(other)
    updater.step(net.gradients(X, y), lr=0.3)
    parts = [slice(0, 20), slice(20, 70)]
    total = sum(len(X[part]) * other.gradients(X[part], y[part]).theta for part in parts)
    accumulated.step(total / len(X), lr=0.3)
    np.testing.assert_allclose(other.theta, net.theta, rtol=1e-12)


def test_an_updaters_state_can_be_seen_kept_and_put_back():
    net, X, y = classes()
    updater = bp.optimizers.Adam().on(net)
    assert sorted(updater.state) == ["mean", "square"]
    assert not updater.state["mean"].any()
    updater.step(net.gradients(X, y))
    theta, kept = net.theta.copy(), updater.snapshot()
    updater.step(net.gradients(X, y))
    after = net.theta.copy()
    other = net.copy()
    other.theta[:] = theta
    again = bp.optimizers.Adam().on(other)
    again.restore(kept)
    again.step(other.gradients(X, y))
    np.testing.assert_array_equal(other.theta, after)


def test_fit_goes_on_with_an_updater_where_it_stood():
    net, X, y = classes()
    other = net.copy()
    net.fit(X, y, epochs=4, batch_size=16, optimizer="adam", lr=0.01, shuffle=False)
    updater = bp.optimizers.Adam().on(other)
    for _ in range(2):
        other.fit(X, y, epochs=1, batch_size=16, optimizer=updater, lr=0.01, shuffle=False)
    step_by_step(other, X, y, updater, 0.01, epochs=2)
    np.testing.assert_array_equal(other.theta, net.theta)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"gradients": np.ones(3)}, ValueError, r"`gradient` must have shape \(\d+,\)"),
        ({"gradients": "all"}, TypeError, "`gradients` must be made of real numbers"),
        ({"lr": -1}, ValueError, "`lr` must be finite and 0 or more, got -1"),
        ({"lr": "fast"}, TypeError, "`lr` must be a number"),
        ({"gradients": np.nan}, ValueError, "`gradients` must be finite"),
    ],
)
def test_an_updater_refuses_by_name_and_changes_nothing(arguments, error, message):
    net, X, y = classes()
    updater = bp.optimizers.Adam().on(net)
    given = {"gradients": net.gradients(X, y), "lr": 0.1, **arguments}
    if isinstance(given["gradients"], float):
        given["gradients"] = np.full(net.theta.size, np.nan)
    theta = net.theta.copy()
    with pytest.raises(error, match=message):
        updater.step(given["gradients"], lr=given["lr"])
    np.testing.assert_array_equal(net.theta, theta)
    assert updater.steps == 0


def test_fit_refuses_an_updater_that_is_not_this_networks_or_has_settings_of_its_own():
    net, X, y = classes()
    with pytest.raises(ValueError, match="`optimizer` must be an updater on this network"):
        net.fit(X, y, optimizer=bp.optimizers.Adam().on(net.copy()))
    with pytest.raises(
        ValueError, match="`clip_norm` must be left out where `optimizer` is an upd"
    ):
        net.fit(X, y, optimizer=bp.optimizers.Adam().on(net), clip_norm=1.0)
    with pytest.raises(TypeError, match="`network` must be a Network, got str"):
        bp.optimizers.Adam().on("net")
    with pytest.raises(ValueError, match="`l1` must be a number, or one for each layer"):
        bp.optimizers.Adam().on(net, l1=[0.1])


def test_a_gradient_penalty_and_a_policy_gradient_take_ten_lines():
    # As a reader would write them: only public calls.
    net, X, _ = classes()
    rng = np.random.default_rng(0)
    updater = bp.optimizers.Adam().on(net)
    before = net.forward(X)[:, 2].mean()
    for _ in range(30):
        probabilities = net.forward(X)
        actions = np.array([rng.choice(3, p=p) for p in probabilities])
        reward = (actions == 2) - 0.3
        E = np.eye(3)[actions]
        updater.step(
            net.backward(X, grad_A=(probabilities - E) * reward[:, None] / len(X)), lr=0.02
        )
    assert net.forward(X)[:, 2].mean() > before + 0.1


# --- a loss of one's own ----------------------------------------------------------------------


class Imitation:
    """The squared error, as a user would write it."""

    def __init__(self):
        self.calls = 0

    def value_and_gradient(self, A_L, y):
        self.calls += 1
        difference = A_L - y
        return 0.5 * (difference * difference).sum(axis=1), difference


class CrossEntropy:
    """The loss of labels that may be any objects: here texts."""

    def __init__(self, names):
        self.names = names

    def value_and_gradient(self, A_L, y):
        E = (y[:, None] == np.array(self.names)).astype(A_L.dtype)
        shifted = A_L - A_L.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return ((log_sum - shifted) * E).sum(axis=1), np.exp(shifted - log_sum) - E


class Pinball:
    """The quantile loss."""

    def __init__(self, q):
        self.q = q

    def value_and_gradient(self, A_L, y):
        slope = np.where(y < A_L, 1 - self.q, -self.q)
        return (slope * (A_L - y)).sum(axis=1), slope


def quantities(dtype="float64", m=90, p=2):
    rng = np.random.default_rng(1)
    net = bp.Network([5, 14, p], hidden="tanh", output="linear", dtype=dtype, seed=2)
    X = rng.standard_normal((m, 5)).astype(dtype)
    return net, X, rng.standard_normal((m, p)).astype(dtype)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_custom_loss_trains_as_the_built_in_one_it_imitates(dtype, optimizer, threads, weighted):
    net, X, Y = quantities(dtype)
    other, loss = net.copy(), Imitation()
    more = {"sample_weight": random_like(len(X), dtype) ** 2} if weighted else {}
    with bp.threads(threads):
        built_in = net.fit(X, Y, epochs=5, batch_size=16, optimizer=optimizer, l2=0.01, **more)
        history = other.fit(
            X, Y, epochs=5, batch_size=16, optimizer=optimizer, l2=0.01, loss=loss, **more
        )
    np.testing.assert_allclose(other.theta, net.theta, rtol=0, atol=20 * TOLERANCE[dtype])
    np.testing.assert_allclose(history["loss"], built_in["loss"], rtol=20 * TOLERANCE[dtype])
    assert loss.calls == 5 * 6


def test_a_custom_loss_takes_targets_of_any_kind_and_validates():
    net, X, y = classes()
    other = net.copy()
    names = np.array(["ape", "bee", "cat"])
    built_in = net.fit(X, y, epochs=4, batch_size=16, validation=(X[:20], y[:20]), metrics=[])
    history = other.fit(
        X, names[y].astype(object), epochs=4, batch_size=16, loss=CrossEntropy(names),
        validation=(X[:20], names[y[:20]]),
    )  # fmt: skip
    np.testing.assert_allclose(other.theta, net.theta, rtol=0, atol=1e-12)
    assert list(history) == ["loss", "val_loss"]
    np.testing.assert_allclose(history["val_loss"], built_in["val_loss"], rtol=1e-12)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_the_pinball_loss_finds_the_quantile(q):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (3000, 1))
    y = X[:, 0] + rng.standard_normal(3000) * (0.2 + 0.1 * X[:, 0])
    net = bp.Network([1, 16, 1], hidden="tanh", output="linear", dtype="float64", seed=0)
    net.fit(
        X, y, epochs=60, batch_size=100, optimizer="adam", lr=0.01, schedule="cosine",
        loss=Pinball(q),
    )  # fmt: skip
    assert abs((y < net.forward(X)[:, 0]).mean() - q) < 0.03


def test_a_custom_loss_works_with_iterables_hooks_early_stopping_and_divergence():
    net, X, Y = quantities()
    other = net.copy()
    batches = [(X[i : i + 30], Y[i : i + 30]) for i in range(0, 90, 30)]
    by_array = net.fit(X, Y, epochs=3, batch_size=30, shuffle=False, loss=Imitation())
    seen = []

    class Watching(bp.Callback):
        def on_batch_end(self, run):
            seen.append(run.batch_loss)

    by_batch = other.fit(batches, epochs=3, loss=Imitation(), callbacks=[Watching()])
    np.testing.assert_allclose(by_batch["loss"], by_array["loss"], rtol=1e-12)
    np.testing.assert_array_equal(other.theta, net.theta)
    assert len(seen) == 9

    class Exploding(Imitation):
        def value_and_gradient(self, A_L, y):
            losses, grad = super().value_and_gradient(A_L, y)
            return losses * np.inf, grad

    with pytest.raises(bp.DivergenceError, match="the loss became"):
        net.fit(X, Y, epochs=2, loss=Exploding())


def test_a_custom_loss_sees_read_only_pre_activations_and_the_rows_of_its_batch():
    net, X, Y = quantities()
    seen = []

    class Looking(Imitation):
        """Looks at what it is given."""

        def value_and_gradient(self, A_L, y):
            assert not A_L.flags.writeable
            assert A_L.dtype == net.dtype
            seen.append(y.copy())
            return super().value_and_gradient(A_L, y)

    net.fit(X, Y, epochs=1, batch_size=16, shuffle=False, loss=Looking())
    np.testing.assert_array_equal(np.concatenate(seen), Y)
    # Of one output both are columns, or their difference would be a square.
    net, seen = bp.Network([5, 1], output="linear", dtype="float64"), []
    net.fit(X, Y[:, 0], epochs=1, shuffle=False, loss=Looking(), validation=(X, Y[:, 0]))
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate([Y[:, :1], Y[:, :1]]))


class Wrong:
    def __init__(self, result):
        self.result = result

    def value_and_gradient(self, A_L, y):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result(A_L)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda A: (np.ones(3), A), ValueError, "must return a loss for each of the 16 examples"),
        (lambda A: (A[:, 0], A[:, :1]), ValueError, r"derivatives of shape \(16, 2\), got shape"),
        (KeyError("mine"), KeyError, "mine"),
        (lambda A: A, TypeError, "must return a pair, the loss of each example.*got ndarray"),
    ],
)
def test_a_custom_loss_that_errs_ends_the_training_with_its_error(result, error, message):
    net, X, Y = quantities()
    theta = net.theta.copy()
    with pytest.raises(error, match=message):
        net.fit(X, Y, epochs=1, batch_size=16, loss=Wrong(result))
    np.testing.assert_array_equal(net.theta, theta)
    # The network can still be used.
    net.fit(X, Y, epochs=1)


def test_fit_refuses_a_loss_that_is_none_and_what_does_not_go_with_one():
    net, X, Y = quantities()
    for wrong in ("huber", Imitation, lambda A, y: (A, y)):
        with pytest.raises(
            TypeError, match=r"`loss` must be an object with a method value_and_gradi"
        ):
            net.fit(X, Y, loss=wrong)
    with pytest.raises(
        ValueError, match="`class_weight` must be left out with a `loss` of your own"
    ):
        net.fit(X, Y, loss=Imitation(), class_weight="balanced")
    with pytest.raises(ValueError, match="`loss` must be left out for L-BFGS"):
        net.fit(X, Y, loss=Imitation(), optimizer="lbfgs")
    with pytest.raises(ValueError, match="`y` must have one entry for each of the 90 examples"):
        net.fit(X, Y[:50], loss=Imitation())


# --- a stage in between, from Python ----------------------------------------------------------


def test_two_trainers_that_share_their_means_take_the_step_of_the_whole():
    """As two processes would: each has a shard, and both use the mean over both."""
    net, X, y = classes(m=64)
    whole = net.copy()
    whole.fit(X, y, epochs=1, batch_size=64, lr=0.5, shuffle=False)
    shards = [slice(0, 40), slice(40, 64)]
    found = []
    for shard in shards:
        trainer = _backprop.Trainer64(net.engine, 64)

        def remember(gradient, verdict):
            found.append((gradient.weight, gradient.loss, gradient.theta.copy()))
            return "skip"

        trainer.set_between(remember)
        trainer.epoch(X[shard], y[shard], None, 0.5)
    weight = sum(w for w, _, _ in found)
    mean_loss = sum(w * loss for w, loss, _ in found) / weight
    mean = sum(w * g for w, _, g in found) / weight

    def use_mean(gradient, verdict):
        gradient.theta[:], gradient.loss, gradient.weight = mean, mean_loss, weight
        return verdict

    trainer.set_between(use_mean)
    loss, failed = trainer.epoch(X[shards[1]], y[shards[1]], None, 0.5)
    assert failed == -1
    assert loss == pytest.approx(mean_loss, rel=1e-13)
    np.testing.assert_allclose(net.theta, whole.theta, rtol=1e-12)


def test_a_stage_sees_the_layers_from_the_last_to_the_first_and_decides():
    net, X, y = classes(m=32)
    theta = net.theta.copy()
    trainer = _backprop.Trainer64(net.engine, 16)
    seen = []
    trainer.set_between(
        lambda gradient, found: seen.append("whole") or "skip",
        lambda gradient, k: seen.append(k),
    )
    assert trainer.epoch(X, y, None, 0.1) == (0.0, -1)
    assert seen == [2, 1, "whole"] * 2
    np.testing.assert_array_equal(net.theta, theta)
    trainer.set_between(lambda gradient, found: "not_finite")
    assert trainer.epoch(X, y, None, 0.1)[1] == 0
    trainer.set_between(lambda gradient, found: "maybe")
    with pytest.raises(ValueError, match=r"must return 'update', 'skip'.*got 'maybe'"):
        trainer.epoch(X, y, None, 0.1)
    np.testing.assert_array_equal(net.theta, theta)


def test_labels_written_to_after_they_were_checked_are_no_indices():
    net, X, y = classes(m=32)
    data = _backprop.Data64(net.engine, X, y)
    trainer = _backprop.Trainer64(net.engine, 16)
    for wrong in (-1, 3, 2**40, -(2**62)):
        theta = net.theta.copy()
        y[20] = wrong
        loss, failed = trainer.epoch(data, None, 0.1)
        assert failed == 1
        assert np.isnan(loss)
        y[20] = 0
        net.theta[:] = theta
    assert trainer.epoch(data, None, 0.1)[1] == -1


def test_data_are_those_of_their_network_and_need_targets_without_a_loss():
    net, X, y = classes()
    other = bp.Network([4, 3], dtype="float64")
    trainer = _backprop.Trainer64(other.engine, 16)
    with pytest.raises(ValueError, match="`data` must be made for the trainer's network"):
        trainer.epoch(_backprop.Data64(net.engine, X, y), None, 0.1)
    trainer = _backprop.Trainer64(net.engine, 16)
    with pytest.raises(ValueError, match="`y` must be given unless the trainer has a loss"):
        trainer.epoch(_backprop.Data64(net.engine, X, None), None, 0.1)
