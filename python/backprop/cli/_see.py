"""``backprop explain``, ``diagnose``, ``play``, ``check`` and ``info``: commands that show."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from backprop.cli._model import Model, labelled, table, use_threads
from backprop.cli._output import counted
from backprop.core import engine
from backprop.look import play as play_pages

# The network is small enough for the reference, which is plain Python, and deep enough for every
# equation.
_SIZES = [4, 6, 5, 3]


def explain(args: Namespace) -> int:
    """Print where the derivative of the loss of one example w.r.t. one weight comes from."""
    if args.model is None:
        # This is the note's figure 2, with a sigmoid output: softmax of one output is 1 whatever
        # its input.
        net = bp.Network(
            [1, 1, 1, 1], hidden="sigmoid", output="sigmoid", dtype="float64", seed=args.seed
        )
        x, y = np.array([0.7]), 1.0
        weight = args.weight or (1, 0, 0)
        print(f"{net!r}, x = {x[0]}, y = {y:g}\n")
    else:
        if not args.data:
            raise ValueError("DATA must be given with MODEL, to have an example to explain")
        model = Model.load(args.model)
        dataset = labelled(args, model)
        if args.row >= len(dataset.X):
            raise ValueError(
                f"--row must be less than the {counted(len(dataset.X), 'example')} of "
                f"{dataset.name}, got {args.row}"
            )
        net = model.net
        x, y = model.inputs(dataset)[args.row], model.targets(dataset)[args.row]
        weight = args.weight
        print(f"{net!r}, row {args.row} of {dataset.name}\n")
    if args.trace:
        print(f"{net.trace(x[None], np.asarray(y)[None])}\n")
    print(net.explain(x, y, weight, n_paths=args.paths))
    return 0


def diagnose(args: Namespace) -> int:
    """Print each finding with its number and remedy, and the account of the loss."""
    use_threads(args.threads)
    model = Model.load(args.model)
    dataset = labelled(args, model)
    lr = args.lr or model.options.get("lr") or (0.1 if model.class_names else 0.01)
    X, y = model.inputs(dataset), model.targets(dataset)
    print(f"{model.net!r} on {dataset.name} ({counted(len(X), 'example')})")
    print(f"{model.net.diagnose(X, y, lr=lr)}\n\n{model.net.account(X, y, lr=lr)}")
    return 0


def play(args: Namespace) -> int:
    """Write a page about a model and its data, or about a small network trained here."""
    if args.model is None:
        _toy(args)
    else:
        _saved(args)
    print(f"page saved to {args.out}; open it in a browser")
    return 0


def _toy(args: Namespace) -> None:
    X, y = play_pages.TOYS[args.toy](args.examples, seed=args.seed)
    net = bp.Network([2, *args.hidden, 2], hidden=args.activation, dtype="float64", seed=args.seed)
    start = net.copy()
    if args.epochs:
        net.fit(X, y, epochs=args.epochs, batch_size=len(X), lr=args.lr)
    play_pages.save(
        args.out,
        net,
        X,
        y,
        output_names=("upper", "lower") if args.toy == "moons" else ("first", "second"),
        lr=args.lr,
        start=start if args.epochs else None,
    )


def _saved(args: Namespace) -> None:
    model = Model.load(args.model)
    if not args.data:
        raise ValueError(f"DATA is required to play with {args.model}; name the data it is for")
    dataset = labelled(args, model)
    # The examples keep the order of the file, so that they can be found there.
    rng = np.random.default_rng(args.seed)
    n_shown = min(args.examples, len(dataset.X))
    rows = np.sort(rng.choice(len(dataset.X), size=n_shown, replace=False))
    some = dataset.rows(rows)
    play_pages.save(
        args.out,
        model.net,
        model.inputs(some),
        model.targets(some),
        title=f"{dataset.name}, step by step",
        feature_names=model.feature_names,
        output_names=model.class_names,
        lr=args.lr,
    )


def check(args: Namespace) -> int:
    """Print the comparison of all gradients; 1 if any disagrees."""
    rng = np.random.default_rng(args.seed)
    if args.model is not None:
        net = bp.load(args.model)
        report = bp.check_gradients(net, *_random_batch(net, args.examples, rng), seed=args.seed)
        print(f"{args.model}: {net!r}, {counted(args.examples, 'random example')}\n{report}")
        return _verdict([report.ok])
    rows, verdicts = [], []
    for hidden in engine.activations():
        for output, losses in engine.outputs().items():
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
        f"{counted(args.examples, 'random example')}",
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
    # Targets between 0 and 1 suit all other losses.
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
