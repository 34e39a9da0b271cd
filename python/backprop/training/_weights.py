"""How much each example counts: sample weights times the weights of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import not_negative
from backprop.core.network import Core


def example_weights(
    network: Core,
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    class_weight: Any,
    rows: NDArray[np.int64] | None,
) -> NDArray[Any] | None:
    """Return the weight of every example (m,) of the network's dtype, or None where all are 1.

    Parameters
    ----------
    y : ndarray
        Targets as the core takes them.
    sample_weight : ndarray (m,), optional
    class_weight : None, "balanced" or mapping from classes to weights
        "balanced" gives the examples of each class the same sum: m / (n_classes · m_class), counted
        over the examples to train on. Classes missing from a mapping weigh 1.
    rows : ndarray of int64, optional
        The examples to train on, all of them by default.

    Raises
    ------
    TypeError, ValueError
        If ``class_weight`` is neither, the targets are no classes, or all weights are zero.
    """
    weight = sample_weight
    if class_weight is not None:
        classes, n_classes = _classes(network, y)
        seen = classes if rows is None else classes[rows]
        factors = _class_factors(class_weight, seen, n_classes)[classes]
        weight = factors if weight is None else factors * weight
        weight = np.ascontiguousarray(weight, network.dtype)
    if weight is not None and not (weight if rows is None else weight[rows]).any():
        raise ValueError(
            "`sample_weight` and `class_weight` must weigh at least one example to train on, got "
            "only zeros"
        )
    return weight


def _class_factors(class_weight: Any, classes: NDArray[Any], n_classes: int) -> NDArray[Any]:
    """Return the weight of each class (n_classes,)."""
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f'`class_weight` must be "balanced" or map classes to weights, got {class_weight!r}'
            )
        counts = np.bincount(classes, minlength=n_classes)
        present = counts > 0
        factors = np.ones(n_classes)
        factors[present] = len(classes) / (present.sum() * counts[present])
        return factors
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f'`class_weight` must be "balanced" or map classes to weights, got '
            f"{type(class_weight).__name__}"
        )
    factors = np.ones(n_classes)
    for label, weight in class_weight.items():
        if isinstance(label, bool) or not isinstance(label, Integral):
            raise TypeError(
                "`class_weight` must map classes to weights, a class being an integer, got "
                f"{label!r}"
            )
        k = int(label)
        if not 0 <= k < n_classes:
            raise ValueError(
                f"`class_weight` must map classes from 0 to {n_classes - 1} to weights, got {k}"
            )
        factors[k] = not_negative(f"class_weight[{k}]", weight)
    return factors


def _classes(network: Core, y: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return the class of each example, and how many classes there are."""
    if network.output_name == "softmax":
        return (y if y.ndim == 1 else y.argmax(axis=1)), network.layer_sizes[-1]
    if network.output_name == "sigmoid" and network.layer_sizes[-1] == 1:
        return (y.reshape(-1) > 0.5).astype(np.int64), 2
    raise ValueError(
        "`class_weight` must be left out where the targets are no classes: it takes a softmax "
        f"output or one sigmoid, got {network.layer_sizes[-1]} {network.output_name} outputs"
    )
