"""A network together with its scalers and the names of its classes, and reports on it in tables."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from backprop import io
from backprop.cli._output import share
from backprop.data import Dataset, Standardizer, encode_labels, load

# The command line has one entry in the metadata of a model file, which is JSON like the rest.
_KEY = "backprop.cli"


@dataclass
class Model:
    """What `train` makes and saves, and `predict` and `evaluate` use.

    Attributes
    ----------
    net : Network
    scaler : Standardizer
        Applied to the features.
    target_scaler : Standardizer
        Of the one target of a regression; its `inverse_transform` gives predictions their unit.
    class_names : tuple of str
        In the order of the outputs; empty for a regression.
    feature_names, target_name
        Of the columns trained on; empty and None where the data had no names.
    options : dict
        The command line's options of the run, so that it can be repeated.
    """

    net: bp.Network
    scaler: Standardizer
    target_scaler: Standardizer
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    target_name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str) -> Model:
        """Read what `save` wrote, or a network that Python code saved without any of it."""
        net, metadata, tensors = io.read(path)
        n, p = net.layer_sizes[0], net.layer_sizes[-1]
        if _KEY not in metadata:
            names = tuple(map(str, range(p))) if net.output_name == "softmax" else ()
            return cls(net, identity(n), identity(p), names)
        about = _about(metadata[_KEY], n, p, path)
        return cls(
            net,
            _scaler(tensors, "scaler", n, path),
            _scaler(tensors, "target_scaler", 1, path),
            tuple(about["class_names"]),
            tuple(about["feature_names"]),
            about["target_name"],
            about["options"],
        )

    def outputs(self, dataset: Dataset) -> NDArray[Any]:
        """Probabilities of the classes, or predictions in the target's unit, for raw features."""
        Y_hat = self.net.forward(self.inputs(dataset))
        return Y_hat if self.class_names else self._in_unit(Y_hat)

    def report(self, dataset: Dataset) -> ClassificationReport | RegressionReport:
        """Compare the predictions for raw features with the raw targets."""
        assert dataset.y is not None
        inputs, targets = self.inputs(dataset), self.targets(dataset)
        Y_hat, loss = self.net.forward(inputs), self.net.loss(inputs, targets)
        if self.class_names:
            return ClassificationReport.of(loss, targets, Y_hat.argmax(axis=1), self.class_names)
        y = np.asarray(dataset.y, dtype=np.float64)
        predicted = self._in_unit(Y_hat)[:, 0].astype(np.float64)
        return RegressionReport(loss, y, predicted, self.target_is_standardised)

    @property
    def target_is_standardised(self) -> bool:
        """Whether the network's targets are not in the unit of the data."""
        return bool(self.target_scaler.mean.any() or (self.target_scaler.scale != 1).any())

    def inputs(self, dataset: Dataset) -> NDArray[Any]:
        """Features as the network takes them: standardised, in its dtype."""
        n, expected = dataset.X.shape[1], len(self.scaler.mean)
        if n != expected:
            raise ValueError(
                f"{dataset.name} must have {expected} features like the data the model was "
                f"trained on, got {n}"
            )
        return self.scaler.transform(dataset.X, self.net.dtype)

    def targets(self, dataset: Dataset) -> NDArray[Any]:
        """Target as the network takes it: labels, or a standardised column."""
        y = dataset.y
        assert y is not None
        if self.class_names:
            return encode_labels(y, self.class_names)[0]
        if y.dtype.kind == "U":
            raise ValueError(
                f"{dataset.name}: the target must hold numbers for regression, got {str(y[0])!r}"
            )
        return self.target_scaler.transform(y[:, None], self.net.dtype)

    def _in_unit(self, Y_hat: NDArray[Any]) -> NDArray[Any]:
        return self.target_scaler.inverse_transform(Y_hat).astype(self.net.dtype)

    def save(self, path: str) -> None:
        """Write the network's file with scalers and names in it."""
        about = {
            "class_names": self.class_names,
            "feature_names": self.feature_names,
            "target_name": self.target_name,
            "options": self.options,
        }
        tensors = {
            "scaler.mean": self.scaler.mean,
            "scaler.scale": self.scaler.scale,
            "target_scaler.mean": self.target_scaler.mean,
            "target_scaler.scale": self.target_scaler.scale,
        }
        self.net.save(path, metadata={_KEY: json.dumps(about)}, tensors=tensors)


def identity(n: int) -> Standardizer:
    """Make a scaler that leaves ``n`` features as they are."""
    return Standardizer(np.zeros(n), np.ones(n))


def use_threads(n_threads: int | None) -> None:
    """Set the number of threads, if one was asked for."""
    if n_threads is not None:
        bp.set_num_threads(n_threads)


