"""The note in plain Python: nested lists and ``math``, nothing of NumPy, nothing of the engine.

This is what the compiled engine is proven against, and what one reads beside the note. Every
equation is one function that cites its section; the numbers (5.2) and the like are the note's.

Conventions, stated once:

- An example is a row. ``X[i][j]`` is feature j of example i, and ``A_k``, ``H_k`` and their
  gradients are lists of m rows likewise: the transposes of the note's matrices, whose examples
  stand in columns (section 2). ``W_k``, ``b_k`` and their gradients are exactly the note's.
- Lists count from 0 and layers from 1, so ``W[k - 1]``, ``b[k - 1]``, ``A[k - 1]`` are the note's
  ``W_k``, ``b_k``, ``A_k``. Only ``H`` starts at the input: ``H[0]`` is ``X``, ``H[k]`` is ``H_k``
  and ``H[L]`` is ``Y_hat``.
- ``hidden`` is the name of an activation for all hidden layers, or a list of L - 1 names;
  ``output`` and ``loss`` are names too. The tables ``ACTIVATIONS``, ``OUTPUTS`` and ``LOSSES``
  hold them; an entry of one's own (an `Activation`, an `Output`, a `Loss`) may stand for a name,
  and so may what `leaky_relu`, `elu`, `huber` and `label_smoothing` make.

The batch form 5.2 is here; the single-example form 5.1 is `backprop.reference.example`. Beyond the
note go the rest of the tables, ``OPTIMIZERS`` (each a pure function on a flat theta), weights for
the examples, penalties on ``W``, dropout, and bounds on gradients and weights.
"""

from . import example
from .activations import ACTIVATIONS, Activation, elu, leaky_relu
from .batch import (
    Gradients,
    activation,
    average_loss,
    grad_A,
    grad_A_from_Y_hat,
    grad_A_output,
    grad_b,
    grad_H,
    grad_W,
    grad_X,
    grad_Y_hat,
    output,
    pre_activation,
    shares,
)
from .bounds import clip_norm, clip_value, max_norm
from .differences import central_differences, numerical_gradients
from .dropout import mask
from .lists import flatten, unflatten
from .losses import LOSSES, OUTPUTS, Loss, Output, huber, label_smoothing
from .network import (
    backward,
    backward_from_output,
    forward,
    gradient_descent_step,
    gradients,
    jacobian,
    loss,
)
from .optimizers import OPTIMIZERS, State, initial_state
from .penalties import grad_penalty, penalty
from .shuffling import shuffled_order
from .targets import one_hot
from .thin import Factor, thin_network
from .training import fit

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "OPTIMIZERS",
    "OUTPUTS",
    "Activation",
    "Factor",
    "Gradients",
    "Loss",
    "Output",
    "State",
    "activation",
    "average_loss",
    "backward",
    "backward_from_output",
    "central_differences",
    "clip_norm",
    "clip_value",
    "elu",
    "example",
    "fit",
    "flatten",
    "forward",
    "grad_A",
    "grad_A_from_Y_hat",
    "grad_A_output",
    "grad_H",
    "grad_W",
    "grad_X",
    "grad_Y_hat",
    "grad_b",
    "grad_penalty",
    "gradient_descent_step",
    "gradients",
    "huber",
    "initial_state",
    "jacobian",
    "label_smoothing",
    "leaky_relu",
    "loss",
    "mask",
    "max_norm",
    "numerical_gradients",
    "one_hot",
    "output",
    "penalty",
    "pre_activation",
    "shares",
    "shuffled_order",
    "thin_network",
    "unflatten",
]
