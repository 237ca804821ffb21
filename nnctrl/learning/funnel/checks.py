"""Outward-rounded checks of ellipsoids {c + S v, |v| <= 1}: inside a set, clear of one, around one.

Every answer is a proved slack: the claim holds with that much to spare if it is >= 0, and nothing is claimed if it is
negative or nan. The solver that made the ellipsoids has no part in it.
"""

from __future__ import annotations

import numpy as np
import torch

from nnctrl._typing import FloatArray
from nnctrl.bounds.norms import frobenius_up, operator_norm_up
from nnctrl.errors import UnsupportedError
from nnctrl.learning.lmi.enclosed import Enclosed, stacked
from nnctrl.learning.lmi.input_set import inverse_defect
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.distance import distance_lower_bound
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import add_down, add_up, dot_up, norm_up, sum_up, widen_down, widen_up
from nnctrl.sets.zonotope import Zonotope

PARTS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
"""Parts t of the square of a sum that are tried for one of its summands."""

LESS = 1.0 - 1e-9
"""Share of what is found in floating point that is then proved."""

LEAST_SHARE = 1e-6
"""Generators get at least this share of the weight that covers a zonotope."""


def norm_bound(matrix: Enclosed) -> float:
    """Upper bound of the 2-norm of every matrix that is enclosed."""
    middle = float(operator_norm_up(torch.tensor(matrix.middle), 2.0))
    return float(add_up(np.float64(middle), np.float64(float(frobenius_up(torch.tensor(matrix.radius))))))


class Coordinates:
    """The coordinates v of a regular ellipsoid {c + P v}: with W near P^-1, v is at most |W (z - c)| / (1 - defect)."""

    def __init__(self, target: Ball | Ellipsoid) -> None:
        shape = target.radius * np.eye(target.dim) if isinstance(target, Ball) else target.shape
        if shape.shape[0] != shape.shape[1] or not np.linalg.cond(shape) < 1e12:
            raise UnsupportedError("a set of a funnel is a flat ellipsoid; give one with a regular square shape")
        self.centre = Enclosed.exact(target.centre[:, None])
        self.inverse = Enclosed.exact(np.asarray(np.linalg.inv(shape)))
        self.level = float(add_down(np.float64(1.0), np.float64(-inverse_defect(self.inverse.middle, shape))))

    def slack(self, centre: Enclosed, shape: Enclosed) -> float:
        """How far {centre + shape v}, [k, 1] and [k, q], reaches below 1 - defect in these coordinates."""
        off = self.inverse.times(centre.minus(self.centre))
        reached = add_up(np.float64(self.length(off)), np.float64(norm_bound(self.inverse.times(shape))))
        return float(add_down(np.float64(self.level), -reached))

    def share(self, centre: Enclosed, shape: Enclosed, errors: Enclosed) -> float:
        """Proved e with {centre + M v + e H z : |v| <= 1, |z_j| <= 1} in the ellipsoid, M the `shape` [k, q] and H the
        `errors` [k, m]; not positive if none is proved.

        As |z|^2 <= m, the norm of [M / (1 - t)^1/2, e (m / t)^1/2 H], in these coordinates, bounds that of every sum,
        for any 0 < t < 1; of several t the best is taken.
        """
        room = float(
            add_down(np.float64(self.level), -np.float64(self.length(self.inverse.times(centre.minus(self.centre)))))
        )
        moved, missed = self.inverse.times(shape), self.inverse.times(errors)
        if not room > 0.0 or not norm_bound(moved) < room:
            return min(room, 0.0)
        best, part = 0.0, PARTS[0]
        for tried in PARTS:
            rest = room**2 * np.eye(len(moved.middle)) - moved.middle @ moved.middle.T / (1.0 - tried)
            if np.linalg.eigvalsh(rest).min() <= 1e-12 * room**2:
                continue
            ratio = np.linalg.eigvalsh(missed.middle.T @ np.linalg.solve(rest, missed.middle)).max()
            found = float(np.sqrt(tried / (errors.shape[1] * max(ratio, 1e-300))))
            best, part = (found, tried) if found > best else (best, part)
        best *= LESS
        # rounded so that the columns come out longer, not shorter
        first = widen_up(np.float64(1.0 / np.sqrt(1.0 - part)), 8.0)
        second = widen_up(np.float64(best * np.sqrt(errors.shape[1] / part)), 8.0)
        columns = stacked(
            [
                moved.transposed.scaled_rows(np.full(shape.shape[1], first)),
                missed.transposed.scaled_rows(np.full(errors.shape[1], second)),
            ]
        )
        return best if norm_bound(columns.transposed) <= room else 0.0

    @staticmethod
    def length(column: Enclosed) -> float:
        """Upper bound of the length of a column."""
        return float(norm_up(widen_up(abs(column.middle) + column.radius, 4.0).ravel()))


