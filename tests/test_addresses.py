"""Every public module is there under its public name, however it is asked for, and once only."""

import pickle
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

import backprop as bp
from backprop._addresses import PUBLIC

# What they need besides NumPy.
EXTRAS = {"sklearn": "sklearn", "threadpool": "threadpoolctl"}


def needs(name):
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])


def in_a_new_process(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("name", PUBLIC)
def test_both_names_of_a_module_are_one_object(name):
    needs(name)
    module = import_module(f"backprop.{name}")
    assert module is import_module(f"backprop.{PUBLIC[name]}")
    assert getattr(bp, name) is module
    assert module.__spec__.name == module.__name__ == f"backprop.{PUBLIC[name]}"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_is_an_attribute_right_after_the_import(name):
    needs(name)
    code = f"import backprop as bp; print(bp.{name}.__name__)"
    assert in_a_new_process(code) == f"backprop.{PUBLIC[name]}\n"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_can_be_imported_first_and_by_its_names(name):
    needs(name)
    code = f"""
import backprop.{name}
from backprop.{name} import __name__ as said
from backprop import {name}
print(said == {name}.__name__ == backprop.{name}.__name__)
"""
    assert in_a_new_process(code) == "True\n"


def test_they_are_listed():
    assert set(PUBLIC) <= set(dir(bp))


def test_what_leads_in_returns_a_network(tmp_path):
    net = bp.Network([3, 4, 2])
    net.save(tmp_path / "net.safetensors")
    assert type(bp.load(tmp_path / "net.safetensors")) is bp.Network
    assert type(bp.io.read(tmp_path / "net.safetensors").network) is bp.Network
    state = {"0.weight": net.W[0], "0.bias": net.b[0]}
    assert type(bp.from_torch(state)) is bp.Network
    assert type(bp.interchange.fold(net)) is bp.Network
    assert type(net.copy()) is type(net.astype("float64")) is bp.Network


# The class of each pickled object, under the module in which earlier versions had it.
OLD = [
    ("backprop.network", "Network"),
    ("backprop.gradients", "Gradients"),
    ("backprop.trace", "Trace"),
    ("backprop.trace", "Layer"),
    ("backprop.history", "History"),
    ("backprop.errors", "DivergenceError"),
    ("backprop.optimizers", "AdamW"),
    ("backprop.schedules", "Cosine"),
    ("backprop.schedules", "Plateau"),
    ("backprop.callbacks", "EarlyStopping"),
    ("backprop.callbacks", "Checkpoint"),
    ("backprop.explain", "Explanation"),
    ("backprop.explain", "Path"),
    ("backprop.explain", "Factor"),
    ("backprop.account", "Account"),
    ("backprop.account", "LayerAccount"),
    ("backprop.diagnose", "Diagnosis"),
    ("backprop.diagnose", "Finding"),
    ("backprop.gradcheck", "GradientReport"),
    ("backprop.gradcheck", "ArrayCheck"),
    ("backprop._first_wrong", "WrongArray"),
    ("backprop.io", "Saved"),
    ("backprop.interchange._sklearn", "FromSklearn"),
    ("backprop.data._dataset", "Dataset"),
    ("backprop.data._standardizer", "Standardizer"),
]


@pytest.mark.parametrize(("module", "name"), OLD)
def test_classes_are_found_where_old_pickles_look_for_them(module, name):
    # A pickle that is nothing but the class, by its module and name.
    assert pickle.loads(f"c{module}\n{name}\n.".encode()).__name__ == name
    in_a_new_process(f"import pickle; pickle.loads(b'c{module}\\n{name}\\n.')")


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        ("backprop.interchange._torch_exp", "Exp", "torch"),
        ("backprop.sklearn._classifier", "MLPClassifier", "sklearn"),
        ("backprop.sklearn._regressor", "MLPRegressor", "sklearn"),
        ("backprop.sklearn._optimizer", "Optimizer", "sklearn"),
    ],
)
def test_classes_of_other_packages_are_found_where_old_pickles_look(module, name, extra):
    pytest.importorskip(extra)
    assert pickle.loads(f"c{module}\n{name}\n.".encode()).__name__ == name


def test_an_old_pickle_of_a_trace_shows_itself():
    net = bp.Network([2, 3, 2])
    trace = net.trace(np.ones((1, 2)), [0])
    moved = pickle.dumps(trace, protocol=0)
    old = moved.replace(b"backprop.look.trace", b"backprop.trace").replace(
        b"backprop.core.trace", b"backprop.trace"
    )
    assert old != moved
    assert str(pickle.loads(old)) == str(trace)


def test_import_backprop_needs_numpy_alone():
    code = """
import sys, numpy
standard = set(sys.stdlib_module_names)
before = set(sys.modules)
import backprop
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - standard - {"backprop", "numpy"}))
"""
    assert in_a_new_process(code) == "[]\n"
