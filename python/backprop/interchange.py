"""Networks of other programs, and networks for other programs; the formats are in `exchange`.

`Network` has what leads out as methods; ``bp.from_torch`` and ``bp.from_sklearn`` lead in. Nothing
of another package is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import DTypeLike, NDArray

from backprop import exchange
from backprop.exchange import (
    fold,
    table_to_c,
    table_to_onnx,
    to_c,
    to_onnx,
    to_sklearn,
    to_state_dict,
    to_torch,
)
from backprop.network import Network

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = [
    "FromSklearn",
    "fold",
    "from_sklearn",
    "from_torch",
    "table_to_c",
    "table_to_onnx",
    "to_c",
    "to_onnx",
    "to_sklearn",
    "to_state_dict",
    "to_torch",
]

# Pickles of earlier versions name modules in here, as of a package; `_addresses` knows where they
# went.
__path__: list[str] = []


class FromSklearn(NamedTuple):
    """What `from_sklearn` returns.

    Attributes
    ----------
    network : Network
    classes : ndarray or None
        The estimator's ``classes_``: the label of each softmax output, of "no" and "yes" of one
        sigmoid output, the number of each of several; None for a regressor.
    """

    network: Network
    classes: NDArray[Any] | None


def from_sklearn(estimator: Any, *, dtype: DTypeLike | None = None) -> FromSklearn:
    """Copy a fitted MLPClassifier or MLPRegressor of scikit-learn.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    dtype : dtype, optional
        If not given that of the estimator's weights.

    Returns
    -------
    FromSklearn
        ``network`` and ``classes``; `Network.to_sklearn` takes them back. `forward` gives what
        ``predict_proba`` does, but one column, that of ``classes[1]``, for two classes.

    Raises
    ------
    TypeError
        If it is another kind of object.
    ValueError
        If it has not been fitted.
    """
    return FromSklearn(*exchange.from_sklearn(estimator, Network, dtype=dtype))


def from_torch(
    module: Module | Mapping[str, Any],
    *,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    loss: str | None = None,
    dtype: DTypeLike | None = None,
) -> Network:
    """Copy a PyTorch network.

    Parameters
    ----------
    module : nn.Sequential, nn.Linear or state dict
        A Sequential, nested or not, of Linear, activations and what does nothing to a prediction
        (Dropout, Identity). Of any other module the state dict: it maps ``NAME.weight`` and
        ``NAME.bias`` to tensors or arrays, layers in order, or in that of their numbers.
    hidden : str or sequence of str
        The activations, for a state dict; a module has its own.
    output : str, optional
        What follows the last Linear. If not given it is what the module says, "linear" where it
        says nothing: a classifier that was trained with CrossEntropyLoss needs "softmax".
    loss : str, optional
        That of the network, as for `Network`.
    dtype : dtype, optional
        If not given float64 where a weight is, else float32.

    Returns
    -------
    Network

    Raises
    ------
    TypeError
        If ``module`` is neither, or has weights that are no floating-point numbers.
    ValueError
        If a module in it is not supported, with its name and what is; or layers do not fit.
    """
    return exchange.from_torch(
        module, Network, hidden=hidden, output=output, loss=loss, dtype=dtype
    )
