"""The compiled core, as the bindings expose it.

Nothing here converts or copies an input: a wrong kind or dtype is a TypeError that says how to
convert, a wrong shape or value is a ValueError. ``T`` below is float32 for ``Network32`` and
float64 for ``Network64``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", np.float32, np.float64)
# Compressed rows: SciPy's data, indices and indptr.
_Sparse: TypeAlias = tuple[NDArray[T], NDArray[np.int32], NDArray[np.int64]]

__version__: str

def info() -> dict[str, Any]: ...
def get_num_threads() -> int: ...
def set_num_threads(n_threads: int) -> None: ...
def limit_threads(n_threads: int) -> int: ...
def activations() -> list[str]: ...
def outputs() -> dict[str, list[str]]: ...
def loss_parameters() -> dict[str, tuple[str, float]]:
    """Return the name and the default of the parameter of each loss that has one."""

def losses_of_labels() -> list[str]:
    """Return the losses that take class labels (m,)."""

def optimizers() -> dict[str, dict[str, float]]:
    """Return the options of each optimizer with their defaults."""

def describe(X: NDArray[Any]) -> tuple[int, tuple[int, int], tuple[int, int]]: ...
def shuffle(order: NDArray[np.int64], seed: int, epoch: int) -> None: ...

class _Network(Generic[T]):
    def __init__(
        self,
        layer_sizes: Sequence[int],
        hidden: Sequence[str],
        output: str,
        loss: str,
        loss_parameter: float | None = None,
    ) -> None: ...
    @property
    def layer_sizes(self) -> list[int]: ...
    @property
    def hidden_names(self) -> list[str]: ...
    @property
    def output_name(self) -> str: ...
    @property
    def loss_name(self) -> str: ...
    @property
    def loss_parameter(self) -> float | None: ...
    @property
    def theta(self) -> NDArray[T]: ...
    @property
    def W(self) -> list[NDArray[T]]: ...
    @property
    def b(self) -> list[NDArray[T]]: ...
    # A_L instead of Y_hat if not activated.
    def forward(
        self, X: NDArray[T] | _Sparse[T], check_finite: bool = True, activated: bool = True
    ) -> NDArray[T]: ...
    # An example counts with its weight over the sum of the weights (m,), not with 1 / m.
    def loss(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        check_finite: bool = True,
        sample_weight: NDArray[T] | None = None,
    ) -> float: ...
    @overload
    def gradients(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        check_finite: bool = True,
        sample_weight: NDArray[T] | None = None,
        inputs: Literal[False] = False,
    ) -> tuple[float, NDArray[T]]: ...
    # And the gradient with respect to X.
    @overload
    def gradients(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        check_finite: bool,
        sample_weight: NDArray[T] | None,
        inputs: Literal[True],
    ) -> tuple[float, NDArray[T], NDArray[T]]: ...
    # grad: derivatives (m, p) of a function of the output, with respect to A_L if of_A, else to
    # Y_hat. Returns the gradients with respect to theta and, if inputs, to X.
    def backward(
        self,
        X: NDArray[T] | _Sparse[T],
        grad: NDArray[T],
        *,
        of_A: bool,
        check_finite: bool = True,
        inputs: bool = False,
    ) -> tuple[NDArray[T], NDArray[T] | None]: ...
    def jacobian(self, X: NDArray[T] | _Sparse[T], check_finite: bool = True) -> NDArray[T]: ...
    def trace(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        check_finite: bool = True,
        sample_weight: NDArray[T] | None = None,
    ) -> dict[str, Any]: ...
    def step(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        lr: float,
        check_finite: bool = True,
        sample_weight: NDArray[T] | None = None,
    ) -> float: ...

class Network32(_Network[np.float32]): ...
class Network64(_Network[np.float64]): ...

class _Data(Generic[T]):
    """Examples, checked once and mapped for as long as this lives."""

    # y may be None for a trainer with a loss of its own.
    def __init__(
        self,
        network: _Network[T],
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any] | None,
        sample_weight: NDArray[T] | None = None,
        check_finite: bool = True,
    ) -> None: ...

class Data32(_Data[np.float32]): ...
class Data64(_Data[np.float64]): ...

class _Gradient(Generic[T]):
    """A gradient between its computation and its use."""

    @property
    def theta(self) -> NDArray[T]:
        """The gradient of the mean loss, a writable view in theta's layout."""

    @property
    def loss(self) -> float:
        """The mean loss of the batch."""

    @loss.setter
    def loss(self, loss: float) -> None: ...
    @property
    def weight(self) -> float:
        """The weights that the mean divides by."""

    @weight.setter
    def weight(self, weight: float) -> None: ...

