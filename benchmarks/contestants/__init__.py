"""The contestants, one small file each, behind one tiny interface.

A contestant is a class ``Contestant`` with

- ``__init__(task, threads)``: put the data into the framework's own tensors (and compile);
- ``reset()``: start again from ``task.theta``, with fresh optimizer state;
- ``train(epochs)``: that many passes over the batches in order, loss computed every step; returns
  the last step's (or epoch's) loss, when all the work is done;
- ``theta()``: the flat weights as a NumPy array;
- ``versions()``: what was measured, for the report;
- ``allowance`` (optional): by optimizer, how far the framework's own definition of it may take the
  first updates from everyone else's.

Modules import their framework at the top: a worker imports one only after its threads are set.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.grid import Task

# name -> (module, label in the table, whether it is ours)
CONTESTANTS = {
    "numpy": ("numpy_by_hand", "NumPy", False),
    "torch": ("torch_eager", "PyTorch", False),
    "torch-compile": ("torch_compile", "torch.compile", False),
    "jax-step": ("jax_step", "JAX step", False),
    "jax-scan": ("jax_scan", "JAX scan", False),
    "sklearn": ("sklearn_mlp", "scikit-learn", False),
    "ours-core": ("ours_core", "ours C++", True),
    "ours-fit": ("ours_fit", "ours fit", True),
}
OURS = tuple(name for name, (_, _, ours) in CONTESTANTS.items() if ours)
PEERS = tuple(name for name in CONTESTANTS if name not in OURS)


class Contestant(Protocol):
    """The interface described above."""

    def __init__(self, task: Task, threads: int) -> None: ...
    def reset(self) -> None: ...
    def train(self, epochs: int) -> float: ...
    def theta(self) -> NDArray[np.floating]: ...
    @staticmethod
    def versions() -> dict[str, Any]: ...
