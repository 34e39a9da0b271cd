"""The tables of facts have a row for every name of the compiled core, and each row is true."""

import numpy as np
import pytest

import backprop as bp
from backprop.core import engine, facts
from backprop.exchange import _formulas
from backprop.training import optimizers


def test_every_name_of_the_core_has_a_row_and_no_other():
    assert list(facts.ACTIVATIONS) == engine.activations()
    assert list(_formulas.ACTIVATIONS) == engine.activations()
    assert facts.OUTPUTS.keys() == _formulas.OUTPUTS.keys() == engine.outputs().keys()
    assert list(facts.LOSSES) == [name for names in engine.outputs().values() for name in names]


def test_losses_with_a_parameter_are_stated_by_the_reference():
    parameters = engine.loss_parameters()
    assert {name for name, fact in facts.LOSSES.items() if fact.stated} == parameters.keys()


def test_a_loss_that_cannot_be_stated_is_not_taken_for_another(monkeypatch):
    huber = facts.LOSSES["huber"]._replace(stated=None)
    monkeypatch.setitem(facts.LOSSES, "huber", huber)
    net = bp.Network([2, 1], output="linear", loss=("huber", 0.5))
    with pytest.raises(NotImplementedError, match="must say how the reference states 'huber'"):
        bp.check_gradients(net, np.ones((2, 2)), [1.0, 2.0])


@pytest.mark.parametrize("name", facts.LOSSES)
def test_a_loss_takes_labels_where_its_row_says_so(name):
    [output] = [output for output, losses in engine.outputs().items() if name in losses]
    net = bp.Network([2, 3], output=output, loss=name)
    if name in engine.LOSSES_OF_LABELS:
        assert np.isfinite(net.loss(np.ones((2, 2)), [0, 2]))
    else:
        with pytest.raises(ValueError, match="`y` must have shape"):
            net.loss(np.ones((2, 2)), [0, 1])


@pytest.mark.parametrize("name", engine.optimizers())
def test_the_options_of_an_optimizer_have_the_defaults_of_the_core(name):
    known = engine.optimizers()[name]
    core_name, options = optimizers.core(optimizers.OPTIMIZERS[name])
    assert core_name == name
    assert options == {option: known[option] for option in options}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_astype_keeps_the_weights_and_shares_none(dtype):
    net = bp.Network([3, 4, 2], hidden="tanh", loss=("cross_entropy", 0.1), check_finite=False)
    twin = net.astype(dtype)
    assert twin.dtype == dtype
    assert twin.same_architecture(net)
    assert twin.check_finite is False
    np.testing.assert_array_equal(twin.theta, net.theta)
    assert not np.shares_memory(twin.theta, net.theta)
    with pytest.raises(ValueError, match="`dtype` must be float32 or float64, got int64"):
        net.astype(int)
