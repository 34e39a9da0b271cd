"""An ONNX graph, still without the ``onnx`` package: nodes, and the arrays they use."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Node(NamedTuple):
    """One operator: its type, the names it reads, the name it writes, its attributes."""

    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


class Graph:
    """Nodes in the order of computation, with the numbers and arrays that they read.

    Parameters
    ----------
    dtype : dtype
        Of the numbers.
    prefix : str
        What the names it makes up begin with.
    """

    def __init__(self, dtype: np.dtype[Any], prefix: str = "") -> None:
        self.dtype = dtype
        self._prefix = prefix
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, op: str, *operands: str | float, **attributes: Any) -> str:
        """Append a node on names and numbers; returns the name of its result."""
        inputs = tuple(x if isinstance(x, str) else self._number(x) for x in operands)
        output = f"{self._prefix}{op}_{len(self.nodes)}"
        self.nodes.append(Node(op, inputs, output, attributes))
        return output

    def name(self, result: str) -> str:
        """Rename the result of the last node."""
        self.nodes[-1] = self.nodes[-1]._replace(output=result)
        return result

    def array(self, array: NDArray[Any]) -> str:
        """Return a name for an array of any type, strings as objects among them."""
        name = f"{self._prefix}array_{len(self.constants)}"
        self.constants[name] = array
        return name

    def _number(self, value: float) -> str:
        name = f"{self._prefix}number_{value!r}"
        self.constants[name] = np.array(value, self.dtype)
        return name
