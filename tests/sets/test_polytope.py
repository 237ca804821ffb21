"""Polytopes that floating point alone misjudges: flat, nearly empty, of mixed or extreme units, unbounded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.sets.exact_program import maximise_exactly
from nnctrl.sets.polytope import Polytope
from tests.sets.exact_sets import Exact, dot, exact, lies_in

TRIANGLE = np.array([[1.0, 0.25], [-0.25, 1.0], [-1.0, -1.0]])


def exact_maximum(of: Polytope, direction: np.ndarray) -> Fraction | None:
    """The support function in real arithmetic, None where it is infinite; the test's own proof of both comes first."""
    rows = [exact(row) for row in of.normals]
    found = maximise_exactly(exact(direction), rows, exact(of.offsets))
    if found.status == "unbounded":
        return None
    assert found.status == "optimal"
    x, y = list(found.x), list(found.multipliers)
    assert lies_in(of, x)
    assert min(y) >= 0
    assert [dot(list(column), y) for column in zip(*rows, strict=True)] == exact(direction)
    assert dot(exact(of.offsets), y) == dot(exact(direction), x)
    return dot(exact(direction), x)


def is_tight(bound: float, truth: Fraction, slack: float) -> bool:
    """Whether a bound is a real one, and above the truth by `slack` at most."""
    return Fraction(float(bound)) >= truth >= Fraction(float(bound)) - Fraction(slack)


def point_polytope(rng: np.random.Generator, n: int, scale: float) -> tuple[Polytope, np.ndarray]:
    """A polytope that is exactly one point: integer normals of a simplex or more, all active at an integer point."""
    normals = rng.integers(-5, 6, (n, n)) + 12.0 * np.eye(n)
    normals = np.concatenate([normals, -(rng.integers(1, 4, n) @ normals)[None], rng.integers(1, 4, (2, n)) @ normals])
    point = scale * rng.integers(-9, 10, n)
    return Polytope(normals, normals @ point), point


