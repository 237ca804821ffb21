"""The .nnet text format of the Stanford Intelligent Systems Laboratory: ReLU networks with their normalisation.

Comment lines `//`, then: layers, inputs, outputs, largest layer; the sizes; a flag that is no longer used; least and
largest values of the inputs; means and ranges of the inputs, each followed by the one of all outputs; then for every
layer the rows of its weight matrix and one bias a line.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.networks.activations import Clip, Identity, Relu
from nnctrl.networks.layer_chain import Layer, append_layers, named_faults
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network, Origin
from nnctrl.networks.normal_form import NormalForm
from nnctrl.networks.number_lines import NumberLines
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF

PLACEHOLDER = "0"
"""What writers without a normalisation put on each of its four lines, whatever the number of inputs."""


class Normalisation(NamedTuple):
    """Limits [n] of the inputs, and means and ranges [n + 1] of inputs and outputs."""

    lower: FloatArray
    upper: FloatArray
    mean: FloatArray
    range: FloatArray


def read_nnet(path: str | Path) -> Network:
    """The function of a .nnet file: `N(x) = range_y R((clip(x, lower, upper) - mean) / range) + mean_y`, R the layers.

    All of the normalisation is applied, the clip of the inputs and the scaling of the outputs included, as the
    format's own evaluation does. Where each of its four lines is a single 0 the file has none. Reciprocals and
    composed scalings carry radii for their rounding. Raises NetworkFileError naming file and line, UnsupportedError
    for a network that was stored symmetric.
    """
    lines = NumberLines(Path(path))
    while lines.peek().startswith("//"):
        lines.take("a comment")
    # the largest layer is a hint for allocation
    count, inputs, outputs, _ = lines.whole("layers, inputs, outputs and largest layer", 4)
    sizes = lines.whole("the sizes of inputs and layers")
    if len(sizes) == count + 2 and sizes[-1] == outputs:
        # some writers name the outputs twice
        sizes.pop()
    if len(sizes) != count + 1 or (sizes[0], sizes[-1]) != (inputs, outputs):
        raise lines.fault(f"{sizes} are not the sizes of {count} layers from {inputs} inputs to {outputs} outputs")
    if lines.whole("the flag", 1, least=0) != [0]:
        raise UnsupportedError(f"'{lines.file}' is flagged as symmetric, which is not supported; store it with flag 0")
    scaling = _normalisation(lines, inputs)
    layers: list[Layer] = []
    for number, (before, after) in enumerate(pairwise(sizes), start=1):
        rows = [lines.numbers(f"a row of weights of layer {number}", before) for _ in range(after)]
        bias = lines.column(f"a bias of layer {number}", after)
        layers.append((np.stack(rows), bias, Relu() if number < count else Identity()))
    lines.end()
    with named_faults(f"'{lines.file}'"):
        return _assemble(layers, scaling, lines.origin)


def _assemble(layers: list[Layer], scaling: Normalisation | None, origin: Origin) -> Network:
    inputs, outputs = layers[0][0].shape[1], len(layers[-1][1])
    form = NormalForm()
    signal = form.source((inputs,))
    if scaling is not None:
        limits = Clip(tuple(map(float, scaling.lower)), tuple(map(float, scaling.upper)))
        signal = form.saturate(signal, limits, only_use=True)
        signal = form.affine(signal, Affine(np.eye(inputs), -scaling.mean[:-1]), (inputs,))
        signal = form.affine(signal, _reciprocals(scaling.range[:-1]), (inputs,))
    signal = append_layers(form, signal, layers)
    if scaling is not None:
        own = Affine(scaling.range[-1] * np.eye(outputs), np.full(outputs, scaling.mean[-1]))
        signal = form.affine(signal, own, (outputs,))
    return form.finish(signal, origin)


def _normalisation(lines: NumberLines, inputs: int) -> Normalisation | None:
    start = lines.position
    texts = [lines.take("the normalisation").rstrip(",").strip() for _ in range(4)]
    if texts == [PLACEHOLDER] * 4:
        return None
    lines.position = start
    lower = lines.numbers("the least inputs", inputs)
    upper = lines.numbers("the largest inputs", inputs)
    if not (lower <= upper).all():
        raise lines.fault("the largest inputs should not be below the least ones")
    mean = lines.numbers("the means of inputs and outputs", inputs + 1)
    spread = lines.numbers("the ranges of inputs and outputs", inputs + 1)
    if not (spread > 0.0).all():
        raise lines.fault("the ranges of inputs and outputs should be positive")
    return Normalisation(lower, upper, mean, spread)


def _reciprocals(divisors: FloatArray) -> Affine:
    """Division by `divisors`; the reciprocals carry their rounding."""
    factor = 1.0 / divisors
    # exact where the divisor is a power of two
    exact = np.frexp(divisors)[0] == 0.5
    radius = np.where(exact, 0.0, factor * (2.0 * UNIT_ROUNDOFF) + TINY)
    return Affine.linear(np.diag(factor), np.diag(radius))
