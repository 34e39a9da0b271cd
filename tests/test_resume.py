"""Checkpoints: a resumed training is the uninterrupted one bitwise, and no file is trusted."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import make_case

import backprop as bp
from backprop import io
from backprop.callbacks import Callback, Checkpoint, EarlyStopping
from backprop.core import _safetensors
from backprop.optimizers import OPTIMIZERS, AdamW, Lion
from backprop.schedules import SCHEDULES, Cosine, ReduceOnPlateau

CORE = [name for name in OPTIMIZERS if name != "lbfgs"]


def problem(dtype="float32", m=70):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, m)
    X = (rng.standard_normal((3, 6))[y] + 0.5 * rng.standard_normal((m, 6))).astype(dtype)
    return bp.Network([6, 9, 8, 3], dtype=dtype, seed=1), X, y


def stop_at(epoch):
    def stop(run):
        run.stop = run.epoch == epoch

    return stop


def trained_twice(tmp_path, *, at=5, epochs=10, dtype="float32", **settings):
    """The network and history of one training, and of one stopped and resumed in a new network."""
    whole, X, y = problem(dtype)
    history = whole.fit(X, y, epochs=epochs, batch_size=16, **settings)
    first, X, y = problem(dtype)
    path = tmp_path / "run.safetensors"
    first.fit(
        X, y, epochs=epochs, batch_size=16, checkpoint=path, callbacks=[stop_at(at)], **settings
    )
    second = bp.Network([6, 9, 8, 3], dtype=dtype, seed=99)
    resumed = second.fit(X, y, epochs=epochs, batch_size=16, resume=path, **settings)
    return whole, history, second, resumed


@pytest.mark.parametrize("schedule", ["cosine", "reduce_on_plateau"])
@pytest.mark.parametrize("optimizer", CORE)
def test_a_resumed_training_equals_the_uninterrupted_one_bitwise(tmp_path, optimizer, schedule):
    settings = {
        "optimizer": optimizer,
        "lr": 0.01,
        "schedule": ReduceOnPlateau(patience=0, threshold=0.1)
        if schedule == "reduce_on_plateau"
        else Cosine(warmup=2),
        "dropout": 0.3,
        "l2": 0.01,
        "clip_norm": 1.0,
        "validation": 0.2,
        "class_weight": "balanced",
        "early_stopping": EarlyStopping(patience=4, restore_best=False),
        "seed": 3,
    }
    whole, history, second, resumed = trained_twice(tmp_path, **settings)
    assert history.epochs > 5
    assert whole.theta.tobytes() == second.theta.tobytes()
    assert dict(history) == dict(resumed)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_goes_on_where_it_was(tmp_path, schedule):
    settings = {"schedule": schedule, "optimizer": "adam", "dtype": "float64"}
    whole, history, second, resumed = trained_twice(tmp_path, **settings)
    assert whole.theta.tobytes() == second.theta.tobytes()
    assert dict(history) == dict(resumed)


def test_batch_by_batch_resumes_the_same(tmp_path):
    class Watch(Callback):
        def on_batch_end(self, run):
            pass

    whole, X, y = problem()
    whole.fit(X, y, epochs=6, optimizer="adam", dropout=0.2)
    half, X, y = problem()
    half.fit(
        X, y, epochs=6, optimizer="adam", dropout=0.2, checkpoint=tmp_path / "a.safetensors",
        callbacks=[Watch(), stop_at(2)],
    )  # fmt: skip
    half.fit(X, y, epochs=6, optimizer="adam", dropout=0.2, resume=tmp_path / "a.safetensors")
    assert half.theta.tobytes() == whole.theta.tobytes()


def test_early_stopping_counts_on_and_keeps_its_best_weights(tmp_path):
    """Overfitting noise: the best epoch lies before the interruption, the end after it."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
    validation = (rng.standard_normal((40, 5)), rng.integers(0, 2, 40))
    settings = {
        "epochs": 60, "lr": 0.3, "validation": validation, "early_stopping": 8, "batch_size": 8,
    }  # fmt: skip
    whole = bp.Network([5, 30, 2], dtype="float64")
    history = whole.fit(X, y, **settings)
    best = int(np.argmin(history["val_loss"])) + 1
    assert history.epochs == best + 8
    half = bp.Network([5, 30, 2], dtype="float64")
    path = tmp_path / "run.safetensors"
    half.fit(X, y, checkpoint=path, callbacks=[stop_at(best + 3)], **settings)
    again = bp.Network([5, 30, 2], dtype="float64", seed=7)
    assert dict(again.fit(X, y, resume=path, **settings)) == dict(history)
    np.testing.assert_array_equal(again.theta, whole.theta)
    assert again.loss(*validation) == min(history["val_loss"])


