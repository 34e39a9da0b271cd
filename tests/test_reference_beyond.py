"""What the reference adds to the note: activations, losses, weights, penalties and optimizers.

That every activation and every loss has the right gradient is proven in test_reference.py, which
runs over the whole tables; here stand their values and what no central difference can see.
"""

import math
import random

import pytest

from backprop import reference
from backprop.reference import ACTIVATIONS, LOSSES, OPTIMIZERS, OUTPUTS


def random_network(layer_sizes, seed):
    rng = random.Random(seed)
    n_parameters = sum(
        layer_sizes[k] * (layer_sizes[k - 1] + 1) for k in range(1, len(layer_sizes))
    )
    return reference.unflatten([rng.gauss(0, 0.5) for _ in range(n_parameters)], layer_sizes)


def numerical_agreement(X, y, W, b, *names, **settings):
    g = reference.gradients(X, y, W, b, *names, **settings)
    numerical = reference.flatten(*reference.numerical_gradients(X, y, W, b, *names, **settings))
    exact = reference.flatten(g.grad_W, g.grad_b)
    return math.dist(exact, numerical) / (math.hypot(*exact) + math.hypot(*numerical))


X = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [-1.0, 1.0, 0.75]]
LABELS = [0, 2, 1]


# --- activations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "a", "h"),
    [
        ("leaky_relu", -2.0, -0.02),
        ("elu", -math.log(2), -0.5),
        # scale · alpha = 1.7580993408473766, the published fixed point's left asymptote
        ("selu", -math.log(2), -1.7580993408473766 / 2),
        ("selu", 1.0, 1.0507009873554805),
        # Φ(1) = 0.8413447460685429
        ("gelu", 1.0, 0.8413447460685429),
        ("gelu", -1.0, -0.15865525393145707),
        # ½ (1 + tanh 0.83335…): 0.84119 is the approximation's well-known value at 1
        ("gelu_tanh", 1.0, 0.8411919906082768),
        ("silu", math.log(3), 0.75 * math.log(3)),
        ("softplus", 0.0, math.log(2)),
        # softplus(ln(e - 1)) = 1
        ("mish", math.log(math.e - 1), math.log(math.e - 1) * math.tanh(1)),
        ("hard_tanh", 0.5, 0.5),
        ("hard_tanh", 3.0, 1.0),
        ("hard_tanh", -3.0, -1.0),
    ],
)
def test_activations_have_their_known_values(name, a, h):
    assert ACTIVATIONS[name].function(a) == pytest.approx(h, rel=1e-14)


@pytest.mark.parametrize(
    ("name", "a", "derivative"),
    [
        ("leaky_relu", 0.0, 0.01),
        ("elu", 0.0, 1.0),
        ("selu", 0.0, 1.7580993408473766),
        ("hard_tanh", -1.0, 0.0),
        ("hard_tanh", 1.0, 0.0),
    ],
)
def test_kinks_have_pytorchs_derivative(name, a, derivative):
    g = ACTIVATIONS[name]
    assert g.derivative(a, g.function(a)) == pytest.approx(derivative, rel=1e-15)


@pytest.mark.parametrize("g", [reference.leaky_relu(0.2), reference.elu(0.5)])
def test_an_entry_may_stand_for_a_name(g):
    W, b = random_network([3, 4, 3], seed=1)
    assert numerical_agreement(X, LABELS, W, b, g) < 1e-8
    assert numerical_agreement(X, LABELS, W, b, [g]) < 1e-8


def test_a_wrong_derivative_handed_over_is_found_by_central_differences():
    tanh = ACTIVATIONS["tanh"]
    wrong = reference.Activation(tanh.function, lambda a, h: 1 - h)
    W, b = random_network([3, 4, 3], seed=1)
    assert numerical_agreement(X, LABELS, W, b, tanh) < 1e-8
    assert numerical_agreement(X, LABELS, W, b, wrong) > 1e-2


# --- losses -------------------------------------------------------------------------------------


def linear_loss(name, y_hat, y):
    """The loss of a network whose output is ``y_hat`` whatever its input."""
    W, b = [[[0.0]] * len(y_hat)], [y_hat]
    return reference.loss([[1.0]], [y], W, b, [], "linear", name)


