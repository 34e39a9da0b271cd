"""A `Trace` that shows itself: as text, as a table of rich's, as HTML in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backprop.core import trace as core
from backprop.core.trace import Layer

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Layer", "Trace", "shown"]


class Trace(core.Trace):
    """What `Network.trace` returns: ``t[k]`` is layer k, k = 0..L; ``t[0].H`` is X.

    Attributes
    ----------
    loss : float
        The mean loss of the batch.
    Y_hat : ndarray (m, p)
        The output, H_L.
    activations : tuple of str
        The names of g_1 .. g_{L-1} and of O.
    loss_name : str
    smoothed, weighted : bool
        Whether the loss smooths its labels, and whether the examples have weights.

    Its str and its notebook view show every array with its equation, large ones in short;
    ``rich.print(trace)`` draws a table.
    """

    def __str__(self) -> str:
        from backprop.look._trace_text import text

        return text(self)

    def __rich__(self) -> Table:
        from backprop.look._trace_text import rich_table

        return rich_table(self)

    def _repr_html_(self) -> str:
        from backprop.look._trace_html import html

        return html(self)


def shown(trace: core.Trace) -> Trace:
    """Return the same arrays as a trace that shows itself."""
    view = Trace.__new__(Trace)
    vars(view).update(vars(trace))
    return view
