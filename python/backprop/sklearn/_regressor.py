"""A drop-in for `sklearn.neural_network.MLPRegressor`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from backprop.core.warn import relayed
from backprop.sklearn._base import BaseMultilayerPerceptron
from backprop.sklearn._parameters import CONSTRAINTS
from backprop.sklearn._rows import naming_what_is_missing


class MLPRegressor(RegressorMixin, BaseMultilayerPerceptron):
    """A multilayer perceptron that predicts numbers; see `sklearn.neural_network.MLPRegressor`.

    Parameters not named here, and all defaults and attributes, are scikit-learn's.

    Parameters
    ----------
    loss : str or ("huber", delta)
        scikit-learn's "squared_error" (half the square) and "poisson" (an exponential output, for
        ``y >= 0``), "absolute_error", or "huber" (the squared error up to delta = 1, and growing
        linearly from there). Losses other than "poisson" are reported as means over the outputs,
        while their gradient is that of the sum, as scikit-learn has it.
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
        Likewise R².
    best_validation_loss_, best_validation_score_ : float or None
        The best of both.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "poisson", "absolute_error", "huber"}), tuple],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
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
        callbacks: Any = None,
        n_threads: int | None = None,
    ) -> None:
        given = dict(locals())
        del given["self"]
        BaseMultilayerPerceptron.__init__(self, **given)

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch from the present weights.

        Parameters are those of `fit`; errors too, and with ``early_stopping`` it is a ValueError.

        Returns
        -------
        self
        """
        with self._unless_refused() as progress:
            return self._fit(X, y, sample_weight, progress=progress, incremental=True)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return Y_hat, (m,) for one output and (m, n_outputs) for several."""
        Y_hat = self._outputs(X)
        return Y_hat.ravel() if self.n_outputs_ == 1 else Y_hat

    def _check_X_y(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        y = _numbers(y)
        with naming_what_is_missing(X=X, y=y):
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse=["csr", "csc"],
                multi_output=True,
                y_numeric=True,
                dtype=(np.float64, np.float32),
                reset=reset,
            )
        if y.ndim == 2 and y.shape[1] == 1:
            with relayed():
                y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"loss='poisson' requires y >= 0, got {y.min()}.")
        return X, y

    def _encode(self, y: Any) -> NDArray[Any]:
        encoded: NDArray[Any] = y.reshape(len(y), -1)
        return encoded

    def _class_factors(self, y: Any) -> None:
        return None

    def _output_and_loss(self) -> tuple[str, Any]:
        return ("exp" if self.loss == "poisson" else "linear"), self.loss

    def _engine_targets(self, y: NDArray[Any], dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
        return y.astype(self._network.dtype if dtype is None else dtype, copy=False)

    def _loss_factor(self) -> float:
        return 1.0 if self.loss == "poisson" else 1 / self.n_outputs_

    def _loss_constants(self, y: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return y log y - y, which scikit-learn's half deviance has over the likelihood."""
        if self.loss != "poisson":
            return None
        y = y.astype(np.float64)
        constants: NDArray[np.float64] = (xlogy(y, y) - y).sum(axis=1)
        return constants

    def _score_outputs(self, Y_hat: NDArray[Any], y: NDArray[Any], sample_weight: Any) -> float:
        """Return R², or NaN where an output is not finite."""
        if not np.isfinite(Y_hat).all():
            return float("nan")
        weight = 1.0 if sample_weight is None else sample_weight[:, np.newaxis]
        residual = (weight * (y - Y_hat) ** 2).sum(axis=0)
        mean = np.average(y, axis=0, weights=sample_weight)
        variance = (weight * (y - mean) ** 2).sum(axis=0)
        if not variance.all():
            # scikit-learn's function has the rules for constant targets. It is not called for
            # others, because its checks take half as long as an epoch.
            return float(r2_score(y, Y_hat, sample_weight=sample_weight))
        return float((1 - residual / variance).mean())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _numbers(y: Any) -> Any:
    """Return targets that are numbers written as text as numbers; others as they are.

    Raises
    ------
    ValueError
        If a text is no number.
    """
    try:
        array = np.asarray(y)
    except ValueError:
        # Rows of different lengths are for scikit-learn to refuse.
        return y
    if array.dtype.kind not in "OUST":
        return y
    if array.dtype.kind == "O" and not any(isinstance(v, str | bytes) for v in array.ravel()):
        return y
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y must hold numbers, or numbers as text: {error}") from None
