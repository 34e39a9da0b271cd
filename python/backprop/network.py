"""A fully-connected network: checked names, converted data, and the compiled core that computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from backprop import _backprop, initializers
from backprop._architecture import checked_dtype, checked_hidden, checked_pair, checked_sizes
from backprop._checks import positive
from backprop._exports import Exports
from backprop._inputs import as_examples, as_targets
from backprop._views import Views
from backprop.gradients import Arrays, Gradients
from backprop.trace import Trace

if TYPE_CHECKING:
    from backprop.history import History
    from backprop.training import Run

_CORES: dict[str, Any] = {"float32": _backprop.Network32, "float64": _backprop.Network64}
_INT64 = np.dtype(np.int64)


class Network(Views, Exports):
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
    loss : str, optional
        The loss that matches it, the first named here if not given. Each is summed over the
        outputs and averaged over the examples. For softmax "cross_entropy"; for linear
        "squared_error" (half the squared norm), "absolute_error" or "huber"; for sigmoid
        "binary_cross_entropy"; for exp "poisson".
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
        loss: str | None = None,
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
        output, loss = checked_pair(output, loss)
        self._dtype = checked_dtype(dtype)
        self._core: _backprop._Network[Any] = _CORES[self._dtype.name](
            sizes, hidden_names, output, loss
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
        """The loss."""
        return self._loss_name

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
            "loss": self.loss_name,
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

    def loss(self, X: ArrayLike, y: ArrayLike) -> float:
        """Compute the mean loss (note 3), from the pre-activations A_L by log-sum-exp or softplus.

        Parameters
        ----------
        X : array_like (m, n_features)
            As for `forward`.
        y : array_like
            Class labels 0 .. p-1 (m,) or rows of probabilities (m, p) for "cross_entropy"; targets
            (m, p) for the other losses, between 0 and 1 for "binary_cross_entropy", not negative
            for "poisson". One output takes (m,) too.

        Raises
        ------
        TypeError, ValueError
            If X or y is of the wrong kind or shape, or out of range.
        """
        return self._core.loss(*self._batch(X, y), self.check_finite)

    def gradients(self, X: ArrayLike, y: ArrayLike) -> Gradients:
        """Compute the gradient of the loss w.r.t. every parameter (note 5.2).

        Parameters and errors are those of `loss`.

        Returns
        -------
        Gradients
            With ``.loss``, ``.W[i]``, ``.b[i]`` and the flat ``.theta``.
        """
        loss, grad_theta = self._core.gradients(*self._batch(X, y), self.check_finite)
        return Gradients(loss, grad_theta, self.layer_sizes)

    def trace(self, X: ArrayLike, y: ArrayLike) -> Trace:
        """Run forward and backward and keep every array (note 5.2).

        Parameters and errors are those of `loss`.

        Returns
        -------
        Trace
            ``t[k]`` has .A, .H, .grad_A, .grad_H, .W, .b, .grad_W, .grad_b for k = 1..L; ``t[0].H``
            is X; ``t.loss``, ``t.Y_hat``.
        """
        traced = self._core.trace(*self._batch(X, y), self.check_finite)
        activations = (*self.hidden_names, self.output_name)
        return Trace(traced, self._theta, self.layer_sizes, activations, self._loss_name)

    def step(self, X: ArrayLike, y: ArrayLike, lr: float) -> float:
        """Take one step of gradient descent in place: theta <- theta - lr grad_theta (note 3).

        Parameters
        ----------
        X, y : array_like
            As for `loss`.
        lr : float
            The learning rate, positive and finite.

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
        return self._core.step(*self._batch(X, y), lr, self.check_finite)

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: str = "sgd",
        lr: float = 0.1,
        shuffle: bool = True,
        seed: int | None = 0,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        callbacks: Iterable[Callable[[Run], object]] = (),
        threads: int | None = None,
    ) -> History:
        """Train in place by mini-batch gradient descent.

        Parameters
        ----------
        X, y : array_like
            As for `loss`; converted once where they need it.
        epochs : int
            Passes over the examples.
        batch_size : int
            Examples a step; the last batch of an epoch may be smaller.
        optimizer : str
            "sgd": theta <- theta - lr grad_theta.
        lr : float
            The learning rate.
        shuffle : bool
            Whether each epoch visits the examples in an order of its own.
        seed : int or None
            Of that order, which depends on (seed, epoch) alone; None draws a new one.
        validation : (X, y), optional
            Data to compute the loss and, for classification, the accuracy of after each epoch.
        callbacks : iterable of callable
            Each is called after every epoch with the `Run`: its ``epoch`` (from 1), ``epochs``,
            ``history`` and ``network`` tell how it goes, ``run.stop = True`` ends it.
        threads : int, optional
            How many threads this training may use; by default what `set_num_threads` says. Results
            do not depend on it.

        Returns
        -------
        History
            ``history["loss"]``, ``history["val_loss"]``, ...: one value an epoch.

        Raises
        ------
        TypeError, ValueError
            For a bad argument; nothing is changed.
        DivergenceError
            If a loss or a weight becomes NaN or infinite; the weights are then those of the last
            good epoch.
        KeyboardInterrupt
            On Ctrl-C, between two batches; the steps taken so far are kept.
        """
        from backprop.runtime import limited
        from backprop.training import Run

        with limited(threads):
            run = Run(
                self,
                X,
                y,
                epochs=epochs,
                batch_size=batch_size,
                optimizer=optimizer,
                lr=lr,
                shuffle=shuffle,
                seed=seed,
                validation=validation,
                callbacks=callbacks,
            )
            return run.train()

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
        return (
            f"Network({list(self.layer_sizes)}, {f'hidden={hidden!r}, ' if names else ''}"
            f"output={self.output_name!r}, loss={self.loss_name!r}, dtype={self._dtype.name!r})"
        )
