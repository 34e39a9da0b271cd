"""The optimizer of an estimator, whose state lasts from one ``partial_fit`` to the next.

scikit-learn's own two are its "sgd" (momentum with the learning rate in the velocity: v <- mu v -
eta g, theta <- theta + v, or + mu v - eta g with Nesterov's) and its "adam" (theta <- theta - eta
sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)); the rest are `backprop.optimizers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.network import Network
from backprop.training import Snapshot, Trainer, Updater, optimizers
from backprop.training.schedules import SCHEDULES, Plateau, ReduceOnPlateau

# scikit-learn does not divide a learning rate below this any further.
_SMALLEST_RATE = 1e-6


def _rule(estimator: Any) -> tuple[str, dict[str, float]]:
    """Return the name and the options of the engine's optimizer."""
    solver = estimator.solver
    if solver == "sgd":
        if estimator.momentum == 0:
            return "sgd", {}
        name = "nesterov" if estimator.nesterovs_momentum else "momentum"
        return name, {"momentum": estimator.momentum, "lr_in_velocity": 1}
    if solver == "adam":
        return "adam", {
            "beta_1": estimator.beta_1,
            "beta_2": estimator.beta_2,
            "eps": estimator.epsilon,
            "eps_uncorrected": 1,
        }
    return optimizers.core(optimizers.get(solver))


def _schedule(estimator: Any) -> Any:
    """Return "constant", "invscaling" or "adaptive", or the schedule of another name."""
    schedule = estimator.learning_rate
    if not isinstance(schedule, str):
        return schedule
    if schedule in ("constant", "invscaling", "adaptive"):
        # In scikit-learn Adam keeps its rate whatever this parameter is.
        return "constant" if estimator.solver == "adam" else schedule
    return SCHEDULES[schedule]


def _rate_settings(estimator: Any) -> tuple[Any, float, float]:
    """Return the schedule, its power and the first learning rate."""
    return _schedule(estimator), estimator.power_t, float(estimator.learning_rate_init)


class Optimizer:
    """An optimizer with its state, and the learning rate.

    Attributes
    ----------
    learning_rate : float
        The present one.
    """

    def __init__(self, estimator: Any, seed: int) -> None:
        self._name, self._options = _rule(estimator)
        self._seed = seed
        self._epoch = 0
        self._read_rate(estimator)
        self._trainer: Trainer | None = None
        self._made_for: Any = None
        self._batch_size = 0
        self._saved: tuple[Any, ...] = ({}, 0)

    def _read_rate(self, estimator: Any) -> None:
        self._rate_settings = _rate_settings(estimator)
        self._schedule, self._power_t, self._lr = self._rate_settings
        self.learning_rate = self._lr
        self._plateau = Plateau(self._lr)

    def goes_on(self, estimator: Any) -> bool:
        """Whether the estimator still has this rule, to go on with its state.

        The learning rate and its schedule begin anew where their parameters have changed.
        """
        if (self._name, self._options) != _rule(estimator):
            return False
        # A pickle of an earlier version does not know what it was made of.
        if getattr(self, "_rate_settings", None) not in (None, _rate_settings(estimator)):
            self._read_rate(estimator)
        return True

    def trainer(
        self, net: Network, n_examples: int, batch_size: int, alpha: float, dropout: list[float]
    ) -> Trainer:
        """Return a trainer of ``net`` that has taken all steps so far."""
        made_for = (net, alpha, dropout)
        # If all examples are one batch, a trainer for larger batches does as well.
        fits = self._batch_size == batch_size or n_examples <= batch_size < self._batch_size
        if self._trainer is None or self._made_for != made_for or not fits:
            self._save()
            updater = Updater(
                net,
                self._name,
                self._options,
                l2=[alpha] * (len(net.layer_sizes) - 1) if alpha else [],
                penalty_by_weight=True,
            )
            updater.restore(Snapshot(*self._saved))
            self._trainer = Trainer(updater, batch_size, dropout=dropout, seed=self._seed)
            self._made_for, self._batch_size = made_for, batch_size
        return self._trainer

    def rates(self, epochs: int, n_batches: int) -> float | NDArray[np.float64]:
        """Return the learning rate of the next epoch, or of each of its batches."""
        if isinstance(self._schedule, str):
            return self.learning_rate
        lr = self._plateau.lr if isinstance(self._schedule, ReduceOnPlateau) else self._lr
        epoch = min(self._epoch, epochs - 1)
        rates: NDArray[np.float64] = self._schedule.rates(lr, epoch, epochs, n_batches)
        self.learning_rate = float(rates[-1])
        return rates

    def epoch_ends(self, n_seen: int, loss: float) -> None:
        """Set the learning rate after ``n_seen`` examples; ``loss`` is that of the epoch."""
        self._epoch += 1
        if self._schedule == "invscaling":
            self.learning_rate = self._lr / (n_seen + 1) ** self._power_t
        elif isinstance(self._schedule, ReduceOnPlateau):
            self._plateau = self._schedule.after(self._plateau, loss)

    def must_stop(self, why: str, verbose: Any) -> bool:
        """Whether no improvement ends training; "adaptive" tries a fifth of the rate first."""
        adaptive = self._schedule == "adaptive"
        if adaptive and self.learning_rate > _SMALLEST_RATE:
            self.learning_rate /= 5.0
            if verbose:
                print(f"{why} Setting learning rate to {self.learning_rate:f}")
            return False
        if verbose:
            print(f"{why} Learning rate too small. Stopping." if adaptive else f"{why} Stopping.")
        return True

    def _save(self) -> None:
        if self._trainer is not None:
            self._saved = tuple(self._trainer.updater.snapshot())

    def __getstate__(self) -> dict[str, Any]:
        self._save()
        return {**vars(self), "_trainer": None, "_made_for": None}
