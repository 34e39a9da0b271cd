"""The sizes and names that must fit together, and the errors when they do not."""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from .activations import ACTIVATIONS, Activation
from .lists import Matrix, Vector
from .losses import LOSSES, OUTPUTS, Loss, Output

Entry = TypeVar("Entry")


def layer_sizes(W: list[Matrix], b: list[Vector]) -> list[int]:
    """Return n_0 … n_L of the parameters.

    Raises
    ------
    TypeError
        If ``W`` or ``b`` is not made of lists.
    ValueError
        If their sizes do not fit together.
    """
    check_list(W, "`W`", "a list of matrices, one a layer")
    check_list(b, "`b`", "a list of vectors, one a layer")
    if not W:
        raise ValueError("`W` must have at least one matrix, got an empty list")
    if len(b) != len(W):
        raise ValueError(f"`b` must have {len(W)} vectors, one for each of `W`, got {len(b)}")
    sizes: list[int] = []
    for k, (W_k, b_k) in enumerate(zip(W, b, strict=True), start=1):
        name = f"`W_{k}`"
        check_rows(W_k, name)
        if not W_k or not W_k[0]:
            raise ValueError(f"{name} must have at least one row and one column, got none")
        if not sizes:
            sizes.append(len(W_k[0]))
        below = f"the {sizes[-1]} rows of `W_{k - 1}`" if k > 1 else "its first row"
        check_columns(W_k, name, sizes[-1], below)
        check_list(b_k, f"`b_{k}`", "a list of numbers")
        if len(b_k) != len(W_k):
            raise ValueError(
                f"`b_{k}` must have {len(W_k)} numbers to match the rows of {name}, got {len(b_k)}"
            )
        sizes.append(len(W_k))
    return sizes


def check_examples(X: Matrix, W_1: Matrix) -> None:
    """Refuse an ``X`` that is not one row or more of as many features as ``W_1`` takes.

    Raises
    ------
    TypeError
        If ``X`` is not a list of lists.
    ValueError
        If it is empty or a row has another length.
    """
    check_rows(X, "`X`")
    if not X:
        raise ValueError("`X` must have at least one row, got an empty list")
    check_columns(X, "`X`", len(W_1[0]), f"`W_1` ({len(W_1)}, {len(W_1[0])})")


def check_labels(y: Any, n_examples: int) -> None:
    """Refuse a ``y`` that is not a list of one target for each example."""
    check_list(y, "`y`", "a list of one target for each row of `X`")
    if len(y) != n_examples:
        raise ValueError(
            f"`y` must have {n_examples} targets, one for each row of `X`, got {len(y)}"
        )


def check_columns(rows: Matrix, name: str, n_columns: int, match: str) -> None:
    """Refuse rows of any other length than ``n_columns``."""
    for i, row in enumerate(rows):
        if len(row) != n_columns:
            raise ValueError(
                f"{name} must have {n_columns} columns to match {match}, got {len(row)} in row {i}"
            )


def check_rows(rows: Any, name: str) -> None:
    """Refuse what is not a list of lists."""
    check_list(rows, name, "a list of rows")
    for i, row in enumerate(rows):
        check_list(row, f"row {i} of {name}", "a list of numbers")


def check_list(value: Any, name: str, kind: str) -> None:
    """Refuse what is neither a list nor a tuple, an array above all."""
    if not isinstance(value, list | tuple):
        remedy = ": pass its .tolist()" if hasattr(value, "tolist") else ""
        raise TypeError(f"{name} must be {kind}, got {type(value).__name__}{remedy}")


def check_integer(value: Any, name: str, at_least: int) -> None:
    """Refuse what is not an integer of ``at_least`` or more."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be an integer, got {type(value).__name__}")
    if value < at_least:
        raise ValueError(f"`{name}` must be {at_least} or more, got {value}")


def check_positive(value: Any, name: str) -> None:
    """Refuse what is not a positive finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a number, got {type(value).__name__}")
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"`{name}` must be positive and finite, got {value}")


