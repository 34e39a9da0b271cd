"""A trace shows every array with its equation: as text, as rich's table, as a notebook's HTML."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from cases import make_case

import backprop as bp
from backprop.look._trace_html import mathml
from backprop.look._trace_rows import backward_rows, forward_rows, number, statistics


@pytest.fixture
def small():
    net = bp.Network([3, 4, 2], seed=0)
    return net.trace(np.random.default_rng(0).standard_normal((2, 3)), [0, 1])


def test_every_array_is_shown_once_in_the_order_of_computation(small):
    rows = [*forward_rows(small), *backward_rows(small)]
    assert [row.equation for row in rows] == [
        "H_0 = X",
        "W_1",
        "b_1",
        "A_1 = W_1 H_0 + b_1 1ᵀ",
        "H_1 = relu(A_1)",
        "W_2",
        "b_2",
        "A_2 = W_2 H_1 + b_2 1ᵀ",
        "Ŷ = H_2 = softmax(A_2)",
        "∇H_2 = ∂L / ∂Ŷ",
        "∇A_2 = (Ŷ - E) / m",
        "∇W_2 = ∇A_2 H_1ᵀ",
        "∇b_2 = ∇A_2 1",
        "∇H_1 = W_2ᵀ ∇A_2",
        "∇A_1 = ∇H_1 ⊙ relu'(A_1)",
        "∇W_1 = ∇A_1 H_0ᵀ",
        "∇b_1 = ∇A_1 1",
    ]
    arrays = [getattr(t, name) for t in small[1:] for name in ("A", "H", "W", "b")]
    arrays += [getattr(t, f"grad_{name}") for t in small[1:] for name in ("A", "H", "W", "b")]
    assert {id(row.array) for row in rows} == {id(a) for a in [small[0].H, *arrays]}


def test_what_the_equations_say_is_so(small):
    """The text shown beside an array, executed on the arrays shown beside the others."""
    shown = {
        row.equation.split(" = ")[0]: row.array
        for row in [*forward_rows(small), *backward_rows(small)]
    }
    # Parameters lie as in the note; the others have examples in rows.
    s = {name: a if re.match("∇?[Wb]", name) else a.T for name, a in shown.items()}
    s["H_2"] = s["Ŷ"]
    np.testing.assert_allclose(s["A_1"], s["W_1"] @ s["H_0"] + s["b_1"][:, None], rtol=1e-5)
    np.testing.assert_allclose(s["∇H_1"], s["W_2"].T @ s["∇A_2"], rtol=1e-5)
    np.testing.assert_allclose(s["∇A_2"], (s["Ŷ"] - np.eye(2)) / 2, rtol=1e-5)
    np.testing.assert_allclose(s["∇W_1"], s["∇A_1"] @ s["H_0"].T, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(s["∇b_1"], s["∇A_1"].sum(axis=1), rtol=1e-4)


def test_the_text_has_each_number_of_small_arrays(small):
    text = str(small)
    assert text.startswith(f"2 examples through 3-4-2, loss {small.loss:.6g}; rows are examples")
    for row in [*forward_rows(small), *backward_rows(small)]:
        assert f"  {row.equation} " in text
        assert str(row.array.shape) in text
        for value in row.array.ravel().tolist():
            assert number(value) in text
    assert "\nforward\n" in text
    assert "\nbackward\n" in text
    # Columns are aligned: every line of W_1 ends in the same place.
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("  W_1 "))
    assert len({len(line) for line in lines[start : start + 4]}) == 1


def test_large_arrays_are_shown_by_statistics():
    net, X, y = make_case("tanh", "linear", 2, m=40)
    text = str(net.trace(X, y))
    assert f"{X.min():.3g} ▕" in text
    assert f"▏ {X.max():.3g}, mean {X.mean():.3g} ± {X.std():.3g}" in text
    assert "∇A_3 = (Ŷ - E) / m" in text


def test_one_example_is_one():
    assert str(bp.Network([2, 2]).trace([[1, 2]], [0])).startswith("1 example through 2-2, loss")


def test_an_unmatched_loss_shows_the_chain():
    net, X, y = make_case("tanh", "linear", 1)
    t = net.trace(X, y)
    t.loss_name = "huber"
    assert "∇A_2 = ∇H_2 ⊙ linear'(A_2)" in str(t)


def test_statistics_are_numpys():
    values = np.random.default_rng(0).standard_normal((50, 40))
    values[0, :7] = 0
    s = statistics(values)
    assert s[:5] == pytest.approx(
        (values.min(), values.max(), values.mean(), values.std(), np.linalg.norm(values))
    )
    assert s.zeros == 7 / 2000
    assert len(s.histogram) == 16
    counts = np.histogram(values, 16)[0]
    assert s.histogram[counts.argmax()] == "█"
    heights = np.array([" ▁▂▃▄▅▆▇█".index(c) for c in s.histogram])
    np.testing.assert_array_equal(heights == 0, counts == 0)
    np.testing.assert_allclose(heights, 8 * counts / counts.max(), atol=1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0] * 5, "3 ▕       █        ▏ 3, mean 3 ± 0, norm 6.71, zeros 0%"),
        (
            [np.nan, np.inf],
            "nan ▕                ▏ nan, mean nan ± nan, norm nan, zeros nan%, 2 not",
        ),
        ([0, 1, np.nan], "0 ▕█              █▏ 1, mean 0.5 ± 0.5, norm 1, zeros 50%, 1 not finite"),
    ],
)
def test_odd_arrays_have_statistics_too(values, expected):
    assert str(statistics(np.array(values))).startswith(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0000"),
        (0.5, "0.5000"),
        (-12.3456789, "-12.3457"),
        (1e-5, "1.00e-05"),
        (4e7, "4.00e+07"),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("W_12", "<msub><mi>W</mi><mn>12</mn></msub>"),
        ("∇W_1", "<mo>∇</mo><msub><mi>W</mi><mn>1</mn></msub>"),
        ("H_0ᵀ", "<msubsup><mi>H</mi><mn>0</mn><mi>T</mi></msubsup>"),
        ("1ᵀ", "<msup><mn>1</mn><mi>T</mi></msup>"),
        ("gelu_tanh'(A_1)", "<msup><mi>gelu_tanh</mi><mo>′</mo></msup><mo>(</mo>"
         "<msub><mi>A</mi><mn>1</mn></msub><mo>)</mo>"),
        ("Ŷ - E", "<mi>Ŷ</mi><mo>-</mo><mi>E</mi>"),
    ],
)  # fmt: skip
def test_equations_become_mathml(equation, expected):
    assert mathml(equation) == f"<math>{expected}</math>"


@pytest.mark.parametrize("m", [2, 40])
def test_the_html_is_well_formed_and_has_the_numbers(m):
    net, X, y = make_case("relu", "softmax", 2, m=m)
    t = net.trace(X, y)
    html = t._repr_html_()
    # As XML every tag must be closed; `colspan=3` alone would do in HTML.
    root = ElementTree.fromstring(html)
    assert len(root.findall(".//math")) == len([*forward_rows(t), *backward_rows(t)])
    cells = ["".join(td.itertext()) for td in root.iter("td")]
    shown = t[3].b.tolist()
    assert all(number(value) in cells for value in shown)
    assert ("▕" in html) == (m == 40)


def test_rich_draws_a_table(small):
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=120, record=True, file=io.StringIO())
    console.print(small)
    text = console.export_text()
    assert "│ ∇A_1 = ∇H_1 ⊙ relu'(A_1) │ (2, 4) │" in text
    assert re.search(r"│ forward +│", text)
