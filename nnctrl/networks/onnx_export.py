"""Networks to ONNX files: float64 weights kept bit by bit, so that what was verified is what is flown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.files import write_atomically
from nnctrl.networks.activations import Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.networks.onnx_shapes import BLOCK_BOUNDARY

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 13, 7
"""Old enough for every runtime in use; the operators below have not changed since."""

PLAIN = {Identity: "Identity", Relu: "Relu", Sigmoid: "Sigmoid", Softplus: "Softplus", Tanh: "Tanh"}
"""Activations that are one operator without parameters."""


def write_onnx(network: Network, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write `network` to an ONNX file with the entries of `metadata` in it, replacing the file as a whole.

    Reading the file again gives the same weights bit by bit, but that a block without activations is merged with its
    feedthrough, and affine layers with only identity activations between them become one, with radii. UnsupportedError
    for networks that a file cannot hold exactly (radii of composed maps, activations that differ within a layer);
    InputError if the file cannot be written.
    """
    write_atomically(Path(path), onnx_bytes(network, metadata))


def onnx_bytes(network: Network, metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of the file that `write_onnx` writes; the same network and metadata give the same bytes."""
    import onnx

    graph = _Graph()
    value = "x"
    for index, block in enumerate(network.blocks):
        last = index == len(network.blocks) - 1
        result = graph.block(block, index, value, "y" if last else f"block_{index}")
        if not last:
            value = graph.node("Identity", [result], f"input_{index + 1}", name=f"{BLOCK_BOUNDARY} {index + 1}")
    kind = onnx.TensorProto.DOUBLE
    proto = onnx.helper.make_graph(
        graph.nodes,
        "network",
        [onnx.helper.make_tensor_value_info("x", kind, ["batch", network.in_size])],
        [onnx.helper.make_tensor_value_info("y", kind, ["batch", network.out_size])],
        graph.tensors,
        doc_string=network.architecture(),
    )
    model = onnx.helper.make_model(
        proto,
        producer_name="nnctrl",
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    for key, text in sorted((metadata or {}).items()):
        if not isinstance(text, str):
            raise InputError(f"the metadata '{key}' is {text!r}; give text")
        model.metadata_props.add(key=key, value=text)
    return bytes(model.SerializeToString(deterministic=True))


class _Graph:
    """Nodes and tensors of the graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: list[str], output: str, *, name: str = "") -> str:
        import onnx

        proto = onnx.helper.make_node(operator, inputs, [output], name or output)
        if operator == "Gemm":
            proto.attribute.append(onnx.helper.make_attribute("transB", 1))
        self.nodes.append(proto)
        return output

    def tensor(self, values: object, name: str) -> str:
        import onnx

        self.tensors.append(onnx.numpy_helper.from_array(np.array(values, dtype=np.float64), name))
        return name

    def block(self, block: Block, index: int, value: str, output: str) -> str:
        """The nodes from the tensor `value` to the tensor `output`."""
        prefix = f"block_{index}/"
        hidden = value
        for depth, (affine, layer) in enumerate(zip(block.affines, block.activations, strict=False)):
            hidden = self.affine(affine, hidden, f"{prefix}affine_{depth}")
            hidden = self.activation(layer, hidden, f"{prefix}activation_{depth}")
        final = f"{prefix}affine_{len(block.activations)}"
        if block.feedthrough is None:
            return self.affine(block.affines[-1], hidden, final, output)
        chain = self.affine(block.affines[-1], hidden, final)
        skip = self.affine(block.feedthrough, value, f"{prefix}feedthrough")
        return self.node("Add", [chain, skip], output)

    def affine(self, affine: Affine, value: str, name: str, output: str = "") -> str:
        if not affine.is_exact:
            raise UnsupportedError(
                f"the map '{name}' of this network was composed and carries a rounding radius, which a file cannot "
                "hold; write the network that it was composed from"
            )
        inputs = [value, self.tensor(affine.weight, f"{name}/weight"), self.tensor(affine.bias, f"{name}/bias")]
        return self.node("Gemm", inputs, output or name, name=name)

    def activation(self, layer: ActivationLayer, value: str, name: str) -> str:
        kinds = {activation for activation, _ in layer.segments}
        if len(kinds) != 1:
            shown = " and ".join(sorted(kind.name for kind in kinds))
            raise UnsupportedError(
                f"the layer '{name}' has {shown} on different lanes, which the files of this project do not hold; "
                "write the controller's own network rather than a composed one"
            )
        (kind,) = kinds
        if isinstance(kind, Clip):
            return self.clip(kind, value, name)
        operator = PLAIN.get(type(kind))
        if operator is None:
            raise UnsupportedError(f"the activation '{kind.name}' has no ONNX operator; written are {_known()}")
        return self.node(operator, [value], name)

    def clip(self, clip: Clip, value: str, name: str) -> str:
        lower, upper = f"{name}/lower", f"{name}/upper"
        if isinstance(clip.lower, tuple):
            # Clip takes one limit for all lanes
            raised = self.node("Max", [value, self.tensor(clip.lower, lower)], f"{name}/raised")
            return self.node("Min", [raised, self.tensor(clip.upper, upper)], name)
        return self.node("Clip", [value, self.tensor(clip.lower, lower), self.tensor(clip.upper, upper)], name)


def _known() -> str:
    return ", ".join(sorted([*(kind.__name__.lower() for kind in PLAIN), "clip"]))