def test_absolute_error_sums_over_the_outputs_and_is_flat_where_they_agree():
    assert linear_loss("absolute_error", [3.0, 1.0, 2.0], [1.0, 2.0, 2.0]) == 3.0
    ell = LOSSES["linear", "absolute_error"]
    assert ell.grad_a([3.0, 1.0, 2.0], [1.0, 2.0, 2.0]) == [1.0, -1.0, 0.0]


def test_huber_is_squared_inside_and_absolute_outside():
    # ½ · ½² inside 1, and 3 - ½ outside.
    assert linear_loss("huber", [0.5, -3.0], [0.0, 0.0]) == 0.125 + 2.5
    # ½ · 1.5² inside 2, and 2 (3 - 1) outside.
    assert linear_loss(reference.huber(2.0), [1.5, -3.0], [0.0, 0.0]) == 1.125 + 4.0
    assert reference.huber(2.0).grad_a([1.5, -3.0, 5.0], [0.0] * 3) == [1.5, -2.0, 2.0]


def test_poisson_has_the_log_link_and_leaves_out_the_constant():
    # Logit ln 3: ŷ = 3, and 3 - 2 ln 3 for the count 2; ∇a = ŷ - t = 1, ∇ŷ = 1 - t/ŷ = ⅓.
    g = reference.gradients([[1.0]], [2], [[[0.0]]], [[math.log(3)]], [], "exp", "poisson")
    assert g.loss == pytest.approx(3 - 2 * math.log(3), rel=1e-14)
    assert g.grad_A[0][0] == pytest.approx([1.0], rel=1e-14)
    assert g.grad_H[0][0] == pytest.approx([1 / 3], rel=1e-14)


def test_an_overflowing_exp_output_is_infinite_not_an_error():
    assert OUTPUTS["exp"].function([1000.0]) == [math.inf]
    assert reference.loss([[1.0]], [2], [[[0.0]]], [[1000.0]], [], "exp", "poisson") == math.inf


def test_label_smoothing_mixes_the_target_with_the_uniform_one():
    W, b = random_network([3, 4, 3], seed=2)
    smooth = reference.label_smoothing(LOSSES["softmax", "cross_entropy"], 0.3)
    soft = [[0.8 if j == label else 0.1 for j in range(3)] for label in LABELS]  # 0.7 + 0.1, 0.1
    expected = reference.gradients(X, soft, W, b)
    g = reference.gradients(X, LABELS, W, b, loss=smooth)
    assert g.loss == pytest.approx(expected.loss, rel=1e-14)
    assert reference.flatten(g.grad_W, g.grad_b) == pytest.approx(
        reference.flatten(expected.grad_W, expected.grad_b), rel=1e-12
    )
    assert numerical_agreement(X, LABELS, W, b, "tanh", "softmax", smooth) < 1e-8


def test_label_smoothing_of_binary_targets_moves_them_towards_a_half():
    W, b = random_network([3, 3], seed=2)
    smooth = reference.label_smoothing(LOSSES["sigmoid", "binary_cross_entropy"], 0.2)
    names = [], "sigmoid", smooth
    hard, soft = [[1.0, 0.0, 0.0]] * 3, [[0.9, 0.1, 0.1]] * 3
    assert reference.loss(X, hard, W, b, *names) == pytest.approx(
        reference.loss(X, soft, W, b, [], "sigmoid", "binary_cross_entropy"), rel=1e-14
    )
    assert numerical_agreement(X, hard, W, b, *names) < 1e-8


def test_settings_of_losses_are_checked():
    with pytest.raises(ValueError, match="`delta` must be positive, got 0"):
        reference.huber(0.0)
    with pytest.raises(ValueError, match=r"`smoothing` must be in 0\.\.1, got 1\.5"):
        reference.label_smoothing(LOSSES["softmax", "cross_entropy"], 1.5)
    with pytest.raises(ValueError, match=r"`ell` must take probabilities .* got one for real"):
        reference.label_smoothing(LOSSES["linear", "huber"], 0.1)
    with pytest.raises(ValueError, match=r"`y\[0\]` must be a row of 1 numbers of 0 or more, got"):
        reference.loss([[1.0]], [-1], [[[0.0]]], [[0.0]], [], "exp", "poisson")


