"""Schedules against PyTorch's lr_scheduler; skipped where PyTorch is missing."""

import random

import numpy as np
import pytest

from backprop.schedules import (
    SCHEDULES,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    Plateau,
    ReduceOnPlateau,
    Step,
)

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler

LR, EPOCHS, N_BATCHES = 0.3, 12, 5
STEPS = EPOCHS * N_BATCHES


def sgd():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)


def cosine_after_a_rise(optimizer, n_rise):
    rise = theirs.LinearLR(optimizer, start_factor=1 / n_rise, total_iters=n_rise - 1)
    wave = theirs.CosineAnnealingLR(optimizer, T_max=STEPS - n_rise, eta_min=0.1 * LR)
    return theirs.SequentialLR(optimizer, [rise, wave], milestones=[n_rise])


# Ours, theirs, and how many of our steps one of theirs is.
PAIRS = {
    "constant": (SCHEDULES["constant"], lambda o: theirs.ConstantLR(o, factor=1), 1),
    "step": (Step(5, 0.2), lambda o: theirs.StepLR(o, step_size=5, gamma=0.2), N_BATCHES),
    "exponential": (Exponential(0.9), lambda o: theirs.ExponentialLR(o, gamma=0.9), N_BATCHES),
    "cosine": (Cosine(), lambda o: theirs.CosineAnnealingLR(o, T_max=STEPS), 1),
    "warm-up": (Cosine(warmup=2.2, final=0.1), lambda o: cosine_after_a_rise(o, 11), 1),
    "inverse_scaling": (
        InverseScaling(0.4),
        lambda o: theirs.LambdaLR(o, lambda t: (t + 1) ** -0.4),
        1,
    ),
    "one_cycle": (
        OneCycle(rise=0.35, start=20, end=50),
        lambda o: theirs.OneCycleLR(
            o, LR, STEPS, pct_start=0.35, div_factor=20, final_div_factor=50
        ),
        1,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.filterwarnings("ignore:.*epoch parameter in `scheduler.step:UserWarning")
def test_rates_equal_pytorchs(name):
    schedule, make, every = PAIRS[name]
    optimizer = sgd()
    scheduler = make(optimizer)
    expected = []
    for step in range(1, STEPS + 1):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step % every == 0 and step < STEPS:
            scheduler.step()
    rates = [schedule.rates(LR, e, EPOCHS, N_BATCHES) for e in range(EPOCHS)]
    # PyTorch's recursive forms gather rounding on their way.
    np.testing.assert_allclose(np.concatenate(rates), expected, rtol=1e-12, atol=1e-15)


def test_rates_on_a_plateau_equal_pytorchs():
    schedule = ReduceOnPlateau(factor=0.3, patience=2, threshold=0.05, smallest=1e-4)
    optimizer = sgd()
    scheduler = theirs.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=2, threshold=0.05, min_lr=1e-4
    )
    rng = random.Random(0)
    state, rates, expected = Plateau(LR), [], []
    for epoch in range(60):
        loss = 1 / (epoch + 1) + rng.random()
        scheduler.step(loss)
        state = schedule.after(state, loss)
        rates.append(state.lr)
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates == expected
    assert len(set(rates)) > 5


def test_every_schedule_is_compared():
    assert {type(ours) for ours, _, _ in PAIRS.values()} | {ReduceOnPlateau} == {
        type(schedule) for schedule in SCHEDULES.values()
    }
