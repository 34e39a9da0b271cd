"""``backprop predict``, ``evaluate``, ``importance`` and ``export``: to use a trained model."""

from __future__ import annotations

import csv
import json
import os
import stat
import sys
import tempfile
from argparse import Namespace
from contextlib import closing
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from backprop import exchange
from backprop.cli._model import labelled, name_of, open_model, show, use_threads
from backprop.cli._output import counted
from backprop.cli._source import streamed
from backprop.core.files import check_target, replace, require_finite
from backprop.data import Dataset
from backprop.interchange import fold
from backprop.model import Scaling, TableModel
from backprop.network import Network
from backprop.tables import Column, Table

_ENDINGS = {"onnx": ".onnx", "c": ".h", "safetensors": ".safetensors"}
# Rows that are read, encoded, predicted and written together.
_ROWS = 50_000


def predict(args: Namespace) -> int:
    """Write one line for each example: its prediction, on request each class's probability."""
    use_threads(args.threads)
    model = open_model(args.model)
    if args.proba and not model.class_names:
        raise ValueError(f"{args.model} predicts no classes; --proba needs a classifier")
    lines = _Lines(model, args)
    if args.out is None:
        lines.write(sys.stdout)
        return 0
    for path in (args.model, *args.data):
        if os.path.exists(args.out) and os.path.realpath(path) == os.path.realpath(args.out):
            raise ValueError(f"--out must not be the model or DATA itself, got {args.out}")
    mode = check_target(args.out)
    if mode is not None and not stat.S_ISREG(mode):
        with open(args.out, "w", encoding="utf-8", newline="") as file:
            lines.write(file)
        return 0
    # Beside the file, so that its name stands for all of the predictions or for what was there.
    folder, name = os.path.split(os.path.realpath(args.out))
    if not os.path.isdir(folder):
        raise OSError(f"{args.out} cannot be written: {folder} is no folder")
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder) as beside:
        made = os.path.join(beside, "predictions.csv")
        with open(made, "w", encoding="utf-8", newline="") as file:
            lines.write(file)
        if args.out.lower().endswith((".parquet", ".pq")):
            made = _parquet(made, os.path.join(beside, "predictions.parquet"), lines.types)
        with open(made, "rb") as ready:
            replace(args.out, iter(lambda: ready.read(1 << 20), b""))
    return 0


class _Lines:
    """The lines of predictions, and what type each of their columns has."""

    def __init__(self, model: TableModel, args: Namespace) -> None:
        self.model, self.args = model, args
        self.types: dict[str, str] = {}

    def write(self, file: TextIO) -> None:
        writer = csv.writer(file, lineterminator="\n")
        found = streamed(self.args, self.model.encoder, _ROWS)
        first = True
        with closing(found):
            for part in found:
                columns = self._columns(part)
                if first:
                    writer.writerow(columns)
                    first = False
                writer.writerows(zip(*columns.values(), strict=True))

    def _columns(self, part: Table | Dataset) -> dict[str, list[Any]]:
        """Return the columns to write, by name."""
        Y_hat = self.model.outputs(part)
        kept = [part.named(name) for name in self.args.keep] if isinstance(part, Table) else []
        result = {column.name: _cells(column) for column in kept}
        answers = self._answers(Y_hat)
        for name in answers:
            if name in result:
                raise ValueError(f"--keep must not name {name!r}, which the predictions are called")
        if not self.types:
            kind = "VARCHAR" if self.model.class_names else "DOUBLE"
            self.types = dict.fromkeys(result, "VARCHAR")
            self.types |= dict.fromkeys(answers, "DOUBLE") | {next(iter(answers)): kind}
        return result | answers

    def _answers(self, Y_hat: NDArray[Any]) -> dict[str, list[Any]]:
        # str of a NumPy scalar has the fewest digits that give the number back in its dtype.
        values = self.model.answers(Y_hat)
        names = self.model.class_names
        if not names:
            if values.ndim == 1:
                return {"prediction": values.tolist()}
            p = values.shape[1]
            return {f"prediction_{i + 1}": values[:, i].tolist() for i in range(p)}
        result = {"prediction": values.tolist()}
        if self.args.proba:
            result |= {f"P({name})": list(map(str, Y_hat[:, i])) for i, name in enumerate(names)}
        return result


def _cells(column: Column) -> list[Any]:
    return ["" if value is None else value for value in column.words.tolist()]