def test_a_finished_training_has_nothing_to_resume(tmp_path):
    net, X, y = problem()
    history = net.fit(X, y, epochs=3, checkpoint=tmp_path)
    before = net.theta.copy()
    again = net.fit(X, y, epochs=3, checkpoint=tmp_path, resume=True)
    assert dict(again) == dict(history)
    np.testing.assert_array_equal(net.theta, before)
    assert net.fit(X, y, epochs=4, checkpoint=tmp_path, resume=True).epochs == 4


def test_a_folder_keeps_the_last_and_the_best(tmp_path):
    net, X, y = problem()
    folder = tmp_path / "new" / "run"
    history = net.fit(
        X, y, epochs=11, lr=1.5, validation=0.3, checkpoint=Checkpoint(folder, every=2, keep_last=2)
    )
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["best.safetensors", "epoch-000010.safetensors", "epoch-000011.safetensors"]
    np.testing.assert_array_equal(bp.load(folder / names[2]).theta, net.theta)
    best = bp.load(folder / "best.safetensors")
    assert 0 < int(np.argmin(history["val_loss"])) < 10
    about = json.loads(io.read(folder / "best.safetensors").metadata["backprop.training"])
    assert about["epoch"] == int(np.argmin(history["val_loss"])) + 1
    assert (best.theta != net.theta).any()


