"""One operator of an ONNX graph with its inputs, and what all operators need to move entries about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.errors import NetworkFileError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.networks.normal_form import NormalForm, Signal

Constant = NDArray[Any]
Value = Signal | Constant


@dataclass(frozen=True)
class Node:
    """One operator of the graph with what its inputs hold; `uses[name]` counts the readers of a tensor."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int
    values: dict[str, Value]
    uses: dict[str, int]
    form: NormalForm

    def has(self, index: int) -> bool:
        """Whether the optional input is given."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def value(self, index: int) -> Value:
        """What the input holds; NetworkFileError if nothing defines it."""
        if not self.has(index):
            raise NetworkFileError(f"input {index} is missing; the file is damaged")
        name = self.inputs[index]
        if name not in self.values:
            raise NetworkFileError(f"it reads '{name}', which nothing before it defines; the file is damaged")
        return self.values[name]

    def signal(self, index: int) -> Signal:
        """The input, which depends on the network's input, as one map of one source."""
        value = self.value(index)
        if not isinstance(value, Signal):
            raise UnsupportedError("it applies to constants only; fold constants when exporting")
        # kept, so that the other readers of a skip connection find the same block
        settled = self.form.settle(value)
        self.values[self.inputs[index]] = settled
        return settled

    def constant(self, index: int) -> Constant:
        """The input, which must not depend on the network's input."""
        value = self.value(index)
        if isinstance(value, Signal):
            raise UnsupportedError(f"its input '{self.inputs[index]}' must be a constant")
        return value

    def numbers(self, index: int, *, infinite: bool = False) -> FloatArray:
        """A constant input as float64; NetworkFileError for nan, and for infinity unless it is allowed."""
        stored = np.asarray(self.constant(index))
        try:
            # a signalling nan warns here; it is refused below
            with np.errstate(invalid="ignore"):
                array = stored.astype(np.float64)
        except (TypeError, ValueError):
            raise UnsupportedError(f"the tensor '{self.inputs[index]}' does not hold real numbers") from None
        if np.isnan(array).any() or (not infinite and np.isinf(array).any()):
            raise NetworkFileError(
                f"the tensor '{self.inputs[index]}' contains nan or inf; export a network with finite weights"
            )
        return array

    def integers(self, index: int, attribute: str) -> list[int] | None:
        """Integers that newer opsets give as an input and older ones as an attribute; None if neither is there."""
        if self.has(index):
            return [int(i) for i in self.constant(index).ravel()]
        given = self.attributes.get(attribute)
        return None if given is None else [int(i) for i in given]


def linear(node: Node, signal: Signal, matrix: FloatArray, shape: tuple[int, ...]) -> Signal:
    """The signal times a matrix, in the shape of the result."""
    return node.form.affine(signal, Affine.linear(matrix), shape)


def pick(node: Node, signal: Signal, index: NDArray[np.intp]) -> Signal:
    """The entries `index` (of the flat signal) in the shape of `index`."""
    flat = index.ravel()
    if np.array_equal(flat, np.arange(signal.size)):
        return signal.reshaped(index.shape)
    return linear(node, node.form.settle(signal), np.eye(signal.size)[flat], index.shape)


def positions(signal: Signal) -> NDArray[np.intp]:
    """The index of every entry of a signal, in its shape."""
    return np.arange(signal.size).reshape(signal.shape)


def broadcast(node: Node, signal: Signal, shape: tuple[int, ...]) -> Signal:
    """The signal with its entries repeated to fill a larger shape."""
    return pick(node, signal, np.broadcast_to(positions(signal), shape))


def joint_shape(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that two shapes broadcast to."""
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise NetworkFileError(
            f"shapes {list(first)} and {list(second)} do not fit together; the file is damaged"
        ) from None
