"""L-BFGS over all examples at once: SciPy's minimiser, the engine's loss and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.parallel import _get_threadpool_controller

from backprop.core.gradients import split
from backprop.core.inputs import Batch
from backprop.core.warn import relayed
from backprop.network import Network
from backprop.sklearn._progress import Progress
from backprop.sklearn._rows import rows
from backprop.sklearn._validation import Validation
from backprop.training import Objective, scipy_options
from backprop.training.optimizers import LBFGS

# SciPy returns this status if a callback has raised StopIteration.
_STOPPED_BY_CALLBACK = 99


def fit(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    sample_weight: Any,
    validation: Validation | None,
    progress: Progress,
) -> None:
    """Minimise mean loss + alpha ||W||^2 / (2 sum of weights); biases are not penalised.

    Losses and gradients are float64 whatever the dtype of the network, since line searches stall on
    rounded ones; the weights that are found then become those of the network.
    """
    net: Network = estimator._network
    wide = net if net.dtype == np.float64 else net.astype("float64")
    examples, targets = rows(X, wide.dtype), estimator._engine_targets(y, wide.dtype)
    weight = None if sample_weight is None else sample_weight.astype(np.float64)
    penalty = np.zeros(net.theta.size)
    for W in split(penalty, net.layer_sizes)[0]:
        W[...] = estimator.alpha / (X.shape[0] if weight is None else weight.sum())
    constants = estimator._loss_constants(y)
    constant = 0.0 if constants is None else float(np.average(constants, weights=weight))

    def penalise(theta: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
        penalised = penalty * theta
        gradient += penalised
        return constant + 0.5 * float(penalised @ theta)

    def reported(theta: NDArray[np.float64], loss: float) -> float:
        # The loss is reported on scikit-learn's scale, which for several outputs is not that of its
        # gradient.
        half_norm = 0.5 * float((penalty * theta) @ theta)
        factor: float = estimator._loss_factor()
        return (loss - half_norm) * factor + half_norm

    def iteration_ends(intermediate_result: Any) -> None:
        net.theta[...] = intermediate_result.x
        estimator.loss_ = reported(intermediate_result.x, intermediate_result.fun)
        estimator.n_iter_ += 1
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        estimator._record(validation)
        progress.call("on_epoch_end")
        if progress.stop:
            raise StopIteration
        progress.call("on_epoch_begin")

    progress.begin()
    estimator.n_iter_ = 0
    # A callback is given only where somebody watches, because what SciPy prepares for it takes as
    # long as the gradient of a small network.
    watched = bool(estimator.callbacks or estimator.verbose or validation is not None)
    progress.call("on_epoch_begin")
    # BLAS gets one thread: SciPy's vectors are short, and its threads would only get in the way of
    # the engine's.
    with _get_threadpool_controller().limit(limits=1, user_api="blas"):
        result = scipy.optimize.minimize(
            Objective(wide, Batch(examples, targets, weight), penalise),
            net.theta.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=iteration_ends if watched else None,
            options=scipy_options(_optimizer(estimator), estimator.max_iter),
        )
    net.theta[...] = result.x
    estimator.loss_ = reported(result.x, result.fun)
    if result.status != _STOPPED_BY_CALLBACK:
        with relayed():
            estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)


def _optimizer(estimator: Any) -> LBFGS:
    if isinstance(estimator.solver, LBFGS):
        return estimator.solver
    return LBFGS(gradient_tolerance=estimator.tol, evaluations=estimator.max_fun)
