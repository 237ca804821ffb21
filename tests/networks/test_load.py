"""Files of every kind by their suffix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnctrl.errors import InputError, NetworkFileError, UnknownNameError
from nnctrl.networks.activations import Tanh
from nnctrl.networks.load import load_network
from nnctrl.networks.network import Network
from nnctrl.networks.onnx_export import write_onnx


def test_onnx(tmp_path: Path) -> None:
    network = Network.from_layers([np.ones((2, 3))], [np.zeros(2)], [Tanh()])
    write_onnx(network, tmp_path / "n.ONNX")
    assert np.array_equal(load_network(tmp_path / "n.ONNX")(np.ones(3)), network(np.ones(3)))
    with pytest.raises(InputError, match=r"'n\.ONNX' says itself which activations it has"):
        load_network(tmp_path / "n.ONNX", "tanh")


def test_state_dictionaries_need_an_activation() -> None:
    with pytest.raises(InputError, match=r"'n\.pt' is a state dictionary, .*; give one, such as 'tanh'"):
        load_network("n.pt")
    with pytest.raises(NetworkFileError, match="there is no network file"):
        load_network("n.pt", "tanh")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("n.onx", "did you mean '.onnx'"),
        ("n.weights", "known are: .mat, .nnet, .onnx, .pt, .pth, .txt"),
        ("n", "known are"),
    ],
)
def test_other_suffixes(name: str, remedy: str) -> None:
    with pytest.raises(UnknownNameError, match=remedy):
        load_network(name)
