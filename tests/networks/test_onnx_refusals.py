"""What the ONNX reader refuses, each in one sentence that names file and node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnctrl.errors import NetworkFileError, UnsupportedError
from nnctrl.networks.onnx_import import read_onnx
from tests.networks.onnx_graphs import B3, BATCH, TENSORS, W43, graph, read
from tests.networks.onnx_models import Nodes, model, save

REFUSED: dict[str, tuple[Nodes, type[Exception], str]] = {
    "operator": (
        [("Elu", ["x"], ["y"], {})],
        UnsupportedError,
        r"'n\.onnx': node 'y' \(Elu\) is not supported; supported operators are Add, Cast",
    ),
    "product of signals": (
        graph(("Mul", ["_", "_"], {})),
        UnsupportedError,
        r"\(Mul\): its input 'x' must be a constant",
    ),
    "division by the signal": (
        graph(("Div", ["half", "_"], {})),
        UnsupportedError,
        r"\(Div\): it applies to constants only",
    ),
    "division by zero": (graph(("Div", ["lows"], {})), NetworkFileError, "divides by 'lows', which contains 0"),
    "shapes": (
        graph(("MatMul", ["W34"], {})),
        NetworkFileError,
        r"shape \[1, 4\] does not fit a matrix of shape \[3, 4\]",
    ),
    "broadcast": (graph(("Add", ["B3"], {})), NetworkFileError, r"shapes \[1, 4\] and \[3\] do not fit"),
    "reshape": (
        graph(("Reshape", ["seven"], {})),
        NetworkFileError,
        r"the shape \[7\]; export the network with batch size 1",
    ),
    "undefined": (
        graph(("Add", ["nowhere"], {})),
        NetworkFileError,
        "reads 'nowhere', which nothing before it defines",
    ),
    "missing input": ([("Add", ["x"], ["y"], {})], NetworkFileError, "input 1 is missing; the file is damaged"),
    "nan": (graph(("Add", ["damaged"], {})), NetworkFileError, "tensor 'damaged' contains nan or inf"),
    "integer cast": (graph(("Cast", [], {"to": TensorProto.INT64})), UnsupportedError, "converts a signal to INT64"),
    "clip per lane": (graph(("Clip", ["lows"], {})), UnsupportedError, "has 4 entries; use Max and Min"),
    "crossed clip": (
        graph(("Clip", ["high", "low"], {})),
        NetworkFileError,
        "clip limits 0.6 and -0.4 are not ordered",
    ),
    "constant output": ([("Identity", ["B3"], ["y"], {})], NetworkFileError, "does not depend on its input"),
    "nothing": ([("Identity", ["x"], ["z"], {})], NetworkFileError, "nothing defines its output 'y'"),
    "parallel layers": (
        [("Tanh", ["x"], ["a"], {}), ("Relu", ["x"], ["b"], {}), ("Add", ["a", "b"], ["y"], {})],
        UnsupportedError,
        r"node 'b' \(Relu\): it is applied beside another activation",
    ),
    "two skips": (
        [
            ("Tanh", ["x"], ["a"], {}),
            ("Relu", ["a"], ["b"], {}),
            ("Add", ["a", "b"], ["c"], {}),
            ("Add", ["c", "x"], ["y"], {}),
        ],
        UnsupportedError,
        "not a skip connection",
    ),
    "malformed": (graph(("Transpose", [], {"perm": [0, 5]})), NetworkFileError, r"node 'y' \(Transpose\) is malformed"),
    "rank of a constant": (graph(("MatMul", ["ones", "_"], {})), UnsupportedError, "constant with 4 axes"),
    "words": (graph(("Add", ["words"], {})), UnsupportedError, "does not hold real numbers"),
    "max of three": (graph(("Max", ["_", "half", "low"], {})), UnsupportedError, "has 3 inputs"),
}
STRANGE = {
    "seven": np.array([7]),
    "damaged": np.array([1.0, np.nan, 0.0, 0.0]),
    "words": np.array(["a", "b"], dtype=object),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str, tmp_path: Path) -> None:
    nodes, error, message = REFUSED[name]
    tensors = {k: v for k, v in (TENSORS | STRANGE).items() if any(k in inputs for _, inputs, _, _ in nodes)}
    with pytest.raises(error, match=message) as raised:
        read_onnx(save(tmp_path / "n.onnx", model(nodes, tensors, BATCH)))
    assert str(raised.value).count("\n") == 0


def test_refuses_convolutions_that_slide(tmp_path: Path) -> None:
    for attributes, shape in (
        ({}, (1, 1, 2, 4)),
        ({"pads": [0, 0, 0, 1]}, (1, 1, 1, 3)),
        ({"dilations": [1, 2]}, (1, 1, 1, 4)),
    ):
        with pytest.raises(UnsupportedError, match="does not cover the whole input"):
            read(tmp_path, graph(("Conv", ["kernel"], attributes)), shape)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 4), r"the shape \[8, 4\], a batch; export the network with batch size 1"),
        (("N", "M"), r"the shape \['N', 'M'\]; supported is a fixed size"),
        (("N",), r"the shape \['N'\]; supported is a fixed size"),
    ],
)
def test_refuses_shapes(shape: tuple[int | str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=message):
        read(tmp_path, graph(("Tanh", [], {})), shape)


def test_refuses_broadcasting_along_another_axis(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="broadcasts along axis 1; export the network with opset 7"):
        read(tmp_path, graph(("Add", ["B4"], {"broadcast": 1, "axis": 1})), (1, 4, 1, 1), opset=6)


def test_refuses_other_graphs(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    proto = model(graph(("Tanh", [], {})), {}, BATCH)
    proto.graph.output.append(helper.make_tensor_value_info("x", TensorProto.DOUBLE, None))
    with pytest.raises(UnsupportedError, match=r"it has 2 outputs \(y, x\); export a network with one"):
        read_onnx(save(path, proto))
    proto = model(graph(("Add", ["z"], {})), {}, BATCH)
    proto.graph.input.append(helper.make_tensor_value_info("z", TensorProto.DOUBLE, [4]))
    with pytest.raises(UnsupportedError, match=r"it has 2 inputs \(x, z\); export a network with one"):
        read_onnx(save(path, proto))
    with pytest.raises(UnsupportedError, match="has the type INT64"):
        read_onnx(save(path, model(graph(("Tanh", [], {})), {}, BATCH, kind=TensorProto.INT64)))
    with pytest.raises(UnsupportedError, match="opset 5"):
        read_onnx(save(path, model(graph(("Tanh", [], {})), {}, BATCH, opset=5)))
    proto = model(graph(("Tanh", [], {})), {}, BATCH)
    proto.graph.node[0].domain = "com.microsoft"
    with pytest.raises(UnsupportedError, match=r"\(Tanh\) is not supported"):
        read_onnx(save(path, proto))


def test_refuses_files_that_are_not_networks(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    with pytest.raises(NetworkFileError, match="there is no network file"):
        read_onnx(path)
    with pytest.raises(NetworkFileError, match="cannot be read"):
        read_onnx(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(NetworkFileError, match="is empty"):
        read_onnx(path)
    for content in (b"not a network at all", b"\x00" * 64, b"{}"):
        path.write_bytes(content)
        with pytest.raises(NetworkFileError, match="is not an ONNX file or it is truncated"):
            read_onnx(path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = model(graph(("Gemm", ["W43", "B3"], {})), {"W43": W43, "B3": B3}, BATCH).SerializeToString()
    path = tmp_path / "n.onnx"
    for length in range(1, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises((NetworkFileError, UnsupportedError), match=r"'n\.onnx'"):
            read_onnx(path)


def test_constants_outside_the_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference evaluator reads them relative to the current folder, and the hash would not cover them."""
    tensor = TensorProto(name="W", data_type=TensorProto.DOUBLE, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    place = tensor.external_data.add()
    place.key, place.value = "location", "w.bin"
    nodes = [helper.make_node("Constant", [], ["W"], value=tensor), helper.make_node("MatMul", ["x", "W"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N", 2]) for name in ("x", "y")]
    built = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:]))
    (tmp_path / "w.bin").write_bytes(np.eye(2).tobytes())
    path = save(tmp_path / "n.onnx", built)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedError, match="its attribute 'value' is kept outside the file"):
        read_onnx(path)