def test_the_best_of_before_outlives_the_interruption(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
    validation = (rng.standard_normal((40, 5)), rng.integers(0, 2, 40))
    settings = {"epochs": 60, "lr": 0.3, "validation": validation, "batch_size": 8}
    net = bp.Network([5, 30, 2], dtype="float64")
    net.fit(X, y, checkpoint=tmp_path, callbacks=[stop_at(40)], **settings)
    best = (tmp_path / "best.safetensors").read_bytes()
    history = net.fit(X, y, checkpoint=tmp_path, resume=True, **settings)
    assert int(np.argmin(history["val_loss"])) < 40
    assert (tmp_path / "best.safetensors").read_bytes() == best


def test_a_file_has_its_best_beside_it(tmp_path):
    net, X, y = problem()
    path = tmp_path / "run.safetensors"
    net.fit(X, y, epochs=4, checkpoint=Checkpoint(path, monitor="loss"))
    assert sorted(os.listdir(tmp_path)) == ["run.best.safetensors", "run.safetensors"]
    other, X, y = problem()
    other.fit(X, y, epochs=4, checkpoint=Checkpoint(tmp_path / "b.safetensors", keep_best=False))
    assert "b.best.safetensors" not in os.listdir(tmp_path)


def test_true_resumes_what_there_is_and_begins_where_there_is_nothing(tmp_path):
    whole, X, y = problem()
    whole.fit(X, y, epochs=6, optimizer="momentum")
    net, X, y = problem()
    for stop in (2, 4, None):
        net.fit(
            X, y, epochs=6, optimizer="momentum", checkpoint=tmp_path, resume=True,
            callbacks=[stop_at(stop)],
        )  # fmt: skip
    assert net.theta.tobytes() == whole.theta.tobytes()


def test_a_folder_of_another_training_is_not_written_to(tmp_path):
    net, X, y = problem()
    net.fit(X, y, epochs=2, checkpoint=tmp_path)
    before = net.theta.copy()
    with pytest.raises(ValueError, match=r"`checkpoint` must name a folder without checkpoints"):
        net.fit(X, y, epochs=2, checkpoint=tmp_path)
    np.testing.assert_array_equal(net.theta, before)


def test_what_a_killed_process_left_is_swept_up(tmp_path):
    litter = [".epoch-000007.safetensors.0123abcd.tmp", ".best.safetensors.00000000.tmp"]
    others = [".other.safetensors.0123abcd.tmp", "notes.txt"]
    for name in litter + others:
        (tmp_path / name).write_bytes(b"half")
    net, X, y = problem()
    net.fit(X, y, epochs=1, checkpoint=tmp_path)
    assert {*os.listdir(tmp_path)} == {*others, "best.safetensors", "epoch-000001.safetensors"}


def test_a_checkpoint_is_a_network_that_loads_anywhere(tmp_path):
    net, X, y = problem()
    net.fit(X, y, epochs=2, optimizer="adam", checkpoint=tmp_path / "a.safetensors")
    np.testing.assert_array_equal(bp.load(tmp_path / "a.safetensors").theta, net.theta)


def test_weights_that_are_not_finite_get_no_checkpoint(tmp_path):
    X, y = np.full((4, 1), 1e150), np.zeros((4, 1))
    net = bp.Network([1, 1], output="linear", dtype="float64")
    net.W[0][:] = 1e-10
    with pytest.raises(bp.DivergenceError):
        net.fit(X, y, epochs=1, lr=1e250, checkpoint=tmp_path)
    assert os.listdir(tmp_path) == []


# What is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 0.02}, "`lr` must be 0.01 to resume"),
        ({"optimizer": Lion()}, "`optimizer` must be {'name': 'adamw', "),
        ({"optimizer": AdamW(weight_decay=0.5)}, "`optimizer` must be {'name': 'adamw', "),
        ({"batch_size": 8}, "`batch_size` must be 16 to resume"),
        ({"seed": 1}, "`seed` must be 0 to resume"),
        ({"dropout": 0.2}, "`dropout` must be [0.1, 0.1] to resume"),
        ({"schedule": "step"}, "`schedule` must be {'name': 'cosine', "),
        ({"epochs": 7}, "`epochs` must be 6 to resume"),
        ({"early_stopping": 3}, "`early_stopping` must be None to resume"),
        ({"validation": 0.3}, "`validation` must be None to resume"),
        ({"class_weight": {0: 2}}, "`class_weight` must be None to resume"),
        ({"metrics": "f1"}, "`metrics` must be those of"),
        ({"initial_epoch": 2}, "`initial_epoch` must be left out with `resume`"),
    ],
)
def test_another_training_is_not_resumed(tmp_path, changed, message):
    net, X, y = problem()
    path = tmp_path / "run.safetensors"
    settings = {
        "epochs": 6, "batch_size": 16, "optimizer": "adamw", "lr": 0.01, "dropout": 0.1,
        "schedule": "cosine",
    }  # fmt: skip
    net.fit(X, y, checkpoint=path, callbacks=[stop_at(2)], **settings)
    before = net.theta.copy()
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(X, y, resume=path, **{**settings, **changed})
    np.testing.assert_array_equal(net.theta, before)


def test_other_data_or_another_network_are_not_resumed(tmp_path):
    net, X, y = problem()
    path = tmp_path / "run.safetensors"
    net.fit(X, y, epochs=2, checkpoint=path)
    with pytest.raises(ValueError, match="`n_examples` must be 70 to resume"):
        net.fit(X[1:], y[1:], epochs=3, resume=path)
    other = bp.Network([6, 9, 3])
    with pytest.raises(ValueError, match=r"must be a checkpoint of Network\(\[6, 9, 3\]"):
        other.fit(X, y, epochs=3, resume=path)
    double, X, y = problem("float64")
    with pytest.raises(ValueError, match=r"must be a checkpoint of .*float64.*, got one of .*32"):
        double.fit(X, y, epochs=3, resume=path)


