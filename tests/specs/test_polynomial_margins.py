"""Certified margins over polynomial zonotopes are lower bounds of the exact ones: in rational arithmetic, with zero
tolerance, where norms enter too (by comparing squares); in 60 digits where a singular value or an expression does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import casadi
import mpmath
import numpy as np
import pytest
import torch

from nnctrl.errors import DimensionError, InputError, UnknownNameError, UnsupportedError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.monitor import monitors_of
from nnctrl.specs.moving import Moving
from nnctrl.specs.polynomial_margins import PolynomialMonitor, polynomial_monitors
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay, Target
from nnctrl.specs.sublevel import Sublevel
from tests.sets.test_polynomial_zonotope import BASES, member, random_rows, symbols_of

mpmath.mp.dps = 60

NAMES = ["x1", "x2", "x3"]
NOW = (0.0, 0.0)
Exact = list[Fraction]


def monitor(target: Target, kind: type[Requirement] = Stay, on: tuple[str, ...] = ("x1", "x2")) -> PolynomialMonitor:
    arguments = {"within": 9} if kind is Reach else {}
    (found,) = polynomial_monitors(Spec((kind(target, on=on, **arguments),)), NAMES, ["u"], 10.0, discrete=False)
    return found


def exact(values: object) -> Exact:
    return [Fraction(float(v)) for v in np.asarray(values).ravel()]


def dot(a: Exact, b: Exact) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def at_most_root(value: Fraction, square: Fraction) -> bool:
    """Whether value <= sqrt(square), exactly."""
    return value <= 0 or value * value <= square


def precise(value: Fraction) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator


def inside_at_least(target: AbstractSet, y: Exact, bound: float) -> bool:
    """Whether the depth of y is at least `bound`, exactly (60 digits for ellipsoids)."""
    if bound == -np.inf:
        return True
    m = Fraction(bound)
    if isinstance(target, Box):
        return all(m <= min(v - a, b - v) for v, a, b in zip(y, exact(target.lower), exact(target.upper), strict=True))
    if isinstance(target, Polytope):
        for normal, offset in zip(target.normals, exact(target.offsets), strict=True):
            slack, square = offset - dot(exact(normal), y), dot(exact(normal), exact(normal))
            # m |a| <= slack
            if not (m * m * square <= slack * slack if m >= 0 <= slack else m < 0 <= slack) and not (
                m < 0 and slack < 0 and m * m * square >= slack * slack
            ):
                return False
        return True
    away = [v - c for v, c in zip(y, exact(target.centre), strict=True)]
    if isinstance(target, Ball):
        rest = Fraction(float(target.radius)) - m
        return rest >= 0 and dot(away, away) <= rest * rest
    return mpmath.mpf(bound) <= ellipsoid_depth(target, away)


def ellipsoid_depth(target: Ellipsoid, away: Exact) -> mpmath.mpf:
    shape = mpmath.matrix(target.shape.tolist())
    v = shape.T * mpmath.lu_solve(shape * shape.T, mpmath.matrix([precise(a) for a in away]))
    return (1 - mpmath.norm(v)) * min(mpmath.svd_r(shape, compute_uv=False))


def outside_at_least(target: AbstractSet, y: Exact, bound: float) -> bool:
    """Whether the distance of y is at least `bound`."""
    if bound == -np.inf:
        return True
    m = Fraction(bound)
    if isinstance(target, Box):
        excess = [max(a - v, v - b) for v, a, b in zip(y, exact(target.lower), exact(target.upper), strict=True)]
        if max(excess) <= 0:
            return m <= max(excess)
        return at_most_root(m, sum((max(e, Fraction(0)) ** 2 for e in excess), Fraction(0)))
    if isinstance(target, Polytope):
        # the negative of the depth: some face is violated by as much
        for normal, offset in zip(target.normals, exact(target.offsets), strict=True):
            excess_, square = dot(exact(normal), y) - offset, dot(exact(normal), exact(normal))
            if (excess_ >= 0 and (m <= 0 or m * m * square <= excess_ * excess_)) or (
                excess_ < 0 and m < 0 and m * m * square >= excess_ * excess_
            ):
                return True
        return False
    away = [v - c for v, c in zip(y, exact(target.centre), strict=True)]
    if isinstance(target, Ball):
        return at_most_root(m + Fraction(float(target.radius)), dot(away, away))
    return mpmath.mpf(bound) <= -ellipsoid_depth(target, away)


def points(rng: np.random.Generator, rows: PolynomialZonotope, count: int) -> list[Exact]:
    """Points that the rows enclose, extreme ones in random directions first, exactly."""
    found, q = [], rows.generators.shape[1]
    for k in range(count):
        xi, eta = symbols_of(rng, rows.basis.symbols), symbols_of(rng, q)
        away = symbols_of(rng, rows.dim)
        if k % 2:
            direction = rng.normal(size=rows.dim)
            linear = rows.coefficients[:, np.maximum(rows.basis.linear, 0)]
            xi, eta = exact(np.sign(direction @ linear)), exact(np.sign(direction @ rows.generators))
            away = exact(np.sign(direction))
        found.append([member(rows, i, xi, eta, away[i]) for i in range(rows.dim)])
    return found


def sets(rng: np.random.Generator, around: np.ndarray, scale: float) -> list[AbstractSet]:
    """Sets in the plane, from overlapping `around` to far away from it, of about the size `scale`."""
    centre = around + scale * rng.normal(size=2) * rng.choice([0.0, 1.0, 5.0])
    normals = rng.normal(size=(5, 2)) * 10.0 ** rng.integers(-3, 4, (5, 1)).astype(float)
    span = scale * (0.1 + 2.0 * rng.random(2))
    thin = rng.normal(size=(2, 2)) @ np.diag([1.0, 10.0 ** -float(rng.integers(0, 7))])
    return [
        Box(centre - span, centre + span),
        Box(centre, centre + np.array([0.0, span[1]])),
        Polytope(normals, normals @ centre + scale * rng.random(5) * np.linalg.norm(normals, axis=1)),
        Polytope.half_space(normals[0], float(normals[0] @ centre)),
        Polytope(normals[:2], normals[:2] @ centre),
        Ball(centre, float(span.max())),
        Ball(centre, 0.0),
        Ellipsoid(centre, scale * (rng.normal(size=(2, 2)) + np.eye(2))),
        Ellipsoid(centre, scale * thin),
        Ellipsoid(centre, scale * rng.normal(size=(2, 4))),
    ]


def agree(target: AbstractSet, rows: PolynomialZonotope, members: list[Exact]) -> None:
    """No certified figure exceeds the truth at any of the points."""
    inside, outside = monitor(target, Stay).certified(rows, NOW), monitor(target, Avoid).certified(rows, NOW)
    assert monitor(target, Avoid).violation(rows, NOW) == inside == monitor(target, Reach).certified(rows, NOW)
    assert monitor(target, Stay).violation(rows, NOW) == outside
    for y in members:
        assert inside_at_least(target, y[:2], inside), (target, y)
        assert outside_at_least(target, y[:2], outside), (target, y)


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
@pytest.mark.parametrize("seed", range(12))
def test_no_margin_exceeds_an_exact_one(basis: MonomialBasis, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, basis, 3, scale=float(10.0 ** rng.integers(-4, 3)))
    members = points(rng, rows, 8)
    middle = rows.coefficients[:2, 0]
    size = float(rows.magnitude[:2].max())
    for target in sets(rng, middle, size * float(10.0 ** rng.integers(-2, 2)) + 1e-9):
        agree(target, rows, members)


@pytest.mark.parametrize("seed", range(15))
def test_sets_in_space(seed: int) -> None:
    """Small sets among the faces, edges and corners of larger ones, and the other way round."""
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, BASES[1], 3, scale=float(10.0 ** rng.integers(-4, 3)))
    size = float(rows.magnitude.max())
    members = points(rng, rows, 8)
    scale = size * float(10.0 ** rng.integers(-1, 2))
    centre = rows.coefficients[:, 0] + scale * rng.normal(size=3)
    normals = rng.normal(size=(9, 3))
    for target in (
        Box(centre - scale * rng.random(3), centre + scale * rng.random(3)),
        Polytope(normals, normals @ centre + scale * rng.random(9)),
        Ball(centre, scale),
        Ellipsoid(centre, scale * rng.normal(size=(3, 3))),
    ):
        inside = monitor(target, Stay, ("x1", "x2", "x3")).certified(rows, NOW)
        outside = monitor(target, Avoid, ("x1", "x2", "x3")).certified(rows, NOW)
        assert min(inside, outside) < 0.0
        for y in members:
            assert inside_at_least(target, y, inside)
            assert outside_at_least(target, y, outside)


@pytest.mark.parametrize("seed", range(8))
def test_small_rows_far_from_the_origin(seed: int) -> None:
    """Coordinates of 1e6 with an extent of 1e-3: sound, and within 4e-9 of what the same rows have at the origin."""
    rng = np.random.default_rng(seed)
    basis = BASES[0]
    offset = np.array([1e6 + 0.25, -3e6 - 0.5, 0.0])
    near = random_rows(rng, basis, 3, scale=1.0)
    size = float(near.magnitude.max())
    near = near.affine(1e-3 / size * np.eye(3))
    coefficients = near.coefficients.copy()
    # multiples of 2^-29, so that the far rows are exactly the shifted near ones
    coefficients[:, 0] = np.round(coefficients[:, 0] * 2.0**29) * 2.0**-29
    near = PolynomialZonotope(basis, coefficients, near.generators, near.radius)
    coefficients = coefficients.copy()
    coefficients[:, 0] += offset
    far = PolynomialZonotope(basis, coefficients, near.generators, near.radius)
    members = points(rng, far, 6)
    for target in sets(rng, np.zeros(2), 2.0**-10):
        # thin ellipsoids are translated by hand: the method would enlarge them
        is_ellipsoid = isinstance(target, Ellipsoid)
        moved = Ellipsoid(target.centre + offset[:2], target.shape) if is_ellipsoid else target.translate(offset[:2])
        agree(moved, far, members)
        for kind in (Stay, Avoid):
            here, there = monitor(target, kind).certified(near, NOW), monitor(moved, kind).certified(far, NOW)
            # centres and offsets in the far place are rounded to about 2^-31
            assert abs(here - there) < 4e-9, target


def test_touching_faces() -> None:
    """Rows that touch a face from within have margin 0 or a little less, never more."""
    basis = MonomialBasis((1, 1), 3)
    rows = PolynomialZonotope.of_box(Box([-0.1, 0.3, 0.0], [0.7, 1.1, 0.0]), basis)
    for target in (
        Box([-0.1, 0.0], [0.7, 2.0]),
        Polytope.from_box(Box([-0.1, 0.0], [0.7, 2.0])),
        Polytope.half_space([1.0, 0.0], 0.7),
        Polytope.half_space([0.0, -3.0], -0.9),
    ):
        stay, avoid = monitor(target), monitor(target, Avoid)
        assert -1e-13 < stay.certified(rows, NOW) <= 0.0
        assert avoid.violation(rows, NOW) <= 0.0
    for beside in (Box([0.7, 0.0], [2.0, 2.0]), Ball([1.7, 0.7], 1.0), Polytope.half_space([-1.0, 0.0], -0.7)):
        assert -1e-13 < monitor(beside, Avoid).certified(rows, NOW) <= 0.0
        assert not monitor(beside, Avoid).holds(monitor(beside, Avoid).certified(rows, NOW))
    point = PolynomialZonotope.of_box(Box([0.5, 0.5, 0.0], [0.5, 0.5, 0.0]), basis)
    assert -1e-15 < monitor(Box([0.5, 0.0], [0.5, 1.0])).certified(point, NOW) <= 0.0
    assert monitor(Box([0.0, 0.0], [1.0, 1.0])).certified(point, NOW) == pytest.approx(0.5, abs=1e-15)


def test_touching_counts_against_avoid_only() -> None:
    target = Box([0.0, 0.0], [1.0, 1.0])
    assert monitor(target).holds(0.0)
    assert not monitor(target, Avoid).holds(0.0)
    assert monitor(target, Reach).is_reach
    assert not monitor(target).is_reach
    assert monitor(target, Avoid).violates(0.0)
    assert not monitor(target).violates(0.0)
    assert not monitor(target).holds(np.nan)
    assert not monitor(target, Avoid).violates(np.nan)
    assert monitor(target).holds(np.array([-1.0, 0.0, np.nan])).tolist() == [False, True, False]


@pytest.mark.parametrize("seed", range(10))
def test_moving_sets_over_a_time_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, BASES[1], 3)
    members = points(rng, rows, 4)
    velocity = rng.normal(size=2) * 10.0 ** float(rng.integers(-2, 7))
    start = float(rng.random() * 10.0)
    time = (start, start + float(rng.choice([0.0, 1e-9, 0.1, 1.0])))
    moments = [Fraction(time[0]), Fraction(time[1]), (Fraction(time[0]) * 2 + Fraction(time[1])) / 3]
    there = rows.coefficients[:2, 0] - velocity * start
    for target in sets(rng, there, float(rows.magnitude[:2].max()) + 1e-3):
        stay, avoid = monitor(Moving(target, velocity)), monitor(Moving(target, velocity), Avoid)
        inside, outside = stay.certified(rows, time), avoid.certified(rows, time)
        assert (avoid.violation(rows, time), stay.violation(rows, time)) == (inside, outside)
        for y in members:
            for t in moments:
                relative = [v - t * s for v, s in zip(y[:2], exact(velocity), strict=True)]
                assert inside_at_least(target, relative, inside)
                assert outside_at_least(target, relative, outside)


def test_time_is_the_same_for_all_coordinates() -> None:
    """An obstacle that runs along the diagonal stays off a point beside it, though its hull over time covers it."""
    basis = MonomialBasis((1,), 2)
    rows = PolynomialZonotope.of_box(Box([1.0, -1.0, 0.0], [1.0, -1.0, 0.0]), basis)
    runner = Moving(Ball([-5.0, -5.0], 0.5), np.array([1.0, 1.0]))
    assert monitor(runner, Avoid).certified(rows, (0.0, 10.0)) == pytest.approx(np.sqrt(2.0) - 0.5, abs=1e-9)


def test_rows_of_which_nothing_is_known() -> None:
    basis = MonomialBasis((1, 1), 2)
    known = PolynomialZonotope.of_box(Box([2.0, -0.5, 0.0], [2.5, 0.5, 0.0]), basis)
    for entry in ("radius", "coefficient", "constant", "generator"):
        for value in (np.inf, -np.inf, np.nan):
            coefficients, radius = known.coefficients.copy(), known.radius.copy()
            generators = np.zeros((3, 1))
            if entry == "radius":
                radius[1] = abs(value)
            elif entry == "generator":
                generators[1] = value
            else:
                coefficients[1, 0 if entry == "constant" else 2] = value
            rows = PolynomialZonotope(basis, coefficients, generators, radius)
            strip = Polytope.half_space([1.0, 0.0], 1.0)
            for target in (
                Box([-3.0, -3.0], [3.0, 3.0]),
                Polytope([[1.0, 0.1], [-1.0, 1.0]], [30.0, 30.0]),
                Ball([0.0, 0.0], 9.0),
                Ellipsoid([0.0, 0.0], 9.0 * np.eye(2)),
                Sublevel(lambda z: casadi.sumsqr(z) - 99.0, dim=2),
            ):
                assert monitor(target).certified(rows, NOW) == -np.inf
                assert monitor(target).violation(rows, NOW) <= 0.0
                assert np.isfinite(monitor(target).worst_direction(rows, NOW)).all()
                assert np.isfinite(monitor(target, Avoid).worst_direction(rows, NOW)).all()
            # what is known of the other coordinate still separates, and decides where the set is about it alone
            for target in (Box([-1.0, -1.0], [1.0, 1.0]), Ball([0.0, 0.0], 1.0), strip):
                assert monitor(target, Avoid).certified(rows, NOW) == pytest.approx(1.0, abs=1e-9)
            assert monitor(Polytope.half_space([1.0, 0.0], 3.0)).certified(rows, NOW) == pytest.approx(0.5, abs=1e-9)
    nothing = known.widened(np.full(3, np.inf))
    for target in (Box([-1.0, -1.0], [1.0, 1.0]), Ball([0.0, 0.0], 1.0), Polytope.half_space([1.0, 0.0], 1.0)):
        for kind in (Stay, Avoid):
            assert monitor(target, kind).certified(nothing, NOW) == -np.inf or isinstance(target, Ball)
            assert not monitor(target, kind).holds(monitor(target, kind).certified(nothing, NOW))


INEQUALITIES: list[tuple[Callable, Callable]] = [
    (
        lambda z: casadi.sqrt(z[2] ** 2 + z[0] ** 2) - 0.2 - 2.0 * 0.5 * casadi.sqrt(z[0] ** 2 + z[1] ** 2),
        lambda z: mpmath.sqrt(z[2] ** 2 + z[0] ** 2) - mpmath.mpf(0.2) - mpmath.sqrt(z[0] ** 2 + z[1] ** 2),
    ),
    (
        lambda z: casadi.sin(z[0]) * z[1] - z[2] ** 3,
        lambda z: mpmath.sin(z[0]) * z[1] - z[2] ** 3,
    ),
    (
        lambda z: casadi.fabs(z[0] - 1.5) + casadi.fmax(z[1], z[2]) - 3.0,
        lambda z: abs(z[0] - mpmath.mpf(1.5)) + max(z[1], z[2]) - 3,
    ),
]


@pytest.mark.parametrize("index", range(len(INEQUALITIES)))
@pytest.mark.parametrize("seed", range(6))
def test_inequalities(index: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    expression, referee = INEQUALITIES[index]
    size = float(10.0 ** -rng.integers(1, 5))
    centre = 1.0 + rng.random(3)
    rows = PolynomialZonotope.of_box(Box(centre - size, centre + size), MonomialBasis((1, 1, 1), 3))
    rows = rows.affine(rng.normal(size=(3, 3)) * 0.3 + np.eye(3)).widened(size * 1e-3 * rng.random(3))
    target = Sublevel(expression, dim=3)
    on = ("x1", "x2", "x3")
    stay, avoid = monitor(target, Stay, on), monitor(target, Avoid, on)
    inside, outside = stay.certified(rows, NOW), avoid.certified(rows, NOW)
    values = [referee([precise(v) for v in y]) for y in points(rng, rows, 60)]
    assert mpmath.mpf(inside) <= min(-v for v in values)
    assert mpmath.mpf(outside) <= min(values)
    sampled = stay.point_margins(np.array([[[float(v) for v in y]] for y in points(rng, rows, 400)]), np.zeros(1))
    if index < 2:
        # the gap to the sampled extremes is a share of their spread that shrinks with the part
        share = (0.05 + 3.0 * size) * float(np.ptp(sampled))
        assert float(sampled.min()) - inside < share
        assert -float(sampled.max()) - outside < share


def test_what_has_no_real_value_proves_nothing() -> None:
    rows = PolynomialZonotope.of_box(Box([-1.0, 0.0, 0.0], [1.0, 1.0, 1.0]), MonomialBasis((1, 1, 1), 3))
    target = Sublevel(lambda z: casadi.log(z[0]) - 9.0, dim=2)
    for kind in (Stay, Avoid):
        assert monitor(target, kind).certified(rows, NOW) == -np.inf
        assert monitor(target, kind).violation(rows, NOW) == -np.inf


@pytest.mark.parametrize("seed", range(5))
def test_points_have_the_margins_of_the_other_monitor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets: list[Target] = [*sets(rng, np.zeros(2), 1.0), Sublevel(lambda z: casadi.sumsqr(z) - 1.0, dim=2)]
    targets += [Moving(target, rng.normal(size=2)) for target in sets(rng, np.zeros(2), 1.0)]
    signals = rng.normal(size=(7, 11, 4)) * 2.0
    for target in targets:
        for kind in (Stay, Avoid):
            spec = Spec((kind(target, on=("x2", "x1")),))
            (twin,) = monitors_of(spec, NAMES, ["u"], 10)
            (own,) = polynomial_monitors(spec, NAMES, ["u"], 10, discrete=True)
            margins = own.point_margins(signals, np.arange(11.0))
            expected = twin.point_margins(torch.from_numpy(signals)).numpy()
            assert np.allclose(margins, expected, rtol=1e-6, atol=1e-9), target
            # and a row that is a point has about the margin of the point
            for k in range(3):
                point = signals[0, k]
                rows = PolynomialZonotope.of_box(Box(point, point), MonomialBasis((1,), 2))
                certified = own.certified(rows, (float(k), float(k)))
                if kind is Stay or margins[0, k] > 0.0:
                    assert certified == pytest.approx(margins[0, k], rel=1e-5, abs=1e-9), target


def test_curved_sets_fit_balls_better_than_boxes_do() -> None:
    """(cos, sin) as polynomials has length about 1, though the box around it reaches to the corner."""
    basis = MonomialBasis((1,), 5)
    coefficients = np.array([[1.0, 0.0, -0.125, 0.0, 1 / 384, 0.0], [0.0, 0.5, 0.0, -1 / 48, 0.0, 1 / 3840], [0.0] * 6])
    rows = PolynomialZonotope(basis, coefficients, np.zeros((3, 0)), np.zeros(3))
    assert monitor(Ball([0.0, 0.0], 1.01)).certified(rows, NOW) > 0.0
    assert monitor(Ellipsoid([0.0, 0.0], 1.01 * np.eye(2))).certified(rows, NOW) > 0.0
    assert monitor(Ball([0.0, 0.0], 0.99), Avoid).certified(rows, NOW) > 0.0


def test_directions_that_no_face_has() -> None:
    """A thin part beside a corner is separated though it crosses the lines of all faces."""
    basis = MonomialBasis((1,), 2)
    rows = PolynomialZonotope.of_box(Box([-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]), basis)
    rows = rows.affine(np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([1.1, 1.1, 0.0]))
    box = Box([-1.0, -1.0], [1.0, 1.0])
    assert monitor(box, Avoid).certified(rows, NOW) == pytest.approx(0.1 * np.sqrt(2.0), rel=1e-6)
    # by half a face's violation: the most violated face is violated by 0.1 at least
    assert monitor(Polytope.from_box(box), Avoid).certified(rows, NOW) == pytest.approx(0.1, rel=1e-6)
    assert monitor(Ball([0.0, 0.0], 1.5), Avoid).certified(rows, NOW) == pytest.approx(1.1 * np.sqrt(2) - 1.5, rel=1e-6)


def test_where_to_split() -> None:
    rows = PolynomialZonotope.of_box(Box([0.0, 0.0, 0.0], [0.5, 0.9, 9.0]), MonomialBasis((1, 1, 1), 2))
    target = Box([-1.0, -1.0], [1.0, 1.0])
    assert monitor(target).worst_direction(rows, NOW).tolist() == [0.0, 1.0, 0.0]
    assert monitor(target, Stay, ("x3", "x1")).worst_direction(rows, NOW).tolist() == [0.0, 0.0, 1.0]
    bowl = Sublevel(lambda z: 5.0 * z[1] ** 2 - z[0], dim=2)
    assert monitor(bowl).worst_direction(rows, NOW) == pytest.approx([1.0, -4.5, 0.0])


def test_an_empty_polyhedron_is_never_entered() -> None:
    rows = PolynomialZonotope.of_box(Box([-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]), MonomialBasis((1,), 2))
    empty = Polytope([[1.0, 0.0], [-1.0, 0.0]], [-1.0, -1.0])
    assert monitor(empty, Avoid).certified(rows, NOW) == pytest.approx(1.0, rel=1e-6)
    assert monitor(empty).certified(rows, NOW) == pytest.approx(-2.0, rel=1e-6)


@pytest.mark.parametrize("exponents", [(700, -600, 0), (-1000, 990, 5)])
def test_units_of_a_polytopes_rows_do_not_change_margins(exponents: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(4)
    normals, offsets = rng.normal(size=(3, 2)), rng.random(3)
    factors = 2.0 ** np.array(exponents)
    rows = random_rows(rng, BASES[0], 3, 0.01)
    plain, scaled = Polytope(normals, offsets), Polytope(factors[:, None] * normals, factors * offsets)
    for kind in (Stay, Avoid):
        here, there = (monitor(target, kind).certified(rows, NOW) for target in (plain, scaled))
        assert np.isfinite(here)
        assert here == pytest.approx(there, rel=1e-12, abs=1e-14)


def test_rows_that_no_factor_fits_keep_their_true_margins() -> None:
    """A row scaled with rounding would be another half-space: certified bounds of it hold, if they say little."""
    target = Polytope([[1e300, 1e-300], [0.0, -1.0]], [1e-10, 1.0])
    rows = PolynomialZonotope.of_box(Box([-1.0, -0.5, 0.0], [-0.9, 0.5, 0.0]), MonomialBasis((1, 1), 2))
    assert monitor(target).certified(rows, NOW) <= 0.5


def at(*coordinates: float) -> PolynomialZonotope:
    """Rows that are one point."""
    point = np.array([*coordinates, 0.0])
    return PolynomialZonotope.of_box(Box(point, point), MonomialBasis((1,), 2))


def test_single_roundings() -> None:
    """Points at which hardly more than one operation rounds, upwards if nothing is done about it."""
    # 1 - 1e-18 is no double
    for target in (Box([-1.0, -1.0], [1.0, 1.0]), Ball([0.0, 0.0], 1.0), Ellipsoid([0.0, 0.0], np.eye(2))):
        assert inside_at_least(target, exact([1e-18, 0.0]), monitor(target).certified(at(1e-18, 0.0), NOW))
    # the length of a normal is irrational, and too small a one flatters a negative depth or a positive one
    for normal in ([1.0, 1.0], [1.0, 3.0], [0.1, 0.7], [2.0, -0.3]):
        for offset in (-1.0, 1.0):
            slab = Polytope(np.array([normal, [-v for v in normal]]), np.array([offset, offset]))
            assert inside_at_least(slab, exact([0.0, 0.0]), monitor(slab).certified(at(0.0, 0.0), NOW))
            assert outside_at_least(slab, exact([0.0, 0.0]), monitor(slab, Avoid).certified(at(0.0, 0.0), NOW))


@pytest.mark.parametrize("seed", range(10))
def test_the_rounding_of_a_shift(seed: int) -> None:
    """A point where the moving set is, up to the rounding of time times velocity, is not quite there."""
    rng = np.random.default_rng(seed)
    velocity, time = rng.normal(size=2) * 1e6, float(rng.random())
    where = velocity * time
    relative = [v - Fraction(time) * s for v, s in zip(exact(where), exact(velocity), strict=True)]
    assert any(relative)
    for target in (Box([0.0, 0.0], [0.0, 0.0]), Ball([0.0, 0.0], 0.0), Polytope.from_box(Box([0.0] * 2, [0.0] * 2))):
        margin = monitor(Moving(target, velocity)).certified(at(*where), (time, time))
        assert inside_at_least(target, relative, margin)
        assert -1e-9 < margin < 0.0


def test_which_times_count() -> None:
    box, line = Box([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]), Box([0.0], [1.0])
    spec = Spec((Stay(box), Reach(box, at=2), Avoid(line, during=(1, 3), on=("u",)), Stay(line, on=("u",))))
    found = polynomial_monitors(spec, NAMES, ["u"], 5, discrete=True)
    assert [(m.id, m.first, m.last, m.needs_inputs) for m in found] == [
        ("stay-1", 0.0, 5.0, False),
        ("reach-1", 2.0, 2.0, False),
        ("avoid-1", 1.0, 3.0, True),
        ("stay-2", 0.0, 4.0, True),
    ]
    assert found[2].lanes.tolist() == [3]
    half = Spec((Stay(box, during=(0.25, 0.75)),))
    (seconds,) = polynomial_monitors(half, NAMES, ["u"], 1.0, discrete=False)
    assert (seconds.first, seconds.last) == (0.25, 0.75)
    with pytest.raises(InputError, match="whole steps between 0 and the horizon 1"):
        polynomial_monitors(half, NAMES, ["u"], 1, discrete=True)
    with pytest.raises(InputError, match=r"times between 0 and the horizon 0\.5"):
        polynomial_monitors(half, NAMES, ["u"], 0.5, discrete=False)
    with pytest.raises(InputError, match="counts no step"):
        polynomial_monitors(Spec((Stay(line, on=("u",), during=(5, 5)),)), NAMES, ["u"], 5, discrete=True)


def test_requirements_that_do_not_fit() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'x1'"):
        monitor(Box([0.0], [1.0]), on=("x1x",))
    with pytest.raises(DimensionError, match="has 1 coordinates but is over 2 signals"):
        monitor(Box([0.0], [1.0]))
    with pytest.raises(UnsupportedError, match="of type Zonotope"):
        monitor(Zonotope([0.0, 0.0], np.eye(2)))
    with pytest.raises(UnsupportedError, match="flat or extremely thin"):
        monitor(Ellipsoid([0.0, 0.0], [[1.0, 0.0], [0.0, 0.0]]))


def test_nothing_heavy_is_imported() -> None:
    program = """
import sys
import numpy as np
from nnctrl.sets.box import Box
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.specs.polynomial_margins import polynomial_monitors
from nnctrl.specs.spec import Avoid, Spec, Stay
spec = Spec((Stay(Box([0.0], [1.0])), Avoid(Box([5.0], [6.0]))))
rows = PolynomialZonotope.of_box(Box([0.1], [0.2]), MonomialBasis((1,), 2))
for monitor in polynomial_monitors(spec, ["x"], [], 1.0, discrete=False):
    assert monitor.holds(monitor.certified(rows, (0.0, 1.0)))
    monitor.point_margins(np.zeros((1, 1, 1)), np.zeros(1))
print([name for name in ("torch", "casadi") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
