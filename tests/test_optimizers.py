"""The settings of optimizers: names, options, what the compiled trainer is told, and errors."""

import dataclasses
import pickle

import pytest

from backprop import optimizers, reference
from backprop.core.choice import choose, describe
from backprop.optimizers import LBFGS, OPTIMIZERS, SGD, AdaGrad, Adam, AdamW, Lion, RMSprop


def test_the_names_are_the_references_and_lbfgs():
    assert set(OPTIMIZERS) == {*reference.OPTIMIZERS, "lbfgs"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_name_stands_for_the_defaults(name):
    optimizer = optimizers.get(name)
    assert optimizer is OPTIMIZERS[name]
    assert optimizers.get(optimizer) is optimizer
    assert choose("optimizer", describe(optimizer, OPTIMIZERS), OPTIMIZERS) == optimizer
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer
    assert 0 < optimizer.default_lr <= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        optimizer.memory = 3


@pytest.mark.parametrize("name", set(OPTIMIZERS) - {"lbfgs"})
def test_the_compiled_trainer_is_told_the_same_name(name):
    assert optimizers.core(OPTIMIZERS[name])[0] == name


def test_the_compiled_trainer_is_told_the_options():
    assert optimizers.core(SGD()) == ("sgd", {})
    assert optimizers.core(SGD(momentum=0.5)) == ("momentum", {"momentum": 0.5})
    assert optimizers.core(SGD(0.5, nesterov=True)) == ("nesterov", {"momentum": 0.5})
    assert optimizers.core(Adam(beta_1=0)) == (
        "adam",
        {"beta_1": 0.0, "beta_2": 0.999, "eps": 1e-8},
    )
    assert optimizers.core(AdamW(weight_decay=1))[1]["weight_decay"] == 1.0
    assert optimizers.core(RMSprop(alpha=0.5)) == ("rmsprop", {"alpha": 0.5, "eps": 1e-8})


def test_a_mapping_changes_options_of_the_name():
    assert optimizers.get({"name": "nesterov", "momentum": 0.5}) == SGD(0.5, nesterov=True)
    assert optimizers.get({"name": "adamw", "beta_1": 0.5}) == AdamW(beta_1=0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(momentum=1), "`momentum` must be from 0 to below 1, got 1"),
        (lambda: SGD(nesterov=True), "`nesterov` must come with a `momentum` above 0"),
        (lambda: AdaGrad(eps=-1e-9), "`eps` must be finite and 0 or more, got -1e-09"),
        (lambda: RMSprop(alpha=1), "`alpha` must be from 0 to below 1, got 1"),
        (lambda: Adam(beta_2=1.0), "`beta_2` must be from 0 to below 1, got 1.0"),
        (lambda: AdamW(beta_1=-1), "`beta_1` must be from 0 to below 1, got -1"),
        (lambda: AdamW(weight_decay=-1), "`weight_decay` must be finite and 0 or more, got -1"),
        (lambda: Lion(weight_decay=float("inf")), "`weight_decay` must be finite and 0 or more"),
        (lambda: LBFGS(memory=0), "`memory` must be at least 1, got 0"),
        (lambda: optimizers.get("adamm"), "`optimizer` must be one of .* did you mean 'adam"),
        (
            lambda: optimizers.get({"name": "adam", "momentum": 0.9}),
            "`optimizer option` must be one of beta_1, beta_2, eps, got 'momentum'",
        ),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(nesterov=1), "`nesterov` must be True or False, got 1"),
        (lambda: Adam(eps="1"), "`eps` must be a number, got '1'"),
        (lambda: optimizers.get(None), "`optimizer` must be a name or one of AdaGrad, .* NoneType"),
        (lambda: optimizers.get(Adam), "`optimizer` must be a name or one of AdaGrad, .* got type"),
    ],
)
def test_values_of_a_wrong_kind_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()
