"""How good predictions are, in the units people ask for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def class_accuracy(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the share of examples whose most probable class is the true one.

    Parameters
    ----------
    Y_hat : ndarray (m, p)
        Probabilities.
    y : ndarray (m,) of classes or (m, p) of probabilities
    """
    labels = y if y.ndim == 1 else y.argmax(axis=1)
    return float(np.mean(Y_hat.argmax(axis=1) == labels))


def binary_accuracy(Y_hat: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the share of outputs that lie on the side of 1/2 where their target does.

    Parameters
    ----------
    Y_hat : ndarray (m, p)
    y : ndarray (m, p), or (m,) for one output
    """
    return float(np.mean((Y_hat > 0.5) == (y.reshape(Y_hat.shape) > 0.5)))


# By output activation; a linear output has no classes.
ACCURACIES = {"softmax": class_accuracy, "sigmoid": binary_accuracy}
