"""The public modules and where they live, for ``bp.plots`` and ``import backprop.plots`` alike.

A module has its public name, by which documents, programs and pickles know it, and its place in
one of the rooms. `Finder` answers an import of the public name with the module of the room itself:
there is one object, and both names stand for it.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    # Its import takes longer than the rest of the package, and nobody asks for it.
    Loader = object

# "training" and "sklearn" are rooms with a public name of their own, "io" and "interchange" lie
# beside `Network`, whose class they return; these need no other address.
PUBLIC = {
    "account": "look.account",
    "callbacks": "training.callbacks",
    "data": "data",
    "diagnose": "look.diagnose",
    "errors": "core.errors",
    "explain": "look.explain",
    "gradcheck": "look.gradcheck",
    "gradients": "core.gradients",
    "history": "training.history",
    "initializers": "core.initializers",
    "interchange": "interchange",
    "io": "io",
    "metrics": "training.metrics",
    "model": "model",
    "optimizers": "training.optimizers",
    "play": "look.play",
    "plots": "look.plots",
    "reference": "reference",
    "runtime": "core.runtime",
    "schedules": "training.schedules",
    "sklearn": "sklearn",
    "tables": "tables",
    "threadpool": "core.threadpool",
    "trace": "look.trace",
    "training": "training",
}
# Pickles of earlier versions name these modules for the classes in them.
_OF_OLD_PICKLES = {
    "_first_wrong": "look._first_wrong",
    "interchange._sklearn": "interchange",
    "interchange._torch_exp": "exchange._torch_exp",
}
_MOVED = {
    f"backprop.{name}": f"backprop.{place}"
    for name, place in {**PUBLIC, **_OF_OLD_PICKLES}.items()
    if name != place
}


class Finder:
    """Finds the modules that lie elsewhere than their names say; ``sys.meta_path`` holds it."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module of the table, None for any other."""
        place = _MOVED.get(fullname)
        return None if place is None else ModuleSpec(fullname, _Alias(place))


class _Alias(Loader):
    """Loads a module under a second name: the same object, which keeps what it says of itself."""

    def __init__(self, place: str) -> None:
        self._place = place

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self._place)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the spec of the second name there.
        module.__spec__ = self._own_spec


def install() -> None:
    """Let imports find the public names."""
    sys.meta_path.append(Finder)
