"""``backprop train``: read, split, standardise, fit, test, save."""

from __future__ import annotations

import logging
import os
import stat
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from backprop.cli._model import Model, identity
from backprop.cli._output import counted, duration
from backprop.core import engine
from backprop.core.checks import known_name
from backprop.core.drawing import curves
from backprop.core.files import check_target, replace
from backprop.data import (
    Dataset,
    Standardizer,
    encode_labels,
    infer_task,
    load,
    same_unit,
    split_indices,
)
from backprop.training import Run, arguments, optimizers
from backprop.training.callbacks import Checkpoint

_LR = {"classification": 0.1, "regression": 0.01}
# These options do not shape the training, which would be the same without them.
_NOT_OPTIONS = ("command", "version", "config", "checkpoint", "every", "keep_last", "resume")


class Parts(NamedTuple):
    """Rows of the data set to train on, to watch while training, and to test on."""

    train: NDArray[np.int64]
    watched: NDArray[np.int64]
    test: NDArray[np.int64]


def train(args: Namespace) -> int:
    """Run the command; 130 if Ctrl-C ended the training after an epoch."""
    out = args.out or _stem(args.data[0]) + ".safetensors"
    # This is found out before the training rather than after it.
    if _is_new_file(out):
        folder = os.path.dirname(os.path.realpath(out))
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            folder = os.path.dirname(out) or "."
            raise OSError(f"{out} cannot be written: {folder} is not a writable folder")
    if args.threads is not None:
        bp.set_num_threads(args.threads)
    target = -1 if args.target is None else args.target
    dataset = load(*args.data, target=target, header=not args.no_header)
    if dataset.y is None:
        raise ValueError(f"{dataset.name} has no target; training needs y")
    task = infer_task(dataset.y) if args.task == "auto" else args.task
    if args.lr is None:
        args.lr = _default_lr(args.optimizer, task)
    parts = _split(dataset.y, task, args)
    model = _untrained(dataset, task, parts.train, args)
    _announce(dataset, model, parts)
    history, seconds, interrupted = _fit(model, dataset, parts, args)
    model.save(out)
    if not interrupted:
        extra = [("training", f"{duration(seconds)}, {counted(history.epochs, 'epoch')}")]
        report = model.report(dataset.rows(parts.test))
        report.show(f"test set ({counted(len(parts.test), 'example')})", extra)
    print(f"model saved to {out}")
    if not args.no_plot:
        picture = os.path.splitext(out)[0] + ".png"
        if save_curve(history, picture, f"{dataset.name}: loss by epoch"):
            print(f"loss curve saved to {picture}")
        else:
            print("loss curve not drawn: it needs matplotlib (pip install matplotlib)")
    if interrupted:
        print(f"interrupted: the saved model is that of epoch {history.epochs} of {args.epochs}")
        return 130
    return 0


def _is_new_file(out: str) -> bool:
    """Whether a file is to be made in a folder; a device or a pipe is there already.

    Raises
    ------
    OSError
        If there is something that may not be overwritten.
    """
    mode = check_target(out)
    return mode is None or stat.S_ISREG(mode)


def _stem(name: str) -> str:
    stem = os.path.basename(name)
    return os.path.splitext(stem.removesuffix(".gz"))[0]


def _split(y: NDArray[Any], task: str, args: Namespace) -> Parts:
    stratify = task == "classification"
    classes = encode_labels(y)[0] if stratify else y
    rest, test = split_indices(classes, args.test_size, stratify=stratify, seed=args.seed)
    n_watched = round(args.validation_size * len(rest))
    if n_watched == 0:
        return Parts(rest, rest[:0], test)
    train, watched = split_indices(classes[rest], n_watched, stratify=stratify, seed=args.seed)
    return Parts(rest[train], rest[watched], test)


def _untrained(dataset: Dataset, task: str, rows: NDArray[np.int64], args: Namespace) -> Model:
    """Build the network and measure the scalers on the rows to train on."""
    assert dataset.y is not None
    X, n_outputs, target_scaler = dataset.X[rows], 1, identity(1)
    names: tuple[str, ...] = ()
    if task == "classification":
        names = encode_labels(dataset.y)[1]
        n_outputs = len(names)
        if n_outputs < 2:
            raise ValueError(f"{dataset.name} must have two classes or more, got only {names[0]!r}")
    elif dataset.y.dtype.kind != "U":
        column = dataset.target_name or "y"
        target_scaler = Standardizer.fit(dataset.y[rows][:, None], name=f"target {column!r}")
    together = args.scale == "together" or (args.scale == "auto" and same_unit(X))
    loss = args.loss or ("cross_entropy" if names else "squared_error")
    output = _output_of(loss, task)
    if output == "exp":
        # Counts are not scaled, because they have no other unit.
        target_scaler = identity(1)
    net = bp.Network(
        [X.shape[1], *args.hidden, n_outputs],
        hidden=args.activation,
        output=output,
        loss=loss,
        dtype=args.dtype,
        seed=args.seed,
    )
    return Model(
        net,
        identity(X.shape[1]) if args.scale == "none" else _features(dataset, X, together),
        target_scaler,
        names,
        dataset.feature_names,
        dataset.target_name,
        {name: value for name, value in vars(args).items() if name not in _NOT_OPTIONS},
    )


