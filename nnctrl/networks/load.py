"""Networks from files of any supported kind."""

from __future__ import annotations

from pathlib import Path

from nnctrl.errors import InputError, UnknownNameError
from nnctrl.networks.layer_chain import ActivationChoice
from nnctrl.networks.network import Network

SUFFIXES = (".onnx", ".pth", ".pt", ".nnet", ".mat", ".txt")
"""The kinds of files that `load_network` reads."""


def load_network(path: str | Path, activation: ActivationChoice | None = None) -> Network:
    """The network in a file: ONNX (.onnx), a torch state dictionary (.pth, .pt), .nnet, a MATLAB file (.mat), or a
    layer text file (.txt) of POLAR, ReachNN or Sherlock.

    `activation` belongs to files that do not say it themselves (see `from_state_dict`), state dictionaries and most
    layer texts, and must be given for them: a verdict about another activation would be wrong. What .nnet and .txt
    files say about scaling is part of the network. Raises UnknownNameError for other suffixes and what the readers
    raise.
    """
    place = Path(path)
    suffix = place.suffix.lower()
    if suffix not in SUFFIXES:
        raise UnknownNameError.among(f"kind of network file '{place.name}' with suffix", suffix, SUFFIXES)
    if suffix == ".txt":
        from nnctrl.networks.text_import import read_layer_text

        return read_layer_text(place).network(activation)
    if suffix in (".pth", ".pt"):
        if activation is None:
            raise InputError(
                f"'{place.name}' is a state dictionary, which does not say its activation; give one, such as 'tanh'"
            )
        from nnctrl.networks.torch_import import from_state_dict

        return from_state_dict(place, activation)
    if activation is not None:
        raise InputError(f"'{place.name}' says itself which activations it has; leave the activation out")
    return _read_self_describing(place, suffix)


def _read_self_describing(place: Path, suffix: str) -> Network:
    """The network of a file that says everything itself."""
    if suffix == ".nnet":
        from nnctrl.networks.nnet_import import read_nnet

        return read_nnet(place)
    if suffix == ".mat":
        from nnctrl.networks.mat_import import read_mat

        return read_mat(place)
    from nnctrl.networks.onnx_import import read_onnx

    return read_onnx(place)
