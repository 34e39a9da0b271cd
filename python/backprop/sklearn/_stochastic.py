"""Training by mini-batches: scikit-learn's epochs, curves and rules to stop, run by the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from backprop.core.inputs import Batch
from backprop.core.warn import warn
from backprop.sklearn._optimizer import Optimizer
from backprop.sklearn._parameters import dropout_rates
from backprop.sklearn._progress import Progress
from backprop.sklearn._rows import rows
from backprop.sklearn._validation import Validation


class Epochs:
    """The epochs of one call of ``fit`` or ``partial_fit``.

    Parameters
    ----------
    estimator : estimator
        Its network is trained and its curves are written.
    X, y, sample_weight
        Checked, y encoded, weights of classes in those of examples.
    train : ndarray of int64, or None
        The positions of the examples to train on; None for all.
    validation : Validation or None
    incremental : bool
        Whether this is one epoch of ``partial_fit``.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: NDArray[Any],
        sample_weight: Any,
        train: NDArray[np.int64] | None,
        validation: Validation | None,
        incremental: bool,
    ) -> None:
        net = estimator._network
        self._estimator, self._validation, self._incremental = estimator, validation, incremental
        self._theta = net.theta
        self._order = np.arange(X.shape[0]) if train is None else train
        # Examples that are visited in the order in which they lie need no list of positions.
        self._as_it_lies = train is None and not estimator.shuffle
        self._n = len(self._order)
        self._data = Batch(
            rows(X, net.dtype),
            estimator._engine_targets(y),
            None if sample_weight is None else sample_weight.astype(net.dtype),
        )
        batch_size = _batch_size(estimator.batch_size, self._n)
        dropout = dropout_rates(estimator.dropout, len(net.layer_sizes) - 2)
        if not (
            incremental
            and hasattr(estimator, "_optimizer")
            and estimator._optimizer.goes_on(estimator)
        ):
            # A seed is drawn for the masks of dropout alone, which scikit-learn does not have:
            # everything else is drawn as there.
            seed = estimator._random_state.randint(2**31) if dropout else 0
            estimator._optimizer = Optimizer(estimator, seed)
        self._optimizer: Optimizer = estimator._optimizer
        self._trainer = self._optimizer.trainer(
            net, self._n, batch_size, float(estimator.alpha), dropout
        )
        starts = np.arange(0, self._n, batch_size)
        self._starts = starts
        self._sizes = np.diff(starts, append=self._n).astype(np.float64)
        self._losses = np.zeros((len(starts), 2))
        self._constants = estimator._loss_constants(y)
        self._sample_weight = sample_weight
        self._factor = estimator._loss_factor()

    def run(self, progress: Progress) -> None:
        """Train until nothing improves, or ``max_iter`` epochs are over."""
        est = self._estimator
        progress.begin()
        try:
            est.n_iter_ = 0
            for _ in range(est.max_iter):
                progress.call("on_epoch_begin")
                loss = self._epoch()
                est.n_iter_ += 1
                est.loss_ = loss
                est.t_ += self._n
                est.loss_curve_.append(loss)
                if est.verbose:
                    print(f"Iteration {est.n_iter_}, loss = {loss:.8f}")
                validation_loss = est._record(self._validation)
                est._look_at_loss()
                self._optimizer.epoch_ends(
                    est.t_, loss if validation_loss is None else validation_loss
                )
                progress.call("on_epoch_end")
                if est._no_improvement_count > est.n_iter_no_change:
                    if self._optimizer.must_stop(_no_improvement(est), est.verbose):
                        break
                    est._no_improvement_count = 0
                if progress.stop or self._incremental:
                    break
                if est.n_iter_ == est.max_iter:
                    warn(
                        f"Stochastic Optimizer: Maximum iterations ({est.max_iter}) "
                        "reached and the optimization hasn't converged yet.",
                        ConvergenceWarning,
                    )
        except KeyboardInterrupt:
            warn("Training interrupted by user.")
        if est.early_stopping and est._best_theta is not None:
            self._theta[...] = est._best_theta

    def _epoch(self) -> float:
        """Visit every example once; return the mean over the batches, by size, of their loss."""
        est = self._estimator
        if est.shuffle:
            # This draws and does what sklearn.utils.shuffle does, without its checks.
            permutation = np.arange(self._n)
            est._random_state.shuffle(permutation)
            self._order = self._order[permutation]
        order = None if self._as_it_lies else self._order
        rates = self._optimizer.rates(est.max_iter, len(self._starts))
        loss, failed = self._trainer.epoch(self._data, order, rates, self._losses)
        if failed >= 0:
            # The engine leaves its weights as they were before the failed batch; in scikit-learn
            # they would be lost from here on, and `fit` ends with the same error.
            self._theta.fill(np.nan)
            return float(loss)
        batches = self._losses[:, 0] * self._factor + self._losses[:, 1]
        if self._constants is not None:
            batches += self._batch_constants()
        return float(self._sizes @ batches / self._n)

    def _batch_constants(self) -> NDArray[np.float64]:
        """Return the mean over each batch, by weight, of what the engine's loss leaves out."""
        constants = self._constants[self._order]
        if self._sample_weight is None:
            return np.add.reduceat(constants, self._starts) / self._sizes
        weight = self._sample_weight[self._order]
        sums = np.add.reduceat(constants * weight, self._starts)
        weights = np.add.reduceat(weight, self._starts)
        return np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)


def _batch_size(batch_size: Any, n_examples: int) -> int:
    if isinstance(batch_size, str):
        return min(200, n_examples)
    if batch_size > n_examples:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return int(np.clip(batch_size, 1, n_examples))


def _no_improvement(est: Any) -> str:
    what = {True: "Validation score", "loss": "Validation loss"}.get(
        est.early_stopping, "Training loss"
    )
    return (
        f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change:d} "
        "consecutive epochs."
    )
