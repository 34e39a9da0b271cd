"""Backpropagation for fully-connected networks: a compiled core, NumPy without copies.

>>> import backprop as bp
>>> net = bp.Network([64, 100, 10], hidden="relu", output="softmax", seed=0)
>>> history = net.fit(X, y, epochs=20, batch_size=32, lr=0.1)
>>> net.predict(X).argmax(axis=1)

`Network` is the way in; `check_gradients` proves its gradients; `backprop.reference` states the
same equations in plain Python.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from backprop import _addresses
from backprop.core.errors import DivergenceError
from backprop.core.runtime import __version__, get_num_threads, info, set_num_threads, threads
from backprop.network import Network

if TYPE_CHECKING:
    # The public modules as attributes, which `__getattr__` imports when they are first asked for.
    from backprop import data as data
    from backprop import interchange as interchange
    from backprop import io as io
    from backprop import model as model
    from backprop import reference as reference
    from backprop import sklearn as sklearn
    from backprop import tables as tables
    from backprop import training as training
    from backprop.core import errors as errors
    from backprop.core import gradients as gradients
    from backprop.core import initializers as initializers
    from backprop.core import runtime as runtime
    from backprop.core import threadpool as threadpool
    from backprop.interchange import from_sklearn, from_torch
    from backprop.io import load
    from backprop.look import account as account
    from backprop.look import diagnose as diagnose
    from backprop.look import explain as explain
    from backprop.look import gradcheck as gradcheck
    from backprop.look import play as play
    from backprop.look import plots as plots
    from backprop.look import trace as trace
    from backprop.look.gradcheck import check_gradients
    from backprop.model import TableModel
    from backprop.training import callbacks as callbacks
    from backprop.training import history as history
    from backprop.training import metrics as metrics
    from backprop.training import optimizers as optimizers
    from backprop.training import schedules as schedules
    from backprop.training.callbacks import Callback, Checkpoint, EarlyStopping
    from backprop.training.history import History

__all__ = [
    "Callback",
    "Checkpoint",
    "DivergenceError",
    "EarlyStopping",
    "History",
    "Network",
    "TableModel",
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

# What few programs need; importing all of it would take longer than the rest of the package.
_LATER = {
    "Callback": "training.callbacks",
    "Checkpoint": "training.callbacks",
    "EarlyStopping": "training.callbacks",
    "History": "training.history",
    "TableModel": "model",
    "check_gradients": "look.gradcheck",
    "from_sklearn": "interchange",
    "from_torch": "interchange",
    "load": "io",
}

_addresses.install()


def __getattr__(name: str) -> _Any:
    if name in _addresses.PUBLIC:
        return _import_module(f"{__name__}.{name}")
    if name in _LATER:
        return getattr(_import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_addresses.PUBLIC})
