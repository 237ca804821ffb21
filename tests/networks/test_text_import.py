"""Layer text files: order of the values, activations inside or outside, scaled outputs, faults with their lines."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nnctrl.errors import InputError, NetworkFileError, UnsupportedError
from nnctrl.networks.load import load_network
from nnctrl.networks.text_import import read_layer_text
from tests.shared import shared_path

SIZES = (3, 4, 2)


def layers() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    pairs = list(pairwise(SIZES))
    return [rng.normal(size=(after, before)) for before, after in pairs], [rng.normal(size=a) for _, a in pairs]


def write(path: Path, *, activations: tuple[str, ...] = (), offset: str = "0", scale: str = "1") -> list[str]:
    """The file of `layers()` as lines: every neuron's weights, then its bias."""
    lines = ["3", "2", "1", "4", *activations]
    for W, b in zip(*layers(), strict=True):
        for weights, bias in zip(W, b, strict=True):
            lines += [repr(float(v)) for v in (*weights, bias)]
    lines += [offset, scale]
    path.write_text("\n".join(lines) + "\n")
    return lines


def test_weights_are_the_doubles_in_the_file(tmp_path: Path) -> None:
    write(tmp_path / "n.txt")
    network = load_network(tmp_path / "n.txt", "tanh")
    assert network.architecture() == "3-4-2 tanh"
    for affine, W, b in zip(network.blocks[0].affines, *layers(), strict=True):
        assert affine.is_exact
        assert np.array_equal(affine.weight, W)
        assert np.array_equal(affine.bias, b)


@pytest.mark.parametrize(
    ("names", "architecture"),
    [
        (("ReLU", "Affine"), "3-4-2 relu"),
        (("sigmoid", "tanh"), "3-4-2-2 sigmoid/tanh"),
        (("Affine", "Affine"), "3-2 affine"),
    ],
)
def test_activations_in_the_file(tmp_path: Path, names: tuple[str, ...], architecture: str) -> None:
    write(tmp_path / "n.txt", activations=names)
    assert load_network(tmp_path / "n.txt").architecture() == architecture
    with pytest.raises(InputError, match=r"'n\.txt' says itself which activations it has"):
        load_network(tmp_path / "n.txt", "relu")


def test_activations_that_the_file_does_not_say(tmp_path: Path) -> None:
    write(tmp_path / "n.txt")
    assert load_network(tmp_path / "n.txt", ["relu", "tanh"]).architecture() == "3-4-2-2 relu/tanh"
    with pytest.raises(InputError, match=r"'n\.txt' does not say its activations; give one"):
        load_network(tmp_path / "n.txt")
    with pytest.raises(InputError, match=r"3 activations are given for 'n\.txt' with 2 layers; give 1, or 2"):
        load_network(tmp_path / "n.txt", ["relu"] * 3)


def test_outputs_are_scaled_after_the_offset(tmp_path: Path) -> None:
    """u = (N - offset) scale, exactly up to the radii."""
    write(tmp_path / "n.txt", activations=("tanh", "Affine"), offset="0.1", scale="22.3")
    last = load_network(tmp_path / "n.txt").blocks[0].affines[-1]
    weights, biases = layers()
    offset, scale = Fraction(0.1), Fraction(22.3)
    assert last.weight_radius is not None
    assert last.bias_radius is not None
    for value, radius, own in zip(last.weight.ravel(), last.weight_radius.ravel(), weights[-1].ravel(), strict=True):
        assert abs(Fraction(float(value)) - Fraction(float(own)) * scale) <= Fraction(float(radius)) <= Fraction(1e-13)
    for value, radius, own in zip(last.bias, last.bias_radius, biases[-1], strict=True):
        real = (Fraction(float(own)) - offset) * scale
        assert abs(Fraction(float(value)) - real) <= Fraction(float(radius)) <= Fraction(1e-13)


def test_symmetric_sigmoid_outputs_are_exact(tmp_path: Path) -> None:
    write(tmp_path / "n.txt", activations=("sigmoid", "sigmoid"), offset="0.5", scale="22")
    last = load_network(tmp_path / "n.txt").blocks[0].affines[-1]
    assert last.weight.tolist() == [[22.0, 0.0], [0.0, 22.0]]
    assert last.bias.tolist() == [-11.0, -11.0]
    assert last.is_exact


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (0, "x", "line 1: the number of inputs should be whole numbers from 1 on, but the line is 'x'"),
        (1, "0", "line 2: the number of outputs should be whole numbers from 1 on"),
        (2, "-1", "line 3: the number of hidden layers should be whole numbers from 0 on"),
        (3, "4.5", "line 4: the size of a hidden layer should be whole numbers"),
        (4, "inf", "line 5: weights and bias of a neuron of layer 1 should be finite"),
        (7, "1 2", "line 8: weights and bias of a neuron of layer 1 should be numbers, but the line is '1 2'"),
        (-1, "0", "line 32: the scale of the outputs should not be 0"),
        (-2, "?", "line 31: the offset of the outputs should be numbers"),
    ],
)
def test_malformed_files(tmp_path: Path, line: int, text: str, message: str) -> None:
    lines = write(tmp_path / "n.txt")
    lines[line] = text
    (tmp_path / "n.txt").write_text("\n".join(lines))
    with pytest.raises(NetworkFileError, match=rf"'n\.txt', {message}"):
        read_layer_text(tmp_path / "n.txt")


def test_an_unknown_activation_is_named(tmp_path: Path) -> None:
    write(tmp_path / "n.txt", activations=("ReLU", "swish"))
    with pytest.raises(UnsupportedError, match=r"'n\.txt', line 6 names the activation 'swish'; supported are affine,"):
        read_layer_text(tmp_path / "n.txt")


def test_every_wrong_count_is_told(tmp_path: Path) -> None:
    lines = write(tmp_path / "n.txt")
    for count in range(1, len(lines)):
        (tmp_path / "cut.txt").write_text("\n".join(lines[:count]))
        with pytest.raises(NetworkFileError, match=r"'cut\.txt' ends after line"):
            read_layer_text(tmp_path / "cut.txt")
    (tmp_path / "long.txt").write_text("\n".join([*lines, "0.0"]))
    with pytest.raises(NetworkFileError, match=r"'long\.txt', line 33: the network is complete but 1 more lines"):
        read_layer_text(tmp_path / "long.txt")


def test_the_published_tora_network_is_that_of_the_matlab_file() -> None:
    """The .txt file scales its outputs by 11, the .mat file of the same network does not."""
    stem = "arch-comp/Tora_Heterogeneous/nn_tora_relu_tanh"
    text, plain = read_layer_text(shared_path(f"{stem}.txt")), load_network(shared_path(f"{stem}.mat"))
    assert (text.offset, text.scale, text.activations) == (0.0, 11.0, None)
    assert plain.architecture() == "4-20-20-20-1-1 relu/tanh"
    scaled = text.network(["relu", "relu", "relu", "tanh"]).blocks[0]
    for a, b in zip(scaled.affines[:-1], plain.blocks[0].affines[:-1], strict=True):
        assert np.array_equal(a.weight, b.weight)
        assert np.array_equal(a.bias, b.bias)
    assert scaled.affines[-1].weight.tolist() == [[11.0]]
    assert plain.blocks[0].affines[-1].is_identity
