"""Activations that declare only what the interface asks for, as a third party's would."""

from __future__ import annotations

from nnctrl._typing import Array, namespace
from nnctrl.errors import UnsupportedError
from nnctrl.networks.activation import Activation, no_extremes
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF
from tests.networks.exact_activations import MP, ExactActivation


class LeakyRelu(Activation):
    """max(z, z/8): all its products are exact, so nothing but underflow is rounded."""

    def value(self, x: Array) -> Array:
        return namespace(x).maximum(x, 0.125 * x)

    def value_error(self, value: Array) -> Array:
        return 0.0 * value + TINY

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        one = 0.0 * (lower + upper) + 1.0
        return 0.125 * one, one

    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        raise UnsupportedError("not twice differentiable")

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        one = 0.0 * centre + 1.0
        return [namespace(centre).where(centre > 0.0, one, 0.125 * one)]

    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        kink = (lower <= 0.0) & (upper >= 0.0)
        none_low, none_high = no_extremes(slope)
        xp = namespace(slope)
        return xp.where(kink, 0.0 * slope, none_low), xp.where(kink, 0.0 * slope, none_high)


class Softsign(Activation):
    """z / (1 + |z|), with slope 1/(1 + |z|)^2."""

    def value(self, x: Array) -> Array:
        return x / (1.0 + abs(x))

    def value_error(self, value: Array) -> Array:
        return abs(value) * (4.0 * UNIT_ROUNDOFF) + TINY

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        one = 0.0 * (lower + upper) + 1.0
        return 0.0 * one, one

    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        raise UnsupportedError("not twice differentiable")

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        return [1.0 / (1.0 + abs(centre)) ** 2]

    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """At |z| = 1/sqrt(s) - 1, phi - s z is +-(1 - sqrt s)^2: taken to be inside whenever it may be."""
        xp = namespace(slope)
        inside = 0.0 * (lower + upper) == 0.0
        extreme = (1.0 - xp.sqrt(slope)) ** 2 + 16.0 * UNIT_ROUNDOFF
        none_low, none_high = no_extremes(slope)
        left, right = inside & (lower < 0.0), inside & (upper > 0.0)
        return xp.where(left, -extreme, none_low), xp.where(right, extreme, none_high)


THIRD_PARTY = (
    ExactActivation(
        LeakyRelu(), lambda z: max(z, z / 8), lambda z: MP.one if z > 0 else MP.one / 8, lambda s: [MP.zero]
    ),
    ExactActivation(
        Softsign(),
        lambda z: z / (1 + abs(z)),
        lambda z: 1 / (1 + abs(z)) ** 2,
        lambda s: [1 / MP.sqrt(s) - 1, 1 - 1 / MP.sqrt(s)] if s > 0 else [],
        bounded=True,
    ),
)
