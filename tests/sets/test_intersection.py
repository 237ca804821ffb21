"""Verdicts on whether sets meet are true with zero tolerance, witnesses included, and given where they can be."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import pytest

from nnctrl.errors import DimensionError, InputError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.intersection import Intersection, intersects
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from tests.sets.exact_sets import KINDS, Exact, dot, exact, facet_normals, lies_in, points_of
from tests.sets.touching_sets import NORMAL, TOUCHING, known_points

PAIRS = list(combinations_with_replacement(sorted(KINDS), 2))
SIDES = list(combinations_with_replacement(sorted(TOUCHING), 2))


def witness_of(answer: Intersection) -> np.ndarray:
    assert answer.witness is not None
    return answer.witness


def separates(direction: np.ndarray, of_a: list[Exact], of_b: list[Exact]) -> bool:
    """Whether d'x < d'y for all points x of a and y of b."""
    d = exact(direction)
    return max(dot(d, x) for x in of_a) < min(dot(d, y) for y in of_b)


@pytest.mark.parametrize(("kind", "other"), PAIRS)
@pytest.mark.parametrize("seed", range(2))
def test_verdicts_and_witnesses_are_true(kind: str, other: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    a, b = KINDS[kind](rng, n), KINDS[other](rng, n)
    answer = intersects(a, b)
    if answer.verdict == "intersecting":
        point = exact(witness_of(answer))
        assert lies_in(a, point)
        assert lies_in(b, point)
    if answer.verdict == "disjoint":
        toward = witness_of(answer)
        of_a, of_b = points_of(a, rng, toward), points_of(b, rng, -toward)
        assert not any(lies_in(b, x) for x in of_a)
        assert not any(lies_in(a, y) for y in of_b)
        assert "polytope" in (kind, other) or separates(toward, of_a, of_b)


@pytest.mark.parametrize(("kind", "other"), SIDES)
def test_sets_that_touch_are_never_called_disjoint(kind: str, other: str) -> None:
    contact = np.array([2.0**20 + 1.375, -(2.0**21)])
    a, b = TOUCHING[kind](contact, -1.0), TOUCHING[other](contact, 1.0)
    answer = intersects(a, b)
    assert answer.verdict != "disjoint"
    if answer.verdict == "intersecting":
        normal = exact(NORMAL)
        assert dot(normal, exact(witness_of(answer))) == dot(normal, exact(contact))


@pytest.mark.parametrize(("kind", "other"), SIDES)
def test_sets_on_two_sides_of_a_strip_are_disjoint(kind: str, other: str) -> None:
    step = 2.0**-20
    near, far = np.array([3.0, -2.0]), np.array([3.0, -2.0]) + step * NORMAL
    a, b = TOUCHING[kind](near, -1.0), TOUCHING[other](far, 1.0)
    answer = intersects(a, b)
    assert answer.verdict == "disjoint"
    assert witness_of(answer) @ NORMAL > 0.0
    bounded = not {"half-plane", "triangle"} & {kind, other}
    assert not bounded or separates(witness_of(answer), known_points(a, near, -1.0), known_points(b, far, 1.0))


@pytest.mark.parametrize(("kind", "other"), SIDES)
def test_sets_that_overlap_across_a_line_meet(kind: str, other: str) -> None:
    near = np.array([3.0, -2.0])
    a, b = TOUCHING[kind](near, -1.0), TOUCHING[other](near - 2.0**-16 * NORMAL, 1.0)
    assert intersects(a, b).verdict == "intersecting"


def solid(kind: str, rng: np.random.Generator, n: int, middle: np.ndarray, size: float) -> AbstractSet:
    """A set that contains the ball of radius size / 2 about `middle`, but whose own middle is elsewhere."""
    away = rng.standard_normal(n)
    centre = middle + 0.5 * size * away / np.linalg.norm(away)
    frame = np.linalg.qr(rng.standard_normal((n, n)))[0]
    walls = np.concatenate([frame, -frame])
    return {
        "ball": lambda: Ball(centre, 1.001 * size),
        "box": lambda: Box(centre - 1.001 * size, centre + 1.001 * size),
        "ellipsoid": lambda: Ellipsoid(centre, 1.001 * size * frame * rng.uniform(1.0, 3.0, n)),
        "polytope": lambda: Polytope(walls, walls @ centre + 1.001 * size * rng.uniform(1.0, 3.0, 2 * n)),
        "zonotope": lambda: Zonotope(centre, 1.001 * size * frame * rng.uniform(1.0, 3.0, n)),
    }[kind]()


@pytest.mark.parametrize(("kind", "other"), PAIRS)
@pytest.mark.parametrize(("n", "size", "offset"), [(2, 1e-6, 1e3), (4, 1.0, 1e6)])
def test_sets_with_a_common_ball_meet(kind: str, other: str, n: int, size: float, offset: float) -> None:
    rng = np.random.default_rng(n)
    middle = offset * rng.standard_normal(n)
    a, b = solid(kind, rng, n, middle, size), solid(other, rng, n, middle, size)
    answer = intersects(a, b)
    assert answer.verdict == "intersecting"
    assert a.contains(witness_of(answer)).verdict == "inside"
    assert b.contains(witness_of(answer)).verdict == "inside"


@pytest.mark.parametrize(("kind", "other"), PAIRS)
def test_sets_far_from_each_other_are_disjoint(kind: str, other: str) -> None:
    n, size, offset = 3, 1e-3, 1e3
    rng = np.random.default_rng(n)
    middle = offset * rng.standard_normal(n)
    away = rng.standard_normal(n)
    # no set of `solid` is wider than 2 (0.5 + 3.003 sqrt(n)) size
    apart = 8.0 * np.sqrt(n) * size * away / np.linalg.norm(away)
    answer = intersects(solid(kind, rng, n, middle, size), solid(other, rng, n, middle + apart, size))
    assert answer.verdict == "disjoint"
    assert witness_of(answer) @ away > 0.0


def difference(a: AbstractSet, b: AbstractSet) -> tuple[Exact, list[Exact]]:
    """Centre and generators of the zonotope {y - x}, x in a, y in b; boxes and zonotopes."""
    parts = []
    for of in (a, b):
        if isinstance(of, Box):
            low, high = exact(of.lower), exact(of.upper)
            sides = [(q - p) / 2 for p, q in zip(low, high, strict=True)]
            columns = [[s if i == j else Fraction(0) for j in range(of.dim)] for i, s in enumerate(sides)]
            parts.append(([(p + q) / 2 for p, q in zip(low, high, strict=True)], columns))
        else:
            assert isinstance(of, Zonotope)
            parts.append((exact(of.centre), [exact(column) for column in of.generators.T]))
    (of_a, columns_a), (of_b, columns_b) = parts
    return [q - p for p, q in zip(of_a, of_b, strict=True)], [c for c in columns_a + columns_b if any(c)]


@pytest.mark.parametrize("seed", range(24))
def test_zonotopes_and_boxes_around_contact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    scale, offset = 2.0 ** rng.integers(-30, 30), float(rng.choice([0.0, 1.0, 2.0**20]))
    generators = rng.integers(-3, 4, (n, n + 1)) + np.eye(n, n + 1) * 8.0
    a = Zonotope(scale * (rng.integers(-3, 4, n) + offset), scale * generators)
    b: AbstractSet = Zonotope(np.zeros(n), scale * (rng.integers(-2, 3, (n, n)) + 4.25 * np.eye(n)))
    if rng.random() < 0.3:
        b = Box(-scale * np.ones(n), scale * np.arange(1.0, n + 1.0))
    centre, columns = difference(a, b)
    normals = [normal for normal in facet_normals(columns, n) if any(normal)]
    # b is put where the sets touch in a vertex or a face of their difference, then a little off
    facet = normals[int(rng.integers(len(normals)))]
    corner = [sum((c[i] if dot(facet, c) >= 0 else -c[i] for c in columns), Fraction(0)) for i in range(n)]
    shift = np.array([float(x - m) for x, m in zip(corner, centre, strict=True)])
    shift = shift * (1.0 + float(rng.choice([0.0, 2.0**-52, -(2.0**-50), 2.0**-45, -(2.0**-45), 1e-6, -1e-6])))
    b = Zonotope(shift, b.generators) if isinstance(b, Zonotope) else b.translate(shift)
    centre, columns = difference(a, b)
    excess = [abs(dot(normal, centre)) - sum((abs(dot(normal, c)) for c in columns), Fraction(0)) for normal in normals]
    meet = max(excess) <= 0
    answer = intersects(a, b)
    assert answer.verdict != ("disjoint" if meet else "intersecting")
    if answer.verdict == "disjoint":
        d = exact(witness_of(answer))
        assert dot(d, centre) > sum((abs(dot(d, c)) for c in columns), Fraction(0))
    size = max(abs(x) for x in centre)
    lengths = [sum(abs(x) for x in normal) for normal in normals]
    slack = max(e / length for e, length in zip(excess, lengths, strict=True))
    if abs(slack) > size / 10**7:
        assert answer.verdict == ("intersecting" if meet else "disjoint")


def test_boxes_are_decided_exactly() -> None:
    box = Box([0.0, -1.0], [1.0, 1.0])
    for corner in ([1.0, 0.0], [1.0, 1.0], [-0.0, 1.0], [0.5, 0.5]):
        answer = intersects(box, Box(corner, [2.0, 2.0]))
        assert answer.verdict == "intersecting"
        assert box.contains(witness_of(answer)).verdict == "inside"
    after = np.nextafter(1.0, 2.0)
    for lower, upper, direction in (
        ([after, 0.0], [2.0, 1.0], [1.0, 0.0]),
        ([0.0, after], [1.0, 2.0], [0.0, 1.0]),
        ([-2.0, 0.0], [-5e-324, 1.0], [-1.0, 0.0]),
        ([0.5, -2.0], [0.5, -after], [0.0, -1.0]),
    ):
        answer = intersects(box, Box(lower, upper))
        assert answer.verdict == "disjoint"
        assert np.array_equal(witness_of(answer), direction)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Zonotope([0.0, 0.0], [[1.0, 1.0], [1.0, -1.0]]), Zonotope([2.0, 2.0], [[1.0, 1.0], [1.0, -1.0]])),
        (Zonotope([1.0, 2.0], [[1.0], [1.0]]), Zonotope([1.5, 2.5], [[1.0], [-1.0]])),
        (Zonotope([0.0, 0.0], [[4.0], [1.0]]), Ball([4.0, 1.25], 0.5)),
        (Zonotope([1.0, 2.0], np.zeros((2, 0))), Ball([1.0, 3.0], 1.0)),
        (Ball([1.0, 2.0], 0.0), Ellipsoid([1.0, 3.0], np.eye(2))),
        (Polytope.half_space([1.0, 3.0], 1.0), Polytope.half_space([-1.0, -3.0], -1.0)),
        (Polytope([[1.0, 1.0], [-1.0, 2.0]], [0.0, 0.0]), Polytope([[-1.0, -1.0], [1.0, -2.0]], [0.0, 0.0])),
        (Polytope([[3.0, 1.0], [-3.0, -1.0]], [1.0, -1.0]), Ball([0.5, -0.625], 0.25)),
    ],
)
def test_flat_and_touching_sets_with_a_point_to_find(a: AbstractSet, b: AbstractSet) -> None:
    for first, second in ((a, b), (b, a)):
        answer = intersects(first, second)
        assert answer.verdict == "intersecting"
        assert lies_in_or_is_certified(first, witness_of(answer))
        assert lies_in_or_is_certified(second, witness_of(answer))


def lies_in_or_is_certified(of: AbstractSet, point: np.ndarray) -> bool:
    """Membership, in real arithmetic where `lies_in` knows the kind."""
    if isinstance(of, Zonotope) and of.generators.shape[1] < of.dim:
        return of.contains(point).verdict == "inside"
    return lies_in(of, exact(point))


def test_flat_sets_that_miss_each_other() -> None:
    segment = Zonotope([0.0, 0.0, 0.0], [[1.0], [1.0], [1.0]])
    for other in (
        Zonotope([0.0, 0.0, 0.5], [[1.0], [-1.0], [0.0]]),
        Zonotope([0.5, -0.5, 0.0], np.zeros((3, 0))),
        Box([1.5, 0.0, 0.0], [1.5, 1.0, 1.0]),
        Ball([1.0, -1.0, 0.0], 1.25),
        Ellipsoid([0.0, 0.0, 3.0], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        Polytope.half_space([1.0, 1.0, 1.0], -3.25),
    ):
        assert intersects(segment, other).verdict == "disjoint"
        assert intersects(other, segment).verdict == "disjoint"


def test_unbounded_polyhedra() -> None:
    left, strip = Polytope.half_space([1.0, 0.0], 0.0), Polytope([[3.0, 4.0], [-3.0, -4.0]], [5.0, 5.0])
    assert intersects(left, strip).verdict == "intersecting"
    assert intersects(strip, Polytope([[3.0, -4.0], [-3.0, 4.0]], [1000.0, -999.0])).verdict == "intersecting"
    right = intersects(left, Polytope.half_space([-1.0, 0.0], -(2.0**-40)))
    assert right.verdict == "disjoint"
    assert np.array_equal(witness_of(right) / witness_of(right)[0], [1.0, 0.0])
    above = intersects(strip, Polytope.half_space([-3.0, -4.0], -5.0 - 2.0**-20))
    assert above.verdict == "disjoint"
    assert 3.0 * witness_of(above)[1] == 4.0 * witness_of(above)[0] > 0.0


def test_sets_of_different_dimension_are_refused() -> None:
    message = "sets of dimension 2 and 3 are compared; give equal dimensions"
    for other in (Box(np.zeros(3), np.ones(3)), Ball(np.zeros(3), 1.0), Polytope.half_space(np.ones(3), 1.0)):
        with pytest.raises(DimensionError, match=message):
            intersects(Box([0.0, 0.0], [1.0, 1.0]), other)


def test_an_empty_polytope_is_refused() -> None:
    empty = Polytope([[1.0, 0.0], [-1.0, 0.0]], [0.0, -1.0])
    with pytest.raises(InputError, match="no point satisfies the 2 inequalities of a polytope"):
        intersects(Ball([0.0, 0.0], 1.0), empty)


def test_witnesses_are_read_only() -> None:
    for other in (Ball([4.0, 0.0], 1.0), Ball([1.0, 0.0], 1.0)):
        with pytest.raises(ValueError, match="read-only"):
            witness_of(intersects(Ball([0.0, 0.0], 1.0), other))[0] = 1.0
