"""Training of a network: its settings and data, the loop, what is watched, checkpoints."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from backprop.core.network import Core
from backprop.training._arguments import Course, checked_callbacks
from backprop.training._inputs import Inputs, Sources
from backprop.training._lbfgs import Objective, scipy_options
from backprop.training._run import Training
from backprop.training._settings import Settings
from backprop.training.callbacks import Run
from backprop.training.history import History
from backprop.training.losses import CustomLoss
from backprop.training.trainer import Trainer
from backprop.training.updater import Snapshot, Updater

__all__ = [
    "CustomLoss",
    "Objective",
    "Run",
    "Snapshot",
    "Trainer",
    "Updater",
    "arguments",
    "checked_callbacks",
    "fit",
    "scipy_options",
]


def arguments() -> list[str]:
    """Return the names of all arguments of `fit`, in no order of meaning."""
    kinds = (Sources, Settings, Course)
    return [f.name for kind in kinds for f in fields(kind) if f.name != "updater"]


def fit(network: Core, given: Mapping[str, Any]) -> History:
    """Train a network; ``given`` has every argument of `Network.fit` by its name."""
    settings = Settings.checked(network, given)
    if settings.full_batch and given["y"] is None:
        raise ValueError("`y` must be given for L-BFGS, which takes all of `X` at once, got None")
    sources = Sources(**{f.name: given[f.name] for f in fields(Sources)})
    inputs = Inputs(
        network,
        sources,
        batch_size=settings.batch_size,
        seed=settings.seed,
        loss=settings.loss,
    )
    return Training(network, settings, inputs, Course.checked(given)).train()
