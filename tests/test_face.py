"""The names of the package: what an import costs nobody, and is there all the same."""

import subprocess
import sys

import pytest

import backprop as bp

LATE = """
import sys
import backprop as bp
late = ["optimizers", "schedules", "callbacks", "training", "metrics", "data"]
assert not [name for name in late if f"backprop.{name}" in sys.modules], sys.modules
assert not {"scipy", "sklearn", "rich", "matplotlib", "dataclasses"} & set(sys.modules) - loaded
bp.EarlyStopping(patience=3), bp.Checkpoint("x"), bp.Callback
assert bp.optimizers.Adam().eps == 1e-8
assert bp.schedules.Cosine(warmup=2).warmup == 2.0
"""


def test_what_few_need_is_imported_when_it_is_asked_for():
    code = "import numpy, sys; loaded = set(sys.modules)\n" + LATE
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_is_there():
    for name in bp.__all__:
        assert getattr(bp, name) is not None
    assert set(bp.__all__) <= set(dir(bp))


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="module 'backprop' has no attribute 'optimisers'"):
        _ = bp.optimisers


def test_what_is_missing_is_named():
    code = "import sys; sys.modules['sklearn'] = None; import backprop.sklearn"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert "ImportError: backprop.sklearn needs scikit-learn; install it with" in done.stderr
