"""A gradient in three ways: by the compiled core, by the note in plain Python, by measurement.

The measurement is central differences of the loss, (L(theta + s e_i) - L(theta - s e_i)) / 2s, in
float64. Arrays are compared by the relative norm ||g - g'|| / (||g|| + ||g'||).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core import facts
from backprop.core.checks import integer
from backprop.core.gradients import split
from backprop.core.inputs import dense
from backprop.core.network import Core

if TYPE_CHECKING:
    from backprop.look._first_wrong import WrongArray

_STEP = 1e-5
# Two accounts may be so far apart: the compiled core rounds, and differences are truncated.
_REFERENCE_TOLERANCE = {"float32": 1e-4, "float64": 1e-12}
_DIFFERENCES_TOLERANCE = {"float32": 1e-4, "float64": 1e-7}

T = TypeVar("T")


class ArrayCheck(NamedTuple):
    """The verdict on the gradient of one parameter array.

    Attributes
    ----------
    name : str
        "W_1", "b_1", "W_2", ...
    shape : tuple of int
    reference_error, differences_error : float
        Relative norm of what separates the compiled gradient from the two others.
    max_relative_error : float
        The largest distance of an entry from the reference, relative to the largest entry.
    where : tuple of int
        That entry's position.
    n_measured, n_kinks : int
        Entries held against central differences, and entries left out because a step of theirs
        crosses a kink of an activation or the loss, where there is no derivative to measure.
    differences_ok : bool
        Whether the compiled gradient is what was measured, within tolerance.
    ok : bool
        Whether both errors are within tolerance.
    """

    name: str
    shape: tuple[int, ...]
    reference_error: float
    differences_error: float
    max_relative_error: float
    where: tuple[int, ...]
    n_measured: int
    n_kinks: int
    differences_ok: bool
    ok: bool


class GradientReport:
    """What `check_gradients` returns; its str is a table.

    Attributes
    ----------
    arrays : list of ArrayCheck
        W_1, b_1, .., W_L, b_L.
    loss, reference_loss : float
        Of the compiled core and of the reference.
    first_wrong : WrongArray or None
        Where engine and reference part, if they do: the first array of the forward and backward
        pass on which they disagree, with its ``name``, ``layer``, ``equation`` and ``where``.
    ok : bool
        Whether every array and the loss are right.
    """

    def __init__(
        self, arrays: list[ArrayCheck], loss: float, reference_loss: float, tolerance: float
    ) -> None:
        self.first_wrong: WrongArray | None = None
        self.arrays = arrays
        self.loss = loss
        self.reference_loss = reference_loss
        scale = max(1.0, abs(reference_loss))
        self.ok = all(a.ok for a in arrays) and abs(loss - reference_loss) <= tolerance * scale

    def __str__(self) -> str:
        head = ("array", "shape", "reference", "differences", "measured", "worst entry", "verdict")
        rows = [head]
        for a in self.arrays:
            measured = f"{a.n_measured}" + (f" ({a.n_kinks} at kinks)" if a.n_kinks else "")
            worst = f"{a.max_relative_error:.1e} at {list(a.where)}"
            errors = f"{a.reference_error:.1e}", f"{a.differences_error:.1e}"
            verdict = "ok" if a.ok else "WRONG"
            rows.append((a.name, str(a.shape), *errors, measured, worst, verdict))
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        lines.append(f"loss {self.loss:.12g}, by the reference {self.reference_loss:.12g}")
        lines.append("every gradient agrees" if self.ok else "the gradients DISAGREE")
        if self.first_wrong is not None:
            lines += [str(self.first_wrong), self._judgement()]
        return "\n".join(line.rstrip() for line in lines)

    def _judgement(self) -> str:
        wrong = [a for a in self.arrays if not a.ok]
        if all(a.differences_ok for a in wrong):
            return "central differences agree with the core: it is the reference that is wrong"
        return "central differences disagree with the core: it is wrong"

    def __repr__(self) -> str:
        wrong = [a.name for a in self.arrays if not a.ok]
        return f"GradientReport(ok={self.ok}{f', wrong={wrong}' if wrong else ''})"


def check_gradients(
    network: Core,
    X: ArrayLike,
    y: ArrayLike,
    *,
    n_examples: int = 32,
    n_entries: int = 500,
    seed: int = 0,
    reference_hidden: Any = None,
) -> GradientReport:
    """Compare the compiled gradients with `backprop.reference` and with central differences.

    Parameters
    ----------
    network : Network
        Is not changed.
    X, y : array_like
        As for `Network.loss`.
    n_examples : int
        At most so many examples are used, the first: the reference is slow.
    n_entries : int
        At most so many entries of each array are measured, drawn at random.
    seed : int
        Of that draw.
    reference_hidden : str, Activation or list, optional
        What the reference takes for the hidden activations instead of the network's own: an
        `backprop.reference.Activation` with a wrong derivative shows how the check finds it.

    Returns
    -------
    GradientReport
        With ``.ok``, ``.arrays`` and a table as its str; where engine and reference part,
        ``.first_wrong`` has the array and the layer.

    Raises
    ------
    TypeError, ValueError
        As for `Network.loss`, or for a bad count.
    """
    from backprop import reference

    n_examples = integer("n_examples", n_examples, 1)
    n_entries = integer("n_entries", n_entries, 1)
    # All examples are checked before some are picked.
    batch = network.checked(X, y)
    examples, targets = dense(batch.X)[:n_examples], batch.y[:n_examples]
    compiled = network.gradients(examples, targets)
    W, b = ([array.tolist() for array in arrays] for arrays in (network.W, network.b))
    hidden = list(network.hidden_names) if reference_hidden is None else reference_hidden
    names = hidden, network.output_name, reference_loss(network)
    stated = reference.gradients(examples.tolist(), targets.tolist(), W, b, *names)
    theta = np.array(reference.flatten(stated.grad_W, stated.grad_b))
    measure = _Differences(network, examples, targets, np.random.default_rng(seed), n_entries)
    scale = max(1.0, float(np.abs(examples).max()))
    checks = []
    position = 0
    for name, grad, expected in _by_name(network, compiled.theta, theta):
        checks.append(_check(name, grad, expected, position, measure, scale))
        position += grad.size
    tolerance = _REFERENCE_TOLERANCE[network.dtype.name]
    report = GradientReport(checks, compiled.loss, stated.loss, tolerance)
    if not report.ok:
        from backprop.look._first_wrong import first_wrong

        traced = network.trace(examples, targets)
        forward = reference.forward(examples.tolist(), W, b, *names[:2])
        report.first_wrong = first_wrong(traced, compiled, forward, stated, tolerance)
    return report


def reference_loss(network: Core) -> Any:
    """Return the network's loss as `backprop.reference` takes it: a name, or what one makes."""
    from backprop import reference

    loss = network.architecture["loss"]
    if isinstance(loss, str):
        return loss
    name, parameter = loss
    stated = facts.LOSSES[name].stated
    if stated is None:
        raise NotImplementedError(
            f"`backprop.core.facts.LOSSES` must say how the reference states {name!r} with a "
            "parameter of its own, got None"
        )
    return stated(reference, reference.LOSSES[network.output_name, name], parameter)


