"""Points of the input sets of pairs, and the networks that are fitted to them before anything is bounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.view import tensor
from nnctrl.learning.certified.trainable import Scaling, Trainable
from nnctrl.learning.dataset import Dataset
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.part_bounds import Region
from nnctrl.learning.lmi.start import deepest_outputs
from nnctrl.learning.regression import Regression
from nnctrl.networks.activations import Activation
from nnctrl.progress import Progress

SAMPLES = 256
"""Inputs per pair, half of them on the boundary."""

NEARBY, LEAST, SPREAD = 40, 1e-3, 0.1
"""So many points are added about one that violates, at distances between these shares of the set."""

LEAST_GAP = 1e-6
"""Sets that are nearer to each other, seen from middle to middle, are not separated by a start."""

FAR = 100.0
"""Where bounded activations are told from those that grow."""

WEIGHT_DECAY = 1e-6
"""Small: where input sets nearly touch a network has to be steep."""


def points_of(pair: Pair, rng: np.random.Generator) -> FloatArray:
    """Points [SAMPLES, n] of the input set up to rounding; the first half is extreme in random directions."""
    source = pair.inputs.source
    edge = source.support_vector(rng.standard_normal((SAMPLES // 2, source.dim)))
    return np.concatenate([edge, source.sample(rng, SAMPLES - SAMPLES // 2)])


def points_near(region: Region, coefficients: FloatArray, rng: np.random.Generator) -> Tensor:
    """Points [NEARBY, n] of the input set whose coefficients are `coefficients` [q] or near them."""
    inputs, middle = region.inputs, tensor(coefficients)
    sizes = torch.logspace(np.log10(LEAST), np.log10(SPREAD), NEARBY, dtype=torch.float64).unsqueeze(1)
    sizes[0] = 0.0
    steps = tensor(rng.standard_normal((NEARBY, len(middle))))
    moved = middle + sizes * steps * (0.5 * (inputs.upper - inputs.lower))
    moved = torch.minimum(torch.maximum(moved, inputs.lower), inputs.upper)
    return inputs.view(torch.where(inputs.admits(moved).unsqueeze(1), moved, middle))


def fitted(
    pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation, rng: np.random.Generator, progress: Progress
) -> Trainable:
    """A network that imitates, on points of every input set, the outputs that its inequalities like best.

    Half of the first layer starts between the input sets that are nearest to each other (`_separated`). It promises
    nothing. Cost: about half a second for three pairs in the plane.
    """
    states = [points_of(pair, rng) for pair in pairs]
    outputs = [deepest_outputs(pair.specification, points) for pair, points in zip(pairs, states, strict=True)]
    data = Dataset(np.concatenate(states), np.concatenate(outputs))
    fit = Regression(data, hidden, WEIGHT_DECAY, rng, activation)
    _separated(fit, pairs, [points.mean(axis=0) for points in states], activation)
    fit.adam(data, epochs=60, batch=128, rate=0.03, rng=rng, progress=progress)
    fit.lbfgs(data, iterations=300, progress=progress)
    scaling = Scaling(fit.state_shift, fit.state_scale, fit.input_shift, fit.input_scale)
    return Trainable.of(fit.network(), scaling)


def _separated(fit: Regression, pairs: Sequence[Pair], middles: Sequence[FloatArray], activation: Activation) -> None:
    """Let neurons of the first layer rise from one input set to the other where two are near, nearest ones first.

    With d from middle to middle the gap is between the supports of both in d. A bounded activation rises once across
    it; others do with one neuron at either end, weighted against each other. Where sets nearly touch, as steep a
    function is found from there, and hardly from random weights.
    """
    gaps = []
    for j, second in enumerate(pairs):
        for i, first in enumerate(pairs[:j]):
            away = middles[j] - middles[i]
            direction = away / max(float(np.linalg.norm(away)), LEAST_GAP)
            start = float(first.inputs.source.support(direction[None])[0])
            end = -float(second.inputs.source.support(-direction[None])[0])
            if end - start > LEAST_GAP:
                gaps.append((end - start, start, direction))
    gaps.sort(key=lambda gap: gap[0])
    weight, bias, after = fit.weights[0].detach(), fit.biases[0].detach(), fit.weights[1].detach()
    is_bounded = float(activation.value(np.float64(FAR))) < 0.5 * FAR
    size = 1 if is_bounded else 2
    for number, (gap, start, direction) in enumerate(gaps[: len(bias) // (2 * size)]):
        lanes = slice(size * number, size * (number + 1))
        ends = np.array([start + 0.5 * gap] if is_bounded else [start, start + gap])
        slope = 2.0 / gap if is_bounded else 1.0 / gap
        weight[lanes] = tensor(slope * direction * fit.state_scale)
        bias[lanes] = tensor(slope * (direction @ fit.state_shift - ends))
        if not is_bounded:
            after[:, lanes.stop - 1] = -after[:, lanes.start]
