"""Networks from files of any supported kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnctrl.errors import InputError, UnknownNameError
from nnctrl.networks.activations import Activation
from nnctrl.networks.network import Network

SUFFIXES = (".onnx", ".pth", ".pt")
"""The kinds of files that `load_network` reads."""


def load_network(path: str | Path, activation: str | Activation | Sequence[str | Activation] | None = None) -> Network:
    """The network in a file: ONNX (.onnx) or a torch state dictionary (.pth, .pt).

    `activation` belongs to state dictionaries, which do not say it themselves (see `from_state_dict`), and must be
    given for them: a verdict about another activation would be wrong. Raises UnknownNameError for other suffixes and
    what the readers raise.
    """
    place = Path(path)
    suffix = place.suffix.lower()
    if suffix == ".onnx":
        if activation is not None:
            raise InputError(f"'{place.name}' says itself which activations it has; leave the activation out")
        from nnctrl.networks.onnx_import import read_onnx

        return read_onnx(place)
    if suffix in SUFFIXES:
        if activation is None:
            raise InputError(
                f"'{place.name}' is a state dictionary, which does not say its activation; give one, such as 'tanh'"
            )
        from nnctrl.networks.torch_import import from_state_dict

        return from_state_dict(place, activation)
    raise UnknownNameError.among(f"kind of network file '{place.name}' with suffix", suffix, SUFFIXES)
