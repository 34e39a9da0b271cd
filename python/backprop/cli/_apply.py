"""``backprop predict`` and ``backprop evaluate``: use a model on data it has not seen."""

from __future__ import annotations

import csv
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from backprop.cli._model import Model, use_threads
from backprop.data import Dataset, load


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
    with open(args.out, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return 0


def _lines(model: Model, Y_hat: NDArray[Any], proba: bool) -> Iterator[list[str]]:
    names = model.class_names
    if not names:
        p = Y_hat.shape[1]
        yield ["prediction"] if p == 1 else [f"prediction_{i + 1}" for i in range(p)]
        # str of a NumPy scalar: the fewest digits that give the number back in its dtype.
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
    model.report(dataset).show(f"{dataset.name} ({len(dataset.X)} examples)")
    if model.options.get("data") == args.data:
        print("note: most of these examples are those the model was trained on")
    return 0


def labelled(args: Namespace, model: Model) -> Dataset:
    """Load examples with targets, the columns those the model was trained on."""
    target, features = args.target, None
    if not args.no_header:
        target = target or model.target_name
        features = model.feature_names or None
    dataset = load(
        *args.data,
        target=-1 if target is None else target,
        features=features,
        header=not args.no_header,
    )
    if dataset.y is None:
        raise ValueError(f"{dataset.name} has no target to compare with")
    return dataset
