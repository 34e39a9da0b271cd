"""What is trained on and what is held out, from the arguments of `Network.fit`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.network import Network
from backprop.training._data import ArrayData, Batch, BatchData, Data, checked_arrays
from backprop.training._watch import Evaluation
from backprop.training._weights import example_weights


class Inputs:
    """The data of a training and what is evaluated after each epoch.

    Raises
    ------
    TypeError, ValueError
        For data, weights, held-out data or metrics of a wrong kind, shape or value.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        y: Any,
        *,
        sample_weight: Any,
        class_weight: Any,
        validation: Any,
        metrics: Any,
        batch_size: int,
        seed: int,
    ) -> None:
        self.data: Data
        self._share = None
        self._class_weight = class_weight
        if y is None:
            self.data, held_out = _batches(network, X, sample_weight, class_weight), None
            if isinstance(validation, float | int):
                raise ValueError(
                    "`validation` must be a pair (X, y) where the data are an iterable of batches, "
                    f"got {validation!r}"
                )
        else:
            X, y = checked_arrays(network, X, y)
            weight = network._weights(sample_weight)
            if class_weight is not None or _is_share(validation):
                # Every complaint about shapes and values, before they index anything.
                network._core.loss(X, y, False, weight)
            rows = None
            if _is_share(validation):
                self._share = float(validation)
                rows, held = _split(network, y, validation, seed)
                # Held-out rows are few; those to train on stay where they lie.
                held_out = Batch(X[held], y[held], None if weight is None else weight[held])
                if held_out.total_weight == 0:
                    raise ValueError(
                        "`sample_weight` must weigh at least one held-out example, got only zeros"
                    )
                validation = None
            else:
                held_out = None
            weight = example_weights(network, y, weight, class_weight, rows)
            self.data = ArrayData(X, y, weight, rows, batch_size)
        if validation is not None:
            held_out = _checked_validation(network, validation)
        self.evaluation = _evaluation(network, self.data, held_out, metrics)

    def described(self) -> dict[str, Any]:
        """Return what a resumed training must have in common, as JSON has it."""
        class_weight = self._class_weight
        if class_weight is not None and not isinstance(class_weight, str):
            class_weight = {str(int(k)): float(w) for k, w in sorted(class_weight.items())}
        return {
            "validation": self._share,
            "n_examples": self.data.n_examples if isinstance(self.data, ArrayData) else None,
            "class_weight": class_weight,
        }


def _evaluation(network: Network, data: Data, held_out: Batch | None, metrics: Any) -> Evaluation:
    if held_out is not None:
        return Evaluation(network, held_out, metrics, held_out=True)
    trained = data.trained_on() if isinstance(data, ArrayData) else None
    return Evaluation(network, trained, metrics, held_out=False)


def _batches(network: Network, X: Any, sample_weight: Any, class_weight: Any) -> BatchData:
    for name, value in (("sample_weight", sample_weight), ("class_weight", class_weight)):
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out where `X` is an iterable of batches: let it yield "
                "(X, y, sample_weight)"
            )
    return BatchData(network, X)


def _is_share(validation: Any) -> bool:
    return isinstance(validation, float | int | np.number) and not isinstance(validation, bool)


def _split(
    network: Network, y: NDArray[Any], share: Any, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to train on and those held out, each class in its share."""
    from backprop.data import split_indices  # with readers of files that only this needs

    if not 0 < share < 1:
        raise ValueError(
            f"`validation` must be a share between 0 and 1, or a pair (X, y), got {share!r}"
        )
    targets = y
    if network.output_name == "softmax" and y.ndim == 2:
        targets = y.argmax(axis=1)
    elif network.output_name == "sigmoid" and network.layer_sizes[-1] == 1:
        targets = y.reshape(-1) > 0.5
    stratify = network.output_name == "softmax" or targets is not y
    try:
        return split_indices(targets, float(share), stratify=stratify, seed=seed)
    except ValueError as error:
        raise ValueError(
            f"`validation` must leave both parts some of the {len(y)} examples, got {share!r}"
        ) from error


def _checked_validation(network: Network, validation: Any) -> Batch:
    """Return (X, y) or (X, y, sample_weight) as the core takes them."""
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        raise TypeError(
            f"`validation` must be a pair (X, y) or a share, got {type(validation).__name__}"
            + (f" of {len(validation)}" if isinstance(validation, tuple | list) else "")
        )
    X, y = validation[:2]
    weight = validation[2] if len(validation) == 3 else None
    try:
        network.loss(X, y, sample_weight=weight)
        return Batch(*network._batch(X, y), network._weights(weight))
    except (TypeError, ValueError) as error:
        raise type(error)(f"in `validation`: {error}") from error
