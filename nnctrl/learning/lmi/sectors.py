"""Sectors of activations (Definition 3.3 and Lemma 3.4 of the learning paper), global and local, about any point.

A neuron lies in the sector [alpha, beta] about the anchor a if
`alpha (v - a) <= phi(v) - phi(a) <= beta (v - a)` (in absolute value, for v on either side). The paper has a = 0 and
phi(0) = 0; with phi - phi(0) it covers sigmoid and softplus. Local sectors hold for pre-activations in an interval;
about the pre-activation of the centre of the input set they are much narrower than about 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.networks.activations import Activation, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.sets.rounding import widen_down, widen_up

About = Literal["origin", "centre"]

CHORD = 1e-6
"""Chords shorter than this share of their position are not divided by: the range of the slope does as well."""


@dataclass(frozen=True, eq=False)
class Sectors:
    """The sectors of one layer of n neurons: `alpha <= beta`, the anchors a, and phi(a) within `value_radius`; all [n].

    They hold for pre-activations in [lower, upper], which is everything for global ones.
    """

    alpha: FloatArray
    beta: FloatArray
    anchor: FloatArray
    value: FloatArray
    value_radius: FloatArray
    lower: FloatArray
    upper: FloatArray

    @property
    def middle(self) -> FloatArray:
        """S = (alpha + beta) / 2 of the loop transformation, in floating point."""
        return 0.5 * (self.alpha + self.beta)

    @property
    def half(self) -> FloatArray:
        """T = (beta - alpha) / 2 of the loop transformation, in floating point."""
        return 0.5 * (self.beta - self.alpha)


def sectors(layer: ActivationLayer, lower: FloatArray, upper: FloatArray, anchor: FloatArray) -> Sectors:
    """Sectors of a layer about `anchor` for pre-activations in [lower, upper] (infinite ends allowed), all [n]."""
    parts = []
    for activation, lanes in layer.slices():
        a = anchor[lanes]
        low, high = activation.enclose(a, a)
        value = 0.5 * low + 0.5 * high
        radius = np.where(low == high, 0.0, widen_up(np.maximum(high - value, value - low)))
        alpha, beta = _slopes(activation, lower[lanes], upper[lanes], a, low, high)
        parts.append((alpha, beta, a, value, radius, lower[lanes], upper[lanes]))
    return Sectors(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _slopes(
    activation: Activation,
    lower: FloatArray,
    upper: FloatArray,
    anchor: FloatArray,
    value_low: FloatArray,
    value_high: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Outer range of the chords from the anchor to the points of [lower, upper]."""
    ones = np.ones_like(anchor)
    if isinstance(activation, Identity):
        return ones, ones
    # non-decreasing and 1-Lipschitz, a quarter for sigmoid
    alpha, beta = 0.0 * ones, (0.25 if isinstance(activation, Sigmoid) else 1.0) * ones
    finite = np.isfinite(lower) & np.isfinite(upper)
    low, high = np.where(finite, lower, anchor), np.where(finite, upper, anchor)
    # the mean value theorem, over the interval that reaches to the anchor
    least, most = activation.slope_range(np.minimum(low, anchor), np.maximum(high, anchor))
    alpha = np.where(finite, np.maximum(alpha, least), alpha)
    beta = np.where(finite, np.minimum(beta, most), beta)
    chords = [_chord(activation, end, anchor, value_low, value_high) for end in (low, high)]
    if isinstance(activation, Relu | Softplus):
        # convex: chords from a fixed point become steeper to the right
        flattest, steepest = chords[0][0], chords[1][1]
    elif isinstance(activation, Tanh | Sigmoid):
        # convex, then concave: from one point the chords' slope rises to one maximum and falls again, and on the side
        # of 0 where the point itself lies it falls with the distance from 0
        flattest = np.minimum(chords[0][0], chords[1][0])
        right, left = (low >= 0.0) & (anchor >= 0.0), (high <= 0.0) & (anchor <= 0.0)
        steepest = np.where(right, chords[0][1], np.where(left, chords[1][1], np.nan))
    else:
        return alpha, beta
    # comparisons with nan (no chord) are false
    alpha = np.where(finite & (flattest > alpha), flattest, alpha)
    beta = np.where(finite & (steepest < beta), steepest, beta)
    return np.minimum(alpha, beta), beta


def _chord(
    activation: Activation, end: FloatArray, anchor: FloatArray, value_low: FloatArray, value_high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Outer bounds of (phi(end) - phi(anchor)) / (end - anchor); nan where the two are too close."""
    low, high = activation.enclose(end, end)
    step = end - anchor
    long = abs(step) > CHORD * (1.0 + abs(anchor))
    run = np.where(long, step, np.nan)
    rise_low = widen_down(np.where(step > 0.0, low - value_high, value_low - high))
    rise_high = widen_up(np.where(step > 0.0, high - value_low, value_high - low))
    # the step was rounded once and the quotient once
    return widen_down(rise_low / abs(run), 4.0), widen_up(rise_high / abs(run), 4.0)


def single_block(network: Network) -> Block:
    """The block of a network that has one; UnsupportedError for others."""
    if len(network.blocks) != 1:
        raise UnsupportedError(
            f"a network of {len(network.blocks)} blocks is not analysed by linear matrix inequalities; give one block"
        )
    return network.blocks[0]


def enclosed_affine(affine: Affine) -> tuple[Enclosed, Enclosed]:
    """Weight [m, n] and bias [m, 1] of a layer with their radii."""
    weight, bias = Enclosed.exact(affine.weight), Enclosed.exact(affine.bias[:, None])
    if affine.weight_radius is not None:
        weight = Enclosed(affine.weight, affine.weight_radius)
    if affine.bias_radius is not None:
        bias = Enclosed(affine.bias[:, None], affine.bias_radius[:, None])
    return weight, bias


def global_sectors(network: Network) -> list[Sectors]:
    """The sectors about 0 that hold for every input, layer by layer."""
    found = []
    for layer in single_block(network).activations:
        infinite = np.full(layer.size, np.inf)
        found.append(sectors(layer, -infinite, infinite, np.zeros(layer.size)))
    return found


def local_sectors(network: Network, inputs: InputSet, about: About = "centre") -> list[Sectors]:
    """Sectors that hold on `inputs`: about 0, or about the pre-activations of the middle of the set.

    Pre-activations are bounded exactly in the first layer (up to rounding), by intervals in later ones.
    """
    block = single_block(network)
    found = []
    lower = upper = centre = np.zeros(0)
    for index, (affine, layer) in enumerate(zip(block.affines, block.activations, strict=False)):
        if index == 0:
            lower, upper = inputs.range_of(inputs.rows_through(*enclosed_affine(affine)))
            centre = 0.5 * lower + 0.5 * upper
        else:
            middle = 0.5 * lower + 0.5 * upper
            radius = widen_up(np.maximum(upper - middle, middle - lower))
            z, spread = affine.enclose(middle, radius)
            centre = affine(centre)
            lower, upper = widen_down(z - spread), widen_up(z + spread)
        anchor = np.clip(centre, lower, upper) if about == "centre" else np.zeros(layer.size)
        found.append(sectors(layer, lower, upper, anchor))
        centre = layer(centre)
        ends = [kind.enclose(lower[lanes], upper[lanes]) for kind, lanes in layer.slices()]
        lower, upper = (np.concatenate(side) for side in zip(*ends, strict=True))
    return found
