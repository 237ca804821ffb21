"""How far points, and whole polynomial zonotopes, are inside or outside a set; plain NumPy.

The margins are those of `regions`: `inside` is the depth, `outside` the distance, negative on the other side, certified
versions lower bounds over every point that the rows enclose. Rows come relative to the region's `reference`, a point
near the set, so that large coordinates do not cancel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.box import Box
from nnctrl.sets.exact import exact_dot, fraction_up
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import add_down, add_up, dot_down, dot_up, widen_down
from nnctrl.specs.balance import balanced
from nnctrl.specs.polynomial_separation import (
    Margin,
    best_gap,
    best_pair,
    divide_down,
    floored,
    guiding_directions,
    known_rows,
    norm_ends,
    selected,
    zonotope_hull,
)

PAIRED_FACES = 4
"""How many of the faces that separate best are tried in pairs."""


class AbstractPolynomialRegion(ABC):
    """Margins of a closed set; `reference` [d] is the point that rows are given relative to."""

    reference: FloatArray

    @abstractmethod
    def inside(self, points: FloatArray) -> FloatArray:
        """Depth of points [..., d], in floating point."""

    @abstractmethod
    def outside(self, points: FloatArray) -> FloatArray:
        """Distance of points [..., d], in floating point."""

    @abstractmethod
    def certified_inside(self, rows: PolynomialZonotope) -> Margin:
        """Lower bound of `inside` over all points that `rows + reference` enclose."""

    @abstractmethod
    def certified_outside(self, rows: PolynomialZonotope) -> Margin:
        """Lower bound of `outside` over all points that `rows + reference` enclose."""


@dataclass(frozen=True, eq=False)
class BoxRegion(AbstractPolynomialRegion):
    """A box: depth to the nearest face, Euclidean distance outside; `inner` and `outer` are its ends [2, d] relative to
    the reference, rounded inward and outward.
    """

    box: Box
    reference: FloatArray
    inner: FloatArray
    outer: FloatArray

    @staticmethod
    def of(box: Box) -> BoxRegion:
        """The region of a box, relative to its centre."""
        centre = box.centre
        inner = np.stack([add_up(box.lower, -centre), add_down(box.upper, -centre)])
        return BoxRegion(box, centre, inner, np.stack([add_down(box.lower, -centre), add_up(box.upper, -centre)]))

    def inside(self, points: FloatArray) -> FloatArray:
        """Least slack of a face."""
        return np.minimum(points - self.box.lower, self.box.upper - points).min(axis=-1)

    def outside(self, points: FloatArray) -> FloatArray:
        """Signed Euclidean distance."""
        excess = np.maximum(self.box.lower - points, points - self.box.upper)
        worst = excess.max(axis=-1)
        return np.where(worst > 0.0, np.linalg.norm(np.maximum(excess, 0.0), axis=-1), worst)

    def certified_inside(self, rows: PolynomialZonotope) -> Margin:
        """The ranges of the coordinates."""
        low, high = rows.ranges()
        below, above = low - self.inner[0], self.inner[1] - high
        slack = np.minimum(below, above)
        # the first nan, if there is one
        worst = int(slack.argmin())
        direction = np.zeros(len(slack))
        direction[worst] = -1.0 if below[worst] < above[worst] else 1.0
        return Margin(floored(float(slack[worst])), direction)

    def certified_outside(self, rows: PolynomialZonotope) -> Margin:
        """The distance of the box of ranges, and that in the direction between the nearest points."""
        known = known_rows(rows)
        direction = np.zeros(rows.dim)
        if not known.any():
            return Margin(-np.inf, direction)
        # the projection onto the known coordinates is no farther away than the set itself
        rows, (lower, upper) = selected(rows, known), self.outer[:, known]
        low, high = rows.ranges()
        gaps = np.maximum(low - upper, lower - high)
        gaps = np.where(np.isfinite(gaps), gaps, -np.inf)
        away = np.maximum(gaps, 0.0)
        signs = np.where(low - upper > lower - high, 1.0, -1.0)
        worst = int(gaps.argmax())
        if away.any():
            apart = Margin(floored(float(norm_ends(np.maximum(widen_down(away), 0.0))[0])), signs * away)
        else:
            apart = Margin(-np.inf, away)
        guides = guiding_directions(rows, lambda point: np.clip(point, lower, upper))
        guided = best_gap(rows, guides, dot_up(guides, np.where(guides >= 0.0, upper, lower)))
        face = Margin(floored(float(gaps[worst])), signs * np.eye(rows.dim)[worst])
        best = max(face, apart, guided, key=lambda found: found.margin)
        direction[known] = best.direction
        return Margin(best.margin, direction)


@dataclass(frozen=True, eq=False)
class PolyhedralRegion(AbstractPolynomialRegion):
    """`normals x <= offsets`: depth to the nearest face; distance by the most violated face (a lower bound of the
    Euclidean one). `slack_low`, `slack_high` [k] bound `offsets - normals reference`, `norm_low`, `norm_high` the
    lengths of the normals.
    """

    normals: FloatArray
    offsets: FloatArray
    reference: FloatArray
    slack_low: FloatArray
    slack_high: FloatArray
    norm_low: FloatArray
    norm_high: FloatArray

    @staticmethod
    def of(polytope: Polytope) -> PolyhedralRegion:
        """The region of a polyhedron, relative to a point about equally far from its faces."""
        normals, offsets = balanced(polytope)
        low, high = norm_ends(normals)
        with np.errstate(all="ignore"):
            scaled = np.concatenate([normals, offsets[:, None]], axis=1) / high[:, None]
            scaled = np.where(np.isfinite(scaled), scaled, 0.0)
            near = np.linalg.lstsq(scaled[:, :-1], scaled[:, -1], rcond=None)[0]
        reference: FloatArray = np.where(np.isfinite(near), near, 0.0).astype(np.float64)
        slack = [Fraction(float(b)) - exact_dot(a, reference) for a, b in zip(normals, offsets, strict=True)]
        above = np.array([fraction_up(value) for value in slack])
        below = np.array([-fraction_up(-value) for value in slack])
        return PolyhedralRegion(normals, offsets, reference, below, above, low, high)

    def _slack(self, points: FloatArray) -> FloatArray:
        return (self.offsets - points @ self.normals.T) / self.norm_high

    def inside(self, points: FloatArray) -> FloatArray:
        """Least slack of a face."""
        return self._slack(points).min(axis=-1)

    def outside(self, points: FloatArray) -> FloatArray:
        """Largest violation of a face."""
        return (-self._slack(points)).max(axis=-1)

    def certified_inside(self, rows: PolynomialZonotope) -> Margin:
        """The support function of the rows against every face."""
        _, high = self._faces(rows).ranges()
        depths = divide_down(widen_down(self.slack_low - high), self.norm_low, self.norm_high)
        worst = int(depths.argmin())
        return Margin(float(depths[worst]), self.normals[worst])

    def certified_outside(self, rows: PolynomialZonotope) -> Margin:
        """The face that separates best, or a weighted mean of two: none exceeds the most violated face."""
        faces = self._faces(rows)
        low, _ = faces.ranges()
        gaps = divide_down(widen_down(low - self.slack_high), self.norm_low, self.norm_high)
        best = int(gaps.argmax())
        found = Margin(float(gaps[best]), self.normals[best])
        order = np.argsort(-gaps, kind="stable")[:PAIRED_FACES]
        order = order[np.isfinite(gaps[order])]
        if len(order) < 2:
            return found
        centre, symbols = zonotope_hull(selected(faces, order))
        length = self.norm_high[order]
        values = (centre - self.slack_high[order]) / length
        first, second, weight = best_pair(values, symbols / length[:, None])
        pair = order[[first, second]]
        weights = np.array([1.0 - weight, weight]) / self.norm_high[pair]
        if not (np.isfinite(weights) & (weights >= 0.0)).all():
            return found
        least, _ = selected(faces, pair).affine(weights[None]).ranges()
        gap = widen_down(least - dot_up(weights, self.slack_high[pair]))
        # sum_k w_k (a_k'x - b_k) <= (sum_k w_k |a_k|) max_k (a_k'x - b_k) / |a_k| for weights >= 0
        ends = dot_down(weights, self.norm_low[pair]), dot_up(weights, self.norm_high[pair])
        mixed = float(divide_down(gap, np.asarray(ends[0]), np.asarray(ends[1]))[0])
        return Margin(mixed, weights @ self.normals[pair]) if mixed > found.margin else found

    def _faces(self, rows: PolynomialZonotope) -> PolynomialZonotope:
        """The values `normals x`; unknown where a face depends on a row that is."""
        faces = rows.affine(self.normals)
        if np.isfinite(faces.radius).all() and np.isfinite(faces.coefficients).all():
            return faces
        # zero times unknown is not unknown: once more without those rows
        known = known_rows(rows)
        faces = selected(rows, known).affine(self.normals[:, known])
        return faces.widened(np.where(self.normals[:, ~known].any(axis=1), np.inf, 0.0))
