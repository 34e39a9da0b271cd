"""What test_sanitizer.py runs in a process of its own: every call of a core built with sanitizers.

The file of the compiled module is the argument; prints "clean" at the end.
"""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import numpy as np


def load(path: str) -> Any:
    spec = spec_from_file_location("_backprop", path, loader=ExtensionFileLoader("_backprop", path))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


core = load(sys.argv[1])
CLASSES = [
    (core.Network32, core.Trainer32, np.float32),
    (core.Network64, core.Trainer64, np.float64),
]
LOSSES = [(output, loss) for output, losses in core.outputs().items() for loss in losses]
LINEAR = ("linear", "squared_error")
random = np.random.default_rng(0)


def network(Network: Any, sizes: list[int], output: str, loss: str, hidden: str = "relu") -> Any:
    net = Network(sizes, [hidden] * (len(sizes) - 2), output, loss)
    net.theta[...] = random.uniform(-0.5, 0.5, net.theta.shape)
    return net


def targets(output: str, m: int, p: int, dtype: Any) -> list[Any]:
    """Every kind of y the output takes, contiguous and not."""
    dense = random.uniform(0, 1, (m, 2 * p)).astype(dtype)
    kinds = [dense[:, :p], dense[::-1, ::2], np.asfortranarray(dense[:, p:])]
    if output == "softmax":
        labels = random.integers(0, p, 3 * m)
        kinds += [labels[:m], labels[::3], labels[m - 1 :: -1]]
    elif p == 1:
        kinds += [dense[:, 0], dense[::-1, 1]]
    return kinds


def every_layout(m: int, n: int, dtype: Any) -> list[Any]:
    # Exactly as large as the core may read: a step beyond is a step out of the allocation.
    wide = random.standard_normal((2 * m - 1, 3 * n)).astype(dtype)
    read_only = random.standard_normal((m, n)).astype(dtype)
    read_only.flags.writeable = False
    return [
        read_only,
        np.asfortranarray(read_only),
        wide[::2, 2::3],
        wide[::-2, ::-3],
        np.broadcast_to(read_only[0], (m, n)),
        np.broadcast_to(read_only[:, :1], (m, n)),
    ]


def views_outlive_their_network() -> None:
    for Network, Trainer, dtype in CLASSES:
        for sizes in [3, 2], [7, 30, 5], [300, 40, 1]:
            net = network(Network, sizes, "linear", "squared_error")
            views = [net.theta, *net.W, *net.b, net.theta[1::2], net.W[0].T]
            X, y = np.ones((4, sizes[0]), dtype), np.ones((4, sizes[-1]), dtype)
            arrays = [net.forward(X), net.gradients(X, y)[1], *net.trace(X, y)["A"]]
            trainer = Trainer(net, 3)
            del net
            gc.collect()
            trainer.epoch(X, y, np.arange(4), 0.1)
            del trainer
            gc.collect()
            for view in views:
                view[...] = view + 1
            assert all(np.isfinite(array).all() for array in views + arrays)


def every_call_on_odd_shapes() -> None:
    shapes = [([1, 1], 1), ([3, 2], 7), ([5, 17, 1], 33), ([33, 9, 31, 4], 50), ([130, 300, 3], 70)]
    for (Network, Trainer, dtype), (sizes, m), (output, loss) in itertools.product(
        CLASSES, shapes, LOSSES
    ):
        net = network(Network, sizes, output, loss)
        trainer = Trainer(net, max(1, m // 3))
        weight = random.uniform(0.5, 1, 2 * m).astype(dtype)[::2]
        for X, y in zip(
            every_layout(m, sizes[0], dtype),
            itertools.cycle(targets(output, m, sizes[-1], dtype)),
            strict=False,
        ):
            assert net.forward(X).shape == (m, sizes[-1])
            assert net.forward(X[:1]).shape == (1, sizes[-1])
            net.loss(X, y, sample_weight=weight)
            net.gradients(X, y, sample_weight=weight)
            net.trace(X, y, sample_weight=weight)
            net.step(X, y, 1e-3)
            trainer.epoch(X, y, random.permutation(m), 1e-3, sample_weight=weight)
            trainer.epoch(X, y, None, 1e-3)


def every_activation() -> None:
    X, y = random.standard_normal((50, 3)) * 100, random.integers(0, 4, 50)
    for (Network, Trainer, dtype), hidden in itertools.product(CLASSES, core.activations()):
        net = network(Network, [3, 19, 5, 4], "softmax", "cross_entropy", hidden)
        net.gradients(X.astype(dtype), y)
        net.trace(X.astype(dtype), y)
        net.forward(X[:1].astype(dtype))
        Trainer(net, 16).epoch(X.astype(dtype), y, None, 1e-3)


def compressed(X: Any, shift: Any = 0) -> tuple[Any, Any, Any]:
    """X as compressed rows, its columns moved by ``shift``; no array is longer than it must be."""
    rows, columns = X.nonzero()
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(X)))])
    return X[rows, columns], columns.astype(np.int32) + shift, starts.astype(np.int64)


