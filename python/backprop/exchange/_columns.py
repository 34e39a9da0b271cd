"""What an encoder learned of each column, and what a network's answer means, for other programs.

The formats are in `_table_onnx` and `_table_c`. Both compute the features in float64 and round them
once, as `Encoder.transform` does.
"""

from __future__ import annotations

from typing import NamedTuple

from backprop.core.network import Core
from backprop.tables import Encoder
from backprop.tables.spelling import Spelling, n_places, spelling

# A date farther from 1970 than this many seconds, some 285 000 years, is as far as this: its
# microseconds would not fit into 64 bits.
FARTHEST = 9e12
# What is beyond this many quartile ranges is 3 in every digit.
FAR = 1e8
DAY = 86_400_000_000
# The calendar counts the days from 1 March of a year before any date; years then end with the leap
# day, and 400 of them have the same number of days always.
DAYS_BEFORE_1970 = 719_468 + 1000 * 146_097


class Column(NamedTuple):
    """One column: where its features are among all of them, and how they come about.

    The last of its features is the indicator of missing ones where it has one.
    """

    name: str
    kind: str
    first: int
    width: int
    has_missing: bool
    median: float
    factor: float
    timed: bool
    spelling: Spelling | None


class Plan(NamedTuple):
    """The columns of a network, and the classes, or the scale of a quantity, that it answers in."""

    columns: list[Column]
    n_features: int
    target: str
    classes: tuple[str, ...]
    mean: float
    deviation: float

    def of(self, kind: str) -> list[Column]:
        """Return the columns of a kind."""
        return [column for column in self.columns if column.kind == kind]


def plan(network: Core, encoder: Encoder) -> Plan:
    """Return what a network and its encoder compute, after a check that they belong together.

    Raises
    ------
    TypeError, ValueError
        If they do not, or the encoder has not been fitted.
    """
    if not isinstance(encoder, Encoder):
        raise TypeError(
            f"`encoder` must be a backprop.tables.Encoder, got {type(encoder).__name__}"
        )
    if not isinstance(network, Core):
        raise TypeError(f"`network` must be a Network, got {type(network).__name__}")
    state, arrays = encoder.to_state()
    columns, first = [], 0
    for one, median, factor in zip(
        state["columns"], arrays["medians"].tolist(), arrays["factors"].tolist(), strict=True
    ):
        kind = one["kind"]
        if kind == "category":
            width = n_places(one)
        else:
            width = (9 if one["timed"] else 7) if kind == "date" else 1
            width += one["has_missing"]
        column = Column(
            one["name"] or "(no name)", kind, first, width, one["has_missing"], median, factor,
            one["timed"], spelling(one) if kind == "category" else None,
        )  # fmt: skip
        columns.append(column)
        first += width
    n, p = network.layer_sizes[0], network.layer_sizes[-1]
    if n != first:
        raise ValueError(
            f"`network` must take the {first} features that the encoder gives, got one of {n}"
        )
    classes = encoder.classes
    if encoder.task == "classification":
        two = network.output_name == "sigmoid" and (p, len(classes)) == (1, 2)
        if not two and (network.output_name, p) != ("softmax", len(classes)):
            raise ValueError(
                f"`network` must have a softmax of the {len(classes)} classes, got "
                f"{p} outputs of {network.output_name}"
            )
    elif encoder.task == "regression":
        if p != 1 or network.output_name == "softmax":
            raise ValueError(
                f"`network` must have one output for the quantity {encoder.target!r}, got {p} of "
                f"{network.output_name}"
            )
    else:
        raise ValueError("`encoder` must have been fitted to a table with a target")
    mean, deviation = encoder.target_scale
    return Plan(columns, first, encoder.target or "target", classes, mean, deviation)
