"""threadpoolctl governs backprop's threads once it has been told of them."""

import subprocess
import sys

import pytest

import backprop as bp

threadpoolctl = pytest.importorskip("threadpoolctl")
import backprop.threadpool  # noqa: E402


def ours():
    return [entry for entry in threadpoolctl.threadpool_info() if entry["user_api"] == "backprop"]


def test_the_pool_is_listed_with_its_version_and_threads():
    with bp.threads(3):
        (entry,) = ours()
    assert entry["version"] == bp.__version__
    assert entry["num_threads"] == 3
    assert "_backprop" in entry["filepath"]


def test_limits_hold_inside_and_are_lifted_after():
    with bp.threads(4):
        with threadpoolctl.threadpool_limits(1):
            assert bp.get_num_threads() == 1
        assert bp.get_num_threads() == 4
        with threadpoolctl.threadpool_limits(2, user_api="backprop"):
            assert bp.get_num_threads() == 2
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            assert bp.get_num_threads() == 4


@pytest.mark.parametrize("first", ["threadpoolctl", "backprop"])
def test_backprop_alone_neither_needs_nor_registers_it(first):
    code = f"""
import sys, {first}
import backprop
assert {first != "backprop"} == ("threadpoolctl" in sys.modules)
import threadpoolctl
threadpoolctl.threadpool_info()
assert "backprop" not in [entry["user_api"] for entry in threadpoolctl.threadpool_info()]
import backprop.threadpool
assert "backprop" in [entry["user_api"] for entry in threadpoolctl.threadpool_info()]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_threadpoolctl_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.delitem(sys.modules, "backprop.threadpool")
    monkeypatch.delitem(sys.modules, "backprop.core.threadpool")
    with pytest.raises(ImportError, match=r"pip install 'backprop\[threadpoolctl\]'"):
        import backprop.threadpool  # noqa: F401
