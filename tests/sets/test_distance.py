"""Distances are never above the real ones (zero tolerance), and close to them where the real ones are known."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations_with_replacement

import cvxpy as cp
import numpy as np
import pytest

from nnctrl.errors import DimensionError, InputError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.distance import Separation, distance_lower_bound, separation
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from tests.sets.exact_sets import KINDS, Exact, dot, exact, lies_in, points_of
from tests.sets.touching_sets import NORMAL, TOUCHING, known_points, squared_distance

PAIRS = list(combinations_with_replacement(sorted(KINDS), 2))
SIDES = list(combinations_with_replacement(sorted(TOUCHING), 2))
PLACES = [np.zeros(2), np.array([2.0**20 + 1.0, -(2.0**21)]), np.array([-(2.0**30), 2.0**30 + 3.0])]


def is_sound(found: Separation, of_a: list[Exact], of_b: list[Exact]) -> bool:
    """Whether no pair of points is nearer than the distance, none is common if there is a gap."""
    bound = Fraction(found.distance) ** 2
    squares = [squared_distance(x, y) for x in of_a for y in of_b]
    return min(squares) >= bound and (found.gap == 0.0 or min(squares) > 0)


def random_rotation(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


@pytest.mark.parametrize(("kind", "other"), PAIRS)
@pytest.mark.parametrize("seed", range(2))
def test_distance_is_never_above_that_of_two_points(kind: str, other: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    a, b = KINDS[kind](rng, n), KINDS[other](rng, n)
    for first, second in ((a, b), (b, a)):
        found = distance_lower_bound(first, second)
        toward = found.direction if found.direction.any() else np.ones(n)
        of_first, of_second = points_of(first, rng, toward), points_of(second, rng, -toward)
        assert is_sound(found, of_first, of_second)
        if found.gap > 0.0 and "polytope" not in (kind, other):
            d = exact(found.direction)
            nearest = min(dot(d, y) for y in of_second) - max(dot(d, x) for x in of_first)
            assert nearest >= Fraction(found.gap)


@pytest.mark.parametrize(("kind", "other"), PAIRS)
def test_any_direction_gives_a_true_claim(kind: str, other: str) -> None:
    rng = np.random.default_rng(100)
    n = int(rng.integers(1, 4))
    a, b = KINDS[kind](rng, n), KINDS[other](rng, n)
    between = b.bounding_box().centre - a.bounding_box().centre
    origin = a.bounding_box().centre + rng.standard_normal(n)
    for direction in (between, between + 0.1 * rng.standard_normal(n), 1e-9 * between, 1e9 * between):
        found = separation(a, b, direction, origin)
        assert is_sound(found, points_of(a, rng, between), points_of(b, rng, -between))
    assert separation(a, b, np.zeros(n), origin).gap == 0.0


@pytest.mark.parametrize(("kind", "other"), SIDES)
def test_sets_that_touch_have_no_distance(kind: str, other: str) -> None:
    point = PLACES[1]
    a, b = TOUCHING[kind](point, -1.0), TOUCHING[other](point, 1.0)
    found = distance_lower_bound(a, b)
    assert found.distance == 0.0
    assert found.gap == 0.0


@pytest.mark.parametrize(("kind", "other"), SIDES)
@pytest.mark.parametrize(("place", "step"), [(0, 2.0**-20), (2, 2.0**-8)])
def test_distance_of_sets_on_two_sides_of_a_strip(kind: str, other: str, place: int, step: float) -> None:
    point = PLACES[place]
    a, b = TOUCHING[kind](point, -1.0), TOUCHING[other](point + step * NORMAL, 1.0)
    found = distance_lower_bound(a, b)
    assert is_sound(found, known_points(a, point, -1.0), known_points(b, point + step * NORMAL, 1.0))
    # the real distance is 5 step
    assert found.distance <= 5.0 * step
    # half-planes so far out have no point of their own near the other set, and may be left open
    if place < 2 or "half-plane" not in (kind, other):
        assert found.distance >= 5.0 * step * (1.0 - 1e-5)
        assert found.direction @ NORMAL > 0.0


@pytest.mark.parametrize(("kind", "other"), SIDES)
def test_sets_a_few_roundoffs_apart(kind: str, other: str) -> None:
    point = np.array([1.0, -0.5])
    for gap in (2.0**-48, -(2.0**-48)):
        a, b = TOUCHING[kind](point, -1.0), TOUCHING[other](point + gap * NORMAL, 1.0)
        # centres of size up to 64 round by less than 2^-46
        assert distance_lower_bound(a, b).distance <= max(0.0, 5.0 * gap) + 2.0**-46


@pytest.mark.parametrize("seed", range(8))
def test_distance_of_balls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    offset = 1e5 * rng.standard_normal(n) * (seed % 2)
    a = Ball(offset + rng.standard_normal(n), float(rng.random()))
    b = Ball(offset + rng.standard_normal(n) + 3.0, float(rng.random()))
    apart = [p - q for p, q in zip(exact(a.centre), exact(b.centre), strict=True)]
    radii = Fraction(a.radius) + Fraction(b.radius)
    found = distance_lower_bound(a, b)
    assert (Fraction(found.distance) + radii) ** 2 <= dot(apart, apart)
    assert (Fraction(found.distance * (1.0 + 1e-13)) + radii) ** 2 >= dot(apart, apart) * (1 - Fraction(1, 10**12))


@pytest.mark.parametrize("seed", range(8))
def test_distance_of_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    offset = 1e6 * rng.standard_normal(n) * (seed % 2)
    a, b = (Box(c, c + rng.random(n) * rng.choice([0.0, 1.0], n)) for c in offset + 3.0 * rng.standard_normal((2, n)))
    ends = zip(*map(exact, (a.lower, a.upper, b.lower, b.upper)), strict=True)
    gaps = [max(low_b - up_a, low_a - up_b, Fraction(0)) for low_a, up_a, low_b, up_b in ends]
    found = distance_lower_bound(a, b)
    assert Fraction(found.distance) ** 2 <= dot(gaps, gaps)
    assert Fraction(found.distance) ** 2 >= dot(gaps, gaps) * (1 - Fraction(1, 10**10))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", range(3))
def test_distance_to_a_half_space(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    some = KINDS[kind](rng, n)
    normal = rng.standard_normal(n)
    size = float(some.bounding_box().radius.max()) + 1.0
    limit = float(normal @ some.bounding_box().centre - 2.0 * size * abs(normal).sum())
    below = Polytope.half_space(normal, limit)
    found = distance_lower_bound(below, some)
    points = points_of(some, rng, -normal)
    nearest = (min(dot(exact(normal), x) for x in points) - Fraction(limit)) / Fraction(float(np.linalg.norm(normal)))
    assert 0.0 < found.distance <= float(nearest) * (1.0 + 1e-15)
    assert found.distance >= float(nearest) * (1.0 - 1e-6)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("gap", [1e-3, 1e-7, 1e-10])
def test_parallel_faces_a_tiny_gap_apart(n: int, gap: float) -> None:
    rng = np.random.default_rng(n)
    edges = random_rotation(rng, n)
    centre = rng.standard_normal(n)
    cube, moved = Zonotope(centre, edges), Zonotope(centre + (2.0 + gap) * edges[:, 0], edges)
    walls = np.concatenate([edges.T, -edges.T])
    polytope = Polytope(walls, walls @ (centre + (2.0 + gap) * edges[:, 0]) + 1.0)
    ball = Ball(centre + (2.0 + gap) * edges[:, 0], 1.0)
    for other in (moved, polytope, ball):
        # the columns are orthonormal and the centres placed up to a few roundoffs only
        assert gap * (1.0 - 1e-2) <= distance_lower_bound(cube, other).distance <= gap + 1e-14


def reference_distance(a: AbstractSet, b: AbstractSet) -> float:
    """The distance by an interior-point method."""
    x, y = cp.Variable(a.dim), cp.Variable(a.dim)
    problem = cp.Problem(cp.Minimize(cp.norm2(x - y)), [*_constraints(a, x), *_constraints(b, y)])
    return float(problem.solve(solver=cp.CLARABEL))


def _constraints(of: AbstractSet, x: cp.Variable) -> list[cp.Constraint]:
    if isinstance(of, Box):
        return [x >= of.lower, x <= of.upper]
    if isinstance(of, Polytope):
        return [of.normals @ x <= of.offsets]
    if isinstance(of, Ball):
        return [cp.norm2(x - of.centre) <= of.radius]
    if isinstance(of, Ellipsoid):
        v = cp.Variable(of.shape.shape[1])
        return [x == of.centre + of.shape @ v, cp.norm2(v) <= 1.0]
    assert isinstance(of, Zonotope)
    xi = cp.Variable(of.generators.shape[1])
    return [x == of.centre + of.generators @ xi, cp.norm_inf(xi) <= 1.0]


def ordinary(kind: str, rng: np.random.Generator, n: int, centre: np.ndarray) -> AbstractSet:
    """A set of size about 1."""
    normals = np.concatenate([np.eye(n), -np.eye(n), rng.standard_normal((3, n))])
    return {
        "ball": lambda: Ball(centre, 0.8),
        "box": lambda: Box(centre - rng.random(n), centre + rng.random(n)),
        "ellipsoid": lambda: Ellipsoid(centre, rng.standard_normal((n, n)) / n),
        "polytope": lambda: Polytope(normals, normals @ centre + rng.uniform(0.3, 1.0, len(normals))),
        "zonotope": lambda: Zonotope(centre, rng.standard_normal((n, 2 * n)) / (2 * n)),
    }[kind]()


@pytest.mark.parametrize(("kind", "other"), PAIRS)
def test_distance_is_that_of_convex_programming(kind: str, other: str) -> None:
    n = 4
    rng = np.random.default_rng(n)
    away = rng.standard_normal(n)
    a = ordinary(kind, rng, n, np.zeros(n))
    b = ordinary(other, rng, n, 4.0 * away / np.linalg.norm(away))
    assert distance_lower_bound(a, b).distance == pytest.approx(reference_distance(a, b), rel=1e-6, abs=1e-7)


def rays_and_points(of: Polytope, start: Exact, rng: np.random.Generator) -> list[Exact]:
    """Points of a polyhedron that has `start`: on its faces, and far out where it is unbounded."""
    points = [start]
    for direction in rng.integers(-4, 5, (6, of.dim)):
        step = exact(direction)
        slopes = [dot(exact(row), step) for row in of.normals]
        slacks = [Fraction(float(b)) - dot(exact(row), start) for row, b in zip(of.normals, of.offsets, strict=True)]
        share = min([Fraction(10**20), *(p / q for p, q in zip(slacks, slopes, strict=True) if q > 0)])
        points.append([s + share * d for s, d in zip(start, step, strict=True)])
    return points


@pytest.mark.parametrize("seed", range(8))
def test_unbounded_polyhedra(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    polyhedra = []
    for _ in range(2):
        start = rng.integers(-9, 10, n).astype(float)
        normals = rng.integers(-3, 4, (int(rng.integers(1, n + 1)), n)).astype(float)
        normals[~normals.any(axis=1)] = 1.0
        of = Polytope(normals, normals @ start + rng.integers(0, 3, len(normals)))
        assert lies_in(of, exact(start))
        polyhedra.append((of, rays_and_points(of, exact(start), rng)))
    (a, of_a), (b, of_b) = polyhedra
    assert is_sound(distance_lower_bound(a, b), of_a, of_b)
    ball = Ball(rng.integers(-9, 10, n), 1.0)
    found = distance_lower_bound(a, ball)
    centre = exact(ball.centre)
    assert all(squared_distance(x, centre) >= (Fraction(found.distance) + 1) ** 2 for x in of_a) or not found.distance


def test_distance_to_a_corner_without_end() -> None:
    corner = Polytope([[1.0, 2.0], [2.0, -1.0]], [0.0, 0.0])
    assert distance_lower_bound(corner, Ball([4.0, 3.0], 1.0)).distance == pytest.approx(4.0, rel=1e-9)
    assert distance_lower_bound(corner, Ball([-4.0, 3.0], 1.0)).distance == 0.0
    wall = Polytope.half_space([-1.0, -2.0], -5.0)
    assert distance_lower_bound(corner, wall).distance == pytest.approx(np.sqrt(5.0), rel=1e-9)


@pytest.mark.parametrize(
    "point",
    [
        lambda p: Box(p, p),
        lambda p: Ball(p, 0.0),
        lambda p: Zonotope(p, np.zeros((2, 0))),
        lambda p: Zonotope(p, np.zeros((2, 3))),
        lambda p: Ellipsoid(p, np.zeros((2, 2))),
        lambda p: Polytope.from_box(Box(p, p)),
    ],
)
def test_distance_of_points(point: object) -> None:
    assert callable(point)
    for p in ([3.0, 4.0], [-3.0, 4.0], [0.0, -5.0]):
        found = distance_lower_bound(Ball([0.0, 0.0], 0.0), point(np.array(p)))
        assert 5.0 * (1.0 - 1e-13) <= found.distance <= 5.0
        assert distance_lower_bound(Box(p, p), point(np.array(p))).distance == 0.0


@pytest.mark.parametrize("scale", [2.0**-300, 2.0**-40, 2.0**40, 2.0**300])
def test_distance_of_tiny_and_huge_sets(scale: float) -> None:
    ball = Ball(scale * np.array([6.0, 8.0]), scale)
    for other, real in ((Ball([0.0, 0.0], scale), 8.0), (Box(scale * np.array([-1.0, 3.0]), [0.0, 8.0 * scale]), 5.0)):
        assert real * (1.0 - 1e-12) <= distance_lower_bound(other, ball).distance / scale <= real


def test_sets_of_different_dimension_are_refused() -> None:
    message = "sets of dimension 2 and 3 are compared; give equal dimensions"
    for other in (Box(np.zeros(3), np.ones(3)), Ball(np.zeros(3), 1.0), Polytope.half_space(np.ones(3), 1.0)):
        with pytest.raises(DimensionError, match=message):
            distance_lower_bound(Box([0.0, 0.0], [1.0, 1.0]), other)


def test_an_empty_polytope_is_refused() -> None:
    empty = Polytope([[1.0, 0.0], [-1.0, 0.0]], [0.0, -1.0])
    with pytest.raises(InputError, match="no point satisfies the 2 inequalities of a polytope"):
        distance_lower_bound(empty, Ball([0.0, 0.0], 1.0))


def test_results_are_read_only() -> None:
    found = distance_lower_bound(Ball([0.0, 0.0], 1.0), Ball([4.0, 0.0], 1.0))
    with pytest.raises(ValueError, match="read-only"):
        found.direction[0] = 1.0


@pytest.mark.parametrize("seed", range(10))
def test_half_spaces_are_bounded_along_their_own_normals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(int(rng.integers(1, 5)))
    below, above = Polytope.half_space(normal, 1.0), Polytope.half_space(-2.0 * normal, -6.0)
    assert 1.0 <= float(below.support(normal)) <= 1.0 + 1e-15
    truth = 2.0 / np.linalg.norm(normal)
    assert truth * (1.0 - 1e-12) <= distance_lower_bound(below, above).distance <= truth * (1.0 + 1e-15)


def test_a_half_plane_far_from_its_own_point_is_separated() -> None:
    corner, normal = np.array([-1e9, 1e9 + 3.0]), np.array([3.0, 4.0])
    box, below = Box(corner + normal, corner + 2.0 * normal), Polytope.half_space(normal, float(normal @ corner))
    assert 5.0 * (1.0 - 1e-6) <= distance_lower_bound(box, below).distance <= 5.0


@pytest.mark.parametrize(("kind", "other"), PAIRS)
def test_scale_changes_nothing(kind: str, other: str) -> None:
    """Squares of 1e+-150 are not numbers any more, and 1e-300 is all that absolute slack allows for."""
    rng = np.random.default_rng(5)
    plain = [ordinary(kind, rng, 3, np.zeros(3)), ordinary(other, rng, 3, np.array([3.0, -2.0, 2.0]))]
    expected = distance_lower_bound(*plain).distance
    assert expected > 0.5
    for scale in (2.0**-970, 2.0**-520, 2.0**-70, 2.0**70, 2.0**520, 2.0**990):
        a, b = (scaled(of, scale) for of in plain)
        found = distance_lower_bound(a, b)
        assert found.distance / scale == pytest.approx(expected, rel=1e-7)
        between = b.bounding_box().centre / scale - a.bounding_box().centre / scale
        assert is_sound(found, points_of(a, rng, between), points_of(b, rng, -between))
        assert distance_lower_bound(a, a).distance == 0.0


def scaled(of: AbstractSet, scale: float) -> AbstractSet:
    """The set times a power of two, exactly."""
    if isinstance(of, Box):
        return Box(scale * of.lower, scale * of.upper)
    if isinstance(of, Polytope):
        return Polytope(of.normals, scale * of.offsets)
    if isinstance(of, Ball):
        return Ball(scale * of.centre, scale * of.radius)
    if isinstance(of, Ellipsoid):
        return Ellipsoid(scale * of.centre, scale * of.shape)
    assert isinstance(of, Zonotope)
    return Zonotope(scale * of.centre, scale * of.generators)


def test_sets_of_nothing_but_overflow_claim_nothing() -> None:
    largest = float(np.finfo(np.float64).max)
    for b in (Box([largest] * 2, [largest] * 2), Ball([largest] * 2, 0.0)):
        for a in (Box([-largest] * 2, [-largest] * 2), Polytope.half_space([1.0, 1.0], -largest)):
            assert 0.0 <= distance_lower_bound(a, b).distance < np.inf


@pytest.mark.parametrize("scale", [1.0, 1e-20, 1e-50, 1e40])
def test_small_and_thin_polytopes_keep_their_distance(scale: float) -> None:
    corner = np.array([[1.0, 0.3], [-0.2, 1.0], [-1.0, -1.0]])
    a = Polytope(corner, scale * np.ones(3))
    b = Polytope(corner, scale * np.ones(3) + corner @ np.array([5.0, 5.0]) * scale)
    assert distance_lower_bound(a, b).distance == pytest.approx(scale * reference_distance(*TWO_CORNERS), rel=1e-6)
    walls = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    thin = scale * np.array([1.0, 1.0, 1e-3, 1e-3])
    moved = Polytope(walls, thin + walls @ np.array([scale, -scale]))
    assert distance_lower_bound(Polytope(walls, thin), moved).distance == pytest.approx(
        scale * (np.sqrt(2.0) - 1e-3 * np.sqrt(2.0)), rel=1e-9
    )


TWO_CORNERS = (
    Polytope([[1.0, 0.3], [-0.2, 1.0], [-1.0, -1.0]], np.ones(3)),
    Polytope([[1.0, 0.3], [-0.2, 1.0], [-1.0, -1.0]], np.array([7.5, 5.0, -9.0])),
)


@pytest.mark.parametrize("n", [20, 30, 60])
@pytest.mark.parametrize("spread", [3.0, 30.0])
def test_ellipsoids_of_many_dimensions_close_to_each_other(n: int, spread: float) -> None:
    rng = np.random.default_rng(n)
    axes = random_rotation(rng, n)
    shape = axes @ np.diag(np.linspace(1.0, spread, n))
    for gap in (1e-1, 1e-3, 1e-5):
        for axis, reach in ((0, 1.0), (n - 1, spread)):
            other = Ellipsoid(axes[:, axis] * (2.0 * reach + gap), shape)
            found = distance_lower_bound(Ellipsoid(np.zeros(n), shape), other)
            # the axes are orthonormal up to a few roundoffs only
            assert gap * (1.0 - 1e-5) <= found.distance <= gap + 1e-13 * spread


@pytest.mark.parametrize("seed", range(10))
def test_wedges_that_open_away_from_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    turn = random_rotation(rng, n)
    # the cone of normals holds the first axis well inside
    normals = (np.eye(n)[0] + 0.6 * rng.uniform(-1.0, 1.0, (2 * n, n))) @ turn.T
    normals = np.concatenate([normals, (np.eye(n)[0] + 0.8 * np.concatenate([np.eye(n), -np.eye(n)])[:, :]) @ turn.T])
    apex = 3.0 * turn[:, 0]
    a, b = Polytope(normals, np.zeros(len(normals))), Polytope(-normals, -normals @ apex)
    truth = reference_distance(a, b)
    found = distance_lower_bound(a, b)
    assert truth > 1.0
    assert found.distance == pytest.approx(truth, rel=1e-6)
    tip = exact(np.zeros(n))
    assert is_sound(found, rays_and_points(a, tip, rng), [exact(apex + 2.0 * turn[:, 0])])