@pytest.mark.parametrize("seed", range(12))
def test_single_points_are_not_empty(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 2.0 ** rng.integers(-300, 300)
    some, point = point_polytope(rng, int(rng.integers(1, 6)), scale)
    assert some.contains(point).verdict == "inside"
    box = some.bounding_box()
    assert lies_in(box, exact(point))
    size = max(scale, abs(point).max())
    assert (box.upper - box.lower <= 1e-12 * size).all()
    for direction in rng.standard_normal((3, some.dim)):
        assert is_tight(float(some.support(direction)), dot(exact(direction), exact(point)), 1e-12 * size * some.dim)
    # a face moved inwards by the least that can be stored leaves nothing
    with pytest.raises(InputError, match=r"no point satisfies the \d+ inequalities of a polytope"):
        Polytope(some.normals, np.nextafter(some.offsets, -np.inf)).bounding_box()


@pytest.mark.parametrize("gap", [1e-11, 1e-14, 2.0**-1000])
def test_polytopes_empty_by_little_are_empty(gap: float) -> None:
    walls = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    for rotation in (np.eye(2), np.array([[3.0, 4.0], [-4.0, 3.0]])):
        some = Polytope(walls @ rotation, np.array([0.0, -gap, 1.0, 1.0]))
        for question in (lambda of: of.bounding_box(), lambda of: of.support([1.0, 0.0]), lambda of: of.interior_point):
            with pytest.raises(InputError, match="no point satisfies the 4 inequalities of a polytope"):
                question(some)


@pytest.mark.parametrize("seed", range(20))
def test_mixed_units_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    units = 2.0 ** rng.integers(-40, 40, n)
    rows = 2.0 ** rng.integers(-60, 60, 2 * n + 3)
    normals = np.concatenate([rng.standard_normal((3, n)), np.eye(n), -np.eye(n)])
    plain = Polytope(normals, np.ones(len(normals)))
    some = Polytope(rows[:, None] * normals / units, rows)
    box, plain_box = some.bounding_box(), plain.bounding_box()
    # powers of two round nothing, so the same numbers come out up to the solver's path
    assert box.upper / units == pytest.approx(plain_box.upper, rel=1e-9)
    assert box.lower / units == pytest.approx(plain_box.lower, rel=1e-9)
    direction = rng.standard_normal(n)
    truth = exact_maximum(some, direction / units)
    assert truth is not None
    assert is_tight(float(some.support(direction / units)), truth, 1e-9 * float(abs(truth)))
    samples = some.sample(rng, 20)
    assert (samples >= box.lower).all()
    assert (samples <= box.upper).all()
    assert len(some.vertices()) == len(plain.vertices())


@pytest.mark.parametrize("seed", range(12))
def test_small_polytopes_among_far_inequalities_are_bounded_tightly(seed: int) -> None:
    """Sides 1e9 apart, oblique faces, and inequalities that are far away: whatever unit is chosen, some are wrong."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    normals = np.concatenate([rng.standard_normal((n, n)), np.eye(n), -np.eye(n)]) * 10.0 ** rng.uniform(-12, 12, n)
    far = rng.standard_normal((2, n)) * 10.0 ** rng.uniform(-12, 12, n)
    near = rng.integers(-9, 10, n) * 10.0 ** rng.uniform(-5, 5)
    offsets = [normals @ near + 1e-9 * abs(normals).max(axis=1), far @ near + abs(far).max(axis=1)]
    some = Polytope(np.concatenate([normals, far]), np.concatenate(offsets))
    for direction in rng.standard_normal((4, n)):
        high, low = exact_maximum(some, direction), exact_maximum(some, -direction)
        assert high is not None
        assert low is not None
        assert is_tight(float(some.support(direction)), high, 1e-6 * float(high + low) + 1e-15 * abs(float(high)))


def test_units_that_the_solver_would_drop() -> None:
    e = 1e-9
    rhombus = Polytope([[1.0, e], [1.0, -e], [-1.0, e], [-1.0, -e]], np.ones(4))
    assert rhombus.bounding_box().upper == pytest.approx([1.0, 1e9], rel=1e-9)
    wedge = Polytope([[0.0, -1.0], [-1e-9, 1.0]], [-1.0, 0.0])
    assert wedge.contains(wedge.interior_point).verdict == "inside"
    slab = Polytope.from_box(type(rhombus.bounding_box())([-1e9, -1e-9], [1e9, 1e-9]))
    assert slab.bounding_box().upper == pytest.approx([1e9, 1e-9], rel=1e-9)


@pytest.mark.parametrize("scale", [2.0**-990, 2.0**-500, 2.0**-70, 2.0**70, 2.0**500, 2.0**990])
def test_extreme_sizes_of_sets_normals_and_directions(scale: float) -> None:
    plain = Polytope(TRIANGLE, np.ones(3))
    for some, size in (
        (Polytope(TRIANGLE, scale * np.ones(3)), scale),
        (Polytope(scale * TRIANGLE, scale * np.ones(3)), 1.0),
    ):
        assert some.bounding_box().upper / size == pytest.approx(plain.bounding_box().upper, rel=1e-9)
        assert some.vertices() / size == pytest.approx(plain.vertices(), rel=1e-9)
        assert (some.sample(np.random.default_rng(0), 5) <= some.bounding_box().upper).all()
        assert some.contains(some.interior_point).verdict == "inside"
        assert float(some.support([1.0, 1.0])) / size == pytest.approx(float(plain.support([1.0, 1.0])), rel=1e-9)
    assert float(plain.support([scale, scale])) / scale == pytest.approx(float(plain.support([1.0, 1.0])), rel=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_unbounded_polyhedra_have_their_real_support_function(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    count = int(rng.integers(1, n + 2))
    normals = rng.standard_normal((count, n)) if seed % 2 else rng.integers(-3, 4, (count, n)).astype(float)
    normals[~normals.any(axis=1)] = 1.0
    start = rng.integers(-9, 10, n).astype(float)
    some = Polytope(normals, np.nextafter(normals @ start, np.inf) + rng.integers(0, 3, count))
    weights = rng.uniform(0.1, 1.0, (3, count))
    finite = 0
    for direction in (*(weights @ normals), *normals, *rng.standard_normal((3, n))):
        bound, truth = float(some.support(direction)), exact_maximum(some, direction)
        if truth is None:
            assert bound == np.inf
        else:
            finite += 1
            assert is_tight(bound, truth, 1e-9 * (1.0 + float(abs(truth))))
    assert finite >= count


def test_directions_between_the_normals_of_an_unbounded_polyhedron() -> None:
    quadrant = Polytope([[3.0, 0.0], [0.0, 7.0]], [1.0, 1.0])
    assert is_tight(float(quadrant.support([1.0, 1.0])), Fraction(1, 3) + Fraction(1, 7), 1e-15)
    assert quadrant.support([1.0, -1.0]) == np.inf
    # the cone of three normals in space, around a line of recession
    prism = Polytope([[1.0, 0.0, 0.0], [-1.0, 3.0, 0.0], [-1.0, -3.0, 0.0]], [1.0, 1.0, 1.0])
    assert np.isfinite(prism.support([[0.3, 0.1, 0.0], [-0.2, 0.7, 0.0]])).all()
    assert prism.support([0.0, 0.0, 1.0]) == np.inf
    with pytest.raises(UnsupportedError, match="a polytope is unbounded along coordinate 2"):
        prism.bounding_box()


def test_maps_that_overflow_are_refused_in_words() -> None:
    triangle = Polytope(TRIANGLE, np.ones(3))
    for matrix in (1e-320 * np.eye(2), np.diag([1e-310, 1e-310])):
        with pytest.raises(UnsupportedError, match="overflow"):
            triangle.affine(matrix)
    with pytest.raises(UnsupportedError, match="that has no inverse"):
        triangle.affine(np.ones((2, 2)))
    image = triangle.affine(1e-300 * np.eye(2))
    assert _contains_all(image, [[Fraction(1e-300) * v for v in exact(x)] for x in 0.999 * triangle.vertices()])


def _contains_all(of: Polytope, points: list[Exact]) -> bool:
    return len(points) > 0 and all(lies_in(of, point) for point in points)


@pytest.mark.parametrize("n", [20, 40])
def test_large_flat_polytopes_are_not_refused(n: int) -> None:
    rng = np.random.default_rng(n)
    centre = rng.integers(-4, 5, n).astype(float)
    side = np.where(np.arange(n) % 2, 1.0, 0.0)
    some = Polytope(np.concatenate([np.eye(n), -np.eye(n)]), np.concatenate([centre + side, side - centre]))
    box = some.bounding_box()
    assert box.upper == pytest.approx(centre + side, abs=1e-9)
    assert box.lower == pytest.approx(centre - side, abs=1e-9)
