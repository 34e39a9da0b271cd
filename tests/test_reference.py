"""The reference proves itself: by hand, by central differences, and one form against another."""

import ast
import math
import random
from pathlib import Path

import pytest

from backprop import reference
from backprop.reference import ACTIVATIONS, LOSSES, example
from backprop.reference.lists import dot
from backprop.reference.losses import log_sum_exp, softplus
from backprop.reference.shuffling import splitmix64

# --- a network worked by hand -------------------------------------------------------------------
#
# 2-2-2, ReLU and softmax with cross-entropy, m = 2. The biases are chosen so that both examples
# end in the odds 3 : 1, that is ŷ = (3/4, 1/4):
#
#   x = (1, 2),   l = 1:  a_1 = (1 - 2 + ½, 2 + 2 - 1)     = (-½, 3)      h_1 = (0, 3)
#                         a_2 = (0 + 3 + ln 3 - 3, 0)      = (ln 3, 0)    -log ŷ_l = ln 4
#   x = (2.5, 2), l = 0:  a_1 = (2.5 - 2 + ½, 5 + 2 - 1)   = (1, 6)       h_1 = (1, 6)
#                         a_2 = (1 + 6 + ln 3 - 3, 4)      = (4+ln 3, 4)  -log ŷ_l = ln 4/3

LN3 = math.log(3)
X = [[1.0, 2.0], [2.5, 2.0]]
Y = [1, 0]
W = [[[1.0, -1.0], [2.0, 1.0]], [[1.0, 1.0], [4.0, 0.0]]]
B = [[0.5, -1.0], [LN3 - 3, 0.0]]


def assert_close(actual, expected):
    """Compare nested lists of floats to rounding."""
    if isinstance(expected, list):
        assert len(actual) == len(expected)
        for actual_i, expected_i in zip(actual, expected, strict=True):
            assert_close(actual_i, expected_i)
    else:
        assert actual == pytest.approx(expected, rel=1e-13, abs=1e-15)


def relative_distance(u, v):
    """‖u - v‖ / (‖u‖ + ‖v‖)."""
    return math.hypot(*(p - q for p, q in zip(u, v, strict=True))) / (
        math.hypot(*u) + math.hypot(*v)
    )


def test_forward_equals_the_hand_worked_numbers():
    A, H = reference.forward(X, W, B)
    assert_close(A, [[[-0.5, 3.0], [1.0, 6.0]], [[LN3, 0.0], [4 + LN3, 4.0]]])
    assert_close(H, [X, [[0.0, 3.0], [1.0, 6.0]], [[0.75, 0.25], [0.75, 0.25]]])


def test_loss_equals_the_hand_worked_mean():
    # ½ (ln 4 + ln 4/3)
    assert reference.loss(X, Y, W, B) == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_backward_equals_the_hand_worked_gradients():
    A, H = reference.forward(X, W, B)
    g = reference.backward(A, H, Y, W)
    # ∇Ŷ: ½ (-1/ŷ_l) e_l.  ∇A_2: ½ (ŷ - e_l).
    assert_close(g.grad_H[1], [[0.0, -2.0], [-2 / 3, 0.0]])
    assert_close(g.grad_A[1], [[3 / 8, -3 / 8], [-1 / 8, 1 / 8]])
    # ∇H_1, row by row: W_2ᵀ ∇a_2 = (1·⅜ - 4·⅜, 1·⅜) and (-1·⅛ + 4·⅛, -1·⅛).
    assert_close(g.grad_H[0], [[-9 / 8, 3 / 8], [3 / 8, -1 / 8]])
    # ∇A_1: the first unit of the first example is switched off.
    assert_close(g.grad_A[0], [[0.0, 3 / 8], [3 / 8, -1 / 8]])
    # ∇W_2: (⅜, -⅜) (0, 3)ᵀ + (-⅛, ⅛) (1, 6)ᵀ.
    assert_close(g.grad_W[1], [[-1 / 8, 9 / 8 - 6 / 8], [1 / 8, -9 / 8 + 6 / 8]])
    assert_close(g.grad_b[1], [1 / 4, -1 / 4])
    # ∇W_1: (0, ⅜) (1, 2)ᵀ + (⅜, -⅛) (2.5, 2)ᵀ.
    assert_close(g.grad_W[0], [[7.5 / 8, 6 / 8], [3 / 8 - 2.5 / 8, 6 / 8 - 2 / 8]])
    assert_close(g.grad_b[0], [3 / 8, 1 / 4])
    assert g.loss == reference.loss(X, Y, W, B)


