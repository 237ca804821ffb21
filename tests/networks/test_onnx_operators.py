"""Every operator and attribute form of the ONNX reader against the reference evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from nnctrl.networks.onnx_import import read_onnx
from tests.networks.onnx_graphs import BATCH, TENSORS, graph
from tests.networks.onnx_models import Nodes, model, reference, save

CASES: dict[str, tuple[Nodes, tuple[int | str, ...], int]] = {
    "gemm": (graph(("Gemm", ["W43", "B3"], {})), BATCH, 17),
    "gemm without bias": (graph(("Gemm", ["W43"], {})), BATCH, 13),
    "gemm transB": (graph(("Gemm", ["W34", "B3"], {"transB": 1})), BATCH, 9),
    "gemm alpha beta": (graph(("Gemm", ["W34", "B3"], {"transB": 1, "alpha": 0.3, "beta": -1.7})), BATCH, 11),
    "gemm transA": (graph(("Gemm", ["W43", "row"], {"transA": 1})), (4, 1), 13),
    "gemm matrix from left": (graph(("Gemm", ["W34", "_", "column"], {})), (4, 1), 13),
    "gemm both transposed from left": (graph(("Gemm", ["W43", "_"], {"transA": 1, "transB": 1})), BATCH, 13),
    "gemm of opset 6": (graph(("Gemm", ["W34", "B3"], {"transB": 1, "broadcast": 1})), (1, 4), 6),
    "matmul right": (graph(("MatMul", ["W43"], {})), BATCH, 13),
    "matmul left": (graph(("MatMul", ["W34", "_"], {})), (4, 1), 13),
    "matmul vector": (graph(("MatMul", ["v4"], {})), BATCH, 13),
    "matmul left vector": (graph(("MatMul", ["v4", "_"], {})), (4, 1), 13),
    "matmul of a plain vector": (graph(("MatMul", ["W43"], {})), (4,), 13),
    "matmul on the left of a plain vector": (graph(("MatMul", ["W34", "_"], {})), (4,), 13),
    "matmul of rows": (graph(("MatMul", ["W43"], {})), (1, 2, 4), 13),
    "matmul of columns": (graph(("MatMul", ["W34", "_"], {})), (1, 4, 2), 13),
    "add": (graph(("Add", ["B4"], {})), BATCH, 13),
    "add broadcast": (graph(("Gemm", ["W43"], {}), ("Add", ["row"], {})), BATCH, 13),
    "add to a column of constants": (graph(("MatMul", ["v4"], {}), ("Add", ["column"], {})), ("N", 4), 13),
    "add scalar": (graph(("Add", ["half"], {})), BATCH, 13),
    "add from left": (graph(("Add", ["B4", "_"], {})), BATCH, 13),
    "add with axis of opset 6": (graph(("Add", ["B4"], {"broadcast": 1, "axis": 1})), (1, 4), 6),
    "sub": (graph(("Sub", ["B4"], {})), BATCH, 13),
    "sub from constant": (graph(("Sub", ["B4", "_"], {})), BATCH, 13),
    "sub of opset 6": (graph(("Sub", ["ones"], {"broadcast": 1})), (1, 1, 1, 4), 6),
    "mul": (graph(("Mul", ["tenths"], {})), BATCH, 13),
    "mul from left": (graph(("Mul", ["tenths", "_"], {})), BATCH, 13),
    "div": (graph(("Div", ["tenths"], {})), BATCH, 13),
    "normalisation": (graph(("Sub", ["B4"], {}), ("Div", ["tenths"], {}), ("Gemm", ["W43", "B3"], {})), BATCH, 13),
    "conv": (graph(("Conv", ["kernel", "B3"], {}), ("Flatten", [], {})), (1, 1, 1, 4), 13),
    "conv dynamic batch": (
        graph(("Conv", ["kernel"], {"kernel_shape": [1, 4], "strides": [3, 3]})),
        ("N", 1, 1, 4),
        11,
    ),
    "conv after conv": (
        graph(
            ("Conv", ["kernel", "B3"], {"pads": [0, 0, 0, 0], "group": 1}), ("Relu", [], {}), ("Conv", ["point"], {})
        ),
        (1, 1, 1, 4),
        13,
    ),
    "conv over one axis": (graph(("Conv", ["kernel1d"], {"auto_pad": "VALID"})), (1, 2, 2), 13),
    "flatten": (graph(("Flatten", [], {"axis": 1}), ("Gemm", ["W43"], {})), ("N", 2, 2), 13),
    "flatten axis 0": (graph(("Flatten", [], {"axis": 0}), ("Gemm", ["W43"], {})), ("N", 2, 2), 13),
    "flatten negative axis": (graph(("Flatten", [], {"axis": -2}), ("Gemm", ["W43"], {})), (1, 2, 2), 13),
    "reshape 0 and -1": (graph(("Reshape", ["keep"], {}), ("Gemm", ["W43"], {})), ("N", 2, 2), 13),
    "reshape -1 first": (graph(("Reshape", ["fold"], {}), ("Gemm", ["W43"], {})), (1, 1, 1, 4), 14),
    "reshape to a matrix": (graph(("Reshape", ["square"], {}), ("MatMul", ["E22"], {})), (1, 4), 13),
    "transpose": (
        graph(("Transpose", [], {"perm": [0, 2, 1]}), ("Flatten", [], {}), ("Gemm", ["W43"], {})),
        ("N", 2, 2),
        13,
    ),
    "transpose by default": (graph(("Transpose", [], {}), ("MatMul", ["W34", "_"], {})), BATCH, 13),
    "squeeze": (graph(("Squeeze", ["axes12"], {}), ("Gemm", ["W43"], {})), (1, 1, 1, 4), 13),
    "squeeze of opset 11": (graph(("Squeeze", [], {"axes": [1, 2]}), ("Gemm", ["W43"], {})), (1, 1, 1, 4), 11),
    "squeeze everything": (graph(("Squeeze", [], {}), ("MatMul", ["W43"], {})), (1, 1, 4), 13),
    "unsqueeze": (graph(("Unsqueeze", ["axis0"], {}), ("Gemm", ["W43"], {})), (4,), 13),
    "unsqueeze of opset 11": (graph(("Unsqueeze", [], {"axes": [-1]}), ("MatMul", ["W34", "_"], {})), (4,), 11),
    "identity and dropout": (
        graph(("Identity", [], {}), ("Gemm", ["W43"], {}), ("Dropout", [], {}), ("Tanh", [], {})),
        BATCH,
        13,
    ),
    "cast": (graph(("Cast", [], {"to": TensorProto.DOUBLE}), ("Gemm", ["W43"], {})), BATCH, 13),
    "relu": (graph(("Gemm", ["W43", "B3"], {}), ("Relu", [], {}), ("Add", ["B3"], {})), BATCH, 13),
    "tanh at the output": (graph(("Gemm", ["W43", "B3"], {}), ("Tanh", [], {})), BATCH, 13),
    "sigmoid": (graph(("Gemm", ["W43", "B3"], {}), ("Sigmoid", [], {}), ("Mul", ["half"], {})), BATCH, 13),
    "softplus": (graph(("Gemm", ["W43", "B3"], {}), ("Softplus", [], {})), BATCH, 13),
    "activation of the input": (graph(("Tanh", [], {}), ("Gemm", ["W43"], {})), BATCH, 13),
    "clip": (graph(("Clip", ["low", "high"], {})), BATCH, 13),
    "clip upper only": (graph(("Clip", ["", "high"], {})), BATCH, 13),
    "clip lower only": (graph(("Clip", ["low"], {})), BATCH, 13),
    "clip of opset 6": (graph(("Clip", [], {"min": -0.5, "max": 0.75})), BATCH, 6),
    "clip of opset 10 upper only": (graph(("Clip", [], {"max": 0.75})), BATCH, 10),
    "max": (graph(("Max", ["lows"], {})), BATCH, 13),
    "min of a number": (graph(("Min", ["half", "_"], {})), BATCH, 13),
    "min of max": (graph(("Max", ["lows"], {}), ("Min", ["highs"], {})), BATCH, 13),
    "deep": (
        graph(
            ("Gemm", ["W43", "B3"], {}),
            ("Tanh", [], {}),
            ("Gemm", ["W34", "B4"], {}),
            ("Relu", [], {}),
            ("Sub", ["B4"], {}),
        ),
        BATCH,
        13,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_operator_agrees_with_reference(name: str, tmp_path: Path) -> None:
    nodes, shape, opset = CASES[name]
    used = {i for _, inputs, _, _ in nodes for i in inputs}
    proto = model(nodes, {k: v for k, v in TENSORS.items() if k in used}, shape, opset=opset)
    network = read_onnx(save(tmp_path / "n.onnx", proto))
    sizes = [1 if isinstance(n, str) else n for n in shape]
    x = np.random.default_rng(1).normal(size=(20, network.in_size)) * 2.0
    expected = reference(proto, sizes, x)
    assert network(x).shape == expected.shape
    assert abs(network(x) - expected).max() <= 1e-13 * (1.0 + abs(expected).max())
