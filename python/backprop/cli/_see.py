"""``backprop explain``, ``diagnose``, ``play``, ``check`` and ``info``: commands that show."""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from backprop import io
from backprop.cli._model import labelled, name_of, open_model, table, use_threads
from backprop.cli._output import counted
from backprop.core import engine
from backprop.look import play as play_pages
from backprop.model import Scaling, TableModel

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
        names: Sequence[str] = []
        weight = args.weight or (1, 0, 0)
        print(f"{net!r}, x = {x[0]}, y = {y:g}\n")
    else:
        if not args.data:
            raise ValueError("DATA must be given with MODEL, to have an example to explain")
        model = open_model(args.model)
        source = labelled(args, model)
        X, t = model.labelled(source)
        if args.row >= len(X):
            raise ValueError(
                f"--row must be less than the {counted(len(X), 'example')} of {name_of(source)}, "
                f"got {args.row}"
            )
        net, names = model.network, _names(model)
        x, y = X[args.row], t[args.row]
        weight = args.weight
        print(f"{net!r}, row {args.row} of {name_of(source)}\n")
    if args.trace:
        print(f"{net.trace(x[None], np.asarray(y)[None])}\n")
    print(_with_names(str(net.explain(x, y, weight, n_paths=args.paths)), names))
    return 0


def _names(model: TableModel) -> Sequence[str]:
    """Return the names of the network's inputs, none where the data had none."""
    encoder = model.encoder
    return [] if isinstance(encoder, Scaling) and not encoder.named else encoder.feature_names_out


def _with_names(text: str, names: Sequence[str]) -> str:
    """Say in a text of the library's which columns its inputs are."""
    if not names:
        return text
    text = re.sub(r"\bx\[(\d+)\]", lambda found: f"x[{names[int(found[1])]}]", text)
    return re.sub(
        r"\bcolumn (\d+) of X\b", lambda found: f"column {names[int(found[1])]!r} of X", text
    )


def diagnose(args: Namespace) -> int:
    """Print each finding with its number and remedy, and the account of the loss."""
    use_threads(args.threads)
    model = open_model(args.model)
    source = labelled(args, model)
    lr = args.lr or model.settings.get("lr") or (0.1 if model.class_names else 0.01)
    X, y = model.labelled(source)
    net = model.network
    print(f"{net!r} on {name_of(source)} ({counted(len(X), 'example')})")
    print(_with_names(f"{net.diagnose(X, y, lr=lr)}\n\n{net.account(X, y, lr=lr)}", _names(model)))
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
    model = open_model(args.model)
    if not args.data:
        raise ValueError(f"DATA is required to play with {args.model}; name the data it is for")
    source = labelled(args, model)
    X, y = model.labelled(source)
    # The examples keep the order of the file, so that they can be found there.
    rng = np.random.default_rng(args.seed)
    n_shown = min(args.examples, len(X))
    rows = np.sort(rng.choice(len(X), size=n_shown, replace=False))
    play_pages.save(
        args.out,
        model.network,
        X[rows],
        y[rows],
        title=f"{name_of(source)}, step by step",
        feature_names=tuple(_names(model)),
        output_names=model.class_names,
        lr=args.lr,
    )


def check(args: Namespace) -> int:
    """Print the comparison of all gradients; 1 if any disagrees."""
    rng = np.random.default_rng(args.seed)
    if args.model is not None:
        net = io.read(args.model).network
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
        + counted(args.examples, "random example"),
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
    """Print what a model is and how it came to be; or versions, instruction set and threads."""
    if args.model is not None:
        _about(open_model(args.model), args.model)
        return 0
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


def _about(model: TableModel, path: str) -> None:
    encoder = model.encoder
    print(f"{path}: {model.network!r}")
    if model.source:
        print(f"trained on: {model.source}")
    if model.class_names:
        print(f"target: {model.target!r}, one of {', '.join(model.class_names)}")
    else:
        mean, deviation = encoder.target_scale
        print(f"target: {model.target!r}, a quantity (mean {mean:.6g}, deviation {deviation:.6g})")
    kinds, places = encoder.kinds, encoder.places
    notes = {one["name"]: one for one in model.columns}
    rows = [
        [
            name or "(no name)",
            kind,
            str(places[name].stop - places[name].start),
            _shortened(str(notes.get(name, {}).get("range", ""))),
        ]
        for name, kind in kinds.items()
    ]
    if len(rows) > _MOST_COLUMNS:
        rows = [*rows[:_MOST_COLUMNS], [f"and {len(rows) - _MOST_COLUMNS} more", "", "", ""]]
    table("columns", rows, ["column", "kind", "features", "values in training"])
    for one in model.columns:
        if one["name"] not in kinds and one["role"] != "target":
            print(f"  {one['name'] or '(no name)'}: {one['use']}")
    settings = {key: value for key, value in model.settings.items() if value not in (None, [])}
    if settings:
        table("options", [[key, _option(value)] for key, value in sorted(settings.items())])
    if model.versions:
        table("made by", [[key, str(value)] for key, value in model.versions.items()])
    if model.scores:
        table("test set", [[key, f"{value:.6g}"] for key, value in model.scores.items()])
    if model.history.epochs:
        rows = [
            [name, f"{values[0]:.4g}", _curve(values), f"{values[-1]:.4g}"]
            for name, values in model.history.items()
            if values
        ]
        table(f"curve of {model.history.epochs} epochs", rows, ["", "first", "", "last"])


_MOST_COLUMNS = 60
_HEIGHTS = "▁▂▃▄▅▆▇█"


def _curve(values: Sequence[float], width: int = 40) -> str:
    """Draw a curve in one line."""
    places = np.unique(np.linspace(0, len(values) - 1, min(width, len(values))).astype(int))
    shown = np.asarray(values, np.float64)[places]
    low, high = np.nanmin(shown), np.nanmax(shown)
    scaled = np.nan_to_num((shown - low) / ((high - low) or 1.0))
    return "".join(_HEIGHTS[k] for k in np.rint(scaled * 7).astype(int).tolist())


def _option(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=repr)


def _shortened(text: str, width: int = 40) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
