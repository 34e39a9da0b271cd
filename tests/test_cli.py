"""The command line, end to end: results, files, exit codes, and one clear line for each mistake."""

from __future__ import annotations

import csv
import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import backprop as bp
from backprop import io
from backprop.cli._model import show, table
from backprop.model import ClassificationReport, LastEpoch, RegressionReport
from backprop.training import Run as Training
from backprop.training._progress import bar

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shell(*argv: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", "backprop", *argv],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **settings,  # type: ignore[call-overload]
    )


def assert_one_line(err: str, command: str) -> None:
    assert err.startswith(f"backprop {command}: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.fixture
def flowers() -> Path:
    """Two features that tell three kinds apart, in units far from each other."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=150)
    width, height = kinds * 4 + rng.random(150), 1e6 - kinds * 300 + 100 * rng.random(150)
    names = np.array(["[b]lue, pale", "Rose", "äster"])[kinds]
    with open("flowers.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["width", "kind", "height"])
        writer.writerows(zip(width.tolist(), names.tolist(), height.tolist(), strict=True))
    return Path("flowers.csv")


@pytest.fixture
def houses() -> Path:
    """A price that is linear in two features, in an archive."""
    rng = np.random.default_rng(0)
    X = rng.normal([100, 0.5], [20, 0.1], size=(200, 2))
    np.savez("houses.npz", X=X, y=1000 * X[:, 0] - 50_000 * X[:, 1])
    return Path("houses.npz")


# --- train ---------------------------------------------------------------------------------------


def test_train_reaches_97_percent_on_digits_with_its_defaults(run: Run) -> None:
    code, out, err = run("train", "digits")
    assert (code, err) == (0, "")
    found = re.search(r"accuracy +(\d\.\d+)\n +correct +(\d+) of (\d+)", out)
    assert found is not None
    assert float(found[1]) >= 0.97
    assert int(found[2]) / int(found[3]) == pytest.approx(float(found[1]), abs=1e-4)
    assert "1294 to train on, 144 to watch, 359 to test on" in out
    assert "64-100-10, 7510 parameters in float32" in out
    assert re.search(r"training +\d+\.\d\d s, 40 epochs", out)
    # Ten rows of ten counts that add up to the test set.
    counts = [line.split() for line in out.splitlines() if re.fullmatch(r" +\d( +\d+){10}", line)]
    assert sum(int(count) for line in counts for count in line[1:]) == 359
    assert Path("digits.png").read_bytes().startswith(b"\x89PNG")
    assert bp.load("digits.safetensors").network.layer_sizes == (64, 100, 10)


def test_digits_accuracy_does_not_hang_on_the_seed(run: Run) -> None:
    accuracies = []
    for seed in range(6):
        _, out, _ = run("train", "digits", "--seed", seed, "--no-plot")
        accuracies.append(float(re.findall(r"accuracy +(\S+)", out)[0]))
    assert np.mean(accuracies) >= 0.97
    assert len(set(accuracies)) > 1


def test_train_is_repeatable_and_the_options_are_in_the_model(run: Run, flowers: Path) -> None:
    options = ("--target", "kind", "--epochs", 5, "--hidden", "8,4", "--activation", "tanh,relu")
    weights = []
    for name in ("a.safetensors", "b.safetensors"):
        assert run("train", flowers, *options, "--out", name, "--no-plot")[0] == 0
        weights.append(bp.load(name).network.theta)
    assert np.array_equal(*weights)
    saved = io.read("a.safetensors")
    model = bp.load("a.safetensors")
    assert model.class_names == ("Rose", "[b]lue, pale", "äster")
    assert (model.encoder.names, model.target) == (["width", "height"], "kind")
    assert model.settings["hidden"] == [8, 4]
    assert model.settings["seed"] == 0
    assert saved.network.hidden_names == ("tanh", "relu")
    assert saved.tensors["encoder.medians"][1] > 9e5


def test_train_tells_what_it_did_not_hold_out(run: Run, flowers: Path) -> None:
    code, out, _ = run(
        "train", flowers, "--target", "kind", "--validation-size", 0, "--epochs", 20, "--threads", 1
    )
    assert code == 0
    assert "120 to train on, 0 to watch, 30 to test on" in out
    assert "accuracy  " in out
    assert bp.get_num_threads() == 1
    bp.set_num_threads(os.cpu_count() or 1)


def test_train_without_hidden_layer_is_softmax_regression(run: Run, flowers: Path) -> None:
    code, out, _ = run("train", flowers, "--target", "kind", "--hidden", "none", "--no-plot")
    assert code == 0
    assert "network 2-3, 9 parameters" in out
    assert float(re.findall(r"accuracy +(\S+)", out)[0]) == 1


def test_train_on_a_quantity_reports_in_its_unit(run: Run, houses: Path) -> None:
    code, out, _ = run("train", houses, "--dtype", "float64", "--epochs", 200, "--hidden", 20)
    assert code == 0
    assert "regression" in out
    assert float(re.findall(r"R2 +(\S+)", out)[0]) > 0.99
    # The target's deviation is about 20000: the residual is in its unit and much smaller.
    assert 1 < float(re.findall(r"root mean square residual +(\S+)", out)[0]) < 2000
    assert "loss (of the standardised target)" in out


def test_few_examples_leave_none_to_watch(run: Run) -> None:
    Path("few.csv").write_text("a,y\n" + "".join(f"{i},{'uv'[i % 2]}\n" for i in range(6)))
    code, out, _ = run("train", "few.csv", "--epochs", 1, "--no-plot")
    assert code == 0
    assert "5 to train on, 0 to watch, 1 to test on" in out


@pytest.mark.parametrize(
    ("option", "scale"), [("each", [1.0, 0.5]), ("together", [0.79, 0.79]), ("none", [1.0, 1.0])]
)
def test_scale_is_as_asked(run: Run, option: str, scale: list[float]) -> None:
    X = np.array([[0.0, 0.0], [2.0, 1.0]] * 50)
    np.savez("a.npz", X=X, y=X[:, 0])
    assert run("train", "a.npz", "--scale", option, "--epochs", 1, "--no-plot")[0] == 0
    found = io.read("a.safetensors").tensors["encoder.scale"]
    assert found.tolist() == pytest.approx(scale, abs=0.01)


def test_train_reads_a_pair_of_npy_files_and_a_file_without_header(run: Run) -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    np.save("X.npy", X)
    np.save("labels.npy", X[:, 0] > 0)
    code, out, _ = run("train", "X.npy", "labels.npy", "--no-plot", "--epochs", 1)
    assert (code, "2 classes" in out) == (0, True)
    rows = np.column_stack([X, X[:, 0] > 0])
    np.savetxt("bare.csv.gz", rows, delimiter=",")
    code, out, _ = run("train", "bare.csv.gz", "--no-header", "--no-plot", "--epochs", 1)
    assert (code, "bare.safetensors" in out) == (0, True)
    code, out, _ = run("predict", "bare.safetensors", "bare.csv.gz", "--no-header")
    assert (code, len(out.splitlines())) == (0, 61)
    np.savetxt("new.csv", X, delimiter=",")
    code, again, _ = run("predict", "bare.safetensors", "new.csv", "--no-header")
    assert (code, again) == (0, out)
    assert run("evaluate", "bare.safetensors", "bare.csv.gz", "--no-header")[0] == 0


def test_a_missing_font_is_no_news_to_the_user(caplog, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    from backprop.cli._train import save_curve

    with matplotlib.rc_context({"font.family": "A font that nobody has"}):
        assert save_curve({"loss": [1.0, 0.5]}, str(tmp_path / "loss.png"), "loss")
    assert caplog.records == []
    assert (tmp_path / "loss.png").stat().st_size > 0


def test_without_matplotlib_one_line_says_how_to_get_the_curve(
    run: Run, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, _ = run("train", flowers, "--target", "kind", "--epochs", 1)
    assert code == 0
    assert "loss curve not drawn: it needs matplotlib (pip install matplotlib)\n" in out
    assert not Path("flowers.png").exists()


def test_many_classes_are_summed_up_by_their_largest_confusions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    y, predicted = np.arange(30), np.arange(30)
    predicted[7] = 3
    report = ClassificationReport.of(0.5, y, predicted, [f"c{i}" for i in range(30)])
    show(report, "title")
    lines = capsys.readouterr().out.splitlines()
    assert report.accuracy == pytest.approx(29 / 30)
    assert lines[8].split() == ["true", "class", "predicted", "class", "count"]
    assert lines[9].split() == ["c7", "c3", "1"]


def test_confusion_counts_have_true_classes_in_rows() -> None:
    report = ClassificationReport.of(0.0, np.array([0, 0, 1]), np.array([1, 0, 1]), ["a", "b"])
    assert report.confusion.tolist() == [[1, 1], [0, 1]]


def test_r2_of_a_constant_target_is_no_number() -> None:
    assert np.isnan(RegressionReport(0.0, np.ones(3), np.zeros(3)).r2)
    assert RegressionReport(0.0, np.array([0.0, 2.0]), np.array([0.0, 1.0])).r2 == 0.5


# --- predict and evaluate ------------------------------------------------------------------------


def trained(run: Run, data: Path, *options: object) -> str:
    assert run("train", data, *options, "--no-plot", "--out", "m.safetensors")[0] == 0
    return "m.safetensors"


def test_predict_writes_class_names_and_probabilities(run: Run, flowers: Path) -> None:
    model = trained(run, flowers, "--target", "kind")
    # Other order, another column, no target: features are found by name.
    Path("new.csv").write_text("id,height,width\nx,1000050,0.5\ny,999450,8.5\n")
    code, out, err = run("predict", model, "new.csv", "--proba")
    assert (code, err) == (0, "")
    rows = list(csv.reader(out.splitlines()))
    assert rows[0] == ["prediction", "P(Rose)", "P([b]lue, pale)", "P(äster)"]
    assert [row[0] for row in rows[1:]] == ["[b]lue, pale", "äster"]
    for row in rows[1:]:
        assert sum(map(float, row[1:])) == pytest.approx(1, abs=1e-6)
    code, out, _ = run("predict", model, "new.csv", "--out", "p.csv", "--threads", 2)
    assert (code, out) == (0, "")
    assert Path("p.csv").read_text("utf-8") == 'prediction\n"[b]lue, pale"\näster\n'


def test_predict_equals_the_library(run: Run, houses: Path) -> None:
    model = trained(run, houses, "--epochs", 3)
    _, out, _ = run("predict", model, houses)
    printed = np.array(out.splitlines()[1:], dtype=np.float32)
    saved = io.read(model)
    t = saved.tensors
    X = np.load(houses)["X"]
    Z = ((X - t["encoder.mean"]) / t["encoder.scale"]).astype(np.float32)
    Y_hat = saved.network.predict(Z)[:, 0].astype(np.float64)
    expected = Y_hat * t["encoder.target_scale"] + t["encoder.target_mean"]
    assert np.array_equal(printed, expected.astype(np.float32))


def test_evaluate_repeats_the_table_of_the_test_set_and_warns_of_training_data(
    run: Run, flowers: Path
) -> None:
    model = trained(run, flowers, "--target", "kind")
    code, out, _ = run("evaluate", model, flowers)
    assert code == 0
    assert "flowers.csv (150 examples)" in out
    assert re.search(r"correct +150 of 150", out)
    assert "note: most of these examples are those the model was trained on" in out
    Path("other.csv").write_text("height,width,sort\n1000050,0.5,Rose\n")
    code, out, _ = run("evaluate", model, "other.csv", "--target", "sort")
    assert code == 0
    assert re.search(r"correct +0 of 1", out)
    assert "note" not in out


def test_evaluate_a_quantity(run: Run, houses: Path) -> None:
    model = trained(run, houses, "--epochs", 100)
    code, out, _ = run("evaluate", model, houses)
    assert code == 0
    assert float(re.findall(r"R2 +(\S+)", out)[0]) > 0.9


def test_networks_saved_by_the_library_are_used_without_scaler_and_names(run: Run) -> None:
    np.savez("a.npz", X=np.ones((2, 3)), y=np.array([0, 1]))
    bp.Network([3, 2], seed=0).save("softmax.safetensors")
    bp.Network([3, 2], output="linear", seed=0).save("linear.safetensors")
    code, out, _ = run("predict", "softmax.safetensors", "a.npz", "--proba")
    assert (code, out.splitlines()[0]) == (0, "prediction,P(0),P(1)")
    assert run("evaluate", "softmax.safetensors", "a.npz")[0] == 0
    code, out, _ = run("predict", "linear.safetensors", "a.npz")
    expected = bp.load("linear.safetensors").predict(np.ones((1, 3)))[0]
    assert out.splitlines()[0] == "prediction_1,prediction_2"
    assert np.array(out.splitlines()[1].split(","), np.float32).tolist() == expected.tolist()


# --- check and info ------------------------------------------------------------------------------


def test_check_proves_every_activation_and_loss(run: Run) -> None:
    code, out, err = run("check")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()[2:]]
    assert {row[0] for row in rows} == set(bp._backprop.activations())
    assert {row[1] for row in rows} == set(bp._backprop.outputs())
    assert all(row[-1] == "ok" and float(row[3]) < 1e-12 and float(row[4]) < 1e-7 for row in rows)


def test_check_of_a_model_lists_its_arrays(run: Run) -> None:
    bp.Network([3, 4, 2], output="sigmoid").save("m.safetensors")
    code, out, _ = run("check", "m.safetensors", "--examples", 3, "--seed", 1)
    assert code == 0
    for name in ("W_1", "b_1", "W_2", "b_2"):
        assert re.search(rf"^{name} .*ok$", out, re.M)


def test_check_fails_when_a_gradient_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    right = bp.Network.gradients

    def wrong(net: bp.Network, X: object, y: object) -> object:
        g = right(net, X, y)  # type: ignore[arg-type]
        g.W[1][0, 0] += 1e-3
        return g

    monkeypatch.setattr(bp.Network, "gradients", wrong)
    code, out, err = run("check")
    assert code == 1
    assert "WRONG" in out
    assert_one_line(err, "check")
    assert "networks have wrong gradients" in err


def test_info_says_what_is_in_use(run: Run) -> None:
    code, out, _ = run("info")
    facts = bp.info()
    assert code == 0
    for key in ("version", "eigen", "level", "compiler", "n_threads"):
        assert re.search(rf" {re.escape(str(facts[key]))}$", out, re.M), key


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"backprop {bp.__version__}\n", "")


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("", "a command is required: one of train, columns, predict, evaluate, importance, check"),
        ("tran digits", "invalid choice: 'tran'"),
        ("train", "the following arguments are required: DATA"),
        ("train digits --lr -0.1", "--lr: must be a finite number of 0 or more, got '-0.1'"),
        ("train digits --lr nan", "--lr: must be a finite number of 0 or more, got 'nan'"),
        ("train digits --epochs 0", "--epochs: must be a whole number of at least 1, got '0'"),
        ("train digits --epochs 1.5", "--epochs: must be a whole number of at least 1, got '1.5'"),
        ("train digits --seed -1", "--seed: must be a whole number from 0 to 2^63 - 1, got '-1'"),
        ("train digits --test-size 1", "--test-size: must be between 0 and 1, both excluded"),
        ("train digits --validation-size 1", "--validation-size: must be from 0 to below 1"),
        ("train digits --hidden 10,,5", "--hidden: must be a whole number of at least 1, got ''"),
        ("train digits --activation rellu", "unknown activation 'rellu'; did you mean 'relu'?"),
        ("train digits --activation xyz", "unknown activation 'xyz'; known are relu, "),
        ("train digits --task sorting", "--task: invalid choice: 'sorting'"),
        ("train digits --epoch 3", "unrecognized arguments: --epoch 3"),
        ("train X.npy y.npy z.npy", "DATA must be one source, or X.npy and y.npy, got 3"),
        ("predict model", "the following arguments are required: DATA"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(run: Run, argv: str, message: str) -> None:
    code, out, err = run(*argv.split())
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert err.endswith("--help)\n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            "train digit",
            "digit must be a file, a folder, a query or a bundled data set (digits, p",
        ),
        ("train bad.csv --number a", "bad.csv: column 'a' "),
        ("train good.csv --target z", "good.csv: `target`: no column 'z'; the columns are 'a', "),
        (
            "train good.csv --task regression --test-size 0.5",
            "the target 'y' is no number at line 2 ('p'): a regression needs numbers",
        ),
        ("train one.csv", "one.csv: the target 'y' has one class ('p'): nothing to learn"),
        ("train halves.npz --task classification", "must hold whole numbers or text to be class"),
        ("train noy.npz", "noy.npz has no target; training needs y"),
        ("train digits good.csv", "a second file must be the y.npy of an X.npy, got digits first"),
        ("train digits --out no/where.safetensors", "no/where.safetensors cannot be written"),
        ("train digits --hidden 5,4 --activation relu,tanh,relu", "`hidden` must be one name, or"),
        ("train digits --lr 1e30", "in epoch 1 of 40, batch "),
        ("train good.csv --test-size 0.1", "`test_size` must be a share between 0 and 1"),
        ("predict none.safetensors digits", "none.safetensors"),
        ("predict good.csv digits", "good.csv cannot be loaded as a network"),
        ("predict net.safetensors digits", "digits must have 2 features like the data the model"),
        ("predict net.safetensors good.csv --proba", "predicts no classes; --proba needs a clas"),
        ("predict cut.safetensors digits", "cut.safetensors cannot be loaded as a network"),
        ("evaluate net.safetensors noy.npz", "noy.npz has no target to compare with"),
        ("check none.safetensors", "error: none.safetensors: No such file or directory"),
        ("train .", "its columns are "),
        ("predict . digits", "error: .: Is a directory"),
    ],
)
def test_failures_are_one_line_and_code_1(run: Run, argv: str, message: str) -> None:
    Path("good.csv").write_text("a,b,y\n1,2,p\n2,1,q\n")
    Path("one.csv").write_text("a,y\n1,p\n2,p\n3,p\n4,p\n5,p\n")
    Path("bad.csv").write_text("a,b,y\n1,2,p\nx,1,q\n")
    np.savez("halves.npz", X=np.ones((4, 2)), y=np.array([0.5, 1, 2, 3]))
    np.savez("noy.npz", X=np.ones((4, 2)))
    bp.Network([2, 1], output="linear").save("net.safetensors")
    Path("cut.safetensors").write_bytes(Path("net.safetensors").read_bytes()[:100])
    before = set(os.listdir())
    code, _, err = run(*argv.split())
    assert code == 1
    assert_one_line(err, argv.split()[0])
    assert message in err
    assert set(os.listdir()) == before


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{", "its metadata 'backprop.cli' is damaged"),
        ("[]", "its metadata 'backprop.cli' is damaged"),
        ('{"class_names": ["a"]}', "its metadata 'backprop.cli' is damaged"),
        (
            '{"class_names": ["a"], "feature_names": [], "target_name": null, "options": {}}',
            "its metadata 'backprop.cli' is damaged",
        ),
        (
            '{"class_names": [1, 2], "feature_names": [], "target_name": null, "options": {}}',
            "its metadata 'backprop.cli' is damaged",
        ),
        (
            '{"class_names": [], "feature_names": [], "target_name": null, "options": {}}',
            "its 'scaler' is missing or damaged",
        ),
    ],
)
def test_damaged_extras_of_a_model_are_refused(run: Run, entry: str, message: str) -> None:
    bp.Network([64, 2]).save("m.safetensors", metadata={"backprop.cli": entry})
    code, _, err = run("predict", "m.safetensors", "digits")
    assert code == 1
    assert_one_line(err, "predict")
    assert message in err


def test_memory_that_is_not_there_is_one_line(run: Run) -> None:
    code, _, err = run("train", "digits", "--hidden", "1000000000,1000000000")
    assert code == 1
    assert_one_line(err, "train")


# --- Ctrl-C, pipes and terminals -----------------------------------------------------------------


def test_interrupt_keeps_the_model_of_the_last_whole_epoch(
    run: Run, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting(LastEpoch):
        def __call__(self, run: Training) -> None:
            super().__call__(run)
            if run.epoch == 3:
                signal.raise_signal(signal.SIGINT)

    trained(run, flowers, "--target", "kind", "--epochs", 3)
    monkeypatch.setattr("backprop.model._training.LastEpoch", Interrupting)
    code, out, err = run("train", flowers, "--target", "kind", "--epochs", 9)
    assert (code, err) == (130, "")
    assert "interrupted: the saved model is that of epoch 3 of 9" in out
    assert "test set" not in out
    thetas = [bp.load(path).network.theta for path in ("flowers.safetensors", "m.safetensors")]
    assert np.array_equal(*thetas)


def test_interrupt_before_the_first_epoch_saves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bp.Network, "fit", interrupted)
    code, _, err = run("train", "digits")
    assert code == 130
    assert err == "backprop train: error: interrupted\n"
    assert os.listdir() == []


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_ctrl_c_stops_a_running_training_cleanly() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "backprop", "train", "digits", "--epochs", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "digits" in process.stdout.readline()
        assert "network" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    if err:
        assert err == "backprop train: error: interrupted\n"
    else:
        assert "interrupted: the saved model is that of epoch" in out


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes that close")
def test_a_reader_that_goes_away_is_no_error(run: Run) -> None:
    trained(run, Path("digits"), "--epochs", 1)
    with subprocess.Popen(
        [sys.executable, "-m", "backprop", "predict", "m.safetensors", "digits", "--proba"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("prediction,")
        process.stdout.close()
        assert process.stderr.read() == ""
        process.wait(timeout=60)
    assert process.returncode == 1


def in_terminal(argv: list[str], **environment: str) -> str:
    """Run a program with a pseudo-terminal for its output, and give back what it showed."""
    code = "import pty, sys\nsys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm", **environment},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_shows_progress_and_tables(flowers: Path, rich: bool) -> None:
    hide = "" if rich else "sys.modules['rich.console'] = None; "
    code = f"import sys; {hide}from backprop.cli import main; sys.exit(main(sys.argv[1:]))"
    options = ["--target", "kind", "--epochs", "30", "--no-plot"]
    shown = in_terminal([sys.executable, "-c", code, "train", str(flowers), *options])
    assert "30/30" in shown
    assert "validation accuracy 1.0000" in shown
    assert ("│" in shown) == rich
    assert ("#" * 24 in shown) == (not rich)
    assert "[b]lue, pale" in shown
    assert "model saved to flowers.safetensors" in shown


@pytest.mark.parametrize("rich", [True, False])
def test_progress_is_drawn_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rich: bool
) -> None:
    if not rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with bar(4) as update:
        update(1, "loss 0.5")
        update(4, "loss [b]0.25")
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "loss [b]0.25" in shown
    assert ("[######------------------] loss 0.5" in shown) == (not rich)


@pytest.mark.parametrize(
    ("rich", "columns", "drawn"), [(True, "40", True), (True, "20", False), (False, "40", False)]
)
def test_tables_are_drawn_on_a_terminal_that_is_wide_enough(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rich: bool,
    columns: str,
    drawn: bool,
) -> None:
    if not rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    table("title", [["[b]", "1"], ["a", "20"]], ["name of it", "number"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "title"
    assert any("│ [b] " in line for line in lines) == drawn
    assert (lines[2:] == ["  [b]              1", "  a               20"]) == (not drawn)


def test_where_there_is_no_terminal_there_is_no_progress(flowers: Path) -> None:
    done = shell("train", str(flowers), "--target", "kind", "--epochs", "30")
    assert (done.returncode, done.stderr) == (0, "")
    assert "30/30" not in done.stdout
    assert "\x1b" not in done.stdout


# --- as a program --------------------------------------------------------------------------------


def test_every_command_works_as_a_program(flowers: Path) -> None:
    for argv in (
        ["train", "digits", "--epochs", "2", "--out", "d.safetensors"],
        ["evaluate", "d.safetensors", "digits"],
        ["predict", "d.safetensors", "digits"],
        ["check", "d.safetensors", "--examples", "2"],
        ["info"],
        ["train", "--help"],
    ):
        done = shell(*argv)
        assert (done.returncode, done.stderr) == (0, ""), argv
        assert done.stdout
    failed = shell("train", "nowhere.csv")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert_one_line(failed.stderr, "train")
    assert shell("train", "digits", "--lr", "x").returncode == 2


def test_python_m_backprop_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["backprop", "--version"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("backprop", run_name="__main__")
    assert capsys.readouterr().out.startswith("backprop ")
