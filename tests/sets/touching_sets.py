"""Sets of every kind that touch a line at a known double, exactly: pairs of them have a known distance."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from tests.sets.exact_sets import Exact, dot, exact

NORMAL = np.array([3.0, 4.0])
"""Normal of the line, of length 5, so that points of circles with that normal are rational."""

Builder = Callable[[FloatArray, float], AbstractSet]


def _box(point: FloatArray, side: float) -> Box:
    return Box(point + np.minimum(0.0, side * NORMAL), point + np.maximum(0.0, side * NORMAL))


def _zonotope(point: FloatArray, side: float) -> Zonotope:
    generators = np.array([[1.0, 2.0, -0.5], [0.5, 0.25, 1.0]])
    return Zonotope(point + side * generators @ np.sign(NORMAL @ generators), generators)


def _edge(point: FloatArray, side: float) -> Zonotope:
    """With an edge on the line, of which the point is an inner one."""
    return Zonotope(point + side * NORMAL + [-2.0, 1.5], np.array([[-4.0, 3.0], [3.0, 4.0]]))


def _ball(point: FloatArray, side: float) -> Ball:
    return Ball(point + side * NORMAL, 5.0)


def _ellipsoid(point: FloatArray, side: float) -> Ellipsoid:
    # S'n = 60 (4, 3), so the farthest point is c + S (4, 3) / 5
    return Ellipsoid(point + side * np.array([64.0, 27.0]), np.diag([80.0, 45.0]))


def _triangle(point: FloatArray, side: float) -> Polytope:
    normals = -side * np.array([[2.0, 1.0], [1.0, 3.0], [-1.0, -1.0]])
    return Polytope(normals, normals @ point + [0.0, 0.0, 8.0])


def _half_plane(point: FloatArray, side: float) -> Polytope:
    return Polytope.half_space(-side * NORMAL, float(-side * NORMAL @ point))


TOUCHING: dict[str, Builder] = {
    "box": _box,
    "zonotope": _zonotope,
    "edge": _edge,
    "ball": _ball,
    "ellipsoid": _ellipsoid,
    "triangle": _triangle,
    "half-plane": _half_plane,
}
"""Sets on the side +1 or -1 of the line NORMAL'x = NORMAL'point that contain the point, exactly for small dyadics."""


def known_points(of: AbstractSet, point: FloatArray, side: float) -> list[Exact]:
    """Points of a set made by a builder of TOUCHING, in real arithmetic: the point of contact, and some behind it."""
    contact = exact(point)
    behind = exact(side * NORMAL)
    shares = [Fraction(0), Fraction(1, 3), Fraction(1, 2)]
    if isinstance(of, Polytope) and len(of.offsets) == 1:
        shares.append(Fraction(10**30))
        along = [Fraction(-4 * 10**40), Fraction(3 * 10**40)]
        return [contact, [c + a for c, a in zip(contact, along, strict=True)], *_moved(contact, behind, shares)]
    return _moved(contact, behind, shares)


def _moved(start: Exact, along: Exact, shares: list[Fraction]) -> list[Exact]:
    return [[s + share * a for s, a in zip(start, along, strict=True)] for share in shares]


def squared_distance(x: Exact, y: Exact) -> Fraction:
    """|x - y|^2."""
    apart = [p - q for p, q in zip(x, y, strict=True)]
    return dot(apart, apart)
