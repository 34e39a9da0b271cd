"""The core as a C++ programmer meets it: its chapter, its unit tests, its CMake package."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from cpp_build import (
    ROOT,
    SITE_PACKAGES,
    configure,
    configure_ours,
    environment,
    program,
    require_eigen,
    run,
)

CONSUMER = ROOT / "cpp" / "tests" / "consumer"
CHAPTER = (ROOT / "docs" / "cpp.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", CHAPTER, re.M | re.S)


def run_block(commands: str, folder: Path, **variables: str | Path) -> str:
    """Run commands of the chapter, which expect the programs on PATH, and return their output."""
    program("cmake")
    env = {
        **environment(),
        "CMAKE_BUILD_PARALLEL_LEVEL": "2",
        **{name: str(value) for name, value in variables.items()},
    }
    return run("bash", "-euo", "pipefail", "-c", commands, cwd=folder, env=env)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the CMake package where a wheel puts it, beside cmeel-eigen."""
    folder = tmp_path_factory.mktemp("site")
    configure_ours(folder / "build")
    run(program("cmake"), "--install", folder / "build", "--prefix", folder / "backprop")
    eigen = SITE_PACKAGES / "cmeel.prefix"
    if eigen.exists():
        (folder / "cmeel.prefix").symlink_to(eigen)
    return folder


@pytest.mark.slow
def test_the_core_passes_its_unit_tests_on_every_level_of_this_machine(tmp_path: Path) -> None:
    require_eigen()
    (_, _, commands) = blocks("sh")
    printed = run_block(commands.replace("-S .", f"-S '{ROOT}'"), tmp_path, SITE=SITE_PACKAGES)
    assert re.search(r"100% tests passed(, 0 tests failed)? out of [1-9]", printed), printed
    compiled = (tmp_path / "build" / "cpp" / "tests").glob("backprop_tests_*")
    tested = set(re.findall(r"core_(\w+) \.+ +Passed", printed))
    assert tested == {path.stem.removeprefix("backprop_tests_") for path in compiled}


def test_the_chapter_finds_the_folder_of_the_packages(tmp_path: Path) -> None:
    install, *commands = blocks("sh")[0].splitlines()
    # Installing is what got us here.
    assert install.split() == ["pip", "install", "backprop", "cmeel-eigen"]
    printed = run_block("\n".join([*commands, 'echo "$SITE"']), tmp_path)
    assert Path(printed.strip()) == SITE_PACKAGES


@pytest.mark.slow
def test_a_consumer_builds_as_the_chapter_says(site: Path, tmp_path: Path) -> None:
    project = shutil.copytree(CONSUMER, tmp_path / "project")
    (_, commands, _) = blocks("sh")
    printed = run_block(commands, project, SITE=site, CXXFLAGS="-Wall -Wextra -Werror")
    (promised,) = blocks("text")
    assert printed.endswith(promised)


@pytest.mark.slow
def test_a_consumer_finds_a_prefix_and_is_refused_another_version(
    site: Path, tmp_path: Path
) -> None:
    found = {"CMAKE_PREFIX_PATH": f"{site / 'backprop'};{site / 'cmeel.prefix'}"}
    configure(CONSUMER, tmp_path / "found", **found)
    other = shutil.copytree(CONSUMER, tmp_path / "other")
    lists = (other / "CMakeLists.txt").read_text("utf-8")
    (other / "CMakeLists.txt").write_text(lists.replace("backprop 0.1", "backprop 99"), "utf-8")
    with pytest.raises(AssertionError, match="compatible with requested version"):
        configure(other, tmp_path / "refused", **found)


@pytest.mark.slow
def test_the_package_names_no_folder_of_the_machine_that_built_it(site: Path) -> None:
    files = list((site / "backprop" / "share").rglob("*.cmake"))
    assert len(files) == 3
    for file in files:
        text = file.read_text("utf-8")
        assert str(ROOT) not in text
        assert str(site) not in text
        assert str(SITE_PACKAGES) not in text


def test_the_chapter_shows_the_consumer_word_for_word() -> None:
    assert blocks("cmake") == [(CONSUMER / "CMakeLists.txt").read_text("utf-8")]
    assert blocks("cpp") == [(CONSUMER / "main.cpp").read_text("utf-8")]


def test_the_chapter_names_every_header_and_no_other() -> None:
    headers = {path.name for path in (ROOT / "cpp" / "include" / "backprop").glob("*.hpp")}
    assert set(re.findall(r"^\| `(\w+\.hpp)`", CHAPTER, re.M)) == headers


def test_one_header_knows_the_packet_functions_that_eigen_keeps_to_itself() -> None:
    sources = [p for p in (ROOT / "cpp").rglob("*.[hc]pp") if "vendor" not in p.parts]
    assert sources
    private = [path.name for path in sources if "internal" in path.read_text("utf-8")]
    assert private == ["simd.hpp"]
