"""A `Trace` as HTML for a notebook, its equations in MathML; no style sheet, any background."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backprop.look._trace_rows import Row, backward_rows, forward_rows, is_small, number, statistics
from backprop.look._trace_text import title

if TYPE_CHECKING:
    from backprop.core.trace import Trace

# A token is a symbol such as ∇W_12ᵀ, relu' or Ŷ, or else one character, an operator.
_TOKEN = re.compile(r"(∇?)([^\W\d_]\w*?|1)(?:_(\d+))?(ᵀ|')?(?=\W|$)|(\S)")
_CELL = 'style="text-align:right;padding:0 .4em;border:none"'
_LEFT = 'style="text-align:left;vertical-align:top"'


def html(trace: Trace) -> str:
    """Return a table of the forward and the backward pass."""
    body = "".join(
        f"<tr><th colspan='3' {_LEFT}>{name}</th></tr>{_rows(rows)}"
        for name, rows in (("forward", forward_rows(trace)), ("backward", backward_rows(trace)))
    )
    return f"<table><caption {_LEFT}>{escape(title(trace))}</caption>{body}</table>"


def mathml(equation: str) -> str:
    """Return an equation such as "∇A_1 = ∇H_1 ⊙ relu'(A_1)" in MathML."""
    return (
        f"<math>{''.join(_symbol(*match.groups('')) for match in _TOKEN.finditer(equation))}</math>"
    )


def _symbol(nabla: str, name: str, index: str, mark: str, operator: str) -> str:
    if operator:
        return f"<mo>{escape(operator)}</mo>"
    tag = "mn" if name == "1" else "mi"
    symbol = f"<{tag}>{escape(name)}</{tag}>"
    below = f"<mn>{index}</mn>"
    above = {"ᵀ": "<mi>T</mi>", "'": "<mo>′</mo>", "": ""}[mark]
    if index and above:
        symbol = f"<msubsup>{symbol}{below}{above}</msubsup>"
    elif index:
        symbol = f"<msub>{symbol}{below}</msub>"
    elif above:
        symbol = f"<msup>{symbol}{above}</msup>"
    return f"<mo>{nabla}</mo>{symbol}" if nabla else symbol


def _rows(rows: Iterable[Row]) -> str:
    return "".join(
        f"<tr><td {_LEFT}>{mathml(row.equation)}</td>"
        f"<td {_LEFT}>{escape(str(row.array.shape))}</td>"
        f"<td {_LEFT}>{_values(row.array)}</td></tr>"
        for row in rows
    )


def _values(array: NDArray[Any]) -> str:
    if not is_small(array):
        return f"<code style='white-space:pre'>{escape(str(statistics(array)))}</code>"
    cells = (
        "".join(f"<td {_CELL}>{number(value)}</td>" for value in row)
        for row in np.atleast_2d(array).tolist()
    )
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
