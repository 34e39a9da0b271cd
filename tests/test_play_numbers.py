"""The page computes what the engine computes: every number in sight, before and after a step."""

import math

import numpy as np
import pytest
from playing import (
    Case,
    assert_equal_to_the_engine,
    assert_silent,
    assert_whole_arrays,
    first_example,
    in_browser,
    numbers,
    text_of,
    walk,
)

from backprop import play
from backprop.look.play._problem import HIDDEN

SOFT = np.array([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0], [0.5, 0.5, 0]])
CASES = {
    **{f"{g}-softmax": ([2, 4, 3, 2], g, "softmax") for g in HIDDEN},
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
        # A larger lr than 0.5 leaves the descent unsteady: it blows rounding up to 1e-7 and more.
        case.X, case.y, case.lr = X, y, 0.5
        browser = show(case)
        before = self.regions(browser)
        self.assert_regions(before, case)
        browser.click("[data-steps='100']")
        for _ in range(100):
            case.net.step(X, y, case.lr)
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
