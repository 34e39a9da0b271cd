"""Training: the settings, the data, the loop, what is watched, and what is kept for later."""

from typing import Any

from backprop.history import History
from backprop.network import Network
from backprop.training._inputs import Inputs
from backprop.training._run import Run
from backprop.training._settings import checked_settings

__all__ = ["Run", "fit"]

_SHAPE_STEPS = (
    *("optimizer", "lr", "schedule", "batch_size", "shuffle", "seed", "l1", "l2"),
    *("dropout", "clip_norm", "clip_value", "max_norm"),
)
_ARE_DATA = ("X", "y", "sample_weight", "class_weight", "validation", "metrics")


def fit(network: Network, **arguments: Any) -> History:
    """Train a network; the arguments are those of `Network.fit`, all of them."""
    settings = checked_settings(network, **{name: arguments.pop(name) for name in _SHAPE_STEPS})
    if settings.full_batch and arguments["y"] is None:
        raise ValueError("`y` must be given for L-BFGS, which takes all of `X` at once, got None")
    data = {name: arguments.pop(name) for name in _ARE_DATA}
    inputs = Inputs(network, **data, batch_size=settings.batch_size, seed=settings.seed)
    return Run(network, settings, inputs, **arguments).train()
