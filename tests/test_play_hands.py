"""The page in use: keys, pointer, screen readers, small screens, both themes."""

import itertools
import math
import re

import numpy as np
import pytest
from playing import Case, assert_silent, in_browser, text_of

# The rows of the tables of one weight in which the text of a cell runs into the next.
OVERLAPS = """
    const extent = (cell) => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return range.getBoundingClientRect();
    };
    return [...document.querySelectorAll("#weight tr")].filter((row) =>
      [...row.cells].slice(1).some((cell, n) =>
        cell.textContent && extent(row.cells[n]).right > extent(cell).left))
      .map((row) => row.textContent);"""


class TestHands:
    pytestmark = in_browser

    @pytest.fixture
    def page(self, show):
        self.case = Case([2, 4, 3, 2], "tanh", "softmax")
        return show(self.case)

    def state(self, browser, name):
        return browser.run(f"return state.{name}")

    def test_every_documented_key_acts(self, page):
        documented = page.run(
            "return [...document.querySelectorAll('#help kbd')].map((key) => key.textContent)"
        )
        assert documented == [*"→←", "Home", "End", *"NPSR0WV?", "Tab", "Enter"]
        page.press("End")
        assert text_of(page, "#position") == "20 of 20"
        page.press("ArrowLeft", "ArrowLeft", "ArrowRight")
        assert text_of(page, "#position") == "19 of 20"
        page.press("Home")
        assert text_of(page, "#position") == "1 of 20"
        example = self.state(page, "example")
        page.press("n", "n", "p")
        assert self.state(page, "example") == (example + 1) % 5
        page.press("s")
        assert text_of(page, "#steps") == "1"
        page.press("0")
        assert text_of(page, "#steps") == "0"
        page.press("v")
        assert self.state(page, "view") == "paths"
        page.press("w")
        assert page.run("return document.activeElement.id") == "weight-k"
        page.run("document.activeElement.blur()")
        page.press("?")
        assert page.run("return document.getElementById('help').open")
        page.run("document.getElementById('shortcuts').click()")
        page.press("s")
        assert text_of(page, "#steps") == "0"
        assert_silent(page)

    def test_tab_and_arrows_reach_every_entry_and_show_where_they_are(self, page):
        page.run("document.getElementById('stage').focus()")
        page.press("Tab", "ArrowDown", "ArrowRight")
        focused = "const { name, k, i, j } = document.activeElement.dataset; return [name, k, i, j]"
        assert page.run(focused) == ["W", "1", "1", "1"]
        outline = "return getComputedStyle(document.activeElement).outlineStyle"
        assert page.run(outline) == "solid"
        page.press("Enter")
        assert self.state(page, "weight") == {"k": 1, "i": 1, "j": 1}
        assert page.run(focused) == ["W", "1", "1", "1"]
        page.press("Home")
        assert page.run(focused) == ["W", "1", "1", "0"]
        page.press("Tab", "ArrowRight", "Tab", "ArrowRight", "Tab", "ArrowRight", "Enter")
        assert page.run(focused) == ["A", "1", "0", "1"]
        assert self.state(page, "example") == 1
        assert text_of(page, "#position") == "1 of 20"
        assert_silent(page)

    def test_a_focused_result_is_spelled_out_from_its_operands(self, page):
        n_spelled = 0
        for _ in range(20):
            for figure in range(page.run("return document.querySelectorAll('.result').length")):
                page.run(
                    """const cells = document.querySelectorAll(".result")[arguments[0]]
                         .querySelectorAll("td.number");
                    cells[cells.length - 1].focus();""",
                    figure,
                )
                spelled = text_of(page, "#stage-spelled").replace("−", "-")
                assert spelled.count(" = ") == 2
                _, arithmetic, value = spelled.split(" = ")
                n_used = page.run("return document.querySelectorAll('td.used').length")
                assert n_used > 0
                if "…" not in arithmetic:
                    assert evaluate(arithmetic) == pytest.approx(float(value), rel=0.02, abs=2e-4)
                n_spelled += 1
            page.run("document.activeElement.blur()")
            page.press("ArrowRight")
        assert n_spelled == 19 + 6
        assert_silent(page)

    def test_a_click_on_the_plane_chooses_the_nearest_example(self, page):
        for n in range(5):
            page.run(
                """const box = document.getElementById("points").getBoundingClientRect();
                const [x, y] = placeOf(arguments[0]).map((percent) => (percent * box.width) / 100);
                const place = { clientX: box.x + x + 2, clientY: box.y + y };
                document.getElementById("points").dispatchEvent(new MouseEvent("click", place));""",
                n,
            )
            assert self.state(page, "example") == n

    def test_everything_that_acts_has_a_name(self, page):
        nameless = page.run(
            """const text = (node) => node.textContent.trim();
            const name = (node) => node.ariaLabel
              || [...(node.labels ?? [])].map(text).join("")
              || (node.tagName === "BUTTON" && text(node));
            const all = "button, input, select, table[role], svg[role], canvas";
            return [...document.querySelectorAll(all)].filter((node) => !name(node))
              .map((node) => node.outerHTML);"""
        )
        assert nameless == []
        page.press("ArrowRight")
        assert text_of(page, "#announce") == "2 of 20: Activation of layer 1"

    @pytest.mark.parametrize("dark", [False, True])
    @pytest.mark.parametrize("width", [1280, 390])
    def test_nothing_is_cut_off_and_text_stands_out(self, page, width, dark, tmp_path):
        page.set_device(width, dark=dark)
        try:
            # The widest text of every stage must fit, or scroll in a frame of its own.
            for n in range(20):
                page.run("goTo(arguments[0])", n)
                assert page.run("return document.documentElement.scrollWidth") <= width
            page.run("pickWeight({ k: 1, i: 0, j: 0 })")
            assert page.run("return document.documentElement.scrollWidth") <= width
            assert page.run(OVERLAPS) == []
            colours = page.run(
                """const style = getComputedStyle(document.documentElement);
                return Object.fromEntries(["paper", "card", "ink", "muted", "accent", "on-accent"]
                  .map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));"""
            )
            assert (luminance(colours["ink"]) > luminance(colours["paper"])) == dark
            for text, ground in [
                *itertools.product(["ink", "muted", "accent"], ["paper", "card"]),
                ("on-accent", "accent"),
            ]:
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
            page.screenshot(tmp_path / "play.png")
            assert (tmp_path / "play.png").stat().st_size > 10_000
            assert_silent(page)
        finally:
            page.set_device(1280)


def evaluate(arithmetic):
    """The value of what the page spells out."""
    text = re.sub(r"([\d.)]|e-?\d+)²", r"\1**2", arithmetic.strip())
    text = text.replace("·", "*").replace("½", "0.5 *").replace(")²", ")**2")
    text = re.sub(r"log (\S+)", r"log(\1)", text)
    names = {
        "tanh": math.tanh,
        "exp": math.exp,
        "log": math.log,
        "softmax": None,
        "relu": lambda a: max(a, 0),
    }
    return eval(text, {"__builtins__": {}}, names)


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one, other):
    """The contrast ratio of WCAG 2, from 1 to 21."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)
