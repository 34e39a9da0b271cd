"""From a table to a model, in steps that a program may watch: split, encode, train, score."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from backprop.core import engine
from backprop.core.checks import known_name
from backprop.data import Dataset, encode_labels, infer_task
from backprop.model._answering import Answering, Report
from backprop.model._scaling import Scaling
from backprop.model._scores import too_small
from backprop.model._split import Parts, split
from backprop.network import Network
from backprop.tables import Encoder, Table
from backprop.training import Run, optimizers
from backprop.training.history import History

M = TypeVar("M", bound=Answering)

_LR = {"classification": 0.1, "regression": 0.01}


def source_task(source: Table | Dataset, task: str | None = None) -> str:
    """Return what is learned from a table that was read, or from arrays."""
    if isinstance(source, Table):
        if source.task is None:
            raise ValueError(f"{source.source} has no target; read it with target=")
        return source.task
    if source.y is None:
        raise ValueError(f"{source.name} has no target; training needs y")
    return infer_task(source.y) if task is None else task


def output_of(loss: str | Sequence[Any], task: str, called: str = "`loss`") -> str:
    """Return the output activation of a loss, which must suit the task."""
    name = loss if isinstance(loss, str) else loss[0]
    outputs = {"classification": ("softmax",), "regression": ("linear", "exp")}[task]
    fits = {known: out for out in outputs for known in engine.outputs()[out]}
    if name not in fits:
        raise ValueError(f"{called} must be one of {', '.join(fits)} for {task}, got {name}")
    return fits[name]


def default_lr(chosen: Any, task: str) -> float | None:
    """Return the learning rate where none was asked for; None for L-BFGS, which has none."""
    optimizer = optimizers.get(chosen)
    if isinstance(optimizer, optimizers.LBFGS):
        return None
    return _LR[task] if optimizer == optimizers.SGD() else optimizer.default_lr


class LastEpoch:
    """The state at the end of the last whole epoch, which Ctrl-C goes back to."""

    def __init__(self) -> None:
        self.history = History()
        self.theta: NDArray[Any] | None = None

    def __call__(self, run: Run) -> None:
        self.history, self.theta = run.history, run.network.theta.copy()


class Job(Generic[M]):
    """One training: made, it has an untrained model and its rows; then `train` and `score`.

    Attributes
    ----------
    model : TableModel
        Of the class ``into``.
    rows : Parts
        Of the source: to train on, to watch, to test on.
    seconds : dict
        What "encoding", "training" and "scoring" took.
    notes : list of str
        What is to be said.
    """

    def __init__(
        self,
        source: Table | Dataset,
        into: type[M],
        *,
        task: str | None = None,
        hidden: Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        loss: str | Sequence[Any] | None = None,
        dtype: Any = "float32",
        scale: str = "auto",
        test_size: float = 0.2,
        validation_size: float = 0.1,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.source = source
        self.seconds = {"encoding": 0.0, "training": 0.0, "scoring": 0.0}
        self.notes: list[str] = []
        task = source_task(source, task)
        classes = task == "classification"
        loss = loss or ("cross_entropy" if classes else "squared_error")
        output = output_of(loss, task)
        start = time.perf_counter()
        y, there, groups, times, weights = _targets(source, task)
        self.weights = weights
        parts = split(
            y[there],
            classes=classes,
            test_size=test_size,
            validation_size=validation_size,
            seed=seed,
            groups=None if groups is None else groups[there],
            time=None if times is None else times[there],
        )
        self.rows = Parts(*(there[part] for part in parts))
        encoder: Encoder | Scaling
        if isinstance(source, Table):
            if scale != "auto":
                raise ValueError(
                    f"`scale` is for arrays, got {scale!r}: the columns of a table are scaled each "
                    "by its median and quartiles"
                )
            encoder = Encoder().fit(source, self.rows.train)
        else:
            encoder = Scaling(scale).fit(source, self.rows.train, task)
        if output == "exp":
            # Counts are not scaled, because they have no other unit.
            encoder = _unscaled_target(encoder)
        n_outputs = len(encoder.classes) if classes else 1
        network = Network(
            [encoder.n_features_out, *hidden, n_outputs],
            hidden=activation if isinstance(activation, str) else list(activation),
            output=output,
            loss=loss if isinstance(loss, str) else (loss[0], *loss[1:]),
            dtype=dtype,
            seed=seed,
        )
        self.model = into(network, encoder, settings=settings or {})
        if isinstance(source, Table):
            self.model.columns = source.rows()
            self.model.source = source.source
        else:
            self.model.source = source.name
        self.model.remember(y[there], np.searchsorted(there, self.rows.test))
        self.seconds["encoding"] += time.perf_counter() - start
        self._notes(classes, y)

    def _notes(self, classes: bool, y: NDArray[Any]) -> None:
        note = too_small(len(self.rows.test), classes)
        self.notes += [note] if note else []
        if classes:
            tested = set(np.unique(y[self.rows.test]).tolist())
            learned = set(np.unique(y[self.rows.train]).tolist())
            names = self.model.class_names
            for place, name in enumerate(names):
                if place not in learned:
                    self.notes.append(f"no row of class {name!r} is among those to train on")
                elif place not in tested:
                    self.notes.append(f"no row of class {name!r} is among those to test on")

    def encoded(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return features and targets of some rows, as the network takes them."""
        start = time.perf_counter()
        encoder, dtype = self.model.encoder, self.model.network.dtype
        X = encoder.transform(self.source, rows, dtype)
        target_dtype = None if self.model.class_names else dtype
        y = encoder.transform_target(self.source, rows, target_dtype)
        self.seconds["encoding"] += time.perf_counter() - start
        return X, y if self.model.class_names else y.reshape(len(X), -1)

    def train(self, **settings: Any) -> None:
        """Train; the settings are those of `Network.fit`.

        On Ctrl-C the model goes back to its last whole epoch, and KeyboardInterrupt is raised on.
        """
        X, y = self.encoded(self.rows.train)
        validation: tuple[Any, ...] | None = None
        weights = self.weights
        if len(self.rows.watched):
            validation = self.encoded(self.rows.watched)
            if weights is not None:
                validation = (*validation, weights[self.rows.watched])
        if weights is not None:
            settings["sample_weight"] = weights[self.rows.train]
        settings["class_weight"] = _class_weight(
            settings.get("class_weight"), self.model.class_names
        )
        last = LastEpoch()
        callbacks: list[Callable[..., Any]] = [*settings.pop("callbacks", ()), last]
        start = time.perf_counter()
        try:
            last.history = self.model.network.fit(
                X, y, validation=validation, callbacks=callbacks, **settings
            )
        except KeyboardInterrupt:
            if last.theta is not None:
                self.model.network.theta[...] = last.theta
            raise
        finally:
            self.seconds["training"] += time.perf_counter() - start
            self.model.history = last.history

    def score(self) -> Report:
        """Score the rows to test on; the model keeps the numbers."""
        X, y = self.encoded(self.rows.test)
        start = time.perf_counter()
        report = self.model.compared(X, y)
        self.model.scores = report.scores
        self.seconds["scoring"] += time.perf_counter() - start
        return report


def _targets(
    source: Table | Dataset, task: str
) -> tuple[NDArray[Any], NDArray[np.int64], Any, Any, Any]:
    """Return targets, the rows that have one, and their groups, times and weights."""
    if isinstance(source, Dataset):
        assert source.y is not None
        y = encode_labels(source.y)[0] if task == "classification" else source.y
        return y, np.arange(len(y)), None, None, None
    there = np.flatnonzero(source.has_target)
    return source.target_codes, there, source.groups, source.time, source.weights


def _unscaled_target(encoder: Encoder | Scaling) -> Encoder | Scaling:
    state, arrays = encoder.to_state()
    if isinstance(encoder, Scaling):
        return Scaling.from_state(
            state, {**arrays, "target_mean": np.zeros(1), "target_scale": np.ones(1)}
        )
    return Encoder.from_state(state, {**arrays, "target": np.array([0.0, 1.0])})


def _class_weight(class_weight: Any, names: Sequence[str]) -> Any:
    """Return weights by the number of the class instead of its name."""
    if not isinstance(class_weight, Mapping):
        return class_weight
    return {
        names.index(known_name("class_weight", str(name), tuple(names))): weight
        for name, weight in class_weight.items()
    }