def _by_name(
    network: Core, compiled: NDArray[Any], stated: NDArray[Any]
) -> list[tuple[str, NDArray[Any], NDArray[Any]]]:
    pairs = [split(theta, network.layer_sizes) for theta in (compiled, stated)]
    return [
        (f"{letter}_{k + 1}", pairs[0][which][k], pairs[1][which][k])
        for k in range(len(network.layer_sizes) - 1)
        for which, letter in enumerate("Wb")
    ]


def _check(
    name: str,
    compiled: NDArray[Any],
    stated: NDArray[Any],
    position: int,
    measure: _Differences,
    scale: float,
) -> ArrayCheck:
    dtype = compiled.dtype.name
    grad, expected = compiled.astype(np.float64).ravel(), stated.ravel()
    tolerance = _REFERENCE_TOLERANCE[dtype]
    rounding = float(np.finfo(dtype).eps) * scale
    reference_error = _relative_norm(grad, expected, rounding / tolerance)

    tolerance_measured = _DIFFERENCES_TOLERANCE[dtype]
    entries, measured, n_kinks = measure(grad, position, tolerance_measured)
    resolution = max(rounding, measure.resolution)
    differences_error = _relative_norm(grad[entries], measured, resolution / tolerance_measured)

    distance = np.abs(grad - expected)
    worst = int(np.argmax(distance))
    largest = float(np.abs(expected).max())
    return ArrayCheck(
        name=name,
        shape=compiled.shape,
        reference_error=reference_error,
        differences_error=differences_error,
        max_relative_error=float(distance[worst]) / largest if largest else float(distance[worst]),
        where=tuple(int(i) for i in np.unravel_index(worst, compiled.shape)),
        n_measured=len(entries),
        n_kinks=n_kinks,
        # The comparison is written so that it fails for a NaN.
        differences_ok=differences_error <= tolerance_measured,
        ok=reference_error <= tolerance and differences_error <= tolerance_measured,
    )


