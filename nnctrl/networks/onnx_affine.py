"""The affine operators of ONNX: sums and scalings by constants, matrix products, convolutions over everything."""

from __future__ import annotations

import math

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import NetworkFileError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.networks.normal_form import Signal
from nnctrl.networks.onnx_node import Node, Value, broadcast, joint_shape, linear, pick, positions
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF


def _operand(node: Node, index: int, shape: tuple[int, ...]) -> FloatArray:
    """A constant operand; opsets before 7 could align its axes otherwise than from the last one on."""
    array = node.numbers(index)
    axis = node.attributes.get("axis")
    if node.opset < 7 and axis is not None and int(axis) % len(shape) != len(shape) - array.ndim:
        raise UnsupportedError(f"it broadcasts along axis {axis}; export the network with opset 7 or later")
    return array


def add(node: Node) -> Value:
    """A + B."""
    return _sum(node, 1.0)


def subtract(node: Node) -> Value:
    """A - B."""
    return _sum(node, -1.0)


def _sum(node: Node, sign: float) -> Signal:
    first, second = node.value(0), node.value(1)
    if isinstance(first, Signal) and isinstance(second, Signal):
        shape = joint_shape(first.shape, second.shape)
        other = second if sign > 0.0 else _scaled(node, node.signal(1), np.array(sign))
        return broadcast(node, first, shape).plus(broadcast(node, other, shape))
    if isinstance(first, Signal):
        offset = sign * _operand(node, 1, first.shape)
        shape = joint_shape(first.shape, offset.shape)
        return broadcast(node, first, shape).plus_constant(np.broadcast_to(offset, shape).ravel())
    signal = node.signal(1) if sign > 0.0 else _scaled(node, node.signal(1), np.array(sign))
    offset = _operand(node, 0, signal.shape)
    shape = joint_shape(signal.shape, offset.shape)
    return broadcast(node, signal, shape).plus_constant(np.broadcast_to(offset, shape).ravel())


def _scaled(node: Node, signal: Signal, factor: FloatArray, radius: FloatArray | None = None) -> Signal:
    """The signal times `factor` (known to within `radius`), broadcast."""
    shape = joint_shape(signal.shape, factor.shape)
    wide = broadcast(node, signal, shape)
    error = None if radius is None else np.diag(np.broadcast_to(radius, shape).ravel())
    return node.form.affine(wide, Affine.linear(np.diag(np.broadcast_to(factor, shape).ravel()), error), shape)


def multiply(node: Node) -> Value:
    """A * B, one of them constant."""
    index = 0 if isinstance(node.value(0), Signal) else 1
    signal = node.signal(index)
    return _scaled(node, signal, _operand(node, 1 - index, signal.shape))


def divide(node: Node) -> Value:
    """A / B with a constant B; the reciprocals carry their rounding."""
    signal = node.signal(0)
    divisor = _operand(node, 1, signal.shape)
    if (divisor == 0.0).any():
        raise NetworkFileError(
            f"it divides by '{node.inputs[1]}', which contains 0; export a network without such a scaling"
        )
    factor = 1.0 / divisor
    # the reciprocal rounds once, unless it is that of a power of two
    exact = abs(np.frexp(divisor)[0]) == 0.5
    return _scaled(node, signal, factor, np.where(exact, 0.0, abs(factor) * (2.0 * UNIT_ROUNDOFF) + TINY))


