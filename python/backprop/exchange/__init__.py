"""Networks to and from other programs; each format has a private module, which this one opens.

What leads in builds a network of the class it is given, so that this room needs no `Network`.
Nothing of another package is imported before it is needed.
"""

from backprop.exchange._c import to_c
from backprop.exchange._fold import fold
from backprop.exchange._onnx import to_onnx
from backprop.exchange._sklearn import from_sklearn, to_sklearn
from backprop.exchange._table_c import table_to_c
from backprop.exchange._table_onnx import table_to_onnx
from backprop.exchange._torch import from_torch, to_state_dict, to_torch

__all__ = [
    "fold",
    "from_sklearn",
    "from_torch",
    "table_to_c",
    "table_to_onnx",
    "to_c",
    "to_onnx",
    "to_sklearn",
    "to_state_dict",
    "to_torch",
]
