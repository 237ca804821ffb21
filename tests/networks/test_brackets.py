"""Separate lines below and above an activation, and parallel ones: zero tolerance, and nearly as good as can be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nnctrl.networks.activations import Clip
from nnctrl.networks.smooth_activations import touching_point
from tests.networks.exact_activations import EVERY, IDENTITY, MP, SMOOTH, ExactActivation, intervals
from tests.networks.third_party import THIRD_PARTY

Convert = Callable[[np.ndarray], object]


def _name(exact: ExactActivation) -> str:
    a = exact.activation
    return f"clip[{a.lower},{a.upper}]" if isinstance(a, Clip) else a.name


every = pytest.mark.parametrize("exact", [*EVERY, *THIRD_PARTY], ids=_name)
arrays = pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])


def _numpy(values: tuple[object, ...]) -> list[np.ndarray]:
    return [np.asarray(value) for value in values]


@every
@arrays
def test_bracket_contains_phi(exact: ExactActivation, convert: Convert) -> None:
    centre, low, high = intervals()
    value, *lines = _numpy(exact.activation.bracket(convert(centre), convert(low), convert(high)))
    lower_slope, lower_offset, upper_slope, upper_offset = lines
    for slope in (lower_slope, upper_slope):
        assert ((slope >= 0.0) & (slope <= 1.0)).all()
    for i, c in enumerate(centre):
        least, _ = exact.residual_range(c, value[i], lower_slope[i], low[i], high[i])
        _, most = exact.residual_range(c, value[i], upper_slope[i], low[i], high[i])
        assert MP.mpf(lower_offset[i]) <= least, (c, low[i], high[i])
        assert most <= MP.mpf(upper_offset[i]), (c, low[i], high[i])


@every
@arrays
def test_parallel_lines_contain_phi(exact: ExactActivation, convert: Convert) -> None:
    centre, low, high = intervals(seed=1)
    value, slope, lower, upper = _numpy(
        exact.activation.linearise_parallel(convert(centre), convert(low), convert(high))
    )
    for i, c in enumerate(centre):
        least, most = exact.residual_range(c, value[i], slope[i], low[i], high[i])
        assert MP.mpf(lower[i]) <= least, (c, low[i], high[i])
        assert most <= MP.mpf(upper[i]), (c, low[i], high[i])


@pytest.mark.parametrize("exact", EVERY, ids=_name)
def test_heights_at_the_centre_are_those_of_the_convex_hull(exact: ExactActivation) -> None:
    """No line lies lower above phi, or higher below it, at the middle of the interval than phi's envelopes there."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=100) * 10.0 ** rng.uniform(-1.0, 1.0, size=100)
    radius = 10.0 ** rng.uniform(-1.0, 1.5, size=100)
    value, _, lower_offset, _, upper_offset = _numpy(exact.activation.bracket(centre, -radius, radius))
    for i in range(100):
        t = np.linspace(0.0, 1.0, 501)[1:]
        right = exact.activation.value(centre[i] + radius[i] * t)[:, None]
        left = exact.activation.value(centre[i] - radius[i] * t)[None, :]
        at_centre = (right * t[None, :] + left * t[:, None]) / (t[:, None] + t[None, :])
        slack = 2e-3 * radius[i]  # the grid may miss a kink by that much
        assert upper_offset[i] <= max(at_centre.max() - value[i], 0.0) + slack
        assert lower_offset[i] >= min(at_centre.min() - value[i], 0.0) - slack


@pytest.mark.parametrize("exact", SMOOTH, ids=_name)
def test_the_gap_of_the_bracket_shrinks_at_second_order(exact: ExactActivation) -> None:
    radii = 10.0 ** np.linspace(-4, -1, 7)
    for lines in ("bracket", "linearise_parallel"):
        parts = getattr(exact.activation, lines)(np.full(7, 0.7), -radii, radii)
        gap = parts[-1] - parts[2]
        assert np.polyfit(np.log(radii), np.log(gap), 1)[0] > 1.9


def test_touching_points_touch() -> None:
    """Between the tangent there and the chord through the given end there is no difference."""
    z = np.concatenate([10.0 ** np.linspace(-3.0, 6.0, 200), [0.0]])
    t = touching_point(-z)
    assert (touching_point(z) == -t).all()
    assert ((t >= 0.0) & (t <= z)).all()
    chord = (np.tanh(t) + np.tanh(z)) / (t + z + 1e-300)
    assert np.allclose(chord[:-1], (1.0 / np.cosh(t) ** 2)[:-1], rtol=1e-6)


@every
@arrays
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_infinite_and_missing_numbers_prove_nothing(exact: ExactActivation, convert: Convert, bad: float) -> None:
    for method in ("bracket", "linearise_parallel"):
        for place in range(3):
            # lane 0 is damaged, lane 1 must not be
            arguments = [np.array([0.3, 0.3]), np.array([-1.0, -1.0]), np.array([0.5, 0.5])]
            arguments[place][0] = bad
            with np.errstate(invalid="ignore", over="ignore"):
                parts = _numpy(getattr(exact.activation, method)(*map(convert, arguments)))
            assert not all(np.isfinite(part[0]) for part in parts)
            assert np.isfinite([part[1] for part in parts]).all()


@every
def test_gradients_are_finite(exact: ExactActivation) -> None:
    for method in ("bracket", "linearise_parallel"):
        points = tuple(torch.from_numpy(v).requires_grad_(True) for v in intervals())
        total = sum(part.sum() for part in getattr(exact.activation, method)(*points))
        for gradient in torch.autograd.grad(total, points, allow_unused=True):
            assert gradient is None or torch.isfinite(gradient).all()


@pytest.mark.parametrize("exact", [*EVERY[:5], IDENTITY], ids=_name)
def test_gradient_of_the_lines_is_right(exact: ExactActivation) -> None:
    centre = torch.tensor([0.4, -1.3, -0.7, 0.15], dtype=torch.float64, requires_grad=True)
    radius = torch.tensor([1.3, 0.4, 2.5, 6.0], dtype=torch.float64, requires_grad=True)

    def lines(c: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        parts = [*exact.activation.bracket(c, -r, r), *exact.activation.linearise_parallel(c, -r, r)]
        return torch.stack(parts)

    assert torch.autograd.gradcheck(lines, (centre, radius), eps=1e-6, atol=1e-5)
