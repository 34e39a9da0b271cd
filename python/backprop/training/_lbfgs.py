"""L-BFGS by SciPy, on the flat theta: each of its iterations is an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.gradients import split
from backprop.network import Network
from backprop.optimizers import LBFGS
from backprop.training._data import Batch
from backprop.training._settings import Settings


class _Ended(Exception):
    """A callback ended the training: SciPy's own way out depends on its version."""


class Objective:
    """The loss of all examples with its penalties, and their gradient, as functions of theta."""

    def __init__(self, network: Network, data: Batch, settings: Settings) -> None:
        self._network, self._data = network, data
        self._last: tuple[NDArray[np.float64], float] = (np.empty(0), np.inf)
        sizes = network.layer_sizes
        # Strengths in theta's layout, 0 for the biases.
        self._l1, self._l2 = np.zeros(network.theta.size), np.zeros(network.theta.size)
        for flat, strengths in ((self._l1, settings.l1), (self._l2, settings.l2)):
            for W_k, strength in zip(split(flat, sizes)[0], strengths, strict=False):
                W_k[...] = strength

    def __call__(self, theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return loss and gradient; a loss that is not finite is infinite, its gradient zero."""
        X, y, weight = self._data
        self._network.theta[...] = theta
        loss, gradient = self._network._core.gradients(X, y, False, weight)
        with np.errstate(over="ignore", invalid="ignore"):
            loss += float(self._l1 @ np.abs(theta) + 0.5 * (self._l2 @ (theta * theta)))
        if not np.isfinite(loss):
            loss, gradient = np.inf, np.zeros_like(theta)
        self._last = theta.copy(), loss
        return loss, gradient.astype(np.float64) + self._l1 * np.sign(theta) + self._l2 * theta

    def move_to(self, theta: NDArray[np.float64]) -> float:
        """Give the network ``theta`` and return its loss, mostly that of the last call."""
        if not np.array_equal(self._last[0], theta):
            return self(theta)[0]
        return self._last[1]


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
    network: Network,
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
    objective = Objective(network, data, settings)
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
