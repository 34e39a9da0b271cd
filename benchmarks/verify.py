"""Equal work: a contestant's weights after a few steps must be the arbiter's.

The arbiter is the hand-written NumPy in float64. What is compared is the update, theta - theta_0,
because the weights themselves hardly move in three steps and would agree without any training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.grid import Task

# Relative to the norm of the update: rounding in the gradients, amplified by cancellation and by
# units whose pre-activation rounds to the other side of ReLU's kink.
TOLERANCE = {"float32": 1e-3, "float64": 1e-9}


def difference(
    theta: NDArray[np.floating], task: Task, path: str, steps: int, allowance: float
) -> dict[str, float]:
    """Relative difference of the update from the one saved at ``path``, and what is allowed.

    ``allowance`` is what the contestant's own definition of the optimizer differs by.
    """
    expected = np.load(path)
    start = task.theta.astype(np.float64)
    update = np.linalg.norm(expected - start)
    dtype = task.X.dtype
    # theta_0 itself was rounded to dtype, and each step rounds every weight once more.
    rounding = (steps + 1) * np.finfo(dtype).eps / 2 * np.linalg.norm(start)
    allowed = TOLERANCE[dtype.name] + rounding / update + allowance
    return {
        "difference": float(np.linalg.norm(theta - expected) / update),
        "allowed": float(allowed),
    }
