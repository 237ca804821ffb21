"""Small ONNX models written by hand: one graph, one input `x`, one output `y`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from nnctrl.networks.network import Network

Nodes = Sequence[tuple[str, list[str], list[str], dict[str, Any]]]


def model(
    nodes: Nodes,
    tensors: Mapping[str, np.ndarray],
    shape: Sequence[int | str],
    *,
    opset: int = 17,
    kind: int = TensorProto.DOUBLE,
    initialisers_as_inputs: bool = False,
) -> onnx.ModelProto:
    """The model of `nodes` (operator, inputs, outputs, attributes)."""
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    inputs = [helper.make_tensor_value_info("x", kind, list(shape))]
    if initialisers_as_inputs:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in stored]
    graph = helper.make_graph(
        [helper.make_node(operator, ins, outs, **attributes) for operator, ins, outs, attributes in nodes],
        "test",
        inputs,
        [helper.make_tensor_value_info("y", kind, None)],
        stored,
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])


def save(path: Path, proto: onnx.ModelProto) -> Path:
    """The model in a file."""
    path.write_bytes(proto.SerializeToString())
    return path


def reference(proto: onnx.ModelProto, shape: Sequence[int], x: np.ndarray) -> np.ndarray:
    """Outputs of onnx's reference evaluation for a batch x [k, n], flattened."""
    evaluator = ReferenceEvaluator(proto)
    with np.errstate(all="ignore"):
        return np.array([np.asarray(evaluator.run(None, {"x": row.reshape(shape)})[0]).ravel() for row in x])


def weights(network: Network) -> list[np.ndarray]:
    """All numbers of a network, in order."""
    result = []
    for block in network.blocks:
        maps = [*block.affines, *([] if block.feedthrough is None else [block.feedthrough])]
        for affine in maps:
            result += [affine.weight, affine.bias]
    return result


def is_exact(network: Network) -> bool:
    """Whether no map of the network carries a radius."""
    return all(
        affine is None or affine.is_exact for block in network.blocks for affine in (*block.affines, block.feedthrough)
    )
