"""The arrays of a `Trace` as it shows them: name, equation (note 5.2), numbers in short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop.core import facts

if TYPE_CHECKING:
    from backprop.core.trace import Trace

# An array of at most so many rows and columns is shown number by number.
_LARGEST = 8
_BARS = " ▁▂▃▄▅▆▇█"
_N_BINS = 16


class Row(NamedTuple):
    """One array and the equation that made it; the equation of what is given is its name."""

    equation: str
    array: NDArray[Any]


class Statistics(NamedTuple):
    """A large array in a few numbers and a histogram of 16 bins."""

    low: float
    high: float
    mean: float
    deviation: float
    norm: float
    zeros: float
    n_odd: int
    histogram: str

    def __str__(self) -> str:
        odd = f", {self.n_odd} not finite" if self.n_odd else ""
        return (
            f"{self.low:.3g} ▕{self.histogram}▏ {self.high:.3g}, mean {self.mean:.3g} ± "
            f"{self.deviation:.3g}, norm {self.norm:.3g}, zeros {self.zeros:.0%}{odd}"
        )


def forward_rows(trace: Trace) -> Iterator[Row]:
    """Yield the forward pass in its order."""
    L = len(trace) - 1
    yield Row("H_0 = X", trace[0].H)
    for k in range(1, L + 1):
        t, g = trace[k], trace.activations[k - 1]
        yield Row(f"W_{k}", t.W)
        yield Row(f"b_{k}", t.b)
        yield Row(f"A_{k} = W_{k} H_{k - 1} + b_{k} 1ᵀ", t.A)
        yield Row(f"{'Ŷ = ' if k == L else ''}H_{k} = {g}(A_{k})", t.H)


def backward_rows(trace: Trace) -> Iterator[Row]:
    """Yield the backward pass in its order."""
    L = len(trace) - 1
    for k in range(L, 0, -1):
        t, g = trace[k], trace.activations[k - 1]
        chain = f"∇A_{k} = ∇H_{k} ⊙ {g}'(A_{k})"
        if k == L:
            matched = facts.LOSSES[trace.loss_name].is_difference
            yield Row(f"∇H_{k} = ∂L / ∂Ŷ", t.grad_H)
            # Ē stands for the smoothed labels, w for the weights of the examples.
            targets = "Ē" if trace.smoothed else "E"
            share = " ⊙ w / Σw" if trace.weighted else " / m"
            yield Row(f"∇A_{k} = (Ŷ - {targets}){share}" if matched else chain, t.grad_A)
        else:
            yield Row(f"∇H_{k} = W_{k + 1}ᵀ ∇A_{k + 1}", t.grad_H)
            yield Row(chain, t.grad_A)
        yield Row(f"∇W_{k} = ∇A_{k} H_{k - 1}ᵀ", t.grad_W)
        yield Row(f"∇b_{k} = ∇A_{k} 1", t.grad_b)


def is_small(array: NDArray[Any]) -> bool:
    """Whether its numbers are shown one by one."""
    return all(n <= _LARGEST for n in array.shape)


def number(value: float) -> str:
    """Return a number in about seven characters."""
    return f"{value:.4f}" if value == 0 or 1e-2 <= abs(value) < 1e3 else f"{value:.2e}"


def statistics(array: NDArray[Any]) -> Statistics:
    """Describe an array; what is not finite is counted and left out."""
    everything = array.astype(np.float64).ravel()
    values = everything[np.isfinite(everything)]
    n_odd = len(everything) - len(values)
    if not len(values):
        nan = float("nan")
        return Statistics(nan, nan, nan, nan, nan, nan, n_odd, " " * _N_BINS)
    low, high = float(values.min()), float(values.max())
    return Statistics(
        low,
        high,
        float(values.mean()),
        float(values.std()),
        float(np.linalg.norm(values)),
        float((values == 0).mean()),
        n_odd,
        _sparkline(values, low, high),
    )


def _sparkline(values: NDArray[np.float64], low: float, high: float) -> str:
    if not 0 < high - low < np.inf:
        return "█".center(_N_BINS)
    # The counts are made by hand, because np.histogram refuses a range too narrow for its bins.
    bins = np.minimum((values - low) / (high - low) * _N_BINS, _N_BINS - 1).astype(int)
    counts = np.bincount(bins, minlength=_N_BINS)
    # Heights are rounded up, so that a bin with a single value does not look empty.
    heights = -(-counts * (len(_BARS) - 1) // counts.max())
    return "".join(_BARS[h] for h in heights)
