"""How the training of an estimator goes, as callbacks see it."""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop.core.checks import flag
from backprop.network import Network
from backprop.training import checked_callbacks
from backprop.training.callbacks import Callback


class Progress:
    """How a training goes; the part of `backprop.training.Run` that has no batches.

    Attributes
    ----------
    estimator : estimator
        In training: its ``loss_curve_``, ``coefs_`` and the rest are those of this epoch.
    stop : bool
        Set it to end training after the present epoch. Nothing else can be set.

    Raises
    ------
    TypeError, ValueError
        If a callback is no callable and no `Callback`, or has a hook for batches.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self._stop = False
        # Whether the training itself has begun, before which `fit` may still be refused.
        self._has_begun = False
        self._callbacks: list[Any] = checked_callbacks(estimator.callbacks or ())
        for callback in self._callbacks:
            for hook in ("on_batch_begin", "on_batch_end"):
                if getattr(type(callback), hook) is not getattr(Callback, hook):
                    raise ValueError(
                        f"`callbacks` of an estimator must do without {hook}, which "
                        f"{type(callback).__name__} has; use Network.fit for it"
                    )

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name != "stop":
            raise AttributeError(
                f"`progress.{name}` must be left alone: a callback can set `progress.stop`"
            )
        super().__setattr__(name, value)

    @property
    def estimator(self) -> Any:
        """The estimator in training."""
        return self._estimator

    @property
    def stop(self) -> bool:
        """Whether to end training after the present epoch."""
        return self._stop

    @stop.setter
    def stop(self, value: Any) -> None:
        self._stop = flag("progress.stop", bool(value) if isinstance(value, np.bool_) else value)

    def begin(self) -> None:
        """Say that nothing is refused from here on."""
        self._has_begun = True

    @property
    def has_begun(self) -> bool:
        """Whether the training itself has begun."""
        return self._has_begun

    def call(self, hook: str) -> None:
        """Call a hook of every callback."""
        for callback in self._callbacks:
            getattr(callback, hook)(self)

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
