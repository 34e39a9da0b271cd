"""Learning rates: the values of each schedule worked by hand, and the rules for its options."""

import math
import pickle

import numpy as np
import pytest

from backprop import schedules
from backprop.core.choice import choose, describe
from backprop.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    Plateau,
    ReduceOnPlateau,
    Step,
)


def curve(schedule, lr=0.8, epochs=4, n_batches=2):
    """The rate of every step of a training."""
    return np.concatenate([schedule.rates(lr, e, epochs, n_batches) for e in range(epochs)])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(), [0.8] * 8),
        (Step(every=2, factor=0.5), [0.8] * 4 + [0.4] * 4),
        (Exponential(factor=0.5), [0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1]),
        (InverseScaling(power=1), [0.8 / (t + 1) for t in range(8)]),
        (Cosine(), [0.4 * (1 + math.cos(math.pi * t / 8)) for t in range(8)]),
        # w = 3 of 8 steps rise, the other 5 fall from 0.8 to 0.08.
        (
            Cosine(warmup=1.5, final=0.1),
            [0.8 / 3, 1.6 / 3, 0.8]
            + [0.8 * (0.1 + 0.45 * (1 + math.cos(math.pi * t / 5))) for t in range(1, 5)],
        ),
        # The top lies at t = 0.5 * 8 - 1 = 3, the end at 7.
        (
            OneCycle(rise=0.5, start=4, end=5),
            [0.8 - 0.3 * (1 + math.cos(math.pi * t / 3)) for t in range(4)]
            + [0.04 + 0.38 * (1 + math.cos(math.pi * t / 4)) for t in range(1, 5)],
        ),
    ],
)
def test_a_schedule_has_the_values_worked_by_hand(schedule, expected):
    if isinstance(schedule, Cosine) and schedule.warmup:
        expected.insert(3, 0.8)  # the top is both the end of the rise and the start of the fall
    np.testing.assert_allclose(curve(schedule), expected, rtol=1e-14)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize(("epochs", "n_batches"), [(1, 1), (1, 3), (3, 1), (2, 5)])
def test_rates_of_the_shortest_trainings_are_finite_and_within_the_rate(
    schedule, epochs, n_batches
):
    rates = curve(schedule, epochs=epochs, n_batches=n_batches)
    assert rates.shape == (epochs * n_batches,)
    assert rates.dtype == np.float64
    assert (rates >= 0).all()
    assert (rates <= 0.8).all()


def test_a_rise_longer_than_the_training_only_rises():
    np.testing.assert_allclose(
        curve(Cosine(warmup=8), epochs=2, n_batches=1), [0.1, 0.2], rtol=1e-14
    )


def test_the_rate_falls_after_more_than_patience_epochs_without_a_better_loss():
    schedule = ReduceOnPlateau(factor=0.5, patience=1, threshold=0.1, smallest=0.3)
    state, rates = Plateau(1.0), []
    #            best, best, not by a tenth, worse, best, worse, worse, worse, worse, nan
    for loss in [10.0, 8.0, 7.3, 9.0, 7.0, 9.0, 9.0, 9.0, 9.0, math.nan]:
        state = schedule.after(state, loss)
        rates.append(state.lr)
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3]
    assert state.best == 7.0
    assert (schedule.rates(state.lr, 5, 10, 3) == 0.3).all()


def test_a_negative_loss_must_fall_further_too():
    schedule = ReduceOnPlateau(patience=0, threshold=0.1)
    state = schedule.after(Plateau(1.0), -10.0)
    assert schedule.after(state, -10.5).best == -10.0
    assert schedule.after(state, -11.5).best == -11.5


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_name_stands_for_the_defaults(name):
    schedule = schedules.get(name)
    assert schedule is SCHEDULES[name]
    assert schedules.get(schedule) is schedule
    assert choose("schedule", describe(schedule, SCHEDULES), SCHEDULES) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_a_mapping_names_a_schedule_and_its_options():
    assert schedules.get({"name": "cosine", "warmup": 2}) == Cosine(warmup=2.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Step(every=0), "`every` must be at least 1, got 0"),
        (lambda: Step(factor=0), "`factor` must be above 0 and at most 1, got 0"),
        (lambda: Exponential(factor=1.5), "`factor` must be above 0 and at most 1, got 1.5"),
        (lambda: Cosine(warmup=-1), "`warmup` must be finite and 0 or more, got -1"),
        (lambda: Cosine(warmup=math.nan), "`warmup` must be finite and 0 or more, got nan"),
        (lambda: Cosine(final=2), "`final` must be from 0 to 1, got 2"),
        (lambda: InverseScaling(power=-0.5), "`power` must be finite and 0 or more, got -0.5"),
        (lambda: OneCycle(rise=1), "`rise` must be from 0 to below 1, got 1"),
        (lambda: OneCycle(start=0.5), "`start` must be finite and at least 1, got 0.5"),
        (lambda: ReduceOnPlateau(patience=-1), "`patience` must be at least 0, got -1"),
        (lambda: schedules.get("cosin"), "`schedule` must be one of .* did you mean 'cosine'"),
        (lambda: schedules.get({"warmup": 2}), "`schedule` must have a 'name' among its keys"),
        (
            lambda: schedules.get({"name": "cosine", "warmpu": 2}),
            "`schedule option` must be one of .* did you mean 'warmup'",
        ),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Exponential(factor="0.5"), "`factor` must be a number, got '0.5'"),
        (lambda: Exponential(factor=True), "`factor` must be a number, got True"),
        (lambda: Step(every=1.5), "`every` must be an integer, got 1.5"),
        (lambda: schedules.get(3), "`schedule` must be a name or one of Constant, .* got int"),
        (lambda: schedules.get({"name": 3}), "`schedule` must be a name, got int"),
    ],
)
def test_values_of_a_wrong_kind_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()