# --- weights of examples ------------------------------------------------------------------------


def test_a_weight_counts_an_example_that_many_times():
    W, b = random_network([3, 4, 3], seed=3)
    weighted = reference.gradients(X, LABELS, W, b, "tanh", sample_weight=[2, 0, 1])
    repeated = reference.gradients([X[0], X[0], X[2]], [0, 0, 1], W, b, "tanh")
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-14)
    assert reference.flatten(weighted.grad_W, weighted.grad_b) == pytest.approx(
        reference.flatten(repeated.grad_W, repeated.grad_b), rel=1e-12
    )


def test_weights_divide_by_their_sum():
    W, b = random_network([3, 4, 3], seed=3)
    weights = [0.5, 2.0, 3.5]
    losses = [reference.loss([x], [y], W, b) for x, y in zip(X, LABELS, strict=True)]
    expected = sum(w * one for w, one in zip(weights, losses, strict=True)) / 6.0
    assert reference.loss(X, LABELS, W, b, sample_weight=weights) == pytest.approx(expected)
    assert numerical_agreement(X, LABELS, W, b, "tanh", sample_weight=weights) < 1e-8
    assert reference.gradients(X, LABELS, W, b, sample_weight=[3.0] * 3) == reference.gradients(
        X, LABELS, W, b
    )


def test_a_batch_without_weight_takes_no_step():
    W, b = random_network([3, 2], seed=4)
    expected_W, expected_b = random_network([3, 2], seed=4)
    settings = {"epochs": 1, "lr": 0.1, "batch_size": 1, "shuffle": False, "optimizer": "adam"}
    history = reference.fit(X, [0, 1, 1], W, b, sample_weight=[1.0, 0.0, 3.0], **settings)
    expected = reference.fit(
        [X[0], X[2]], [0, 1], expected_W, expected_b, sample_weight=[1.0, 3.0], **settings
    )
    assert (W, b) == (expected_W, expected_b)
    assert history == expected


def test_fit_averages_the_losses_of_batches_by_weight():
    W, b = random_network([3, 2], seed=4)
    batches = (X[:2], [0, 1], [1.0, 2.0]), (X[2:], [1], [5.0])
    first, second = [reference.loss(x, y, W, b, sample_weight=w) for x, y, w in batches]
    history = reference.fit(
        X, [0, 1, 1], W, b, epochs=1, lr=1e-300, batch_size=2, shuffle=False,
        sample_weight=[1.0, 2.0, 5.0],
    )  # fmt: skip
    assert history == pytest.approx([(3 * first + 5 * second) / 8], rel=1e-14)


# --- penalties ----------------------------------------------------------------------------------


def test_penalties_take_the_weights_and_leave_the_biases():
    W, b = [[[1.0, -2.0]], [[3.0]]], [[10.0], [10.0]]
    # l1: 0.1 (1 + 2 + 3).  l2: ½ · 0.5 (1 + 4 + 9).
    assert reference.penalty(W, l1=0.1, l2=0.5) == pytest.approx(0.6 + 3.5)
    assert reference.grad_penalty(W, l1=0.25, l2=0.5) == [[[0.75, -1.25]], [[1.75]]]
    arguments = [[1.0, 1.0]], [0.5], W, b, "tanh", "linear", "squared_error"
    plain, penalised = reference.gradients(*arguments), reference.gradients(*arguments, l2=0.5)
    assert penalised.grad_b == plain.grad_b
    assert penalised.loss == pytest.approx(plain.loss + 3.5)
    assert penalised.grad_W[1][0][0] == pytest.approx(plain.grad_W[1][0][0] + 1.5)


def test_penalties_may_differ_by_layer():
    W = [[[1.0, -2.0]], [[3.0]]]
    assert reference.penalty(W, l1=[1.0, 0.0], l2=[0.0, 2.0]) == 3.0 + 9.0
    assert reference.grad_penalty(W, l1=[1.0, 0.0], l2=[0.0, 2.0]) == [[[1.0, -1.0]], [[6.0]]]


