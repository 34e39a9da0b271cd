"""The examples to train on and those held out, from the arguments of `Network.fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.inputs import Batch
from backprop.core.network import Core
from backprop.training._data import ArrayData, BatchData, Data, checked_examples
from backprop.training._watch import Evaluation
from backprop.training._weights import example_weights
from backprop.training.losses import CustomLoss


@dataclass(frozen=True)
class Sources:
    """The arguments of `Network.fit` about data, as they were given."""

    X: Any
    y: Any
    sample_weight: Any
    class_weight: Any
    validation: Any
    metrics: Any


class Inputs:
    """The data of a training and what is evaluated after each epoch.

    Raises
    ------
    TypeError, ValueError
        For data, weights, held-out data or metrics of a wrong kind, shape or value.
    """

    def __init__(
        self,
        network: Core,
        given: Sources,
        *,
        batch_size: int,
        seed: int,
        loss: CustomLoss | None = None,
    ) -> None:
        if loss is not None and given.class_weight is not None:
            raise ValueError(
                "`class_weight` must be left out with a `loss` of your own, for which the targets "
                f"need not be classes, got {given.class_weight!r}"
            )
        self._share = float(given.validation) if _is_share(given.validation) else None
        self._class_weight = given.class_weight
        self.data: Data
        held_out = None
        if given.y is None:
            self.data = _batches(network, given, loss)
        else:
            # Class weights and a stratified split index arrays by the labels, so that these have to
            # be checked before.
            fully = given.class_weight is not None or self._share is not None
            examples = checked_examples(
                network, given.X, given.y, given.sample_weight, fully=fully, loss=loss
            )
            rows = None
            if self._share is not None:
                rows, held = _split(network, examples.y, given.validation, seed, loss)
                # Held-out rows are few and copied; those to train on stay where they lie.
                held_out = examples.rows(held)
                if held_out.total_weight == 0:
                    raise ValueError(
                        "`sample_weight` must weigh at least one held-out example, got only zeros"
                    )
            weight = example_weights(network, examples.y, examples.weight, given.class_weight, rows)
            self.data = ArrayData(examples._replace(weight=weight), rows, batch_size)
        if given.validation is not None and self._share is None:
            held_out = _checked_validation(network, given.validation, loss)
        self.evaluation = _evaluation(network, self.data, held_out, given.metrics, loss)

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


def _evaluation(
    network: Core, data: Data, held_out: Batch | None, metrics: Any, loss: CustomLoss | None
) -> Evaluation:
    if held_out is not None:
        return Evaluation(network, held_out, metrics, held_out=True, loss=loss)
    trained = data.trained_on() if isinstance(data, ArrayData) else None
    return Evaluation(network, trained, metrics, held_out=False, loss=loss)


def _batches(network: Core, given: Sources, loss: CustomLoss | None) -> BatchData:
    for name in ("sample_weight", "class_weight"):
        if getattr(given, name) is not None:
            raise ValueError(
                f"`{name}` must be left out where `X` is an iterable of batches: let it yield "
                "(X, y, sample_weight)"
            )
    data = BatchData(network, given.X, loss)
    if isinstance(given.validation, float | int):
        raise ValueError(
            "`validation` must be a pair (X, y) where the data are an iterable of batches, "
            f"got {given.validation!r}"
        )
    return data


def _is_share(validation: Any) -> bool:
    return isinstance(validation, float | int | np.number) and not isinstance(validation, bool)


def _split(
    network: Core, y: NDArray[Any], share: Any, seed: int, loss: CustomLoss | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to train on and those held out, each class in its share."""
    # It is imported here because readers of files come with it.
    from backprop.data import split_indices

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
    if loss is not None:
        # Its targets need be no classes.
        targets, stratify = np.arange(len(y)), False
    try:
        return split_indices(targets, float(share), stratify=stratify, seed=seed)
    except ValueError as error:
        raise ValueError(
            f"`validation` must leave both parts some of the {len(y)} examples, got {share!r}"
        ) from error


def _checked_validation(network: Core, validation: Any, loss: CustomLoss | None) -> Batch:
    """Return (X, y) or (X, y, sample_weight) as the core takes them."""
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        raise TypeError(
            f"`validation` must be a pair (X, y) or a share, got {type(validation).__name__}"
            + (f" of {len(validation)}" if isinstance(validation, tuple | list) else "")
        )
    try:
        return checked_examples(network, *validation, fully=True, loss=loss)
    except (TypeError, ValueError) as error:
        raise type(error)(f"in `validation`: {error}") from error
