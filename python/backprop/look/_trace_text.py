"""A `Trace` as plain text, and as a table of rich's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backprop.look._trace_rows import Row, backward_rows, forward_rows, is_small, number, statistics

if TYPE_CHECKING:
    from rich.table import Table

    from backprop.core.trace import Trace

_EQUATION, _SHAPE = 28, 12


def title(trace: Trace) -> str:
    """Return the line above the table."""
    m = len(trace[0].H)
    sizes = "-".join(str(layer.H.shape[1]) for layer in trace)
    return (
        f"{m} example{'s' if m > 1 else ''} through {sizes}, loss {trace.loss:.6g}; rows are "
        "examples, the transpose of the note's matrices"
    )


def text(trace: Trace) -> str:
    """Return every array with its equation and shape."""
    lines = [title(trace), "", "forward"]
    lines += _lines(forward_rows(trace))
    lines += ["", "backward"]
    lines += _lines(backward_rows(trace))
    return "\n".join(lines)


def _lines(rows: Iterable[Row]) -> list[str]:
    lines = []
    for row in rows:
        first, *rest = values(row.array)
        head = f"  {row.equation:<{_EQUATION}} {row.array.shape!s:<{_SHAPE}} "
        lines.append(head + first)
        lines += [" " * len(head) + line for line in rest]
    return lines


def values(array: NDArray[Any]) -> list[str]:
    """Return the numbers of a small array, row by row in columns, or a large one in short."""
    if not is_small(array):
        return [str(statistics(array))]
    texts = [[number(value) for value in row] for row in np.atleast_2d(array).tolist()]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [" ".join(t.rjust(w) for t, w in zip(row, widths, strict=True)) for row in texts]


def rich_table(trace: Trace) -> Table:
    """Return a table for rich's `print`."""
    from rich.table import Table
    from rich.text import Text

    table = Table("equation", "shape", "values", title=title(trace))
    for name, rows in (("forward", forward_rows(trace)), ("backward", backward_rows(trace))):
        table.add_section()
        table.add_row(Text(name, style="bold"))
        for row in rows:
            cells = row.equation, str(row.array.shape), "\n".join(values(row.array))
            # The cells are `Text`, in which rich does not take brackets for markup.
            table.add_row(*(Text(cell) for cell in cells))
    return table
