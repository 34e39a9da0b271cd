"""The compiled core, loaded once. The package takes it from here and from nowhere else.

Its classes and functions are those of the stub ``_backprop.pyi``. The import below names them one
by one; ``from backprop import _backprop`` would be an import of the whole package from its lowest
room.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

from backprop.core import _levels

_package = sys.modules["backprop"]
_module = _levels.load(_package.__path__, os.environ.get("BACKPROP_LEVEL"))
# The import of a submodule would have done both, and `import backprop._backprop` relies on it.
sys.modules["backprop._backprop"] = _module
_package._backprop = _module  # type: ignore[attr-defined]

from backprop._backprop import (  # noqa: E402
    Data32,
    Data64,
    Network32,
    Network64,
    Trainer32,
    Trainer64,
    Updater32,
    Updater64,
    __version__,
    activations,
    get_num_threads,
    info,
    limit_threads,
    loss_parameters,
    losses_of_labels,
    optimizers,
    outputs,
    set_num_threads,
    shuffle,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from backprop._backprop import _Data, _Network, _Trainer, _Updater

    # `Any`, because the dtype is chosen when a network is made and is not known from the source.
    Engine: TypeAlias = _Network[Any]
    CompiledData: TypeAlias = _Data[Any]
    CompiledTrainer: TypeAlias = _Trainer[Any]
    CompiledUpdater: TypeAlias = _Updater[Any]

__all__ = [
    "DATA",
    "LOSSES_OF_LABELS",
    "NETWORKS",
    "TRAINERS",
    "UPDATERS",
    "__version__",
    "activations",
    "get_num_threads",
    "info",
    "limit_threads",
    "loss_parameters",
    "optimizers",
    "outputs",
    "set_num_threads",
    "shuffle",
]

# The losses that take class labels (m,).
LOSSES_OF_LABELS = frozenset(losses_of_labels())
# The keys are names of dtypes.
NETWORKS: "dict[str, type[Engine]]" = {"float32": Network32, "float64": Network64}
DATA: "dict[str, type[CompiledData]]" = {"float32": Data32, "float64": Data64}
UPDATERS: "dict[str, type[CompiledUpdater]]" = {"float32": Updater32, "float64": Updater64}
TRAINERS: "dict[str, type[CompiledTrainer]]" = {"float32": Trainer32, "float64": Trainer64}
