"""ONNX files (the extra "onnx"): the graph of a network, written by the ``onnx`` package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from backprop._checks import texts
from backprop.interchange._graph import OPSET, Graph, describe
from backprop.interchange._optional import needed
from backprop.io import replace
from backprop.network import Network
from backprop.runtime import __version__

if TYPE_CHECKING:
    from onnx import ModelProto

# That of the opset's own time: older runtimes refuse a newer one.
_IR_VERSION = 7


def to_onnx(
    net: Network, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network as an ONNX file; see `Network.to_onnx`."""
    needed("onnx", "to_onnx", "'backprop[onnx]'")
    model = _model(describe(net), net, texts("metadata", metadata))
    replace(path, [model.SerializeToString()])


def _model(graph: Graph, net: Network, metadata: dict[str, str]) -> ModelProto:
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
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, metadata)
    checker.check_model(model)
    return model
