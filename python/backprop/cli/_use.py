"""``backprop predict``, ``evaluate`` and ``export``: what to do with a model that is trained."""

from __future__ import annotations

import csv
import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from io import StringIO
from typing import Any

from numpy.typing import NDArray

from backprop.cli._model import Model, labelled, use_threads
from backprop.cli._output import counted
from backprop.core.files import replace, require_finite
from backprop.data import load
from backprop.interchange import fold
from backprop.network import Network

_ENDINGS = {"onnx": ".onnx", "c": ".h", "safetensors": ".safetensors"}


def predict(args: Namespace) -> int:
    """Write one line for each example: its prediction, on request each class's probability."""
    use_threads(args.threads)
    model = Model.load(args.model)
    if args.proba and not model.class_names:
        raise ValueError(f"{args.model} predicts no classes; --proba needs a classifier")
    features = None if args.no_header else model.feature_names or None
    dataset = load(*args.data, target=None, features=features, header=not args.no_header)
    lines = _lines(model, model.outputs(dataset), args.proba)
    if args.out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
        return 0
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    replace(args.out, [text.getvalue().encode("utf-8")])
    return 0


def _lines(model: Model, Y_hat: NDArray[Any], proba: bool) -> Iterator[list[str]]:
    names = model.class_names
    if not names:
        p = Y_hat.shape[1]
        yield ["prediction"] if p == 1 else [f"prediction_{i + 1}" for i in range(p)]
        # str of a NumPy scalar has the fewest digits that give the number back in its dtype.
        yield from ([str(value) for value in row] for row in Y_hat)
        return
    yield ["prediction", *(f"P({name})" for name in names if proba)]
    for row, label in zip(Y_hat, Y_hat.argmax(axis=1).tolist(), strict=True):
        yield [names[label], *(str(value) for value in row if proba)]


def evaluate(args: Namespace) -> int:
    """Print how well the model predicts the targets of a data set."""
    use_threads(args.threads)
    model = Model.load(args.model)
    dataset = labelled(args, model)
    model.report(dataset).show(f"{dataset.name} ({counted(len(dataset.X), 'example')})")
    if model.options.get("data") == args.data:
        print("note: most of these examples are those the model was trained on")
    return 0


def export(args: Namespace) -> int:
    """Write the model; it takes features as they are in the data."""
    form, out = _destination(args)
    model = Model.load(args.model)
    net = fold(model.net, model.scaler, model.target_scaler, dtype=args.dtype)
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


def _metadata(model: Model) -> dict[str, str]:
    """Tell what the network's numbers mean, as JSON by name."""
    known = {
        "class_names": model.class_names,
        "feature_names": model.feature_names,
        "target_name": model.target_name,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in known.items() if value}


def _promise(model: Model, net: Network) -> str:
    if model.class_names:
        return f" and gives the probabilities of {counted(len(model.class_names), 'class/classes')}"
    return " and predicts in the target's unit" if net.output_name == "linear" else ""
