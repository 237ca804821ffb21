"""The smooth activations: tanh, sigmoid and softplus."""

from __future__ import annotations

from nnctrl._typing import Array, namespace
from nnctrl.networks.activation import Activation
from nnctrl.networks.lines import chord_slope
from nnctrl.sets.rounding import LIBRARY_ULPS, TINY, UNIT_ROUNDOFF

FLAT = 2.0**-40
"""Slopes this close to an asymptotic slope are replaced by it: the interior extreme is then so far out that it cannot
be computed well.
"""

STATIONARY = 1e-18
"""Bound of the second-order effect of rounding an interior extreme's position, for slopes FLAT away from the
asymptotic ones.
"""


SMOOTH_NARROW = 2.0**-20
"""Relative width below which the slope at the middle does as well as a chord's, which would be rounded more."""


TOUCHING_STEPS = 3
"""After so many steps `touching_point` gives slopes that are right to 1e-15 (measured for |z| up to 1e6)."""


class Tanh(Activation):
    """phi = tanh: slope 1 - tanh^2, even and strictly decreasing in |z|; curvature -2 tanh (1 - tanh^2)."""

    def value(self, x: Array) -> Array:
        """Tanh(x)."""
        return namespace(x).tanh(x)

    def value_error(self, value: Array) -> Array:
        """The library's assumed accuracy, and the rounding of the sum with this bound."""
        return abs(value) * ((2.0 * LIBRARY_ULPS + 2.0) * UNIT_ROUNDOFF) + TINY

    def sensitivity(self, z: Array, value: Array) -> Array:
        """|z| (1 - tanh^2) <= |tanh|, since z <= sinh z cosh z for z >= 0."""
        return abs(value)

    def enclose(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Outer bounds of tanh on [lower, upper], never outside [-1, 1]."""
        xp = namespace(lower)
        low, high = super().enclose(lower, upper)
        return xp.clip(low, -1.0, 1.0), xp.clip(high, -1.0, 1.0)

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Largest at the point nearest to 0, least at the farthest."""
        xp = namespace(lower)
        farthest = xp.maximum(abs(lower), abs(upper))
        nearest = xp.where((lower <= 0.0) & (upper >= 0.0), 0.0 * lower, xp.minimum(abs(lower), abs(upper)))
        slack = (4.0 * LIBRARY_ULPS + 4.0) * UNIT_ROUNDOFF
        least = 1.0 - xp.tanh(farthest) ** 2 - slack
        most = 1.0 - xp.tanh(nearest) ** 2 + slack
        return xp.clip(least, 0.0, 1.0), xp.clip(most, 0.0, 1.0)

    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Extremes at the ends and at |z| = atanh(1/sqrt 3) (root of phi'''), where |phi''| = 4 / (3 sqrt 3)."""
        xp = namespace(lower)
        ends = []
        for z in (lower, upper):
            t = xp.tanh(z)
            ends.append(-2.0 * t * (1.0 - t * t))
        # |d phi''/dt| = 2 |1 - 3 t^2| <= 4 times tanh's error, and four roundings of terms up to 2
        slack = (8.0 * LIBRARY_ULPS + 8.0) * UNIT_ROUNDOFF
        low = xp.minimum(ends[0], ends[1]) - slack
        high = xp.maximum(ends[0], ends[1]) + slack
        turning, peak = 0.6584789484624084, 0.769800358919502  # atanh(1/sqrt 3); 4/(3 sqrt 3) rounded up
        low = xp.where((lower <= turning + 1e-12) & (upper >= turning - 1e-12), 0.0 * low - peak, low)
        high = xp.where((lower <= -turning + 1e-12) & (upper >= -turning - 1e-12), 0.0 * high + peak, high)
        return low, high

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        """The slope at the centre: it keeps the gradient.

        The chord's narrower residual on wide intervals cost more than it gave: 6,844 instead of 4,086 nodes on a
        2-10-10-2-2 network.
        """
        xp = namespace(centre)
        t = xp.tanh(centre)
        return [_not_almost_flat(xp.clip(1.0 - t * t, 0.0, 1.0))]

    def bracket_slopes(self, lower: Array, upper: Array) -> list[Array]:
        """The tangent's at the middle, and for each end the tangent's through that end or, where it would touch
        outside of the interval, the chord's. All edges of the convex hull of the graph are among them.
        """
        xp = namespace(lower)
        (middle,) = self.candidate_slopes(0.5 * lower + 0.5 * upper, lower, upper)
        ends = ((lower, xp.minimum(touching_point(lower), upper)), (xp.maximum(touching_point(upper), lower), upper))
        chords = (chord_slope(xp.tanh(a), xp.tanh(b), a, b, middle, SMOOTH_NARROW) for a, b in ends)
        return [middle, *(_not_almost_flat(slope) for slope in chords)]

    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """phi' = s at z = +-atanh(a), a = sqrt(1 - s), where phi - s z is +-(a - s z): maximum right, minimum left.

        `slope` is 0 (no extremes) or at least FLAT.
        """
        xp = namespace(slope)
        flat = slope <= 0.0
        s = xp.where(flat, 0.0 * slope + 0.5, slope)
        square = 1.0 - s
        # the square root is not differentiable at 0: keep torch's gradient finite there
        a = xp.where(square > 0.0, xp.sqrt(xp.where(square > 0.0, square, 1.0 + 0.0 * square)), 0.0 * square)
        z = xp.arctanh(a)
        extreme = a - s * z
        # a and s fixed to a relative 4u: first order cancels, second order is below STATIONARY for s >= FLAT
        bound = extreme + (4.0 * LIBRARY_ULPS * UNIT_ROUNDOFF) * (a + s * z) + STATIONARY
        reach = (8.0 * UNIT_ROUNDOFF) / s + (4.0 * LIBRARY_ULPS * UNIT_ROUNDOFF) * z
        infinite = 0.0 * slope + float("inf")
        right = (~flat) & (lower <= z + reach) & (upper >= z - reach)
        left = (~flat) & (lower <= -z + reach) & (upper >= -z - reach)
        return xp.where(left, -bound, infinite), xp.where(right, bound, -infinite)


def _not_almost_flat(slope: Array) -> Array:
    """Slopes for which tanh's interior extremes can be computed: 0 instead of less than FLAT."""
    return namespace(slope).where(slope < FLAT, 0.0 * slope, slope)


def touching_point(z: Array) -> Array:
    """Where the tangent of tanh through (z, tanh z) touches its graph on the other side of 0, in floating point.

    Among all chords through z the one to the touching point is the steepest: Dinkelbach's iteration for the ratio
    (tanh t + tanh |z|) / (t + |z|), whose step is the point with the last chord's slope, converges quadratically from
    t = |z|/2 (where it is for small z). The point carries no gradient and needs none: the slope is stationary in it.
    """
    xp = namespace(z)
    z = getattr(z, "detach", lambda: z)()
    size = abs(z)
    rise, touch = xp.tanh(size), 0.5 * size
    for _ in range(TOUCHING_STEPS):
        slope = (xp.tanh(touch) + rise) / (touch + size + TINY)
        touch = xp.minimum(xp.arctanh(xp.sqrt(xp.clip(1.0 - slope, 0.0, 1.0 - UNIT_ROUNDOFF))), size)
    return -xp.sign(z) * touch


class Sigmoid(Activation):
    """phi(z) = 1/(1 + exp(-z)) = 1/2 + tanh(z/2)/2, evaluated and bounded through tanh (halving is exact)."""

    def value(self, x: Array) -> Array:
        """1/2 + tanh(x/2)/2: accurate to a few roundoffs absolutely, which is what enclosures need."""
        return 0.5 + 0.5 * namespace(x).tanh(0.5 * x)

    def value_error(self, value: Array) -> Array:
        """Half of tanh's error and one addition, absolute."""
        return 0.0 * value + (LIBRARY_ULPS + 4.0) * UNIT_ROUNDOFF

    def sensitivity(self, z: Array, value: Array) -> Array:
        """Half of tanh's at z/2, hence at most 1/2."""
        return 0.0 * value + 0.5

    def enclose(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Outer bounds on [lower, upper], never outside [0, 1]."""
        xp = namespace(lower)
        low, high = super().enclose(lower, upper)
        return xp.clip(low, 0.0, 1.0), xp.clip(high, 0.0, 1.0)

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """A quarter of tanh's at z/2."""
        low, high = Tanh().slope_range(0.5 * lower, 0.5 * upper)
        return 0.25 * low, 0.25 * high

    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """An eighth of tanh's at z/2."""
        low, high = Tanh().curvature_range(0.5 * lower, 0.5 * upper)
        return 0.125 * low, 0.125 * high

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        """A quarter of tanh's at z/2."""
        return [0.25 * s for s in Tanh().candidate_slopes(0.5 * centre, 0.5 * lower, 0.5 * upper)]

    def bracket_slopes(self, lower: Array, upper: Array) -> list[Array]:
        """A quarter of tanh's over [lower/2, upper/2]."""
        return [0.25 * s for s in Tanh().bracket_slopes(0.5 * lower, 0.5 * upper)]

    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """phi(z) - s z = 1/2 + (tanh(y) - 4 s y)/2 with y = z/2."""
        low, high = Tanh().interior_extremes(4.0 * slope, 0.5 * lower, 0.5 * upper)
        # one addition of terms up to 1/2
        slack = 4.0 * UNIT_ROUNDOFF
        return 0.5 + 0.5 * low - slack, 0.5 + 0.5 * high + slack


class Softplus(Activation):
    """phi(z) = log(1 + exp z): convex, slope sigmoid(z), curvature sigmoid'(z)."""

    def value(self, x: Array) -> Array:
        """max(x, 0) + log1p(exp(-|x|)), which neither overflows nor cancels."""
        xp = namespace(x)
        return xp.clip(x, 0.0, None) + xp.log1p(xp.exp(-abs(x)))

    def value_error(self, value: Array) -> Array:
        """Exp and log1p relative to log1p(exp(-|x|)) <= min(phi, log 2), one addition, and that of this bound."""
        correction = namespace(value).clip(value, None, 0.75)
        relative = (4.0 * LIBRARY_ULPS + 4.0) * UNIT_ROUNDOFF
        return abs(correction) * relative + abs(value) * (3.0 * UNIT_ROUNDOFF) + TINY

    def sensitivity(self, z: Array, value: Array) -> Array:
        """z sigmoid(z) <= phi for z >= 0; |z| sigmoid(z) < 0.2785 for z <= 0."""
        return abs(value) + 0.28

    def enclose(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Outer bounds on [lower, upper], never below 0."""
        low, high = super().enclose(lower, upper)
        return namespace(lower).clip(low, 0.0, None), high

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Phi' is sigmoid, increasing."""
        return Sigmoid().enclose(lower, upper)

    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """phi'' is sigmoid'."""
        return Sigmoid().slope_range(lower, upper)

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        """The slope at the centre."""
        return [self._not_almost_asymptotic(Sigmoid().value(centre))]

    def bracket_slopes(self, lower: Array, upper: Array) -> list[Array]:
        """The tangent's at the middle for the line below, the chord's for the one above."""
        middle = self.candidate_slopes(0.5 * lower + 0.5 * upper, lower, upper)
        return [*middle, *self.parallel_slopes(lower, upper)]

    def parallel_slopes(self, lower: Array, upper: Array) -> list[Array]:
        """The chord's, the best one for a convex function."""
        (middle,) = self.candidate_slopes(0.5 * lower + 0.5 * upper, lower, upper)
        slope = chord_slope(self.value(lower), self.value(upper), lower, upper, middle, SMOOTH_NARROW)
        return [self._not_almost_asymptotic(slope)]

    def _not_almost_asymptotic(self, slope: Array) -> Array:
        xp = namespace(slope)
        return xp.where(slope < FLAT, 0.0 * slope, xp.where(slope > 1.0 - FLAT, 0.0 * slope + 1.0, slope))

    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Phi' = s at z = log(s/(1-s)), the minimum of phi - s z, which is the entropy -s log s - (1-s) log(1-s).

        `slope` is 0 or 1 (no extremes) or at least FLAT away from both.
        """
        xp = namespace(slope)
        flat = (slope <= 0.0) | (slope >= 1.0)
        s = xp.where(flat, 0.0 * slope + 0.5, slope)
        log_s, log_rest = xp.log(s), xp.log1p(-s)
        z = log_s - log_rest
        entropy = -s * log_s - (1.0 - s) * log_rest
        bound = entropy - (8.0 * LIBRARY_ULPS * UNIT_ROUNDOFF) * entropy - STATIONARY
        reach = (8.0 * LIBRARY_ULPS * UNIT_ROUNDOFF) * (abs(log_s) + abs(log_rest) + 1.0)
        infinite = 0.0 * slope + float("inf")
        inside = (~flat) & (lower <= z + reach) & (upper >= z - reach)
        return xp.where(inside, bound, infinite), -infinite
