"""ONNX files (the extra "onnx"): the graph of a network, written by the ``onnx`` package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from backprop.core.checks import texts
from backprop.core.files import replace, require_finite
from backprop.core.network import Core
from backprop.core.runtime import __version__
from backprop.exchange._formulas import ACTIVATIONS, OUTPUTS
from backprop.exchange._graph import Graph
from backprop.exchange._optional import needed

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 13
# The version of the file format is as old as the opset, because older runtimes refuse a newer one.
IR_VERSION = 7


def to_onnx(
    net: Core, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network as an ONNX file; see `Network.to_onnx`."""
    require_finite(net)
    needed("onnx", "to_onnx", "'backprop[onnx]'")
    model = _model(describe(net), net, texts("metadata", metadata))
    replace(path, [model.SerializeToString()])


def describe(net: Core) -> Graph:
    """Return the graph of ``net`` from ``X`` to ``Y_hat``; its arrays are the network's own.

    Each layer is one Gemm, A_k = H_{k-1} W_kᵀ + b_k with examples in rows (note 5.2), and its
    activation.
    """
    graph = Graph(net.dtype)
    n_layers = len(net.W)
    H = "X"
    for k, (W_k, b_k) in enumerate(zip(net.W, net.b, strict=True), 1):
        graph.constants[f"W_{k}"], graph.constants[f"b_{k}"] = W_k, b_k
        graph.add("Gemm", H, f"W_{k}", f"b_{k}", transB=1)
        A = graph.name(f"A_{k}")
        if k == n_layers:
            OUTPUTS[net.output_name].onnx(graph, A)
            graph.name("Y_hat")
            break
        H = ACTIVATIONS[net.hidden_names[k - 1]].onnx(graph, A)
        H = A if H == A else graph.name(f"H_{k}")
    return graph


def _model(graph: Graph, net: Core, metadata: dict[str, str]) -> ModelProto:
    from onnx import TensorProto, checker, helper, numpy_helper

    kind = TensorProto.FLOAT if net.dtype == np.float32 else TensorProto.DOUBLE
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node(node.op, node.inputs, [node.output], **node.attributes)
                for node in graph.nodes
            ],
            "backprop",
            [helper.make_tensor_value_info("X", kind, ["m", net.layer_sizes[0]])],
            [helper.make_tensor_value_info("Y_hat", kind, ["m", net.layer_sizes[-1]])],
            [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        producer_name="backprop",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, metadata)
    checker.check_model(model)
    return model