def every_way_to_train() -> None:
    for (Network, Trainer, dtype), optimizer in itertools.product(CLASSES, core.optimizers()):
        for sizes, m in [([3, 2], 7), ([33, 9, 31, 4], 50), ([5, 17, 1], 33)]:
            n_hidden = len(sizes) - 2
            output, loss = ("softmax", "cross_entropy") if sizes[-1] > 1 else LINEAR
            net = network(Network, sizes, output, loss)
            trainer = Trainer(
                net,
                max(1, m // 3),
                optimizer,
                l1=[0.01] * (n_hidden + 1),
                l2=[0.01] * (n_hidden + 1),
                dropout=[0.5] * n_hidden,
                clip_value=1.0,
                clip_norm=1.0,
                max_norm=1.0,
            )
            X = random.standard_normal((m, sizes[0])).astype(dtype)
            X[random.random(X.shape) < 0.5] = 0
            y = targets(output, m, sizes[-1], dtype)[-1]
            n_batches = -(-m // max(1, m // 3))
            losses = np.empty((n_batches, 2))
            for examples in X, compressed(X):
                order = random.permutation(m)
                trainer.epoch(examples, y, order, np.full(n_batches, 1e-3), losses=losses)
                trainer.epoch(examples, y, np.repeat(order[:2], 3), 1e-3)
                net.forward(examples)
                net.gradients(examples, y)
            state = trainer.state
            del net, trainer
            gc.collect()
            for view in state.values():
                view[...] = view + 1
            assert np.isfinite(losses).all()


def bad_input_is_refused() -> None:
    net = network(core.Network64, [4, 5, 3], "softmax", "cross_entropy")
    theta = net.theta.copy()
    X, y = np.ones((6, 4)), np.zeros(6, np.int64)
    misaligned = np.zeros(6 * 4 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(6, 4)
    calls = [
        (ValueError, lambda: net.forward(X[:, :3])),
        (ValueError, lambda: net.forward(X[:0])),
        (ValueError, lambda: net.forward(X[0])),
        (ValueError, lambda: net.forward(misaligned)),
        (ValueError, lambda: net.forward(X * np.nan)),
        (TypeError, lambda: net.forward(X.astype(np.float32))),
        (TypeError, lambda: net.forward(X.astype(">f8"))),
        (TypeError, lambda: net.forward(X.tolist())),
        (TypeError, lambda: net.forward(np.ma.masked_array(X))),
        (ValueError, lambda: net.step(X, y[:5], 0.1)),
        (ValueError, lambda: net.step(X, y + 3, 0.1)),
        (ValueError, lambda: net.step(X, y - 1, 0.1)),
        (TypeError, lambda: net.step(X, y.astype(np.int32), 0.1)),
        (ValueError, lambda: net.loss(X, np.ones((6, 2)))),
        (ValueError, lambda: net.loss(X, y, sample_weight=np.zeros(6))),
        (ValueError, lambda: core.Trainer64(net, 0)),
        (MemoryError, lambda: core.Trainer64(net, 2**62)),
        (MemoryError, lambda: core.Network64([2**40, 2], [], "linear", "squared_error")),
        (ValueError, lambda: core.Network64([2**63 - 1, 2], [], "linear", "squared_error")),
        (ValueError, lambda: core.Trainer64(net, 2).epoch(X, y, np.arange(6) + 1, 0.1)),
        (ValueError, lambda: core.Trainer64(net, 2).epoch(X, y, np.arange(6)[::-1], 0.1)),
        (ValueError, lambda: core.Trainer64(net, 2).epoch(X, y, np.arange(0), 0.1)),
        (ValueError, lambda: core.Trainer64(net, 2).epoch(X, y, None, np.full(2, 0.1))),
        (ValueError, lambda: core.Trainer64(net, 2).epoch(X, y, None, np.nan)),
        (ValueError, lambda: net.forward(compressed(X, np.int32(4)))),
        (ValueError, lambda: net.forward((*compressed(X)[:2], np.array([0, 7, 3, 24])))),
        (ValueError, lambda: core.set_num_threads(0)),
        (ValueError, lambda: core.set_num_threads(2**20)),
    ]
    for expected, call in calls:
        try:
            call()
        except expected:
            continue
        raise AssertionError(f"not refused: {call.__code__.co_firstlineno}")
    assert (net.theta == theta).all()


def a_loss_that_is_not_finite_leaves_no_stale_memory() -> None:
    for Network, _, dtype in CLASSES:
        net = network(Network, [3, 40, 2], "linear", "squared_error")
        X = np.full((5, 3), np.inf, dtype)
        loss, gradient = net.gradients(X, np.ones((5, 2), dtype), check_finite=False)
        assert not np.isfinite(loss)
        assert np.isnan(gradient).all()


def many_python_threads() -> None:
    Network, Trainer, dtype = CLASSES[0]
    shared = network(Network, [64, 100, 10], "softmax", "cross_entropy")
    trainer = Trainer(shared, 32)
    X = random.standard_normal((300, 64)).astype(dtype)
    y = random.integers(0, 10, 300)
    stop = threading.Event()

    def change_threads() -> None:
        for n in itertools.cycle([1, 2, 7, 3]):
            if stop.is_set():
                return
            core.set_num_threads(n)

    def compute() -> None:
        for _ in range(15):
            shared.forward(X)
            shared.forward(X[:1])
            shared.loss(X, y)
            shared.gradients(X, y)
            shared.step(X, y, 0.01)
            trainer.epoch(X, y, np.arange(300), 0.01)

    changing = threading.Thread(target=change_threads)
    computing = [threading.Thread(target=compute) for _ in range(3)]
    for thread in [changing, *computing]:
        thread.start()
    for thread in computing:
        thread.join()
    stop.set()
    changing.join()
    core.set_num_threads(1)
    assert np.isfinite(shared.theta).all()


if __name__ == "__main__":
    views_outlive_their_network()
    every_call_on_odd_shapes()
    every_activation()
    every_way_to_train()
    bad_input_is_refused()
    a_loss_that_is_not_finite_leaves_no_stale_memory()
    many_python_threads()
    print("clean")
