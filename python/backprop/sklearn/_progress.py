"""What callbacks are given after each epoch."""

from __future__ import annotations

from typing import Any

from backprop.network import Network


class Progress:
    """How a training goes; ``stop = True`` ends it.

    Attributes
    ----------
    estimator : estimator
        In training: its ``loss_curve_``, ``coefs_`` and the rest are those of this epoch.
    stop : bool
        Set it to end training after this epoch.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.stop = False

    @property
    def network(self) -> Network:
        """The network of the estimator."""
        net: Network = self.estimator._network
        return net

    @property
    def epoch(self) -> int:
        """The number of epochs finished in this call of ``fit``; iterations, with L-BFGS."""
        return int(self.estimator.n_iter_)

    @property
    def epochs(self) -> int:
        """How many there are at most."""
        return int(self.estimator.max_iter)

    @property
    def history(self) -> dict[str, list[float]]:
        """The curves so far: "loss", and "val_loss" and "val_score" where there is such data."""
        curves = {
            "loss": "loss_curve_",
            "val_loss": "validation_loss_curve_",
            "val_score": "validation_scores_",
        }
        found = ((name, getattr(self.estimator, curve, None)) for name, curve in curves.items())
        return {name: list(values) for name, values in found if values}


def call(callbacks: Any, estimator: Any) -> bool:
    """Call every callback; return whether one of them wants to stop."""
    progress = Progress(estimator)
    for callback in callbacks or ():
        callback(progress)
    return progress.stop


def check(callbacks: Any) -> None:
    """Refuse what cannot be called.

    Raises
    ------
    TypeError
        If one is no callable.
    """
    for callback in callbacks or ():
        if not callable(callback):
            raise TypeError(f"`callbacks` must be callable, got {callback!r}")
