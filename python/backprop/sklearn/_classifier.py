"""A drop-in for `sklearn.neural_network.MLPClassifier`."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from backprop.core.warn import relayed
from backprop.sklearn._base import BaseMultilayerPerceptron
from backprop.sklearn._parameters import CONSTRAINTS
from backprop.sklearn._rows import naming_what_is_missing


class MLPClassifier(ClassifierMixin, BaseMultilayerPerceptron):
    """A multilayer perceptron that classifies; see `sklearn.neural_network.MLPClassifier`.

    More than two classes have a softmax output, two classes one sigmoid, several labels an example
    one sigmoid each, all with cross-entropy. Parameters not named here, and all defaults and
    attributes, are scikit-learn's.

    Parameters
    ----------
    activation : str or sequence of str
        scikit-learn's "identity", "logistic", "tanh" and "relu", or any of `Network`'s; a sequence
        has one for each hidden layer.
    solver : str or optimizer
        scikit-learn's "sgd", "adam" and "lbfgs"; another name in `backprop.optimizers.OPTIMIZERS`,
        with its defaults; or one of the objects there.
    learning_rate : str or schedule
        scikit-learn's "constant", "invscaling" and "adaptive", which "adam" ignores; or a name in
        `backprop.schedules.SCHEDULES` or one of the objects there, over ``max_iter`` epochs.
    early_stopping : bool or "loss"
        Whether to stop on the score of held-out data, or on their loss.
    dropout : float or sequence of float
        The share of units that each hidden layer leaves out in training.
    label_smoothing : float
        The part s of the targets that is spread over the classes: 1 - s + s / p for the right one
        of p, s / p for the others.
    class_weight : dict, list of dict, "balanced" or None
        What the weights of examples are multiplied by, as everywhere in scikit-learn.
    callbacks : list of callable, optional
        Each is called after every epoch with a `Progress`; ``progress.stop = True`` ends training.
    n_threads : int, optional
        How many threads the engine may use meanwhile; as many as `backprop.get_num_threads` says
        if not given.

    Attributes
    ----------
    validation_loss_curve_ : list of float or None
        The loss on held-out data after each epoch, where there are any.
    validation_scores_ : list of float or None
        Likewise the accuracy.
    best_validation_loss_, best_validation_score_ : float or None
        The best of both.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "label_smoothing": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        callbacks: Any = None,
        n_threads: int | None = None,
    ) -> None:
        given = dict(locals())
        del given["self"]
        BaseMultilayerPerceptron.__init__(self, **given)

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one epoch from the present weights.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array_like (n_classes,)
            All classes that will ever be seen; on the first call.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As for `fit`; without ``classes`` on the first call, for a class that is none of them,
            and with ``early_stopping``.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit: the balance of all "
                "classes cannot be seen from one batch. Use the weights that "
                "sklearn.utils.compute_class_weight('balanced', classes=classes, y=y) gives for a "
                "large sample as a dict"
            )
        with self._unless_refused() as progress:
            if _check_partial_fit_first_call(self, classes):
                self._label_binarizer = LabelBinarizer()
                multilabel = type_of_target(y).startswith("multilabel")
                self._label_binarizer.fit(y if multilabel else classes)
            return self._fit(X, y, sample_weight, progress=progress, incremental=True)

    def predict(self, X: Any) -> Any:
        """Return the most probable class (m,), or the indicators of the labels (m, n_labels)."""
        Y_hat = self._outputs(X)
        return self._label_binarizer.inverse_transform(
            Y_hat.ravel() if self.n_outputs_ == 1 else Y_hat
        )

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probabilities (m, n_classes), columns in the order of ``classes_``."""
        Y_hat = self._outputs(X)
        return np.hstack([1 - Y_hat, Y_hat]) if self.n_outputs_ == 1 else Y_hat

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithms of `predict_proba`."""
        Y_hat = self.predict_proba(X)
        log_Y_hat: NDArray[Any] = np.log(Y_hat, out=Y_hat)
        return log_Y_hat

    def _check_X_y(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        with naming_what_is_missing(X=X):
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse=["csr", "csc"],
                multi_output=True,
                dtype=(np.float64, np.float32),
                reset=reset,
            )
        if y.ndim == 2 and y.shape[1] == 1:
            with relayed():
                y = column_or_1d(y, warn=True)
        return X, y

    def _check_classes(self, y: Any, incremental: bool) -> None:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif self.warm_start:
            classes = unique_labels(y)
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same "
                    "classes as in the previous call to fit. Previously "
                    f"got {self.classes_}, `y` has {classes}"
                )
        else:
            self._check_known_classes(y)

    def _check_known_classes(self, y: Any) -> None:
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _encode(self, y: Any) -> NDArray[Any]:
        encoded: NDArray[Any] = self._label_binarizer.transform(y).astype(bool)
        return encoded

    def _class_factors(self, y: Any) -> NDArray[Any] | None:
        if self.class_weight is None:
            return None
        factors: NDArray[Any] = compute_sample_weight(self.class_weight, y)
        return factors

    def _is_multiclass(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _output_and_loss(self) -> tuple[str, Any]:
        if self._is_multiclass():
            smoothed = ("cross_entropy", self.label_smoothing)
            return "softmax", smoothed if self.label_smoothing else "cross_entropy"
        return "sigmoid", "binary_cross_entropy"

    def _engine_targets(self, y: NDArray[Any], dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
        if self._is_multiclass():
            labels: NDArray[np.int64] = y.argmax(axis=1)
            return labels
        targets = y.astype(self._network.dtype if dtype is None else dtype)
        if self.label_smoothing:
            targets *= 1 - self.label_smoothing
            targets += self.label_smoothing / 2
        return targets

    def _score_outputs(self, Y_hat: NDArray[Any], y: NDArray[Any], sample_weight: Any) -> float:
        """Return the accuracy; several labels must all be right."""
        if self._is_multiclass():
            right = Y_hat.argmax(axis=1) == y.argmax(axis=1)
        else:
            right = ((Y_hat > 0.5) == y).all(axis=1)
        if len(self.classes_) == 1:
            right[:] = True
        return float(np.average(right, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