def _about(text: str, n: int, p: int, path: str) -> dict[str, Any]:
    """Parse the command line's metadata, trusting nothing in it."""
    try:
        about: dict[str, Any] = json.loads(text)
        classes, features = about["class_names"], about["feature_names"]
        fits = (
            len(classes) in (0, p)
            and len(features) in (0, n)
            and all(isinstance(name, str) for name in [*classes, *features])
            and isinstance(about["target_name"], str | None)
            and isinstance(about["options"], dict)
        )
    except (ValueError, TypeError, KeyError):
        fits = False
    if not fits:
        raise ValueError(f"{path}: its metadata {_KEY!r} is damaged; train the model again")
    return about


def _scaler(tensors: Mapping[str, NDArray[Any]], name: str, n: int, path: str) -> Standardizer:
    found = [tensors.get(f"{name}.{part}") for part in ("mean", "scale")]
    sound = [a for a in found if a is not None and a.shape == (n,) and np.isfinite(a).all()]
    if len(sound) < 2:
        raise ValueError(f"{path}: its {name!r} is missing or damaged; train the model again")
    return Standardizer(*(array.astype(np.float64) for array in sound))


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


# A confusion matrix wider than this does not fit a terminal; instead the largest counts are listed.
_MAX_COLUMNS = 20


@dataclass(frozen=True)
class ClassificationReport:
    """Labels against predictions; ``confusion[i, j]`` counts class i predicted as class j."""

    loss: float
    confusion: NDArray[np.int64]
    class_names: Sequence[str]

    @classmethod
    def of(
        cls,
        loss: float,
        y: NDArray[np.int64],
        predicted: NDArray[np.int64],
        class_names: Sequence[str],
    ) -> ClassificationReport:
        """Count the pairs of true and predicted class."""
        p = len(class_names)
        confusion = np.bincount(y * p + predicted, minlength=p * p).reshape(p, p)
        return cls(loss, confusion, class_names)

    @property
    def accuracy(self) -> float:
        """Share of the examples whose class was predicted."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    def show(self, title: str, extra: Sequence[tuple[str, str]] = ()) -> None:
        """Print accuracy, loss and ``extra``, then the confusion counts."""
        total, right = int(self.confusion.sum()), int(np.trace(self.confusion))
        rows = [
            ("accuracy", share(right, total)),
            ("correct", f"{right} of {total}"),
            ("loss", f"{self.loss:.4f}"),
            *extra,
        ]
        table(title, rows)
        names = self.class_names
        if len(names) <= _MAX_COLUMNS:
            table(
                "confusion counts (rows: true class, columns: predicted class)",
                [[names[i], *map(str, row)] for i, row in enumerate(self.confusion.tolist())],
                ["", *names],
            )
            return
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        worst = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_COLUMNS]
        pairs = [divmod(int(i), len(names)) for i in worst]
        table(
            f"the largest confusion counts of {len(names)} classes",
            [[names[i], names[j], str(wrong[i, j])] for i, j in pairs],
            ["true class", "predicted class", "count"],
        )


@dataclass(frozen=True)
class RegressionReport:
    """Targets against predictions, in the target's own unit."""

    loss: float
    y: NDArray[np.float64]
    predicted: NDArray[np.float64]
    is_standardised: bool = True

    @property
    def r2(self) -> float:
        """Share of the target's variance that the predictions explain; NaN if it has none."""
        variance = float(np.var(self.y))
        residual = float(np.mean((self.y - self.predicted) ** 2))
        return 1 - residual / variance if variance > 0 else float("nan")

    def show(self, title: str, extra: Sequence[tuple[str, str]] = ()) -> None:
        """Print R2, root mean square and mean absolute residual, loss and ``extra``."""
        residual = self.y - self.predicted
        rows = [
            ("R2", "undefined" if np.isnan(self.r2) else f"{self.r2:.4f}"),
            ("root mean square residual", f"{np.sqrt(np.mean(residual**2)):.6g}"),
            ("mean absolute residual", f"{np.mean(np.abs(residual)):.6g}"),
            (
                "loss (of the standardised target)" if self.is_standardised else "loss",
                f"{self.loss:.4f}",
            ),
            *extra,
        ]
        table(title, rows)


def table(title: str, rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Print a table, its first column to the left and the others to the right."""
    lines = [header, *rows] if header else rows
    sizes = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    print(title)
    if sys.stdout.isatty() and _draw(rows, header, 1 + sum(size + 3 for size in sizes)):
        return
    for line in lines:
        first, *rest = (cell.rjust(size) for cell, size in zip(line, sizes, strict=True))
        print("  ".join(["", first.strip().ljust(sizes[0]), *rest]))


def _draw(rows: Sequence[Sequence[str]], header: Sequence[str], width: int) -> bool:
    """Draw with rich; False if it is not installed or would have to cut cells."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return False
    # rich must not look for markup, because a class may be named "[b]".
    console = Console(markup=False, highlight=False)
    if width > console.width:
        return False
    drawn = Table(show_header=bool(header))
    for i in range(len(rows[0])):
        drawn.add_column(header[i] if header else "", justify="right" if i else "left")
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn)
    return True