def check_sample_weight(sample_weight: Any, n_examples: int) -> None:
    """Refuse weights that are not one number of 0 or more for each example, or are all 0."""
    if sample_weight is None:
        return
    check_list(sample_weight, "`sample_weight`", "a list of numbers, one for each row of `X`")
    if len(sample_weight) != n_examples:
        raise ValueError(
            f"`sample_weight` must have {n_examples} numbers, one for each row of `X`, "
            f"got {len(sample_weight)}"
        )
    for i, weight in enumerate(sample_weight):
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"`sample_weight[{i}]` must be finite and 0 or more, got {weight}")
    if not any(sample_weight):
        raise ValueError("`sample_weight` must have a number above 0, got all zeros")


def check_strengths(*, n_layers: int, **strengths: Any) -> None:
    """Refuse penalties that are not a number of 0 or more, or a list of one for each layer."""
    for name, strength in strengths.items():
        values = strength if isinstance(strength, list) else [strength] * n_layers
        if len(values) != n_layers:
            raise ValueError(
                f"`{name}` must be a number or a list of {n_layers}, one a layer, got {len(values)}"
            )
        for value in values:
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"`{name}` must be finite and 0 or more, got {value}")


def check_masks(masks: Any, sizes: list[list[int]]) -> None:
    """Refuse masks that are not one matrix of the size of each hidden H_k."""
    if masks is None:
        return
    check_list(masks, "`masks`", "a list of matrices, one a hidden layer")
    got = [[len(M), len(M[0])] for M in masks]
    if got != sizes:
        raise ValueError(f"`masks` must have the sizes {sizes} of the hidden layers, got {got}")


def hidden_activations(hidden: Any, n_layers: int) -> list[Activation]:
    """Return the activations of layers 1 … L-1.

    Raises
    ------
    TypeError
        If ``hidden`` is not made of names (or of `Activation` entries).
    ValueError
        If a name is unknown or their number is not ``n_layers - 1``.
    """
    if isinstance(hidden, str | Activation):
        return [entry(hidden, Activation, ACTIVATIONS, "hidden")] * (n_layers - 1)
    check_list(hidden, "`hidden`", "a name or a list of names")
    if len(hidden) != n_layers - 1:
        raise ValueError(
            f"`hidden` must have {n_layers - 1} names to match {n_layers} layers, got {len(hidden)}"
        )
    return [entry(name, Activation, ACTIVATIONS, "hidden") for name in hidden]


def output_activation(output: Any) -> Output:
    """Return the output activation of a name.

    Raises
    ------
    TypeError
        If ``output`` is not a name (or an `Output` entry).
    ValueError
        If the name is unknown.
    """
    return entry(output, Output, OUTPUTS, "output")


def matched_loss(output: Any, loss: Any) -> Loss:
    """Return the loss of a name for an output of a name.

    Raises
    ------
    TypeError
        If ``loss`` is not a name (or a `Loss` entry).
    ValueError
        If a name is unknown, or the two are no matched pair.
    """
    if isinstance(loss, Loss):
        return loss
    output_activation(output)
    entry(loss, Loss, {name: ell for (_, name), ell in LOSSES.items()}, "loss")
    if (output, loss) not in LOSSES:
        matches = [repr(name) for out, name in LOSSES if out == output]
        raise ValueError(
            f"`loss` must match the output {output!r} ({', '.join(matches) or 'no loss does'}), "
            f"got {loss!r}"
        )
    return LOSSES[output, loss]


def entry(name: Any, kind: type[Entry], table: Mapping[str, Entry], argument: str) -> Entry:
    """Return the table's entry of a name, or an entry handed over as it is; see `named`."""
    return name if isinstance(name, kind) else named(name, table, argument)


def named(name: Any, table: Mapping[str, Entry], argument: str) -> Entry:
    """Return the table's entry of a name.

    Raises
    ------
    TypeError
        If it is no name.
    ValueError
        If the name is unknown; the message has the nearest known one.
    """
    if not isinstance(name, str):
        raise TypeError(f"`{argument}` must be a name, got {type(name).__name__}")
    if name not in table:
        from difflib import get_close_matches  # slow to import, and needed here only

        nearest = get_close_matches(name, table, n=1)
        hint = f": did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(
            f"`{argument}` must be one of {', '.join(sorted(table))}, got {name!r}{hint}"
        )
    return table[name]
