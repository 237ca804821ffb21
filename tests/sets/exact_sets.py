"""Sets of every kind, ordinary and nasty, and points that lie in them exactly: the material of zero-tolerance tests."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope

Exact = list[Fraction]


def exact(values: object) -> Exact:
    """Doubles as rationals."""
    return [Fraction(float(v)) for v in np.asarray(values, dtype=float).ravel()]


def dot(x: Exact, y: Exact) -> Fraction:
    """x'y."""
    return sum((a * b for a, b in zip(x, y, strict=True)), Fraction(0))


def apply(matrix: FloatArray, offset: FloatArray, x: Exact) -> Exact:
    """M x + t."""
    return [dot(exact(row), x) + t for row, t in zip(matrix, exact(offset), strict=True)]


def inside_unit_ball(v: FloatArray) -> Exact:
    """A vector near `v` with |v|_2 <= 1 in real arithmetic, as close to the sphere as v was."""
    point = exact(v)
    while dot(point, point) > 1:
        point = [p * (1 - Fraction(1, 2**50)) for p in point]
    return point


def image(centre: FloatArray, matrix: FloatArray, coefficients: Exact) -> Exact:
    """c + G xi."""
    return [Fraction(float(c)) + dot(exact(row), coefficients) for c, row in zip(centre, matrix, strict=True)]


def points_of(of: AbstractSet, rng: np.random.Generator, direction: FloatArray) -> list[Exact]:
    """Points that lie in the set in real arithmetic, among them (nearly) the farthest ones in `direction`."""
    d = direction / np.linalg.norm(direction)
    if isinstance(of, Box):
        return [
            exact(p) for p in (np.where(d > 0, of.upper, of.lower), of.lower, of.upper, of.centre, *of.sample(rng, 3))
        ]
    if isinstance(of, Zonotope):
        q = of.generators.shape[1]
        corners = [np.sign(of.generators.T @ d), rng.choice([-1.0, 1.0], q), rng.uniform(-1, 1, q), np.zeros(q)]
        return [image(of.centre, of.generators, exact(xi)) for xi in corners]
    if isinstance(of, Ball | Ellipsoid):
        shape = of.shape if isinstance(of, Ellipsoid) else of.radius * np.eye(of.dim)
        far = shape.T @ d
        # in two steps, for the squares of huge shapes overflow
        far = far / (abs(far).max(initial=0.0) or 1.0)
        far = far / (np.linalg.norm(far) or 1.0)
        some = rng.standard_normal(shape.shape[1])
        vectors = [far, -far, some / np.linalg.norm(some), 0.5 * far, 0.0 * far]
        return [image(of.centre, shape, inside_unit_ball(v)) for v in vectors]
    assert isinstance(of, Polytope)
    middle = exact(of.interior_point)
    points = [middle]
    for target in [of.support_vector(d), *of.sample(rng, 2)]:
        away = [t - m for t, m in zip(exact(target), middle, strict=True)]
        # a target beyond a face by a rounding is moved onto it, exactly
        share = min([Fraction(1), *_shares_of_faces(of, middle, away)])
        points.append([m + share * a for m, a in zip(middle, away, strict=True)])
    return points


def _shares_of_faces(of: Polytope, middle: Exact, away: Exact) -> list[Fraction]:
    """For every face that `away` points to, how much of `away` leads from `middle` onto it."""
    slacks = [Fraction(float(b)) - dot(exact(row), middle) for row, b in zip(of.normals, of.offsets, strict=True)]
    slopes = [dot(exact(row), away) for row in of.normals]
    return [slack / slope for slack, slope in zip(slacks, slopes, strict=True) if slope > 0]


def lies_in(of: AbstractSet, x: Exact) -> bool:
    """Membership in real arithmetic; zonotopes of full rank in two or three dimensions, invertible ellipsoids."""
    if isinstance(of, Box):
        return all(low <= p <= high for low, p, high in zip(exact(of.lower), x, exact(of.upper), strict=True))
    if isinstance(of, Polytope):
        return all(dot(exact(row), x) <= Fraction(float(b)) for row, b in zip(of.normals, of.offsets, strict=True))
    shift = [p - c for p, c in zip(x, exact(of.centre), strict=True)]
    if isinstance(of, Ball):
        return dot(shift, shift) <= Fraction(of.radius) ** 2
    if isinstance(of, Ellipsoid):
        v = solve([exact(row) for row in of.shape], shift)
        return dot(v, v) <= 1
    assert isinstance(of, Zonotope)
    columns = [exact(column) for column in of.generators.T]
    return all(
        abs(dot(n, shift)) <= sum((abs(dot(n, g)) for g in columns), Fraction(0))
        for n in facet_normals(columns, of.dim)
    )


def facet_normals(columns: list[Exact], dim: int) -> list[Exact]:
    """Normals of all facets of a zonotope in the plane or in space."""
    if dim == 2:
        return [[-g[1], g[0]] for g in columns]
    return [
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        for a, b in combinations(columns, 2)
    ]


def solve(matrix: list[Exact], right: Exact) -> Exact:
    """Gauss-Jordan elimination in rationals."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(len(rows)):
            if i != k and rows[i][k] != 0:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def random_centre(rng: np.random.Generator, n: int) -> FloatArray:
    """Near the origin, or far from it."""
    return rng.standard_normal(n) * float(rng.choice([1.0, 1e-8, 1e6]))


def random_box(rng: np.random.Generator, n: int) -> Box:
    """Boxes with sides from 0 to large, tiny ones too."""
    centre = random_centre(rng, n)
    radius = rng.random(n) * rng.choice([1.0, 1e-9, 1e3], n) * rng.choice([0.0, 1.0, 1.0], n)
    return Box(centre - radius, centre + radius)


def random_zonotope(rng: np.random.Generator, n: int) -> Zonotope:
    """Generators of mixed sizes."""
    q = int(rng.integers(n, 4 * n))
    return Zonotope(random_centre(rng, n), rng.standard_normal((n, q)) * rng.choice([1.0, 1e-6, 1e3], q))


def random_ellipsoid(rng: np.random.Generator, n: int) -> Ellipsoid:
    """Shapes with condition numbers up to 1e6."""
    return Ellipsoid(random_centre(rng, n), rng.standard_normal((n, n)) * 10.0 ** rng.uniform(-6, 0, n))


def random_ball(rng: np.random.Generator, n: int) -> Ball:
    """Balls of radius 0 to large."""
    return Ball(random_centre(rng, n), float(rng.choice([0.0, 1e-9, 1.0, 1e4])))


def random_polytope(rng: np.random.Generator, n: int) -> Polytope:
    """Bounded polytopes around a centre."""
    centre = random_centre(rng, n)
    normals = np.concatenate([rng.standard_normal((int(rng.integers(1, 6)), n)), np.eye(n), -np.eye(n)])
    size = float(rng.choice([1.0, 1e-5, 1e3]))
    return Polytope(normals, normals @ centre + size * rng.uniform(0.3, 2.0, len(normals)))


KINDS: dict[str, Callable[[np.random.Generator, int], AbstractSet]] = {
    "box": random_box,
    "zonotope": random_zonotope,
    "ellipsoid": random_ellipsoid,
    "ball": random_ball,
    "polytope": random_polytope,
}
"""A random set of every kind."""
