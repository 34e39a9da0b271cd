"""The parts that both estimators have: ``fit``, curves, and the memory of the weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from backprop.core.facts import OUTPUTS
from backprop.core.inputs import all_finite
from backprop.core.runtime import limited
from backprop.network import Network
from backprop.sklearn import _lbfgs, _weights
from backprop.sklearn._parameters import CONSTRAINTS, hidden_names, layer_sizes
from backprop.sklearn._progress import Progress
from backprop.sklearn._rows import naming_what_is_missing, rows
from backprop.sklearn._stochastic import Epochs
from backprop.sklearn._validation import Validation, split
from backprop.training.optimizers import LBFGS


class BaseMultilayerPerceptron(BaseEstimator, ABC):
    """A network trained as scikit-learn trains its own.

    Its weights are the memory of a `backprop.Network`: ``coefs_[i]`` (n_in, n_out) is the view
    ``W.T`` of it, and an array that is put in the place of one is copied in before it is used.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    loss_curve_: list[float]
    best_loss_: Any  # float or None
    _best_theta: NDArray[Any] | None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if BaseMultilayerPerceptron in cls.__bases__:
            # Python's own messages about its arguments name a function as it was defined.
            own = BaseMultilayerPerceptron.fit.__wrapped__
            copy: Any = FunctionType(own.__code__, own.__globals__, own.__name__, own.__defaults__)
            copy = update_wrapper(copy, own)
            copy.__kwdefaults__, copy.__qualname__ = own.__kwdefaults__, f"{cls.__name__}.fit"
            del copy.__wrapped__
            cls.fit = _fit_context(prefer_skip_nested_validation=True)(copy)  # type: ignore[method-assign]

    @abstractmethod
    def __init__(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)

    @abstractmethod
    def _check_X_y(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        """Return X and y as scikit-learn's checks leave them."""

    @abstractmethod
    def _encode(self, y: Any) -> NDArray[Any]:
        """Return checked targets as a matrix (m, n_outputs)."""

    @abstractmethod
    def _class_factors(self, y: Any) -> NDArray[Any] | None:
        """Return what multiplies each example's weight, or None."""

    @abstractmethod
    def _output_and_loss(self) -> tuple[str, Any]:
        """Return the engine's output activation and loss."""

    @abstractmethod
    def _engine_targets(self, y: NDArray[Any], dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
        """Return encoded targets as the engine's loss takes them."""

    @abstractmethod
    def _score_outputs(self, Y_hat: NDArray[Any], y: NDArray[Any], sample_weight: Any) -> float:
        """Return the score of outputs for encoded targets."""

    def _check_classes(self, y: Any, incremental: bool) -> None:
        """Learn the classes of y, or check that they are known."""

    def _loss_factor(self) -> float:
        """Return what scikit-learn's loss is as a multiple of the engine's."""
        return 1.0

    def _loss_constants(self, y: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return for each example what its loss has more in scikit-learn, or None for nothing."""
        return None

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None) -> Any:
        """Train from new weights, or with ``warm_start`` from the present ones.

        Parameters
        ----------
        X : array_like or sparse matrix (m, n_features)
            Used in place if it is a float32 or float64 array, whatever its strides, or CSR.
        y : array_like (m,) or (m, n_outputs)
            Classes, class indicators or targets.
        sample_weight : array_like (m,), optional
            Not negative; the loss of a batch is divided by the sum of its weights.
        eval_set : (X, y), optional
            Data to compute `validation_loss_curve_` and `validation_scores_` on; with
            ``early_stopping`` it decides, and no examples are set aside.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter, X, y or a weight is not what it should be, or the weights of the network
            did not stay finite.
        """
        with self._unless_refused() as progress:
            return self._fit(X, y, sample_weight, eval_set, progress=progress, incremental=False)

    @contextmanager
    def _unless_refused(self) -> Iterator[Progress]:
        """Put every attribute back where a call is refused before the training has begun."""
        before, progress = dict(vars(self)), Progress(self)
        try:
            yield progress
        except BaseException:
            if not progress.has_begun:
                self.__dict__.clear()
                self.__dict__.update(before)
            raise

    @property
    def network_(self) -> Network:
        """The network itself, to save, explain or diagnose; it shares the estimator's weights."""
        check_is_fitted(self)
        self._adopt()
        return self._network

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        eval_set: Any = None,
        *,
        progress: Progress,
        incremental: bool,
    ) -> Any:
        hidden = layer_sizes(self.hidden_layer_sizes)
        first_pass = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._check_X_y(X, y, reset=first_pass)
        self._check_classes(y, incremental)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        sample_weight = self._weights(y, sample_weight)
        y = self._encode(y)
        self.n_outputs_ = y.shape[1]
        self._random_state = check_random_state(self.random_state)
        units = [X.shape[1], *hidden, self.n_outputs_]
        if first_pass:
            self._initialize(units, X.dtype)
        else:
            self._adopt()
            self._take_over(units)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        with limited(self.n_threads):
            progress.call("on_train_begin")
            self._train(X, y, sample_weight, self._validation(eval_set), incremental, progress)
            progress.call("on_train_end")
        self._show(self._network)
        if not all_finite(self._network.theta):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may"
                " contain large values and need to be preprocessed."
            )
        return self

    def _train(
        self,
        X: Any,
        y: NDArray[Any],
        sample_weight: Any,
        validation: Validation | None,
        incremental: bool,
        progress: Progress,
    ) -> None:
        if not self._is_stochastic():
            self._start_validation_curves(validation is not None)
            _lbfgs.fit(self, X, y, sample_weight, validation, progress)
            return
        train = None
        if self.early_stopping and validation is None:
            stratify = self.n_outputs_ == 1 and is_classifier(self)
            train, validation = split(self, X, y, sample_weight, stratify)
        # With warm_start the weights may come from a fit with other settings, which has no such
        # curve.
        if not hasattr(self, "loss_curve_"):
            self._start_curve()
        if self.best_loss_ is None and not self.early_stopping:
            self.best_loss_ = np.inf
        if validation is not None and self.validation_scores_ is None:
            self._start_validation_curves(True)
        Epochs(self, X, y, sample_weight, train, validation, incremental).run(progress)

    def _take_over(self, units: Sequence[int]) -> None:
        """Go on with the present weights under the parameters as they are set now.

        Raises
        ------
        ValueError
            If the weights do not fit them.
        """
        old = self._network
        if list(old.layer_sizes) != units:
            raise ValueError(
                f"`hidden_layer_sizes` and `y` must fit the weights of the previous call, of sizes "
                f"{list(old.layer_sizes)}, got {units}; for new weights set warm_start=False and "
                "call fit"
            )
        net = self._untrained(units, old.dtype)
        if net.same_architecture(old):
            return
        net.theta[...] = old.theta
        self._show(net)
        # Losses and scores of another function are no measure of this one.
        self._no_improvement_count = 0
        self._best_theta = None
        if self._is_stochastic():
            self._start_curve()
            self._start_validation_curves(bool(self.early_stopping))

    def _initialize(self, units: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(units)
        net = self._untrained(units, dtype)
        _weights.initialize(net, self._random_state)
        self._show(net)
        self._no_improvement_count = 0
        self._best_theta = None
        if self._is_stochastic():
            self._start_curve()
            self._start_validation_curves(bool(self.early_stopping))

    def _untrained(self, units: Sequence[int], dtype: np.dtype[Any]) -> Network:
        """Return a network of zeros as the parameters have it."""
        output, loss = self._output_and_loss()
        self.out_activation_ = OUTPUTS[output].sklearn
        return Network(
            units,
            hidden=hidden_names(self.activation, len(units) - 2),
            output=output,
            loss=loss,
            init="zeros",
            dtype=dtype,
            check_finite=False,
        )

    def _start_curve(self) -> None:
        self.loss_curve_ = []
        self.best_loss_ = None if self.early_stopping else np.inf

    def _start_validation_curves(self, validated: bool) -> None:
        self.validation_scores_: Any = [] if validated else None
        self.validation_loss_curve_: Any = [] if validated else None
        self.best_validation_score_: Any = -np.inf if validated else None
        self.best_validation_loss_: Any = np.inf if validated else None

    def _weights(self, y: Any, sample_weight: Any) -> Any:
        """Return the weights of examples of checked targets y, those of their classes in them."""
        factors = self._class_factors(y)
        if factors is not None:
            sample_weight = factors if sample_weight is None else sample_weight * factors
        if sample_weight is not None and not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return sample_weight

    def _validation(self, eval_set: Any) -> Validation | None:
        if eval_set is None:
            return None
        if not isinstance(eval_set, tuple | list) or len(eval_set) != 2:
            raise TypeError(f"`eval_set` must be a pair (X, y), got {type(eval_set).__name__}")
        try:
            X, y = eval_set
            X, y = self._check_X_y(X, y, reset=False)
            self._check_known_classes(y)
            encoded = self._encode(y)
        except (TypeError, ValueError) as error:
            raise type(error)(f"in `eval_set`: {error}") from error
        if encoded.shape[1] != self.n_outputs_:
            raise ValueError(
                f"in `eval_set`: y must have {self.n_outputs_} columns, got {encoded.shape[1]}"
            )
        return Validation(self, X, encoded, self._weights(y, None))

    def _check_known_classes(self, y: Any) -> None:
        """Refuse classes that were not seen in training."""

    def _record(self, validation: Validation | None) -> float | None:
        """Add to the validation curves; return the loss, or None where nothing is held out."""
        if validation is None:
            return None
        loss, score = validation.loss(), validation.score()
        self.validation_loss_curve_.append(loss)
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        better = score > self.best_validation_score_
        no_improvement = score < self.best_validation_score_ + self.tol
        if self.early_stopping == "loss":
            better = loss < self.best_validation_loss_
            no_improvement = loss > self.best_validation_loss_ - self.tol
        if self.early_stopping:
            self._count(no_improvement)
            if better:
                self._best_theta = self._network.theta.copy()
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
        if loss < self.best_validation_loss_:
            self.best_validation_loss_ = loss
        return loss

    def _look_at_loss(self) -> None:
        """Keep the best loss of training, which without ``early_stopping`` tells when to stop."""
        loss = self.loss_curve_[-1]
        if not self.early_stopping:
            self._count(loss > self.best_loss_ - self.tol)
            if loss < self.best_loss_:
                self.best_loss_ = loss

    def _count(self, no_improvement: bool) -> None:
        self._no_improvement_count = self._no_improvement_count + 1 if no_improvement else 0

    def _is_stochastic(self) -> bool:
        return self.solver != "lbfgs" and not isinstance(self.solver, LBFGS)

    def _check_solver(self) -> bool:
        if not self._is_stochastic():
            raise AttributeError(
                "partial_fit is only available for stochastic"
                f" optimizers. {self.solver} is not stochastic."
            )
        return True

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Return Y_hat (m, n_outputs) for X as users have it."""
        check_is_fitted(self)
        with naming_what_is_missing(X=X):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        self._adopt()
        net = self._network
        with limited(self.n_threads):
            Y_hat = net.engine.forward(rows(X, net.dtype), False)
        wider: NDArray[Any] = Y_hat.astype(np.result_type(X.dtype, net.dtype), copy=False)
        return wider

    def _show(self, net: Network) -> None:
        """Let coefs_ and intercepts_ be the network's own memory."""
        self._network = net
        self._views = _weights.views(net)
        coefs, intercepts = self._views
        self.coefs_, self.intercepts_ = list(coefs), list(intercepts)

    def _adopt(self) -> None:
        """Take over what was put in the place of coefs_ or intercepts_."""
        _weights.adopt(self._network, self._views, (self.coefs_, self.intercepts_))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_network" in state:
            self._adopt()
            # They are left out, because the network has their numbers and views come back as
            # copies.
            for name in ("_views", "coefs_", "intercepts_"):
                del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_network" in state:
            self._show(self._network)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
