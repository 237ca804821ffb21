"""Each step of a majorant back through a layer, in exact rational arithmetic: the constant pays for all rounding.

Over whole networks the gaps of the activations hide errors of single roundings; here nothing does.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from nnctrl.bounds.majorant import BracketedLayer, Majorant, intercept_up
from nnctrl.bounds.view import AffineView
from nnctrl.networks.activations import Clip
from nnctrl.networks.layers import ActivationLayer
from tests.networks.exact_activations import EVERY, MP, ExactActivation, intervals

SEEDS = pytest.mark.parametrize("seed", range(40))


def numbers(rng: np.random.Generator, *shape: int, sparse: bool = False) -> torch.Tensor:
    """Numbers of very different magnitude, so that sums of them are rounded hard."""
    values = rng.normal(size=shape) * 10.0 ** rng.integers(-6, 7, size=shape).astype(float)
    return torch.tensor(values * (rng.random(shape) < 0.5) if sparse else values)


def exact(values: torch.Tensor) -> np.ndarray:
    """The same numbers as fractions."""
    return np.vectorize(Fraction, otypes=[object])(values.detach().numpy())


def random_majorant(rng: np.random.Generator, size: int) -> Majorant:
    constant = numbers(rng, 1, 3) if rng.random() < 0.3 else torch.zeros(1, 3, dtype=torch.float64)
    return Majorant(numbers(rng, 1, 3, size, sparse=True), constant)


@SEEDS
@pytest.mark.parametrize("radii", [False, True])
def test_affine_step(seed: int, radii: bool) -> None:
    """`rows @ (W x + b) + constant` is nowhere above the result, for all W and b within the radii, |x| <= reach."""
    rng = np.random.default_rng(seed)
    m, n = (int(size) for size in rng.integers(1, 7, size=2))
    bias = numbers(rng, m) if rng.random() < 0.5 else torch.zeros(m, dtype=torch.float64)
    layer = AffineView(numbers(rng, m, n), bias)
    weight_radius = bias_radius = torch.zeros(m, n, dtype=torch.float64)
    if radii:
        weight_radius, bias_radius = numbers(rng, m, n).abs() * 1e-12, numbers(rng, m).abs() * 1e-12
        layer = AffineView(layer.weight, layer.bias, weight_radius, bias_radius)
    reach = numbers(rng, 1, n).abs()
    before = random_majorant(rng, m)
    after = before.before_affine(layer, reach)
    rows, reaches = exact(before.rows[0]), exact(reach[0])
    lost = abs(rows @ exact(layer.weight) - exact(after.rows[0])) @ reaches
    if radii:
        lost = lost + abs(rows) @ (exact(weight_radius) @ reaches + exact(bias_radius))
    needed = exact(before.constant[0]) + rows @ exact(layer.bias) + lost
    assert (needed <= exact(after.constant[0])).all()


@SEEDS
def test_activation_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 7))
    slopes = [torch.tensor(rng.random((1, size))) for _ in range(2)]
    intercepts = [numbers(rng, 1, size) * (rng.random() < 0.5) for _ in range(2)]
    reach, nothing = numbers(rng, 1, size).abs(), torch.zeros(1, size, dtype=torch.float64)
    layer = BracketedLayer(
        slopes[0], intercepts[0], slopes[1], intercepts[1], reach, nothing, torch.zeros(1, size, 1).double()
    )
    before = random_majorant(rng, size)
    after = before.before_activation(layer)
    rows = exact(before.rows[0])
    slope, intercept = (np.where(rows >= 0, exact(pair[1][0]), exact(pair[0][0])) for pair in (slopes, intercepts))
    lost = abs(rows * slope - exact(after.rows[0])) @ exact(reach[0])
    needed = exact(before.constant[0]) + (rows * intercept).sum(-1) + lost
    assert (needed <= exact(after.constant[0])).all()


@SEEDS
def test_sum_and_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 7))
    reach = numbers(rng, 1, size).abs()
    one, other = random_majorant(rng, size), random_majorant(rng, size)
    both = one.plus(other, reach)
    lost = abs(exact(one.rows[0]) + exact(other.rows[0]) - exact(both.rows[0])) @ exact(reach[0])
    needed = exact(one.constant[0]) + exact(other.constant[0]) + lost
    assert (needed <= exact(both.constant[0])).all()
    upper = numbers(rng, 1, size)
    lower = upper - numbers(rng, 1, size).abs()
    rows = exact(one.rows[0])
    corner = np.where(rows >= 0, exact(upper[0]), exact(lower[0]))
    largest = exact(one.constant[0]) + (rows * corner).sum(-1)
    assert (largest <= exact(one.over_box(lower, upper)[0])).all()


@SEEDS
def test_intercepts_are_rounded_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    slope, centre = numbers(rng, 50), numbers(rng, 50)
    # near to cancellation, where the roundings are large beside the result
    value = slope * centre * torch.tensor(rng.choice([1.0, 1.0 + 1e-15, 0.7], size=50))
    offset = numbers(rng, 50) * float(rng.choice([0.0, 1e-12, 1.0]))
    needed = exact(value) + exact(offset) - exact(slope) * exact(centre)
    assert (needed <= exact(intercept_up(value, slope, offset, centre))).all()


@pytest.mark.parametrize("kind", EVERY, ids=lambda e: "clip" if isinstance(e.activation, Clip) else e.activation.name)
def test_lines_in_the_coordinate_itself(kind: ExactActivation) -> None:
    """The lines `slope * z + intercept` hold wherever phi - slope z can be extreme, and |z| <= reach."""
    centre, low, high = intervals(seed=2)
    lower, upper = (torch.tensor(end[None]) for end in (centre + low, centre + high))
    count = len(centre)
    layer = BracketedLayer.over(
        ActivationLayer(((kind.activation, count),)), lower, upper, torch.zeros(1, count, 1).double()
    )
    assert (lower.abs() <= layer.reach).all()
    assert (upper.abs() <= layer.reach).all()
    for slopes, intercepts, sign in (
        (layer.upper_slope, layer.upper_intercept, 1),
        (layer.lower_slope, layer.lower_intercept, -1),
    ):
        for i in range(count):
            slope, intercept = MP.mpf(float(slopes[0, i])), MP.mpf(float(intercepts[0, i]))
            a, b = MP.mpf(float(lower[0, i])), MP.mpf(float(upper[0, i]))
            for z in (a, b, *(point for point in kind.stationary(slope) if a <= point <= b)):
                assert sign * (slope * z + intercept - kind.phi(z)) >= 0, (lower[0, i], upper[0, i], z)
