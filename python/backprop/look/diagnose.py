"""Reasons why a network does not learn, as far as one batch shows them.

Each check looks at one fault and returns the findings of it, none on a network in good health.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core import facts
from backprop.core.checks import integer, positive

if TYPE_CHECKING:
    from backprop.core.network import Core
    from backprop.core.trace import Trace

# A column of X drowns the others if its root mean square is larger than the first number, or larger
# than that of the median column by the second.
_LARGE_FEATURE, _UNEVEN_FEATURES = 10.0, 100.0
_SMALL_FEATURES = 0.01
_IMBALANCE = 10.0
# A good network may well have some units that do nothing, the more the deeper it is; a larger part
# of a layer than this is a finding.
_IDLE_UNITS = 0.4
# Most examples: a ReLU with half of all examples on its flat side is in good health, so that a unit
# whose slope can be 0 is dead only where it is 0 for all of them.
_MOST = 0.95
_VANISHED, _EXPLODED = 1e-3, 1e3
# The learning rate is too low if a step _SHORT times as long still lowers the loss as predicted, by
# at least the part _WORTH of it. A network whose loss is below the part _LEARNT of that of one with
# a zero last layer has learnt already.
_SHORT, _WORTH, _LEARNT = 100.0, 0.1, 0.1
# Gradients below this may have been flushed to 0; their quotients mean nothing.
_TINY = 1e-200


class Finding(NamedTuple):
    """One fault.

    Attributes
    ----------
    fault : str
        "dead units", "saturated units", "vanishing gradients", "exploding gradients",
        "unscaled features", "imbalanced labels", "learning rate too high" or "too low".
    layer : int or None
        1..L, or None for a fault of the data or of the whole network.
    number : float
        The measurement that is out of bounds.
    message : str
        What was found.
    remedy : str
        What to try.
    """

    fault: str
    layer: int | None
    number: float
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.message}\n  try: {self.remedy}"


class Diagnosis(list[Finding]):
    """What `Network.diagnose` returns: a list of findings, empty where nothing was found."""

    def __str__(self) -> str:
        if not self:
            return "nothing found: features, labels, units, gradients and learning rate look sound"
        return "\n".join(map(str, self))


def diagnose(network: Core, X: ArrayLike, y: ArrayLike, *, lr: float, n_examples: int) -> Diagnosis:
    """Look for the usual faults; see `Network.diagnose`."""
    lr = positive("lr", lr)
    n_examples = integer("n_examples", n_examples, 1)
    # All examples are checked before some are picked.
    examples, targets, _ = network.checked(X, y)
    # The rows are evenly spaced, so that sorted data do not show one class alone.
    rows = np.unique(np.linspace(0, len(examples) - 1, n_examples).astype(int))
    twin = network.astype("float64")
    batch = examples[rows].astype(np.float64), _as_float64(targets[rows])
    trace = twin.trace(*batch)
    return Diagnosis(
        [
            *_features(examples),
            *_labels(targets, network.layer_sizes[-1], network.output_name),
            *_units(trace),
            *_gradients(trace),
            *_learning_rate(twin, batch, lr),
        ]
    )


def _as_float64(targets: NDArray[Any]) -> NDArray[Any]:
    return targets if targets.dtype.kind == "i" else targets.astype(np.float64)


def _features(X: NDArray[Any]) -> Iterator[Finding]:
    # einsum makes no array of squares, for which the memory may not suffice.
    sizes = np.sqrt(np.einsum("ij,ij->j", X, X, dtype=np.float64) / len(X))
    varied = sizes[sizes > 0]
    if not len(varied):
        return
    j, largest, usual = int(sizes.argmax()), float(sizes.max()), float(np.median(varied))
    remedy = "standardise the columns of X: subtract the mean, divide by the standard deviation"
    if largest > _LARGE_FEATURE or largest > _UNEVEN_FEATURES * usual:
        message = (
            f"column {j} of X has a root mean square of {largest:.3g}, the median column "
            f"{usual:.3g}"
        )
        yield Finding("unscaled features", None, largest, message, remedy)
    elif largest < _SMALL_FEATURES:
        message = f"no column of X has a root mean square above {largest:.3g}"
        yield Finding("unscaled features", None, largest, message, remedy)


def _labels(y: NDArray[Any], p: int, output: str) -> Iterator[Finding]:
    if output not in ("softmax", "sigmoid"):
        return
    remedy = "get more examples of the rare class, repeat those there are, or leave it out"
    if output == "softmax":
        counts = np.bincount(y, minlength=p) if y.ndim == 1 else y.sum(axis=0)
        rare, common = int(counts.argmin()), int(counts.argmax())
        ratio = _ratio(float(counts[common]), float(counts[rare]))
        if ratio > _IMBALANCE:
            message = (
                f"class {common} has {counts[common]:.6g} examples, class {rare} has "
                f"{counts[rare]:.6g}"
            )
            yield Finding("imbalanced labels", None, ratio, message, remedy)
        return
    for unit, share in enumerate(y.reshape(len(y), -1).mean(axis=0).tolist()):
        ratio = _ratio(max(share, 1 - share), min(share, 1 - share))
        if ratio > _IMBALANCE:
            message = f"{share:.1%} of the targets of output {unit} are 1"
            yield Finding("imbalanced labels", None, ratio, message, remedy)


def _units(trace: Trace) -> Iterator[Finding]:
    """Find units whose slope g' is 0 on all examples, or small on most."""
    for t, name in zip(trace[1:-1], trace.activations, strict=False):
        # The slopes follow from ∇A_k = ∇H_k ⊙ g'(A_k), but not where ∇H_k is 0, as below a dead
        # layer.
        known = np.abs(t.grad_H) > _TINY
        slopes = np.divide(t.grad_A, t.grad_H, out=np.full(t.A.shape, np.nan), where=known)
        limit = facts.ACTIVATIONS[name].flat
        n_flat, n_known = (np.abs(slopes) <= limit).sum(axis=0), known.sum(axis=0)
        idle = (n_known > 0) & (n_flat >= (_MOST if limit else 1) * n_known)
        share = float(idle.mean())
        if share < _IDLE_UNITS:
            continue
        message = f"{idle.sum()} of the {len(idle)} {name} units of layer {t.k} have a slope "
        if limit:
            message += f"below {limit:g} on {_MOST:.0%} of the examples, and hardly learn"
            remedy = 'scaled features, smaller weights (init="glorot"), a smaller lr, or "relu"'
            yield Finding("saturated units", t.k, share, message, remedy)
        else:
            message += "of 0 on all examples, and learn nothing"
            remedy = 'a smaller lr, biases that start at 0, init="he", or hidden="leaky_relu"'
            yield Finding("dead units", t.k, share, message, remedy)


