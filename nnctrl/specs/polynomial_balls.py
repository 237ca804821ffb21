"""Margins of balls and ellipsoids over polynomial zonotopes: by bounds of the distance from the centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.sets.ellipsoid import Ellipsoid
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import norm_up, widen_down, widen_up
from nnctrl.specs.ellipsoid_coordinates import axis_bounds, inverse_with_defect
from nnctrl.specs.polynomial_regions import AbstractPolynomialRegion
from nnctrl.specs.polynomial_separation import (
    Margin,
    best_gap,
    floored,
    guiding_directions,
    known_rows,
    norm_ends,
    selected,
)


@dataclass(frozen=True, eq=False)
class BallRegion(AbstractPolynomialRegion):
    """A Euclidean ball; relative to its centre."""

    reference: FloatArray
    radius: float

    def inside(self, points: FloatArray) -> FloatArray:
        """Radius minus distance from the centre."""
        return self.radius - np.linalg.norm(points - self.reference, axis=-1)

    def outside(self, points: FloatArray) -> FloatArray:
        """Distance from the centre minus the radius."""
        return np.linalg.norm(points - self.reference, axis=-1) - self.radius

    def certified_inside(self, rows: PolynomialZonotope) -> Margin:
        """The greatest distance from the centre."""
        length, direction = longest(rows)
        return Margin(floored(self.radius - length), direction)

    def certified_outside(self, rows: PolynomialZonotope) -> Margin:
        """The least distance from the centre."""
        length, direction = shortest(rows)
        return Margin(floored(length - self.radius), direction)


@dataclass(frozen=True, eq=False)
class EllipsoidRegion(AbstractPolynomialRegion):
    """`{c + S v, |v| <= 1}` through w = M (x - c), as `inverse_with_defect` has M and its defect.

    Margins are (|v| - 1) times the shortest semi-axis, which lies in `axis`; relative to c.
    """

    reference: FloatArray
    inverse: FloatArray
    defect: float
    axis: tuple[float, float]
    shortest_axis: float

    @staticmethod
    def of(ellipsoid: Ellipsoid) -> EllipsoidRegion:
        """The region of an ellipsoid; UnsupportedError for a flat or an extremely thin one."""
        inverse, defect = inverse_with_defect(ellipsoid.shape)
        axis = axis_bounds(inverse, defect) if defect < 1e-6 else (0.0, 0.0)
        if not 0.0 < axis[0] <= axis[1] < np.inf:
            raise UnsupportedError(
                "a requirement on a flat or extremely thin ellipsoid is not supported; "
                "give one whose shape matrix is well conditioned, with a column for every coordinate"
            )
        shortest_axis = float(np.linalg.svd(ellipsoid.shape, compute_uv=False).min())
        return EllipsoidRegion(ellipsoid.centre, inverse, defect, axis, shortest_axis)

    def inside(self, points: FloatArray) -> FloatArray:
        """Depth in the ball's coordinates, scaled."""
        return -self.outside(points)

    def outside(self, points: FloatArray) -> FloatArray:
        """Distance in the ball's coordinates, scaled."""
        # by the difference: M x and M c would cancel
        return self.shortest_axis * (np.linalg.norm((points - self.reference) @ self.inverse.T, axis=-1) - 1.0)

    def certified_inside(self, rows: PolynomialZonotope) -> Margin:
        """The least v has |v| <= |w| / (1 - defect)."""
        length, direction = longest(rows.affine(self.inverse))
        return self._scaled(1.0 - widen_up(length * (1.0 + 2.0 * self.defect), 4.0), direction)

    def certified_outside(self, rows: PolynomialZonotope) -> Margin:
        """The least v has |v| >= |w| / (1 + defect)."""
        length, direction = shortest(rows.affine(self.inverse))
        return self._scaled(widen_down(length * (1.0 - self.defect), 4.0) - 1.0, direction)

    def _scaled(self, margin: float, direction: FloatArray) -> Margin:
        lowered = floored(margin)
        scaled = widen_down(lowered * self.axis[0 if lowered >= 0.0 else 1])
        return Margin(floored(float(scaled)), direction @ self.inverse)


def longest(rows: PolynomialZonotope) -> tuple[float, FloatArray]:
    """Upper bound of |x| over the rows, inf where nothing is known, and the direction of a far point."""
    low, high = rows.ranges()
    far = np.where(abs(low) > abs(high), low, high)
    length = float(norm_up(widen_up(abs(far))))
    _, square = squared_length(rows)
    by_square = float(widen_up(np.sqrt(max(square, 0.0)))) if np.isfinite(square) else np.inf
    finite = [value for value in (length, by_square) if np.isfinite(value)]
    return min(finite, default=np.inf), np.nan_to_num(far, posinf=0.0, neginf=0.0)


def shortest(rows: PolynomialZonotope) -> tuple[float, FloatArray]:
    """Lower bound >= 0 of |x| over the rows, and the direction of a near point."""
    known = known_rows(rows)
    direction = np.zeros(rows.dim)
    if not known.any():
        return 0.0, direction
    rows = selected(rows, known)
    low, high = rows.ranges()
    near = np.nan_to_num(np.maximum(np.maximum(low, -high), 0.0), posinf=0.0)
    by_box = float(norm_ends(near)[0])
    guides = guiding_directions(rows, np.zeros_like)
    guided = best_gap(rows, guides, np.zeros(len(guides)))
    square, _ = squared_length(rows)
    by_square = float(widen_down(np.sqrt(square))) if 0.0 < square < np.inf else 0.0
    direction[known] = guided.direction if guided.direction.any() else guides[0]
    return max(by_box, guided.margin, by_square, 0.0), direction


def squared_length(rows: PolynomialZonotope) -> tuple[float, float]:
    """Bounds of |x|^2 over the rows, as a polynomial; nan or infinite where nothing is known."""
    low, high = rows.times(rows).affine(np.ones((1, rows.dim))).ranges()
    return float(low[0]), float(high[0])
