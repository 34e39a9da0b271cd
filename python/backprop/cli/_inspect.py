"""``backprop check`` and ``backprop info``: whether the engine is right, and what it runs on."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from backprop import _backprop
from backprop.cli._console import table

# Small enough for the reference, which is plain Python, deep enough for every equation.
_SIZES = [4, 6, 5, 3]


def check(args: Namespace) -> int:
    """Print the comparison of all gradients; 1 if any disagrees."""
    rng = np.random.default_rng(args.seed)
    if args.model is not None:
        net = bp.load(args.model)
        report = bp.check_gradients(net, *_random_batch(net, args.examples, rng), seed=args.seed)
        print(f"{args.model}: {net!r}, {args.examples} random examples\n{report}")
        return _verdict([report.ok])
    rows, verdicts = [], []
    for hidden in _backprop.activations():
        for output, losses in _backprop.outputs().items():
            for loss in losses:
                net = bp.Network(
                    _SIZES, hidden=hidden, output=output, loss=loss, dtype="float64", seed=args.seed
                )
                batch = _random_batch(net, args.examples, rng)
                report = bp.check_gradients(net, *batch, seed=args.seed)
                reference = max(array.reference_error for array in report.arrays)
                measured = max(array.differences_error for array in report.arrays)
                verdict = "ok" if report.ok else "WRONG"
                rows.append([hidden, output, loss, f"{reference:.1e}", f"{measured:.1e}", verdict])
                verdicts.append(report.ok)
    sizes = "-".join(map(str, _SIZES))
    table(
        f"relative norm of (gradient - its check), networks {sizes} in float64, "
        f"{args.examples} random examples",
        rows,
        ["hidden", "output", "loss", "reference", "central differences", "verdict"],
    )
    return _verdict(verdicts)


def _verdict(verdicts: list[bool]) -> int:
    if all(verdicts):
        return 0
    print(
        f"backprop check: error: {verdicts.count(False)} of {len(verdicts)} networks have wrong "
        "gradients",
        file=sys.stderr,
    )
    return 1


def _random_batch(
    net: bp.Network, m: int, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    n, p = net.layer_sizes[0], net.layer_sizes[-1]
    X = rng.standard_normal((m, n)).astype(net.dtype)
    if net.loss_name == "cross_entropy":
        return X, rng.integers(p, size=m)
    # Targets between 0 and 1 suit the other losses alike.
    return X, rng.random((m, p)).astype(net.dtype)


def info(args: Namespace) -> int:
    """Print versions, the instruction set in use and the number of threads."""
    facts = bp.info()
    rows = [
        ("backprop", facts["version"]),
        ("Python", sys.version.split()[0]),
        ("NumPy", np.__version__),
        ("Eigen", facts["eigen"]),
        ("compiler", facts["compiler"]),
        ("instruction set", facts["level"]),
        (
            "numbers a register",
            f"{facts['lanes_float32']} float32, {facts['lanes_float64']} float64",
        ),
        ("threads", str(facts["n_threads"])),
    ]
    table("backprop runs on", rows)
    return 0