def _gradients(trace: Trace) -> Iterator[Finding]:
    norms = {t.k: float(np.linalg.norm(t.grad_A)) for t in trace[1:]}
    first, last = norms[1], norms[len(norms)]
    # A gradient that is 0 throughout comes from dead units or from a perfect fit.
    if not first or not last or _VANISHED < first / last < _EXPLODED:
        return
    ratio = first / last
    # The finding names the layer at which the gradient changes most.
    steps = {k: _ratio(norms[k], norms[k + 1]) for k in range(1, len(norms))}
    vanishing = ratio < 1
    k = (min if vanishing else max)(steps, key=lambda k: steps[k])
    message = (
        f"‖∇A_1‖ is {ratio:.1e} of ‖∇A_{len(norms)}‖; the greatest step is from layer {k + 1} to "
        f"layer {k}, by a factor of {steps[k]:.1e}"
    )
    if vanishing:
        remedy = 'hidden="relu" with init="he", larger initial weights, or fewer layers'
        yield Finding("vanishing gradients", k, ratio, message, remedy)
    else:
        remedy = 'smaller initial weights (init="he" or "glorot"), a smaller lr, or fewer layers'
        yield Finding("exploding gradients", k, ratio, message, remedy)


def _learning_rate(
    twin: Core, batch: tuple[NDArray[Any], NDArray[Any]], lr: float
) -> Iterator[Finding]:
    """Hold the change of the loss that −η‖∇θ‖² predicts against the one that comes."""
    theta, gradients = twin.theta.copy(), twin.gradients(*batch)
    squared_norm = float(gradients.theta @ gradients.theta)

    def change(rate: float) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(twin.theta, theta - rate * gradients.theta)
        # The engine is asked directly: a loss that overflows is an answer here and no error.
        loss = twin.engine.loss(*batch, False) - gradients.loss
        return loss if np.isfinite(loss) else float("inf")

    predicted, observed = -lr * squared_norm, change(lr)
    message = f"a step with lr = {lr:g} changes the loss by {observed:+.3g}, "
    if observed > -predicted:
        message += f"where -lr ‖∇θ‖² predicts {predicted:+.3g}"
        remedy = f"lr = {_rescaled(lr, 0.5, lambda rate: change(rate) >= 0):.1g}, which lowers it"
        yield Finding("learning rate too high", None, observed / predicted, message, remedy)
        return
    # This is the longest step that still gains half of what is predicted for it.
    longer = _rescaled(lr, 2, lambda rate: change(2 * rate) < -rate * squared_norm)
    better = change(longer)
    for last in (twin.W[-1], twin.b[-1]):
        last[...] = 0
    if (
        longer >= _SHORT * lr
        and better < -_WORTH * gradients.loss
        and gradients.loss > _LEARNT * twin.loss(*batch)
    ):
        message += f"as -lr ‖∇θ‖² predicts; one with lr = {longer:.1g} by {better:+.3g}"
        remedy = f"lr = {longer:.1g}"
        yield Finding("learning rate too low", None, longer / lr, message, remedy)


def _rescaled(rate: float, factor: float, go_on: Callable[[float], bool]) -> float:
    """Multiply by ``factor`` while ``go_on``, 60 times at most."""
    for _ in range(60):
        if not go_on(rate):
            break
        rate *= factor
    return rate


def _ratio(larger: float, smaller: float) -> float:
    return larger / smaller if smaller else float("inf") if larger else 1.0
