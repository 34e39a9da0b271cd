"""Backpropagation for fully-connected networks: a compiled core, NumPy without copies.

>>> import backprop as bp
>>> net = bp.Network([64, 100, 10], hidden="relu", output="softmax", seed=0)
>>> history = net.fit(X, y, epochs=20, batch_size=32, lr=0.1)
>>> net.predict(X).argmax(axis=1)

`Network` is the way in; `check_gradients` proves its gradients; `backprop.reference` states the
same equations in plain Python.
"""

from typing import TYPE_CHECKING, Any

# First, and for its effect: everything below needs the compiled core that it loads.
from backprop import _dispatch as _dispatch
from backprop.errors import DivergenceError
from backprop.gradcheck import check_gradients
from backprop.history import History
from backprop.io import load
from backprop.network import Network
from backprop.runtime import __version__, get_num_threads, info, set_num_threads, threads

if TYPE_CHECKING:
    from backprop.interchange import from_sklearn, from_torch

__all__ = [
    "DivergenceError",
    "History",
    "Network",
    "__version__",
    "check_gradients",
    "from_sklearn",
    "from_torch",
    "get_num_threads",
    "info",
    "load",
    "set_num_threads",
    "threads",
]


def __getattr__(name: str) -> Any:
    """Import what few programs need when it is asked for."""
    if name in ("from_sklearn", "from_torch"):
        from backprop import interchange

        return getattr(interchange, name)
    raise AttributeError(f"module 'backprop' has no attribute {name!r}")
