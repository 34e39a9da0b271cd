"""``backprop train``: read, say what was understood, fit, test, save. ``backprop columns``: say."""

from __future__ import annotations

import logging
import os
import stat
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO

import backprop as bp
from backprop import io
from backprop.cli._model import may_write, name_of, show
from backprop.cli._output import counted, duration
from backprop.cli._source import source, stem
from backprop.core.checks import known_name
from backprop.core.drawing import curves
from backprop.core.files import check_target, replace
from backprop.data import Dataset
from backprop.model import Job, TableModel, default_lr, output_of, source_task
from backprop.tables import Table, read
from backprop.training import arguments
from backprop.training.callbacks import Checkpoint

# These options do not shape the training, which would be the same without them.
_NOT_OPTIONS = (
    "command",
    "version",
    "config",
    "checkpoint",
    "every",
    "keep_last",
    "resume",
    "force",
)
# What the picture says of its origin, in PNG's own place for it.
_SOFTWARE = "backprop train"
_MOST_NAMED = 8


def train(args: Namespace) -> int:
    """Run the command; 130 if Ctrl-C ended the training after an epoch."""
    out = args.out or stem(args.data[0]) + ".safetensors"
    picture = os.path.splitext(out)[0] + ".png"
    _check_places(args, out, picture)
    if args.threads is not None:
        bp.set_num_threads(args.threads)
    start = time.perf_counter()
    table = source(args)
    seconds = {"reading": time.perf_counter() - start}
    task = source_task(table, None if args.task == "auto" else args.task)
    if args.loss is not None:
        output_of(args.loss, task, "--loss")
    if args.lr is None:
        args.lr = default_lr(args.optimizer, task)
    job = Job(
        table,
        TableModel,
        task=task,
        hidden=args.hidden,
        activation=args.activation,
        loss=args.loss,
        dtype=args.dtype,
        scale=args.scale,
        test_size=args.test_size,
        validation_size=args.validation_size,
        seed=args.seed,
        settings={name: value for name, value in vars(args).items() if name not in _NOT_OPTIONS},
    )
    _announce(table, job)
    model, interrupted = job.model, _fit(job, args)
    report = None if interrupted else job.score()
    model.save(out)
    seconds |= job.seconds
    if report is not None:
        trained = f"{duration(seconds['training'])}, {counted(model.history.epochs, 'epoch')}"
        show(
            report, f"test set ({counted(len(job.rows.test), 'example')})", [("training", trained)]
        )
        for note in job.notes:
            print(f"note: {note}")
    print(f"model saved to {out}")
    if not args.no_plot:
        if save_curve(model.history, picture, f"{name_of(table)}: loss by epoch"):
            print(f"loss curve saved to {picture}")
        else:
            print("loss curve not drawn: it needs matplotlib (pip install matplotlib)")
    # All in seconds, to be compared; the shortest with as many digits as it takes to see them.
    spent = {name: f"{t:.2f}" if t >= 0.01 else f"{t:.4f}" for name, t in seconds.items()}
    print("time: " + ", ".join(f"{name} {time} s" for name, time in spent.items()))
    if interrupted:
        print(
            f"interrupted: the saved model is that of epoch {model.history.epochs} of {args.epochs}"
        )
        return 130
    return 0


def columns(args: Namespace) -> int:
    """Print what was understood of a table, a line a column; 1 if it cannot be trained on."""
    found = source(args, check=False)
    if isinstance(found, Dataset):
        found = _as_table(found)
    print(found.describe())
    return 1 if found.problems else 0


def _as_table(dataset: Dataset) -> Table:
    names = dataset.feature_names or [f"column {k + 1}" for k in range(dataset.X.shape[1])]
    cells = {name: dataset.X[:, k] for k, name in enumerate(names)}
    if dataset.y is not None:
        cells[dataset.target_name or "y"] = dataset.y
    table = read(cells, check=False)
    table.source = dataset.name
    return table


def _check_places(args: Namespace, out: str, picture: str) -> None:
    """Find out before the training rather than after it whether its files can be written."""
    mode = check_target(out)
    if mode is not None and not stat.S_ISREG(mode):
        return  # A device or a pipe is written into, and replaces nothing.
    folder = os.path.dirname(os.path.realpath(out))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise OSError(f"{out} cannot be written: {folder} is not a writable folder")
    may_write(out, args.force, _own_model(out), "model")
    if not args.no_plot:
        may_write(picture, args.force, _own_picture(picture), "picture")
    if args.checkpoint is not None and os.path.isfile(args.checkpoint) and not args.force:
        try:
            io.read(args.checkpoint)
        except ValueError:
            raise FileExistsError(
                f"{args.checkpoint} is there already and is no checkpoint; name another file by "
                "--checkpoint, or replace it by --force"
            ) from None


