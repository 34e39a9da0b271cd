"""The compiled core under the address, undefined-behaviour and thread sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest
from cpp_build import (
    ROOT,
    SITE_PACKAGES,
    build,
    configure_ours,
    program,
    require_eigen,
    run,
    unavailable,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension of one level, built with both sanitizers and with Eigen's own assertions."""
    if find_spec("pybind11") is None:
        unavailable("pybind11")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        unavailable("Python's headers")
    folder = tmp_path_factory.mktemp("sanitized")
    level = "x86_64_v3" if "avx2" in cpu_flags() else "portable"
    configure_ours(
        folder,
        BACKPROP_PYTHON="ON",
        BACKPROP_LEVELS=level,
        BACKPROP_SANITIZE="address,undefined",
        CMAKE_BUILD_TYPE="Debug",
        CMAKE_CXX_FLAGS="-O1 -D_GLIBCXX_ASSERTIONS",
        Python_EXECUTABLE=sys.executable,
    )
    build(folder)
    (built,) = (folder / level).glob("_backprop*.so")
    return built


def cpu_flags() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text().split() if info.exists() else []


def runtime(name: str) -> str:
    """The file of one of the compiler's libraries."""
    path = run(program(os.environ.get("CXX", "g++")), f"-print-file-name={name}").strip()
    # A compiler that does not have it prints the name back.
    return path if os.path.isabs(path) else unavailable(f"{name} of the compiler")


def test_no_call_reads_or_writes_memory_that_is_not_its_own(module: Path) -> None:
    env = {
        **os.environ,
        # libstdc++ too, or the first exception ends the run.
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libstdc++.so')}",
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    script = Path(__file__).with_name("sanitized.py")
    done = subprocess.run(
        [sys.executable, script, module], env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert (done.returncode, done.stdout) == (0, "clean\n")


def test_the_thread_pool_has_no_race(tmp_path: Path) -> None:
    require_eigen()
    runtime("libtsan.so")
    tests = ROOT / "cpp" / "tests"
    eigen = [SITE_PACKAGES / "cmeel.prefix" / "include" / "eigen3", Path("/usr/include/eigen3")]
    folders = [ROOT / "cpp" / "include", *eigen]
    run(
        program(os.environ.get("CXX", "g++")),
        *("-std=c++17", "-O1", "-g", "-pthread", "-fsanitize=thread"),
        *(f"-I{folder}" for folder in folders if folder.exists()),
        *(tests / "main.cpp", tests / "test_parallel.cpp", "-o", tmp_path / "tests"),
    )
    # Where addresses are drawn from too wide a range the sanitizer cannot place its shadow memory.
    printed = run(program("setarch"), "-R", tmp_path / "tests")
    assert "Status: SUCCESS" in printed
