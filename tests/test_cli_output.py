"""What the command line writes: into any encoding, in words that fit the numbers, one line each."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import backprop as bp
from backprop.cli._output import duration, share
from backprop.core.checks import counted

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shell(encoding: str, *argv: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a pipe of that encoding."""
    return subprocess.run(
        [sys.executable, "-m", "backprop", *map(str, argv)],
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )


def table(path: str, target: Callable[[np.random.Generator, np.ndarray], list[object]]) -> Path:
    """A file of 60 examples with three columns and a target."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    lines = [
        "a,b,c,y",
        *(f"{r[0]},{r[1]},{r[2]},{t}" for r, t in zip(X, target(rng, X), strict=True)),
    ]
    Path(path).write_text("\n".join(lines), encoding="utf-8")
    return Path(path)


@pytest.fixture
def flowers() -> Path:
    return table("flowers.csv", lambda rng, X: ["Müller→" if x > 0 else "λ" for x in X[:, 0]])


@pytest.fixture
def counts() -> Path:
    return table("counts.csv", lambda rng, X: rng.poisson(40 * np.exp(0.3 * X[:, 0])).tolist())


@pytest.fixture
def model(flowers: Path, run: Run) -> str:
    code, _, err = run("train", flowers, "--epochs", 5, "--no-plot", "--out", "m.safetensors")
    assert (code, err) == (0, "")
    return "m.safetensors"


# Encodings


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8", "utf-16"])
@pytest.mark.parametrize(
    "command",
    [
        ("explain",),
        ("explain", "MODEL", "DATA", "--trace"),
        ("diagnose", "MODEL", "DATA"),
        ("evaluate", "MODEL", "DATA"),
        ("predict", "MODEL", "DATA", "--proba"),
        ("train", "DATA", "--epochs", 2, "--no-plot"),
        ("export", "MODEL", "--out", "out.h"),
        ("info",),
        ("--help",),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_every_command_writes_to_any_encoding(
    model: str, flowers: Path, encoding: str, command: tuple[object, ...]
) -> None:
    argv = [{"MODEL": model, "DATA": flowers}.get(word, word) for word in command]
    done = shell(encoding, *argv)
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode(encoding)
    assert done.stderr == b""
    assert "�" not in out
    if command[0] == "predict" and encoding == "cp1252":
        # What has no sign of its own is an escape: two names never become one.
        assert {line.split(",")[0] for line in out.splitlines()[1:]} == {"Müller->", "lambda"}
    if command[0] == "explain":
        assert ("∂L/∂" if encoding.startswith("utf") else "dL/d") in out


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_errors_are_written_to_any_encoding(encoding: str) -> None:
    done = shell(encoding, "train", "Ж→.csv")
    assert done.returncode == 1
    assert b"codec" not in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert rb"\u0416->.csv" in done.stderr


def test_the_streams_are_as_they_were_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    from backprop.cli import main

    before = sys.stdout.errors, sys.stderr.errors
    assert main(["info"]) == 0
    assert (sys.stdout.errors, sys.stderr.errors) == before


# Numbers and words


@pytest.mark.parametrize(
    ("n", "what", "said"),
    [
        (0, "epoch", "0 epochs"),
        (1, "epoch", "1 epoch"),
        (2, "epoch", "2 epochs"),
        (1, "class/classes", "1 class"),
        (3, "class/classes", "3 classes"),
    ],
)
def test_things_are_counted(n: int, what: str, said: str) -> None:
    assert counted(n, what) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0002, "0.2 ms"), (0.0041, "4.1 ms"), (0.07, "0.07 s"), (3.14159, "3.14 s"), (250, "250 s")],
)
def test_a_time_is_never_nothing(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(1, 1, "1"), (0, 1, "0"), (2, 3, "0.67"), (50, 60, "0.83"), (353, 359, "0.9833")],
)
def test_a_share_has_no_more_digits_than_examples_can_tell(
    part: int, whole: int, said: str
) -> None:
    assert share(part, whole) == said


def test_one_epoch_and_one_example(run: Run) -> None:
    Path("few.csv").write_text("a,y\n" + "".join(f"{i},{'uv'[i % 2]}\n" for i in range(6)))
    code, out, _ = run("train", "few.csv", "--epochs", 1, "--no-plot", "--test-size", 0.17)
    assert code == 0
    assert "6 rows, 2 columns, of which 1 makes 1 feature; 2 classes" in out
    assert "test set (1 example)" in out
    assert re.search(r"training +\S+ m?s, 1 epoch\n", out)
    assert not re.search(r"training +0\.00 s", out)
    assert not re.search(r"\b1 (epochs|examples|features|classes|parameters)", out)
    accuracy = re.findall(r"accuracy +(\S+)", out)[0]
    assert accuracy in ("0", "1")
    Path("one.csv").write_text("a,y\n1,u\n")
    code, out, _ = run("evaluate", "few.safetensors", "one.csv")
    assert code == 0
    assert "one.csv (1 example)" in out


def test_r2_of_one_example_is_not_a_number(run: Run) -> None:
    Path("few.csv").write_text("a,y\n" + "".join(f"{i},{i / 7}\n" for i in range(9)))
    code, out, err = run("train", "few.csv", "--epochs", 1, "--no-plot", "--test-size", 0.12)
    assert (code, err) == (0, "")
    assert re.search(r"R2 +undefined\n", out)


@pytest.mark.parametrize(("loss", "said"), [("poisson", False), ("squared_error", True)])
def test_a_loss_is_of_the_standardised_target_only_where_it_is(
    run: Run, counts: Path, loss: str, said: bool
) -> None:
    settings = ("--task", "regression", "--loss", loss, "--lr", 0.001, "--epochs", 3, "--no-plot")
    code, out, _ = run("train", counts, *settings)
    assert code == 0
    assert ("of the standardised target" in out) == said
    assert re.search(r"\n  loss ", out)
    code, out, _ = run("evaluate", "counts.safetensors", counts)
    assert ("of the standardised target" in out) == said


# One line for what is wrong


def huge(column: str) -> None:
    """Write big.csv, one column of which has no squares in float64."""
    rows = np.random.default_rng(0).standard_normal((30, 3))
    rows[:, "aby".index(column)] *= 1e300
    Path("big.csv").write_text("a,b,y\n" + "\n".join(",".join(map(str, r)) for r in rows))


def test_a_target_without_squares_is_one_line_that_names_it() -> None:
    huge("y")
    done = shell("utf-8", "train", "big.csv", "--no-plot")
    assert done.returncode == 1
    assert done.stderr.decode().startswith(
        "backprop train: error: target 'y' must be finite and its"
    )
    assert done.stderr.count(b"\n") == 1
    assert b"Warning" not in done.stderr


def test_features_of_any_size_are_scaled_without_a_word() -> None:
    huge("b")
    done = shell("utf-8", "train", "big.csv", "--no-plot")
    assert done.returncode == 0
    assert done.stderr == b""


def test_features_that_do_not_fit_float32_are_one_line() -> None:
    rows = [f"{i},{i % 2}" for i in range(30)]
    rows[3] = "1e140,1"
    Path("big.csv").write_text("a,y\n" + "\n".join(rows))
    done = shell("utf-8", "train", "big.csv", "--no-plot", "--scale", "none")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"Warning" not in done.stderr


def test_a_warning_is_one_line_like_an_error(model: str) -> None:
    net = bp.load(model).network
    net.W[0][0, 0] = np.nan
    with pytest.warns(UserWarning, match="has NaN"):
        net.save("nan.safetensors")
    code = (
        "import warnings, sys; from backprop.cli import main, _use; "
        "_use.evaluate = lambda args: warnings.warn('mind\\nthis') or 0; "
        "sys.exit(main(['evaluate', 'm.safetensors', 'x.csv']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stderr == b"backprop evaluate: warning: mind this\n"


# Files


def test_what_is_written_keeps_its_permissions(run: Run, model: str, flowers: Path) -> None:
    if os.name != "posix":
        pytest.skip("modes of POSIX")
    names = ["p.csv", "out.safetensors", "out.png", "page.html"]
    for name in names:
        Path(name).touch()
        Path(name).chmod(0o600)
    assert run("predict", model, flowers, "--out", "p.csv")[0] == 0
    assert run("train", flowers, "--epochs", 2, "--out", "out.safetensors", "--force")[0] == 0
    assert run("play", "--examples", 4, "--epochs", 1, "--out", "page.html")[0] == 0
    for name in names:
        assert Path(name).stat().st_size > 0
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600


def test_a_folder_or_a_pipe_as_model_is_known_before_training(run: Run, flowers: Path) -> None:
    Path("folder").mkdir()
    code, out, err = run("train", flowers, "--out", "folder", "--no-plot")
    assert (code, out) == (1, "")
    assert err == "backprop train: error: folder: Is a directory\n"
    if os.name == "posix":
        os.mkfifo("pipe")
        read: list[bytes] = []
        reader = Thread(target=lambda: read.append(Path("pipe").read_bytes()), daemon=True)
        reader.start()
        code, out, _ = run("train", flowers, "--out", "pipe", "--no-plot", "--epochs", 1)
        reader.join(10)
        assert code == 0
        assert b"backprop.model" in read[0]
        assert stat.S_ISFIFO(os.stat("pipe").st_mode)


# Explanations


def test_a_row_with_next_to_no_loss_has_nobody_to_blame(run: Run) -> None:
    rows = [f"{x},{'up' if x > 0 else 'down'}" for x in np.linspace(-3, 3, 61) if abs(x) > 0.5]
    Path("easy.csv").write_text("x,way\n" + "\n".join(rows))
    train = ("train", "easy.csv", "--epochs", 400, "--lr", 1, "--no-plot", "--batch-size", 4)
    assert run(*train)[0] == 0
    code, out, _ = run("explain", "easy.safetensors", "easy.csv", "--row", 0)
    assert code == 0
    assert "the loss is next to nothing, so there is nothing to blame" in out
    assert "chosen because its derivative is the largest of layer 1" in out
    # A row that the network has wrong has somebody.
    Path("wrong.csv").write_text("x,way\n-3,up\n")
    code, out, _ = run("explain", "easy.safetensors", "wrong.csv")
    assert code == 0
    assert "nothing to blame" not in out
    code, out, _ = run("explain", "easy.safetensors", "wrong.csv", "--weight", "1,0,0")
    assert "chosen because" not in out


@pytest.mark.parametrize("output", ["softmax", "linear", "sigmoid", "exp"])
def test_a_weight_is_chosen_where_none_is_given(output: str) -> None:
    net = bp.Network([3, 5, 2], hidden="tanh", output=output, dtype="float64")
    y = 1 if output == "softmax" else [0.3, 0.8]
    e = net.explain([1.0, -2.0, 0.5], y)
    grad_W = net.gradients(np.array([[1.0, -2.0, 0.5]]), np.array([y])).W[0]
    assert e.weight[0] == 1
    assert abs(e.gradient) == np.abs(grad_W).max()
    assert "chosen because its derivative is the largest of layer 1" in str(e)
    assert "chosen" not in str(net.explain([1.0, -2.0, 0.5], y, e.weight))
    assert "nothing to blame" not in str(e)
    if output != "softmax":
        x = np.array([[1.0, -2.0, 0.5]])
        perfect = net.explain(x, net.forward(x)[0])
        assert "nothing to blame" in str(perfect)


def test_python_names_the_methods_that_users_call() -> None:
    net = bp.Network([2, 2])
    for call, message in (
        (lambda: net.loss([[1, 2]]), r"^Network\.loss\(\) missing 1 required"),
        (lambda: net.explain([1, 2]), r"^Network\.explain\(\) missing 1 required"),
        (lambda: net.step([[1, 2]], [0]), r"^Network\.step\(\) missing 1 required"),
        (lambda: bp.Network([2, 2], activation="relu"), r"^Network\.__init__\(\) got an unexp"),
        (lambda: net.forward(), r"^Network\.forward\(\) missing 1 required"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


# The picture of a training


@pytest.fixture
def axes() -> Callable[[dict[str, list[float]]], object]:
    pytest.importorskip("matplotlib").use("agg")
    from backprop import plots

    def draw(history: dict[str, list[float]]) -> object:
        ax = plots.curves(history)
        ax.figure.canvas.draw()
        return ax

    yield draw
    __import__("matplotlib.pyplot").pyplot.close("all")


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([-50.0, -80.0, -95.0], "linear"),
        ([3.0, 0.5, -2.0], "linear"),
        ([0.69, 0.65, 0.6], "linear"),
        ([2.3, 0.4, 0.05], "log"),
        ([1e6, 1.0, 1e-7], "log"),
        ([2.0, 0.0], "linear"),
        ([1.0, float("nan"), 0.9], "linear"),
    ],
)
def test_the_scale_suits_the_losses_and_all_are_seen(axes, losses, scale) -> None:
    ax = axes({"loss": losses})
    assert ax.get_yscale() == scale
    low, high = ax.get_ylim()
    finite = [v for v in losses if v == v]
    assert low <= min(finite) < max(finite) <= high
    labels = [t.get_text() for t in ax.get_yticklabels() if t.get_text()]
    shown = [t for t in ax.get_yticks() if low <= t <= high]
    assert len(shown) >= 2
    assert not any("10^" in label for label in labels)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40, 1000])
def test_epochs_are_whole(axes, n) -> None:
    ax = axes({"loss": list(np.linspace(1, 0.5, n)), "val_accuracy": [0.5] * n})
    low, high = ax.get_xlim()
    shown = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert shown
    assert all(tick == int(tick) for tick in shown)
    assert min(shown) >= 1
    assert low <= 1 <= n <= high
    if n == 1:
        assert all(line.get_marker() == "o" for line in ax.get_lines())


def test_the_best_epoch_is_marked(axes) -> None:
    ax = axes({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 2.5, 2.7]})
    assert [text.get_text() for text in ax.texts] == ["best epoch 2"]
    assert ax.texts[0].xy == (2, 2.5)
    assert axes({"loss": [-3.0, -5.0, -4.0]}).texts[0].xy == (2, -5.0)
    assert not axes({"loss": [1.0]}).texts


def test_the_command_line_draws_the_same_picture(
    run: Run, counts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    from backprop.cli import _train

    drawn = []
    curves = _train.curves
    monkeypatch.setattr(
        _train, "curves", lambda history, ax: drawn.append((history, curves(history, ax=ax)))
    )
    settings = ("--task", "regression", "--loss", "poisson", "--lr", 0.001, "--epochs", 3)
    code, out, _ = run("train", counts, *settings)
    assert code == 0
    assert "loss curve saved to counts.png" in out
    [(history, ax)] = drawn
    assert min(history["loss"]) < 0
    assert ax.get_yscale() == "linear"
    assert ax.texts
