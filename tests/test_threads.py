"""Threads change no result, survive fork, and keep to what the process may use."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import backprop as bp

# Wide enough for several panels, tiles that do not divide evenly, and packed blocks (the last).
SHAPES = [
    ([7, 20, 5], 33, 100),
    ([54, 256, 256, 7], 256, 600),
    ([64, 100, 10], 1797, 1797),
    ([300, 900, 700, 11], 80, 200),
]


def trained(layer_sizes, batch_size, m, dtype="float32", epochs=2):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, layer_sizes[0])).astype(dtype)
    y = rng.integers(0, layer_sizes[-1], m)
    net = bp.Network(layer_sizes, dtype=dtype, seed=1)
    history = net.fit(X, y, epochs=epochs, batch_size=batch_size, lr=0.05, seed=2)
    return net.theta.tobytes(), list(history["loss"]), net.predict(X).tobytes(), net.loss(X, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer_sizes", "batch_size", "m"), SHAPES)
def test_any_number_of_threads_gives_the_same_bytes(layer_sizes, batch_size, m, dtype):
    results = []
    for n in (1, 2, 3, 4):
        with bp.threads(n):
            results.append(trained(layer_sizes, batch_size, m, dtype))
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_gradients_do_not_depend_on_threads(n_threads):
    net = bp.Network([784, 700, 600, 10], seed=0)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 784)).astype("f4"), rng.integers(0, 10, 200)
    with bp.threads(1):
        expected = net.gradients(X, y).theta
    with bp.threads(n_threads):
        assert net.gradients(X, y).theta.tobytes() == expected.tobytes()


def test_threads_puts_the_number_back():
    before = bp.get_num_threads()
    with bp.threads(before + 2):
        assert bp.get_num_threads() == before + 2
    assert bp.get_num_threads() == before
    with pytest.raises(KeyError, match="inside"), bp.threads(before + 2):
        raise KeyError("inside")
    assert bp.get_num_threads() == before
    with pytest.raises(ValueError, match="`n_threads` must be"), bp.threads(0):
        pass
    assert bp.get_num_threads() == before


def test_many_python_threads_train_at_once():
    expected = trained([54, 256, 256, 7], 256, 600)
    results = [None] * 6

    def work(i):
        results[i] = trained([54, 256, 256, 7], 256, 600)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    with bp.threads(2):
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert all(result == expected for result in results)


def run_python(code, **environment):
    """The output of a fresh interpreter; a hang is an error."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


TRAIN = """
import numpy as np, backprop as bp
def train():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((600, 54)).astype("f4"), rng.integers(0, 7, 600)
    net = bp.Network([54, 256, 256, 7], seed=1)
    net.fit(X, y, epochs=2, batch_size=256, lr=0.05)
    return net.theta.tobytes()
bp.set_num_threads(2)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_trains_as_its_parent():
    code = (
        TRAIN
        + """
import os, hashlib, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of fork beside threads: it is what is tested
before = train()
reader, writer = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(writer, hashlib.sha256(train()).digest() + bytes([bp.get_num_threads()]))
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
got = os.read(reader, 100)
assert got == hashlib.sha256(before).digest() + bytes([2]), "the child trained otherwise"
assert train() == before
print("equal")
"""
    )
    assert run_python(code) == "equal"


def test_the_environment_limits_the_threads():
    code = "import backprop as bp; print(bp.get_num_threads())"
    assert run_python(code, OMP_NUM_THREADS="1") == "1"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_the_affinity_limits_the_threads():
    core = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{core}}})\n"
        "import backprop as bp; print(bp.get_num_threads())"
    )
    assert run_python(code) == "1"


@pytest.mark.parametrize("other", ["torch", "sklearn.neural_network"])
@pytest.mark.parametrize("first", [True, False])
def test_others_in_the_same_process_do_no_harm(other, first):
    pytest.importorskip(other)
    imports = [f"import {other}", TRAIN]
    use = {
        "torch": "import torch; a = torch.ones(300, 300); (a @ a).sum().item()",
        "sklearn.neural_network": (
            "import numpy as np\n"
            "from sklearn.neural_network import MLPClassifier\n"
            "X = np.random.default_rng(0).random((200, 8)); y = X[:, 0] > 0.5\n"
            "MLPClassifier().partial_fit(X, y, classes=[0, 1])"
        ),
    }[other]
    steps = "\n".join(imports if first else imports[::-1])
    code = f"{steps}\nalone = train()\n{use}\nassert train() == alone\n{use}\nprint('fine')"
    assert run_python(code) == "fine"
