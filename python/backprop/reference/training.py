"""Mini-batch gradient descent over epochs (section 3), in the engine's own order of examples."""

from typing import Any

from . import checks, network
from .bounds import clip_norm as clipped_by_norm
from .bounds import clip_value as clipped_by_value
from .bounds import max_norm as bounded_by_norm
from .dropout import mask
from .lists import Matrix, Vector, assign, flatten
from .optimizers import OPTIMIZERS, WEIGHT_DECAY, initial_state
from .shuffling import shuffled_order
from .targets import target_rows


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
    dropout: float | list[float] = 0.0,
    clip_value: float | None = None,
    clip_norm: float | None = None,
    max_norm: float | None = None,
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
        Of the order and of the dropout masks.
    sample_weight, l1, l2
        As for `backprop.reference.gradients`, batch by batch: each divides by the sum of its own
        weights. A batch whose weights are all zero takes no step.
    dropout : float or list of L - 1 floats
        The rate of the `mask` of each hidden layer.
    clip_value, clip_norm : float, optional
        The gradient, its penalties included, is first cut entry by entry, then scaled as a whole.
    max_norm : float, optional
        Rows of W_k are scaled to it after each step where they are longer.
    optimizer : str
        A name in ``OPTIMIZERS``.
    **options
        What else its rule takes, by name: ``momentum``, ``betas``, … ``weight_decay`` takes the
        W_k alone.

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
    rates = dropout if isinstance(dropout, list) else [dropout] * (len(W) - 1)
    if len(rates) != len(W) - 1:
        raise ValueError(
            f"`dropout` must be a number or a list of {len(W) - 1}, one a hidden layer, "
            f"got {len(rates)}"
        )
    if optimizer in WEIGHT_DECAY:
        decay = options.get("weight_decay", WEIGHT_DECAY[optimizer])
        options["weight_decay"] = flatten(
            [[[decay] * len(row) for row in W_k] for W_k in W], [[0.0] * len(b_k) for b_k in b]
        )
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
            masks = [
                mask(rate, seed, state.step, k, len(rows), len(b[k - 1]))
                for k, rate in enumerate(rates, start=1)
            ]
            g = network.gradients(
                X_batch, y_batch, W, b, hidden, output, loss,
                sample_weight=weight_batch, l1=l1, l2=l2, masks=masks if any(rates) else None,
            )  # fmt: skip
            theta, grad_theta = flatten(W, b), flatten(g.grad_W, g.grad_b)
            if clip_value is not None:
                grad_theta = clipped_by_value(grad_theta, clip_value)
            if clip_norm is not None:
                grad_theta = clipped_by_norm(grad_theta, clip_norm)
            theta, state = rule(theta, grad_theta, state, lr, **options)
            assign(W, b, theta)
            if max_norm is not None:
                assign(W, b, flatten(bounded_by_norm(W, max_norm), b))
            total += g.loss * sum(weight_batch)
        history.append(total / sum(weight))
    return history
