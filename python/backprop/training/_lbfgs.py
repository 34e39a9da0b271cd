"""L-BFGS by SciPy, on the flat theta: each of its iterations is an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.gradients import split
from backprop.core.inputs import Batch
from backprop.core.network import Core
from backprop.training._settings import Settings
from backprop.training.optimizers import LBFGS


class _Ended(Exception):
    """A callback has ended the training. SciPy's own way to say so depends on its version."""


# Adds the gradient of the penalty at theta to an array (n_parameters,), and returns the penalty.
Penalise = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


class Objective:
    """The loss of all examples with its penalty, and their gradient, as functions of theta."""

    def __init__(self, network: Core, data: Batch, penalise: Penalise) -> None:
        self._network, self._data, self._penalise = network, data, penalise
        self._last: tuple[NDArray[np.float64], float] = (np.empty(0), np.inf)

    def __call__(self, theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return loss and gradient; a loss that is not finite is infinite, its gradient zero."""
        X, y, weight = self._data
        self._network.theta[...] = theta
        loss, gradient = self._network.engine.gradients(X, y, False, weight)
        gradient = gradient.astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            loss += self._penalise(theta, gradient)
            if not np.isfinite(loss):
                loss, gradient = np.inf, np.zeros_like(theta)
                self._penalise(theta, gradient)
        self._last = theta.copy(), loss
        return loss, gradient

    def move_to(self, theta: NDArray[np.float64]) -> float:
        """Give the network ``theta`` and return its loss, mostly that of the last call."""
        if not np.array_equal(self._last[0], theta):
            return self(theta)[0]
        return self._last[1]


def elastic(network: Core, settings: Settings) -> Penalise:
    """Return the penalty l1 Σ|W_k| + ½ l2 ‖W_k‖² of a network, each layer with its strengths."""
    # The strengths lie in theta's layout and are 0 for the biases.
    l1, l2 = np.zeros(network.theta.size), np.zeros(network.theta.size)
    for flat, strengths in ((l1, settings.l1), (l2, settings.l2)):
        for W_k, strength in zip(split(flat, network.layer_sizes)[0], strengths, strict=False):
            W_k[...] = strength

    def penalise(theta: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
        gradient += l1 * np.sign(theta)
        gradient += l2 * theta
        return float(l1 @ np.abs(theta) + 0.5 * (l2 @ (theta * theta)))

    return penalise


def scipy_options(optimizer: LBFGS, iterations: int) -> dict[str, float]:
    """Return the options by which SciPy knows an optimizer and the number of its iterations."""
    return {
        "maxiter": iterations,
        "maxcor": optimizer.memory,
        "gtol": optimizer.gradient_tolerance,
        "ftol": optimizer.loss_tolerance,
        "maxls": optimizer.line_search,
        "maxfun": optimizer.evaluations,
    }


def minimise(
    network: Core,
    data: Batch,
    settings: Settings,
    iterations: int,
    end_epoch: Callable[[float], bool],
) -> float:
    """Move the network's theta to where the loss is least.

    Parameters
    ----------
    iterations : int
        At most so many; ``end_epoch(loss)`` is called after each, and returns whether to stop.

    Returns
    -------
    float
        The loss at the start, not finite where nothing could be done.

    Raises
    ------
    ImportError
        If SciPy is missing.
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise ImportError(
            'the optimizer "lbfgs" needs SciPy; install it with pip install "backprop[lbfgs]"'
        ) from None
    optimizer = settings.optimizer
    assert isinstance(optimizer, LBFGS)
    objective = Objective(network, data, elastic(network, settings))
    accepted = network.theta.astype(np.float64)
    first, _ = objective(accepted)
    if not np.isfinite(first):
        return first

    def after_iteration(theta: Any) -> None:
        nonlocal accepted
        accepted = np.array(theta)
        # The line search may have left the network at another point that it tried.
        if end_epoch(objective.move_to(accepted)):
            raise _Ended

    try:
        with np.errstate(all="ignore"):
            minimize(
                objective,
                accepted,
                jac=True,
                method="L-BFGS-B",
                callback=after_iteration,
                options=scipy_options(optimizer, iterations),
            )
    except _Ended:
        pass
    finally:
        network.theta[...] = accepted
    return first