def test_gradient_descent_step_subtracts_lr_times_the_gradient_in_place():
    new_W, new_b = [[[1.0, 2.0]]], [[3.0]]
    row = new_W[0][0]
    reference.gradient_descent_step(new_W, new_b, [[[4.0, -8.0]]], [[2.0]], lr=0.25)
    assert new_W == [[[0.0, 4.0]]]
    assert new_b == [[2.5]]
    assert new_W[0][0] is row


def test_squared_error_is_half_the_squared_norm():
    # ŷ = 2·3 + 1 = 7 against 5, and 2·0 + 1 = 1 against 2: ½ (½·4 + ½·1) = 1.25
    g = reference.gradients([[3.0], [0.0]], [5, 2], [[[2.0]]], [[1.0]], [], "linear",
                            "squared_error")  # fmt: skip
    assert g.loss == 1.25
    # ½ (2·3 - 1·0) and ½ (2 - 1)
    assert (g.grad_W, g.grad_b) == ([[[3.0]]], [[0.5]])


def test_binary_cross_entropy_sums_over_the_outputs():
    # Logits ln 3 and -ln 3: ŷ = (¾, ¼) against (1, 1): ln 4/3 + ln 4.
    g = reference.gradients([[LN3]], [[1.0, 1.0]], [[[1.0], [-1.0]]], [[0.0, 0.0]], [], "sigmoid",
                            "binary_cross_entropy")  # fmt: skip
    assert g.loss == pytest.approx(math.log(4 / 3) + math.log(4))
    assert_close(g.grad_A, [[[-0.25, -0.75]]])
    # -1/ŷ for a target of 1
    assert_close(g.grad_H, [[[-4 / 3, -4.0]]])


# --- random networks ----------------------------------------------------------------------------


def random_network(layer_sizes, seed):
    rng = random.Random(seed)
    W, b = [], []
    for k in range(1, len(layer_sizes)):
        n_in, n_out = layer_sizes[k - 1], layer_sizes[k]
        W.append([[rng.gauss(0, 1 / math.sqrt(n_in)) for _ in range(n_in)] for _ in range(n_out)])
        b.append([rng.gauss(0, 0.5) for _ in range(n_out)])
    return W, b


def random_examples(m, n, seed):
    rng = random.Random(seed + 1000)
    return [[rng.gauss(0, 1) for _ in range(n)] for _ in range(m)]


def random_targets(m, p, rule, seed):
    rng = random.Random(seed + 2000)
    if rule == "probabilities":
        return [rng.randrange(p) for _ in range(m)]
    draw = {
        "unit": rng.random,
        "real": lambda: rng.gauss(0, 1),
        "nonnegative": lambda: rng.randrange(5),
    }[rule]
    return [[draw() for _ in range(p)] for _ in range(m)]


N_HIDDEN = {0: [], 1: [4], 3: [4, 3, 4]}
PAIRS = [(*pair, p) for pair in LOSSES for p in (1, 3) if (pair[0], p) != ("softmax", 1)]


