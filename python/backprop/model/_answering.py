"""What answers: rows as people have them go in, class names or quantities come out."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backprop.core import runtime
from backprop.data import Dataset
from backprop.model._importance import Importance, importance
from backprop.model._scaling import Scaling
from backprop.model._scores import ClassificationReport, RegressionReport
from backprop.network import Network
from backprop.tables import Encoder, Table, read_like
from backprop.training.history import History

Report: TypeAlias = ClassificationReport | RegressionReport


class Answering:
    """What answers rows; `TableModel` is that, and can be made of a table and kept in a file.

    Parameters
    ----------
    network : Network
        It takes the encoder's features.
    encoder : backprop.tables.Encoder or Scaling
        What turns columns into features, and answers into the target's terms.
    history : History, optional
        Of its training.
    settings : mapping, optional
        What it was trained with.

    Attributes
    ----------
    network, encoder, history, settings
        As above.
    scores : dict
        Of the rows that it was tested on.
    versions : dict
        Of the programs that trained it, and the date.
    columns : list of dict
        What was understood of the table's columns, as `backprop.tables.Table.rows` says it.
    source : str
        Where the table came from.
    """

    def __init__(
        self,
        network: Network,
        encoder: Encoder | Scaling,
        *,
        history: History | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if encoder.n_features_out != network.layer_sizes[0]:
            raise ValueError(
                f"`encoder` must give the {network.layer_sizes[0]} features that the network "
                f"takes, got {encoder.n_features_out}"
            )
        self.network = network
        self.encoder = encoder
        self.history = History() if history is None else history
        self.settings: dict[str, Any] = dict(settings or {})
        self.scores: dict[str, float] = {}
        self.versions = {
            "backprop": runtime.__version__,
            "numpy": np.__version__,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        self.columns: list[dict[str, Any]] = []
        self.source = ""
        self.mark: int | None = None
        self.test_rows: NDArray[np.bool_] | None = None

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.network.layer_sizes))
        what = f"{len(self.class_names)} classes" if self.class_names else "a quantity"
        columns = len(self.encoder.names)
        return (
            f"{type(self).__name__}({columns} columns to {what} of {self.target!r}, "
            f"network {sizes})"
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the outputs; none for a quantity."""
        return self.encoder.classes

    @property
    def task(self) -> str:
        """Return "classification" or "regression"."""
        return "classification" if self.class_names else "regression"

    @property
    def target(self) -> str | None:
        """The name of what it answers."""
        return self.encoder.target

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return what the model answers.

        Parameters
        ----------
        rows : frame, dict, path, Table
            Rows with the columns that the model was trained with, in any order and among others; a
            dictionary may hold lists, or one value each.

        Returns
        -------
        ndarray (m,)
            Class names as objects, or float64 in the target's unit.

        Raises
        ------
        TableError
            If columns are missing, or hold what they did not in training.
        """
        return self.answers(self.outputs(rows))

    def predict_proba(self, rows: Any) -> NDArray[Any]:
        """Return the probability of each class (m, n_classes), in the order of `class_names`."""
        if not self.class_names:
            raise ValueError("the model predicts no classes, and has no probabilities of them")
        return self.outputs(rows)

    def outputs(self, rows: Any) -> NDArray[Any]:
        """Return the network's own outputs (m, p) for rows as people have them."""
        return self.network.forward(self.features(rows))

    def answers(self, Y_hat: NDArray[Any]) -> NDArray[Any]:
        """Return the network's outputs in the target's terms: class names, or its unit."""
        if self.class_names:
            return self.encoder.inverse_target(Y_hat.argmax(axis=1))
        values = self.encoder.inverse_target(Y_hat)
        return values[:, 0] if values.shape[1] == 1 else values

    def features(self, rows: Any) -> NDArray[Any]:
        """Return what the network takes (m, n_features), in its dtype."""
        return self.encoder.transform(_rows(rows), None, self.network.dtype)

    def labelled(self, rows: Any, y: Any = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return features and targets as the network takes them, of the rows that have a target.

        Parameters
        ----------
        rows : as for `predict`
        y : array_like, optional
            Their targets, if they are not a column of ``rows``.
        """
        rows = _rows(rows)
        if not isinstance(rows, Table | Dataset | np.ndarray):
            rows = read_like(rows, self.encoder)
        if y is None and isinstance(rows, np.ndarray):
            raise ValueError("`y` must be given beside a matrix, got None")
        given: Any = rows if y is None else np.asarray(y)
        there = np.flatnonzero(self.encoder.has_target(given))
        every = len(there) == (len(rows.X) if isinstance(rows, Dataset) else len(rows))
        if not len(there):
            raise ValueError(f"no row has a target {self.target!r} to compare with")
        if y is not None and not isinstance(rows, Dataset) and len(given) != len(rows):
            raise ValueError(
                f"`y` must have one target for each of the {len(rows)} rows, got {len(given)}"
            )
        picked = None if every else there
        dtype = self.network.dtype
        X = self.encoder.transform(rows, picked, dtype)
        t = self.encoder.transform_target(given, picked, None if self.class_names else dtype)
        return X, t if self.class_names else t.reshape(len(X), -1)

    def evaluate(self, rows: Any, y: Any = None) -> Report:
        """Compare predictions with the targets of rows; those without a target are left out.

        Parameters
        ----------
        rows, y
            As for `labelled`.

        Returns
        -------
        ClassificationReport or RegressionReport
            With ``.scores``, a dictionary, and a table as its str.
        """
        return self.compared(*self.labelled(rows, y))

    def compared(self, X: NDArray[Any], y: NDArray[Any]) -> Report:
        """Score features against targets as the network takes them."""
        Y_hat, loss = self.network.forward(X), self.network.loss(X, y)
        if self.class_names:
            predicted = Y_hat.argmax(axis=1)
            return ClassificationReport.of(loss, y, predicted, self.class_names, Y_hat)
        true = self.encoder.inverse_target(y.astype(np.float64))
        return RegressionReport(
            loss,
            true[:, 0],
            self.encoder.inverse_target(Y_hat)[:, 0],
            self.encoder.target_scale != (0.0, 1.0),
        )

    def importance(self, rows: Any, y: Any = None, n_repeats: int = 5, seed: int = 0) -> Importance:
        """Measure what each column is worth to the predictions.

        The cells of one column at a time are shuffled; what that costs, the increase of the log
        loss or the decrease of R2, is its importance. Take rows that were not trained on: what was
        only learned by heart is worth nothing there. See `held_out`.

        Parameters
        ----------
        rows, y
            As for `labelled`.
        n_repeats : int
            Shuffles of each column.
        seed : int
            Of the shuffles.

        Returns
        -------
        Importance
            Names, means and spreads, and a bar chart as its str.
        """
        X, t = self.labelled(rows, y)
        if self.class_names:
            cost, quantity = self._log_loss(t), "increase of the log loss"
        else:
            cost, quantity = self._lost_r2(t), "decrease of R2"
        return importance(X, self.encoder.places, cost, quantity, n_repeats, seed)

    def _log_loss(self, y: NDArray[Any]) -> Any:
        tiny = np.finfo(self.network.dtype).tiny

        def cost(X: NDArray[Any]) -> float:
            probability = self.network.forward(X)[np.arange(len(y)), y]
            return float(-np.log(np.maximum(probability, tiny).astype(np.float64)).mean())

        return cost

    def _lost_r2(self, y: NDArray[Any]) -> Any:
        true = y.astype(np.float64)
        variance = float(np.var(true)) or 1.0

        def cost(X: NDArray[Any]) -> float:
            return float(np.mean((self.network.forward(X) - true) ** 2)) / variance

        return cost

    def remember(self, y: NDArray[Any], test: NDArray[np.int64]) -> None:
        """Keep which of the rows with a target are to test on, and how to know them again."""
        self.mark = _mark(y if self.class_names else y.astype(np.float64))
        self.test_rows = np.zeros(len(y), bool)
        self.test_rows[test] = True

    def held_out(self, rows: Any) -> NDArray[np.bool_] | None:
        """Return which rows were tested on, bool (m,), or None if these are not those trained on.

        Rows are known again by their number and their targets.
        """
        if self.test_rows is None or self.mark is None:
            return None
        try:
            there = self.encoder.has_target(rows)
            if np.count_nonzero(there) != len(self.test_rows):
                return None
            y = self.encoder.transform_target(rows, np.flatnonzero(there))
        except ValueError:
            return None
        if not self.class_names:
            # The mark is that of the quantity itself.
            y = np.asarray(self.encoder.inverse_target(y.reshape(len(y), -1))[:, 0])
        if _mark(y) != self.mark:
            return None
        result = np.zeros(len(there), bool)
        result[np.flatnonzero(there)[self.test_rows]] = True
        return result


def _mark(y: NDArray[Any]) -> int:
    """Return a number that knows these targets again; quantities to 9 digits."""
    if y.dtype.kind == "f":
        y = np.array([f"{value:.9g}" for value in y[:1000].tolist()]).astype("S24")
    else:
        y = y.astype(np.int64)
    return zlib.crc32(np.ascontiguousarray(y).tobytes())


def _rows(rows: Any) -> Any:
    """Return one row, or a list of rows, as a dictionary of columns; anything else as it is."""
    if isinstance(rows, Mapping):
        single = [
            value is None or isinstance(value, str | bytes) or not hasattr(value, "__len__")
            for value in rows.values()
        ]
        if single and all(single):
            return {name: [value] for name, value in rows.items()}
        return rows
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        names: Iterable[Any] = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}
    return rows
