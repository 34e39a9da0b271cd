"""The grid: every training problem that is timed, as data.

A row is a network, a mini-batch and a number of steps per epoch. ``make_task`` turns it into the
examples and the starting weights that every contestant gets, the same bytes for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

OPTIMIZERS = ("sgd", "momentum", "adam")
LEARNING_RATE = {"sgd": 0.01, "momentum": 0.001, "adam": 0.001}
MOMENTUM = 0.9
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

# (W_k, b_k) for each layer
Parameters = list[tuple[NDArray[np.floating], NDArray[np.floating]]]


@dataclass(frozen=True)
class Row:
    """One training problem: ReLU hidden layers, softmax cross-entropy.

    ``target_ratio`` is how many times faster than the best peer we want to be, ``target_peak`` the
    share of the processor's limit; 0 where no target is set.
    """

    name: str
    layer_sizes: tuple[int, ...]
    batch_size: int
    steps: int
    data: str = "random"
    target_ratio: float = 0.0
    target_peak: float = 0.0

    @property
    def flops(self) -> int:
        """Floating-point operations of the products of one step.

        Forward and grad_W take 2 m n_k n_{k-1} each for every layer, grad_H for all but the first.
        """
        sizes = self.layer_sizes
        areas = [n * p for n, p in pairwise(sizes)]
        return 2 * self.batch_size * (3 * sum(areas) - areas[0])

    @property
    def n_parameters(self) -> int:
        sizes = self.layer_sizes
        return sum((n + 1) * p for n, p in pairwise(sizes))


ROWS = (
    Row("iris", (4, 16, 3), 16, 64, "iris", 35),
    Row("digits", (64, 100, 10), 32, 56, "digits", 5, 0.60),
    Row("thin-deep", (32,) * 21 + (10,), 32, 50, "random", 7, 0.60),
    Row("mnist-32", (784, 128, 10), 32, 200, "random", 3.5, 0.60),
    Row("tabular", (54, 256, 256, 7), 256, 60, "random", 2, 0.60),
    Row("mnist-128", (784, 512, 512, 10), 128, 40, "random", 1.8, 0.85),
    Row("fullbatch", (64, 100, 10), 1797, 10, "digits", 2.5, 0.60),
    Row("wide", (784, 2048, 2048, 2048, 10), 256, 4, "random", 1.35, 0.85),
    Row("big", (1024, 4096, 4096, 1000), 512, 2, "random", 1.35, 0.85),
)

WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)


def width_row(width: int) -> Row:
    """Two hidden layers of one width at batch 64, for the sweep over widths."""
    steps = max(4, min(64, 2**22 // (64 * width)))
    return Row(f"width-{width}", (64, width, width, 10), 64, steps)


def find_row(name: str) -> Row:
    rows = {row.name: row for row in ROWS}
    if name in rows:
        return rows[name]
    if name.startswith("width-"):
        return width_row(int(name.removeprefix("width-")))
    raise ValueError(f"`rows` must be among {', '.join(rows)} or width-N, got {name!r}")


@dataclass
class Task:
    """What a contestant gets: examples in order, starting weights, and how to train."""

    layer_sizes: tuple[int, ...]
    batch_size: int
    X: NDArray[np.floating]
    y: NDArray[np.int64]
    theta: NDArray[np.floating]
    optimizer: str
    lr: float

    @property
    def steps(self) -> int:
        return len(self.X) // self.batch_size

    @property
    def n_classes(self) -> int:
        return self.layer_sizes[-1]

    def parameters(self) -> Parameters:
        """Copies of (W_k, b_k), W_k of shape (n_k, n_{k-1})."""
        return [(W.copy(), b.copy()) for W, b in split(self.theta, self.layer_sizes)]


def split(theta: NDArray[np.floating], layer_sizes: tuple[int, ...]) -> Parameters:
    """Views (W_k, b_k) into theta = [W_1 b_1 ... W_L b_L]."""
    views, start = [], 0
    for n, p in pairwise(layer_sizes):
        W = theta[start : start + n * p].reshape(p, n)
        b = theta[start + n * p : start + n * p + p]
        views.append((W, b))
        start += (n + 1) * p
    return views


def join(parameters: Parameters) -> NDArray[np.floating]:
    """The flat theta of (W_k, b_k) pairs."""
    return np.concatenate([np.ravel(part) for pair in parameters for part in pair])


def make_task(row: Row, dtype: str, optimizer: str = "sgd", steps: int | None = None) -> Task:
    """Examples and starting weights of a row: a fixed seed, the same for every contestant."""
    rng = np.random.default_rng(20_240_607)
    theta = np.zeros(row.n_parameters)
    for W, _ in split(theta, row.layer_sizes):
        W[...] = rng.standard_normal(W.shape) * np.sqrt(2 / W.shape[1])
    m = (steps or row.steps) * row.batch_size
    X, y = _examples(row, m, rng)
    return Task(
        row.layer_sizes,
        row.batch_size,
        np.ascontiguousarray(X, dtype=dtype),
        np.ascontiguousarray(y, dtype=np.int64),
        theta.astype(dtype),
        optimizer,
        LEARNING_RATE[optimizer],
    )


def _examples(
    row: Row, m: int, rng: np.random.Generator
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """M examples: a real data set repeated until it fills the epoch, or random ones."""
    n, p = row.layer_sizes[0], row.layer_sizes[-1]
    if row.data == "random":
        # float32 draws: the wide rows need millions of numbers and no more than that precision.
        X = rng.standard_normal((m, n), dtype=np.float32)
        teacher = rng.standard_normal((n, p), dtype=np.float32)
        return X, (X @ teacher).argmax(axis=1)
    from sklearn import datasets

    bunch = {"iris": datasets.load_iris, "digits": datasets.load_digits}[row.data]()
    X = (bunch.data - bunch.data.mean(axis=0)) / (bunch.data.std(axis=0) + 1e-9)
    # Sorted classes would make whole batches of one class.
    pick = np.resize(rng.permutation(len(X)), m)
    return X[pick], bunch.target[pick]