def test_lbfgs_is_not_resumed(tmp_path):
    pytest.importorskip("scipy")
    net, X, y = problem()
    path = tmp_path / "run.safetensors"
    net.fit(X, y, epochs=2, optimizer="lbfgs", checkpoint=path)
    with pytest.raises(ValueError, match="`resume` must be left out for L-BFGS"):
        net.fit(X, y, epochs=3, optimizer="lbfgs", resume=path)
    assert bp.load(path).same_architecture(net)


@pytest.mark.parametrize(
    ("resume", "error", "message"),
    [
        (3, TypeError, "`resume` must be the path of a checkpoint, or True, got int"),
        (True, ValueError, "`resume` must be a path where there is no `checkpoint`, got True"),
        ("nothing", FileNotFoundError, "`resume` must name a checkpoint or their folder, got noth"),
    ],
)
def test_bad_places_to_resume_from(resume, error, message):
    net, X, y = make_case("relu", "softmax", 1)
    with pytest.raises(error, match=message):
        net.fit(X, y, resume=resume)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Checkpoint(3), TypeError, "`path` must be a path, got int"),
        (lambda: Checkpoint("a", every=0), ValueError, "`every` must be at least 1, got 0"),
        (lambda: Checkpoint("a", keep_last=0), ValueError, "`keep_last` must be at least 1, got 0"),
        (lambda: Checkpoint("a", keep_best=1), TypeError, "`keep_best` must be True or False"),
        (lambda: Checkpoint("a", monitor=1), TypeError, "`monitor` must be a name in the history"),
        (lambda: Checkpoint("a", mode="up"), ValueError, "`mode` must be one of min, max, got 'up"),
    ],
)
def test_bad_checkpoints(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_bad_checkpoint_argument():
    net, X, y = make_case("relu", "softmax", 1)
    with pytest.raises(TypeError, match="`checkpoint` must be a Checkpoint or its path, got int"):
        net.fit(X, y, checkpoint=3)


def damage(path, change):
    """Rewrite a checkpoint after change(tensors, metadata, about)."""
    tensors, metadata = _safetensors.decode(Path(path).read_bytes())
    tensors, about = dict(tensors), json.loads(metadata["backprop.training"])
    about = change(tensors, metadata, about) or about
    if "backprop.training" in metadata:
        metadata["backprop.training"] = about if isinstance(about, str) else json.dumps(about)
    Path(path).write_bytes(b"".join(bytes(part) for part in _safetensors.encode(tensors, metadata)))


def put(key, value):
    def change(tensors, metadata, about):
        about[key] = value

    return change


def put_tensor(name, array):
    def change(tensors, metadata, about):
        tensors[name] = array

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m, a: m.pop("backprop.training") and None, "it is no checkpoint but a finished"),
        (lambda t, m, a: "not JSON", "cannot be resumed: Expecting value"),
        (lambda t, m, a: "[" * 100_000, "cannot be resumed"),
        (lambda t, m, a: "[]", "its metadata are damaged"),
        (put("format", "1"), "its metadata are damaged"),
        (put("format", 2), "it has format 2; upgrade backprop"),
        (put("epoch", -1), "its metadata are damaged"),
        (put("epoch", 1.5), "its metadata are damaged"),
        (put("epoch", 1), "its history has more epochs than it counts"),
        (put("steps", 2**64), "its metadata are damaged"),
        (put("steps", True), "its metadata are damaged"),
        (put("settings", None), "its metadata are damaged"),
        (put("history", ["loss", 3]), "its metadata are damaged"),
        (put("history", ["val_loss"]), "its metadata are damaged"),
        (put("history", ["loss", "f1"]), "its history of 'f1' is missing or damaged"),
        (put_tensor("history.loss", np.zeros((2, 2))), "its history of 'loss' is missing or dama"),
        (put_tensor("history.val_loss", np.zeros(1)), "its history has values for some epochs"),
        (put_tensor("optimizer.mean", np.zeros(3)), "its tensor 'optimizer.mean' must be float32"),
        (
            put_tensor("optimizer.mean", np.full(170, np.nan, np.float32)),
            "its tensor 'optimizer.mean' must be finite",
        ),
        (
            put_tensor("optimizer.extra", np.zeros(170, np.float32)),
            "its optimizer's state is damaged",
        ),
        (lambda t, m, a: t.pop("optimizer.square") is None, "its optimizer's state is damaged"),
        (put_tensor("best.theta", np.zeros(170)), "its tensor 'best.theta' must be float32"),
    ],
)
def test_damaged_checkpoints_are_refused_and_change_nothing(tmp_path, change, message):
    net, X, y = problem()
    path = tmp_path / "run.safetensors"
    assert net.theta.size == 170
    settings = {"optimizer": "adam", "validation": 0.2}
    net.fit(X, y, epochs=2, checkpoint=path, **settings)
    before = net.theta.copy()
    damage(path, change)
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(X, y, epochs=3, resume=path, **settings)
    np.testing.assert_array_equal(net.theta, before)


