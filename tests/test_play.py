"""The page computes what the engine computes, and can be used with a mouse, keys and a phone."""

import itertools
import json
import math
import re

import numpy as np
import pytest
from browser import Browser, missing
from cases import ACTIVATIONS, make_data

import backprop as bp
from backprop import play, reference
from backprop.cli import main

in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(
        bool(missing()),
        reason=f"needs {missing()} on PATH (apt-get install chromium chromium-driver)",
    ),
]


class Case:
    """A network and its data, as on the page: what every number there must be."""

    def __init__(self, layer_sizes, hidden, output, m=5, seed=0, y=None):
        self.net = bp.Network(layer_sizes, hidden=hidden, output=output, dtype="float64", seed=seed)
        self.net.theta[:] = 0.8 * np.random.default_rng(seed).standard_normal(self.net.theta.size)
        self.X, self.y = make_data(output, layer_sizes, m, seed=seed)
        if y is not None:
            self.y = y
        self.L = len(layer_sizes) - 1
        self.lr = 0.1

    def losses(self, rows):
        return np.array([self.net.loss(self.X[n : n + 1], self.y[n : n + 1]) for n in rows])

    def targets(self, rows):
        y = self.y[rows]
        return np.eye(self.net.layer_sizes[-1])[y].T if y.ndim == 1 else y.T

    def slope(self, k, layer):
        derivative = reference.ACTIVATIONS[self.net.hidden_names[k - 1]].derivative
        return np.vectorize(derivative, otypes=[float])(layer.A.T, layer.H.T)

    def arrays(self, rows, example):
        """Every array on show, examples in columns, by name and layer."""
        t = self.net.trace(self.X[rows], self.y[rows])
        one = self.net.trace(self.X[[example]], self.y[[example]])
        whole = self.net.trace(self.X, self.y)
        after = self.net.copy()
        after.step(self.X[rows], self.y[rows], self.lr)
        found = {("H", 0): t[0].H.T, ("E", self.L): self.targets(rows)}
        found["losses", self.L] = self.losses(rows)[None]
        found["all_Y_hat", self.L] = whole.Y_hat.T
        for k in range(1, self.L + 1):
            for name in ("A", "H", "grad_A", "grad_H"):
                found[name, k] = getattr(t[k], name).T
            for name in ("W", "grad_W", "b", "grad_b"):
                array = getattr(t[k], name)
                found[name, k] = array.reshape(len(array), -1)
            found["W_next", k], found["b_next", k] = after.W[k - 1], after.b[k - 1][:, None]
            found["one_grad_A", k], found["one_grad_H", k] = one[k].grad_A.T, one[k].grad_H.T
            found["one_grad_W", k], found["all_grad_W", k] = one[k].grad_W, whole[k].grad_W
            if k < self.L:
                found["slope", k] = self.slope(k, t[k])
        return found

    def path(self, weight, units, example):
        """The product of the factors along one path (4.1)."""
        k, _, j = weight
        one = self.net.trace(self.X[[example]], self.y[[example]])
        product = one[self.L].grad_A[0, units[-1]] * one[k - 1].H[0, j]
        for q, (u, v) in enumerate(itertools.pairwise(units), start=k):
            product *= self.net.W[q][v, u] * self.slope(q, one[q])[u, 0]
        return product

    def paths(self, weight, example):
        k, i, _ = weight
        above = (range(n) for n in self.net.layer_sizes[k + 1 :])
        return {
            units: self.path(weight, units, example) for units in itertools.product([i], *above)
        }

    def output_slope(self, example, i, j):
        y_hat = self.net.forward(self.X[[example]])[0]
        if self.net.output_name == "linear":
            return 1.0
        return y_hat[i] * ((i == j) - y_hat[j])

    def expected(self, rows, example, weight):
        """A function from the data attributes of a number to its value."""
        arrays = self.arrays(rows, example)
        paths = self.paths(weight, example)
        magnitude = sum(map(abs, paths.values()))
        hits = self.net.forward(self.X).argmax(axis=1) == self.targets(slice(None)).argmax(axis=0)
        single = {
            "loss": self.net.loss(self.X[rows], self.y[rows]),
            "loss_of_all": self.net.loss(self.X, self.y),
            "accuracy": hits.mean(),
            "lr": self.lr,
            "path_total": sum(paths.values()),
        }

        def value(number):
            name = number["name"]
            if name in single:
                return single[name]
            if name in ("path", "share"):
                product = paths[tuple(map(int, number["i"].split("-")))]
                return product if name == "path" else 100 * abs(product) / (magnitude or 1)
            i, j = int(number["i"]), int(number.get("j", 0))
            if name == "output_slope":
                return self.output_slope(example, i, j)
            return arrays[name, int(number["k"])][i, j]

        return value


