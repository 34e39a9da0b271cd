"""The training loop: epochs, the quantities recorded, callbacks, and what to do on divergence.

The batches themselves run in the compiled core.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core import runtime, scales
from backprop.core.errors import DivergenceError
from backprop.core.inputs import all_finite
from backprop.core.network import Core
from backprop.training import _checkpoint, _lbfgs
from backprop.training._arguments import Course
from backprop.training._data import ArrayData
from backprop.training._epochs import Epochs, Hooks
from backprop.training._inputs import Inputs
from backprop.training._progress import Bar
from backprop.training._settings import Settings
from backprop.training._watch import Watch
from backprop.training.callbacks import Callback, Run
from backprop.training.history import History
from backprop.training.schedules import Constant, Cosine, OneCycle, Plateau, ReduceOnPlateau
from backprop.training.updater import Snapshot


class Training(Run):
    """One training of a network: the loop behind the `Run` that callbacks see."""

    def __init__(self, network: Core, settings: Settings, inputs: Inputs, course: Course) -> None:
        super().__init__(network, course.epochs, course.initial_epoch, settings.lr)
        self._settings, self._inputs, self._course = settings, inputs, course
        self._callbacks = course.callbacks
        self._has_lr = not settings.full_batch
        evaluation = inputs.evaluation
        self._stopping = course.early_stopping
        self._watch = Watch(
            self._stopping.monitor if self._stopping else None,
            self._stopping.mode if self._stopping else None,
            evaluation,
            self._stopping.min_delta if self._stopping else 0.0,
        )
        self._best_theta: NDArray[Any] | None = None
        self._plateau = Plateau(settings.lr)
        self._plateau_name = "val_loss" if "val_loss" in evaluation.names else "loss"
        checkpoint = course.checkpoint
        self._writer = None if checkpoint is None else _checkpoint.Writer(checkpoint)
        if checkpoint is not None:
            self._watch_saved = Watch(checkpoint.monitor, checkpoint.mode, evaluation)
        self._steps = (
            None
            if settings.full_batch
            else Epochs(network, settings, inputs.data, self._batch_hooks())
        )
        saved = None if course.resume is None else self._read(course.resume)
        if self._writer is not None:
            self._writer.open(resumed=course.resume is not None)
        # The network is changed only here, after everything that may be refused.
        if saved is not None:
            self._continue_from(*saved)

    def train(self) -> History:
        """Run the epochs; see `Network.fit`."""
        bar = Bar(self._course.progress, self.epochs)
        with runtime.limited(self._course.threads), bar as self._bar:
            self._call("on_train_begin")
            if not self._is_over():
                if self._steps is None:
                    self._minimise()
                else:
                    self._descend(self._steps)
                self._keep_last()
            if self._stopping and self._stopping.restore_best and self._best_theta is not None:
                np.copyto(self.network.theta, self._best_theta)
            self._call("on_train_end")
        return self.history

    def _descend(self, steps: Epochs) -> None:
        theta = self.network.theta
        # A loss is computed before its batch changes the weights. Whether the weights at the end of
        # an epoch are good shows only in the first batch of the next, so that those of the epoch
        # before are kept as well.
        older, newer = np.empty_like(theta), theta.copy()
        start = self.epoch
        while True:
            epoch = self.epoch
            rates = self._rates(epoch)
            self._call("on_epoch_begin")
            if self._set_lr is not None:
                rates = self._set_lr
            loss, failed_batch = steps.run(epoch, rates)
            if failed_batch >= 0:
                proven = epoch if failed_batch > 0 or epoch == start else epoch - 1
                np.copyto(theta, newer if proven == epoch else older)
                raise self._divergence(f"the loss became {loss}", epoch, failed_batch, proven)
            if self._end_epoch(loss):
                break
            older, newer = newer, older
            np.copyto(newer, theta)
        if not all_finite(theta):
            np.copyto(theta, newer)
            last = (self._inputs.data.n_batches or 1) - 1
            raise self._divergence("a weight became NaN or infinite", epoch, last, epoch)

    def _minimise(self) -> None:
        data = self._inputs.data
        assert isinstance(data, ArrayData)
        before = self.network.theta.copy()
        n_epochs = self.epochs - self.epoch
        self._call("on_epoch_begin")

        def end_epoch(loss: float) -> bool:
            over = self._end_epoch(loss)
            if not over:
                self._call("on_epoch_begin")
            return over

        first = _lbfgs.minimise(
            self.network, data.trained_on(), self._settings, n_epochs, end_epoch
        )
        if not np.isfinite(first):
            np.copyto(self.network.theta, before)
            raise self._divergence(f"the loss became {first}", self.epoch, 0, 0)

    def _rates(self, epoch: int) -> float | NDArray[np.float64]:
        """Return the learning rate of the epoch, or one for each of its batches."""
        settings = self._settings
        schedule, lr = settings.schedule, settings.lr
        if isinstance(schedule, ReduceOnPlateau):
            self._hand_to_plateau()
            lr = self._plateau.lr
        if self._set_lr is not None:
            lr = self._set_lr
        if isinstance(schedule, Constant | ReduceOnPlateau) or self._set_lr is not None:
            self._lr = lr
            return lr
        # An iterable without a length counts as one batch: its rate changes from epoch to epoch.
        rates = schedule.rates(lr, epoch, self.epochs, self._inputs.data.n_batches or 1)
        self._lr = float(rates[0])
        return rates

    def _hand_to_plateau(self) -> None:
        """Let the schedule go on from the rate that a callback has set."""
        if self._set_lr is not None:
            self._plateau = self._plateau._replace(lr=self._set_lr)
            self._set_lr = None

    def _end_epoch(self, loss: float) -> bool:
        """Record an epoch and do what follows from it; return whether it was the last."""
        history = self.history
        history.append("loss", loss)
        self._inputs.evaluation.record(self.network, history)
        if isinstance(self._settings.schedule, ReduceOnPlateau):
            self._hand_to_plateau()
            last = history[self._plateau_name][-1]
            self._plateau = self._settings.schedule.after(self._plateau, last)
        if self._stopping and self._watch.update(history) and self._stopping.restore_best:
            if self._best_theta is None:
                self._best_theta = np.empty_like(self.network.theta)
            np.copyto(self._best_theta, self.network.theta)
        self._bar.update(self.epoch, history)
        self._call("on_epoch_end")
        over = self._is_over()
        if self._writer is not None:
            best = self._watch_saved.update(history)
            due = self._writer.due(self.epoch, over)
            if due or best:
                self._writer.keep(self.network, self._state(), is_due=due, is_best=best)
        return over

    def _keep_last(self) -> None:
        """Give the last epoch its checkpoint, where L-BFGS ended by itself."""
        if self._writer is not None and self._writer.newest_epoch < self.epoch:
            self._writer.keep(self.network, self._state(), is_due=True, is_best=False)

    def _is_over(self) -> bool:
        return (
            self.stop
            or self.epoch >= self.epochs
            or (self._stopping is not None and self._watch.n_bad >= self._stopping.patience)
        )

    def _call(self, hook: str) -> None:
        for callback in self._callbacks:
            getattr(callback, hook)(self)

    def _batch_hooks(self) -> Hooks | None:
        """Return the hooks around a batch, None where no callback has any."""
        watching = {
            name: [c for c in self._callbacks if getattr(type(c), name) is not default]
            for name, default in (
                ("on_batch_begin", Callback.on_batch_begin),
                ("on_batch_end", Callback.on_batch_end),
            )
        }
        if not any(watching.values()):
            return None

        def before(index: int, lr: float) -> float:
            self._batch = index + 1
            self._lr = lr if self._set_lr is None else self._set_lr
            for callback in watching["on_batch_begin"]:
                callback.on_batch_begin(self)
            return self._lr

        def after(loss: float) -> bool:
            self._batch_loss = loss
            for callback in watching["on_batch_end"]:
                callback.on_batch_end(self)
            return self.stop

        return Hooks(before, after)

    def _described(self) -> dict[str, Any]:
        """Return all that a resumed training must have in common with the first."""
        described = {**self._settings.described(), **self._inputs.described()}
        described["early_stopping"] = asdict(self._stopping) if self._stopping else None
        if isinstance(self._settings.schedule, Cosine | OneCycle):
            described["epochs"] = self.epochs
        return described

    def _state(self) -> _checkpoint.Saved:
        updater = None if self._steps is None else self._steps.trainer.updater
        return _checkpoint.Saved(
            epoch=self.epoch,
            steps=0 if updater is None else updater.steps,
            settings=self._described(),
            state={} if updater is None else updater.state,
            history=dict(self.history),
            best_theta=self._best_theta,
            set_lr=self._rate_to_keep(),
        )

    def _rate_to_keep(self) -> float | None:
        """Return the rate that came from a callback, which a resumed training would not know."""
        if self._set_lr is None and self._lr_was_set:
            return self._plateau.lr
        return self._set_lr

    def _read(self, path: str) -> tuple[NDArray[Any], _checkpoint.Saved]:
        """Return weights and progress of a checkpoint of this training; nothing is changed."""
        if self._steps is None:
            raise ValueError(
                "`resume` must be left out for L-BFGS, whose memory SciPy does not give away; load "
                "the checkpoint with bp.load and fit it anew"
            )
        if self._first_epoch:
            raise ValueError(
                f"`initial_epoch` must be left out with `resume`, which knows it, got "
                f"{self._first_epoch}"
            )
        theta, saved = _checkpoint.read(path, self.network)
        _checkpoint.require_same_settings(path, saved.settings, self._described())
        if set(saved.state) != set(self._steps.trainer.updater.state):
            raise ValueError(f"{path} cannot be resumed: its optimizer's state is damaged")
        if set(saved.history) != set(self._inputs.evaluation.names) and saved.history["loss"]:
            raise ValueError(
                f"`metrics` must be those of {path} to resume it, which has "
                f"{', '.join(saved.history)}, got {', '.join(self._inputs.evaluation.names)}"
            )
        return theta, saved

    def _continue_from(self, theta: NDArray[Any], saved: _checkpoint.Saved) -> None:
        """Bring the run to where a checkpoint left it."""
        assert self._steps is not None
        self._first_epoch = saved.epoch - len(saved.history["loss"])
        self._history = History(saved.history)
        if self._stopping:
            self._watch.replay(self.history)
            if saved.best_theta is not None:
                self._best_theta = saved.best_theta.copy()
        if self._writer is not None:
            self._watch_saved.replay(self.history)
        if isinstance(self._settings.schedule, ReduceOnPlateau):
            for loss in self.history[self._plateau_name]:
                self._plateau = self._settings.schedule.after(self._plateau, loss)
        if saved.set_lr is not None:
            self._set_lr, self._lr_was_set = saved.set_lr, True
        self._steps.trainer.updater.restore(Snapshot(saved.state, saved.steps))
        np.copyto(self.network.theta, theta)

    def _divergence(self, what: str, epoch: int, batch: int, kept: int) -> DivergenceError:
        n_batches = self._inputs.data.n_batches
        of = "" if n_batches is None else f" of {n_batches}"
        weights = f"those after epoch {kept}" if kept else "those before training"
        remedy = "; ".join(self._remedies())
        return DivergenceError(
            f"{what} in epoch {epoch + 1} of {self.epochs}, batch {batch + 1}{of}; the "
            f"weights are {weights}. {remedy}",
            epoch + 1,
            batch + 1,
        )

    def _remedies(self) -> list[str]:
        """Return what to try against divergence: the data where they are to blame, else the lr."""
        smaller = (
            "smaller weights" if self._settings.full_batch else f"a smaller lr (it is {self.lr:g})"
        )
        data, net = self._inputs.data, self.network
        if not isinstance(data, ArrayData):
            return [f"Try {smaller}, or standardise the columns of X and the targets"]
        found = []
        X, y, _ = data.examples
        size = scales.features(X)
        if size is not None and size.is_large:
            found.append(
                f"standardise the columns of X: column {size.column} has a root mean square of "
                f"{size.number:.3g}"
            )
        quantities = net.output_name in ("linear", "exp")
        if quantities and (size := scales.targets(y)) is not None and size.is_large:
            advice = scales.remedy_for_targets(size, net.output_name, net.layer_sizes[-1])
            found.append(f"the targets y have a root mean square of {size.number:.3g}: {advice}")
        if not found:
            return [f"Try {smaller}"]
        found[0] = found[0][0].upper() + found[0][1:]
        return [*found, f"only then try {smaller}"]
