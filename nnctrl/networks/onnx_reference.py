"""The check of an imported network against the reference evaluation of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import NetworkFileError
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.networks.onnx_file import graph_input, input_shape

if TYPE_CHECKING:
    import onnx

SCALES = (0.0, 1.0, -1.0, 10.0, -100.0)
"""Sizes of the inputs that are compared."""

SAFETY = 64.0
"""Factor on the estimate of the file's own rounding: a wrong import is off by far more."""


def check_against_reference(network: Network, model: onnx.ModelProto) -> None:
    """Compare with onnx's reference evaluator at a few inputs; NetworkFileError if it fails or disagrees.

    The tolerance is the rounding of the file's own arithmetic, estimated along the layers, and its precision relative
    to the largest output.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    given = graph_input(model)
    kind = onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
    shape = input_shape(given)
    inputs = np.array(SCALES)[:, None] * np.cos(1.7 * np.arange(1, network.in_size + 1))
    inputs = inputs.astype(kind).astype(np.float64)
    try:
        with np.errstate(all="ignore"):
            evaluator = ReferenceEvaluator(model)
            results: list[Any] = [evaluator.run(None, {given.name: x.astype(kind).reshape(shape)}) for x in inputs]
            expected = np.array([np.asarray(y[0], dtype=np.float64).ravel() for y in results])
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise NetworkFileError(
            f"onnx's reference evaluation fails ({str(error)[:120]}); export the network again"
        ) from error
    if expected.shape[1] != network.out_size:
        raise NetworkFileError(
            f"the import has {network.out_size} outputs and onnx's reference evaluation {expected.shape[1]}; "
            "please report this file"
        )
    # beyond the range of the file's own arithmetic there is nothing to compare
    usable = np.isfinite(expected).all(axis=1)
    if not usable.any():
        raise NetworkFileError("onnx's reference evaluation gives no finite output; export the network again")
    values = network(inputs[usable])
    roundoff = float(np.finfo(kind).eps)
    tolerance = SAFETY * _rounding(network, inputs[usable], roundoff) + np.sqrt(roundoff) * abs(expected[usable]).max(
        axis=1, keepdims=True
    )
    excess = abs(values - expected[usable]) - tolerance
    if not (excess <= 0.0).all():
        row, column = np.unravel_index(np.argmax(excess), excess.shape)
        raise NetworkFileError(
            f"output {column} is {values[row, column]:.6g} in the import and "
            f"{expected[usable][row, column]:.6g} in onnx's reference evaluation; please report this file"
        )


def _rounding(network: Network, x: FloatArray, roundoff: float) -> FloatArray:
    """An estimate of the error of evaluating `network` at `x` with a unit roundoff."""
    error = np.zeros_like(x)
    for block in network.blocks:
        hidden, spread = x, error
        for affine, layer in zip(block.affines, block.activations, strict=False):
            spread = _affine_rounding(affine, hidden, spread, roundoff)
            hidden = layer(affine(hidden))
            # activations are 1-Lipschitz
            spread = spread + 8.0 * roundoff * (abs(hidden) + 1.0)
        total = _affine_rounding(block.affines[-1], hidden, spread, roundoff)
        if block.feedthrough is not None:
            total = total + _affine_rounding(block.feedthrough, x, error, roundoff)
        x, error = block(x), total
    return error


def _affine_rounding(affine: Affine, x: FloatArray, error: FloatArray, roundoff: float) -> FloatArray:
    gain = abs(affine.weight).T
    return error @ gain + (affine.in_size + 4) * roundoff * (abs(x) @ gain + abs(affine.bias))