def _own_model(path: str) -> bool:
    with suppress(OSError, ValueError):
        return isinstance(io.load(path), TableModel)
    return False


def _own_picture(path: str) -> bool:
    with suppress(OSError), open(path, "rb") as file:
        head = file.read(4096)
        return head.startswith(b"\x89PNG") and f"Software\0{_SOFTWARE}".encode() in head
    return False


def _announce(table: Table | Dataset, job: Job[TableModel]) -> None:
    model = job.model
    kind = counted(len(model.class_names), "class/classes") if model.class_names else "regression"
    parts = (
        f"{len(job.rows.train)} to train on, {len(job.rows.watched)} to watch, "
        f"{len(job.rows.test)} to test on"
    )
    if isinstance(table, Table):
        n = len(model.encoder.names)
        make = "makes" if n == 1 else "make"
        print(
            f"{table.source}: {counted(len(table), 'row')}, "
            f"{counted(len(table.columns), 'column')}, of which {n} {make} "
            f"{counted(model.encoder.n_features_out, 'feature')}; {kind}; {parts}"
        )
        for line in understood(table):
            print(line)
    else:
        m, n = table.X.shape
        print(f"{table.name}: {counted(m, 'example')}, {counted(n, 'feature')}, {kind}; {parts}")
    sizes = "-".join(map(str, model.network.layer_sizes))
    size, dtype = model.network.theta.size, model.network.dtype
    print(f"network {sizes}, {counted(size, 'parameter')} in {dtype}", flush=True)


def understood(table: Table) -> list[str]:
    """Return what was understood of a table in a few lines."""
    said = [
        f"target: {table.target!r} ({table.target_reason})",
        f"task: {table.task} ({table.task_reason})",
    ]
    kinds: dict[str, list[str]] = {}
    for column in table.features:
        kinds.setdefault("yes/no" if column.boolean else column.kind, []).append(column.name)
    said += [f"{kind}: {_few(names)}" for kind, names in kinds.items()]
    for column in table.columns:
        if column.role in ("weights", "groups"):
            said.append(f"{column.role}: {column.name!r}, no input")
    out: dict[str, list[str]] = {}
    for column in table.columns:
        if column.role in ("left out", "row number"):
            why = column.reason or column.kind
            if column.role == "row number":
                why = f"row number: {column.reason}" if column.reason else "row number"
            out.setdefault(why, []).append(column.name)
    said += [f"left out: {_few(names)} ({why})" for why, names in out.items()]
    for column in table.columns:
        said += [f"note: column {column.name!r}: {note}" for note in column.notes]
    return said + [f"note: {note}" for note in table.notes]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(name or "(no name)" for name in names[:_MOST_NAMED])
    return shown + (f", ... ({len(names)} in all)" if len(names) > _MOST_NAMED else "")


def _fit(job: Job[TableModel], args: Namespace) -> bool:
    """Train; return whether Ctrl-C ended it."""
    names = job.model.class_names
    if isinstance(args.class_weight, dict):
        for name in args.class_weight:
            known_name("--class-weight", name, names)
    # The option --loss names the loss of the network; the argument of `fit` is an object.
    settings = set(arguments()) - {"loss"}
    given = {name: value for name, value in vars(args).items() if name in settings}
    given |= {
        "checkpoint": _checkpoint(args),
        "progress": True,
        # The number of threads was set for everything that this process computes.
        "threads": None,
    }
    try:
        job.train(**given)
    except KeyboardInterrupt:
        if not job.model.history.epochs:
            raise
        return True
    return False


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
    # A path or a query may be longer than the picture is wide, and a dollar sign is no formula.
    shown = title if len(title) < 80 else title[:76] + "..."
    figure.suptitle(shown.replace("$", r"\$"))
    drawn = BytesIO()
    figure.savefig(drawn, dpi=150, format="png", metadata={"Software": _SOFTWARE})
    replace(path, [drawn.getvalue()])
    return True