def numbers(browser):
    """Every number in sight: its text and its data attributes."""
    found = browser.run(
        """return [...document.querySelectorAll("[data-value]")]
             .filter((node) => node.getClientRects().length)
             .map((node) => ({ ...node.dataset, text: node.textContent }));"""
    )
    assert found
    return found


def rounding(text):
    """Half a unit of the last digit shown."""
    digits, _, exponent = text.partition("e")
    return 0.5001 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def assert_equal_to_the_engine(shown, expected):
    for number in shown:
        value, text = float(number["value"]), number["text"].replace("−", "-")
        assert value == pytest.approx(expected(number), rel=1e-6, abs=1e-9), number
        assert abs(float(text) - value) <= rounding(text), number


def text_of(browser, selector):
    return browser.run("return document.querySelector(arguments[0]).textContent", selector)


def walk(browser, case, rows, example, weight):
    """Step through both passes, comparing everything in sight; the entries seen in matrices."""
    seen = {}
    browser.press("Home")
    while True:
        expected = case.expected(rows, example, weight)
        assert_equal_to_the_engine(numbers(browser), expected)
        for figure in browser.run(
            """return [...document.querySelectorAll("#stage-matrices td.number")]
                 .map(({ dataset: d }) => [d.name, +d.k, +d.i, +d.j]);"""
        ):
            name, k, i, j = figure
            seen.setdefault((name, k), set()).add((i, j))
        place, n_stages = map(int, text_of(browser, "#position").split(" of "))
        if place == n_stages:
            assert n_stages == 6 * case.L + 2
            return seen
        browser.press("ArrowRight")


def assert_whole_arrays(seen, case, rows):
    arrays = case.arrays(rows, rows[0])
    names = "A H W b grad_A grad_H grad_W grad_b W_next b_next".split()
    wanted = {(name, k) for name in names for k in range(1, case.L + 1)}
    wanted |= {("H", 0), ("E", case.L), ("losses", case.L)}
    assert set(seen) == wanted
    for key, places in seen.items():
        assert places == set(np.ndindex(arrays[key].shape)), key


def assert_silent(browser):
    assert browser.log() == []
    fetched = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert browser.run(fetched) == []


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        browser.set_device(1280)
        yield browser


@pytest.fixture
def show(browser, tmp_path):
    """Write the page of a case and open it."""

    def show(case, **options):
        path = tmp_path / "play.html"
        play.save(path, case.net, case.X, case.y, lr=case.lr, **options)
        browser.log()
        browser.open(path)
        return browser

    return show


def first_example(case):
    return int(case.losses(range(len(case.X))).argmax())


