"""What is known of each activation and each loss besides its equation, one row for a name.

What the compiled core knows is asked of it, by `core.engine`: the names themselves, which loss goes
with which output, the parameter of a loss and the options of an optimizer with their defaults. The
equations stand in `backprop.reference`.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

# A NumPy number: a Python one would be rounded to float32 to be compared with such targets.
_LARGEST = np.finfo(np.float64).max


class Activation(NamedTuple):
    """One hidden activation g.

    Attributes
    ----------
    torch, torch_settings
        The class in ``torch.nn`` and the attributes with which it computes the same; None where a
        layer has nothing after it.
    sklearn : str or None
        Its name in scikit-learn, None where scikit-learn has none such.
    kinks : tuple of float
        Where g' jumps, or g'', which central differences notice too.
    flat : float
        A unit whose slope is at most this on most examples counts as saturated; where it is 0 a
        unit counts as dead if its slope is 0 on all examples.
    """

    torch: str | None
    torch_settings: Mapping[str, Any] = {}
    sklearn: str | None = None
    kinks: tuple[float, ...] = ()
    flat: float = 0.05


class Output(NamedTuple):
    """One output activation O: what other programs call it, None where it is no layer there."""

    torch: str | None
    sklearn: str


class Loss(NamedTuple):
    """One loss.

    Attributes
    ----------
    targets : (low, high, rule) or None
        The targets for which it is defined, and how an error says so; None is any number.
    is_difference : bool
        Whether ∇A_L is (Ŷ - E) / m with the output it goes with (note 5.2).
    kinks : function
        From the loss's parameter to the residuals ŷ - t at which its derivative jumps.
    stated : function or None
        ``stated(reference, loss, parameter)`` is the loss with another parameter in
        `backprop.reference`, ``loss`` being its entry in the table there.
    """

    targets: tuple[float, float, str] | None = None
    is_difference: bool = True
    kinks: Callable[[float | None], tuple[float, ...]] = lambda parameter: ()
    stated: Callable[[ModuleType, Any, float], Any] | None = None


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation("ReLU", sklearn="relu", kinks=(0,), flat=0.0),
    "sigmoid": Activation("Sigmoid", sklearn="logistic", flat=0.0125),
    "tanh": Activation("Tanh", sklearn="tanh"),
    "linear": Activation(None, sklearn="identity"),
    "leaky_relu": Activation("LeakyReLU", {"negative_slope": 0.01}, kinks=(0,), flat=0.0005),
    "elu": Activation("ELU", {"alpha": 1.0}, kinks=(0,)),
    "selu": Activation("SELU", kinks=(0,)),
    "gelu": Activation("GELU", {"approximate": "none"}),
    "gelu_tanh": Activation("GELU", {"approximate": "tanh"}),
    "silu": Activation("SiLU"),
    "mish": Activation("Mish"),
    "softplus": Activation("Softplus", {"beta": 1.0, "threshold": 20.0}),
    "hard_tanh": Activation("Hardtanh", {"min_val": -1.0, "max_val": 1.0}, kinks=(-1, 1)),
}

OUTPUTS: dict[str, Output] = {
    "softmax": Output("Softmax", "softmax"),
    "linear": Output(None, "identity"),
    "sigmoid": Output("Sigmoid", "logistic"),
    "exp": Output("Exp", "exp"),
}

_SHARES = (0.0, 1.0, "lie between 0 and 1")

LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(
        targets=_SHARES,
        stated=lambda reference, loss, share: reference.label_smoothing(loss, share),
    ),
    "squared_error": Loss(),
    "absolute_error": Loss(is_difference=False, kinks=lambda parameter: (0.0,)),
    "huber": Loss(
        is_difference=False,
        kinks=lambda delta: (-(delta or 0.0), delta or 0.0),
        stated=lambda reference, loss, delta: reference.huber(delta),
    ),
    "binary_cross_entropy": Loss(targets=_SHARES),
    "poisson": Loss(targets=(0.0, _LARGEST, "not be negative")),
}
