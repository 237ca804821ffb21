"""MATLAB files: the forms that the competition uses are read, all others are refused with their reason."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from nnctrl.errors import InputError, NetworkFileError, UnsupportedError
from nnctrl.networks.load import load_network
from nnctrl.networks.mat_import import read_mat

SIZES = (3, 4, 5, 2)


def cells(items: list[Any]) -> np.ndarray:
    """A cell array with one row."""
    array = np.empty((1, len(items)), dtype=object)
    for k, item in enumerate(items):
        array[0, k] = item
    return array


def layers() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    pairs = list(pairwise(SIZES))
    return [rng.normal(size=(after, before)) for before, after in pairs], [rng.normal(size=(a, 1)) for _, a in pairs]


def content() -> dict[str, Any]:
    weights, biases = layers()
    return {"W": cells(weights), "b": cells(biases), "act_fcns": np.array(["relu", "sigmoid", "linear"])}


def test_weights_are_the_doubles_in_the_file(tmp_path: Path) -> None:
    savemat(tmp_path / "n.mat", content())
    network = load_network(tmp_path / "n.mat")
    assert network.architecture() == "3-4-5-2 relu/sigmoid"
    for affine, W, b in zip(network.blocks[0].affines, *layers(), strict=True):
        assert affine.is_exact
        assert np.array_equal(affine.weight, W)
        assert np.array_equal(affine.bias, b.ravel())
    with pytest.raises(InputError, match=r"'n\.mat' says itself which activations it has"):
        load_network(tmp_path / "n.mat", "relu")


def variants() -> dict[str, dict[str, Any]]:
    """The same network in other forms."""
    base = content()
    weights, biases = layers()
    return {
        "columns": {"W": cells(weights).T, "b": cells([b.T for b in biases]).T, "act_fcns": base["act_fcns"]},
        "names in cells": {**base, "act_fcns": cells(["poslin", "logsig", "purelin"])},
        "other key": {"W": base["W"], "b": base["b"], "activation_fcns": base["act_fcns"]},
        "struct": {"network": base},
        "counts": {**base, "number_of_layers": 3, "number_of_inputs": 3.0, "number_of_outputs": 2, "layer_sizes": 1},
        "compressed": base,
    }


@pytest.mark.parametrize("form", variants())
def test_forms(tmp_path: Path, form: str) -> None:
    savemat(tmp_path / "a.mat", content())
    savemat(tmp_path / "b.mat", variants()[form], do_compression=form == "compressed")
    x = np.random.default_rng(1).normal(size=(10, 3))
    a, b = read_mat(tmp_path / "a.mat"), read_mat(tmp_path / "b.mat")
    assert np.array_equal(a(x), b(x))
    assert a.architecture() == b.architecture()


def test_single_precision_is_exact(tmp_path: Path) -> None:
    weights, biases = ([item.astype(np.float32) for item in part] for part in layers())
    savemat(tmp_path / "n.mat", {**content(), "W": cells(weights), "b": cells(biases)})
    (block,) = read_mat(tmp_path / "n.mat").blocks
    assert all(np.array_equal(affine.weight, W) for affine, W in zip(block.affines, weights, strict=True))


def test_layers_without_activation_are_composed_with_radii(tmp_path: Path) -> None:
    savemat(tmp_path / "n.mat", {**content(), "act_fcns": np.array(["linear", "tanh", "tanh"])})
    network = read_mat(tmp_path / "n.mat")
    assert network.architecture() == "3-5-2-2 tanh"
    assert network.blocks[0].affines[0].weight_radius is not None


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in content().items() if name != key}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (without("W"), r"'n\.mat' has no variable 'W' \(it has: b, act_fcns\)"),
        (without("b"), r"'n\.mat' has no variable 'b'"),
        (without("act_fcns"), r"'n\.mat' has no names of activations"),
        ({}, r"'n\.mat' has no variable 'W' \(it has: none\)"),
        ({**content(), "activation_fcns": np.array(["relu"])}, r"'n\.mat' has act_fcns and activation_fcns"),
        ({**content(), "range_for_scaling": 3.0}, r"'n\.mat' has a variable 'range_for_scaling', which may change"),
        ({**content(), "W": np.ones((3, 3))}, r"W of 'n\.mat' is no cell array"),
        ({**content(), "W": cells(layers()[0][:2])}, r"'n\.mat' has 2 weight matrices, 3 bias vectors and 3 activ"),
        (
            {**content(), "W": cells([w.T for w in layers()[0]])},
            r"'n\.mat': layer 1 has a weight matrix of shape \[3, 4\]",
        ),
        (
            {**content(), "b": cells([np.ones((2, 2))] * 3)},
            r"b\{1\} of 'n\.mat' has shape \[2, 2\]; it must be a vector",
        ),
        (
            {**content(), "b": cells([np.full((4, 1), np.nan), *layers()[1][1:]])},
            r"b\{1\} of 'n\.mat' contains nan or inf",
        ),
        (
            {**content(), "W": cells([1j * layers()[0][0], *layers()[0][1:]])},
            r"'n\.mat' holds complex numbers",
        ),
        ({**content(), "W": cells(["text", *layers()[0][1:]])}, r"W\{1\} of 'n\.mat' holds no numbers"),
        (
            {**content(), "act_fcns": np.array(["relu", "swish", "relu"])},
            r"act_fcns of 'n\.mat' names the activation 'swish'",
        ),
        ({**content(), "act_fcns": np.ones(3)}, r"act_fcns of 'n\.mat' is no list of texts"),
        ({**content(), "number_of_inputs": 7}, r"number_of_inputs of 'n\.mat' contradicts its matrices, which give 3"),
        ({**content(), "number_of_layers": [3, 3]}, r"number_of_layers of 'n\.mat' has 2 entries"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, data: dict[str, Any], message: str) -> None:
    savemat(tmp_path / "n.mat", data)
    with pytest.raises((NetworkFileError, UnsupportedError), match=message):
        read_mat(tmp_path / "n.mat")


def test_files_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "n.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(UnsupportedError, match=r"'n\.mat' is no MATLAB file of version 5 to 7\.2"):
        read_mat(tmp_path / "n.mat")
    (tmp_path / "n.mat").write_text("W = [1 2 3]\n" * 20)
    with pytest.raises(InputError, match=r"'n\.mat'"):
        read_mat(tmp_path / "n.mat")


def test_a_damaged_file_is_an_input_error_or_another_network(tmp_path: Path) -> None:
    """Truncated or changed anywhere, the file is refused with its name; bytes of a weight may go unnoticed."""
    savemat(tmp_path / "n.mat", content())
    good = (tmp_path / "n.mat").read_bytes()
    rng = np.random.default_rng(0)
    cuts = [good[:count] for count in range(1, len(good), 29)]
    flips = []
    for place in rng.integers(0, len(good), 400):
        changed = bytearray(good)
        changed[place] ^= int(rng.integers(1, 256))
        flips.append(bytes(changed))
    refused = []
    for bad in cuts + flips:
        (tmp_path / "bad.mat").write_bytes(bad)
        try:
            read_mat(tmp_path / "bad.mat")
        except InputError as error:
            refused.append(str(error))
    assert len(refused) >= len(cuts) - 1
    assert all("'bad.mat'" in message and "\n" not in message for message in refused)