def _features(dataset: Dataset, X: NDArray[Any], together: bool) -> Standardizer:
    """Measure the features; an error has the name of the column, where the data has names."""
    try:
        return Standardizer.fit(X, shared=together)
    except ValueError:
        for name, column in zip(dataset.feature_names, X.T, strict=False):
            Standardizer.fit(column[:, None], name=f"column {name!r}")
        raise


def _output_of(loss: str | list[Any], task: str) -> str:
    """Return the output activation of a loss, which must suit the task."""
    name = loss if isinstance(loss, str) else loss[0]
    outputs = {"classification": ("softmax",), "regression": ("linear", "exp")}[task]
    fits = {known: out for out in outputs for known in engine.outputs()[out]}
    if name not in fits:
        raise ValueError(f"--loss must be one of {', '.join(fits)} for {task}, got {name}")
    return fits[name]


def _announce(dataset: Dataset, model: Model, parts: Parts) -> None:
    m, n = dataset.X.shape
    kind = counted(len(model.class_names), "class/classes") if model.class_names else "regression"
    print(
        f"{dataset.name}: {counted(m, 'example')}, {counted(n, 'feature')}, {kind}; "
        f"{len(parts.train)} to train on, {len(parts.watched)} to watch, {len(parts.test)} to "
        "test on"
    )
    sizes = "-".join(map(str, model.net.layer_sizes))
    print(
        f"network {sizes}, {counted(model.net.theta.size, 'parameter')} in {model.net.dtype}",
        flush=True,
    )


class _LastEpoch:
    """The state at the end of the last whole epoch, which Ctrl-C goes back to."""

    def __init__(self) -> None:
        self.history = bp.History()
        self.theta: NDArray[Any] | None = None

    def __call__(self, run: Run) -> None:
        self.history, self.theta = run.history, run.network.theta.copy()


def _fit(
    model: Model, dataset: Dataset, parts: Parts, args: Namespace
) -> tuple[bp.History, float, bool]:
    """Train; return the history, the seconds it took, and whether Ctrl-C ended it."""
    train, watched = dataset.rows(parts.train), dataset.rows(parts.watched)
    X, y = model.inputs(train), model.targets(train)
    validation = (model.inputs(watched), model.targets(watched)) if len(watched.X) else None
    # The option --loss names the loss of the network; the argument of `fit` is an object.
    settings = set(arguments()) - {"loss"}
    interrupted = False
    start = time.perf_counter()
    last = _LastEpoch()
    try:
        last.history = model.net.fit(
            X,
            y,
            **{name: value for name, value in vars(args).items() if name in settings}
            | {
                "class_weight": _class_weight(args.class_weight, model.class_names),
                "checkpoint": _checkpoint(args),
                "validation": validation,
                "callbacks": [last],
                "progress": True,
                # The number of threads was set for everything that this process computes.
                "threads": None,
            },
        )
    except KeyboardInterrupt:
        if last.theta is None:
            raise
        model.net.theta[...] = last.theta
        interrupted = True
    return last.history, time.perf_counter() - start, interrupted


def _default_lr(chosen: dict[str, Any], task: str) -> float | None:
    """Return the learning rate where none was asked for; None for L-BFGS, which has none."""
    optimizer = optimizers.get(chosen)
    if isinstance(optimizer, optimizers.LBFGS):
        return None
    return _LR[task] if optimizer == optimizers.SGD() else optimizer.default_lr


def _class_weight(class_weight: Any, names: tuple[str, ...]) -> Any:
    """Return weights by the number of the class instead of its name."""
    if not isinstance(class_weight, dict):
        return class_weight
    return {
        names.index(known_name("--class-weight", name, names)): weight
        for name, weight in class_weight.items()
    }


def _checkpoint(args: Namespace) -> Checkpoint | None:
    if args.checkpoint is None:
        return None
    return Checkpoint(args.checkpoint, every=args.every, keep_last=args.keep_last)


def save_curve(history: Mapping[str, Sequence[float]], path: str, title: str) -> bool:
    """Draw the curves of a training into ``path``; return False where matplotlib is missing."""
    try:
        # pyplot is avoided, because it would look for a display and keep the figure.
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # Which font it found instead of which is no message of this program.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    curves(history, ax=figure.subplots())
    figure.suptitle(title)
    picture = BytesIO()
    figure.savefig(picture, dpi=150, format="png")
    replace(path, [picture.getvalue()])
    return True
