"""Penalties added to the loss: l1 Σ|W_k| + ½ l2 ‖W_k‖² of each layer, never of its b_k."""

from .lists import Matrix


def penalty(W: list[Matrix], l1: float | list[float] = 0.0, l2: float | list[float] = 0.0) -> float:
    """Return Σ_k (l1_k Σ|W_k| + ½ l2_k ‖W_k‖²).

    Parameters
    ----------
    W : list
        W_1 … W_L.
    l1, l2 : float or list of L floats
        One strength for all layers, or one for each.
    """
    return sum(
        l1_k * sum(abs(w) for row in W_k for w in row)
        + 0.5 * l2_k * sum(w * w for row in W_k for w in row)
        for W_k, l1_k, l2_k in zip(W, per_layer(l1, W), per_layer(l2, W), strict=True)
    )


def grad_penalty(
    W: list[Matrix], l1: float | list[float] = 0.0, l2: float | list[float] = 0.0
) -> list[Matrix]:
    """Return the gradients of `penalty`, l1_k sign(W_k) + l2_k W_k, with sign(0) = 0."""
    return [
        [[l1_k * ((w > 0) - (w < 0)) + l2_k * w for w in row] for row in W_k]
        for W_k, l1_k, l2_k in zip(W, per_layer(l1, W), per_layer(l2, W), strict=True)
    ]


def per_layer(strength: float | list[float], W: list[Matrix]) -> list[float]:
    """Return one strength for each layer."""
    return strength if isinstance(strength, list) else [strength] * len(W)
