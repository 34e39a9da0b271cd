"""`backprop export`: what it writes predicts what `backprop predict` does, on the same raw data."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from c_header import run_header

import backprop as bp
from backprop import io

Run = Callable[..., tuple[int, str, str]]
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trained(run: Run) -> Callable[[str, str], np.ndarray]:
    """Train model.safetensors on data.npz, whose columns differ in size; returns raw features."""

    def train(task: str, dtype: str) -> np.ndarray:
        rng = np.random.default_rng(0)
        X = rng.normal([3, -40, 0.1], [1, 200, 0.02], size=(150, 3)).round(4)
        y = 1000 * X[:, 0] + 5 * X[:, 1] - 300
        if task == "classification":
            y = np.array(["lo*w", "mi/d", "hïgh"])[np.digitize(y, [2000, 3500])]
        np.savez("data.npz", X=X, y=y)
        options = ("--epochs", 10, "--hidden", "7,5", "--activation", "gelu,tanh", "--no-plot")
        done = run("train", "data.npz", "--dtype", dtype, *options, "--out", "model.safetensors")
        assert done[0] == 0, done
        return X

    return train


def predicted(run: Run, task: str) -> np.ndarray:
    """What `backprop predict` prints: probabilities, or the prediction."""
    code, out, _ = run(
        "predict", "model.safetensors", "data.npz", *["--proba"] * (task == "classification")
    )
    assert code == 0
    rows = list(csv.reader(out.splitlines()))[1:]
    numbers = slice(1, None) if task == "classification" else slice(None)
    return np.array([row[numbers] for row in rows], float)


cases = pytest.mark.parametrize(
    ("task", "dtype"),
    [(task, dtype) for task in ("classification", "regression") for dtype in TOLERANCE],
)


def assert_same(Y_hat: np.ndarray, expected: np.ndarray, dtype: str) -> None:
    size = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(Y_hat, expected, rtol=0, atol=TOLERANCE[dtype] * size)


@cases
def test_a_plain_network_predicts_what_the_model_does(
    run: Run, trained: Callable[[str, str], np.ndarray], task: str, dtype: str
) -> None:
    X = trained(task, dtype)
    code, out, err = run("export", "model.safetensors", "--out", "plain.safetensors")
    assert (code, err) == (0, "")
    assert out.startswith("plain.safetensors: Network([3, 7, 5, ")
    assert ("3 classes" in out, "in the target's unit" in out) == (
        task == "classification",
        task == "regression",
    )
    net, metadata, tensors = io.read("plain.safetensors")
    assert (net.dtype, net.hidden_names, tensors) == (dtype, ("gelu", "tanh"), {})
    assert_same(net.forward(X), predicted(run, task), dtype)
    assert "feature_names" not in metadata
    assert json.loads(metadata["target_name"]) == "y"
    names = json.loads(metadata.get("class_names", "[]"))
    assert names == (["hïgh", "lo*w", "mi/d"] if task == "classification" else [])


@cases
def test_the_c_header_predicts_what_the_model_does(
    run: Run,
    trained: Callable[[str, str], np.ndarray],
    task: str,
    dtype: str,
    tmp_path: Path,
) -> None:
    X = trained(task, dtype)
    assert run("export", "model.safetensors", "--format", "c")[0] == 0
    header = Path("model.h").read_text("ascii")
    assert 'target_name: "y"' in header
    assert run("export", "model.safetensors", "--out", "net.h", "--name", "net")[0] == 0
    assert Path("net.h").read_text() == header
    assert_same(run_header(tmp_path, X.astype(dtype)), predicted(run, task), dtype)


@cases
def test_the_onnx_file_predicts_what_the_model_does(
    run: Run, trained: Callable[[str, str], np.ndarray], task: str, dtype: str
) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    X = trained(task, dtype)
    assert run("export", "model.safetensors", "--format", "onnx")[0] == 0
    session = runtime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (Y_hat,) = session.run(None, {"X": X.astype(dtype)})
    assert_same(Y_hat, predicted(run, task), dtype)
    kept = session.get_modelmeta().custom_metadata_map
    assert ("class_names" in kept) == (task == "classification")


def test_another_dtype(run: Run, trained: Callable[[str, str], np.ndarray]) -> None:
    X = trained("classification", "float32")
    assert (
        run("export", "model.safetensors", "--out", "x.safetensors", "--dtype", "float64")[0] == 0
    )
    net = bp.load("x.safetensors")
    assert net.dtype == np.float64
    assert_same(net.forward(X), predicted(run, "classification"), "float32")


def test_a_network_without_a_command_line_exports_as_it_is(run: Run) -> None:
    net = bp.Network([2, 3, 2], output="exp", seed=1)
    net.save("net.safetensors")
    code, out, _ = run("export", "net.safetensors", "--out", "copy.safetensors")
    assert (code, "the target's unit" in out) == (0, False)
    np.testing.assert_array_equal(bp.load("copy.safetensors").theta, net.theta)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--format must be given, or --out FILE that ends with .onnx, .h, .safetensors"),
        (["--out", "net.txt"], "--format must be given, or --out FILE"),
        (["--out", "net.safetensors"], "--out must not be the model itself, got net.safetensors"),
        (["--format", "safetensors"], "--out must not be the model itself"),
        (["--format", "c", "--name", "a-b"], "`name` must be a C identifier"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run: Run, options: list[str], message: str
) -> None:
    bp.Network([2, 3]).save("net.safetensors")
    before = Path("net.safetensors").read_bytes()
    code, out, err = run("export", "net.safetensors", *options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert [path.name for path in Path().iterdir()] == ["net.safetensors"]
    assert Path("net.safetensors").read_bytes() == before


def test_formats_are_a_closed_list(run: Run) -> None:
    code, _, err = run("export", "net.safetensors", "--format", "pickle")
    assert (code, "invalid choice: 'pickle'" in err) == (2, True)