def test_functions_that_redefine_operators_are_refused(tmp_path: Path) -> None:
    built = model(graph(("Relu", [], {})), {}, BATCH)
    leaky = helper.make_node("LeakyRelu", ["X"], ["Y"], alpha=0.5)
    built.functions.append(helper.make_function("", "Relu", ["X"], ["Y"], [leaky], [helper.make_opsetid("", 13)]))
    with pytest.raises(UnsupportedError, match="defines functions of its own"):
        read_onnx(save(tmp_path / "n.onnx", built))


def test_a_block_boundary_beside_a_later_layer_is_refused(tmp_path: Path) -> None:
    """Only a crafted file has one; the later layer must not be forgotten while its number is used again."""
    nodes = [
        helper.make_node("Relu", ["x"], ["h1"]),
        helper.make_node("Clip", ["h1", "", "limit"], ["h2"]),
        helper.make_node("Identity", ["h1"], ["s"], name="block boundary 1"),
        helper.make_node("Add", ["s", "h2"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N", 2]) for name in ("x", "y")]
    limit = numpy_helper.from_array(np.array(1000.0), "limit")
    opset = [helper.make_opsetid("", 13)]
    built = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], [limit]), opset_imports=opset)
    with pytest.raises(UnsupportedError, match="a block ends beside a later layer"):
        read_onnx(save(tmp_path / "n.onnx", built))


def test_huge_inputs_are_refused(tmp_path: Path) -> None:
    built = model(graph(("Relu", [], {})), {}, ("N", 1_000_000))
    with pytest.raises(UnsupportedError, match="its input 'x' has 1000000 entries; supported are up to 8192"):
        read_onnx(save(tmp_path / "n.onnx", built))
