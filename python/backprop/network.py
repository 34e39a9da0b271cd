"""What users hold: a network with everything that can be done with it, one line each.

The class adds nothing but names: `Core` computes, and every method below calls the room that does
its work, which is imported when it is first used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike, NDArray

from backprop.core.network import Core

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from torch.nn import Sequential

    from backprop.look.account import Account
    from backprop.look.diagnose import Diagnosis
    from backprop.look.explain import Explanation
    from backprop.look.trace import Trace
    from backprop.training.callbacks import Callback, Checkpoint, EarlyStopping, Run
    from backprop.training.history import History
    from backprop.training.losses import CustomLoss
    from backprop.training.optimizers import Optimizer
    from backprop.training.schedules import Schedule
    from backprop.training.updater import Updater


class Network(Core):
    """A fully-connected network with layers 0 (input) .. L (output).

    A_k = W_k H_{k-1} + b_k, H_k = g_k(A_k), Y_hat = O(A_L) (note 5.2); rows are examples. The
    numbers in parentheses are sections of the note, which the chapter "The note, executed" of the
    documents states.

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

    __slots__ = ()

    def trace(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Trace:
        """Run forward and backward and keep every array (note 5.2).

        Parameters and errors are those of `loss`.

        Returns
        -------
        Trace
            ``t[k]`` has .A, .H, .grad_A, .grad_H, .W, .b, .grad_W, .grad_b for k = 1..L; ``t[0].H``
            is X; ``t.loss``, ``t.Y_hat``.
        """
        from backprop.look.trace import shown

        return shown(super().trace(X, y, sample_weight=sample_weight))

    def fit(
        self,
        X: ArrayLike | Iterable[Any] | Callable[[], Iterable[Any]],
        y: ArrayLike | None = None,
        *,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: str | Optimizer | Mapping[str, Any] | Updater = "sgd",
        lr: float | None = None,
        loss: CustomLoss | None = None,
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
        optimizer : str, object of `backprop.optimizers` or Updater
            "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion", or
            "lbfgs", for which an epoch is an iteration over all examples. What it remembers of past
            steps (velocities, averages of gradients, their count) begins anew with every call of
            `fit`; an updater, ``bp.optimizers.Adam().on(net)``, keeps it and goes on.
        lr : float, optional
            The learning rate; by default the optimizer's own, 0.1 for "sgd", 0.001 for "adam".
        loss : object with ``value_and_gradient(A_L, y)``, optional
            A loss in place of the network's, called once a batch with the pre-activations of the
            output (m, n_outputs) and the batch's rows of ``y``, which may be any array; it returns
            the loss of each example (m,) and its derivatives (m, n_outputs). See
            `backprop.training.CustomLoss`.
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
            both (m, p) unless y has the numbers of classes (m,), computed of the validation data,
            else of those trained on; by default the accuracy of validation data where there are
            classes.
        early_stopping : EarlyStopping, int or bool, optional
            Stop when a quantity has not improved for as many epochs, and restore the best weights.
        callbacks : iterable of Callback or callable
            See `Callback`; a function is called after every epoch with the `Run`, whose ``epoch``
            (from 1), ``epochs``, ``history`` and ``network`` tell how it goes, whose ``stop =
            True`` ends it, and whose ``lr`` can be set from there on.
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
        given = dict(locals())
        network = given.pop("self")
        from backprop.training import fit

        return fit(network, given)

    def explain(
        self,
        x: ArrayLike,
        y: ArrayLike,
        weight: tuple[int, int, int] | None = None,
        *,
        n_paths: int = 10,
    ) -> Explanation:
        """Explain ∂L/∂W_kij of one example as the note does (4.1, 4.2, 4.3.2).

        Where one path leads from the loss to the weight it is a product of factors, each a question
        put to the layer below; where there are many it is the sum of such products.

        Parameters
        ----------
        x : array_like (n_features,) or (1, n_features)
            One example.
        y : array_like
            Its class, or its target.
        weight : (k, i, j), optional
            Layer k = 1..L and the NumPy indices i, j of W_k, which count from 0: the derivative is
            ``net.trace(x, y)[k].grad_W[i, j]``. The note's W_111 is (1, 0, 0). If not given, the
            weight of layer 1 with the largest derivative.
        n_paths : int
            At most so many paths are listed, the strongest.

        Returns
        -------
        Explanation
            With ``.factors`` (of the one path) or ``.paths``, ``.total``, the engine's own
            ``.gradient``, and the story as its str.

        Raises
        ------
        TypeError, ValueError
            As for `loss`, or if ``x`` is more than one example or there is no such weight.
        ArithmeticError
            If the total is not the engine's gradient to rounding, or is not finite.
        """
        from backprop.look.explain import explain

        return explain(self, x, y, weight, n_paths=n_paths)

    def account(self, X: ArrayLike, y: ArrayLike, *, lr: float = 0.1) -> Account:
        """Account for the loss: how much of it each layer and unit is responsible for (4.2).

        Parameters
        ----------
        X, y : array_like
            As for `loss`.
        lr : float
            The learning rate of the step after which a second account is taken. The step is that
            of a copy: the network is not changed.

        Returns
        -------
        Account
            Norms of ∇A_k and ∇H_k and shares of ‖∇θ‖², by layer and unit, ``.before`` and
            ``.after`` the step, and a table as its str.

        Raises
        ------
        TypeError, ValueError
            As for `step`.
        """
        from backprop.look.account import account

        return account(self, X, y, lr)

    def diagnose(
        self, X: ArrayLike, y: ArrayLike, *, lr: float = 0.1, n_examples: int = 1000
    ) -> Diagnosis:
        """Look for what keeps a network from learning.

        Unscaled features and targets, imbalanced labels, equal units, weights that let no gradient
        through, dead and saturated units, vanishing and exploding gradients, and a learning rate
        that is too high or too low: the change of the loss that -lr ‖∇θ‖² predicts against the one
        that comes, on a copy.

        Parameters
        ----------
        X, y : array_like
            As for `loss`: what the network is trained on.
        lr : float
            The learning rate it is, or is to be, trained with.
        n_examples : int
            At most so many, evenly spaced, are sent through the network.

        Returns
        -------
        Diagnosis
            A list of findings, each with a ``.fault``, ``.number``, ``.message``, ``.remedy`` and
            the fault that is its ``.cause``, where one is; causes come first. Empty where all is
            well.

        Raises
        ------
        TypeError, ValueError
            As for `step`, or for a bad ``n_examples``.
        """
        from backprop.look.diagnose import diagnose

        return diagnose(self, X, y, lr=lr, n_examples=n_examples)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        metadata: Mapping[str, str] | None = None,
        tensors: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """Save architecture and weights as a safetensors file; `backprop.load` reads it.

        The file is replaced in one move: whatever happens, it is the old one or the new one, and
        keeps its permissions. A symbolic link stays one and its target is written; what is no file,
        such as a pipe or ``/dev/null``, is written into; a folder is refused. A network with NaN or
        infinity is saved with a warning, while no export takes it.

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
        from backprop.core.files import save

        save(self, path, metadata=metadata, tensors=tensors)

    def to_onnx(
        self, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write an ONNX file: opset 13, input ``X`` (m, n_features), output ``Y_hat`` (m, p).

        Each layer is a Gemm and its activation; m is dynamic. The file's numbers have the network's
        dtype, and onnxruntime's CPU kernels compute all of it in float64 too.

        Parameters
        ----------
        path : path
            Of the file, which is replaced in one move; ".onnx" is the usual ending.
        metadata : mapping, optional
            Texts to keep in it, such as the names of the classes.

        Raises
        ------
        ImportError
            If onnx is not installed (the extra "onnx").
        TypeError
            If ``metadata`` holds anything but texts.
        ValueError
            If the file would have more than the 2 GiB of the format.
        OSError
            If it cannot be written.
        """
        from backprop.exchange import to_onnx

        to_onnx(self, path, metadata=metadata)

    def to_c(
        self,
        path: str | os.PathLike[str],
        name: str = "net",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a C99 header that needs nothing but <math.h>; C++ compilers take it as well.

        ``NAME_predict(const float *x, float *y_hat)``, or double, is `forward` of one example. It
        allocates nothing: its buffers, two of the widest hidden layer, are on the stack.

        Parameters
        ----------
        path : path
            Of the file, which is replaced in one move; ".h" is the usual ending.
        name : str
            What every name in it begins with, so that a program may hold several networks.
        metadata : mapping, optional
            Texts to keep in its first comment, such as the names of the classes.

        Raises
        ------
        TypeError, ValueError
            If ``name`` is no C identifier, ``metadata`` holds anything but texts, or a weight is
            not finite.
        OSError
            If the file cannot be written.
        """
        from backprop.exchange import to_c

        to_c(self, path, name, metadata=metadata)

    def to_torch(self, *, logits: bool = False) -> Sequential:
        """Return an ``nn.Sequential`` of Linear and activations that computes `forward`.

        Parameters
        ----------
        logits : bool
            Leave out the output activation: the pre-activations A_L are what PyTorch's losses for
            softmax and sigmoid take.

        Returns
        -------
        torch.nn.Sequential
            With copies of the weights, in the network's dtype.

        Raises
        ------
        ImportError
            If torch is not installed.
        """
        from backprop.exchange import to_torch

        return to_torch(self, logits=logits)

    def to_sklearn(self, classes: ArrayLike | None = None) -> MLPClassifier | MLPRegressor:
        """Return a fitted scikit-learn estimator with the same predictions.

        Parameters
        ----------
        classes : array_like, optional
            The label of each class, in the order of the outputs; 0 .. p-1 if not given. A sigmoid
            output takes two if it is one; several labels at once have none but their numbers.

        Returns
        -------
        MLPClassifier or MLPRegressor
            A regressor for the outputs linear and exp. Two softmax outputs become the one logistic
            output that scikit-learn has for two classes.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        TypeError, ValueError
            If it has no such activation, or only one for all hidden layers, or ``classes`` does not
            fit the outputs.
        """
        from backprop.exchange import to_sklearn

        return to_sklearn(self, classes)


def _name_as_users_do() -> None:
    """Let Python's messages about the methods of `Core` say `Network`; pickles find them there."""
    for name, member in vars(Core).items():
        if callable(member) and getattr(member, "__qualname__", "").startswith("Core."):
            member.__qualname__ = f"Network.{name}"
            member.__module__ = __name__


_name_as_users_do()
