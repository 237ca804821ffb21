"""What the ONNX reader makes of graphs: exactness, layers, skip connections, origins."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from nnctrl.errors import NetworkFileError
from nnctrl.networks import onnx_operators
from nnctrl.networks.activations import Clip, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.onnx_import import read_onnx
from tests.networks.onnx_graphs import B3, B4, BATCH, RNG, TENSORS, W34, W43, graph, read
from tests.networks.onnx_models import is_exact, model, save, weights


def test_single_maps_keep_their_numbers(tmp_path: Path) -> None:
    network = read(
        tmp_path, graph(("Gemm", ["W43", "B3"], {}), ("Tanh", [], {}), ("MatMul", ["W34"], {}), ("Add", ["B4"], {}))
    )
    assert [w.tobytes() for w in weights(network)] == [
        np.ascontiguousarray(w).tobytes() for w in (W43.T, B3, W34.T, B4)
    ]
    assert is_exact(network)
    assert network.architecture() == "4-3-4 tanh"


@pytest.mark.parametrize(
    ("steps", "exact"),
    [
        ([("Mul", ["powers"], {}), ("Gemm", ["W43", "B3"], {})], True),
        ([("Gemm", ["W43", "B3"], {}), ("Mul", ["half"], {})], True),
        ([("Div", ["powers"], {}), ("Gemm", ["W43", "B3"], {})], True),
        ([("Mul", ["tenths"], {}), ("Gemm", ["W43", "B3"], {})], False),
        ([("Div", ["tenths"], {}), ("Gemm", ["W43", "B3"], {})], False),
        ([("Gemm", ["W43", "B3"], {}), ("Gemm", ["W34", "B4"], {})], False),
    ],
)
def test_radii_only_where_composition_rounds(tmp_path: Path, steps: list[Any], exact: bool) -> None:
    network = read(tmp_path, graph(*steps))
    assert len(network.blocks) == len(network.blocks[0].affines) == 1
    assert is_exact(network) == exact


def test_float32_scaling_is_exact(tmp_path: Path) -> None:
    tensors = {"scale": np.array([0.1, 0.01, 3.0], np.float32), "W": RNG.normal(size=(3, 5)).astype(np.float32)}
    proto = model(graph(("Mul", ["scale"], {}), ("MatMul", ["W"], {})), tensors, (1, 3), kind=TensorProto.FLOAT)
    network = read_onnx(save(tmp_path / "n.onnx", proto))
    assert is_exact(network)
    expected = tensors["W"].astype(float).T * tensors["scale"].astype(float)
    assert np.array_equal(network.blocks[0].affines[0].weight, expected)


def test_half_precision(tmp_path: Path) -> None:
    tensors = {"W": RNG.normal(size=(3, 2)).astype(np.float16)}
    proto = model(graph(("MatMul", ["W"], {}), ("Tanh", [], {})), tensors, (1, 3), kind=TensorProto.FLOAT16)
    network = read_onnx(save(tmp_path / "n.onnx", proto))
    assert np.array_equal(network.blocks[0].affines[0].weight, tensors["W"].T.astype(np.float64))


def test_activations_become_layers(tmp_path: Path) -> None:
    for operator, kind in (("Relu", Relu()), ("Tanh", Tanh()), ("Sigmoid", Sigmoid()), ("Softplus", Softplus())):
        network = read(tmp_path, graph(("Gemm", ["W43"], {}), (operator, [], {})))
        assert network.blocks[0].activations[0].segments == ((kind, 3),)
        assert network.blocks[0].affines[1].is_identity


def test_clips_become_one_layer(tmp_path: Path) -> None:
    network = read(tmp_path, graph(("Max", ["lows"], {}), ("Min", ["highs"], {})))
    limits = Clip(tuple(TENSORS["lows"].tolist()), tuple(TENSORS["highs"].tolist()))
    assert [layer.segments for layer in network.blocks[0].activations] == [((limits, 4),)]
    network = read(tmp_path, graph(("Clip", ["low"], {}), ("Clip", ["", "high"], {})))
    assert [layer.segments for layer in network.blocks[0].activations] == [((Clip(-0.4, 0.6), 4),)]
    # the first clip is read twice: it must stay
    nodes = [
        ("Max", ["x", "lows"], ["raised"], {}),
        ("Min", ["raised", "highs"], ["both"], {}),
        ("Add", ["both", "raised"], ["y"], {}),
    ]
    network = read(tmp_path, nodes)
    x = RNG.normal(size=(9, 4))
    raised = np.maximum(x, TENSORS["lows"])
    assert np.array_equal(network(x), np.minimum(raised, TENSORS["highs"]) + raised)


def test_constants_in_nodes(tmp_path: Path) -> None:
    for attributes, expected in (
        ({"value": numpy_helper.from_array(B4)}, B4),
        ({"value_floats": [1.0, 2.0, 3.0, 4.0]}, np.arange(1.0, 5.0)),
        ({"value_float": 0.25}, np.full(4, 0.25)),
        ({"value_int": 3}, np.full(4, 3.0)),
        ({"value_ints": [3, 4, 5, 6]}, np.arange(3.0, 7.0)),
    ):
        nodes = [
            ("Constant", [], ["c"], attributes),
            ("Cast", ["c"], ["d"], {"to": TensorProto.DOUBLE}),
            ("Add", ["x", "d"], ["y"], {}),
        ]
        assert np.array_equal(read(tmp_path, nodes)(np.zeros(4)), expected)


def test_moved_constants(tmp_path: Path) -> None:
    nodes = [
        ("Transpose", ["W34"], ["t"], {"perm": [1, 0]}),
        ("Identity", ["t"], ["i"], {}),
        ("Reshape", ["i", "twelve"], ["r"], {}),
        ("Unsqueeze", ["r", "axis0"], ["u"], {}),
        ("Squeeze", ["u", "axis0"], ["s"], {}),
        ("Flatten", ["s"], ["f"], {"axis": 1}),
        ("MatMul", ["x", "f"], ["y"], {}),
    ]
    proto = model(nodes, {"W34": W34, "twelve": np.array([4, 3]), "axis0": np.array([0])}, BATCH)
    network = read_onnx(save(tmp_path / "n.onnx", proto))
    assert np.array_equal(network.blocks[0].affines[0].weight, W34)


def test_feedthrough(tmp_path: Path) -> None:
    nodes = [
        ("Gemm", ["x", "W43", "B3"], ["z"], {}),
        ("Tanh", ["z"], ["h"], {}),
        ("MatMul", ["h", "W34"], ["m"], {}),
        ("Add", ["m", "x"], ["y"], {}),
    ]
    (block,) = read(tmp_path, nodes).blocks
    assert block.feedthrough is not None
    assert block.feedthrough.is_identity
    assert np.array_equal(block.affines[1].weight, W34.T)


def test_difference_of_input_and_layer(tmp_path: Path) -> None:
    nodes = [
        ("Tanh", ["x"], ["h"], {}),
        ("Sub", ["x", "h"], ["d"], {}),
        ("Mul", ["d", "tenths"], ["y"], {}),
    ]
    network = read(tmp_path, nodes)
    assert len(network.blocks) == 1
    x = RNG.normal(size=(5, 4))
    assert network(x) == pytest.approx((x - np.tanh(x)) * TENSORS["tenths"], abs=1e-14)


def test_residual_blocks_follow_one_another(tmp_path: Path) -> None:
    nodes = [
        ("Tanh", ["x"], ["h"], {}),
        ("Add", ["x", "h"], ["a"], {}),
        ("Gemm", ["a", "W43"], ["z"], {}),
        ("Relu", ["z"], ["g"], {}),
        ("Gemm", ["g", "W34"], ["m"], {}),
        ("Add", ["a", "m"], ["y"], {}),
    ]
    network = read(tmp_path, nodes)
    assert [block.feedthrough is not None for block in network.blocks] == [True, True]
    x = RNG.normal(size=(5, 4))
    a = x + np.tanh(x)
    assert network(x) == pytest.approx(a + np.maximum(a @ W43, 0.0) @ W34, abs=1e-13)


def test_skip_of_a_hidden_layer_starts_a_block(tmp_path: Path) -> None:
    nodes = [
        ("Gemm", ["x", "W43"], ["z"], {}),
        ("Tanh", ["z"], ["h"], {}),
        ("Sigmoid", ["h"], ["g"], {}),
        ("Add", ["h", "g"], ["y"], {}),
    ]
    network = read(tmp_path, nodes)
    assert len(network.blocks) == 2
    h = np.tanh(np.ones(4) @ W43)
    assert network(np.ones(4)) == pytest.approx(h + 1.0 / (1.0 + np.exp(-h)), abs=1e-15)


def test_layers_that_the_output_does_not_need_are_dropped(tmp_path: Path) -> None:
    nodes = [("Gemm", ["x", "W43"], ["y"], {}), ("Tanh", ["y"], ["unused"], {})]
    assert read(tmp_path, nodes).blocks[0].activations == ()


def test_initialisers_may_be_inputs_too(tmp_path: Path) -> None:
    network = read(tmp_path, graph(("Gemm", ["W43", "B3"], {})), initialisers_as_inputs=True)
    assert network.in_size == 4


def test_origin_is_name_and_hash(tmp_path: Path) -> None:
    network = read(tmp_path, graph(("Tanh", [], {})))
    assert network.origin is not None
    assert network.origin.source == "n.onnx"
    assert network.origin.sha256 == hashlib.sha256((tmp_path / "n.onnx").read_bytes()).hexdigest()


def test_external_weights_are_read_and_hashed(tmp_path: Path) -> None:
    proto = model(graph(("Gemm", ["W43", "B3"], {})), {"W43": W43, "B3": B3}, BATCH)
    onnx.save_model(proto, str(tmp_path / "n.onnx"), save_as_external_data=True, location="n.data", size_threshold=0)
    network = read_onnx(tmp_path / "n.onnx")
    assert np.array_equal(network.blocks[0].affines[0].weight, W43.T)
    both = (tmp_path / "n.onnx").read_bytes() + (tmp_path / "n.data").read_bytes()
    assert network.origin is not None
    assert network.origin.sha256 == hashlib.sha256(both).hexdigest()
    (tmp_path / "n.data").unlink()
    with pytest.raises(NetworkFileError, match=r"'n\.onnx' keeps its weights in n\.data, which cannot be read"):
        read_onnx(tmp_path / "n.onnx")


def test_a_wrong_import_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(onnx_operators.OPERATORS, "Tanh", onnx_operators.OPERATORS["Sigmoid"])
    with pytest.raises(NetworkFileError, match=r"'n\.onnx': output \d is .* in the import and .* in onnx's"):
        read(tmp_path, graph(("Gemm", ["W43"], {}), ("Tanh", [], {})))


def test_importing_the_reader_loads_nothing_heavy() -> None:
    code = (
        "import sys, nnctrl.networks.onnx_import, nnctrl.networks.onnx_export, nnctrl.networks.load, "
        "nnctrl.networks.torch_import; print([m for m in ('onnx', 'torch', 'casadi', 'scipy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
