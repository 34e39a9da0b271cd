"""Estimators for tables as people have them: a network and the encoder of its columns.

What the columns are is decided by `backprop.tables`, by the same rules as on the command line; the
lists ``number``, ``category`` and ``date`` come before them. An array of numbers has no names and
spells nothing, so that all its columns are numbers, whatever they look like.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_is_fitted,
    validate_data,
)

from backprop.core.runtime import limited
from backprop.network import Network
from backprop.sklearn._parameters import CONSTRAINTS, dropout_rates, hidden_names, layer_sizes
from backprop.tables import Encoder, Table, read
from backprop.training.callbacks import EarlyStopping
from backprop.training.optimizers import LBFGS, OPTIMIZERS, Adam, AdamW
from backprop.training.schedules import SCHEDULES

# Of fewer rows none is held out: the rest would be too few to learn from.
_FEWEST = 10
_LARGEST_BATCH, _SMALLEST_BATCH = 256, 16
# Steps an epoch has at least, where the table has the rows for it.
_STEPS = 16

_COMMON = (
    "hidden_layer_sizes", "activation", "alpha", "batch_size", "learning_rate_init", "max_iter",
    "beta_1", "beta_2", "dropout", "validation_fraction", "random_state", "verbose", "n_threads",
)  # fmt: skip
_SOLVERS = {name: one for name, one in OPTIMIZERS.items() if not isinstance(one, LBFGS)}
_KINDS = ("number", "category", "date")


class BaseTable(BaseEstimator, ABC):
    """A network trained on a table's columns."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{name: CONSTRAINTS[name] for name in _COMMON},
        "solver": [StrOptions(set(_SOLVERS)), *{type(one) for one in _SOLVERS.values()}],
        "learning_rate": [StrOptions(set(SCHEDULES)), *{type(one) for one in SCHEDULES.values()}],
        "dtype": [StrOptions({"float32", "float64"})],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        **{kind: ["array-like", str, None] for kind in _KINDS},
    }

    @abstractmethod
    def __init__(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)

    @abstractmethod
    def _learn_target(self, y: NDArray[Any]) -> NDArray[Any]:
        """Learn what is to be known of checked targets; return them as the table's column."""

    @abstractmethod
    def _output(self) -> dict[str, Any]:
        """Return the network's number of outputs, output activation and loss."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Decide what the columns are, learn how to encode them, and train a new network.

        Parameters
        ----------
        X : frame, dict of columns or array_like (m, n_features)
            A frame of pandas or polars (which needs the extra "tables") or a table of pyarrow:
            words, numbers, dates, booleans and missing cells as they are.
        y : array_like (m,)
            Classes or quantities; none may be missing.
        sample_weight : array_like (m,), optional
            Not negative; the loss of a batch is divided by the sum of its weights.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter, X, y or a weight is not what it should be, or no column can be used.
        """
        hidden = layer_sizes(self.hidden_layer_sizes)
        named = y.name if isinstance(getattr(y, "name", None), str) else "target"
        frame, y = self._checked(X, y)
        if len(y) < 2:
            raise ValueError(f"X must have two rows or more, got n_samples = {len(y)}")
        names = self._column_names = [str(name) for name in _names(frame)]
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
            if not sample_weight.any():
                raise ValueError("Sample weights must contain at least one non-zero number.")
        while named in names:
            named += "_"
        table = read(
            _with_column(frame, named, self._learn_target(y)),
            target=named,
            task="classification" if is_classifier(self) else "regression",
            **self._kinds(names),
        )
        self.left_out_ = {
            column.name: column.reason or column.kind
            for column in table.columns
            if column.role in ("left out", "row number")
        }
        random = check_random_state(self.random_state)
        train, held_out = self._split(y, sample_weight, random)
        self.encoder_ = Encoder().fit(table, train)
        self._train(table, train, held_out, hidden, sample_weight, random)
        self._name_classes()
        return self

    def _checked(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        """Return X as a frame or a dict of columns, and y as an array."""
        self._by_name = _is_frame(X)
        regression = not is_classifier(self)
        if not self._by_name:
            X, y = validate_data(
                self, X, y, dtype=None, ensure_all_finite="allow-nan", y_numeric=regression
            )
            self._numeric = X.dtype.kind in "fiub"
            y = np.asarray(y)
            return dict(zip(_places(X.shape[1]), X.T, strict=True)), y
        self._numeric = False
        if isinstance(X, Mapping):
            # A dictionary is no array-like for scikit-learn.
            if y is None:
                raise ValueError(f"{type(self).__name__} requires y to be passed, but it is None")
            _forget_names(self)
            self.n_features_in_ = len(X)
            if X and all(isinstance(name, str) for name in X):
                self.feature_names_in_ = np.array(list(X), dtype=object)
        else:
            X, y = validate_data(self, X, y, skip_check_array=True)
        y = np.asarray(_check_y(y, multi_output=False, y_numeric=regression, estimator=self))
        check_consistent_length(*(X.values() if isinstance(X, Mapping) else [X]), y)
        return X, y

    def _kinds(self, names: list[str]) -> dict[str, Any]:
        """Return the columns that are forced to a kind, by name."""
        forced = {kind: _listed(kind, getattr(self, kind), names) for kind in _KINDS}
        if self._numeric:
            said = {name for kind in forced.values() for name in kind}
            forced["number"] += [name for name in names if name not in said]
        return forced

    def _split(
        self, y: NDArray[Any], weights: Any, random: np.random.RandomState
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Return the rows to train on and those to judge epochs by."""
        rows = np.arange(len(y))
        count = int(np.ceil(self.validation_fraction * len(y)))
        if not self.early_stopping or len(y) < _FEWEST or count == 0:
            return rows, None
        stratify = None
        if is_classifier(self):
            _, places, counts = np.unique(y, return_inverse=True, return_counts=True)
            # A class of one row cannot be on both sides.
            if counts.min() > 1 and len(counts) <= min(count, len(y) - count):
                stratify = places
        train, held_out = train_test_split(
            rows, test_size=count, random_state=random, stratify=stratify
        )
        if weights is not None and not (weights[train].any() and weights[held_out].any()):
            return rows, None
        return np.sort(train), np.sort(held_out)

    def _train(
        self,
        table: Table,
        train: NDArray[np.int64],
        held_out: NDArray[np.int64] | None,
        hidden: list[int],
        weights: Any,
        random: np.random.RandomState,
    ) -> None:
        encoder, n_hidden = self.encoder_, len(hidden)
        output = self._output()
        n_outputs = output.pop("n_outputs")
        seeds = random.randint(2**31 - 1, size=2).tolist()
        network = Network(
            [encoder.n_features_out, *hidden, n_outputs],
            hidden=hidden_names(self.activation, n_hidden),
            init="lecun",
            dtype=self.dtype,
            seed=seeds[0],
            **output,
        )
        kind = network.dtype

        def examples(rows: NDArray[np.int64]) -> list[Any]:
            targets = encoder.transform_target(table, rows, None if encoder.classes else kind)
            return [encoder.transform(table, rows, kind), targets, _of(weights, rows, kind)]

        X, y, weight = examples(train)
        validation = None
        if held_out is not None:
            # Without weights the third is left out.
            validation = tuple(one for one in examples(held_out) if one is not None)
        stopping = None
        if validation is not None:
            patience = self.n_iter_no_change or self.max_iter
            stopping = EarlyStopping(int(patience), monitor="val_loss")
        optimizer, l2 = self._optimizer()
        history = network.fit(
            X,
            y,
            epochs=int(self.max_iter),
            batch_size=self._batch(len(y)),
            optimizer=optimizer,
            lr=float(self.learning_rate_init),
            schedule=self.learning_rate,
            seed=seeds[1],
            l2=l2,
            dropout=dropout_rates(self.dropout, n_hidden) or 0.0,
            sample_weight=weight,
            validation=validation,
            metrics=[],
            early_stopping=stopping,
            callbacks=[_report] if self.verbose else [],
            threads=self.n_threads,
            progress=False,
        )
        self.network_ = network
        self.loss_curve_ = list(history["loss"])
        self.n_iter_ = self.best_iter_ = len(self.loss_curve_)
        self.validation_loss_curve_ = None
        if validation is not None:
            self.validation_loss_curve_ = list(history["val_loss"])
            self.best_iter_ = int(np.argmin(self.validation_loss_curve_)) + 1
        self.loss_ = self.loss_curve_[self.best_iter_ - 1]

    def _optimizer(self) -> tuple[Any, float]:
        """Return the optimizer, and what of ``alpha`` it leaves to a penalty."""
        alpha = float(self.alpha)
        if self.solver == "adam":
            return Adam(self.beta_1, self.beta_2), alpha
        if self.solver == "adamw":
            return AdamW(self.beta_1, self.beta_2, weight_decay=alpha), 0.0
        return self.solver, alpha

    def _batch(self, n_rows: int) -> int:
        """Return the batch size: with "auto" a power of two, fewer rows for small tables."""
        if self.batch_size != "auto":
            return int(self.batch_size)
        power = max(1, n_rows // _STEPS).bit_length() - 1
        return min(_LARGEST_BATCH, max(_SMALLEST_BATCH, 1 << power))

    def _name_classes(self) -> None:
        """Give the encoder the names of the classes."""

    def _Y_hat(self, X: Any) -> NDArray[Any]:
        """Return what the network answers for X as users have it, (m, n_outputs)."""
        check_is_fitted(self)
        if not self._by_name:
            # Columns have no names, so that those of a frame go by place.
            if isinstance(X, Mapping) and _is_frame(X):
                raise TypeError("X must be an array or a frame, as in fit, got a dictionary")
            X = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=False)
            X = dict(zip(_places(X.shape[1]), X.T, strict=True))
        elif not _is_frame(X):
            X = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=False)
            X = dict(zip(self._column_names, X.T, strict=True))
        with limited(self.n_threads):
            return self.network_.forward(self.encoder_.transform(X, dtype=self.network_.dtype))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class TableClassifier(ClassifierMixin, BaseTable):
    """A network that classifies the rows of a table: words, numbers, dates, missing cells.

    Columns that cannot help are left out (row numbers, identifiers, constants, free text), and
    `left_out_` says why; all others become numbers by a `backprop.tables.Encoder`, which is fitted
    to the rows that are trained on. Columns are found by name: they may come in another order, and
    others beside them.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Of the hidden layers.
    activation : str or sequence of str
        Of all hidden layers, or of each; scikit-learn's names or any of `Network`'s.
    solver : str or optimizer
        A name in `backprop.optimizers.OPTIMIZERS` but "lbfgs", or one of the objects there.
    alpha : float
        ½ alpha ‖W‖² is added to the loss of a batch; for "adamw" it is the decay of the weights.
    batch_size : int or "auto"
        "auto" is 256, and less for tables of fewer than 4096 rows.
    learning_rate : str or schedule
        A name in `backprop.schedules.SCHEDULES` or one of the objects there.
    learning_rate_init : float
        What it starts with.
    max_iter : int
        Epochs.
    beta_1, beta_2 : float
        Of "adam" and "adamw".
    dropout : float or sequence of float
        The share of units that each hidden layer leaves out in training.
    label_smoothing : float
        The part of the targets that is spread over the classes.
    early_stopping : bool
        Whether to hold rows out and keep the weights of the epoch with the smallest loss on them;
        tables of fewer than 10 rows have none to spare.
    validation_fraction : float
        Their share, of each class where it has two rows or more.
    n_iter_no_change : int, optional
        Stop after as many epochs without a smaller loss on them; else all epochs are run.
    number, category, date : list of str or int, optional
        Columns that are of a kind whatever they look like, by name or by place from 0.
    dtype : "float32" or "float64"
        What the network computes in; the columns are encoded in float64 either way.
    random_state : int, RandomState or None
        Of the weights, the order of rows, dropout and the rows held out.
    verbose : bool
        Whether to print the loss after each epoch.
    n_threads : int, optional
        How many threads the engine may use meanwhile.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
    network_ : Network
    encoder_ : backprop.tables.Encoder
        With the names of the classes: `backprop.exchange.table_to_onnx` and ``table_to_c`` take
        both.
    left_out_ : dict
        The columns that are not used, and why.
    n_features_in_ : int
    feature_names_in_ : ndarray (n_features,)
        Where the columns have names.
    loss_curve_, validation_loss_curve_ : list of float
        After each epoch; the second is None where nothing was held out.
    n_iter_, best_iter_ : int
        The epochs run, and the one whose weights were kept.
    loss_ : float
        Of that epoch.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTable._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (128, 128),
        activation: Any = "selu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0,
        batch_size: Any = "auto",
        learning_rate: Any = "cosine",
        learning_rate_init: float = 0.0025,
        max_iter: int = 100,
        beta_1: float = 0.9,
        beta_2: float = 0.95,
        dropout: Any = 0.0,
        label_smoothing: float = 0.1,
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        n_iter_no_change: int | None = None,
        number: Any = None,
        category: Any = None,
        date: Any = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: Any = False,
        n_threads: int | None = None,
    ) -> None:
        given = dict(locals())
        del given["self"]
        BaseTable.__init__(self, **given)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class (m,)."""
        places = self._Y_hat(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[places]
        return found

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probabilities (m, n_classes), columns in the order of ``classes_``."""
        return self._Y_hat(X)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithms of `predict_proba`."""
        log_Y_hat: NDArray[Any] = np.log(self._Y_hat(X))
        return log_Y_hat

    def _learn_target(self, y: NDArray[Any]) -> NDArray[Any]:
        check_classification_targets(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise ValueError(
                f"y must have two classes or more, got 1 class, {only!r}: nothing to learn"
            )
        # Places, because the labels may be spelled as tables spell what is missing: "NA" and "-".
        numbers: NDArray[Any] = places.reshape(-1)
        return numbers

    def _name_classes(self) -> None:
        self.encoder_.classes = tuple(map(str, self.classes_.tolist()))

    def _output(self) -> dict[str, Any]:
        return {
            "n_outputs": len(self.classes_),
            "output": "softmax",
            "loss": ("cross_entropy", float(self.label_smoothing)),
        }


class TableRegressor(RegressorMixin, BaseTable):
    """A network that predicts a quantity from the rows of a table; see `TableClassifier`.

    The target is standardised by its mean and deviation on the rows that are trained on, and
    predictions are given back in its own unit, in float64. Parameters and attributes are those of
    `TableClassifier`, without ``label_smoothing`` and ``classes_``; some defaults differ.
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (128, 128),
        activation: Any = "mish",
        *,
        solver: Any = "adam",
        alpha: float = 0.0,
        batch_size: Any = "auto",
        learning_rate: Any = "cosine",
        learning_rate_init: float = 0.0044,
        max_iter: int = 100,
        beta_1: float = 0.9,
        beta_2: float = 0.95,
        dropout: Any = 0.0,
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        n_iter_no_change: int | None = None,
        number: Any = None,
        category: Any = None,
        date: Any = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: Any = False,
        n_threads: int | None = None,
    ) -> None:
        given = dict(locals())
        del given["self"]
        BaseTable.__init__(self, **given)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the quantities (m,) in their own unit."""
        Y_hat = self._Y_hat(X)
        return self.encoder_.inverse_target(Y_hat[:, 0])

    def _learn_target(self, y: NDArray[Any]) -> NDArray[Any]:
        return y.astype(np.float64)

    def _output(self) -> dict[str, Any]:
        return {"n_outputs": 1, "output": "linear", "loss": "squared_error"}


def _is_frame(X: Any) -> bool:
    """Say whether X has columns with names: a dictionary, or a frame, which is no single column."""
    if issparse(X):
        # One of SciPy's formats is a dictionary, too.
        return False
    if isinstance(X, Mapping):
        return True
    framed = hasattr(X, "__arrow_c_stream__") or hasattr(X, "__dataframe__")
    return framed and len(getattr(X, "shape", ())) == 2


def _names(frame: Any) -> list[Any]:
    if isinstance(frame, Mapping):
        return list(frame)
    return list(getattr(frame, "column_names", None) or frame.columns)


def _places(n_columns: int) -> list[str]:
    """Return the names that `backprop.tables` gives the columns of an array."""
    return [f"column {k + 1}" for k in range(n_columns)]


def _with_column(frame: Any, name: str, values: NDArray[Any]) -> Any:
    """Return a frame with one column more, of the frame's own kind."""
    if isinstance(frame, Mapping):
        return {**frame, name: values}
    if hasattr(frame, "assign"):
        return frame.assign(**{name: values})
    if hasattr(frame, "with_columns"):
        return frame.with_columns(type(frame)({name: values}).get_column(name))
    if hasattr(frame, "append_column"):
        return frame.append_column(name, [values.tolist()])
    raise TypeError(
        "X must be an array, a dictionary of columns, or a frame of pandas, polars or pyarrow, got "
        f"{type(frame).__name__}; its own methods may turn it into one of these"
    )


