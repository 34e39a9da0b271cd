"""The first array, in the order of computation, on which two passes disagree.

Every equation of 5.2 takes arrays that came before it. What is first to be wrong was therefore made
of right ones, by a wrong equation; what is wrong after it may only have inherited it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from backprop.core.gradients import Gradients
    from backprop.core.trace import Trace
    from backprop.reference import Gradients as Stated


class WrongArray(NamedTuple):
    """The first array on which engine and reference disagree.

    Attributes
    ----------
    name : str
        As attributes of a trace are called: "grad_A_2".
    layer : int
        1..L.
    equation : str
        What makes it of arrays that agree (note 5.2).
    where : tuple of int
        The entry that is farthest off.
    compiled, reference : float
        Its two values.
    """

    name: str
    layer: int
    equation: str
    where: tuple[int, ...]
    compiled: float
    reference: float

    def __str__(self) -> str:
        return (
            f"first wrong: {self.name} of layer {self.layer}, made by {self.equation} of arrays "
            f"that agree; at {list(self.where)} the core has {self.compiled:.6g}, the reference "
            f"{self.reference:.6g}"
        )


def first_wrong(
    trace: Trace,
    gradients: Gradients,
    forward: tuple[list[Any], list[Any]],
    stated: Stated,
    tolerance: float,
) -> WrongArray | None:
    """Return the first disagreement, or None.

    Parameters
    ----------
    trace, gradients
        Of the compiled core.
    forward, stated
        What the reference's forward pass and its gradients are.
    tolerance : float
        Of the relative norm ||a - a'|| / (||a|| + ||a'||).
    """
    for name, layer, equation, compiled, expected in _in_order(trace, gradients, *forward, stated):
        difference = np.abs(compiled - expected)
        size = np.linalg.norm(compiled) + np.linalg.norm(expected)
        # The comparison is written so that it fails for a NaN.
        if not np.linalg.norm(difference) <= tolerance * size:
            where = np.unravel_index(difference.argmax(), difference.shape)
            position = tuple(int(i) for i in where)
            values = float(compiled[position]), float(expected[position])
            return WrongArray(f"{name}_{layer}", layer, equation, position, *values)
    return None


def _in_order(
    trace: Trace, gradients: Gradients, A: list[Any], H: list[Any], stated: Stated
) -> Iterator[tuple[str, int, str, NDArray[Any], NDArray[Any]]]:
    """Yield name, layer, equation, and the array of the core and of the reference."""
    L = len(trace) - 1
    g = trace.activations
    rows: list[tuple[str, int, str, NDArray[Any], Any]] = []
    for k in range(1, L + 1):
        rows += [
            ("A", k, f"A_{k} = W_{k} H_{k - 1} + b_{k}", trace[k].A, A[k - 1]),
            ("H", k, f"H_{k} = {g[k - 1]}(A_{k})", trace[k].H, H[k]),
        ]
    for k in range(L, 0, -1):
        if k < L:
            made = f"∇H_{k} = W_{k + 1}ᵀ ∇A_{k + 1}"
            rows.append(("grad_H", k, made, trace[k].grad_H, stated.grad_H[k - 1]))
        top = f"∇A_{k} of {trace.loss_name}"
        made = top if k == L else f"∇A_{k} = ∇H_{k} ⊙ {g[k - 1]}'(A_{k})"
        rows += [
            ("grad_A", k, made, trace[k].grad_A, stated.grad_A[k - 1]),
            ("grad_W", k, f"∇W_{k} = ∇A_{k} H_{k - 1}ᵀ", gradients.W[k - 1], stated.grad_W[k - 1]),
            ("grad_b", k, f"∇b_{k} = ∇A_{k} 1", gradients.b[k - 1], stated.grad_b[k - 1]),
        ]
    for name, layer, equation, compiled, expected in rows:
        yield name, layer, equation, compiled.astype(np.float64), np.array(expected)
