"""The network as the engine has it: parameters, forward, loss, gradients, trace, step.

`Core` is the class; beside it stand what is known of each name (`facts`), the conversion of data
(`inputs`), files, threads, and the compiled module itself (`engine`). Everything in the package
may import from here, and nothing here imports from another room.
"""

from backprop.core.gradients import Gradients
from backprop.core.inputs import Batch
from backprop.core.network import Core

__all__ = ["Batch", "Core", "Gradients"]
