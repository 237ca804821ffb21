"""The activations in 345 digits: what the zero-tolerance tests compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath.ctx_mp import MPContext

from nnctrl.networks.activations import Activation, Clip, Identity, Relu, Sigmoid, Softplus, Tanh

MP = MPContext()
# enough that centre + d is exact for the intervals below (1e8 and 1e-300 meet)
MP.dps = 345
Real = Any


@dataclass(frozen=True)
class ExactActivation:
    """phi and its derivatives; `stationary(s)` are the z with phi'(z) = s, kinks included; `curvature_turns` where
    phi''' = 0.
    """

    activation: Activation
    phi: Callable[[Real], Real]
    slope: Callable[[Real], Real]
    stationary: Callable[[Real], list[Real]]
    slope_turns: tuple[Real, ...] = ()
    curvature: Callable[[Real], Real] | None = None
    curvature_turns: tuple[Real, ...] = ()
    bounded: bool = False

    def residual(self, centre: float, value: float, slope: float, d: Real) -> Real:
        """phi(centre + d) - value - slope d."""
        return self.phi(MP.mpf(centre) + d) - MP.mpf(value) - MP.mpf(slope) * d

    def worst_points(self, centre: float, slope: float, low: float, high: float) -> list[Real]:
        """The d at which the residual can be extreme on [low, high]."""
        a, b, c = MP.mpf(low), MP.mpf(high), MP.mpf(centre)
        inside = [z - c for z in self.stationary(MP.mpf(slope)) if a <= z - c <= b]
        return [a, b, *inside]

    def residual_range(self, centre: float, value: float, slope: float, low: float, high: float) -> tuple[Real, Real]:
        """Exact range of the residual on [low, high]."""
        values = [self.residual(centre, value, slope, d) for d in self.worst_points(centre, slope, low, high)]
        return min(values), max(values)

    def range_of(
        self, function: Callable[[Real], Real], turns: tuple[Real, ...], lower: float, upper: float
    ) -> tuple[Real, Real]:
        """Range of phi, phi' or phi'' on [lower, upper], monotone between `turns`."""
        a, b = MP.mpf(lower), MP.mpf(upper)
        values = [function(z) for z in (a, b, *(t for t in turns if a <= t <= b))]
        return min(values), max(values)


def _sech2(z: Real) -> Real:
    return 1 / MP.cosh(z) ** 2


def _sigmoid(z: Real) -> Real:
    return 1 / (1 + MP.exp(-z))


def _sigmoid_slope(z: Real) -> Real:
    return _sech2(z / 2) / 4


def _sigmoid_curvature(z: Real) -> Real:
    return -_sigmoid_slope(z) * MP.tanh(z / 2)


def _softplus(z: Real) -> Real:
    return max(z, MP.zero) + MP.log1p(MP.exp(-abs(z)))


def _both_signs(z: Real) -> list[Real]:
    return [z, -z]


def _tanh_stationary(s: Real) -> list[Real]:
    return _both_signs(MP.atanh(MP.sqrt(1 - s))) if 0 < s <= 1 else []


def _piecewise(
    activation: Activation, kinks: tuple[float, ...], phi: Callable[[Real], Real], linear: Callable[[Real], bool]
) -> ExactActivation:
    corners = [MP.mpf(kink) for kink in kinks]
    return ExactActivation(
        activation,
        phi,
        lambda z: MP.one if linear(z) else MP.zero,
        lambda s: corners,
        slope_turns=tuple(corners),
    )


def _clip(low: float, high: float) -> ExactActivation:
    a, b = MP.mpf(low), MP.mpf(high)
    kinks = tuple(kink for kink in (low, high) if np.isfinite(kink))
    return _piecewise(Clip(low, high), kinks, lambda z: min(max(z, a), b), lambda z: a < z < b)


_TURN = MP.atanh(1 / MP.sqrt(3))

SMOOTH = (
    ExactActivation(
        Tanh(),
        MP.tanh,
        _sech2,
        _tanh_stationary,
        (MP.zero,),
        lambda z: -2 * MP.tanh(z) * _sech2(z),
        (_TURN, -_TURN),
        bounded=True,
    ),
    ExactActivation(
        Sigmoid(),
        _sigmoid,
        _sigmoid_slope,
        lambda s: [2 * z for z in _tanh_stationary(4 * s)],
        (MP.zero,),
        _sigmoid_curvature,
        (2 * _TURN, -2 * _TURN),
        bounded=True,
    ),
    ExactActivation(
        Softplus(),
        _softplus,
        _sigmoid,
        lambda s: [MP.log(s / (1 - s))] if 0 < s < 1 else [],
        (),
        _sigmoid_slope,
        (MP.zero,),
    ),
)
PIECEWISE = (
    _piecewise(Relu(), (0.0,), lambda z: max(z, MP.zero), lambda z: z > 0),
    _clip(-1.0, 1.0),
    _clip(-0.25, 7.5),
    _clip(0.1, 0.1),
    _clip(5.0, float("inf")),
    _clip(float("-inf"), 0.3),
)
IDENTITY = ExactActivation(Identity(), lambda z: z, lambda z: MP.one, lambda s: [], curvature=lambda z: MP.zero)
EVERY = (*SMOOTH, *PIECEWISE, IDENTITY)

CENTRES = (
    0.0,
    1e-12,
    -1e-9,
    0.1,
    0.3,
    -0.3,
    0.6584789484624084,
    -1.0,
    1.0,
    1.3,
    5.0,
    -5.0,
    7.5,
    14.0,
    20.0,
    -20.0,
    40.0,
    1e3,
    -1e3,
    1e8,
    -1e8,
)
RADII = (0.0, 1e-300, 1e-12, 1e-8, 1e-3, 0.1, 1.0, 10.0, 1e3, 1e8)
SHAPES = ((-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (-1.0, 0.25), (0.5, 1.0))


def intervals(seed: int = 0, random: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres and ends [low, high] of deviations: flat, tiny, huge, one-sided, offset, ending at kinks and at -2
    centre, and random ones.
    """
    rows = [(c, r * a, r * b) for c in CENTRES for r in RADII for a, b in SHAPES]
    # the interval ends at the mirror image of the centre, and at each kink
    rows += [(c, min(-2.0 * c, 0.0), max(-2.0 * c, 0.0)) for c in CENTRES]
    rows += [(c, min(k - c, 0.0), max(k - c, 0.0)) for c in CENTRES[:12] for k in (0.0, 1.0, -1.0, 7.5, 0.1)]
    rng = np.random.default_rng(seed)
    for _ in range(random):
        c = rng.normal() * 10.0 ** rng.uniform(-3, 1.5)
        r, s = 10.0 ** rng.uniform(-9, 2, size=2)
        rows.append((c, -r, s))
    centre, low, high = np.array(rows).T
    return centre, low, high
