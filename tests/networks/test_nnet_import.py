"""Networks in .nnet files: the function that the format defines, normalisation and its rounding included."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nnctrl.errors import NetworkFileError, UnsupportedError
from nnctrl.networks.activations import Clip, Relu
from nnctrl.networks.load import load_network
from nnctrl.networks.nnet_import import read_nnet
from tests.shared import shared_path

SIZES = (3, 4, 5, 2)
LOWER, UPPER = [-2.0, -1.5, 0.0], [2.0, 0.5, 3.0]
MEAN, RANGE = [0.1, -0.5, 1.5, 0.7], [3.0, 2.0, 0.7, 1.9]


def layers(seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(SIZES))
    return [rng.normal(size=(after, before)) for before, after in pairs], [rng.normal(size=a) for _, a in pairs]


def row(values: Sequence[float], end: str = ",") -> str:
    return ",".join(repr(float(v)) for v in values) + end


def write(path: Path, *, normalised: bool = True, end: str = ",") -> list[str]:
    """The file of `layers()` as lines, as others write it."""
    weights, biases = layers()
    lines = ["// a comment", "// another", f"3,3,2,5{end}", ",".join(map(str, SIZES)) + end, f"0{end}"]
    lines += [row(v, end) for v in (LOWER, UPPER, MEAN, RANGE)] if normalised else ["0"] * 4
    for W, b in zip(weights, biases, strict=True):
        lines += [row(r, end) for r in W] + [row([v], end) for v in b]
    path.write_text("\n".join(lines) + "\n")
    return lines


@pytest.mark.parametrize("end", ["", ",", " ", ", "])
def test_weights_are_the_doubles_in_the_file(tmp_path: Path, end: str) -> None:
    write(tmp_path / "n.nnet", normalised=False, end=end)
    network = load_network(tmp_path / "n.nnet")
    assert network.architecture() == "3-4-5-2 relu"
    weights, biases = layers()
    (block,) = network.blocks
    for affine, W, b in zip(block.affines, weights, biases, strict=True):
        assert affine.is_exact
        assert np.array_equal(affine.weight, W)
        assert np.array_equal(affine.bias, b)
    assert network.origin is not None
    assert network.origin.source == "n.nnet"


def exactly(values: np.ndarray, radius: np.ndarray | None, real: list[Fraction]) -> bool:
    """Whether every real number is within its radius of the stored one, in rational arithmetic."""
    spread = np.zeros(values.size) if radius is None else radius.ravel()
    return all(
        abs(Fraction(float(v)) - x) <= Fraction(float(r)) for v, r, x in zip(values.ravel(), spread, real, strict=True)
    )


def test_normalisation_is_part_of_the_network(tmp_path: Path) -> None:
    """clip, subtract, divide; and undo for the outputs: the composed layers enclose the real ones."""
    write(tmp_path / "n.nnet")
    network = read_nnet(tmp_path / "n.nnet")
    (block,) = network.blocks
    limits, *rest = [layer.segments[0][0] for layer in block.activations]
    assert limits == Clip(tuple(LOWER), tuple(UPPER))
    assert all(isinstance(kind, Relu) for kind in rest)
    assert block.affines[0].is_identity
    weights, biases = layers()
    mean, spread = [Fraction(v) for v in MEAN], [Fraction(v) for v in RANGE]
    first, last = block.affines[1], block.affines[-1]
    real = [[Fraction(float(w)) / s for w, s in zip(r, spread, strict=False)] for r in weights[0]]
    assert exactly(first.weight, first.weight_radius, [w for r in real for w in r])
    shift = [
        Fraction(float(b)) - sum(w * m for w, m in zip(r, mean, strict=False))
        for b, r in zip(biases[0], real, strict=True)
    ]
    assert exactly(first.bias, first.bias_radius, shift)
    assert exactly(last.weight, last.weight_radius, [Fraction(float(w)) * spread[-1] for w in weights[-1].ravel()])
    assert exactly(last.bias, last.bias_radius, [Fraction(float(b)) * spread[-1] + mean[-1] for b in biases[-1]])
    # and the radii are no larger than a few roundings make them
    assert first.weight_radius is not None
    assert (first.weight_radius <= 1e-15 * (1.0 + abs(first.weight))).all()


def test_reciprocals_carry_their_own_rounding(tmp_path: Path) -> None:
    """Weights of 1 round nothing, so that the radius is that of 1/3, 1/0.7 and 1/4 alone."""
    eye = ["1,0,0", "0,1,0", "0,0,1"]
    lines = ["1,3,3,3", "3,3", "0", "-9,-9,-9", "9,9,9", "0,0,0,0", "3,0.7,4,1", *eye, "0", "0", "0"]
    (tmp_path / "n.nnet").write_text("\n".join(lines))
    last = read_nnet(tmp_path / "n.nnet").blocks[0].affines[-1]
    assert last.weight_radius is not None
    diagonal, radius = np.diag(last.weight), np.diag(last.weight_radius)
    assert exactly(diagonal, radius, [1 / Fraction(3), 1 / Fraction(0.7), Fraction(1, 4)])
    assert radius[2] == 0.0
    assert (radius <= 2.0**-51).all()


def test_values_are_those_of_the_formats_own_evaluation(tmp_path: Path) -> None:
    write(tmp_path / "n.nnet")
    weights, biases = layers()
    x = np.random.default_rng(1).uniform(-4.0, 4.0, (200, 3))
    hidden = (np.clip(x, LOWER, UPPER) - MEAN[:-1]) / np.array(RANGE[:-1])
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        hidden = np.maximum(hidden @ W.T + b, 0.0)
    expected = (hidden @ weights[-1].T + biases[-1]) * RANGE[-1] + MEAN[-1]
    np.testing.assert_allclose(read_nnet(tmp_path / "n.nnet")(x), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (2, "3,3,2", "line 3: layers, inputs, outputs and largest layer should be 4 whole numbers, but there are 3"),
        (2, "3,x,2,5", "line 3: .* should be whole numbers from 1 on, but the line is '3,x,2,5'"),
        (2, "3,0,2,5", "line 3: .* should be whole numbers from 1 on"),
        (2, "3,99999999999999,2,5", "line 3: .* should be whole numbers"),
        (3, "3,4,2", r"line 4: \[3, 4, 2\] are not the sizes of 3 layers from 3 inputs to 2 outputs"),
        (3, "3,4,5,9", r"line 4: .* are not the sizes"),
        (3, "3,4,6,2", "line 23: a row of weights of layer 2 should be 4 numbers, but there are 1"),
        (5, "0,0", "line 6: the least inputs should be 3 numbers, but there are 2"),
        (6, "-3,0,0", "line 7: the largest inputs should not be below"),
        (7, "0,0,0", "line 8: the means of inputs and outputs should be 4 numbers"),
        (8, "1,0,1,1", "line 9: the ranges of inputs and outputs should be positive"),
        (9, "1,nan,1", "line 10: .* should be finite"),
        (9, "1,1e999,1", "line 10: .* should be finite"),
        (9, "1,1_0,1", "line 10: .* should be numbers, but the line is '1,1_0,1'"),
        (9, "", "line 10: .* should be 3 numbers, but there are 1"),
    ],
)
def test_malformed_files(tmp_path: Path, line: int, text: str, message: str) -> None:
    lines = write(tmp_path / "n.nnet")
    lines[line] = text
    (tmp_path / "n.nnet").write_text("\n".join(lines))
    with pytest.raises(NetworkFileError, match=rf"'n\.nnet', {message}"):
        read_nnet(tmp_path / "n.nnet")


def test_every_truncation_is_told(tmp_path: Path) -> None:
    lines = write(tmp_path / "n.nnet")
    for count in range(1, len(lines)):
        (tmp_path / "cut.nnet").write_text("\n".join(lines[:count]))
        with pytest.raises(NetworkFileError, match=r"'cut\.nnet' ends after line"):
            read_nnet(tmp_path / "cut.nnet")
    (tmp_path / "long.nnet").write_text("\n".join([*lines, "1.0"]))
    with pytest.raises(NetworkFileError, match="complete but 1 more lines follow"):
        read_nnet(tmp_path / "long.nnet")


def test_other_contents(tmp_path: Path) -> None:
    lines = write(tmp_path / "n.nnet")
    lines[4] = "1"
    (tmp_path / "n.nnet").write_text("\n".join(lines))
    with pytest.raises(UnsupportedError, match=r"'n\.nnet' is flagged as symmetric"):
        read_nnet(tmp_path / "n.nnet")
    (tmp_path / "n.nnet").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NetworkFileError, match=r"'n\.nnet' is no text"):
        read_nnet(tmp_path / "n.nnet")


@pytest.mark.parametrize("spread", ["1e-320", "1e-305"])
def test_a_scaling_that_overflows_is_told(tmp_path: Path, spread: str) -> None:
    lines = write(tmp_path / "n.nnet")
    lines[8] = f"{spread},1,1,1"
    lines[9] = "1e10,1e10,1e10"
    (tmp_path / "n.nnet").write_text("\n".join(lines))
    with pytest.raises(NetworkFileError, match=r"'n\.nnet': .* contains nan or inf"):
        read_nnet(tmp_path / "n.nnet")


def test_the_single_pendulum_is_its_onnx_twin_with_five_decimals() -> None:
    stem = "arch-comp/Single_Pendulum/controller_single_pendulum"
    short, full = load_network(shared_path(f"{stem}.nnet")), load_network(shared_path(f"{stem}.onnx"))
    assert short.architecture() == full.architecture() == "2-25-25-1 relu"
    for a, b in zip(short.blocks[0].affines, full.blocks[0].affines, strict=True):
        assert abs(a.weight - b.weight).max() <= 0.5e-5 + 1e-9
        assert abs(a.bias - b.bias).max() <= 0.5e-5 + 1e-9
