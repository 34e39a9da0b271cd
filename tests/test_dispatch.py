"""The core that is loaded is the best the processor can run, or the lower one asked for."""

import os
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

import backprop
from backprop import _backprop, _cpu
from backprop.core import _levels as _dispatch

LEVELS = ["x86_64_v2", "x86_64_v3", "x86_64_v4"]


@pytest.mark.parametrize(
    ("supported", "built", "forced", "chosen"),
    [
        (LEVELS, LEVELS, None, "x86_64_v4"),
        (LEVELS[:2], LEVELS, None, "x86_64_v3"),
        (LEVELS, LEVELS[:2], None, "x86_64_v3"),
        (LEVELS, LEVELS, "", "x86_64_v4"),
        (LEVELS, LEVELS, "x86_64_v2", "x86_64_v2"),
        (LEVELS, LEVELS, "x86-64-V3", "x86_64_v3"),
        (["aarch64"], ["aarch64"], None, "aarch64"),
    ],
)
def test_the_best_level_that_was_built_is_chosen(supported, built, forced, chosen):
    assert _dispatch.choose_level(supported, built, forced) == chosen


@pytest.mark.parametrize(
    ("supported", "built", "forced", "message"),
    [
        (LEVELS[:1], LEVELS, "x86_64_v3", "one of x86_64_v2, got 'x86_64_v3': this processor cann"),
        (LEVELS, LEVELS[1:], "x86_64_v2", "got 'x86_64_v2': this installation was built without"),
        (LEVELS, LEVELS, "sse9", "got 'sse9': there is no such level here; unset it"),
        (LEVELS[:1], LEVELS[2:], None, "no compiled core for this processor, which runs x86_64_v2"),
        (LEVELS, [], None, "this installation has none; did you forget to compile?"),
    ],
)
def test_a_level_that_cannot_run_is_refused(supported, built, forced, message):
    with pytest.raises(ImportError, match=re.escape(message)):
        _dispatch.choose_level(supported, built, forced)


def test_built_levels_are_found_in_every_folder_of_the_package(tmp_path):
    for folder, level in [("a", "x86_64_v2"), ("a", "x86_64_v3"), ("b", "x86_64_v4")]:
        (tmp_path / folder / "_levels" / level).mkdir(parents=True)
    v2, v4 = (
        tmp_path / where / ("_backprop" + EXTENSION_SUFFIXES[0])
        for where in ("a/_levels/x86_64_v2", "b/_levels/x86_64_v4")
    )
    v2.touch()
    v4.touch()
    folders = [str(tmp_path / name) for name in "abc"]
    assert _dispatch.find_built(folders) == {"x86_64_v2": str(v2), "x86_64_v4": str(v4)}


def test_a_missing_core_asks_whether_it_was_compiled(monkeypatch):
    monkeypatch.delattr(backprop, "_cpu")
    monkeypatch.setitem(sys.modules, "backprop._cpu", None)
    with pytest.raises(ImportError, match=r"core is missing: .* did you forget to compile"):
        _dispatch.load(backprop.__path__, None)


def in_a_new_process(code, level=None):
    environment = {k: v for k, v in os.environ.items() if k != "BACKPROP_LEVEL"}
    if level is not None:
        environment["BACKPROP_LEVEL"] = level
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )


def test_every_level_that_can_run_here_can_be_forced():
    usable = [level for level in _cpu.levels() if level in _dispatch.find_built(backprop.__path__)]
    assert usable
    for level in usable:
        run = in_a_new_process("import backprop; print(backprop.info()['level'])", level)
        assert (run.stdout, run.stderr) == (level + "\n", "")
    run = in_a_new_process("import backprop; print(backprop.info()['level'])")
    assert run.stdout == usable[-1] + "\n"


def test_an_unknown_level_is_an_import_error():
    run = in_a_new_process("import backprop", "sse9")
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: BACKPROP_LEVEL must be one of ")
    assert "got 'sse9': there is no such level here; unset it to use the best" in last


def test_the_core_is_a_submodule_like_any_other():
    assert sys.modules["backprop._backprop"] is _backprop
    assert backprop._backprop is _backprop
    assert _backprop.__name__ == "backprop._backprop"
    assert os.sep + "_levels" + os.sep in _backprop.__file__


def test_importing_leaves_slow_modules_alone():
    """Each takes longer to import than the package is allowed to."""
    code = """
import sys, numpy
before = set(sys.modules)
import backprop
print(sorted({m.split(".")[0] for m in set(sys.modules) - before} & SLOW))
print([m for m in sys.modules if m in ("numpy.random", "backprop.reference") and m not in before])
"""
    slow = {"argparse", "csv", "difflib", "inspect", "dataclasses", "rich", "matplotlib", "logging"}
    run = in_a_new_process(code.replace("SLOW", repr(slow)))
    assert run.stdout == "[]\n[]\n", run.stderr
