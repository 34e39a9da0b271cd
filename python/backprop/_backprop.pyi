"""The compiled core, as the bindings expose it.

Nothing here converts or copies an input: a wrong kind or dtype is a TypeError that says how to
convert, a wrong shape or value is a ValueError. ``T`` below is float32 for ``Network32`` and
float64 for ``Network64``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

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
    def forward(self, X: NDArray[T] | _Sparse[T], check_finite: bool = True) -> NDArray[T]: ...
    # An example counts with its weight over the sum of the weights (m,), not with 1 / m.
    def loss(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        check_finite: bool = True,
        sample_weight: NDArray[T] | None = None,
    ) -> float: ...
    def gradients(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        check_finite: bool = True,
        sample_weight: NDArray[T] | None = None,
    ) -> tuple[float, NDArray[T]]: ...
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

class _Trainer(Generic[T]):
    # l1 and l2 have a strength for each layer, dropout a rate for each hidden one; () is none.
    # The penalties of a batch are divided by its total weight if penalty_by_weight.
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
    def epoch(
        self,
        X: NDArray[T] | _Sparse[T],
        y: NDArray[Any],
        order: NDArray[np.int64] | None,
        lr: float | NDArray[np.float64],
        sample_weight: NDArray[T] | None = None,
        losses: NDArray[np.float64] | None = None,
    ) -> tuple[float, int]: ...
    @property
    def state(self) -> dict[str, NDArray[T]]:
        """What the optimizer keeps: writable views in the layout of theta."""

    @property
    def steps(self) -> int:
        """The number of steps taken; to be set when training resumes."""

    @steps.setter
    def steps(self, steps: int) -> None: ...

class Trainer32(_Trainer[np.float32]): ...
class Trainer64(_Trainer[np.float64]): ...
