"""The reference's dropout, clipping and max-norm, worked by hand and by central differences."""

import math
import re

import pytest

from backprop import reference
from backprop.reference.dropout import mix

W = [[[0.5, -1.0], [2.0, 0.25], [-0.5, 1.5]], [[1.0, -2.0, 0.5]]]
B = [[0.1, -0.2, 0.3], [0.4]]
X = [[1.0, -0.5], [0.25, 2.0]]
Y = [[0.7], [-0.3]]
NAMES = ("tanh", "linear", "squared_error")
MASKS = [[[2.0, 0.0, 2.0], [0.0, 2.0, 2.0]]]


def test_a_mask_zeroes_activations_and_doubles_the_others():
    A, H = reference.forward(X, W, B, "tanh", "linear", masks=MASKS)
    assert H[1][0] == [2 * math.tanh(A[0][0][0]), 0.0, 2 * math.tanh(A[0][0][2])]
    expected = 1.0 * H[1][0][0] + 0.5 * H[1][0][2] + 0.4
    assert H[2][0] == [pytest.approx(expected, rel=1e-15)]


def test_gradients_under_masks_are_those_of_the_masked_loss():
    g = reference.gradients(X, Y, W, B, *NAMES, masks=MASKS)

    def loss(theta):
        W_moved, b_moved = reference.unflatten(theta, [2, 3, 1])
        return reference.gradients(X, Y, W_moved, b_moved, *NAMES, masks=MASKS).loss

    measured = reference.central_differences(loss, reference.flatten(W, B))
    assert reference.flatten(g.grad_W, g.grad_b) == pytest.approx(measured, rel=1e-7, abs=1e-9)
    unmasked = reference.gradients(X, Y, W, B, *NAMES)
    assert g.loss != unmasked.loss


def test_the_hash_is_wellons_lowbias32():
    # From its constants, one multiplication at a time.
    assert mix(0) == 0
    x = 1 * 0x7FEB352D % 2**32
    x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
    assert mix(1) == x ^ (x >> 16)
    assert len({mix(i) for i in range(1000)}) == 1000


def test_masks_drop_at_their_rate_and_depend_on_all_they_should():
    M = reference.mask(0.3, 5, 7, 1, n_examples=100, n_units=80)
    entries = [m for row in M for m in row]
    assert set(entries) == {0.0, 1 / 0.7}
    # Five standard deviations of a binomial.
    assert entries.count(0.0) / 8000 == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / 8000))
    assert reference.mask(0.3, 5, 7, 1, 4, 3) == [row[:3] for row in M[:4]]
    others = [
        reference.mask(0.3, *place, n_examples=100, n_units=80)
        for place in ((6, 7, 1), (5, 8, 1), (5, 7, 2))
    ]
    assert all(other != M for other in others)
    assert set(reference.mask(0.0, 0, 0, 1, 5, 5)[0]) == {1.0}


def test_a_gradient_is_cut_entry_by_entry_or_scaled_as_a_whole():
    assert reference.clip_value([-3.0, 0.5, 2.0], 1.0) == [-1.0, 0.5, 1.0]
    assert reference.clip_norm([3.0, -4.0], 2.5) == [1.5, -2.0]
    assert reference.clip_norm([3.0, -4.0], 5.0) == [3.0, -4.0]
    assert reference.clip_norm([0.0, 0.0], 1.0) == [0.0, 0.0]


def test_rows_of_weights_are_scaled_to_their_bound():
    assert reference.max_norm([[[3.0, 4.0], [0.3, 0.4]], [[-6.0, 8.0]]], 1.0) == [
        [[0.6, 0.8], [0.3, 0.4]],
        [[-0.6, 0.8]],
    ]


def test_fit_bounds_gradients_and_weights():
    """One step from a known gradient, each bound by itself."""
    g = reference.gradients(X, Y, W, B, *NAMES)
    grad = reference.flatten(g.grad_W, g.grad_b)
    theta = reference.flatten(W, B)

    def stepped(**bounds):
        W_1, b_1 = reference.unflatten(theta, [2, 3, 1])
        reference.fit(X, Y, W_1, b_1, *NAMES, epochs=1, lr=0.5, shuffle=False, **bounds)
        return reference.flatten(W_1, b_1)

    norm = math.sqrt(sum(d * d for d in grad))
    by_norm = [p - 0.5 * d * (0.1 / norm) for p, d in zip(theta, grad, strict=True)]
    assert stepped(clip_norm=0.1) == pytest.approx(by_norm, rel=1e-14)
    by_value = [p - 0.5 * min(max(d, -0.2), 0.2) for p, d in zip(theta, grad, strict=True)]
    assert stepped(clip_value=0.2) == pytest.approx(by_value, rel=1e-14)
    W_1, b_1 = reference.unflatten(stepped(max_norm=0.7), [2, 3, 1])
    assert max(math.hypot(*row) for W_k in W_1 for row in W_k) == pytest.approx(0.7, rel=1e-14)
    assert b_1 == reference.unflatten(stepped(), [2, 3, 1])[1]


def test_fit_drops_with_the_masks_of_its_seed_and_steps():
    W_1, b_1 = reference.unflatten(reference.flatten(W, B), [2, 3, 1])
    settings = {"epochs": 1, "lr": 0.1, "batch_size": 1, "shuffle": False, "seed": 9}
    losses = reference.fit(X, Y, W_1, b_1, *NAMES, dropout=0.5, **settings)
    W_2, b_2 = reference.unflatten(reference.flatten(W, B), [2, 3, 1])
    expected = 0.0
    for step in range(2):
        masks = [reference.mask(0.5, 9, step, 1, 1, 3)]
        g = reference.gradients(
            X[step : step + 1], Y[step : step + 1], W_2, b_2, *NAMES, masks=masks
        )
        reference.gradient_descent_step(W_2, b_2, g.grad_W, g.grad_b, 0.1)
        expected += g.loss / 2
    assert (W_1, b_1) == (W_2, b_2)
    assert losses == [pytest.approx(expected, rel=1e-15)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reference.mask(1.0, 0, 0, 1, 2, 2), "`rate` must be 0 or more and less than 1"),
        (
            lambda: reference.forward(X, W, B, "tanh", "linear", masks=[[[1.0]]]),
            "`masks` must have the sizes [[2, 3]] of the hidden layers, got [[1, 1]]",
        ),
        (
            lambda: reference.fit(X, Y, W, B, *NAMES, epochs=1, lr=0.1, dropout=[0.1, 0.1]),
            "`dropout` must be a number or a list of 1, one a hidden layer, got 2",
        ),
    ],
)
def test_bad_masks_and_rates_are_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
