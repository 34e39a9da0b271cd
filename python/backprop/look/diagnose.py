"""Reasons why a network does not learn, as far as one batch shows them.

Each check looks at one fault and returns the findings of it, none on a network in good health. What
follows from another finding is listed behind those that stand for themselves, and names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core import facts, scales
from backprop.core.checks import integer, positive
from backprop.core.inputs import dense

if TYPE_CHECKING:
    from backprop.core.network import Core
    from backprop.core.trace import Trace

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
        "unscaled features", "unscaled targets", "imbalanced labels", "equal units",
        "zero weights", "zero gradients", "dead units", "saturated units", "vanishing gradients",
        "exploding gradients", "learning rate too high" or "too low".
    layer : int or None
        1..L, or None for a fault of the data or of the whole network.
    number : float
        The measurement that is out of bounds.
    message : str
        What was found.
    remedy : str
        What to try.
    cause : str or None
        The fault from which it follows, as far as can be told; its remedy comes first.
    """

    fault: str
    layer: int | None
    number: float
    message: str
    remedy: str
    cause: str | None = None

    def __str__(self) -> str:
        follows = "" if self.cause is None else f"\n  follows from: {self.cause}"
        return f"{self.fault}: {self.message}{follows}\n  try: {self.remedy}"


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
    examples = dense(examples)
    # The rows are evenly spaced, so that sorted data do not show one class alone.
    rows = np.unique(np.linspace(0, len(examples) - 1, n_examples).astype(int))
    twin = network.astype("float64")
    batch = examples[rows].astype(np.float64), _as_float64(targets[rows])
    trace = twin.trace(*batch)
    least = _least_loss(network, batch[1])
    baseline = _baseline(twin, batch) - least
    has_learnt = trace.loss - least <= _LEARNT * baseline
    findings = [
        *_features(examples),
        *(() if has_learnt else _targets(targets, network.layer_sizes[-1], network.output_name)),
        *_labels(targets, network.layer_sizes[-1], network.output_name),
        *_equal_units(twin),
        *(() if has_learnt else _no_gradient(twin, trace)),
        *_units(trace),
        *_gradients(trace),
        *_learning_rate(twin, batch, lr, baseline, least),
    ]
    return Diagnosis(_by_cause(findings))


def _least_loss(network: Core, y: NDArray[Any]) -> float:
    """Return the loss of outputs that equal the targets: t - t log t for "poisson", else 0."""
    if network.loss_name != "poisson":
        return 0.0
    logs = np.log(y, out=np.zeros_like(y), where=y > 0)
    return float((y - y * logs).reshape(len(y), -1).sum(axis=1).mean())


def _baseline(twin: Core, batch: tuple[NDArray[Any], NDArray[Any]]) -> float:
    """Return the loss of the network with a last layer of zeros, which knows nothing."""
    ignorant = twin.copy()
    for last in (ignorant.W[-1], ignorant.b[-1]):
        last[...] = 0
    return ignorant.loss(*batch)


# What may follow from a fault, where that is found as well.
_CONSEQUENCES = {
    "unscaled features": (
        "dead units",
        "saturated units",
        "vanishing gradients",
        "exploding gradients",
        "learning rate too high",
        "learning rate too low",
    ),
    "unscaled targets": ("exploding gradients", "learning rate too high", "learning rate too low"),
    "zero weights": ("equal units", "dead units", "vanishing gradients", "learning rate too low"),
    "dead units": ("zero gradients",),
}


def _by_cause(findings: list[Finding]) -> list[Finding]:
    """Give consequences their cause, and put them behind what stands for itself."""
    found = {finding.fault for finding in findings}
    causes, consequences = [], []
    for finding in findings:
        cause = next(
            (c for c, faults in _CONSEQUENCES.items() if c in found and finding.fault in faults),
            None,
        )
        if cause is None:
            causes.append(finding)
            continue
        # A remedy for the symptom, such as a tiny learning rate, would not help.
        remedy = f"the remedy for {cause} first, and diagnose again"
        consequences.append(finding._replace(cause=cause, remedy=remedy))
    return [*causes, *consequences]


def _as_float64(targets: NDArray[Any]) -> NDArray[Any]:
    return targets if targets.dtype.kind == "i" else targets.astype(np.float64)


def _features(X: NDArray[Any]) -> Iterator[Finding]:
    size = scales.features(X)
    if size is None:
        return
    remedy = "standardise the columns of X: subtract the mean, divide by the standard deviation"
    message = f"no column of X has a root mean square above {size.number:.3g}"
    if size.is_large:
        message = (
            f"column {size.column} of X has a root mean square of {size.number:.3g}, the median "
            f"column {size.usual:.3g}"
        )
    yield Finding("unscaled features", None, size.number, message, remedy)


def _targets(y: NDArray[Any], p: int, output: str) -> Iterator[Finding]:
    """Find quantities far from the size of 1, which a network puts out in the beginning."""
    size = scales.targets(y) if output in ("linear", "exp") else None
    if size is None or (output == "exp" and not size.is_large):
        return
    which = "y" if p == 1 else f"column {size.column} of y"
    message = (
        f"{which} has a root mean square of {size.number:.3g}, where the outputs of a network "
        "begin at about 1"
    )
    remedy = scales.remedy_for_targets(size, output, p)
    yield Finding("unscaled targets", None, size.number, message, remedy)


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


def _equal_units(network: Core) -> Iterator[Finding]:
    """Find hidden units with the same weights in and out: they get one gradient and stay equal."""
    for k in range(1, len(network.W)):
        own = np.column_stack([network.W[k - 1], network.b[k - 1], network.W[k].T])
        n_units, counts = len(own), np.unique(own, axis=0, return_counts=True)[1]
        n_different = len(counts)
        if n_different == n_units:
            continue
        n_equal = int(counts[counts > 1].sum())
        which = f"all {n_units} units" if n_different == 1 else f"{n_equal} of the {n_units} units"
        message = (
            f"{which} of layer {k} have the same weights, in and out, as another: they get the "
            "same gradient and learn as one"
        )
        remedy = 'weights drawn at random, as by init="he" or init="glorot"'
        share = 1 - n_different / n_units
        yield Finding("equal units", k, share, message, remedy)


def _no_gradient(network: Core, trace: Trace) -> Iterator[Finding]:
    """Find layers whose weights get a gradient of exactly 0, while the loss is high."""
    stuck = [t.k for t in trace[1:] if not t.grad_W.any()]
    if not stuck:
        return
    L = len(network.W)
    which = f"layer {stuck[0]}" if len(stuck) == 1 else f"layers {', '.join(map(str, stuck))}"
    message = f"the loss of {trace.loss:.3g} has a gradient of 0 for all weights of {which}"
    zero = [k for k in range(1, L + 1) if not network.W[k - 1].any()]
    if zero:
        message += f": all weights of layer{'s' if len(zero) > 1 else ''} "
        message += f"{', '.join(map(str, zero))} are 0, and let none through"
        remedy = 'weights drawn at random, as by init="he" or init="glorot"'
    else:
        remedy = 'new weights, biases that start at 0, or an activation without flat sides: "tanh"'
    yield Finding("zero weights" if zero else "zero gradients", stuck[-1], 0.0, message, remedy)


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
    twin: Core, batch: tuple[NDArray[Any], NDArray[Any]], lr: float, baseline: float, least: float
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
    if (
        longer >= _SHORT * lr
        and better < -_WORTH * (gradients.loss - least)
        and gradients.loss - least > _LEARNT * baseline
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
