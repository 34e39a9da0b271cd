"""Every code block of docs/ runs, prints what the page says it prints, and the pages build."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from c_header import compile_c

from backprop.cli import main

DOCS = Path(__file__).parents[1] / "docs"
# The blocks of these are C++, and a test of their own compiles them.
ELSEWHERE = ("cpp.md",)
PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name not in ELSEWHERE)
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Block(NamedTuple):
    language: str
    text: str
    line: int
    needs: tuple[str, ...] = ()


def blocks(page: str) -> list[Block]:
    """The fenced blocks; the comment `<!-- needs a, b -->` before one names what it imports."""
    text = (DOCS / page).read_text("utf-8")
    found = re.finditer(r"^(?:<!-- needs ([\w, ]+) -->\n)?```(\S*)\n(.*?)^```$", text, re.M | re.S)
    return [
        Block(m[2], m[3], text.count("\n", 0, m.start(3)), tuple((m[1] or "").split(", ")))
        for m in found
    ]


def can_run(block: Block) -> bool:
    if block.language == "c" and shutil.which("cc") is None:
        return False
    return all(find_spec(module) for module in block.needs if module)


def run_python(block: Block, page: str, namespace: dict[str, Any]) -> None:
    # As many lines down as on the page, so that a traceback points there.
    exec(compile("\n" * block.line + block.text, str(DOCS / page), "exec"), namespace)


def run_shell(block: Block) -> None:
    for line in block.text.replace("\\\n", " ").splitlines():
        argv = shlex.split(line, comments=True)
        if argv:
            assert argv[0] == "backprop", f"this test cannot run {line!r}"
            assert main(argv[1:]) == 0, line


def run_c(block: Block, folder: Path) -> str:
    return subprocess.run(
        [compile_c(folder, block.text, "-std=c99")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def assert_printed(printed: str, promised: str) -> None:
    """Equal but for spaces and for the rounding that differs between instruction sets."""
    got, said = (
        [line.split() for line in text.strip().splitlines()] for text in (printed, promised)
    )
    assert len(got) == len(said), printed
    for words, expected in zip(got, said, strict=True):
        texts = [NUMBER.sub("#", " ".join(line)) for line in (words, expected)]
        assert texts[0] == texts[1], printed
        numbers = [[float(x) for x in NUMBER.findall(" ".join(line))] for line in (words, expected)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.012, abs=1e-6), printed


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_in_order_and_print_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed: str | None = None
    was_run = True
    for block in blocks(page):
        if block.language == "text":
            if not was_run:
                continue
            assert printed is not None, f"{page}:{block.line}: the output of nothing"
            assert_printed(printed, block.text)
            printed = None
            continue
        assert not printed, f"{page}:{block.line}: this output is not on the page:\n{printed}"
        printed = None
        was_run = can_run(block)
        if not was_run:
            continue
        with contextlib.redirect_stdout(io.StringIO()) as output:
            if block.language == "python":
                run_python(block, page, namespace)
            elif block.language == "sh":
                run_shell(block)
            elif block.language == "c":
                print(run_c(block, tmp_path))
            else:
                # A directive: the build below runs it.
                assert block.language.startswith("{"), f"{page}:{block.line}: not run"
        if block.language in ("python", "c"):
            printed = output.getvalue()
    assert not printed, f"{page}: this output is not on the page:\n{printed}"
    pyplot.close("all")


def test_the_note_is_complete_and_all_of_it_holds() -> None:
    text = (DOCS / "note.md").read_text("utf-8")
    headings = re.findall(r"^#+ ([\d.]+) ", text, re.M)
    assert " ".join(headings) == "2 3 4 4.1 4.2 4.3 4.3.1 4.3.2 4.3.3 5 5.1 5.2 6 6.1"
    outputs = [block.text for block in blocks("note.md") if block.language == "text"]
    assert sum(text.count("True") for text in outputs) > 50
    assert not any("False" in text for text in outputs)


@pytest.mark.parametrize(
    ("printed", "promised"),
    [
        ("loss 0.90", "loss 0.98"),
        ("loss 0.98\nmore", "loss 0.98"),
        ("loss 0.98", "accuracy 0.98"),
        ("difference 1e-5", "difference 0"),
        ("equal False", "equal True"),
    ],
)
def test_outputs_that_differ_are_told_apart(printed: str, promised: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(printed.split()[1])):
        assert_printed(printed, promised)


@pytest.mark.parametrize("same", ["difference +0.000000000", "difference  -1.1e-16"])
def test_rounding_and_spaces_are_no_difference(same: str) -> None:
    assert_printed(same, "difference +5.551e-17")


@pytest.mark.slow
def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for page in PAGES:
        assert (tmp_path / page).with_suffix(".html").stat().st_size > 0


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_exists(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", (DOCS / page).read_text("utf-8")):
        assert link.startswith("https://") or (DOCS / link).exists(), link