def test_l1_is_flat_at_zero():
    assert reference.grad_penalty([[[0.0]]], l1=1.0) == [[[0.0]]]


def test_penalised_gradients_agree_with_central_differences():
    W, b = random_network([3, 4, 3], seed=5)
    assert numerical_agreement(X, LABELS, W, b, "tanh", l1=0.3, l2=[0.1, 0.7]) < 1e-8


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"sample_weight": [1.0]}, ValueError, "`sample_weight` must have 3 numbers, .* got 1"),
        ({"sample_weight": 1.0}, TypeError, "`sample_weight` must be a list of numbers, .* float"),
        ({"sample_weight": [0, 0, 0]}, ValueError, "`sample_weight` must have a number above 0"),
        ({"sample_weight": [1, -1, 1]}, ValueError, r"`sample_weight\[1\]` .* 0 or more, got -1"),
        ({"sample_weight": [1, 1, math.nan]}, ValueError, r"`sample_weight\[2\]` .* got nan"),
        ({"l1": -0.1}, ValueError, r"`l1` must be finite and 0 or more, got -0\.1"),
        ({"l2": math.inf}, ValueError, "`l2` must be finite and 0 or more, got inf"),
        ({"l2": [0.1]}, ValueError, "`l2` must be a number or a list of 2, one a layer, got 1"),
    ],
)
def test_bad_weights_and_penalties_are_refused_and_change_nothing(settings, error, message):
    W, b = random_network([3, 4, 3], seed=6)
    before = str((W, b))
    with pytest.raises(error, match=message):
        reference.gradients(X, LABELS, W, b, **settings)
    with pytest.raises(error, match=message):
        reference.loss(X, LABELS, W, b, **settings)
    with pytest.raises(error, match=message):
        reference.fit(X, LABELS, W, b, epochs=1, lr=0.1, **settings)
    assert str((W, b)) == before


# --- optimizers ---------------------------------------------------------------------------------


def run(name, theta, gradients, **settings):
    """The values of one parameter after each step."""
    values, numbers, state = [], [theta], reference.initial_state(1)
    for gradient in gradients:
        numbers, state = OPTIMIZERS[name](numbers, [gradient], state, **settings)
        values += numbers
    assert state.step == len(gradients)
    return values


