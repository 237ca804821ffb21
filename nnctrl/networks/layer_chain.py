"""What the readers of files with plain layers share: activations by the names that files use, and chains of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, NetworkFileError, UnknownNameError, UnsupportedError
from nnctrl.networks.activations import ACTIVATIONS, Activation, Identity, Relu, Sigmoid, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.normal_form import NormalForm, Signal

ActivationChoice = str | Activation | Sequence[str | Activation]

FILE_NAMES: dict[str, Activation] = {
    **dict.fromkeys(("relu", "poslin"), Relu()),
    **dict.fromkeys(("affine", "linear", "purelin"), Identity()),
    **dict.fromkeys(("sigmoid", "logsig"), Sigmoid()),
    **dict.fromkeys(("tanh", "tansig"), Tanh()),
}
"""What layer files call activations, in lower case: the names of POLAR's text files, of keras and of MATLAB."""

Layer = tuple[FloatArray, FloatArray, Activation]
"""Weight matrix [out, in], bias [out], and the activation that follows."""


def chosen_activations(choice: ActivationChoice) -> Activation | list[Activation]:
    """A user's activation, or the list of them, by name or as objects; InputError for anything else."""
    if isinstance(choice, str):
        kind = ACTIVATIONS.get(choice)
        if kind is None:
            raise UnknownNameError.among("activation", choice, ACTIVATIONS)
        return kind
    if isinstance(choice, Activation):
        return choice
    if not isinstance(choice, list | tuple):
        raise InputError(f"an activation is given as {choice!r}; give a name such as 'tanh', or one for each layer")
    kinds = [chosen_activations(one) for one in choice]
    return [kind for kind in kinds if isinstance(kind, Activation)]


def activation_in_file(name: str, place: str) -> Activation:
    """The activation that a file calls `name`; `place` says for messages where."""
    kind = FILE_NAMES.get(name.strip().lower())
    if kind is None:
        raise UnsupportedError(
            f"{place} names the activation {name.strip()!r}; supported are {', '.join(sorted(FILE_NAMES))}"
        )
    return kind


@contextmanager
def named_faults(label: str) -> Iterator[None]:
    """What goes wrong while layers are put together (sizes, overflow) becomes a NetworkFileError naming the file."""
    try:
        with np.errstate(all="ignore"):
            yield
    except InputError as error:
        raise NetworkFileError(f"{label}: {error}") from error


def append_layers(form: NormalForm, signal: Signal, layers: Sequence[Layer]) -> Signal:
    """The signal after `layers`; neighbours without an activation between them are composed, with certified radii."""
    for number, (weight, bias, activation) in enumerate(layers, start=1):
        if weight.shape[1] != signal.size or len(bias) != len(weight):
            raise NetworkFileError(
                f"layer {number} has a weight matrix of shape {list(weight.shape)} and {len(bias)} biases "
                f"after {signal.size} values; the file is damaged or its matrices are transposed"
            )
        signal = form.affine(signal, Affine(weight, bias), (len(bias),))
        if not isinstance(activation, Identity):
            signal = form.activate(signal, activation)
    return signal
