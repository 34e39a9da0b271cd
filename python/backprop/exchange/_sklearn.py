"""scikit-learn: fitted MLPClassifier and MLPRegressor, both ways.

``coefs_[k]`` is the transpose of W_{k+1}. Two classes have one logistic output there, several
labels at once one each.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from backprop.core import facts
from backprop.core.checks import known_name
from backprop.core.files import require_finite
from backprop.core.network import Core
from backprop.exchange._assemble import Affine, assemble
from backprop.exchange._optional import needed

N = TypeVar("N", bound=Core)
_ACTIVATIONS = {
    name: fact.sklearn for name, fact in facts.ACTIVATIONS.items() if fact.sklearn is not None
}
_OUTPUTS = {name: fact.sklearn for name, fact in facts.OUTPUTS.items()}


def from_sklearn(
    estimator: Any, into: type[N], *, dtype: DTypeLike | None = None
) -> tuple[N, NDArray[Any] | None]:
    """Return a network of the class ``into`` and its classes; see `interchange.from_sklearn`."""
    if not (hasattr(estimator, "hidden_layer_sizes") and hasattr(estimator, "activation")):
        raise TypeError(
            "`estimator` must be an MLPClassifier or an MLPRegressor, got "
            f"{type(estimator).__name__}"
        )
    if not hasattr(estimator, "coefs_"):
        raise ValueError("`estimator` must be fitted; call its fit first")
    layers = [
        Affine(f"`coefs_[{k}]`", W.T, b)
        for k, (W, b) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    ]
    hidden, output = (
        {theirs: ours for ours, theirs in table.items()} for table in (_ACTIVATIONS, _OUTPUTS)
    )
    net = assemble(
        layers,
        into,
        hidden=hidden[known_name("estimator.activation", estimator.activation, hidden)],
        output=output[known_name("estimator.out_activation_", estimator.out_activation_, output)],
        dtype=dtype,
    )
    classes = getattr(estimator, "classes_", None)
    return net, None if classes is None else np.asarray(classes)


def to_sklearn(net: Core, classes: ArrayLike | None = None) -> Any:
    """Return a network as a fitted scikit-learn estimator; see `Network.to_sklearn`."""
    coefs, intercepts = [W.T.copy() for W in net.W], [b.copy() for b in net.b]
    activation, out_activation = _ACTIVATIONS[_one_activation(net)], _OUTPUTS[net.output_name]
    labels = _labels(net, classes)
    if labels is not None and labels.ndim == 1:
        labels, coefs[-1], intercepts[-1] = _sorted(labels, coefs[-1], intercepts[-1])
        out_activation = "logistic" if len(labels) == 2 else "softmax"
    require_finite(net)
    neural_network = needed("sklearn.neural_network", "to_sklearn", "scikit-learn")
    kind = neural_network.MLPRegressor if labels is None else neural_network.MLPClassifier
    estimator = kind(hidden_layer_sizes=net.layer_sizes[1:-1], activation=activation)
    if net.output_name == "exp":
        if "loss" not in estimator.get_params():
            raise ValueError("`output` 'exp' needs scikit-learn 1.7 or newer")
        estimator.set_params(loss="poisson")
    if labels is not None:
        preprocessing = needed("sklearn.preprocessing", "to_sklearn", "scikit-learn")
        estimator._label_binarizer = preprocessing.LabelBinarizer().fit(labels)
        estimator.classes_ = estimator._label_binarizer.classes_
    fitted = {
        "coefs_": coefs,
        "intercepts_": intercepts,
        "n_features_in_": net.layer_sizes[0],
        "n_layers_": len(net.layer_sizes),
        "n_outputs_": coefs[-1].shape[1],
        "out_activation_": out_activation,
        "n_iter_": 0,
        "t_": 0,
        "loss_curve_": [],
    }
    for name, value in fitted.items():
        setattr(estimator, name, value)
    return estimator


def _one_activation(net: Core) -> str:
    names = set(net.hidden_names) or {"relu"}
    if len(names) > 1 or not names <= set(_ACTIVATIONS):
        raise ValueError(
            f"scikit-learn has one of {', '.join(_ACTIVATIONS)} for all hidden layers; this "
            f"network has {', '.join(net.hidden_names)}"
        )
    return names.pop()


def _labels(net: Core, classes: ArrayLike | None) -> NDArray[Any] | None:
    """Return the class labels (n_classes,), a square of indicators for several at once, or None."""
    p = net.layer_sizes[-1]
    n_classes = {"softmax": p, "sigmoid": 2 if p == 1 else 0}.get(net.output_name, 0)
    if n_classes == 0:
        is_multilabel = net.output_name == "sigmoid"
        # scikit-learn numbers several labels at once.
        if classes is not None and not (is_multilabel and np.array_equal(classes, np.arange(p))):
            raise ValueError(
                f"`classes` must be None for {p} {net.output_name} outputs, got {classes!r}"
            )
        return np.eye(p, dtype=np.int64) if is_multilabel else None
    labels = np.arange(n_classes) if classes is None else np.asarray(classes)
    if n_classes < 2 or labels.shape != (n_classes,) or len(np.unique(labels)) != n_classes:
        raise ValueError(
            f"`classes` must be {max(n_classes, 2)} different labels for {p} {net.output_name} "
            f"output{'s' * (p > 1)}, got {labels.tolist()!r}"
        )
    return labels


def _sorted(
    labels: NDArray[Any], coef: NDArray[Any], intercept: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Put outputs into the order of their sorted labels; one is left of two.

    softmax(a_0, a_1) is sigmoid(a_1 - a_0), and one sigmoid of a that of the two (0, a).
    """
    order = np.argsort(labels)
    if coef.shape[1] == 1:
        coef, intercept = (np.concatenate([0 * a, a], axis=-1) for a in (coef, intercept))
    coef, intercept = coef[:, order], intercept[order]
    if len(labels) == 2:
        coef, intercept = coef[:, 1:] - coef[:, :1], intercept[1:] - intercept[:1]
    return labels[order], coef, intercept
