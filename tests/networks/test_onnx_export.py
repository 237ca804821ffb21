"""Written ONNX files: the same network comes back, bit by bit."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.activations import Activation, Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.networks.onnx_export import onnx_bytes, write_onnx
from nnctrl.networks.onnx_import import read_onnx
from tests.networks.onnx_models import is_exact, reference, weights


def random_block(rng: np.random.Generator, sizes: list[int], kind: Activation, *, skip: bool) -> Block:
    def affine(before: int, after: int) -> Affine:
        return Affine(rng.normal(size=(after, before)), rng.normal(size=after))

    maps = tuple(affine(before, after) for before, after in pairwise(sizes))
    layers = tuple(ActivationLayer(((kind, size),)) for size in sizes[1:-1])
    return Block(maps, layers, affine(sizes[0], sizes[-1]) if skip else None)


def returned(network: Network, path: Path) -> Network:
    write_onnx(network, path)
    return read_onnx(path)


KINDS = [Tanh(), Sigmoid(), Softplus(), Relu(), Clip(-0.5, 0.25), Clip(0.0, float("inf"))]
KINDS += [Clip((-1.0, 0.1, -0.3, float("-inf")), (1.0, 0.2, 0.7, 0.5))]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("skip", [False, True], ids=["plain", "feedthrough"])
def test_weights_come_back_bit_by_bit(kind: Activation, skip: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    network = Network((random_block(rng, [3, 4, 4, 2], kind, skip=skip),))
    again = returned(network, tmp_path / "n.onnx")
    assert [w.tobytes() for w in weights(again)] == [w.tobytes() for w in weights(network)]
    assert [layer.segments for layer in again.blocks[0].activations] == [
        layer.segments for layer in network.blocks[0].activations
    ]
    assert is_exact(again)


@pytest.mark.parametrize("skips", [(False, False), (True, False), (False, True), (True, True)])
def test_blocks_stay_apart(skips: tuple[bool, bool], tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    blocks = [
        random_block(rng, sizes, Tanh(), skip=skip) for sizes, skip in zip(([2, 5, 3], [3, 4, 2]), skips, strict=True)
    ]
    affine = Block((Affine(rng.normal(size=(2, 2)), rng.normal(size=2)),), ())
    for parts in ((*blocks,), (affine, *blocks), (*blocks, affine), (affine, affine)):
        network = Network(parts)
        again = returned(network, tmp_path / "n.onnx")
        assert [w.tobytes() for w in weights(again)] == [w.tobytes() for w in weights(network)]
        assert len(again.blocks) == len(parts)
        assert is_exact(again)


def test_special_numbers_come_back(tmp_path: Path) -> None:
    weight = np.array([[-0.0, 5e-324, 1e300], [np.nextafter(1.0, 2.0), -1e-300, 0.1]])
    network = Network.from_layers([weight, np.array([[-0.0, 3.0]])], [np.array([-0.0, 0.0]), np.array([-0.0])], Tanh())
    again = returned(network, tmp_path / "n.onnx")
    assert [w.tobytes() for w in weights(again)] == [w.tobytes() for w in weights(network)]


def test_activation_on_the_outputs(tmp_path: Path) -> None:
    network = Network.from_layers([np.eye(2), np.ones((3, 2))], [np.zeros(2), np.ones(3)], [Relu(), Tanh()])
    again = returned(network, tmp_path / "n.onnx")
    assert again.architecture() == "2-2-3-3 relu/tanh"
    x = np.random.default_rng(0).normal(size=(7, 2))
    assert np.array_equal(again(x), network(x))


def test_block_without_activations_takes_up_its_feedthrough(tmp_path: Path) -> None:
    network = Network((Block((Affine([[1.0]], [0.5]),), (), Affine([[2.0]], [0.25])),))
    (block,) = returned(network, tmp_path / "n.onnx").blocks
    assert block.feedthrough is None
    assert (block.affines[0].weight.item(), block.affines[0].bias.item()) == (3.0, 0.75)


def test_file_is_valid_and_says_what_it_is(tmp_path: Path) -> None:
    network = Network.from_layers([np.ones((3, 2)), np.ones((1, 3))], [np.zeros(3), np.zeros(1)], Tanh())
    write_onnx(network, str(tmp_path / "n.onnx"), {"trained_from": "mpc", "seed": "1"})
    proto = onnx.load(tmp_path / "n.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert {entry.key: entry.value for entry in proto.metadata_props} == {"trained_from": "mpc", "seed": "1"}
    assert proto.graph.doc_string == "2-3-1 tanh"
    assert proto.producer_name == "nnctrl"
    x = np.random.default_rng(0).normal(size=(4, 2))
    assert reference(proto, (1, 2), x) == pytest.approx(network(x), abs=1e-15)


def test_bytes_depend_on_content_alone() -> None:
    network = Network.from_layers([np.ones((3, 2))], [np.zeros(3)], [Tanh()])
    assert onnx_bytes(network, {"a": "1", "b": "2"}) == onnx_bytes(network, {"b": "2", "a": "1"})


def test_refuses_what_a_file_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    rounded = Affine([[0.1]], [0.0], [[1e-17]])
    with pytest.raises(UnsupportedError, match=r"the map 'block_0/affine_0' .* carries a rounding radius"):
        write_onnx(Network((Block((rounded,), ()),)), path)
    mixed = ActivationLayer(((Tanh(), 1), (Identity(), 1)))
    with pytest.raises(UnsupportedError, match="identity and tanh on different lanes"):
        write_onnx(Network((Block((Affine.identity(2), Affine.identity(2)), (mixed,)),)), path)

    class Swish(Tanh):
        pass

    with pytest.raises(UnsupportedError, match="'swish' has no ONNX operator; written are clip, identity, relu"):
        write_onnx(Network.from_layers([np.eye(1)], [np.zeros(1)], [Swish()]), path)
    with pytest.raises(InputError, match="the metadata 'seed' is 1; give text"):
        write_onnx(Network.from_layers([np.eye(1)], [np.zeros(1)], [Tanh()]), path, {"seed": 1})  # type: ignore[dict-item]
    assert not path.exists()


def test_writes_whole_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network.from_layers([np.eye(2)], [np.zeros(2)], [Tanh()])
    path = tmp_path / "n.onnx"
    path.write_bytes(b"old")

    def interrupted(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(InputError, match="cannot be written: No space left on device"):
            write_onnx(network, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["n.onnx"]
    write_onnx(network, path)
    assert path.read_bytes() != b"old"
    with pytest.raises(InputError, match="cannot be written"):
        write_onnx(network, tmp_path / "no such folder" / "n.onnx")
