"""L-BFGS over all examples at once: SciPy's minimiser, the engine's loss and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result

from backprop.network import Network
from backprop.optimizers import LBFGS
from backprop.sklearn._engine import weight_mask
from backprop.sklearn._rows import rows
from backprop.sklearn._validation import Validation

# SciPy's status where a callback has raised StopIteration.
_STOPPED_BY_CALLBACK = 99


def fit(
    estimator: Any, X: Any, y: NDArray[Any], sample_weight: Any, validation: Validation | None
) -> None:
    """Minimise mean loss + alpha ||W||^2 / (2 sum of weights); biases are not penalised.

    Losses and gradients are float64 whatever the dtype of the network, since line searches stall on
    rounded ones; the weights that are found then become those of the network.
    """
    net: Network = estimator._network
    wide = net if net.dtype == np.float64 else _in_float64(net)
    examples, targets = rows(X, wide.dtype), estimator._engine_targets(y, wide.dtype)
    weight = None if sample_weight is None else sample_weight.astype(np.float64)
    penalty = weight_mask(net.layer_sizes, np.float64)
    penalty *= estimator.alpha / (X.shape[0] if weight is None else weight.sum())
    constants = estimator._loss_constants(y)
    constant = 0.0 if constants is None else float(np.average(constants, weights=weight))

    def loss_and_gradient(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        wide.theta[...] = theta
        loss, gradient = wide._core.gradients(examples, targets, False, weight)
        penalised = penalty * theta
        gradient += penalised
        return loss + constant + 0.5 * float(penalised @ theta), gradient

    def reported(theta: NDArray[np.float64], loss: float) -> float:
        # On scikit-learn's scale, which for several outputs is not that of its gradient.
        half_norm = 0.5 * float((penalty * theta) @ theta)
        return (loss - half_norm) * estimator._loss_factor() + half_norm

    def iteration_ends(intermediate_result: Any) -> None:
        net.theta[...] = intermediate_result.x
        estimator.loss_ = reported(intermediate_result.x, intermediate_result.fun)
        estimator.n_iter_ += 1
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        estimator._record(validation)
        if estimator._call_back():
            raise StopIteration

    estimator.n_iter_ = 0
    result = scipy.optimize.minimize(
        loss_and_gradient,
        net.theta.astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        callback=iteration_ends,
        options={"maxiter": estimator.max_iter, **_options(estimator)},
    )
    net.theta[...] = result.x
    estimator.loss_ = reported(result.x, result.fun)
    if result.status != _STOPPED_BY_CALLBACK:
        estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)


def _options(estimator: Any) -> dict[str, float]:
    solver = estimator.solver
    if not isinstance(solver, LBFGS):
        return {"maxfun": estimator.max_fun, "gtol": estimator.tol}
    return {
        "maxfun": solver.evaluations,
        "gtol": solver.gradient_tolerance,
        "ftol": solver.loss_tolerance,
        "maxcor": solver.memory,
        "maxls": solver.line_search,
    }


def _in_float64(net: Network) -> Network:
    return Network(**net.architecture, init="zeros", dtype="float64", check_finite=False)
