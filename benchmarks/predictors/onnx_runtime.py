"""onnxruntime: a graph of Gemm, Relu and Softmax, NumPy in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.grid import Parameters


def model_of(parameters: Parameters) -> onnx.ModelProto:
    nodes, weights, name = [], [], "X"
    for k, (W, b) in enumerate(parameters, 1):
        weights += [numpy_helper.from_array(W, f"W_{k}"), numpy_helper.from_array(b, f"b_{k}")]
        nodes.append(helper.make_node("Gemm", [name, f"W_{k}", f"b_{k}"], [f"A_{k}"], transB=1))
        last = k == len(parameters)
        name = "Y_hat" if last else f"H_{k}"
        nodes.append(helper.make_node("Softmax" if last else "Relu", [f"A_{k}"], [name]))
    n, p = parameters[0][0].shape[1], len(parameters[-1][1])
    X = helper.make_tensor_value_info("X", TensorProto.FLOAT, ["m", n])
    Y_hat = helper.make_tensor_value_info("Y_hat", TensorProto.FLOAT, ["m", p])
    graph = helper.make_graph(nodes, "mlp", [X], [Y_hat], weights)
    # Versions that any onnxruntime of the last years reads; Softmax is per row from 13 on.
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


class Predictor:
    def __init__(self, parameters: Parameters, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            model_of(parameters).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, X: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
        return {"X": X}

    def predict(self, prepared: dict[str, NDArray[np.floating]]) -> Any:
        return self.session.run(None, prepared)[0]

    @staticmethod
    def versions() -> dict[str, Any]:
        return {"onnxruntime": onnxruntime.__version__}
