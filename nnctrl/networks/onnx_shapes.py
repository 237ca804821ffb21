"""The operators of ONNX that move or rename entries, of signals and of constants."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nnctrl.errors import NetworkFileError, UnsupportedError
from nnctrl.networks.normal_form import Signal
from nnctrl.networks.onnx_node import Node, Value, pick, positions

BLOCK_BOUNDARY = "block boundary"
"""Name of the Identity nodes by which our own files keep blocks apart."""


def reshape(node: Node) -> Value:
    """The same entries in a given shape; 0 keeps an axis, -1 fills up."""
    value = node.value(0)
    wanted = node.integers(1, "shape")
    if wanted is None:
        raise NetworkFileError("it has no shape; the file is damaged")
    if not node.attributes.get("allowzero", 0):
        wanted = [value.shape[i] if n == 0 and i < len(value.shape) else n for i, n in enumerate(wanted)]
    return _reshaped(node, value, wanted)


def _reshaped(node: Node, value: Value, wanted: list[int]) -> Value:
    try:
        # NumPy finds the entry -1 and compares the sizes, without the data
        shape = np.broadcast_to(0, value.shape).reshape(wanted).shape
    except ValueError:
        raise NetworkFileError(
            f"it gives a tensor of shape {list(value.shape)} the shape {wanted}; export the network with batch size 1"
        ) from None
    return value.reshaped(shape) if isinstance(value, Signal) else value.reshape(shape)


def flatten(node: Node) -> Value:
    """The same entries as a matrix."""
    value = node.value(0)
    axis = int(node.attributes.get("axis", 1))
    axis += len(value.shape) if axis < 0 else 0
    return _reshaped(node, value, [math.prod(value.shape[:axis]), math.prod(value.shape[axis:])])


def squeeze(node: Node) -> Value:
    """Without axes of length 1."""
    value, axes = node.value(0), node.integers(1, "axes")
    rank = len(value.shape)
    dropped = {i for i, n in enumerate(value.shape) if n == 1} if axes is None else {a % rank for a in axes}
    return _reshaped(node, value, [n for i, n in enumerate(value.shape) if i not in dropped])


def unsqueeze(node: Node) -> Value:
    """With new axes of length 1."""
    value, axes = node.value(0), node.integers(1, "axes") or []
    rank = len(value.shape) + len(axes)
    new, old = {a % rank for a in axes}, iter(value.shape)
    return _reshaped(node, value, [1 if i in new else next(old) for i in range(rank)])


def transpose(node: Node) -> Value:
    """Axes in another order."""
    value = node.value(0)
    order = node.attributes.get("perm", tuple(reversed(range(len(value.shape)))))
    if isinstance(value, Signal):
        return pick(node, value, positions(value).transpose(order))
    return value.transpose(order)


def identity(node: Node) -> Value:
    """The input itself; a block ends at our own boundary nodes."""
    value = node.value(0)
    if isinstance(value, Signal):
        return node.form.seal(value) if node.name.startswith(BLOCK_BOUNDARY) else replace(value)
    return value


def cast(node: Node) -> Value:
    """Another type: of a signal only another floating-point type, which changes nothing here."""
    import onnx

    value = node.value(0)
    target = int(node.attributes["to"])
    kind = onnx.TensorProto.DataType.Name(target)
    if not isinstance(value, Signal):
        return value.astype(onnx.helper.tensor_dtype_to_np_dtype(target))
    if kind not in ("FLOAT", "DOUBLE"):
        raise UnsupportedError(f"it converts a signal to {kind}; supported are FLOAT and DOUBLE")
    return replace(value)


def constant(node: Node) -> Value:
    """A constant that is stored in the node."""
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.attributes:
            return np.asarray(node.attributes[name])
    raise UnsupportedError("its constant is neither a tensor nor numbers")