def _parquet(source: str, out: str, types: dict[str, str]) -> str:
    import duckdb

    listed = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in types.items())
    with closing(duckdb.connect()) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_csv({_quoted(source)}, header = true, delim = ',', "
            f"quote = '\"', escape = '\"', auto_detect = false, columns = {{{listed}}})) "
            f"TO {_quoted(out)} (FORMAT parquet)"
        )
    return out


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def evaluate(args: Namespace) -> int:
    """Print how well the model predicts the targets of a data set."""
    use_threads(args.threads)
    model = open_model(args.model)
    source = labelled(args, model)
    X, y = model.labelled(source)
    show(model.compared(X, y), f"{name_of(source)} ({counted(len(X), 'example')})")
    left = (len(source) if isinstance(source, Table) else len(source.X)) - len(X)
    if left:
        print(f"note: {counted(left, 'row')} without a target {_are(left)} left out")
    held_out = model.held_out(source)
    if held_out is not None:
        alone = model.compared(*model.labelled(_taken(source, held_out))).scores
        first = next(iter(alone))
        print(
            "note: most of these examples are those the model was trained on; on the "
            f"{int(held_out.sum())} held out the {first.replace('r2', 'R2')} is {alone[first]:.4f}"
        )
    return 0


def _are(n: int) -> str:
    return "are" if n > 1 else "is"


def _taken(source: Table | Dataset, rows: NDArray[np.bool_]) -> Table | Dataset:
    return source.take(rows) if isinstance(source, Table) else source.rows(np.flatnonzero(rows))


def importance(args: Namespace) -> int:
    """Print what each column is worth, as a bar chart."""
    use_threads(args.threads)
    model = open_model(args.model)
    source = labelled(args, model)
    held_out, name, which = model.held_out(source), name_of(source), "all rows"
    if held_out is not None:
        source, which = _taken(source, held_out), "the rows held out of training"
    found = model.importance(source, n_repeats=args.repeats, seed=args.seed)
    n = len(source) if isinstance(source, Table) else len(source.X)
    print(f"{name}: {which} ({n})")
    print(found)
    return 0


def export(args: Namespace) -> int:
    """Write the model; it takes columns as they are in the data."""
    form, out = _destination(args)
    model = open_model(args.model)
    if not isinstance(model.encoder, Scaling):
        return _export_table(model, form, out, args)
    scaling = model.encoder
    net = fold(model.network, scaling.scaler, scaling.target_scaler, dtype=args.dtype)
    metadata = _metadata(model)
    if form == "onnx":
        net.to_onnx(out, metadata=metadata)
    elif form == "c":
        net.to_c(out, args.name, metadata=metadata)
    else:
        require_finite(net)
        net.save(out, metadata=metadata)
    print(f"{out}: {net!r}")
    print(f"it takes features as they are in the data{_promise(model, net)}")
    return 0


def _export_table(model: TableModel, form: str, out: str, args: Namespace) -> int:
    net = model.network if args.dtype is None else model.network.astype(args.dtype)
    assert not isinstance(model.encoder, Scaling)
    metadata = _metadata(model)
    takes = f"the {len(model.encoder.names)} columns as they are in the data"
    if form == "onnx":
        exchange.table_to_onnx(net, model.encoder, out, metadata=metadata)
    elif form == "c":
        exchange.table_to_c(net, model.encoder, out, args.name, metadata=metadata)
    else:
        require_finite(net)
        net.save(out, metadata=metadata)
        takes = "the encoded features, not the columns: the file has the bare network"
    print(f"{out}: {net!r}")
    print(f"it takes {takes}{_promise(model, net) if form != 'safetensors' else ''}")
    return 0


def _destination(args: Namespace) -> tuple[str, str]:
    """Return the format and the file, of which one tells the other."""
    stem, ending = os.path.splitext(args.out or args.model)
    form = args.format
    if form is None:
        form = next((f for f, its_ending in _ENDINGS.items() if ending == its_ending), None)
        if form is None or args.out is None:
            raise ValueError(
                "--format must be given, or --out FILE that ends with "
                f"{', '.join(_ENDINGS.values())}"
            )
    out = args.out or stem + _ENDINGS[form]
    if os.path.realpath(out) == os.path.realpath(args.model):
        raise ValueError(f"--out must not be the model itself, got {out}")
    return form, out


def _metadata(model: TableModel) -> dict[str, str]:
    """Tell what the network's numbers mean, as JSON by name."""
    encoder = model.encoder
    named = not isinstance(encoder, Scaling) or encoder.named
    known = {
        "class_names": model.class_names,
        "feature_names": encoder.feature_names_out if named else (),
        "target_name": model.target,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in known.items() if value}


def _promise(model: TableModel, net: Network) -> str:
    if model.class_names:
        return f" and gives the probabilities of {counted(len(model.class_names), 'class/classes')}"
    return " and predicts in the target's unit" if net.output_name == "linear" else ""