@pytest.mark.parametrize(
    ("name", "gradients", "settings", "values"),
    [
        ("sgd", [2.0, -1.0], {"lr": 0.25}, [0.5, 0.75]),
        # m = 1, then ½ + 1
        ("momentum", [1.0, 1.0], {"lr": 0.1, "momentum": 0.5}, [0.9, 0.75]),
        # g + ½ m = 1 + ½, then 1 + ½ · 1½
        ("nesterov", [1.0, 1.0], {"lr": 0.1, "momentum": 0.5}, [0.85, 0.675]),
        # √v = 3, then √(9 + 16) = 5
        ("adagrad", [3.0, -4.0], {"lr": 0.1}, [0.9, 0.98]),
        # v = ¼ · 4 = 1, then ¾ + ¼ = 1
        ("rmsprop", [2.0, 1.0], {"lr": 0.1, "alpha": 0.75, "eps": 0.0}, [0.8, 0.7]),
        # ε stands outside the root: 2 / (1 + 1)
        ("rmsprop", [2.0], {"lr": 0.1, "alpha": 0.75, "eps": 1.0}, [0.9]),
        # m = 1, v = 1, corrected 2 and 4: 2/√4.  Then m = ½ - ½ = 0.
        # Then m = ½ · 3, v = ¾ (¾ + ¼) + ¼ · 9 = 3, corrected 12/7 and 192/37.
        ("adam", [2.0, -1.0, 3.0], {"lr": 0.1, "betas": (0.5, 0.75), "eps": 0.0},
         [0.9, 0.9, 0.9 - 0.1 * (12 / 7) / math.sqrt(192 / 37)]),
        # ε beside the corrected root: 2 / (2 + 2)
        ("adam", [2.0], {"lr": 0.1, "betas": (0.5, 0.75), "eps": 2.0}, [0.95]),
        # (1 - ½ · 0.1) · 1, then Adam's first step, lr wherever ε is small
        ("adamw", [2.0], {"lr": 0.5, "weight_decay": 0.1, "eps": 0.0}, [0.45]),
        # Blend ½, m = ¼.  Blend ⅛ - 0.1, against the gradient, m = 0.1375.  Blend 0.06875 - 0.07.
        ("lion", [1.0, -0.2, -0.14], {"lr": 0.1, "betas": (0.5, 0.75)}, [0.9, 0.8, 0.9]),
        # 1 - 0.1 (1 + 0.5 · 1)
        ("lion", [1.0], {"lr": 0.1, "weight_decay": 0.5}, [0.85]),
        ("lion", [0.0], {"lr": 0.1}, [1.0]),
    ],
)  # fmt: skip
def test_optimizers_take_the_hand_worked_steps(name, gradients, settings, values):
    assert run(name, 1.0, gradients, **settings) == pytest.approx(values, rel=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rules_are_pure_and_work_parameter_by_parameter(name):
    theta, grad = [1.0, -2.0, 0.5], [0.3, 0.7, -0.1]
    state = reference.State(3, [0.1, 0.2, -0.3], [0.4, 0.5, 0.6])
    before = str((theta, grad, state))
    new_theta, new_state = OPTIMIZERS[name](theta, grad, state, lr=0.1)
    assert str((theta, grad, state)) == before
    for i in range(3):
        alone = reference.State(3, [state.mean[i]], [state.square[i]])
        one_theta, one_state = OPTIMIZERS[name]([theta[i]], [grad[i]], alone, lr=0.1)
        assert [one_theta, one_state.mean, one_state.square] == [
            [new_theta[i]], [new_state.mean[i]], [new_state.square[i]],
        ]  # fmt: skip
    assert new_state.step == 4


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_hands_the_flat_parameters_to_the_rule(name):
    W, b = random_network([3, 4, 3], seed=7)
    theta, state = reference.flatten(W, b), reference.initial_state(31)
    # Biases do not decay.
    decay = {"weight_decay": ([0.01] * 12 + [0.0] * 4) + ([0.01] * 12 + [0.0] * 3)}
    options = decay if name == "adamw" else {}
    for rows in (slice(0, 2), slice(2, 3)) * 2:
        g = reference.gradients(X[rows], LABELS[rows], *reference.unflatten(theta, [3, 4, 3]))
        grad_theta = reference.flatten(g.grad_W, g.grad_b)
        theta, state = OPTIMIZERS[name](theta, grad_theta, state, 0.05, **options)
    reference.fit(X, LABELS, W, b, epochs=2, lr=0.05, batch_size=2, shuffle=False, optimizer=name)
    assert reference.flatten(W, b) == theta


def test_fit_passes_options_on_to_the_rule():
    W, b = random_network([3, 4, 3], seed=7)
    other_W, other_b = random_network([3, 4, 3], seed=7)
    settings = {"epochs": 3, "lr": 0.05, "batch_size": 2}
    reference.fit(X, LABELS, W, b, optimizer="momentum", momentum=0.0, **settings)
    reference.fit(X, LABELS, other_W, other_b, **settings)
    assert reference.flatten(W, b) == reference.flatten(other_W, other_b)


def test_fit_refuses_an_unknown_optimizer_or_option_and_changes_nothing():
    W, b = random_network([3, 4, 3], seed=7)
    before = str((W, b))
    with pytest.raises(
        ValueError, match=r"`optimizer` must be one of .*'adan': did you mean 'adam"
    ):
        reference.fit(X, LABELS, W, b, epochs=1, lr=0.1, optimizer="adan")
    with pytest.raises(TypeError, match="unexpected keyword argument 'momentum'"):
        reference.fit(X, LABELS, W, b, epochs=1, lr=0.1, optimizer="adam", momentum=0.9)
    assert str((W, b)) == before
