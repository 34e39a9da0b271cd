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
    from backprop import optimizers, schedules
    from backprop.callbacks import Callback, Checkpoint, EarlyStopping
    from backprop.interchange import from_sklearn, from_torch

__all__ = [
    "Callback",
    "Checkpoint",
    "DivergenceError",
    "EarlyStopping",
    "History",
    "Network",
    "__version__",
    "check_gradients",
    "from_sklearn",
    "from_torch",
    "get_num_threads",
    "info",
    "load",
    "optimizers",
    "schedules",
    "set_num_threads",
    "threads",
]

# Imported when they are first asked for: dataclasses take longer than the rest of the package.
_LATER = {
    "Callback": "callbacks",
    "Checkpoint": "callbacks",
    "EarlyStopping": "callbacks",
    "from_sklearn": "interchange",
    "from_torch": "interchange",
    "optimizers": "",
    "schedules": "",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_LATER[name] or name}")
    return getattr(module, name) if _LATER[name] else module


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
