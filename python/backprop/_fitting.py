"""`Network.fit`: the arguments of a training and what they mean; `backprop.training` does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from backprop.callbacks import Callback, Checkpoint, EarlyStopping
    from backprop.history import History
    from backprop.optimizers import Optimizer
    from backprop.schedules import Schedule
    from backprop.training import Run


class Fitting:
    """The training of a `Network`, which inherits from this."""

    __slots__ = ()

    def fit(
        self: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: str | Optimizer | Mapping[str, Any] = "sgd",
        lr: float | None = None,
        schedule: str | Schedule | Mapping[str, Any] = "constant",
        shuffle: bool = True,
        seed: int | None = 0,
        l1: float | Sequence[float] = 0.0,
        l2: float | Sequence[float] = 0.0,
        dropout: float | Sequence[float] = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Literal["balanced"] | Mapping[int, float] | None = None,
        validation: tuple[ArrayLike, ...] | float | None = None,
        metrics: str | Callable[..., float] | Iterable[str | Callable[..., float]] | None = None,
        early_stopping: EarlyStopping | int | bool | None = None,
        callbacks: Iterable[Callback | Callable[[Run], object]] = (),
        checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
        resume: str | os.PathLike[str] | bool | None = None,
        initial_epoch: int = 0,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> History:
        """Train in place by mini-batches.

        Parameters
        ----------
        X, y : array_like
            As for `loss`; converted once where they need it. Or, with ``y`` left out, an iterable
            of batches (X, y) or (X, y, sample_weight) that is read anew for every epoch, or a
            function that returns one.
        epochs : int
            Passes over the examples.
        batch_size : int
            Examples a step; the last batch of an epoch may be smaller.
        optimizer : str or object of `backprop.optimizers`
            "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion", or
            "lbfgs", for which an epoch is an iteration over all examples.
        lr : float, optional
            The learning rate; by default the optimizer's own, 0.1 for "sgd", 0.001 for "adam".
        schedule : str or object of `backprop.schedules`
            How it changes: "constant", "step", "exponential", "cosine", "inverse_scaling",
            "one_cycle", "reduce_on_plateau".
        shuffle : bool
            Whether each epoch visits the examples in an order of its own.
        seed : int or None
            Of that order, which depends on (seed, epoch) alone, of dropout and of the split for
            ``validation``; None draws a new one.
        l1, l2 : float or list of L floats
            l1 Σ|W_k| + ½ l2 ‖W_k‖² is added to the loss of every batch, for each layer k; biases
            bear no penalty.
        dropout : float or list of L - 1 floats
            The share of a hidden layer's activations that is zeroed in a step, 0 or more and below
            1; the others are divided by 1 - dropout.
        clip_norm, clip_value : float, optional
            Gradients longer than ``clip_norm`` are scaled to it, entries beyond ±``clip_value`` cut
            to it, the value before the norm.
        max_norm : float, optional
            After each step rows of W_k longer than this are scaled to it.
        sample_weight : array_like (m,), optional
            How much each example counts; every batch divides by the sum of its weights.
        class_weight : dict or "balanced", optional
            A factor for the examples of each class, 1 where there is none; "balanced" gives all
            classes the same sum.
        validation : (X, y), (X, y, sample_weight) or float, optional
            Data to compute the loss and the metrics of after each epoch; or the share of the
            examples to hold out for it, of each class where there are classes. X is not copied.
        metrics : str, callable or list of them, optional
            "accuracy", "top_K", "f1", "log_loss", "r2", "mae", "mse", or functions of (Y_hat, y),
            computed of the validation data, else of those trained on; by default the accuracy of
            validation data where there are classes.
        early_stopping : EarlyStopping, int or bool, optional
            Stop when a quantity has not improved for as many epochs, and restore the best weights.
        callbacks : iterable of Callback or callable
            See `Callback`; a function is called after every epoch with the `Run`, whose ``epoch``
            (from 1), ``epochs``, ``history`` and ``network`` tell how it goes, and whose ``stop =
            True`` ends it.
        checkpoint : Checkpoint or path, optional
            Where to save the training while it runs.
        resume : path or bool, optional
            A checkpoint, or a folder of them, to continue from exactly: the other arguments must be
            those of the first call. True continues ``checkpoint`` if there is something in it.
        initial_epoch : int
            Where to begin to count, for orders and schedules; ``epochs`` is where to end.
        threads : int, optional
            As for `set_num_threads`, during this training.
        progress : bool, optional
            Whether to show a progress bar in a terminal or notebook; by default once it has taken a
            second.

        Returns
        -------
        History
            ``history["loss"]``, ``history["val_loss"]``, ...: one value an epoch. A "loss" has its
            penalties, a "val_loss" has none.

        Raises
        ------
        TypeError, ValueError
            For a bad argument; nothing is changed.
        DivergenceError
            If a loss or a weight becomes NaN or infinite; the weights are then those of the last
            good epoch.
        ImportError
            If the optimizer is "lbfgs" and SciPy is missing.
        OSError
            If a checkpoint cannot be written or read.
        KeyboardInterrupt
            On Ctrl-C, between two batches; the steps taken so far are kept.
        """
        from backprop.training import fit

        settings = {name: value for name, value in locals().items() if name not in ("self", "fit")}
        return fit(self, **settings)
