"""A fully-connected network: checked names, converted data, and the compiled core that computes.

A_k = W_k H_{k-1} + b_k, H_k = g_k(A_k), k = 1..L, and Y_hat = H_L with g_L = O (note 5.2).

Here and in the whole package a number such as 5.2 is a section of the note *Backpropagation*. The
chapter "The note, executed" of the documents (docs/note.md) states its equations under the same
numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from backprop.core import initializers
from backprop.core.architecture import (
    checked_dtype,
    checked_hidden,
    checked_loss,
    checked_sizes,
    loss_choice,
)
from backprop.core.checks import not_negative
from backprop.core.engine import DATA, LOSSES_OF_LABELS, NETWORKS
from backprop.core.gradients import Arrays, Gradients
from backprop.core.inputs import (
    Batch,
    as_examples,
    as_numbers,
    as_targets,
    as_weights,
    dense,
)
from backprop.core.trace import Trace

if TYPE_CHECKING:
    from backprop.core.engine import CompiledData, Engine

# It stands for typing.Self, which Python 3.10 does not have.
N = TypeVar("N", bound="Core")
_INT64 = np.dtype(np.int64)


class Core:
    """What the compiled core does, under NumPy's types; `Network` adds all that stands on it.

    Parameters and errors are those of `Network`. A room of the package takes a `Core` where it
    needs no more than this.

    Attributes
    ----------
    check_finite : bool
        Whether to refuse NaN, infinity and targets for which the loss is not defined.
    engine : object of the compiled module
        What computes; it takes arrays as `convert` returns them and keeps no reference to them.
    takes_labels : bool
        Whether the loss takes class labels (m,) as well as rows of targets (m, p).
    """

    __slots__ = (
        "_W",
        "__weakref__",
        "_b",
        "_dtype",
        "_forward",
        "_loss_name",
        "_n_outputs",
        "_theta",
        "check_finite",
        "engine",
        "takes_labels",
    )

    def __init__(
        self,
        layer_sizes: Sequence[int],
        *,
        hidden: str | Sequence[str] = "relu",
        output: str = "softmax",
        loss: str | tuple[str, float] | None = None,
        init: str | tuple[str, float] = "he",
        dtype: DTypeLike = "float32",
        seed: int | np.random.Generator | None = 0,
        check_finite: bool = True,
    ) -> None:
        draw = initializers.get(init)
        self._build(layer_sizes, hidden, output, loss, dtype, check_finite)
        initializers.initialize(self._W, draw, seed)

    def _build(
        self,
        layer_sizes: Sequence[int],
        hidden: str | Sequence[str],
        output: str,
        loss: str | tuple[str, float] | None,
        dtype: DTypeLike,
        check_finite: bool,
    ) -> None:
        sizes = checked_sizes(layer_sizes)
        hidden_names = checked_hidden(hidden, len(sizes) - 2)
        output, loss, parameter = checked_loss(output, loss)
        self._dtype = checked_dtype(dtype)
        self.engine: Engine = NETWORKS[self._dtype.name](
            sizes, hidden_names, output, loss, parameter
        )
        # These are kept because a prediction of one row takes no longer than a few look-ups.
        self._forward: Callable[[Any, bool], NDArray[Any]] = self.engine.forward
        self._loss_name = loss
        self.takes_labels = loss in LOSSES_OF_LABELS
        self._n_outputs = sizes[-1]
        self._theta: NDArray[Any] = self.engine.theta
        self._W: Arrays = tuple(self.engine.W)
        self._b: Arrays = tuple(self.engine.b)
        self.check_finite = check_finite

    @property
    def W(self) -> Arrays:
        """W_1 .. W_L, W_k (n_k, n_{k-1}): writable views, through which training shows."""
        return self._W

    @property
    def b(self) -> Arrays:
        """b_1 .. b_L, b_k (n_k,): writable views, through which training shows."""
        return self._b

    @property
    def theta(self) -> NDArray[Any]:
        """All parameters [W_1 b_1 .. W_L b_L] in one flat writable view (n_parameters,)."""
        return self._theta

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """n_0 (features) .. n_L (outputs)."""
        return tuple(self.engine.layer_sizes)

    @property
    def hidden_names(self) -> tuple[str, ...]:
        """The activations of the hidden layers 1 .. L-1."""
        return tuple(self.engine.hidden_names)

    @property
    def output_name(self) -> str:
        """The output activation."""
        return self.engine.output_name

    @property
    def loss_name(self) -> str:
        """The name of the loss."""
        return self._loss_name

    @property
    def loss_parameter(self) -> float | None:
        """The delta of "huber", the smoothing of "cross_entropy"; None for the other losses."""
        return self.engine.loss_parameter

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters, activations and outputs: float32 or float64."""
        return self._dtype

    @property
    def architecture(self) -> dict[str, Any]:
        """Everything but the numbers, as `Network` takes it: sizes, activations, output, loss."""
        return {
            "layer_sizes": list(self.layer_sizes),
            "hidden": list(self.hidden_names),
            "output": self.output_name,
            "loss": loss_choice(self._loss_name, self.loss_parameter),
        }

    def same_architecture(self, other: Core) -> bool:
        """Whether both have the same layers, activations and loss; dtypes may differ."""
        return self.architecture == other.architecture

    def forward(self, X: ArrayLike) -> NDArray[Any]:
        """Compute Y_hat = H_L (note 5.2); `predict` is another name for it.

        Parameters
        ----------
        X : array_like (m, n_features)
            Not copied if it is an array of the network's dtype, whatever its strides.

        Returns
        -------
        ndarray (m, n_outputs)
            Of the network's dtype; the probabilities of the classes where the output is softmax,
            whose most probable is ``Y_hat.argmax(axis=1)``.

        Raises
        ------
        TypeError, ValueError
            If X is not made of real numbers, has the wrong shape, or is not finite.
        """
        if type(X) is not np.ndarray or X.dtype is not self._dtype:
            X = as_examples(X, self._dtype, self.check_finite, self.engine.layer_sizes[0])
        return self._forward(X, self.check_finite)

    predict = forward

    def loss(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
        """Compute the mean loss (note 3), from the pre-activations A_L by log-sum-exp or softplus.

        Parameters
        ----------
        X : array_like (m, n_features)
            As for `forward`.
        y : array_like
            Class labels 0 .. p-1 (m,) or rows of probabilities (m, p) for "cross_entropy"; targets
            (m, p) for the other losses, between 0 and 1 for "binary_cross_entropy", not negative
            for "poisson". One output takes (m,) too.
        sample_weight : array_like (m,), optional
            How much each example counts: the mean becomes Σ w_i loss_i / Σ w_i.

        Raises
        ------
        TypeError, ValueError
            If X, y or ``sample_weight`` is of the wrong kind or shape, or out of range.
        """
        X, y, weight = self._converted(X, y, sample_weight)
        return self.engine.loss(X, y, self.check_finite, weight)

    def gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        inputs: bool = False,
    ) -> Gradients:
        """Compute the gradient of the loss w.r.t. every parameter (note 5.2).

        Parameters and errors are those of `loss`; and

        Parameters
        ----------
        inputs : bool
            Whether to compute the gradient w.r.t. X as well: ∇H_0 = W_1ᵀ ∇A_1, the backward
            equation of 5.2 taken one layer further.

        Returns
        -------
        Gradients
            With ``.loss``, ``.W[i]``, ``.b[i]``, the flat ``.theta``, and ``.X`` (m, n_features)
            if ``inputs``.
        """
        X, y, weight = self._converted(X, y, sample_weight)
        if inputs:
            return Gradients(
                *self.engine.gradients(X, y, self.check_finite, weight, True),
                layer_sizes=self.layer_sizes,
            )
        loss, grad_theta = self.engine.gradients(X, y, self.check_finite, weight)
        return Gradients(loss, grad_theta, layer_sizes=self.layer_sizes)

    def backward(
        self,
        X: ArrayLike,
        grad_Y_hat: ArrayLike | None = None,
        *,
        grad_A: ArrayLike | None = None,
        inputs: bool = False,
    ) -> Gradients:
        """Compute the gradients of any function of the output, by the backward equations (5.2).

        The function f is known by its derivatives alone. They are taken w.r.t. Ŷ, from which ∇A_L
        follows by the derivative of the output activation, or w.r.t. A_L. No 1/m is added: it is
        there if it is in the derivatives.

        >>> Y_hat = net.forward(X)
        >>> g = net.backward(X, Y_hat - Y)  # of ½ ‖Ŷ - Y‖², whatever the network's own loss is

        Parameters
        ----------
        X : array_like (m, n_features)
            As for `forward`.
        grad_Y_hat : array_like (m, n_outputs), optional
            ∂f/∂Ŷ; either this or ``grad_A`` is given.
        grad_A : array_like (m, n_outputs), optional
            ∂f/∂A_L, w.r.t. the pre-activations of the output layer.
        inputs : bool
            Whether to compute the gradient w.r.t. X as well.

        Returns
        -------
        Gradients
            As `gradients` returns, its ``.loss`` NaN, since f itself is not known here.

        Raises
        ------
        TypeError, ValueError
            If both or neither of the derivatives are given, or an array is of the wrong kind or
            shape, or not finite.
        """
        if (grad_Y_hat is None) == (grad_A is None):
            given = "both" if grad_A is not None else "neither"
            raise ValueError(f"either `grad_Y_hat` or `grad_A` must be given, got {given}")
        name, grad = ("grad_Y_hat", grad_Y_hat) if grad_A is None else ("grad_A", grad_A)
        grad_theta, grad_X = self.engine.backward(
            self._examples(X),
            np.ascontiguousarray(as_numbers(name, grad, self._dtype)),
            of_A=grad_A is not None,
            check_finite=self.check_finite,
            inputs=inputs,
        )
        return Gradients(float("nan"), grad_theta, grad_X, layer_sizes=self.layer_sizes)

    def jacobian(self, X: ArrayLike) -> NDArray[Any]:
        """Compute ∂Ŷ/∂X: how each output of each example changes with each of its features.

        Parameters
        ----------
        X : array_like (m, n_features)
            As for `forward`.

        Returns
        -------
        ndarray (m, n_outputs, n_features)
            ``J[j, i, f]`` is ∂ŷ_i/∂x_f of example j: ∇H_0 of the backward equations (5.2) that
            start from ∂ŷ_i/∂Ŷ = e_i.

        Raises
        ------
        TypeError, ValueError
            As for `forward`.
        MemoryError
            If the result does not fit in memory.
        """
        return self.engine.jacobian(self._examples(X), self.check_finite)

    def trace(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Trace:
        """Run forward and backward and keep every array (note 5.2).

        Parameters and errors are those of `loss`.

        Returns
        -------
        Trace
            ``t[k]`` has .A, .H, .grad_A, .grad_H, .W, .b, .grad_W, .grad_b for k = 1..L; ``t[0].H``
            is X; ``t.loss``, ``t.Y_hat``.
        """
        X, y, weight = self._converted(X, y, sample_weight)
        X = dense(X)
        traced = self.engine.trace(X, y, self.check_finite, weight)
        activations = (*self.hidden_names, self.output_name)
        smoothed = self.takes_labels and self.loss_parameter != 0
        return Trace(
            traced,
            self._theta,
            self.layer_sizes,
            activations,
            self._loss_name,
            smoothed=smoothed,
            weighted=weight is not None,
        )

    def step(
        self,
        X: ArrayLike,
        y: ArrayLike,
        lr: float,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Take one step of gradient descent in place: theta <- theta - lr grad_theta (note 3).

        Parameters
        ----------
        X, y : array_like
            As for `loss`.
        lr : float
            The learning rate, finite and 0 or more; a warm-up may begin with 0, which changes
            nothing.
        sample_weight : array_like (m,), optional
            As for `loss`.

        Returns
        -------
        float
            The loss before the step. Where it is NaN or infinite nothing is changed.

        Raises
        ------
        TypeError, ValueError
            As for `loss`, or for a bad ``lr``; nothing is changed.
        """
        lr = not_negative("lr", lr)
        X, y, weight = self._converted(X, y, sample_weight)
        return self.engine.step(X, y, lr, self.check_finite, weight)

    def copy(self: N) -> N:
        """Return an independent network with the same weights."""
        return self.astype(self._dtype)

    def astype(self: N, dtype: DTypeLike) -> N:
        """Return an independent network with the same weights, rounded to another dtype.

        Parameters
        ----------
        dtype : dtype
            float32 or float64.

        Raises
        ------
        TypeError, ValueError
            If it is another.
        """
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "dtype": dtype})
        return twin

    def convert(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Batch:
        """Return examples as ``engine`` takes them; what already fits is not looked at further.

        Raises
        ------
        TypeError, ValueError
            If one is not made of numbers, or a target is out of the range of the loss. Shapes and
            labels are checked by ``engine``.
        """
        return Batch(*self._converted(X, y, sample_weight))

    def _examples(self, X: Any) -> Any:
        """Return X as ``engine`` takes it."""
        if type(X) is np.ndarray and X.dtype is self._dtype:
            return X
        return as_examples(X, self._dtype, self.check_finite, self.engine.layer_sizes[0])

    def _converted(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Return what `convert` does as a plain tuple, which is made in half the time."""
        X = self._examples(X)
        if not (self.takes_labels and type(y) is np.ndarray and y.dtype is _INT64 and y.ndim == 1):
            y = as_targets(y, self._dtype, self._loss_name, self._n_outputs, self.check_finite)
        if sample_weight is not None:
            sample_weight = as_weights(sample_weight, self._dtype)
        return X, y, sample_weight

    def checked(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Batch:
        """Return examples as ``engine`` takes them, known to be without fault.

        Raises
        ------
        TypeError, ValueError
            As `loss`.
        """
        batch = self.convert(X, y, sample_weight)
        self.mapped(batch, check_finite=self.check_finite)
        return batch

    def mapped(self, batch: Batch, *, check_finite: bool = False) -> CompiledData:
        """Return examples as the trainer takes them: checked by the core, and kept where they lie.

        Raises
        ------
        TypeError, ValueError
            If shapes, labels or weights are not what the network takes, or with ``check_finite`` a
            number is not finite.
        """
        return DATA[self._dtype.name](
            self.engine, batch.X, batch.y, batch.weight, check_finite=check_finite
        )

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.architecture,
            "dtype": self._dtype.name,
            "check_finite": self.check_finite,
            "theta": self._theta,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        theta = state.pop("theta")
        self._build(**state)
        self._theta[...] = theta

    def __repr__(self) -> str:
        names = self.hidden_names
        hidden = names[0] if len(set(names)) == 1 else list(names)
        loss = loss_choice(self._loss_name, self.loss_parameter)
        given = f"hidden={hidden!r}, " if names else ""
        return (
            f"{type(self).__name__}({list(self.layer_sizes)}, {given}"
            f"output={self.output_name!r}, loss={loss!r}, dtype={self._dtype.name!r})"
        )