def _product(node: Node, signal: Signal, matrix: FloatArray, *, from_left: bool) -> tuple[FloatArray, tuple[int, ...]]:
    """The matrix of `signal @ matrix` (`matrix @ signal` from the left) on the flat signal, and the result's shape."""
    shape = signal.shape
    if matrix.ndim not in (1, 2) or not shape:
        raise UnsupportedError(
            f"it multiplies by a constant with {matrix.ndim} axes; supported are matrices and vectors"
        )
    axis = -2 if from_left and len(shape) > 1 else -1
    inner = matrix.shape[-1] if from_left else matrix.shape[0]
    if shape[axis] != inner:
        raise NetworkFileError(
            f"a signal of shape {list(shape)} does not fit a matrix of shape {list(matrix.shape)}; the file is damaged"
        )
    if not from_left:
        rows = math.prod(shape[:-1])
        block = matrix.T if matrix.ndim == 2 else matrix[None, :]
        return _diagonal(rows, block), (*shape[:-1], *matrix.shape[1:])
    block = matrix if matrix.ndim == 2 else matrix[None, :]
    if len(shape) == 1:
        return block, matrix.shape[:-1]
    layers, columns = math.prod(shape[:-2]), shape[-1]
    spread = block if columns == 1 else np.asarray(np.kron(block, np.eye(columns)), dtype=np.float64)
    return _diagonal(layers, spread), (*shape[:-2], *matrix.shape[:-1], columns)


def _diagonal(count: int, block: FloatArray) -> FloatArray:
    return block if count == 1 else np.asarray(np.kron(np.eye(count), block), dtype=np.float64)


def matmul(node: Node) -> Value:
    """A B, one of them constant."""
    from_left = not isinstance(node.value(0), Signal)
    signal = node.signal(1 if from_left else 0)
    matrix, shape = _product(node, signal, node.numbers(0 if from_left else 1), from_left=from_left)
    return linear(node, signal, matrix, shape)


def gemm(node: Node) -> Value:
    """alpha A' B' + beta C, one of A and B constant."""
    from_left = not isinstance(node.value(0), Signal)
    place = 1 if from_left else 0
    signal, constant = node.signal(place), node.numbers(1 - place)
    flip_signal, flip_constant = (
        bool(node.attributes.get(name, 0)) for name in (("transB", "transA") if from_left else ("transA", "transB"))
    )
    if flip_signal:
        signal = pick(node, signal, positions(signal).T)
    matrix, shape = _product(node, signal, constant.T if flip_constant else constant, from_left=from_left)
    alpha, beta = (float(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    offset = node.numbers(2) if node.has(2) and not isinstance(node.value(2), Signal) else None
    if offset is not None and alpha == beta == 1.0 and joint_shape(shape, offset.shape) == shape:
        return node.form.affine(signal, Affine(matrix, np.broadcast_to(offset, shape).ravel()), shape)
    result = _scaled(node, linear(node, signal, matrix, shape), np.array(alpha))
    if not node.has(2):
        return result
    if offset is None:
        return result.plus(broadcast(node, _scaled(node, node.signal(2), np.array(beta)), shape))
    ((source, affine),) = result.maps.items()
    constant_part = Affine(np.zeros_like(affine.weight), np.broadcast_to(offset, shape).ravel())
    return result.plus(_scaled(node, Signal(shape, {source: constant_part}), np.array(beta)))


def convolution(node: Node) -> Value:
    """A convolution whose kernel covers its input: a matrix."""
    signal, kernel = node.signal(0), node.numbers(1)
    spatial = kernel.shape[2:]
    padding = node.attributes.get("auto_pad", "NOTSET")
    plain = padding in ("NOTSET", "VALID") and not any(node.attributes.get("pads", ()))
    plain = plain and node.attributes.get("group", 1) == 1
    plain = plain and all(d == 1 or k == 1 for d, k in zip(node.attributes.get("dilations", ()), spatial, strict=False))
    if not plain or signal.shape != (1, *kernel.shape[1:]):
        raise UnsupportedError(
            f"its kernel {list(kernel.shape)} does not cover the whole input {list(signal.shape)}; supported are "
            "convolutions that do, without padding, groups and dilation"
        )
    size = kernel.shape[0]
    bias = node.numbers(2) if node.has(2) else np.zeros(size)
    return node.form.affine(signal, Affine(kernel.reshape(size, -1), bias), (1, size, *(1 for _ in spatial)))
