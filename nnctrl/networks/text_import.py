"""Layer text files, the format of Sherlock, ReachNN and POLAR: one value a line, scaled outputs.

Inputs, outputs, number of hidden layers, their sizes; in POLAR's files then the activation of every layer, the last
included; then for every neuron of every layer its weights and its bias; and at the end the offset and the scale of
the outputs: u = (N(x) - offset) scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.networks.activations import Activation, Identity
from nnctrl.networks.layer_chain import (
    ActivationChoice,
    activation_in_file,
    append_layers,
    chosen_activations,
    named_faults,
)
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network, Origin
from nnctrl.networks.normal_form import NormalForm
from nnctrl.networks.number_lines import NumberLines


@dataclass(frozen=True, eq=False)
class LayerText:
    """What a layer text file says: `weights` [out, in] and `biases` [out], `activations` of all layers (None where the
    file names none), and the `offset` and `scale` of the outputs.
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    activations: tuple[Activation, ...] | None
    offset: float
    scale: float
    origin: Origin

    def network(self, activation: ActivationChoice | None = None) -> Network:
        """The network with its outputs scaled, `(N(x) - offset) scale`; what has to be rounded carries radii.

        `activation` is as for `from_state_dict`: of every layer but the last, or a sequence that may have one for the
        outputs too. InputError unless either the file or the argument says it.
        """
        layers = list(zip(self.weights, self.biases, self._kinds(activation), strict=True))
        form = NormalForm()
        with named_faults(f"'{self.origin.source}'"):
            signal = append_layers(form, form.source((self.weights[0].shape[1],)), layers)
            unit = np.eye(signal.size)
            if self.offset:
                signal = form.affine(signal, Affine(unit, np.full(signal.size, -self.offset)), signal.shape)
            signal = form.affine(signal, Affine.linear(self.scale * unit), signal.shape)
            return form.finish(signal, self.origin)

    def _kinds(self, activation: ActivationChoice | None) -> list[Activation]:
        name, count = self.origin.source, len(self.weights)
        if self.activations is not None:
            if activation is not None:
                raise InputError(f"'{name}' says itself which activations it has; leave the activation out")
            return list(self.activations)
        if activation is None:
            raise InputError(f"'{name}' does not say its activations; give one, such as 'relu', or one for each layer")
        chosen = chosen_activations(activation)
        kinds = [chosen] * (count - 1) if isinstance(chosen, Activation) else chosen
        if len(kinds) not in (count - 1, count):
            raise InputError(
                f"{len(kinds)} activations are given for '{name}' with {count} layers; give {count - 1}, or {count} "
                "with one on the outputs"
            )
        return kinds if len(kinds) == count else [*kinds, Identity()]


def read_layer_text(path: str | Path) -> LayerText:
    """The content of a layer text file; raises NetworkFileError naming file and line for anything but its format."""
    lines = NumberLines(Path(path))
    (inputs,), (outputs,) = lines.whole("the number of inputs", 1), lines.whole("the number of outputs", 1)
    (hidden,) = lines.whole("the number of hidden layers", 1, least=0)
    widths = [lines.whole("the size of a hidden layer", 1)[0] for _ in range(hidden)]
    sizes = [inputs, *widths, outputs]
    activations = _activations(lines, len(sizes) - 1)
    weights, biases = [], []
    for number, (before, after) in enumerate(pairwise(sizes), start=1):
        what = f"weights and bias of a neuron of layer {number}"
        neurons = np.stack([lines.column(what, before + 1) for _ in range(after)])
        weights.append(neurons[:, :-1])
        biases.append(neurons[:, -1])
    offset, scale = lines.numbers("the offset of the outputs", 1), lines.numbers("the scale of the outputs", 1)
    if scale[0] == 0.0:
        raise lines.fault("the scale of the outputs should not be 0")
    lines.end()
    return LayerText(tuple(weights), tuple(biases), activations, float(offset[0]), float(scale[0]), lines.origin)


def _activations(lines: NumberLines, count: int) -> tuple[Activation, ...] | None:
    """The names of `count` activations, if the next line begins with a letter as no number does."""
    if not lines.peek()[:1].isalpha() or lines.peek()[:3].lower() in ("nan", "inf"):
        return None
    kinds = []
    for _ in range(count):
        name = lines.take("the name of an activation")
        kinds.append(activation_in_file(name, f"'{lines.file}', line {lines.position}"))
    return tuple(kinds)
