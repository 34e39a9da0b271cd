"""A fully-connected network: checked names, converted data, and the compiled core that computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from backprop import _backprop, initializers
from backprop._architecture import (
    checked_dtype,
    checked_hidden,
    checked_loss,
    checked_sizes,
    loss_choice,
)
from backprop._checks import positive
from backprop._exports import Exports
from backprop._fitting import Fitting
from backprop._inputs import as_examples, as_targets, as_weights
from backprop._views import Views
from backprop.gradients import Arrays, Gradients
from backprop.trace import Trace

_CORES: dict[str, Any] = {"float32": _backprop.Network32, "float64": _backprop.Network64}
_INT64 = np.dtype(np.int64)


class Network(Views, Fitting, Exports):
    """A fully-connected network with layers 0 (input) .. L (output).

    A_k = W_k H_{k-1} + b_k, H_k = g_k(A_k), Y_hat = O(A_L) (note 5.2); rows are examples.

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0 (features), n_1, .., n_L (outputs). Two sizes make a linear or softmax regression.
    hidden : str or sequence of str
        The activation g of all hidden layers, or one name for each of the L - 1: "relu",
        "sigmoid", "tanh", "linear", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu",
        "mish", "softplus", "hard_tanh".
    output : str
        The output activation O: "softmax", "linear", "sigmoid", "exp".
    loss : str or (str, float), optional
        The loss that matches it, the first named here if not given. Each is summed over the
        outputs and averaged over the examples. For softmax "cross_entropy"; for linear
        "squared_error" (half the squared norm), "absolute_error" or "huber"; for sigmoid
        "binary_cross_entropy"; for exp "poisson". Two have a parameter: ``("huber", delta)``
        turns from squared to absolute at delta (1), ``("cross_entropy", smoothing)`` takes the
        share smoothing (0) from each target and spreads it evenly over the classes.
    init : str or ("normal", sigma)
        How weights are drawn: "he", "glorot", "lecun", "zeros", "normal"; biases start at zero.
    dtype : dtype
        float32 or float64.
    seed : int, Generator or None
        Of the initial weights; None draws a new one.
    check_finite : bool
        Whether to refuse NaN, infinity and targets for which the loss is not defined. Also an
        attribute, to be changed at any time.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, ``output`` and ``loss`` do not match, or a size is less than 1.
    MemoryError
        If the network does not fit in memory.
    """

    __slots__ = (
        "_W",
        "__weakref__",
        "_b",
        "_core",
        "_core_forward",
        "_dtype",
        "_loss_name",
        "_n_outputs",
        "_takes_labels",
        "_theta",
        "check_finite",
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
        layer_sizes: Any,
        hidden: Any,
        output: Any,
        loss: Any,
        dtype: Any,
        check_finite: bool,
    ) -> None:
        sizes = checked_sizes(layer_sizes)
        hidden_names = checked_hidden(hidden, len(sizes) - 2)
        output, loss, parameter = checked_loss(output, loss)
        self._dtype = checked_dtype(dtype)
        self._core: _backprop._Network[Any] = _CORES[self._dtype.name](
            sizes, hidden_names, output, loss, parameter
        )
        # Kept rather than asked for: a prediction of one row costs as much as a few look-ups.
        self._core_forward: Callable[[Any, bool], NDArray[Any]] = self._core.forward
        self._loss_name: str = loss
        self._takes_labels = loss == "cross_entropy"
        self._n_outputs = sizes[-1]
        self._theta: NDArray[Any] = self._core.theta
        self._W: Arrays = tuple(self._core.W)
        self._b: Arrays = tuple(self._core.b)
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
        return tuple(self._core.layer_sizes)

    @property
    def hidden_names(self) -> tuple[str, ...]:
        """The activations of the hidden layers 1 .. L-1."""
        return tuple(self._core.hidden_names)

    @property
    def output_name(self) -> str:
        """The output activation."""
        return self._core.output_name

    @property
    def loss_name(self) -> str:
        """The name of the loss."""
        return self._loss_name

    @property
    def loss_parameter(self) -> float | None:
        """The delta of "huber", the smoothing of "cross_entropy"; None for the other losses."""
        return self._core.loss_parameter

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

    def same_architecture(self, other: Network) -> bool:
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
            X = as_examples(X, self._dtype)
        return self._core_forward(X, self.check_finite)

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
        weight = self._weights(sample_weight)
        return self._core.loss(*self._batch(X, y), self.check_finite, weight)

    def gradients(
        self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> Gradients:
        """Compute the gradient of the loss w.r.t. every parameter (note 5.2).

        Parameters and errors are those of `loss`.

        Returns
        -------
        Gradients
            With ``.loss``, ``.W[i]``, ``.b[i]`` and the flat ``.theta``.
        """
        weight = self._weights(sample_weight)
        loss, grad_theta = self._core.gradients(*self._batch(X, y), self.check_finite, weight)
        return Gradients(loss, grad_theta, self.layer_sizes)

    def trace(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Trace:
        """Run forward and backward and keep every array (note 5.2).

        Parameters and errors are those of `loss`.

        Returns
        -------
        Trace
            ``t[k]`` has .A, .H, .grad_A, .grad_H, .W, .b, .grad_W, .grad_b for k = 1..L; ``t[0].H``
            is X; ``t.loss``, ``t.Y_hat``.
        """
        weight = self._weights(sample_weight)
        traced = self._core.trace(*self._batch(X, y), self.check_finite, weight)
        activations = (*self.hidden_names, self.output_name)
        smoothed = self._takes_labels and self.loss_parameter != 0
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
            The learning rate, positive and finite.
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
        lr = positive("lr", lr)
        weight = self._weights(sample_weight)
        return self._core.step(*self._batch(X, y), lr, self.check_finite, weight)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        metadata: Mapping[str, str] | None = None,
        tensors: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """Save architecture and weights as a safetensors file; `backprop.load` reads it.

        The file is replaced in one move: whatever happens, it is the old one or the new one.

        Parameters
        ----------
        path : path
            Of the file; ".safetensors" is the usual ending.
        metadata, tensors : mapping, optional
            More texts and arrays to keep in it, which `backprop.io.read` returns.

        Raises
        ------
        TypeError, ValueError
            If a name is one of the network's own, or a value cannot be stored.
        OSError
            If the file cannot be written.
        """
        from backprop.io import save

        save(self, path, metadata=metadata, tensors=tensors)

    def copy(self) -> Network:
        """Return an independent network with the same weights."""
        import copy

        return copy.copy(self)

    def _batch(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return X and y as the core takes them; what already fits is not looked at further."""
        if type(X) is not np.ndarray or X.dtype is not self._dtype:
            X = as_examples(X, self._dtype)
        if not (self._takes_labels and type(y) is np.ndarray and y.dtype is _INT64 and y.ndim == 1):
            y = as_targets(y, self._dtype, self._loss_name, self._n_outputs, self.check_finite)
        return X, y

    def _weights(self, sample_weight: Any) -> Any:
        """Return weights of the examples as the core takes them."""
        return None if sample_weight is None else as_weights(sample_weight, self._dtype)

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
        return (
            f"Network({list(self.layer_sizes)}, {f'hidden={hidden!r}, ' if names else ''}"
            f"output={self.output_name!r}, loss={loss!r}, dtype={self._dtype.name!r})"
        )