def slack_inside(centre: Enclosed, shape: Enclosed, target: AbstractSet, scale: FloatArray) -> float:
    """The greatest e that is found with {centre + shape v} + {|z| <= e scale} proved to lie in a box, polytope, ball or
    ellipsoid; `scale` [k] > 0.
    """
    if isinstance(target, Ball | Ellipsoid):
        return Coordinates(target).share(centre, shape, Enclosed.exact(np.diag(scale)))
    if isinstance(target, Box):
        axes = np.eye(target.dim)
        normals, offsets = np.concatenate([axes, -axes]), np.concatenate([target.upper, -target.lower])
    elif isinstance(target, Polytope):
        normals, offsets = target.normals, target.offsets
    else:
        raise UnsupportedError(
            f"a funnel stays in a Box, Polytope, Ball or Ellipsoid, not in a {type(target).__name__}"
        )
    room = Enclosed.exact(offsets[:, None]).minus(Enclosed.exact(normals).times(centre))
    along = Enclosed.exact(normals).times(shape)
    width = norm_up(widen_up(abs(along.middle) + along.radius, 4.0))
    least = add_down(widen_down(room.middle[:, 0] - room.radius[:, 0]), -width)
    size = dot_up(abs(normals), scale)
    return float(np.min(np.where(least >= 0.0, widen_down(least / size), least)))


def slack_outside(centre: Enclosed, shape: Enclosed, target: AbstractSet) -> float:
    """Proved distance of {centre + shape v} from a set, 0 or less if none is proved."""
    middle = Ellipsoid(centre.middle[:, 0], shape.middle)
    directions = distance_lower_bound(middle, target).direction[None]
    if isinstance(target, Polytope):
        # unbounded ones are bounded in the directions of their walls only
        directions = np.concatenate([directions, -target.normals])
    lengths = norm_up(directions)
    along, reach = Enclosed.exact(directions).times(centre), Enclosed.exact(directions).times(shape)
    # greatest direction'z on the ellipsoid, and least on the target
    high = widen_up(along.middle + along.radius)[:, 0] + norm_up(widen_up(abs(reach.middle) + reach.radius, 4.0))
    with np.errstate(all="ignore"):  # directions in which the target is unbounded prove nothing
        gap = add_down(-target.support(-directions), -widen_up(high))
        distances = np.where((gap > 0.0) & (lengths > 0.0), widen_down(gap / lengths, 4.0), np.minimum(gap, 0.0))
    return float(np.max(np.nan_to_num(distances, nan=-np.inf)))


def cover(inner: AbstractSet) -> tuple[FloatArray, FloatArray]:
    """Centre [n] and generators [n, q] of which an ellipsoid around `inner` is made: those of an ellipsoid or zonotope.

    A polytope is covered through its bounding box.
    """
    if isinstance(inner, Ball):
        return inner.centre, inner.radius * np.eye(inner.dim)
    if isinstance(inner, Ellipsoid):
        return inner.centre, inner.shape
    cube = inner if isinstance(inner, Zonotope) else inner.bounding_box().to_zonotope()
    return cube.centre, cube.generators


def slack_around(outer: Ellipsoid, inner: AbstractSet) -> float:
    """Proved slack of `inner` in the ellipsoid, in units of its radius.

    For |xi_i| <= 1 and shares d_i > 0 of sum 1, |M xi| <= |M diag(d)^-1/2| because xi' diag(d) xi <= 1. The shares are
    taken as large as the generators are in the coordinates of `outer`.
    """
    coordinates = Coordinates(outer)
    centre, generators = cover(inner)
    middle = Enclosed.exact(centre[:, None])
    if isinstance(inner, Ball | Ellipsoid):
        return coordinates.slack(middle, Enclosed.exact(generators))
    if not generators.any():
        return coordinates.slack(middle, Enclosed.exact(np.zeros_like(middle.middle)))
    sizes = np.linalg.norm(coordinates.inverse.middle @ generators, axis=0)
    sizes = np.maximum(sizes, LEAST_SHARE * float(sizes.max()))
    # d_i = sizes_i / their sum; diag(d)^-1/2 rounded up lengthens the image only
    factors = widen_up(np.sqrt(widen_up(float(sum_up(sizes)) / sizes)))
    stretched = Enclosed.exact(generators).transposed.scaled_rows(factors).transposed
    return coordinates.slack(middle, stretched)


def covering_shape(inner: AbstractSet) -> FloatArray:
    """Q [n, n] of a small ellipsoid about the centre of `cover(inner)` that contains the set, in floating point.

    For boxes the least one. For zonotopes the shares of `slack_around` are iterated towards those of least volume.
    """
    _, generators = cover(inner)
    if isinstance(inner, Ball | Ellipsoid):
        return generators @ generators.T
    kept = generators[:, generators.any(axis=0)]
    shares = np.full(kept.shape[1], 1.0 / max(kept.shape[1], 1))
    for _ in range(50):
        shape = (kept / shares) @ kept.T
        sizes = np.sqrt(np.maximum(np.einsum("ij,ij->j", kept, np.linalg.pinv(shape) @ kept), LEAST_SHARE))
        shares = sizes / sizes.sum()
    return (kept / shares) @ kept.T
