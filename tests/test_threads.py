"""Threads change no result, survive fork, and keep to what the process may use."""

import itertools
import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from cases import ACTIVATIONS, DTYPES, PAIRS, make_data

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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("layer_sizes", "batch_size", "m"), SHAPES)
def test_any_number_of_threads_gives_the_same_bytes(layer_sizes, batch_size, m, dtype):
    results = []
    for n in (1, 2, 3, 4):
        with bp.threads(n):
            results.append(trained(layer_sizes, batch_size, m, dtype))
    assert all(result == results[0] for result in results[1:])


def computed(net, X, y):
    """The bytes of everything that is computed from a network and a data set."""
    g = net.gradients(X, y)
    return net.predict(X).tobytes(), net.loss(X, y), g.loss, g.theta.tobytes()


def assert_same_on_any_number_of_threads(net, X, y):
    results = []
    for n in (1, 2, 3, 4):
        with bp.threads(n):
            results.append(computed(net, X, y))
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_size_around_the_edges_of_panels_makes_a_difference(dtype):
    # Panels are 4 to 32 wide, as the level and the dtype have it.
    edges = sorted({k + d for k in (2, 4, 8, 16, 32, 64) for d in (-1, 0, 1)})
    for m, n in itertools.product(edges, (1, 5, 33)):
        net = bp.Network([n, n + 15, 17, 3], dtype=dtype, seed=m)
        assert_same_on_any_number_of_threads(net, *make_data("softmax", [n, 3], m, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_no_activation_makes_a_difference(hidden, dtype):
    net = bp.Network([20, 70, 40, 3], hidden=hidden, dtype=dtype, seed=0)
    assert_same_on_any_number_of_threads(net, *make_data("softmax", [20, 3], 150, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_no_loss_makes_a_difference(output, loss, dtype):
    net = bp.Network([20, 70, 3], output=output, loss=loss, dtype=dtype, seed=0)
    # More than pass through a network at once where only outputs are wanted.
    assert_same_on_any_number_of_threads(net, *make_data(output, [20, 3], 1200, dtype))


def test_no_large_network_makes_a_difference():
    net = bp.Network([784, 700, 600, 10], seed=0)
    assert_same_on_any_number_of_threads(net, *make_data("softmax", [784, 10], 200, "float32"))


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


def test_fit_limits_its_own_threads_and_no_others():
    X, y = make_data("softmax", [5, 3], 20, "float32")
    before, seen = bp.get_num_threads(), []

    def look(run):
        seen.append(bp.get_num_threads())
        elsewhere = threading.Thread(target=lambda: seen.append(bp.get_num_threads()))
        elsewhere.start()
        elsewhere.join()
        run.network.copy().fit(X, y, epochs=1)
        run.network.copy().fit(X, y, epochs=1, threads=before + 1)
        seen.append(bp.get_num_threads())
        raise KeyError("inside")

    net = bp.Network([5, 3])
    with pytest.raises(KeyError, match="inside"):
        net.fit(X, y, threads=before + 3, callbacks=[look])
    assert seen == [before + 3, before, before + 3]
    assert bp.get_num_threads() == before
    theta = net.theta.copy()
    for threads, error in [(0, ValueError), (1025, ValueError), (1.5, TypeError)]:
        with pytest.raises(error, match="`threads` must be"):
            net.fit(X, y, threads=threads)
    assert (net.theta == theta).all()


def at_once(calls):
    """What the calls return, each made on a thread of its own and none before all are ready."""
    results = [None] * len(calls)
    ready = threading.Barrier(len(calls))

    def work(i):
        ready.wait()
        results[i] = calls[i]()

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def test_many_python_threads_train_different_networks_at_once():
    cases = [([54, 256, 256, 7], 256, 600), ([7, 20, 5], 33, 100), ([300, 400, 11], 80, 200)]
    calls = [lambda case=case: trained(*case) for case in cases * 3]
    with bp.threads(1):
        alone = [call() for call in calls[: len(cases)]]
    with bp.threads(2):
        assert at_once(calls) == alone * 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_python_threads_use_one_network_at_once(dtype):
    net = bp.Network([64, 100, 10], dtype=dtype, seed=0)
    X, y = make_data("softmax", [64, 10], 700, dtype)

    def use():
        for i in range(30):
            yield (
                net.predict(X[i : i + 1]).tobytes(),
                *computed(net, X[: 10 + 20 * i], y[: 10 + 20 * i]),
            )

    alone = list(use())
    with bp.threads(2):
        results = at_once([lambda: list(use())] * 6)
    assert all(result == alone for result in results)


def run_python(program, **environment):
    """The output of a fresh interpreter, given code or the path of a script; a hang is an error."""
    result = subprocess.run(
        [sys.executable, *(["-c"] if isinstance(program, str) else []), program],
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_forked_amid_the_work_of_other_threads_does_not_wait_for_them():
    code = (
        TRAIN
        + """
import os, signal, threading, warnings
warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((300, 64)).astype("f4")
shared, stop = bp.Network([64, 300, 10], seed=0), threading.Event()
def predict():
    while not stop.is_set():
        shared.predict(X)
        shared.predict(X[:1])
def fit():
    while not stop.is_set():
        train()
expected = shared.predict(X).tobytes(), shared.predict(X[:1]).tobytes(), train()
threads = [threading.Thread(target=f) for f in (predict, predict, fit)]
for thread in threads:
    thread.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        got = shared.predict(X).tobytes(), shared.predict(X[:1]).tobytes(), train()
        os._exit(got != expected)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
print("fine")
"""
    )
    assert run_python(code) == "fine"


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_pool_of_processes_trains_as_one(method, tmp_path):
    script = tmp_path / "pool.py"
    # A file: the methods other than fork import it anew.
    script.write_text(
        TRAIN.replace("bp.set_num_threads(2)", "")
        + f"""
def work(n_threads):
    bp.set_num_threads(n_threads)
    return train()
if __name__ == "__main__":
    import multiprocessing, warnings
    warnings.simplefilter("ignore")
    bp.set_num_threads(2)
    alone = train()
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        assert pool.map(work, [1, 2, 2, 1]) == [alone] * 4
    print("equal")
""",
        "utf-8",
    )
    assert run_python(script) == "equal"


@pytest.mark.parametrize("text", ["1", "1,4"])
def test_the_environment_limits_the_threads(text):
    code = "import backprop as bp; print(bp.get_num_threads())"
    assert run_python(code, OMP_NUM_THREADS=text) == "1"


def test_the_environment_is_read_once_at_the_start():
    change = "import os, backprop as bp; os.environ['OMP_NUM_THREADS'] = '1'; "
    shown = "import backprop as bp; print(bp.get_num_threads())"
    assert run_python(change + shown, OMP_NUM_THREADS="") == run_python(shown, OMP_NUM_THREADS="")


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
        # The one with BLAS, the other with OpenMP.
        "sklearn.neural_network": (
            "from sklearn.cluster import KMeans\n"
            "from sklearn.neural_network import MLPClassifier\n"
            "X = np.random.default_rng(0).random((600, 8)); y = X[:, 0] > 0.5\n"
            "MLPClassifier().partial_fit(X, y, classes=[False, True])\n"
            "KMeans(3, n_init=1).fit(X)"
        ),
    }[other]
    steps = "\n".join(imports if first else imports[::-1])
    code = f"{steps}\nalone = train()\n{use}\nassert train() == alone\n{use}\nprint('fine')"
    assert run_python(code) == "fine"
