"""ONNX files before they are interpreted: bytes, tensors, the input and its shape."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnctrl.errors import NetworkFileError, UnsupportedError
from nnctrl.networks.files import read_network_file
from nnctrl.networks.network import Origin
from nnctrl.networks.onnx_node import Value

if TYPE_CHECKING:
    import onnx

LARGEST_INPUT = 8192
"""Every tensor is kept as a matrix over the inputs, which would not fit into memory much beyond."""


def load_model(path: Path) -> tuple[onnx.ModelProto, Origin]:
    """The model with all its tensors in memory."""
    content, origin = read_network_file(path)
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx.external_data_helper import load_external_data_for_model, uses_external_data

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise NetworkFileError(
            f"'{path.name}' is not an ONNX file or it is truncated; export the network again"
        ) from error
    if not model.opset_import or not model.graph.output:
        raise NetworkFileError(f"'{path.name}' is not an ONNX file or it is truncated; export the network again")
    _check_names(model.graph, path.name)
    outside = {
        entry.value
        for tensor in model.graph.initializer
        if uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    if not outside:
        return model, origin
    try:
        # this refuses places outside the folder
        load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        names = ", ".join(sorted(outside))
        raise NetworkFileError(
            f"'{path.name}' keeps its weights in {names}, which cannot be read; put it beside the network file"
        ) from error
    digest = hashlib.sha256(content)
    for name in sorted(outside):
        digest.update(read_network_file(path.parent / name)[0])
    return model, replace(origin, sha256=digest.hexdigest())


def _check_names(graph: onnx.GraphProto, file: str) -> None:
    """Refuse names that are not text: protobuf hands out damaged ones as bytes."""
    names = [given.name for given in (*graph.input, *graph.output, *graph.initializer)]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
    if not all(isinstance(name, str) for name in names):
        raise NetworkFileError(f"'{file}' holds names that are not text, so it is damaged; export the network again")


def stored_tensors(graph: onnx.GraphProto) -> dict[str, Value]:
    """The constants stored in the graph."""
    import onnx

    if graph.sparse_initializer:
        raise UnsupportedError("it has sparse tensors; export the network with dense ones")
    result: dict[str, Value] = {}
    for tensor in graph.initializer:
        try:
            result[tensor.name] = onnx.numpy_helper.to_array(tensor)
        except (TypeError, ValueError) as error:
            raise NetworkFileError(
                f"the tensor '{tensor.name}' is damaged ({error}); export the network again"
            ) from error
    return result


def graph_input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The one input that is not an initialiser as well (up to IR version 3 those are inputs too)."""
    stored = {tensor.name for tensor in model.graph.initializer}
    free = [given for given in model.graph.input if given.name not in stored]
    if len(free) != 1:
        names = ", ".join(given.name for given in free) or "none"
        raise UnsupportedError(f"it has {len(free)} inputs ({names}); export a network with one")
    return free[0]


def input_shape(given: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The input's shape with batch size 1; one sample may have any shape, a fixed batch of several is refused."""
    import onnx

    tensor = given.type.tensor_type
    if tensor.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16):
        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        kind = names.get(tensor.elem_type, "unknown")
        raise UnsupportedError(f"its input '{given.name}' has the type {kind}; supported are FLOAT16, FLOAT and DOUBLE")
    if not tensor.HasField("shape"):
        raise UnsupportedError(f"its input '{given.name}' has no shape; export the network with a fixed input size")
    sizes = [d.dim_value if d.WhichOneof("value") == "dim_value" else 0 for d in tensor.shape.dim]
    if len(sizes) > 1 and sizes[0] < 1:
        sizes[0] = 1
    shown = [d.dim_param or d.dim_value or "?" for d in tensor.shape.dim]
    if min(sizes, default=0) < 1:
        raise UnsupportedError(
            f"its input '{given.name}' has the shape {shown}; supported is a fixed size with a symbolic batch size"
        )
    if math.prod(sizes) > LARGEST_INPUT:
        raise UnsupportedError(
            f"its input '{given.name}' has {math.prod(sizes)} entries; supported are up to {LARGEST_INPUT}"
        )
    if sizes[0] > 1 and math.prod(sizes) != sizes[0]:
        raise UnsupportedError(
            f"its input '{given.name}' has the shape {shown}, a batch; export the network with batch size 1"
        )
    return tuple(sizes)
