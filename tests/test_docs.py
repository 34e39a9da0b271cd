"""Every code block of the documents runs, and prints what the document says it prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Block(NamedTuple):
    language: str
    text: str
    output: str | None


def blocks(document: Path) -> list[Block]:
    """The fenced blocks; a ```text block is the output of the one before it."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text("utf-8"), re.M | re.S)
    result: list[Block] = []
    for language, text in found:
        if language == "text":
            result[-1] = result[-1]._replace(output=text)
        else:
            result.append(Block(language, text, None))
    return result


def commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]


def run(block: Block, folder: Path) -> str:
    if block.language == "python":
        argvs = [[sys.executable, "-c", block.text]]
    else:
        # Installing and testing is what got us here.
        argvs = [
            [sys.executable, "-m", "backprop", *argv[1:]]
            for argv in commands(block.text)
            if argv and argv[0] == "backprop"
        ]
    output = ""
    for argv in argvs:
        done = subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, timeout=300, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), argv
        output += done.stdout
    return output


def assert_same_output(printed: str, promised: str) -> None:
    """Equal but for rounding, which differs between instruction sets, for times and for spaces."""
    got, said = (re.sub(r"\d+\.\d+ s\b", "TIME s", text) for text in (printed, promised))
    got_lines, said_lines = ([line.split() for line in text.splitlines()] for text in (got, said))
    if ["..."] in said_lines:
        # Three dots stand for any lines.
        i = said_lines.index(["..."])
        n_after = len(said_lines) - i - 1
        assert len(got_lines) >= i + n_after, printed
        got_lines = got_lines[:i] + got_lines[len(got_lines) - n_after :]
        del said_lines[i]
    assert len(got_lines) == len(said_lines), printed
    for line, expected in zip(got_lines, said_lines, strict=True):
        texts = [NUMBER.sub("#", " ".join(words)) for words in (line, expected)]
        assert texts[0] == texts[1], printed
        numbers = [[float(x) for x in NUMBER.findall(" ".join(w))] for w in (line, expected)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.011, abs=0.011), printed


def test_readme_blocks_run_in_order_and_print_what_they_promise(tmp_path: Path) -> None:
    found = blocks(ROOT / "README.md")
    assert [block.language for block in found] == ["sh", "sh", "sh", "python", "sh"]
    assert sum(block.output is not None for block in found) == 2
    for block in found:
        printed = run(block, tmp_path)
        if block.output is not None:
            assert_same_output(printed, block.output)
    for name in (
        "penguins.safetensors",
        "penguins.png",
        "digits.safetensors",
        "deep.safetensors",
        "predictions.csv",
    ):
        assert (tmp_path / name).stat().st_size > 0


def test_readme_example_is_short() -> None:
    (example,) = (b for b in blocks(ROOT / "README.md") if b.language == "python")
    assert len([line for line in example.text.splitlines() if line]) <= 15


def test_readme_installs_extras_that_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    extras = re.findall(r"\.\[([\w,]+)\]", (ROOT / "README.md").read_text("utf-8"))
    assert extras
    for extra in ",".join(extras).split(","):
        assert re.search(rf"^{extra} = \[", project, re.M), extra


def test_ci_runs_the_test_command_of_the_readme_word_for_word() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    (expression,) = re.findall(r"sed -n '(.*)' README\.md", script)
    found = subprocess.run(
        ["sed", "-n", expression, ROOT / "README.md"], capture_output=True, text=True, check=True
    ).stdout
    assert commands(found) == [["pip", "install", ".[test]"], ["python", "-m", "pytest"]]
    assert found in [block.text for block in blocks(ROOT / "README.md")]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize(
    ("printed", "promised"),
    [
        ("accuracy 0.90\n", "accuracy 0.98\n"),
        ("accuracy 0.98\nmore\n", "accuracy 0.98\n"),
        ("loss 0.98\n", "accuracy 0.98\n"),
    ],
)
def test_outputs_that_differ_are_told_apart(printed: str, promised: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(printed.split()[1])):
        assert_same_output(printed, promised)


def test_files_that_the_documents_link_to_exist() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
            assert link.startswith("https://") or (ROOT / link).exists(), link
