"""Ours: Network.predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import backprop as bp
from benchmarks.grid import Parameters, join


class Predictor:
    def __init__(self, parameters: Parameters, threads: int) -> None:
        bp.set_num_threads(threads)
        sizes = [parameters[0][0].shape[1], *(len(b) for _, b in parameters)]
        self.net = bp.Network(sizes, hidden="relu", output="softmax", dtype="float32")
        self.net.theta[:] = join(parameters)
        self.predict = self.net.predict

    def prepare(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return X

    @staticmethod
    def versions() -> dict[str, Any]:
        return dict(bp.info())
