"""Initial weights have the distributions they are named after, and depend on the seed alone."""

import numpy as np
import pytest

import backprop as bp

N_IN, N_OUT = 300, 400


def first_weights(init, dtype="float64", seed=0):
    return bp.Network([N_IN, N_OUT, 2], init=init, dtype=dtype, seed=seed).W[0]


@pytest.mark.parametrize(
    ("init", "sigma"),
    [
        ("he", np.sqrt(2 / N_IN)),
        ("lecun", np.sqrt(1 / N_IN)),
        ("glorot", np.sqrt(2 / (N_IN + N_OUT))),
        ("normal", 0.01),
        (("normal", 0.5), 0.5),
        (["normal", 3], 3),
    ],
)
def test_the_standard_deviation_is_the_stated_one(init, sigma):
    W = first_weights(init)
    # Six standard errors of the mean and of the deviation of 120 000 numbers.
    assert abs(W.mean()) < 6 * sigma / np.sqrt(W.size)
    assert W.std() == pytest.approx(sigma, rel=6 / np.sqrt(2 * W.size))


def test_glorot_is_uniform_and_he_is_normal():
    bound = np.sqrt(6 / (N_IN + N_OUT))
    assert np.abs(first_weights("glorot")).max() <= bound
    share_beyond_one_sigma = np.mean(np.abs(first_weights("glorot")) > bound / np.sqrt(3))
    assert share_beyond_one_sigma == pytest.approx(1 - 1 / np.sqrt(3), abs=0.01)
    share_beyond_one_sigma = np.mean(np.abs(first_weights("he")) > np.sqrt(2 / N_IN))
    assert share_beyond_one_sigma == pytest.approx(0.3173, abs=0.01)


def test_zeros_are_zeros_and_biases_always_start_there():
    assert not bp.Network([4, 5, 3], init="zeros").theta.any()
    for init in ("he", "glorot", "lecun", "normal"):
        net = bp.Network([4, 5, 3], init=init)
        assert not any(b.any() for b in net.b)
        assert all(W.all() for W in net.W)


@pytest.mark.parametrize("init", ["he", "glorot", "lecun", "normal"])
def test_one_seed_gives_the_same_bytes_and_agrees_across_dtypes(init):
    W = first_weights(init, seed=7)
    assert W.tobytes() == first_weights(init, seed=7).tobytes()
    assert (first_weights(init, seed=8) != W).any()
    np.testing.assert_array_equal(first_weights(init, "float32", seed=7), W.astype(np.float32))


def test_layers_are_drawn_one_after_the_other():
    rng = np.random.default_rng(3)
    net = bp.Network([4, 5, 3], init=("normal", 1.0), dtype="float64", seed=3)
    np.testing.assert_array_equal(net.W[0], rng.standard_normal((5, 4)))
    np.testing.assert_array_equal(net.W[1], rng.standard_normal((3, 5)))


def test_a_generator_is_used_up_and_no_seed_is_new_each_time():
    rng = np.random.default_rng(0)
    first, second = (bp.Network([4, 3], seed=rng) for _ in range(2))
    assert (first.theta[:12] != second.theta[:12]).all()
    np.testing.assert_array_equal(first.theta, bp.Network([4, 3], seed=0).theta)
    assert (bp.Network([4, 3], seed=None).W[0] != bp.Network([4, 3], seed=None).W[0]).all()
