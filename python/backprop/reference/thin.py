"""Sections 4.1 and 4.2: in a network one neuron wide, a gradient is one product of factors."""

from typing import Any, NamedTuple

from . import checks, example
from .lists import Matrix, Vector
from .targets import target_row


class Factor(NamedTuple):
    """One factor of the product: its name, the question of section 4.2, and its value."""

    name: str
    question: str
    value: float


TALK_TO_OUTPUT = "talk to the output layer"
TALK_TO_HIDDEN = "talk to the previous hidden layer"
TALK_TO_WEIGHT = "and now talk to the weights"


def thin_network(
    x: Vector,
    y: Any,
    W: list[Matrix],
    b: list[Vector],
    hidden: Any = "sigmoid",
    output: Any = "sigmoid",
    loss: Any = "binary_cross_entropy",
    layer: int = 1,
) -> list[Factor]:
    """Return the factors of ∂L/∂W_k along the one path from the loss down to layer k (4.1).

    For ``layer=1``:
    ∂L/∂W_1 = ∂L/∂ŷ · ∂ŷ/∂a_L · ∂a_L/∂h_{L-1} · ∂h_{L-1}/∂a_{L-1} ⋯ ∂h_1/∂a_1 · ∂a_1/∂W_1,
    where W_1 is the note's W_111. The default is not softmax, which is 1 whatever its one input.

    Parameters
    ----------
    x : list of one number
        The example.
    y : int, float or list of one number
        Its target.
    W, b : list
        L matrices [[w]] and L vectors [b].
    hidden, output, loss : str or list of str
        As for `backprop.reference.gradients`.
    layer : int
        The k of the weight, 1 … L.

    Returns
    -------
    list of Factor
        ``math.prod`` of their values is ∂L/∂W_k.

    Raises
    ------
    TypeError, ValueError
        If a layer is wider than one neuron, there is no such ``layer``, or as
        `backprop.reference.gradients` does.
    """
    sizes = checks.layer_sizes(W, b)
    L = len(W)
    if set(sizes) != {1}:
        raise ValueError(f"`W` must be one neuron wide in every layer, got layer sizes {sizes}")
    if not 1 <= layer <= L:
        raise ValueError(f"`layer` must be in 1..{L}, got {layer}")
    a, h = example.forward(x, W, b, hidden, output)
    g = checks.hidden_activations(hidden, L)
    out = checks.output_activation(output)
    ell = checks.matched_loss(output, loss)
    t = target_row(y, 1, ell.targets)
    [y_hat] = h[L]

    [grad_y_hat] = example.grad_y_hat([y_hat], t, ell)
    slope = out.derivative(a[L - 1][0], y_hat)
    factors = [
        Factor("∂L/∂ŷ", TALK_TO_OUTPUT, grad_y_hat),
        Factor(f"∂ŷ/∂a_{L}", TALK_TO_OUTPUT, slope),
    ]
    for k in range(L - 1, layer - 1, -1):
        [[w_above]] = W[k]  # W[k] is W_{k+1}
        slope = g[k - 1].derivative(a[k - 1][0], h[k][0])
        factors += [
            Factor(f"∂a_{k + 1}/∂h_{k}", TALK_TO_HIDDEN, w_above),
            Factor(f"∂h_{k}/∂a_{k}", TALK_TO_HIDDEN, slope),
        ]
    [h_below] = h[layer - 1]
    return [*factors, Factor(f"∂a_{layer}/∂W_{layer}", TALK_TO_WEIGHT, h_below)]