def test_settings_that_a_file_lacks_are_refused(tmp_path):
    net, X, y = problem()
    path = tmp_path / "run.safetensors"
    net.fit(X, y, epochs=2, checkpoint=path)
    damage(path, lambda t, m, about: about["settings"].pop("lr") and None)
    with pytest.raises(ValueError, match=r"`lr` must be None to resume .*, got 0\.1"):
        net.fit(X, y, epochs=3, resume=path)


# Killed at any moment

KILLED = """
import os, random, signal, sys, time
import numpy as np
import backprop as bp
from backprop.callbacks import Callback
from backprop.training._checkpoint import newest

folder = sys.argv[1]
rng = np.random.default_rng(0)
X, y = rng.standard_normal((64, 20)).astype(np.float32), rng.integers(0, 3, 64)

class Tell(Callback):
    def __init__(self, pipe):
        self.pipe = pipe
    def on_epoch_begin(self, run):
        # All checkpoints of the epochs before are complete.
        os.write(self.pipe, b"%d\\n" % run.epoch)

def child(pipe):
    net = bp.Network([20, 60, 3])
    net.fit(X, y, epochs=10**6, optimizer="adam", dropout=0.1, checkpoint=folder, resume=True,
            callbacks=[Tell(pipe)])

random.seed(int(sys.argv[2]))
total, before = 0, 0
for i in range(100):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        child(writer)
        os._exit(1)
    os.close(writer)
    first = os.read(reader, 4096)  # it is running
    assert first, "the child ended by itself"
    time.sleep(random.uniform(0, 0.05))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    told = first
    while more := os.read(reader, 1 << 16):
        told += more
    os.close(reader)
    done = int(told.split()[-1])
    path = newest(folder)
    if path is None:
        assert done == 0, f"no checkpoint after {done} epochs"
        continue
    found = int(os.path.basename(path)[6:-12])
    # Whole, and of the last epoch that was finished, or of one that the child could not tell of.
    assert done <= found <= done + 1, (done, found)
    for name in os.listdir(folder):
        if not name.startswith("."):
            bp.load(os.path.join(folder, name))
    assert found >= before
    total, before = total + (found > before), found
print(total)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_a_hundred_times_a_training_is_at_most_one_checkpoint_old(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), "1"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 50  # most of the hundred lives took at least one step further
    net = bp.Network([20, 60, 3])
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((64, 20)).astype(np.float32), rng.integers(0, 3, 64)
    history = net.fit(
        X, y, epochs=10**6, optimizer="adam", dropout=0.1, checkpoint=tmp_path, resume=True,
        callbacks=[lambda run: setattr(run, "stop", True)],
    )  # fmt: skip
    whole = bp.Network([20, 60, 3])
    expected = whole.fit(X, y, epochs=history.epochs, optimizer="adam", dropout=0.1)
    assert expected["loss"] == history["loss"]
    assert whole.theta.tobytes() == net.theta.tobytes()
