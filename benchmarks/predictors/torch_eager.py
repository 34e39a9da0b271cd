"""PyTorch: nn.Sequential with softmax under inference_mode, tensors in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.grid import Parameters

# Entered once, for the life of this process, so that no call pays for it.
INFERENCE = torch.inference_mode()
INFERENCE.__enter__()


class Predictor:
    def __init__(self, parameters: Parameters, threads: int) -> None:
        torch.set_num_threads(threads)
        layers: list[torch.nn.Module] = []
        for W, b in parameters:
            linear = torch.nn.Linear(W.shape[1], W.shape[0])
            linear.weight = torch.nn.Parameter(torch.from_numpy(W))
            linear.bias = torch.nn.Parameter(torch.from_numpy(b))
            layers += [linear, torch.nn.ReLU()]
        self.predict = torch.nn.Sequential(*layers[:-1], torch.nn.Softmax(dim=1)).eval()

    def prepare(self, X: NDArray[np.floating]) -> torch.Tensor:
        return torch.from_numpy(X)

    @staticmethod
    def versions() -> dict[str, Any]:
        return {"torch": torch.__version__}
