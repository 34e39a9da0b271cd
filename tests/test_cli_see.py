"""`backprop explain` and `backprop diagnose` print what the library says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import backprop as bp
from backprop.cli import main
from backprop.explain import strongest_weight

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model and its data: two classes of three columns with names."""
    folder: Path = tmp_path_factory.mktemp("see")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3)) * [1, 10, 100]
    lines = ["a,b,c,kind"]
    lines += [f"{r[0]},{r[1]},{r[2]},{'high' if r[0] + r[1] / 10 > 0 else 'low'}" for r in X]
    data = folder / "data.csv"
    data.write_text("\n".join(lines))
    model = folder / "model.safetensors"
    options = ("--hidden", "6,5", "--epochs", 5, "--out", model, "--no-plot", "--lr", 0.2)
    assert main([str(a) for a in ("train", data, *options)]) == 0
    return str(model), str(data)


def test_explain_without_a_model_shows_the_thin_network_of_the_note(run: Run) -> None:
    code, out, err = run("explain")
    assert (code, err) == (0, "")
    assert out.startswith("Network([1, 1, 1, 1], hidden='sigmoid', output='sigmoid'")
    net = bp.Network([1, 1, 1, 1], hidden="sigmoid", output="sigmoid", dtype="float64", seed=0)
    assert out.endswith(f"{net.explain([0.7], 1.0, (1, 0, 0))}\n")
    assert "and now talk to the weights" in out
    other = run("explain", "--seed", 1, "--weight", "2,0,0")[1]
    assert "W_2[0, 0]" in other
    assert "the note's W_211" in other


def test_explain_takes_an_example_as_the_model_sees_it(run: Run, files: tuple[str, str]) -> None:
    model = bp.load(files[0])
    X, t = model.labelled(files[1])
    x, y = X[7], t[7]
    code, out, err = run("explain", *files, "--row", 7, "--weight", "1,2,1", "--paths", 3)
    assert (code, err) == (0, "")
    explanation = model.network.explain(x, y, (1, 2, 1), n_paths=3)
    named = str(explanation).replace("x[1]", "x[b]")
    assert named != str(explanation)
    assert out == f"{model.network!r}, row 7 of {files[1]}\n\n{named}\n"
    chosen = run("explain", *files)[1]
    k, i, j = strongest_weight(model.network, X[0], t[0])
    assert f"  W_{k}[{i}, {j}] = " in chosen


def test_explain_shows_the_trace_of_the_example_too(run: Run, files: tuple[str, str]) -> None:
    code, out, _ = run("explain", *files, "--trace")
    assert code == 0
    assert "1 example through 3-6-5-2, loss" in out
    assert "∇A_1 = ∇H_1 ⊙ relu'(A_1)" in out


def test_diagnose_prints_findings_and_account(run: Run, files: tuple[str, str]) -> None:
    code, out, err = run("diagnose", *files)
    assert (code, err) == (0, "")
    assert "nothing found" in out
    assert "by a step with lr = 0.2" in out  # the one it was trained with
    code, out, _ = run("diagnose", *files, "--lr", 1000)
    assert code == 0
    assert "learning rate too high: a step with lr = 1000" in out
    assert "  try: lr = " in out


def test_wrong_usage_is_one_line(run: Run, files: tuple[str, str]) -> None:
    code, _, err = run("explain", *files, "--weight", "1,2")
    assert (code, err) == (2, "backprop explain: error: argument --weight: must be K,I,J such as "
                              "1,0,0, got '1,2' (see backprop explain --help)\n")  # fmt: skip
    assert run("explain", *files, "--row", -1)[0] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--row", 80), "--row must be less than the 80 examples of "),
        (("--weight", "4,0,0"), "`weight[0]` must be at most 3, got 4"),
        (("--weight", "1,9,0"), "`weight` must be an entry of W_1 (6, 3), counted from 0"),
    ],
)
def test_what_is_not_there_is_one_line(
    run: Run, files: tuple[str, str], options: tuple[object, ...], message: str
) -> None:
    code, out, err = run("explain", *files, *options)
    assert (code, out.count("Talk")) == (1, 0)
    assert err.startswith(f"backprop explain: error: {message}")


def test_a_model_needs_data(run: Run, files: tuple[str, str]) -> None:
    code, _, err = run("explain", files[0])
    assert (code, err) == (
        1,
        "backprop explain: error: DATA must be given with MODEL, to have an example to explain\n",
    )
