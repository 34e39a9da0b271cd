"""Mini-batch gradient descent over epochs (section 3), in the engine's own order of examples."""

from typing import Any

from . import checks, network
from .lists import Matrix, Vector, assign, flatten
from .optimizers import OPTIMIZERS, initial_state
from .targets import target_rows

WORD = 2**64


def splitmix64(state: int) -> tuple[int, int]:
    """Return the next state and the next 64 random bits of Steele, Lea and Flood's generator."""
    state = (state + 0x9E3779B97F4A7C15) % WORD
    z = state
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return state, z ^ (z >> 31)


def shuffled_order(n_examples: int, seed: int, epoch: int) -> list[int]:
    """Return the order in which an epoch visits the examples: a permutation of 0 … n_examples - 1.

    Fisher and Yates's shuffle from a generator of its own for each (seed, epoch), so that an
    epoch's order does not depend on the epochs before it.

    Parameters
    ----------
    n_examples : int
        The m of the note.
    seed : int
        In 0 … 2**64 - 1.
    epoch : int
        Counted from 0.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If it is negative or does not fit into 64 bits.
    """
    for name, number in (("n_examples", n_examples), ("seed", seed), ("epoch", epoch)):
        checks.check_integer(number, name, at_least=0)
        if number >= WORD:
            raise ValueError(f"`{name}` must be less than 2**64, got {number}")
    _, mixed = splitmix64(seed)
    state = mixed ^ epoch
    order = list(range(n_examples))
    for i in range(n_examples - 1, 0, -1):
        state, bits = splitmix64(state)
        j = bits * (i + 1) // WORD
        order[i], order[j] = order[j], order[i]
    return order


def fit(
    X: Matrix,
    y: Any,
    W: list[Matrix],
    b: list[Vector],
    hidden: Any = "relu",
    output: Any = "softmax",
    loss: Any = "cross_entropy",
    *,
    epochs: int,
    lr: float,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    sample_weight: Vector | None = None,
    l1: float | list[float] = 0.0,
    l2: float | list[float] = 0.0,
    optimizer: str = "sgd",
    **options: Any,
) -> list[float]:
    """Train ``W`` and ``b`` in place by mini-batch gradient descent or its upgrades.

    Parameters
    ----------
    X, y, W, b, hidden, output, loss
        As for `backprop.reference.gradients`.
    epochs, batch_size : int
        The last batch of an epoch is smaller where ``batch_size`` does not divide m.
    lr : float
        The learning rate, η.
    shuffle : bool
        Visit the examples in `shuffled_order`, or as they lie.
    seed : int
        Of the order.
    sample_weight, l1, l2
        As for `backprop.reference.gradients`, batch by batch: each divides by the sum of its own
        weights. A batch whose weights are all zero takes no step.
    optimizer : str
        A name in ``OPTIMIZERS``.
    **options
        What else its rule takes, by name: ``momentum``, ``betas``, …

    Returns
    -------
    list of float
        For each epoch the mean over the examples, by weight where there are weights, of the losses
        of their batches, each taken before the step on it.

    Raises
    ------
    TypeError, ValueError
        As `backprop.reference.gradients` and `shuffled_order` do, or if ``epochs`` or
        ``batch_size`` is not a positive integer, or ``lr`` not positive and finite; ``W`` and
        ``b`` are then unchanged.
    """
    checks.check_integer(epochs, "epochs", at_least=1)
    checks.check_integer(batch_size, "batch_size", at_least=1)
    checks.check_positive(lr, "lr")
    rule = checks.named(optimizer, OPTIMIZERS, "optimizer")
    # All before the first step: a bad row in the last batch must not find the network changed.
    checks.layer_sizes(W, b)
    checks.check_examples(X, W[0])
    checks.check_labels(y, len(X))
    checks.check_sample_weight(sample_weight, len(X))
    target_rows(y, len(W[-1]), checks.matched_loss(output, loss).targets)
    m = len(X)
    weight = sample_weight or [1.0] * m
    state = initial_state(len(flatten(W, b)))
    history = []
    for epoch in range(epochs):
        order = shuffled_order(m, seed, epoch) if shuffle else list(range(m))
        total = 0.0
        for start in range(0, m, batch_size):
            rows = order[start : start + batch_size]
            X_batch, y_batch = [X[i] for i in rows], [y[i] for i in rows]
            weight_batch = [weight[i] for i in rows]
            if not any(weight_batch):
                continue
            g = network.gradients(
                X_batch, y_batch, W, b, hidden, output, loss,
                sample_weight=weight_batch, l1=l1, l2=l2,
            )  # fmt: skip
            theta, grad_theta = flatten(W, b), flatten(g.grad_W, g.grad_b)
            theta, state = rule(theta, grad_theta, state, lr, **options)
            assign(W, b, theta)
            total += g.loss * sum(weight_batch)
        history.append(total / sum(weight))
    return history