@pytest.mark.parametrize("n_hidden", N_HIDDEN)
@pytest.mark.parametrize(("output", "loss", "n_outputs"), PAIRS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_gradients_agree_with_central_differences(hidden, output, loss, n_outputs, n_hidden):
    W, b = random_network([4, *N_HIDDEN[n_hidden], n_outputs], seed=3)
    X = random_examples(3, 4, seed=3)
    y = random_targets(3, n_outputs, LOSSES[output, loss].targets, seed=3)
    A, _ = reference.forward(X, W, b, hidden, output)
    distances = [
        abs(abs(a) - kink) for A_k in A[:-1] for row in A_k for a in row for kink in (0, 1)
    ]
    assert min(distances, default=1) > 1e-4, "choose another seed: the step must not cross a kink"
    g = reference.gradients(X, y, W, b, hidden, output, loss)
    numerical = reference.numerical_gradients(X, y, W, b, hidden, output, loss)
    for k in range(len(W)):  # layer by layer, so that a large one cannot hide a small one
        exact = reference.flatten(g.grad_W[k : k + 1], g.grad_b[k : k + 1])
        measured = reference.flatten(numerical[0][k : k + 1], numerical[1][k : k + 1])
        assert relative_distance(exact, measured) < 1e-7


def test_a_network_may_mix_activations():
    names = ["relu", "sigmoid", "tanh"]
    W, b = random_network([4, 5, 4, 6, 3], seed=5)
    X = random_examples(3, 4, seed=5)
    A, H = reference.forward(X, W, b, names)
    for k, name in enumerate(names, start=1):
        assert H[k] == [[ACTIVATIONS[name].function(a) for a in row] for row in A[k - 1]]
    g = reference.gradients(X, [0, 1, 2], W, b, names)
    numerical = reference.numerical_gradients(X, [0, 1, 2], W, b, names)
    assert (
        relative_distance(reference.flatten(g.grad_W, g.grad_b), reference.flatten(*numerical))
        < 1e-7
    )


def test_relu_is_flat_at_zero():
    relu = ACTIVATIONS["relu"]
    assert [relu.derivative(a, relu.function(a)) for a in (-1.0, 0.0, 1.0)] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(("output", "loss", "n_outputs"), PAIRS)
@pytest.mark.parametrize("n_hidden", N_HIDDEN)
def test_the_examples_gradients_average_to_the_batchs(n_hidden, output, loss, n_outputs):
    m = 4
    W, b = random_network([3, *N_HIDDEN[n_hidden], n_outputs], seed=7)
    X = random_examples(m, 3, seed=7)
    y = random_targets(m, n_outputs, LOSSES[output, loss].targets, seed=7)
    whole = reference.gradients(X, y, W, b, "tanh", output, loss)
    ones = [example.gradients(x, t, W, b, "tanh", output, loss) for x, t in zip(X, y, strict=True)]
    flat = [reference.flatten(g.grad_W, g.grad_b) for g in ones]
    mean = [sum(column) / m for column in zip(*flat, strict=True)]
    assert relative_distance(mean, reference.flatten(whole.grad_W, whole.grad_b)) < 1e-14
    assert sum(g.loss for g in ones) / m == pytest.approx(whole.loss, rel=1e-14)
    for k in range(len(W)):
        assert_close(whole.grad_A[k], [[d / m for d in g.grad_a[k]] for g in ones])
        assert_close(whole.grad_H[k], [[d / m for d in g.grad_h[k]] for g in ones])


def test_the_gradient_with_respect_to_y_hat_through_the_softmax_is_y_hat_minus_e_l():
    # 4.3.1: ∇_ŷ L = -(1/ŷ_l) e_l, and the chain rule through ∂ŷ_l/∂a_Li leaves -(e_l - ŷ).
    ell = LOSSES["softmax", "cross_entropy"]
    y_hat = [0.2, 0.5, 0.3]
    e_l = reference.one_hot([1], 3)[0]
    grad_y_hat = example.grad_y_hat(y_hat, e_l, ell)
    assert grad_y_hat == [0.0, -2.0, 0.0]
    columns = zip(*example.softmax_jacobian(y_hat), strict=True)
    assert_close([dot(grad_y_hat, list(column)) for column in columns], [0.2, -0.5, 0.3])
    assert_close(example.grad_a_output(y_hat, e_l, ell), [0.2, -0.5, 0.3])


@pytest.mark.parametrize(("output", "loss"), [pair for pair in LOSSES if pair[0] != "softmax"])
@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize("n_layers", [1, 2, 4])
def test_the_product_along_a_thin_network_is_the_gradient(n_layers, hidden, output, loss):
    W, b = random_network([1] * (n_layers + 1), seed=11)
    W = [[[0.3 * abs(W_k[0][0])]] for W_k in W]  # neither off nor saturated: no product is 0
    b = [[0.3 * abs(b_k[0])] for b_k in b]
    g = example.gradients([0.7], 0.4, W, b, hidden, output, loss)
    for layer in range(1, n_layers + 1):
        factors = reference.thin_network([0.7], 0.4, W, b, hidden, output, loss, layer)
        product = math.prod(factor.value for factor in factors)
        assert product == pytest.approx(g.grad_W[layer - 1][0][0], rel=1e-12)
        assert product != 0
        assert len(factors) == 2 + 2 * (n_layers - layer) + 1


def test_a_thin_network_may_mix_activations():
    W, b = random_network([1, 1, 1, 1], seed=12)
    factors = reference.thin_network([0.7], 0.4, W, b, ["tanh", "sigmoid"])
    g = example.gradients([0.7], 0.4, W, b, ["tanh", "sigmoid"], "sigmoid", "binary_cross_entropy")
    product = math.prod(factor.value for factor in factors)
    assert product == pytest.approx(g.grad_W[0][0][0], rel=1e-12)


def test_the_factors_of_a_thin_network_are_named_as_in_section_4_2():
    W, b = random_network([1, 1, 1, 1], seed=13)
    factors = reference.thin_network([0.7], 0.4, W, b)
    assert [factor.name for factor in factors] == [
        "∂L/∂ŷ", "∂ŷ/∂a_3", "∂a_3/∂h_2", "∂h_2/∂a_2", "∂a_2/∂h_1", "∂h_1/∂a_1", "∂a_1/∂W_1",
    ]  # fmt: skip
    assert factors[2].value == W[2][0][0]
    assert factors[-1].value == 0.7
    assert [factor.question for factor in factors] == [
        *["talk to the output layer"] * 2,
        *["talk to the previous hidden layer"] * 4,
        "and now talk to the weights",
    ]


# --- numerical stability ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [40.0, 800.0, 1e6, 1e300])
def test_extreme_logits_give_the_exact_loss_and_gradient(size):
    W, b = [[[1.0], [-1.0]]], [[0.0, 0.0]]
    # Logits (size, -size): the wrong class costs their difference, the right one nothing.
    wrong = reference.gradients([[size]], [1], W, b)
    assert wrong.loss == pytest.approx(2 * size, rel=1e-12)
    assert_close(wrong.grad_A, [[[1.0, -1.0]]])
    right = reference.gradients([[size]], [0], W, b)
    assert right.loss == pytest.approx(math.exp(-2 * size), rel=1e-12, abs=1e-15)
    # Targets (0, 1): both outputs are wrong by `size`.
    both = reference.gradients([[size]], [[0.0, 1.0]], W, b, [], "sigmoid", "binary_cross_entropy")
    assert both.loss == pytest.approx(2 * size, rel=1e-12)
    assert_close(both.grad_A, [[[1.0, -1.0]]])


def test_a_small_loss_keeps_its_digits():
    # -log ŷ_l and -log ŷ for a confident right answer: ŷ rounds to 1, whose log would be 0.
    assert softplus(-40.0) == pytest.approx(math.exp(-40), rel=1e-12)
    loss = reference.loss(
        [[40.0]], [1.0], [[[1.0]]], [[0.0]], [], "sigmoid", "binary_cross_entropy"
    )
    assert loss == pytest.approx(math.exp(-40), rel=1e-12)
    assert log_sum_exp([-1000.0, -1000.0]) == pytest.approx(math.log(2) - 1000, rel=1e-15)


@pytest.mark.parametrize("a", [-1e300, -800.0, -40.0, 0.0, 40.0, 800.0, 1e300])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_derivatives_stay_finite(name, a):
    g = ACTIVATIONS[name]
    assert math.isfinite(g.function(a))
    assert math.isfinite(g.derivative(a, g.function(a)))


def test_the_gradient_of_an_impossible_probability_is_infinite_not_an_error():
    g = reference.gradients([[800.0]], [1], [[[1.0], [-1.0]]], [[0.0, 0.0]])
    assert g.grad_H == [[[0.0, -math.inf]]]


# --- training -----------------------------------------------------------------------------------


def test_splitmix64_gives_the_published_numbers():
    # The first five for the state 1234567, as listed with Vigna's C code in many places.
    state, numbers = 1234567, []
    for _ in range(5):
        state, bits = splitmix64(state)
        numbers.append(bits)
    assert numbers == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize(
    ("seed", "epoch", "order"),
    [
        # From a separate C++ program with 64-bit words and a 128-bit product.
        (0, 0, [1, 2, 5, 7, 0, 8, 4, 3, 9, 6]),
        (42, 0, [1, 7, 2, 5, 6, 4, 0, 9, 8, 3]),
        (42, 1, [3, 0, 1, 7, 4, 5, 2, 8, 6, 9]),
        (2**64 - 1, 3, [7, 5, 2, 8, 4, 6, 3, 9, 1, 0]),
    ],
)
def test_the_order_of_an_epoch_is_pinned(seed, epoch, order):
    assert reference.shuffled_order(10, seed, epoch) == order


def test_every_order_is_a_permutation_and_each_epoch_has_its_own():
    orders = [reference.shuffled_order(50, seed=9, epoch=epoch) for epoch in range(20)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 20
    assert reference.shuffled_order(0, 0, 0) == []
    assert reference.shuffled_order(1, 0, 0) == [0]


def test_fit_lowers_the_loss():
    # Two clouds that a line divides.
    rng = random.Random(0)
    y = [i % 2 for i in range(40)]
    X = [[rng.gauss(2.0 * label, 0.5), rng.gauss(0, 1)] for label in y]
    W, b = random_network([2, 6, 2], seed=1)
    history = reference.fit(X, y, W, b, epochs=20, lr=0.2, batch_size=8)
    assert len(history) == 20
    assert history[-1] < 0.2 * history[0]
    assert reference.loss(X, y, W, b) < 0.2 * history[0]


def test_fit_is_the_steps_it_promises_written_out():
    m, batch_size, lr = 7, 3, 0.3
    X, y = random_examples(m, 3, seed=2), [0, 1, 1, 0, 1, 0, 0]
    W, b = random_network([3, 4, 2], seed=2)
    by_hand_W, by_hand_b = random_network([3, 4, 2], seed=2)
    history = reference.fit(X, y, W, b, "tanh", epochs=2, lr=lr, batch_size=batch_size, seed=5)
    for epoch in range(2):
        order = reference.shuffled_order(m, 5, epoch)
        losses = []
        for rows in (order[0:3], order[3:6], order[6:7]):
            batch = [X[i] for i in rows], [y[i] for i in rows]
            g = reference.gradients(*batch, by_hand_W, by_hand_b, "tanh")
            losses += [g.loss] * len(rows)
            reference.gradient_descent_step(by_hand_W, by_hand_b, g.grad_W, g.grad_b, lr)
        assert history[epoch] == pytest.approx(sum(losses) / m, rel=1e-14)
    assert (W, b) == (by_hand_W, by_hand_b)


def test_fit_without_shuffling_takes_the_examples_as_they_lie():
    X, y = random_examples(4, 3, seed=4), [0, 1, 1, 0]
    W, b = random_network([3, 2], seed=4)
    by_hand_W, by_hand_b = random_network([3, 2], seed=4)
    reference.fit(X, y, W, b, epochs=1, lr=0.1, batch_size=2, shuffle=False)
    for rows in (slice(0, 2), slice(2, 4)):
        g = reference.gradients(X[rows], y[rows], by_hand_W, by_hand_b)
        reference.gradient_descent_step(by_hand_W, by_hand_b, g.grad_W, g.grad_b, 0.1)
    assert (W, b) == (by_hand_W, by_hand_b)


# --- lists and targets --------------------------------------------------------------------------


def test_flatten_lays_theta_out_layer_by_layer_and_unflatten_undoes_it():
    W = [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [[10.0, 11.0, 12.0]]]
    b = [[7.0, 8.0, 9.0], [13.0]]
    theta = reference.flatten(W, b)
    assert theta == [float(i) for i in range(1, 14)]
    assert reference.unflatten(theta, [2, 3, 1]) == (W, b)


def test_labels_and_one_hot_rows_mean_the_same():
    W, b = random_network([3, 4], seed=6)
    X = random_examples(2, 3, seed=6)
    assert reference.gradients(X, [3, 0], W, b) == reference.gradients(
        X, reference.one_hot([3, 0], 4), W, b
    )


def test_soft_rows_average_the_losses_of_the_labels():
    W, b = random_network([3, 2], seed=6)
    X = random_examples(1, 3, seed=6)
    soft = reference.loss(X, [[0.25, 0.75]], W, b)
    hard = [reference.loss(X, [label], W, b) for label in (0, 1)]
    assert soft == pytest.approx(0.25 * hard[0] + 0.75 * hard[1], rel=1e-14)


def test_the_gradient_of_soft_rows_is_exact_whatever_they_sum_to():
    W, b = random_network([3, 4, 2], seed=8)
    X, y = random_examples(2, 3, seed=8), [[0.3, 0.2], [1.0, 0.5]]
    g = reference.gradients(X, y, W, b)
    numerical = reference.flatten(*reference.numerical_gradients(X, y, W, b))
    assert relative_distance(reference.flatten(g.grad_W, g.grad_b), numerical) < 1e-8


def test_central_differences_measure_a_known_gradient():
    theta = [1.0, 2.0]
    measured = reference.central_differences(lambda t: t[0] * t[0] * t[1] + t[1], theta)
    assert measured == pytest.approx([4.0, 2.0], rel=1e-9)
    assert theta == [1.0, 2.0]


# --- the house ----------------------------------------------------------------------------------


def test_the_reference_imports_neither_numpy_nor_the_engine():
    allowed = {"math", "typing", "collections.abc", "difflib"}
    files = list(Path(reference.__file__).parent.glob("*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= allowed, file
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.level == 0 and node.module in allowed), file