class Gradient32(_Gradient[np.float32]): ...
class Gradient64(_Gradient[np.float64]): ...

class _Updater(Generic[T]):
    # l1 and l2 have a strength for each layer; () is none. The penalties of a batch are divided by
    # its total weight if penalty_by_weight.
    def __init__(
        self,
        network: _Network[T],
        optimizer: str = "sgd",
        options: Mapping[str, float] = {},
        *,
        l1: Sequence[float] = (),
        l2: Sequence[float] = (),
        penalty_by_weight: bool = False,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        max_norm: float | None = None,
    ) -> None: ...
    def step(self, gradient: NDArray[T], lr: float, weight: float = 1.0) -> float:
        """Take a step along a gradient (n_parameters,); return the penalty before it."""

    @property
    def state(self) -> dict[str, NDArray[T]]:
        """What the optimizer keeps: writable views in the layout of theta."""

    @property
    def steps(self) -> int:
        """The number of steps taken; to be set when training resumes."""

    @steps.setter
    def steps(self, steps: int) -> None: ...

class Updater32(_Updater[np.float32]): ...
class Updater64(_Updater[np.float64]): ...

class _Trainer(Generic[T]):
    # dropout has a rate for each hidden layer; () is none.
    @overload
    def __init__(
        self,
        updater: _Updater[T],
        batch_size: int,
        *,
        dropout: Sequence[float] = (),
        seed: int = 0,
    ) -> None: ...
    # The same with an updater of its own.
    @overload
    def __init__(
        self,
        network: _Network[T],
        batch_size: int,
        optimizer: str = "sgd",
        options: Mapping[str, float] = {},
        *,
        l1: Sequence[float] = (),
        l2: Sequence[float] = (),
        penalty_by_weight: bool = False,
        dropout: Sequence[float] = (),
        seed: int = 0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        max_norm: float | None = None,
    ) -> None: ...
    # order: positions in X, any number of them; None is all of X as it lies. lr: one number, or one
    # for each batch. losses: takes the loss and the penalty of each batch (n_batches, 2). Returns
    # the mean loss, penalty included, and the failed batch or -1.
    @overload
    def epoch(
        self,
        data: _Data[T],
        order: NDArray[np.int64] | None,
        lr: float | NDArray[np.float64],
        losses: NDArray[np.float64] | None = None,
    ) -> tuple[float, int]: ...
    @overload
    def epoch(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        order: NDArray[np.int64] | None,
        lr: float | NDArray[np.float64],
        sample_weight: NDArray[T] | None = None,
        losses: NDArray[np.float64] | None = None,
    ) -> tuple[float, int]: ...
    def set_between(
        self,
        decide: Callable[[_Gradient[T], str], str] | None,
        layer_is_final: Callable[[_Gradient[T], int], object] | None = None,
    ) -> None:
        """Set what stands between gradient and update.

        ``decide(gradient, found)`` may change the gradient and returns what becomes of the batch:
        "update", "skip", "not_finite" or "interrupted", of which ``found`` is what it would be
        without this stage. ``layer_is_final(gradient, k)`` comes before it for k = L .. 1.
        """

    def set_loss(
        self,
        value_and_gradient: Callable[
            [NDArray[T], NDArray[np.int64]], tuple[NDArray[Any], NDArray[Any]]
        ]
        | None,
    ) -> None:
        """Set a loss in place of the network's.

        ``value_and_gradient(A_L, positions)`` gets the pre-activations (m, p) of the output for the
        examples at these positions of X, and returns the loss of each (m,) and its derivatives
        (m, p).
        """

    @property
    def state(self) -> dict[str, NDArray[T]]:
        """What the optimizer keeps: writable views in the layout of theta."""

    @property
    def steps(self) -> int:
        """The number of steps taken by its updater."""

    @steps.setter
    def steps(self, steps: int) -> None: ...

class Trainer32(_Trainer[np.float32]): ...
class Trainer64(_Trainer[np.float64]): ...