def _listed(argument: str, given: Any, names: list[str]) -> list[str]:
    """Return the columns that a parameter lists, by name."""
    if given is None:
        return []
    result = []
    for one in [given] if isinstance(given, str) else list(given):
        if isinstance(one, Integral) and not isinstance(one, bool):
            if not -len(names) <= int(one) < len(names):
                raise ValueError(
                    f"`{argument}` must be of columns 0 to {len(names) - 1}, got {one}"
                )
            result.append(names[int(one)])
        elif isinstance(one, str):
            # Not by its place, which `read` would take from a number in a string.
            if one not in names:
                known = ", ".join(map(repr, names[:20]))
                raise ValueError(f"`{argument}`: no column {one!r}; the columns are {known}")
            result.append(one)
        else:
            raise TypeError(f"`{argument}` must list names or places of columns, got {one!r}")
    return result


def _of(weights: Any, rows: NDArray[np.int64], kind: np.dtype[Any]) -> Any:
    return None if weights is None else weights[rows].astype(kind)


def _forget_names(estimator: Any) -> None:
    if hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _report(run: Any) -> None:
    losses = {"loss": "loss", "val_loss": "validation loss"}
    shown = [f"{text} = {run.history[key][-1]:.6f}" for key, text in losses.items()
             if key in run.history]  # fmt: skip
    print(f"Iteration {run.epoch}, {', '.join(shown)}")
