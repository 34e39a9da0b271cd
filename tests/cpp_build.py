"""Builds with CMake, for the tests that need one; they are skipped where its tools are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))


def unavailable(what: str) -> NoReturn:
    """Skip the test, or fail it where BACKPROP_REQUIRE_CPP says that nothing may be missing."""
    reason = f"needs {what}"
    if os.environ.get("BACKPROP_REQUIRE_CPP"):
        pytest.fail(reason)
    pytest.skip(reason)


def environment() -> dict[str, str]:
    """The variables that builds run with."""
    # Programs of a virtual environment need not be on PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # A compiler does not bring make along; the extra "test" brings ninja.
    generator = {"CMAKE_GENERATOR": "Ninja"} if shutil.which("ninja", path=path) else {}
    return {**generator, **os.environ, "PATH": path}


def program(name: str) -> str:
    return shutil.which(name, path=environment()["PATH"]) or unavailable(name)


def run(*command: str | Path, **options: object) -> str:
    """Return what the command prints; an AssertionError shows all of it if it fails."""
    options.setdefault("env", environment())
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}"
    return str(done.stdout)


def configure(source: Path, build: Path, **variables: str | Path) -> str:
    """Configure a build with CMake, the compiler being CXX or g++; returns CMake's output."""
    compiler = program(os.environ.get("CXX", "g++"))
    defines = [f"-D{name}={value}" for name, value in variables.items()]
    return run(
        program("cmake"), "-S", source, "-B", build, f"-DCMAKE_CXX_COMPILER={compiler}", *defines
    )


def build(folder: Path) -> None:
    run(program("cmake"), "--build", folder, "--parallel", "2")


def require_eigen() -> None:
    if not (SITE_PACKAGES / "cmeel.prefix").exists() and not Path("/usr/include/eigen3").exists():
        unavailable("Eigen: pip install cmeel-eigen")


def configure_ours(folder: Path, **variables: str | Path) -> str:
    """Configure this repository's own build."""
    require_eigen()
    return configure(ROOT, folder, CMAKE_PREFIX_PATH=SITE_PACKAGES, **variables)
