"""Metrics: functions of predictions and targets that say how good the predictions are.

Y_hat (m, p) is what `Network.forward` returns, and y the targets, (m, p) too, or (m,) where they
are the numbers of classes. One output is no exception: both are (m, 1) in a training, however y was
given. Every example counts the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import known_name

Function = Callable[[NDArray[Any], NDArray[Any]], float]


class Metric(NamedTuple):
    """A quantity: its function by output activation, and whether more is better (None: unknown)."""

    by_output: dict[str, Function]
    larger_is_better: bool | None


def class_accuracy(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the share of examples whose most probable class is the true one.

    Parameters
    ----------
    Y_hat : ndarray (m, p)
        Probabilities.
    y : ndarray (m,) of classes or (m, p) of probabilities
    """
    return float(np.mean(Y_hat.argmax(axis=1) == _labels(y)))


def binary_accuracy(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the share of outputs that lie on the side of 1/2 where their target does.

    Parameters
    ----------
    Y_hat : ndarray (m, p)
    y : ndarray (m, p), or (m,) for one output
    """
    return float(np.mean((Y_hat > 0.5) == (y.reshape(Y_hat.shape) > 0.5)))


def top_k(k: int) -> Function:
    """Return the metric: the share of examples whose true class is among the k most probable."""

    def top(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
        labels = _labels(y)
        true = Y_hat[np.arange(len(labels)), labels][:, None]
        # Classes that are as probable as the true one come before it if their number is lower, as
        # argmax has it.
        tied = (Y_hat == true) & (np.arange(Y_hat.shape[1]) < labels[:, None])
        return float(np.mean(((Y_hat > true) | tied).sum(axis=1) < k))

    return top


def class_log_loss(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the mean over the examples of -Σ_j t_j log ŷ_j, -log ŷ_l for a class l.

    A probability of 0 counts as the smallest positive number of the dtype.
    """
    log_P = np.log(np.maximum(Y_hat, np.finfo(Y_hat.dtype).tiny, dtype=np.float64))
    if y.ndim == 1:
        return float(-log_P[np.arange(len(y)), y].mean())
    return float(-(y * log_P).sum(axis=1).mean())


def binary_log_loss(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the mean over the examples of -Σ_j (t_j log ŷ_j + (1 - t_j) log(1 - ŷ_j)).

    A probability that rounded to 0 or 1 counts as the nearest number to it in the dtype.
    """
    limits = np.finfo(Y_hat.dtype)
    P, t = Y_hat.astype(np.float64), y.reshape(Y_hat.shape)
    log_P, log_Q = np.log(np.maximum(P, limits.tiny)), np.log(np.maximum(1 - P, limits.epsneg))
    return float(-(t * log_P + (1 - t) * log_Q).sum(axis=1).mean())


def class_f1(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the mean F1 (see `binary_f1`) of the classes that occur or are predicted."""
    classes = np.arange(Y_hat.shape[1])
    predicted = Y_hat.argmax(axis=1)[:, None] == classes
    true = _labels(y)[:, None] == classes
    seen = (predicted | true).any(axis=0)
    return _f1(predicted[:, seen], true[:, seen])


def binary_f1(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return 2 · true positives / (positives + predicted positives), the mean over the outputs.

    An output with neither counts as 0.
    """
    return _f1(Y_hat > 0.5, y.reshape(Y_hat.shape) > 0.5)


def _f1(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    right = (predicted & true).sum(axis=0)
    positives = predicted.sum(axis=0) + true.sum(axis=0)
    return float(np.mean(2 * right / np.maximum(positives, 1)))


def r2(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return 1 - Σ (ŷ - t)² / Σ (t - mean t)², the mean over the outputs; NaN for a constant t."""
    t = y.reshape(Y_hat.shape).astype(np.float64)
    residual = ((Y_hat - t) ** 2).sum(axis=0)
    variance = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    varies = variance > 0
    return float(np.where(varies, 1 - residual / np.where(varies, variance, 1), np.nan).mean())


def mean_absolute_error(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the mean of ``|ŷ - t|`` over examples and outputs."""
    return float(np.mean(np.abs(Y_hat - y.reshape(Y_hat.shape)), dtype=np.float64))


def mean_squared_error(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the mean of (ŷ - t)² over examples and outputs."""
    return float(np.mean((Y_hat - y.reshape(Y_hat.shape)) ** 2, dtype=np.float64))


def _labels(y: NDArray[Any]) -> NDArray[Any]:
    return y if y.ndim == 1 else y.argmax(axis=1)


def _of_quantities(function: Function) -> dict[str, Function]:
    return {"linear": function, "exp": function}


# `get` knows "top_K" too, for any number K.
METRICS: dict[str, Metric] = {
    "accuracy": Metric({"softmax": class_accuracy, "sigmoid": binary_accuracy}, True),
    "f1": Metric({"softmax": class_f1, "sigmoid": binary_f1}, True),
    "log_loss": Metric({"softmax": class_log_loss, "sigmoid": binary_log_loss}, False),
    "r2": Metric(_of_quantities(r2), True),
    "mae": Metric(_of_quantities(mean_absolute_error), False),
    "mse": Metric(_of_quantities(mean_squared_error), False),
}


def get(metric: Any, output: str) -> tuple[str, Function, bool | None]:
    """Return the name, the function and whether more is better of a metric.

    Parameters
    ----------
    metric : str or callable
        A name in ``METRICS`` or "top_K", or a function of (Y_hat, y), which have the same shape
        unless y has the numbers of classes.
    output : str
        The output activation.

    Raises
    ------
    TypeError, ValueError
        If it is neither, the name is unknown, or its metric is not for this output activation.
    """
    if callable(metric):
        return getattr(metric, "__name__", type(metric).__name__), metric, None
    if isinstance(metric, str) and (match := re.fullmatch(r"top_([1-9]\d{0,8})", metric)):
        found = Metric({"softmax": top_k(int(match[1]))}, True)
    else:
        found = METRICS[known_name("metrics", metric, METRICS)]
    if output not in found.by_output:
        fits = ", ".join(name for name, known in METRICS.items() if output in known.by_output)
        raise ValueError(f"`metrics` must suit the output {output!r} ({fits}), got {metric!r}")
    return metric, found.by_output[output], found.larger_is_better
