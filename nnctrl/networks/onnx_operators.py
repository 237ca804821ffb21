"""The table of supported ONNX operators, and the activations among them.

Every operator is exact or carries radii: the network read is the real function that the file's numbers and operators
define, and not the float32 arithmetic of some runtime. Attributes are read in the form of every opset from 6 on.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnctrl.errors import UnsupportedError
from nnctrl.networks.activations import Activation, Clip, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.normal_form import Signal
from nnctrl.networks.onnx_affine import add, convolution, divide, gemm, matmul, multiply, subtract
from nnctrl.networks.onnx_node import Node, Value, broadcast, joint_shape
from nnctrl.networks.onnx_shapes import cast, constant, flatten, identity, reshape, squeeze, transpose, unsqueeze


def _activation(activation: Activation) -> Callable[[Node], Value]:
    return lambda node: node.form.activate(node.signal(0), activation)


def _clip(node: Node) -> Value:
    low, high = (
        _limit(node, index, name, default) for index, name, default in ((1, "min", -math.inf), (2, "max", math.inf))
    )
    return _saturated(node, 0, Clip(low, high))


def _limit(node: Node, index: int, name: str, default: float) -> float:
    if not node.has(index):
        return float(node.attributes.get(name, default))
    limit = node.numbers(index, infinite=True)
    if limit.size != 1:
        raise UnsupportedError(
            f"its limit '{node.inputs[index]}' has {limit.size} entries; use Max and Min for one limit per lane"
        )
    return float(limit.item())


def _maximum(node: Node) -> Value:
    return _one_sided(node, lambda limit: (limit, math.inf))


def _minimum(node: Node) -> Value:
    return _one_sided(node, lambda limit: (-math.inf, limit))


def _one_sided(node: Node, limits: Callable[[float], tuple[float, float]]) -> Value:
    """Max or Min with a constant: a clip with one limit, for each lane if the constant is not a number."""
    if len(node.inputs) != 2:
        raise UnsupportedError(f"it has {len(node.inputs)} inputs; supported are a signal and a constant")
    index = 0 if isinstance(node.value(0), Signal) else 1
    constant, signal = node.numbers(1 - index, infinite=True), node.signal(index)
    shape = joint_shape(signal.shape, constant.shape)
    if constant.size == 1:
        return _saturated(node, index, Clip(*limits(float(constant.item()))), shape)
    pairs = [limits(float(c)) for c in np.broadcast_to(constant, shape).ravel()]
    return _saturated(node, index, Clip(tuple(low for low, _ in pairs), tuple(high for _, high in pairs)), shape)


def _saturated(node: Node, index: int, clip: Clip, shape: tuple[int, ...] | None = None) -> Signal:
    signal = node.signal(index)
    wide = signal if shape is None or shape == signal.shape else broadcast(node, signal, shape)
    return node.form.saturate(wide, clip, only_use=node.uses[node.inputs[index]] == 1)


OPERATORS: dict[str, Callable[[Node], Value]] = {
    "Add": add,
    "Cast": cast,
    "Clip": _clip,
    "Constant": constant,
    "Conv": convolution,
    "Div": divide,
    "Dropout": identity,
    "Flatten": flatten,
    "Gemm": gemm,
    "Identity": identity,
    "MatMul": matmul,
    "Max": _maximum,
    "Min": _minimum,
    "Mul": multiply,
    "Relu": _activation(Relu()),
    "Reshape": reshape,
    "Sigmoid": _activation(Sigmoid()),
    "Softplus": _activation(Softplus()),
    "Squeeze": squeeze,
    "Sub": subtract,
    "Tanh": _activation(Tanh()),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
"""The supported operators; in inference Dropout is the identity."""
