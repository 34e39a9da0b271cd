"""A network with what stands around it: the scaler before it, the names of classes after it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from backprop import io
from backprop.cli._report import ClassificationReport, RegressionReport
from backprop.data import Dataset, Standardizer, encode_labels

# The one metadata entry of a model file that is the command line's, JSON like the rest.
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
        return RegressionReport(loss, y, self._in_unit(Y_hat)[:, 0].astype(np.float64))

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
