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
    Network32,
    Network64,
    Trainer32,
    Trainer64,
    __version__,
    activations,
    get_num_threads,
    info,
    limit_threads,
    loss_parameters,
    optimizers,
    outputs,
    set_num_threads,
    shuffle,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from backprop._backprop import _Network, _Trainer

    # `Any`, because the dtype is chosen when a network is made and is not known from the source.
    Engine: TypeAlias = _Network[Any]
    CompiledTrainer: TypeAlias = _Trainer[Any]

__all__ = [
    "NETWORKS",
    "TRAINERS",
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

# The keys are names of dtypes.
NETWORKS: "dict[str, type[Engine]]" = {"float32": Network32, "float64": Network64}
TRAINERS: "dict[str, type[CompiledTrainer]]" = {"float32": Trainer32, "float64": Trainer64}
