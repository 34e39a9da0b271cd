"""What every number of a page must be, and how to read them off it."""

import itertools
import os

import numpy as np
import pytest
from browser import missing
from cases import make_data

import backprop as bp
from backprop import reference

in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(
        bool(missing()) and not os.environ.get("BACKPROP_REQUIRE_BROWSER"),
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


def first_example(case):
    return int(case.losses(range(len(case.X))).argmax())


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
    names = ["A", "H", "W", "b", "grad_A", "grad_H", "grad_W", "grad_b", "W_next", "b_next"]
    wanted = {(name, k) for name in names for k in range(1, case.L + 1)}
    wanted |= {("H", 0), ("E", case.L), ("losses", case.L)}
    assert set(seen) == wanted
    for key, places in seen.items():
        assert places == set(np.ndindex(arrays[key].shape)), key


def assert_silent(browser):
    assert browser.log() == []
    fetched = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert browser.run(fetched) == []
