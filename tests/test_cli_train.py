"""``backprop train`` with all it has: optimizers, schedules, penalties, files, checkpoints."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop as bp
from backprop import io
from backprop.optimizers import Adam
from backprop.schedules import Cosine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def kinds() -> str:
    """Three kinds, one of them rare."""
    rng = np.random.default_rng(0)
    y = rng.choice(3, 120, p=[0.5, 0.4, 0.1])
    X = rng.standard_normal((120, 4)) + 2 * rng.standard_normal((3, 4))[y]
    np.savez("kinds.npz", X=X, y=np.array(["common", "usual", "rare"])[y])
    return "kinds.npz"


@pytest.fixture
def counts() -> str:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    np.savez("counts.npz", X=X, y=rng.poisson(np.exp(1 + X[:, 0])).astype(float))
    return "counts.npz"


def options_of(path: str) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(io.read(path).metadata["backprop.model"])["settings"]
    return options


EVERYTHING = {
    "epochs": 6, "hidden": [8, 6], "optimizer": {"name": "adam", "beta_1": 0.8}, "lr": 0.02,
    "schedule": {"name": "cosine", "warmup": 2}, "l1": 0.001, "l2": [0.01, 0.02, 0.0],
    "dropout": [0.1, 0.2], "clip_norm": 1.5, "clip_value": 0.5, "max_norm": 3.0,
    "class_weight": {"rare": 4.0}, "early_stopping": 5, "loss": ["cross_entropy", 0.1],
    "dtype": "float64", "seed": 3,
}  # fmt: skip
FLAGS = [
    *("--epochs", "6", "--hidden", "8,6", "--optimizer", "adam:beta_1=0.8", "--lr", "0.02"),
    *("--schedule", "cosine:warmup=2", "--l1", "0.001", "--l2", "0.01,0.02,0"),
    *("--dropout", "0.1,0.2", "--clip-norm", "1.5", "--clip-value", "0.5", "--max-norm", "3"),
    *("--class-weight", "rare=4", "--early-stopping", "5", "--loss", "cross_entropy:0.1"),
    *("--dtype", "float64", "--seed", "3"),
]


def same_weights(*paths: str) -> bool:
    first, second = (bp.load(path).network.theta.tobytes() for path in paths)
    return first == second


def toml(options: dict[str, Any]) -> str:
    """A file of the options that JSON brought back."""

    def value(x: Any) -> str:
        if isinstance(x, dict):
            return "{" + ", ".join(f"{json.dumps(k)} = {value(v)}" for k, v in x.items()) + "}"
        return json.dumps(x)

    return "".join(f"{k} = {value(v)}\n" for k, v in options.items() if v is not None)


def test_every_option_reaches_fit(run: Run, kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    fit = bp.Network.fit

    def spy(self: bp.Network, X: Any, y: Any, **settings: Any) -> Any:
        seen.update(settings, loss=self.architecture["loss"])
        return fit(self, X, y, **settings)

    monkeypatch.setattr(bp.Network, "fit", spy)
    code, _, err = run("train", kinds, *FLAGS, "--no-plot", "--checkpoint", "kept", "--every", 2)
    assert (code, err) == (0, "")
    assert bp.optimizers.get(seen["optimizer"]) == Adam(beta_1=0.8)
    assert bp.schedules.get(seen["schedule"]) == Cosine(warmup=2)
    for name in ("epochs", "lr", "l1", "l2", "dropout", "clip_norm", "clip_value", "max_norm"):
        assert seen[name] == EVERYTHING[name], name
    assert seen["class_weight"] == {1: 4.0}  # common, rare, usual
    assert seen["early_stopping"] == 5
    assert seen["loss"] == ("cross_entropy", 0.1)
    assert seen["checkpoint"] == bp.Checkpoint("kept", every=2)


def test_a_file_has_the_same_options_and_flags_win(run: Run, kinds: str) -> None:
    Path("run.toml").write_text(toml({**EVERYTHING, "data": kinds, "no-plot": True}), "utf-8")
    assert run("train", kinds, *FLAGS, "--no-plot", "--out", "a.safetensors")[0] == 0
    code, _, err = run("train", "--config", "run.toml", "--out", "b.safetensors")
    assert (code, err) == (0, "")
    assert not Path("b.png").exists()
    assert same_weights("a.safetensors", "b.safetensors")
    options = {**options_of("a.safetensors"), "out": None}
    assert options == {**options_of("b.safetensors"), "out": None}
    run("train", "--config", "run.toml", "--out", "c.safetensors", "--seed", 4, "--l1", 0)
    assert (options_of("c.safetensors")["seed"], options_of("c.safetensors")["l1"]) == (4, 0)
    assert options_of("c.safetensors")["lr"] == 0.02


@pytest.mark.parametrize("flags", [FLAGS, ["--optimizer", "momentum"], []])
def test_a_run_can_be_repeated_from_the_model(run: Run, kinds: str, flags: list[str]) -> None:
    run("train", kinds, *flags, "--epochs", 4, "--no-plot", "--out", "a.safetensors")
    options = options_of("a.safetensors")
    Path("again.toml").write_text(toml({**options, "out": "b.safetensors"}), "utf-8")
    code, _, err = run("train", "--config", "again.toml")
    assert (code, err) == (0, "")
    assert same_weights("a.safetensors", "b.safetensors")


def test_the_learning_rate_that_was_used_is_in_the_model(run: Run, kinds: str, counts: str) -> None:
    for data, flags, lr in (
        (kinds, [], 0.1),
        (counts, ["--task", "regression"], 0.01),
        (kinds, ["--optimizer", "adam"], 0.001),
        (kinds, ["--optimizer", "adam", "--lr", "0.5"], 0.5),
        (kinds, ["--optimizer", "lbfgs"], None),
    ):
        code, _, err = run(
            "train", data, *flags, "--epochs", 1, "--no-plot", "--out", "m.safetensors"
        )
        assert (code, err) == (0, "")
        assert options_of("m.safetensors")["lr"] == lr


def test_early_stopping_needs_no_number(run: Run, kinds: str) -> None:
    code, out, _ = run("train", kinds, "--epochs", 500, "--early-stopping", "--no-plot", "--lr", 1)
    assert code == 0
    found = re.search(r"(\d+) epochs", out)
    assert found is not None
    assert int(found[1]) < 500
    Path("run.toml").write_text(f'data = "{kinds}"\nearly_stopping = true\n')
    run("train", "--config", "run.toml", "--epochs", 2, "--no-plot", "--out", "m.safetensors")
    assert options_of("m.safetensors")["early_stopping"] == 10


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber:0.5", "poisson"])
def test_quantities_have_their_losses(run: Run, counts: str, loss: str) -> None:
    code, out, err = run(
        *("train", counts, "--task", "regression", "--loss", loss),
        *("--epochs", 60, "--lr", 0.002, "--no-plot"),
    )
    assert (code, err) == (0, "")
    net = bp.load("counts.safetensors").network
    assert net.loss_name == loss.partition(":")[0]
    assert net.output_name == ("exp" if loss == "poisson" else "linear")
    assert float(re.findall(r"R2 +(\S+)", out)[0]) > 0.2


def test_a_training_is_resumed_from_its_checkpoint(run: Run, kinds: str) -> None:
    common = ["train", kinds, "--optimizer", "adam", "--dropout", 0.1, "--no-plot"]
    run(*common, "--epochs", 6, "--out", "whole.safetensors")
    run(*common, "--epochs", 3, "--checkpoint", "kept", "--keep-last", 1)
    assert sorted(os.listdir("kept")) == ["best.safetensors", "epoch-000003.safetensors"]
    code, out, err = run(
        *common, "--epochs", 6, "--checkpoint", "kept", "--resume", "--out", "rest.safetensors"
    )
    assert (code, err) == (0, "")
    assert "6 epochs" in out
    assert same_weights("whole.safetensors", "rest.safetensors")
    code, _, err = run(*common, "--lr", 0.5, "--resume", "kept")
    assert code == 1
    assert "`lr` must be 0.001 to resume" in err


def test_a_finished_training_resumed_saves_its_model(run: Run, kinds: str) -> None:
    common = ["train", kinds, "--epochs", 3, "--checkpoint", "kept", "--no-plot"]
    run(*common, "--out", "a.safetensors")
    code, out, _ = run(*common, "--resume", "--out", "b.safetensors")
    assert code == 0
    assert "3 epochs" in out
    assert same_weights("a.safetensors", "b.safetensors")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--optimizer adma",
            "argument --optimizer: `optimizer` must be one of .*did you mean 'adam",
        ),
        ("--optimizer adam:beta=1", "`optimizer option` must be one of beta_1, beta_2, eps"),
        ("--optimizer adam:0.9", "must be NAME=VALUE,..., got '0.9'"),
        ("--schedule cosine:warmup=soon", "`warmup` must be a number, got 'soon'"),
        ("--optimizer nesterov:nesterov=maybe", "`nesterov` must be True or False, got 'maybe'"),
        ("--loss hubre", "unknown loss 'hubre'; known are"),
        ("--loss huber:0", "must be a finite number above 0, got '0'"),
        ("--l2 -1", "argument --l2: must be numbers of 0 or more, got '-1'"),
        ("--dropout 1", "argument --dropout: must be from 0 to below 1, got '1'"),
        ("--class-weight rare", "must be NAME=VALUE,..., got 'rare'"),
        ("--class-weight rare=-1", "must be weights of 0 or more, got '-1'"),
        ("--early-stopping 0", "must be a whole number of at least 1, got '0'"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, kinds: str, flags: str, message: str) -> None:
    code, _, err = run("train", kinds, *flags.split())
    assert code == 2
    assert err.count("\n") == 1
    assert re.search(message, err), err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--loss huber", "--loss must be one of cross_entropy for classification, got huber"),
        ("--class-weight odd=1", "`--class-weight` must be one of common, rare, usual"),
        ("--dropout 0.1,0.2,0.3", "`dropout` must be a number, or one for each hidden layer"),
        ("--optimizer lbfgs --dropout 0.1", "`dropout` must be left out for L-BFGS"),
        ("--resume", "`resume` must be a path where there is no `checkpoint`"),
        ("--resume nowhere", "`resume` must name a checkpoint or their folder, got nowhere"),
        ("--config nowhere.toml", "nowhere.toml"),
    ],
)
def test_what_does_not_fit_the_data_is_one_line(
    run: Run, kinds: str, flags: str, message: str
) -> None:
    code, _, err = run("train", kinds, *flags.split(), "--epochs", 1)
    assert code == 1
    assert err.startswith("backprop train: error: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = [", "run.toml must be a TOML file"),
        ("epohcs = 3", "`a key of run.toml` must be one of .*did you mean 'epochs'"),
        ("config = 'run.toml'", "`a key of run.toml` must be one of "),
        ("epochs = 0", "run.toml: `epochs` must be a whole number of at least 1, got '0'"),
        ("epochs = {a = 1}", "run.toml: `epochs` must be no table, got"),
        ("dtype = 'float16'", "run.toml: `dtype` must be one of float32, float64, got 'float16'"),
        ("no-plot = 1", "run.toml: `no-plot` must be true or false, got 1"),
        ("optimizer = {name = 'adam', beta = 1}", "run.toml: `optimizer` `optimizer option` must"),
        ("optimizer = {beta_1 = 0.1}", "run.toml: `optimizer` `optimizer` must have a 'name'"),
    ],
)
def test_bad_files_are_one_line(run: Run, kinds: str, text: str, message: str) -> None:
    Path("run.toml").write_text(text, "utf-8")
    code, _, err = run("train", kinds, "--config", "run.toml")
    assert code == 1
    assert err.count("\n") == 1
    assert re.search(message, err), err


def test_data_must_be_somewhere(run: Run) -> None:
    Path("run.toml").write_text("epochs = 3", "utf-8")
    code, _, err = run("train", "--config", "run.toml")
    assert code == 2
    assert "the following arguments are required: DATA" in err
