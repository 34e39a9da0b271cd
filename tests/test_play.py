"""The page as a file: what is in it, what is refused, and `backprop play` that writes it."""

import json
import re

import numpy as np
import pytest
from cases import make_data
from playing import Case
from test_docs import ROOT

import backprop as bp
from backprop import play
from backprop.cli import main


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
    with pytest.raises(ValueError, match=r"linear with squared_error, .* got linear with huber"):
        play.page(huber, X, np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"at most 64 units in a layer to be drawn, .*65"):
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
    assert main(["play", "m.safetensors", "d.csv", "--examples", "20", "--seed", "2"]) == 0
    about = problem_of((in_folder / "play.html").read_text("utf-8"))
    net = bp.load("m.safetensors").network
    np.testing.assert_array_equal(about["starts"][0]["W"][0], net.W[0])
    assert about["feature_names"] == ["a", "b", "c"]
    assert about["output_names"] == ["big", "small"]
    assert about["title"] == "d.csv, step by step"
    shown = np.array(about["X"])
    assert shown.shape == (20, 3)
    np.testing.assert_allclose(shown.mean(axis=0), 0, atol=1)
    whole = ["play", "m.safetensors", "d.csv", "--examples", "400"]
    assert main(whole) == 0
    assert len(problem_of((in_folder / "play.html").read_text("utf-8"))["X"]) == 60


def test_play_reads_data_without_a_header(in_folder):
    rows = np.random.default_rng(0).random((20, 3))
    np.savetxt("d.csv", rows, delimiter=",")
    assert main(["train", "d.csv", "--no-header", "--hidden", "3", "--no-plot"]) == 0
    assert main(["play", "d.safetensors", "d.csv", "--no-header"]) == 0
    about = problem_of((in_folder / "play.html").read_text("utf-8"))
    assert about["loss"] == "squared_error"
    assert np.shape(about["X"]) == (20, 2)
    # As it was trained on: standardised.
    np.testing.assert_array_equal(np.argsort(about["E"], axis=0)[:, 0], np.argsort(rows[:, 2]))


def test_the_document_lists_the_keys_of_the_page():
    text = (ROOT / "docs" / "play.md").read_text("utf-8")
    case = Case([2, 3, 2], "tanh", "softmax")
    html = play.page(case.net, case.X, case.y)
    keys = re.findall(r"<dt>(.*?)</dt><dd>", html)
    documented = [re.sub("<.*?>", "", key).split(", then")[0] for key in keys]
    rows = re.findall(r"^\| (.+?) \| ", text, re.M)
    listed = [row.replace(",", "").split(" then")[0] for row in rows]
    assert listed == ["Key", *documented]


def test_play_says_what_is_missing(in_folder, capsys):
    bp.Network([2, 3, 2], hidden="relu").save("m.safetensors")
    assert main(["play", "m.safetensors"]) == 1
    assert "DATA is required to play with m.safetensors" in capsys.readouterr().err
    np.save("X.npy", np.zeros((4, 2)))
    assert main(["play", "m.safetensors", "X.npy"]) == 1
    assert "has no target to compare with" in capsys.readouterr().err
    bp.Network([64, 200, 10]).save("digits.safetensors")
    assert main(["play", "digits.safetensors", "digits"]) == 1
    assert "at most 64 units in a layer" in capsys.readouterr().err