SOFT = np.array([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0], [0.5, 0.5, 0]])
CASES = {
    **{f"{g}-softmax": ([2, 4, 3, 2], g, "softmax") for g in ACTIVATIONS},
    "mixed-linear": ([3, 4, 2], ["sigmoid"], "linear"),
    "mixed-sigmoid": ([2, 3, 2, 2], ["tanh", "relu"], "sigmoid"),
    "thin": ([1, 1, 1, 1], "tanh", "linear"),
    "one output": ([2, 3, 1], "sigmoid", "sigmoid"),
    "no hidden layer": ([4, 3], [], "softmax"),
    "soft targets": ([2, 3, 3], "tanh", "softmax", 5, 0, SOFT),
}


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=i, marks=in_browser) for i, c in CASES.items()]
)
def test_both_passes_and_the_step_are_the_engines(show, case):
    case = Case(*case)
    browser = show(case)
    example, weight, rows = first_example(case), (1, 0, 0), list(range(len(case.X)))
    seen = walk(browser, case, rows, example, weight)
    assert_whole_arrays(seen, case, rows)

    before = case.net.loss(case.X, case.y)
    grad_theta = case.net.gradients(case.X, case.y).theta
    browser.click("[data-steps='1']")
    case.net.step(case.X, case.y, case.lr)
    change = {
        "predicted": -case.lr * grad_theta @ grad_theta,
        "observed": case.net.loss(case.X, case.y) - before,
    }
    shown = numbers(browser)
    for name, value in change.items():
        (number,) = (n for n in shown if n["name"] == name)
        assert float(number["value"]) == pytest.approx(value, rel=1e-6)
    hide = "document.getElementById('last-step').style.display = 'none'"
    browser.run(hide)
    walk(browser, case, rows, example, weight)
    assert_silent(browser)


@pytest.mark.parametrize("output", [pytest.param("softmax", marks=in_browser)])
def test_one_example_alone_follows_section_5_1(show, output):
    case = Case([2, 3, 2], "tanh", output)
    browser = show(case)
    example = first_example(case)
    browser.run("document.querySelector('input[name=batch][value=one]').click()")
    seen = walk(browser, case, [example], example, (1, 0, 0))
    assert_whole_arrays(seen, case, [example])
    browser.press("s")
    case.net.step(case.X[[example]], case.y[[example]], case.lr)
    browser.run("document.getElementById('last-step').style.display = 'none'")
    walk(browser, case, [example], example, (1, 0, 0))
    assert_silent(browser)


class TestWeights:
    pytestmark = in_browser

    @pytest.mark.parametrize("sizes", [[2, 3, 4, 3, 2], [1, 1, 1, 1], [3, 2, 2]])
    def test_paths_of_every_weight_add_up_to_the_engines_gradient(self, show, sizes):
        case = Case(sizes, "tanh", "softmax" if sizes[-1] > 1 else "linear", m=4)
        browser, example = show(case), first_example(case := case)
        for k in range(1, case.L + 1):
            for i, j in np.ndindex(case.net.W[k - 1].shape):
                browser.run(
                    "pickWeight({ k: arguments[0], i: arguments[1], j: arguments[2] })", k, i, j
                )
                shown = numbers(browser)
                assert_equal_to_the_engine(shown, case.expected(range(4), example, (k, i, j)))
                values = {n["name"]: float(n["value"]) for n in shown}
                assert values["path_total"] == pytest.approx(
                    values["one_grad_W"], rel=1e-10, abs=1e-15
                )
                listed = [abs(float(n["value"])) for n in shown if n["name"] == "path"]
                paths = sorted(map(abs, case.paths((k, i, j), example).values()), reverse=True)[:8]
                # The picked one is shown once more, as the product of its factors.
                assert listed[:-1] == pytest.approx(paths, rel=1e-9)
                assert listed[-1] == listed[0]
        assert_silent(browser)

    def test_a_picked_path_lights_up_with_its_factors(self, show):
        case = Case([2, 4, 3, 2], "tanh", "softmax")
        browser, example = show(case), first_example(case)
        edge = """[...document.querySelectorAll('.edges .target')]
            .find((line) => line.textContent.startsWith('W₁[3, 2]'))"""
        browser.run(f"{edge}.dispatchEvent(new MouseEvent('click'))")
        rows = browser.run("return document.querySelectorAll('#path-rows input').length")
        assert rows == 1 + 3 * 2
        for n in range(6):
            browser.run(
                "document.querySelectorAll('#path-rows input')[arguments[0]].click()", n + 1
            )
            shown = browser.run(
                """return [...document.querySelectorAll('.factors [data-value]')]
                     .map((node) => ({ ...node.dataset, text: node.textContent }))"""
            )
            assert_equal_to_the_engine(shown, case.expected(range(5), example, (1, 2, 1)))
            product = math.prod(float(number["value"]) for number in shown)
            paths = sorted(case.paths((1, 2, 1), example).values(), key=abs, reverse=True)
            assert product == pytest.approx(paths[n], rel=1e-9)
            assert browser.run("return document.querySelectorAll('.edge.lit').length") == 3
        browser.run("document.querySelectorAll('#path-rows input')[0].click()")
        assert browser.run("return document.querySelectorAll('.edge.lit').length") == 1 + 3 + 3 * 2
        assert_silent(browser)

    def test_many_paths_are_counted_and_the_strongest_listed(self, show):
        case = Case([2, 6, 5, 7, 3], "tanh", "softmax")
        browser, example = show(case), first_example(case)
        shown = numbers(browser)
        assert_equal_to_the_engine(shown, case.expected(range(5), example, (1, 0, 0)))
        paths = sorted(map(abs, case.paths((1, 0, 0), example).values()), reverse=True)
        share = 100 * sum(paths[:8]) / sum(paths)
        about = text_of(browser, "#paths-about")
        assert f"{len(paths)} paths lead" in about
        assert f"the 8 strongest, {share:.0f} % of all" in about


