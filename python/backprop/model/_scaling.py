"""Features that are numbers already, as arrays have them: each, or all together, standardised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.data import Dataset, Standardizer, encode_labels, same_unit

# One is enough for the numbers of an array, which has no kinds of columns.
_SCALES = ("auto", "each", "together", "none")


class Scaling:
    """The face of `backprop.tables.Encoder` for a matrix of numbers without missing ones.

    Parameters
    ----------
    scale : str
        "each" feature by itself, "together" by one scale, "none", or "auto": together if they are
        of one unit, like pixels.
    """

    def __init__(self, scale: str = "auto") -> None:
        if scale not in _SCALES:
            raise ValueError(f"`scale` must be one of {', '.join(_SCALES)}, got {scale!r}")
        self.scale = scale
        self.scaler = identity(0)
        self.target_scaler = identity(1)
        self._names: tuple[str, ...] = ()
        self.target: str | None = None
        self.task: str | None = None
        self.classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Scaling({self.n_features_out} features)"

    @classmethod
    def of(
        cls,
        scaler: Standardizer,
        target_scaler: Standardizer,
        *,
        names: Sequence[str] = (),
        classes: Sequence[str] = (),
        target: str | None = None,
    ) -> Scaling:
        """Return one whose scales are known."""
        self = cls()
        self.scaler, self.target_scaler = scaler, target_scaler
        self._names, self.classes, self.target = tuple(names), tuple(classes), target
        self.task = "classification" if classes else "regression"
        return self

    @property
    def named(self) -> bool:
        """Whether the data that it learned from had names for its columns."""
        return bool(self._names)

    @property
    def names(self) -> list[str]:
        """The names of the columns, counted from 1 where there were none."""
        return list(self._names) or [f"column {k + 1}" for k in range(self.n_features_out)]

    @property
    def kinds(self) -> dict[str, str]:
        """All are numbers."""
        return dict.fromkeys(self.names, "number")

    @property
    def category_names(self) -> list[str]:
        """What must be read as it is spelled: the target, if it is a class."""
        return [self.target] if self.classes and self.target is not None else []

    @property
    def feature_names_out(self) -> list[str]:
        """The same as `names`."""
        return self.names

    @property
    def n_features_out(self) -> int:
        """How many there are."""
        return len(self.scaler.mean)

    @property
    def places(self) -> dict[str, slice]:
        """Each column is one feature."""
        return {name: slice(k, k + 1) for k, name in enumerate(self.names)}

    @property
    def target_scale(self) -> tuple[float, float]:
        """Mean and standard deviation of a regression's target."""
        return float(self.target_scaler.mean[0]), float(self.target_scaler.scale[0])

    def fit(self, dataset: Dataset, rows: NDArray[np.int64], task: str) -> Scaling:
        """Learn from some rows of a data set; the classes from all of them."""
        if dataset.y is None:
            raise ValueError(f"{dataset.name} has no target; training needs y")
        X = dataset.X[rows]
        self._names, self.target, self.task = dataset.feature_names, dataset.target_name, task
        if task == "classification":
            self.classes = encode_labels(dataset.y)[1]
            if len(self.classes) < 2:
                raise ValueError(
                    f"{dataset.name} must have two classes or more, got only {self.classes[0]!r}"
                )
        else:
            _refuse_words(dataset)
            self.target_scaler = Standardizer.fit(dataset.y[rows][:, None])
        if self.scale == "none":
            self.scaler = identity(X.shape[1])
        else:
            together = self.scale == "together" or (self.scale == "auto" and same_unit(X))
            self.scaler = Standardizer.fit(X, shared=together)
        return self

    def transform(self, source: Any, rows: Any = None, dtype: Any = np.float32) -> NDArray[Any]:
        """Return features (m, n) of a data set, a matrix, or a table whose columns are numbers."""
        X, name = self._matrix(source)
        n, expected = X.shape[1], self.n_features_out
        if n != expected:
            raise ValueError(
                f"{name} must have {expected} features like the data the model was trained on, "
                f"got {n}"
            )
        return self.scaler.transform(X if rows is None else X[rows], dtype)

    def _matrix(self, source: Any) -> tuple[NDArray[Any], str]:
        if isinstance(source, Dataset):
            return source.X, source.name
        if isinstance(source, np.ndarray):
            if source.ndim != 2:
                raise ValueError(f"`rows` must have two dimensions, got shape {source.shape}")
            return source, "`rows`"
        from backprop.tables import Table, TableError, read_like

        table = source if isinstance(source, Table) else read_like(source, self)
        names = self.names if self.named else [n for n in table.names if n != self.target]
        gone = [repr(name) for name in names if name not in table.names]
        if gone:
            s, are = ("s", "are") if len(gone) > 1 else ("", "is")
            raise TableError(
                f"{table.source}: the column{s} {', '.join(gone)} {are} missing, which the model "
                f"was trained with; it has {', '.join(map(repr, table.names[:20]))}"
            )
        columns = [table[name].numbers for name in names]
        wrong = [
            f"column {name!r}, row {int(np.flatnonzero(np.isnan(values))[0]) + 1}"
            for name, values in zip(names, columns, strict=True)
            if np.isnan(values).any()
        ]
        if wrong:
            raise TableError(
                f"{table.source}: a number is missing in {'; '.join(wrong)}: this model was "
                "trained on numbers alone; fill them, or train a new one on the table"
            )
        return np.column_stack(columns), table.source

    def has_target(self, source: Any) -> NDArray[np.bool_]:
        """Return which rows have a target."""
        y = self._target(source)
        if y.dtype.kind == "O":
            return np.array([value is not None for value in y.tolist()], bool)
        return ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), bool)

    def _target(self, source: Any) -> NDArray[Any]:
        if isinstance(source, Dataset):
            if source.y is None:
                raise ValueError(f"{source.name} has no target to compare with")
            return source.y
        if isinstance(source, np.ndarray | list | tuple):
            return np.asarray(source)
        column = source.named(self.target or source.names[-1])
        values: NDArray[Any] = column.words if self.classes else column.numbers
        return values

    def transform_target(self, source: Any, rows: Any = None, dtype: Any = None) -> NDArray[Any]:
        """Return the target as the network takes it: labels (m,), or a scaled column (m, 1)."""
        y = self._target(source)
        y = y if rows is None else y[rows]
        if self.classes:
            return encode_labels(y.astype(str) if y.dtype.kind == "O" else y, self.classes)[0]
        if isinstance(source, Dataset):
            _refuse_words(source)
        if y.ndim == 1:
            y = y[:, None]
        return self.target_scaler.transform(y, np.float64 if dtype is None else dtype)

    def inverse_target(self, values: Any) -> NDArray[Any]:
        """Return class names (objects) of places, or float64 in the target's own unit."""
        if self.classes:
            return np.array(self.classes, dtype=object)[np.asarray(values, np.int64)]
        values = np.asarray(values, np.float64)
        return np.asarray(values * self.target_scaler.scale + self.target_scaler.mean)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return all that was learned: what JSON can hold, and plain arrays."""
        state = {
            "scale": self.scale,
            "names": list(self._names),
            "target": self.target,
            "task": self.task,
            "classes": list(self.classes),
        }
        arrays = {
            "mean": self.scaler.mean,
            "scale": self.scaler.scale,
            "target_mean": self.target_scaler.mean,
            "target_scale": self.target_scaler.scale,
        }
        return state, arrays

    @classmethod
    def from_state(cls, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Scaling:
        """Return what `to_state` described."""
        known = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        self = cls.of(
            Standardizer(known["mean"], known["scale"]),
            Standardizer(known["target_mean"], known["target_scale"]),
            names=state["names"],
            classes=state["classes"],
            target=state["target"],
        )
        self.scale, self.task = state["scale"], state["task"]
        return self


def identity(n: int) -> Standardizer:
    """Make a scaler that leaves ``n`` features as they are."""
    return Standardizer(np.zeros(n), np.ones(n))


def _refuse_words(dataset: Dataset) -> None:
    assert dataset.y is not None
    if dataset.y.dtype.kind == "U":
        raise ValueError(
            f"{dataset.name}: the target must hold numbers for regression, "
            f"got {str(dataset.y[0])!r}"
        )
