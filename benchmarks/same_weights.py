"""Whether training computes the same bits as an earlier commit.

Run it as ``python -m benchmarks.same_weights COMMIT``.

Builds the commit and the present tree, each in an environment of its own, trains the same networks
in both (shapes x optimizers x what stands around them x dtypes x threads, and each level that this
machine runs), and compares weights and optimizer states byte by byte. Takes some minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHAPES = [
    ([4, 16, 3], ["relu"], "softmax", "cross_entropy", 150, 16),
    ([64, 100, 10], ["tanh"], "softmax", "cross_entropy", 200, 32),
    ([9, 33, 31, 8, 2], ["gelu", "sigmoid", "linear"], "sigmoid", "binary_cross_entropy", 77, 10),
    ([130, 270, 1], ["selu"], "linear", "huber", 260, 128),
    ([20, 40, 40, 3], ["mish", "softplus"], "exp", "poisson", 120, 24),
    ([7, 64, 2], ["silu"], "linear", "squared_error", 120, 24),
]
OPTIMIZERS: list[tuple[str, dict[str, float]]] = [
    ("sgd", {}),
    ("momentum", {}),
    ("nesterov", {"lr_in_velocity": 1.0}),
    ("adagrad", {}),
    ("rmsprop", {}),
    ("adam", {}),
    ("adamw", {}),
    ("lion", {}),
]
AROUND: list[dict[str, Any]] = [
    {},
    {"l2": 1e-2},
    {"l1": 1e-3},
    {"l1": 1e-3, "l2": 1e-2, "penalty_by_weight": True},
    {"clip_value": 0.01},
    {"clip_norm": 0.05},
    {"clip_norm": 0.05, "l2": 1e-2, "clip_value": 0.02},
    {"max_norm": 0.5, "l2": 1e-3},
]
THREADS = (1, 2, 3)
BITS = (32, 64)


def configurations() -> Iterator[tuple[int, ...]]:
    """Yield the positions of each configuration; dropout and weights are on in some of them."""
    for threads in THREADS:
        for bits in BITS:
            for s in range(len(SHAPES)):
                for o in range(len(OPTIMIZERS)):
                    for a in range(len(AROUND)):
                        yield threads, bits, s, o, a


def train(threads: int, bits: int, s: int, o: int, a: int) -> str:
    """Return a digest of the weights and the optimizer's state after three epochs."""
    import numpy as np

    from backprop import _backprop

    sizes, hidden, output, loss, m, batch_size = SHAPES[s]
    rng, dtype = np.random.default_rng(5), np.dtype(f"f{bits // 8}")
    net = getattr(_backprop, f"Network{bits}")(sizes, hidden, output, loss)
    net.theta[:] = rng.standard_normal(net.theta.size) * 0.3
    X = rng.standard_normal((m, sizes[0])).astype(dtype)
    y: Any = rng.random((m, sizes[-1])).astype(dtype)
    if loss == "cross_entropy":
        y = rng.integers(0, sizes[-1], m)
    elif loss == "poisson":
        y = rng.poisson(1.0, (m, sizes[-1])).astype(dtype)
    weight = (rng.random(m) + 0.1).astype(dtype) if (o + a) % 4 == 1 else None
    settings = dict(AROUND[a])
    for penalty in ("l1", "l2"):
        if penalty in settings:
            settings[penalty] = [settings[penalty]] * (len(sizes) - 1)
    if (s + o + a) % 3 == 0:
        settings["dropout"] = [0.2] * (len(sizes) - 2)
    _backprop.set_num_threads(threads)
    trainer = getattr(_backprop, f"Trainer{bits}")(
        net, batch_size, *OPTIMIZERS[o], seed=3, **settings
    )
    order = np.empty(m, np.int64)
    for epoch in range(3):
        _backprop.shuffle(order, 1, epoch)
        trainer.epoch(X, y, order, 0.01, weight)
    digest = hashlib.sha256(net.theta.tobytes())
    for name in sorted(trainer.state):
        digest.update(trainer.state[name].tobytes())
    return digest.hexdigest()


def install(source: Path, folder: Path) -> Path:
    """Build a tree in a new environment; return the environment's Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", source], check=True)
    return python


def digests(python: Path, level: str) -> list[str]:
    """Return those of all configurations, computed by an installation on one level."""
    printed = subprocess.run(
        [python, __file__, "--train"],
        env={**os.environ, "BACKPROP_LEVEL": level},
        check=True,
        capture_output=True,
        text=True,
    )
    return printed.stdout.split()


def main() -> int:
    """Compare, and return how many configurations differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--train", action="store_true", help="print digests of this installation")
    arguments = parser.parse_args()
    if arguments.train:
        print(*(train(*configuration) for configuration in configurations()), sep="\n")
        return 0
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "then").mkdir()
        archive = subprocess.run(
            ["git", "archive", arguments.commit], cwd=root, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", folder / "then"], input=archive.stdout, check=True)
        then, now = install(folder / "then", folder / "a"), install(root, folder / "b")
        levels = subprocess.run(
            [now, "-c", "from backprop import _cpu; print(*_cpu.levels())"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        differing = 0
        for level in levels:
            pairs = list(zip(digests(then, level), digests(now, level), strict=True))
            different = [
                configuration
                for configuration, (a, b) in zip(configurations(), pairs, strict=True)
                if a != b
            ]
            print(f"{level}: {len(pairs)} configurations, {len(different)} differ", *different[:9])
            differing += len(different)
    return min(differing, 99)


if __name__ == "__main__":
    sys.exit(main())