class TestLearning:
    pytestmark = in_browser

    def test_many_steps_and_the_plane_are_the_engines(self, show):
        X, y = play.two_moons(30, seed=3)
        case = Case([2, 4, 3, 2], "tanh", "softmax")
        case.X, case.y, case.lr = X, y, 0.7
        browser = show(case)
        before = self.regions(browser)
        self.assert_regions(before, case)
        browser.click("[data-steps='100']")
        for _ in range(100):
            case.net.step(X, y, 0.7)
        after = self.regions(browser)
        self.assert_regions(after, case)
        assert (before != after).any()
        (loss,) = (n for n in numbers(browser) if n["name"] == "loss_of_all")
        assert float(loss["value"]) == pytest.approx(case.net.loss(X, y), rel=1e-6)
        wrong = browser.run(
            "return [...document.querySelectorAll('#points .point')]"
            ".map((point) => point.classList.contains('wrong'))"
        )
        assert wrong == (case.net.forward(X).argmax(axis=1) != y).tolist()
        assert "100 steps" in browser.run(
            "return document.querySelector('#curve svg').getAttribute('aria-label')"
        )
        browser.click("#reset")
        np.testing.assert_array_equal(self.regions(browser), before)
        assert_silent(browser)

    def regions(self, browser):
        data = browser.run(
            """const { width, height } = document.getElementById("regions");
            const copy = Object.assign(document.createElement("canvas"), { width, height });
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(document.getElementById("regions"), 0, 0);
            return [...context.getImageData(0, 0, width, height).data];"""
        )
        side = math.isqrt(len(data) // 4)
        return np.array(data).reshape(side, side, 4)

    def assert_regions(self, image, case):
        """The colour of each cell is that of the class the engine prefers there."""
        side = len(image)
        low, high = case.X.min(axis=0), case.X.max(axis=0)
        low, high = low - 0.12 * (high - low), high + 0.12 * (high - low)
        middles = (np.arange(side) + 0.5) / side
        x, y = (low[axis] + (high[axis] - low[axis]) * middles for axis in (0, 1))
        grid = np.stack(np.meshgrid(x, y[::-1]), axis=-1).reshape(-1, 2)
        Y_hat = case.net.forward(grid)
        best = Y_hat.argmax(axis=1).reshape(side, side)
        sure = (np.abs(Y_hat[:, 0] - 0.5) > 1e-6).reshape(side, side)
        is_blue = image[..., 2] > image[..., 0]
        assert sure.mean() > 0.9
        np.testing.assert_array_equal(is_blue[sure], best[sure] == 0)

    def test_the_learning_rate_can_be_typed_and_slid(self, show):
        case = Case([2, 3, 2], "tanh", "softmax")
        browser = show(case)
        browser.run(
            """const slider = document.getElementById("lr-slider");
            slider.value = -1.5;
            slider.dispatchEvent(new Event("input"));"""
        )
        assert browser.run("return document.getElementById('lr').value") == "0.032"
        assert browser.run("return document.getElementById('lr-slider').ariaValueText") == "0.032"
        browser.click("#lr")
        browser.run("document.getElementById('lr').select()")
        browser.press("0", ".", "2", "5", "Enter")
        case.lr = 0.25
        browser.run("document.activeElement.blur()")
        browser.press("End")
        example = first_example(case)
        assert_equal_to_the_engine(numbers(browser), case.expected(range(5), example, (1, 0, 0)))
        browser.run(
            """const typed = document.getElementById("lr");
            typed.value = "-3";
            typed.dispatchEvent(new Event("change"));"""
        )
        assert browser.run("return document.getElementById('lr').value") == "0.25"
        assert_silent(browser)

    def test_divergence_is_told_and_stops(self, show):
        case = Case([2, 3, 1], "relu", "linear")
        case.lr = 1e200
        browser = show(case)
        hidden = "return document.getElementById('diverged').hidden"
        assert browser.run(hidden)
        browser.click("[data-steps='100']")
        assert not browser.run(hidden)
        assert int(text_of(browser, "#steps")) < 100
        browser.click("#reset")
        assert browser.run(hidden)
        assert text_of(browser, "#steps") == "0"
        assert_silent(browser)

    def test_the_page_can_go_back_to_the_initial_weights(self, show):
        case = Case([2, 3, 2], "tanh", "softmax")
        start = case.net.copy()
        case.net.fit(case.X, case.y, epochs=50)
        browser = show(case, start=start)
        browser.run(
            """const start = document.getElementById("start");
            start.value = 1;
            start.dispatchEvent(new Event("change"));"""
        )
        (loss,) = (n for n in numbers(browser) if n["name"] == "loss_of_all")
        assert float(loss["value"]) == pytest.approx(start.loss(case.X, case.y), rel=1e-6)

    def test_running_takes_steps_until_it_is_paused(self, show):
        browser = show(Case([2, 3, 2], "tanh", "softmax"))
        browser.press("r")
        for _ in range(100):
            if int(text_of(browser, "#steps")) > 3:
                break
        browser.press("r")
        n_steps = int(text_of(browser, "#steps"))
        assert n_steps > 3
        frames = (
            "return new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
        )
        browser.run(frames)
        assert int(text_of(browser, "#steps")) == n_steps


class TestHands:
    """Keys, pointer, screen readers, small screens, both themes."""

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
                const [x, y] = placeOf(arguments[0]).map((percent) => percent / 100);
                const place = { clientX: box.x + x * box.width + 2, clientY: box.y + y * box.height };
                document.getElementById("points").dispatchEvent(new MouseEvent("click", place));""",
                n,
            )
            assert self.state(page, "example") == n

    def test_everything_that_acts_has_a_name(self, page):
        nameless = page.run(
            """return [...document.querySelectorAll("button, input, select, table[role], svg[role], canvas")]
                 .filter((node) => !(node.ariaLabel || node.textContent.trim() && node.tagName === "BUTTON"
                   || [...(node.labels ?? [])].some((label) => label.textContent.trim())))
                 .map((node) => node.outerHTML)"""
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


# --- the file, without a browser ---------------------------------------------------------------


def problem_of(html):
    (text,) = re.findall(r'<script id="problem" type="application/json">(.*?)</script>', html)
    return json.loads(text)


def test_the_page_fetches_nothing():
    case = Case([2, 3, 2], "tanh", "softmax")
    html = play.page(case.net, case.X, case.y)
    assert set(re.findall(r"\w+://[^\"'\s]+", html)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == ["data:,", "#stage"]
    assert not re.search(r"\{\{\w+\}\}", html)
    assert "default-src 'none'" in html


def test_names_cannot_break_out_of_the_page():
    case = Case([2, 3, 2], "tanh", "softmax")
    names = ["</script><script>alert(1)</script>", "<b>&amp;"]
    title = "<i>{{scripts}}"
    html = play.page(case.net, case.X, case.y, output_names=names, title=title)
    assert "alert(1)<" not in html
    assert "<i>" not in html.partition("<body>")[0]
    assert html.count("<script>") == play.page(case.net, case.X, case.y).count("<script>")
    assert problem_of(html)["output_names"] == names
    assert problem_of(html)["title"] == title


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_page_holds_network_and_data_to_the_last_digit(dtype):
    net = bp.Network([2, 3, 2], hidden="tanh", dtype=dtype, seed=1)
    X, y = make_data("softmax", [2, 3, 2], dtype=dtype)
    about = problem_of(play.page(net, X, y, feature_names=["a", "b"], lr=0.3))
    np.testing.assert_array_equal(np.array(about["X"], dtype), X)
    np.testing.assert_array_equal(about["E"], np.eye(2)[y])
    (start,) = about["starts"]
    for k in range(2):
        np.testing.assert_array_equal(np.array(start["W"][k], dtype), net.W[k])
        np.testing.assert_array_equal(np.array(start["b"][k], dtype), net.b[k])
    assert about["layer_sizes"] == [2, 3, 2]
    assert (about["hidden"], about["output"], about["loss"]) == (
        ["tanh"],
        "softmax",
        "cross_entropy",
    )
    assert about["feature_names"] == ["a", "b"]
    assert about["output_names"] == ["ŷ₁", "ŷ₂"]
    assert about["lr"] == 0.3


def test_targets_of_one_output_may_be_a_vector():
    net = bp.Network([2, 1], output="sigmoid", dtype="float64")
    about = problem_of(play.page(net, [[1, 2], [3, 4]], [0.0, 1.0]))
    assert about["E"] == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"X": np.zeros((501, 2)), "y": np.zeros(501, int)},
            ValueError,
            "at most 500 examples .* got 501",
        ),
        ({"X": np.zeros((4, 3))}, ValueError, "`X` must have 2 columns"),
        ({"y": [0, 1, 2, 3, 4]}, ValueError, "must .* got"),
        ({"feature_names": ["a"]}, ValueError, "`feature_names` must hold 2 names, got 1"),
        ({"output_names": ["a", "b", "c"]}, ValueError, "`output_names` must hold 2 names, got 3"),
        ({"lr": 0}, ValueError, "`lr` must be positive and finite, got 0"),
        (
            {"start": bp.Network([2, 4, 2])},
            ValueError,
            "`start` must have the architecture of `net`",
        ),
    ],
)
def test_what_does_not_fit_the_page_is_refused(change, error, message, tmp_path):
    case = Case([2, 3, 2], "tanh", "softmax")
    arguments = {"net": case.net, "X": case.X, "y": case.y, **change}
    with pytest.raises(error, match=message):
        play.save(tmp_path / "play.html", **arguments)
    assert not (tmp_path / "play.html").exists()


def test_networks_the_script_cannot_compute_are_refused():
    X = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"hidden activations of the note \(relu, .*, got 'gelu'"):
        play.page(bp.Network([2, 3, 2], hidden="gelu"), X, [0, 1, 0])
    huber = bp.Network([2, 3, 1], output="linear", loss="huber")
    with pytest.raises(ValueError, match="linear with squared_error, .* got linear with huber"):
        play.page(huber, X, np.zeros((3, 1)))
    with pytest.raises(ValueError, match="at most 64 units in a layer to be drawn, .*65"):
        play.page(bp.Network([2, 65, 2]), X, [0, 1, 0])
    net = bp.Network([2, 3, 2], dtype="float64")
    start = net.copy()
    start.W[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="`net` must have finite weights, got NaN"):
        play.page(net, X, [0, 1, 0], start=start)


@pytest.mark.parametrize("toy", play.TOYS.values(), ids=play.TOYS)
def test_toys_are_repeatable_balanced_and_beyond_a_straight_line(toy):
    X, y = toy(200, seed=4)
    np.testing.assert_array_equal(toy(200, seed=4)[0], X)
    assert (toy(200, seed=5)[0] != X).any()
    assert y.sum() == 100
    assert np.abs(X).max() < 2.5
    accuracy = {}
    for sizes in ([2, 2], [2, 16, 16, 2]):
        net = bp.Network(sizes, hidden="tanh", dtype="float64")
        net.fit(X, y, epochs=400, batch_size=20, lr=0.3)
        accuracy[len(sizes)] = (net.forward(X).argmax(axis=1) == y).mean()
    assert accuracy[2] < 0.95 < accuracy[4]


# --- on the command line -----------------------------------------------------------------------


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_play_writes_a_trained_network_and_its_beginning(in_folder, capsys):
    assert main(["play"]) == 0
    assert capsys.readouterr().out == "page saved to play.html; open it in a browser\n"
    about = problem_of((in_folder / "play.html").read_text("utf-8"))
    assert about["layer_sizes"] == [2, 4, 3, 2]
    assert about["output_names"] == ["upper", "lower"]
    X, y = play.two_moons(40, seed=0)
    np.testing.assert_array_equal(about["X"], X)
    losses = []
    for start in about["starts"]:
        net = bp.Network([2, 4, 3, 2], hidden="tanh", dtype="float64")
        for k in range(3):
            net.W[k][...], net.b[k][...] = start["W"][k], start["b"][k]
        losses.append(net.loss(X, y))
    assert losses[0] < 0.8 * losses[1]


def test_play_takes_options(in_folder):
    options = "--toy spirals --examples 12 --hidden 5 --activation relu --epochs 0 --lr 2 --seed 7"
    assert main(["play", *options.split(), "--out", "other.html"]) == 0
    about = problem_of((in_folder / "other.html").read_text("utf-8"))
    assert (about["layer_sizes"], about["hidden"], about["lr"]) == ([2, 5, 2], ["relu"], 2)
    np.testing.assert_array_equal(about["X"], play.spirals(12, seed=7)[0])
    (start,) = about["starts"]
    fresh = bp.Network([2, 5, 2], hidden="relu", dtype="float64", seed=7)
    np.testing.assert_array_equal(start["W"][0], fresh.W[0])


def test_play_shows_a_saved_model_on_its_data(in_folder):
    rng = np.random.default_rng(0)
    X = rng.random((60, 3)) * [1, 10, 100]
    kinds = np.where(X[:, 0] > 0.5, "big", "small")
    lines = [f"{','.join(map(str, x))},{kind}" for x, kind in zip(X, kinds, strict=True)]
    (in_folder / "d.csv").write_text("\n".join(["a,b,c,kind", *lines]) + "\n", "utf-8")
    train = "train d.csv --hidden 4 --epochs 5 --dtype float64 --no-plot --out m.safetensors"
    assert main(train.split()) == 0
    assert main("play m.safetensors d.csv --examples 20 --seed 2".split()) == 0
    about = problem_of((in_folder / "play.html").read_text("utf-8"))
    net = bp.load("m.safetensors")
    np.testing.assert_array_equal(about["starts"][0]["W"][0], net.W[0])
    assert about["feature_names"] == ["a", "b", "c"]
    assert about["output_names"] == ["big", "small"]
    assert about["title"] == "d.csv, step by step"
    shown = np.array(about["X"])
    assert shown.shape == (20, 3)
    np.testing.assert_allclose(shown.mean(axis=0), 0, atol=1)
    whole = "play m.safetensors d.csv --examples 400".split()
    assert main(whole) == 0
    assert len(problem_of((in_folder / "play.html").read_text("utf-8"))["X"]) == 60


def test_play_says_what_is_missing(in_folder, capsys):
    bp.Network([2, 3, 2], hidden="relu").save("m.safetensors")
    assert main(["play", "m.safetensors"]) == 1
    assert "DATA is required to play with m.safetensors" in capsys.readouterr().err
    np.save("X.npy", np.zeros((4, 2)))
    assert main(["play", "m.safetensors", "X.npy"]) == 1
    assert "has no target; the loss needs y" in capsys.readouterr().err
    bp.Network([64, 200, 10]).save("digits.safetensors")
    assert main(["play", "digits.safetensors", "digits"]) == 1
    assert "at most 64 units in a layer" in capsys.readouterr().err
