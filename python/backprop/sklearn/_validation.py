"""Held-out data of an estimator in training: the loss and the score of each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from backprop.sklearn._rows import rows


class Validation:
    """Examples that are not trained on.

    Parameters
    ----------
    estimator : estimator
        That is trained; it knows how its outputs are scored.
    X : array or sparse matrix (m, n_features)
    y : ndarray (m, n_outputs)
        As the estimator's ``_encode`` returns it.
    sample_weight : ndarray (m,) or None
    """

    def __init__(self, estimator: Any, X: Any, y: NDArray[Any], sample_weight: Any) -> None:
        net = estimator._network
        self._estimator, self._engine = estimator, net.engine
        self._X = rows(X, net.dtype)
        self._y = y
        self._targets = estimator._engine_targets(y)
        self._weight = None if sample_weight is None else sample_weight.astype(net.dtype)
        self._score_weight = sample_weight

    def loss(self) -> float:
        """Return the loss, without the penalty, on scikit-learn's scale."""
        loss = self._engine.loss(self._X, self._targets, False, self._weight)
        constants = self._estimator._loss_constants(self._y)
        constant = 0.0 if constants is None else np.average(constants, weights=self._score_weight)
        return float(loss * self._estimator._loss_factor() + constant)

    def score(self) -> float:
        """Return what the estimator's ``score`` would, or NaN where an output is not finite."""
        Y_hat = self._engine.forward(self._X, False)
        return float(self._estimator._score_outputs(Y_hat, self._y, self._score_weight))


def split(
    estimator: Any, X: Any, y: NDArray[Any], sample_weight: Any, stratify: bool
) -> tuple[NDArray[np.int64], Validation]:
    """Set `validation_fraction` of the examples aside, drawn as scikit-learn draws them.

    Returns
    -------
    ndarray of int64, Validation
        The positions of the examples that are left, which need no copy, and the others.

    Raises
    ------
    ValueError
        If there are too few.
    """
    # The draw depends on the number of examples and on the classes alone, so that splitting
    # positions is splitting the examples.
    train, held_out = train_test_split(
        np.arange(X.shape[0]),
        random_state=estimator._random_state,
        test_size=estimator.validation_fraction,
        stratify=y if stratify else None,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    weight = None if sample_weight is None else sample_weight[held_out]
    return train, Validation(estimator, _safe_indexing(X, held_out), y[held_out], weight)
