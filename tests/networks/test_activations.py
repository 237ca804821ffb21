"""Zero-tolerance tests of what the activations declare, against 345 digits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.networks.activations import ACTIVATIONS, Activation, Clip, Relu, Tanh
from tests.networks.exact_activations import EVERY, IDENTITY, MP, PIECEWISE, SMOOTH, ExactActivation, intervals

Convert = Callable[[np.ndarray], object]


def _name(exact: ExactActivation) -> str:
    a = exact.activation
    return f"clip[{a.lower},{a.upper}]" if isinstance(a, Clip) else a.name


every = pytest.mark.parametrize("exact", EVERY, ids=_name)
arrays = pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])


def _numpy(values: tuple[object, ...]) -> list[np.ndarray]:
    return [np.asarray(value) for value in values]


def _scale(exact: ExactActivation, *terms: np.ndarray) -> np.ndarray:
    """What roundoffs are relative to: 1 for bounded activations, else the numbers that occur too."""
    return np.ones_like(terms[0]) if exact.bounded else 1.0 + sum(abs(term) for term in terms)


@every
@arrays
def test_residual_contains_phi_and_is_tight(exact: ExactActivation, convert: Convert) -> None:
    centre, low, high = intervals()
    result = exact.activation.linearise(convert(centre), convert(low), convert(high))
    value, slope, lower, upper = _numpy(result)
    assert ((slope >= 0.0) & (slope <= 1.0)).all()
    scale = _scale(exact, centre, low, high) + slope * np.maximum(abs(low), abs(high))
    for i, c in enumerate(centre):
        least, most = exact.residual_range(c, value[i], slope[i], low[i], high[i])
        assert MP.mpf(lower[i]) <= least, (c, low[i], high[i])
        assert most <= MP.mpf(upper[i]), (c, low[i], high[i])
        width = MP.mpf(upper[i]) - MP.mpf(lower[i])
        assert width <= 1.0001 * (most - least) + 1e-13 * scale[i], (c, low[i], high[i])


@every
def test_residual_contains_random_mirrored_and_searched_points(exact: ExactActivation) -> None:
    """The points are found without the closed forms: random ones, d = -2 c, and a golden-section search for the
    worst.
    """
    centre, low, high = intervals(seed=1, random=40)
    pick = np.random.default_rng(2).permutation(len(centre))[:60]
    value, slope, lower, upper = _numpy(exact.activation.linearise(centre, low, high))
    for i in pick:
        a, b = MP.mpf(low[i]), MP.mpf(high[i])

        def residual(d: object, i: int = i) -> object:
            return exact.residual(centre[i], value[i], slope[i], d)

        points = [a + (b - a) * MP.mpf(t) for t in np.linspace(0.0, 1.0, 9)]
        points += [-2 * MP.mpf(centre[i])] if a <= -2 * MP.mpf(centre[i]) <= b else []
        for sign in (1, -1):
            best = max(range(9), key=lambda k: sign * residual(points[k]))
            points.append(_golden(lambda d: sign * residual(d), points[max(best - 1, 0)], points[min(best + 1, 8)]))  # noqa: B023
        # doubles, so that centre + d has no more digits than are carried
        for d in (min(max(MP.mpf(float(point)), a), b) for point in points):
            assert MP.mpf(lower[i]) <= residual(d) <= MP.mpf(upper[i]), (centre[i], low[i], high[i], d)


def _golden(f: Callable[[object], object], a: object, b: object) -> object:
    """A point near the largest value of f on [a, b]."""
    ratio = (MP.sqrt(5) - 1) / 2
    for _ in range(40):
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        a, b = (a, d) if f(c) > f(d) else (c, b)
    return (a + b) / 2


@every
@arrays
def test_enclose_contains_and_is_tight(exact: ExactActivation, convert: Convert) -> None:
    centre, low, high = intervals()
    lower, upper = centre + low, centre + high
    below, above = _numpy(exact.activation.enclose(convert(lower), convert(upper)))
    scale = _scale(exact, lower, upper)
    for i in range(len(lower)):
        least, most = exact.phi(MP.mpf(lower[i])), exact.phi(MP.mpf(upper[i]))
        assert MP.mpf(below[i]) <= least <= most <= MP.mpf(above[i])
        assert least - MP.mpf(below[i]) <= 1e-14 * scale[i]
        assert MP.mpf(above[i]) - most <= 1e-14 * scale[i]
        if exact in PIECEWISE or exact is IDENTITY:
            assert (MP.mpf(below[i]), MP.mpf(above[i])) == (least, most)


@every
@arrays
def test_slope_range_contains_and_is_tight(exact: ExactActivation, convert: Convert) -> None:
    centre, low, high = intervals()
    lower, upper = centre + low, centre + high
    least, most = _numpy(exact.activation.slope_range(convert(lower), convert(upper)))
    assert ((least >= 0.0) & (most <= 1.0)).all()
    for i in range(len(lower)):
        true_least, true_most = exact.range_of(exact.slope, exact.slope_turns, lower[i], upper[i])
        assert MP.mpf(least[i]) <= true_least
        assert true_most <= MP.mpf(most[i])
        if exact in SMOOTH:
            assert MP.mpf(most[i]) - MP.mpf(least[i]) <= true_most - true_least + 1e-13


@pytest.mark.parametrize("exact", PIECEWISE, ids=_name)
def test_slope_range_of_kinked_activations_holds_for_difference_quotients(exact: ExactActivation) -> None:
    centre, low, high = intervals()
    lower, upper = centre + low, centre + high
    least, most = _numpy(exact.activation.slope_range(lower, upper))
    for i in np.flatnonzero(upper > lower):
        a, b = MP.mpf(lower[i]), MP.mpf(upper[i])
        points = [a, (2 * a + b) / 3, (a + b) / 2, b]
        for p, q in pairwise(points):
            quotient = (exact.phi(q) - exact.phi(p)) / (q - p)
            assert MP.mpf(least[i]) - MP.mpf(10) ** -50 <= quotient <= MP.mpf(most[i]) + MP.mpf(10) ** -50


@pytest.mark.parametrize("exact", [*SMOOTH, IDENTITY], ids=_name)
@arrays
def test_curvature_range_contains_and_is_tight(exact: ExactActivation, convert: Convert) -> None:
    centre, low, high = intervals()
    lower, upper = centre + low, centre + high
    least, most = _numpy(exact.activation.curvature_range(convert(lower), convert(upper)))
    assert exact.curvature is not None
    for i in range(len(lower)):
        true_least, true_most = exact.range_of(exact.curvature, exact.curvature_turns, lower[i], upper[i])
        assert MP.mpf(least[i]) <= true_least <= true_most <= MP.mpf(most[i])
        assert MP.mpf(most[i]) - MP.mpf(least[i]) <= true_most - true_least + 1e-13


@pytest.mark.parametrize("exact", PIECEWISE, ids=_name)
def test_kinked_activations_have_no_curvature_range(exact: ExactActivation) -> None:
    with pytest.raises(UnsupportedError, match="not twice differentiable"):
        exact.activation.curvature_range(np.zeros(1), np.ones(1))


@pytest.mark.parametrize("exact", SMOOTH, ids=_name)
@pytest.mark.parametrize("centre", [0.0, 0.7, -1.9])
def test_residual_shrinks_at_second_order(exact: ExactActivation, centre: float) -> None:
    radii = 10.0 ** np.linspace(-4, -1, 7)
    _, _, lower, upper = exact.activation.linearise(np.full(7, centre), -radii, radii)
    order = np.polyfit(np.log(radii), np.log(upper - lower), 1)[0]
    # at an inflection point the residual is even of third order
    assert order > 1.95


@pytest.mark.parametrize("exact", PIECEWISE, ids=_name)
def test_kinked_residual_has_the_best_slope(exact: ExactActivation) -> None:
    centre, low, high = intervals(seed=3, random=400)
    phi, kinks = exact.activation.value, [float(k) for k in exact.stationary(0)]
    _, _, lower, upper = exact.activation.linearise(centre, low, high)
    slopes = np.linspace(0.0, 1.0, 1001)[:, None]
    points = [
        np.clip(z, centre + low, centre + high)
        for z in (centre + low, centre + high, *(np.full_like(centre, k) for k in kinks))
    ]
    g = np.array([phi(z) - slopes * z for z in points])
    best = (g.max(0) - g.min(0)).min(0)
    scale = 1.0 + abs(centre) + np.maximum(abs(low), abs(high))
    assert (upper - lower <= best * (1.0 + 1e-9) + 1e-12 * scale).all()


@every
@arrays
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_infinite_and_missing_numbers_prove_nothing(exact: ExactActivation, convert: Convert, bad: float) -> None:
    for place in range(3):
        # lane 0 is damaged, lane 1 must not be
        arguments = [np.array([0.3, 0.3]), np.array([-1.0, -1.0]), np.array([0.5, 0.5])]
        arguments[place][0] = bad
        with np.errstate(invalid="ignore"):
            value, slope, lower, upper = _numpy(exact.activation.linearise(*map(convert, arguments)))
            assert not (
                np.isfinite(value[0]) and np.isfinite(slope[0]) and np.isfinite(lower[0]) and np.isfinite(upper[0])
            )
            assert np.isfinite([value[1], slope[1], lower[1], upper[1]]).all()
    if np.isnan(bad):
        nan, one = convert(np.array([np.nan])), convert(np.array([1.0]))
        ranges = [exact.activation.enclose, exact.activation.slope_range]
        ranges += [exact.activation.curvature_range] if exact.curvature is not None else []
        for claim in ranges:
            for lower, upper in ((nan, one), (one, nan), (nan, nan)):
                assert np.isnan(_numpy(claim(lower, upper))).any()


@every
def test_gradients_of_the_linearisation_are_finite(exact: ExactActivation) -> None:
    centre, low, high = (torch.from_numpy(v).requires_grad_(True) for v in intervals())
    total = sum(part.sum() for part in exact.activation.linearise(centre, low, high))
    for gradient in torch.autograd.grad(total, (centre, low, high), allow_unused=True):
        assert gradient is None or torch.isfinite(gradient).all()


@every
def test_gradients_at_flat_intervals_are_moderate(exact: ExactActivation) -> None:
    centre = torch.tensor([0.0, 0.3, -0.3, 1.0, 5.0, 40.0], dtype=torch.float64, requires_grad=True)
    zero = torch.zeros_like(centre, requires_grad=True)
    parts = exact.activation.linearise(centre, zero, zero)
    for part in parts:
        for gradient in torch.autograd.grad(part.sum(), (centre, zero), retain_graph=True, allow_unused=True):
            assert gradient is None or (gradient.abs() <= 10.0).all()


@pytest.mark.parametrize("exact", SMOOTH, ids=_name)
def test_gradient_of_the_residual_is_right(exact: ExactActivation) -> None:
    def width(points: torch.Tensor) -> torch.Tensor:
        result = exact.activation.linearise(points[0], points[1], points[2])
        return torch.stack([result.residual_lower, result.residual_upper, result.slope])

    points = torch.tensor([[0.4, -1.3], [-0.8, -0.5], [0.7, 2.5]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(width, (points,), eps=1e-6, atol=1e-5)


def test_limits_per_lane() -> None:
    clip = Clip((-1.0, 0.0), (1.0, 2.0))
    x = np.array([[-3.0, -3.0], [3.0, 3.0]])
    assert (clip.value(x) == [[-1.0, 0.0], [1.0, 2.0]]).all()
    assert (np.asarray(clip.value(torch.from_numpy(x))) == clip.value(x)).all()
    apart = [Clip(-1.0, 1.0), Clip(0.0, 2.0)]
    centre, low, high = np.array([0.7, -0.2]), np.array([-0.5, -1.0]), np.array([0.9, 3.0])
    together = clip.linearise(centre, low, high)
    for lane, single in enumerate(apart):
        alone = single.linearise(centre[lane : lane + 1], low[lane : lane + 1], high[lane : lane + 1])
        assert [part[0] for part in alone] == [part[lane] for part in together]


@pytest.mark.parametrize(
    ("lower", "upper", "error"),
    [
        (1.0, -1.0, InputError),
        (float("nan"), 1.0, InputError),
        ((0.0, 0.0), (1.0, -1.0), InputError),
        ((0.0,), (1.0, 1.0), DimensionError),
        (0.0, (1.0,), DimensionError),
    ],
)
def test_clip_refuses_limits_that_are_not_ordered(lower: float, upper: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="clip limits"):
        Clip(lower, upper)


def test_names_and_equality() -> None:
    assert set(ACTIVATIONS) == {"identity", "tanh", "sigmoid", "softplus", "relu"}
    assert Tanh() == Tanh() != Relu()
    assert hash(Clip(0.0, 1.0)) == hash(Clip(0.0, 1.0))
    assert Clip(0.0, 1.0) != Clip(0.0, 2.0)


def test_no_candidate_slope_is_refused() -> None:
    class Empty(Tanh):
        def candidate_slopes(self, centre: object, lower: object, upper: object) -> list[object]:
            return []

    empty: Activation = Empty()
    with pytest.raises(InputError, match="'empty' declares no candidate slope"):
        empty.linearise(np.zeros(1), -np.ones(1), np.ones(1))