def _relative_norm(g: NDArray[Any], expected: NDArray[Any], floor: float) -> float:
    """Return ||g - g'|| / (||g|| + ||g'||); below ``floor`` an entry the norms count as that."""
    norm = np.linalg.norm
    size = max(float(norm(g) + norm(expected)), floor * len(g) ** 0.5)
    return float(norm(g - expected)) / size if size else 0.0


class _Differences:
    """Central differences of the loss in float64, on a twin of the network."""

    def __init__(
        self,
        network: Core,
        X: NDArray[Any],
        y: NDArray[Any],
        rng: np.random.Generator,
        n_entries: int,
    ) -> None:
        self._twin = network.astype("float64")
        self._X = X.astype(np.float64)
        self._y = y if y.dtype == np.int64 else y.astype(np.float64)
        self._rng, self._n_entries = rng, n_entries
        self.resolution = float(np.finfo(np.float64).eps) * max(1.0, self._loss()) / _STEP

    def __call__(
        self, grad: NDArray[Any], position: int, tolerance: float
    ) -> tuple[NDArray[Any], NDArray[Any], int]:
        """Return entries of the array at ``position`` in theta, their differences, kinks left out.

        Only an entry that disagrees with ``grad`` is worth the look for a kink.
        """
        entries = np.arange(grad.size)
        if grad.size > self._n_entries:
            entries = np.sort(self._rng.choice(grad.size, self._n_entries, replace=False))
        measured = np.array([self._difference(position + int(i)) for i in entries])
        suspect = np.abs(measured - grad[entries]) > tolerance * np.abs(grad).max()
        kinks = suspect & [
            bool(odd) and self._crosses_kink(position + int(i))
            for i, odd in zip(entries, suspect, strict=True)
        ]
        return entries[~kinks], measured[~kinks], int(kinks.sum())

    def _loss(self) -> float:
        return self._twin.engine.loss(self._X, self._y, False)

    def _difference(self, i: int) -> float:
        above, below = self._on_both_sides(i, self._loss)
        return (above - below) / (2 * _STEP)

    def _crosses_kink(self, i: int) -> bool:
        above, below = self._on_both_sides(i, self._sides)
        return any((a != b).any() for a, b in zip(above, below, strict=True))

    def _sides(self) -> list[NDArray[Any]]:
        """Return on which side of each kink everything lies: pre-activations, and the loss."""
        engine = self._twin.engine
        traced = engine.trace(self._X, self._y, False)
        sides = [
            pre_activation > kink
            # The last pre-activation, A_L, has no hidden activation.
            for pre_activation, name in zip(traced["A"], engine.hidden_names, strict=False)
            for kink in facts.ACTIVATIONS[name].kinks
        ]
        kinks = facts.LOSSES[engine.loss_name].kinks(engine.loss_parameter)
        if kinks:
            residual = traced["Y_hat"] - self._y.reshape(traced["Y_hat"].shape)
            sides += [residual > kink for kink in kinks]
        return sides

    def _on_both_sides(self, i: int, f: Callable[[], T]) -> tuple[T, T]:
        theta = self._twin.theta
        value = theta[i]
        theta[i] = value + _STEP
        above = f()
        theta[i] = value - _STEP
        below = f()
        theta[i] = value
        return above, below
