"""Networks of other programs, and networks for other programs: one private module a format.

`Network` has what leads out as methods; ``bp.from_torch`` and ``bp.from_sklearn`` lead in. Nothing
of another package is imported before it is needed.
"""

from backprop.interchange._c import to_c
from backprop.interchange._fold import fold
from backprop.interchange._onnx import to_onnx
from backprop.interchange._sklearn import FromSklearn, from_sklearn, to_sklearn
from backprop.interchange._torch import from_torch, to_state_dict, to_torch

__all__ = [
    "FromSklearn",
    "fold",
    "from_sklearn",
    "from_torch",
    "to_c",
    "to_onnx",
    "to_sklearn",
    "to_state_dict",
    "to_torch",
]
