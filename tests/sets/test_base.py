"""What every kind of set promises, checked in rational arithmetic for all kinds alike."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from fractions import Fraction

import numpy as np
import pytest

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.interval import Interval
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from tests.sets.exact_sets import KINDS, Exact, apply, dot, exact, lies_in, points_of

SEEDS = range(12)


def nasty_direction(rng: np.random.Generator, n: int) -> np.ndarray:
    """Ordinary, axis-aligned, sparse, or of mixed sizes."""
    d = rng.standard_normal(n)
    kind = rng.integers(4)
    if kind == 0:
        d = np.eye(n)[rng.integers(n)] * rng.choice([-1.0, 1.0])
    elif kind == 1:
        d = d * 10.0 ** rng.uniform(-12, 12, n)
    elif kind == 2 and n > 1:
        d[rng.integers(n)] = 0.0
    return d


def contains_support(of: AbstractSet, points: list[Exact], directions: np.ndarray) -> bool:
    """Whether the support function bounds d'x for all points, exactly."""
    bounds = of.support(directions)
    return all(
        bound == np.inf or Fraction(float(bound)) >= dot(exact(d), x)
        for bound, d in zip(bounds, directions, strict=True)
        for x in points
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_support_bounds_every_point(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    some = KINDS[kind](rng, n)
    for _ in range(4):
        d = nasty_direction(rng, n)
        points = points_of(some, rng, d)
        assert contains_support(some, points, d[None])
        origin = some.bounding_box().centre + rng.standard_normal(n)
        bound = Fraction(float(some.support(d, origin)))
        assert all(bound >= dot(exact(d), [a - b for a, b in zip(x, exact(origin), strict=True)]) for x in points)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_support_is_attained(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    some = KINDS[kind](rng, n)
    box = some.bounding_box()
    directions = rng.standard_normal((5, n))
    attained = (directions * some.support_vector(directions, box.centre)).sum(axis=-1)
    # a support vector is as accurate as its coordinates can be stored
    slack = (abs(directions) * (1e-7 * box.radius + 1e-15 * abs(box.centre) + 1e-200)).sum(axis=-1)
    assert (abs(some.support(directions, box.centre) - attained) <= slack).all()


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_bounding_box_contains_every_point(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    some = KINDS[kind](rng, n)
    box = some.bounding_box()
    for axis in range(n):
        for sign in (1.0, -1.0):
            assert all(lies_in(box, x) for x in points_of(some, rng, sign * np.eye(n)[axis]))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_affine_images_are_outer(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    some = KINDS[kind](rng, n)
    m = n if kind == "polytope" else int(rng.integers(1, n + 1))
    matrix = rng.standard_normal((m, n)) * float(rng.choice([1.0, 1e-3, 1e5]))
    if rng.random() < 0.3:
        matrix = np.diag(rng.choice([-1.0, 1.0], n))[rng.permutation(n)][:m]
    offset = rng.standard_normal(m) * float(rng.choice([0.0, 1.0, 1e4]))
    try:
        image = some.affine(matrix, offset)
    except UnsupportedError:
        # an ellipsoid (a ball of radius 0, a thin one far out) that cannot take up the rounding
        assert kind in ("ellipsoid", "ball")
        return
    points = [apply(matrix, offset, x) for x in points_of(some, rng, rng.standard_normal(n))]
    directions = np.concatenate([np.eye(m), -np.eye(m), rng.standard_normal((10, m))])
    assert contains_support(image, points, directions)
    for d in directions[-3:]:
        farthest = [apply(matrix, offset, x) for x in points_of(some, rng, matrix.T @ d + 1e-300)]
        assert contains_support(image, farthest, d[None])
        if isinstance(image, Box | Polytope) or (isinstance(image, Ellipsoid) and m == n):
            assert all(lies_in(image, x) for x in farthest)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_translates_are_outer_and_of_the_same_kind(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    some = KINDS[kind](rng, n)
    vector = rng.standard_normal(n) * float(rng.choice([1.0, 1e-7, 1e5]))
    try:
        moved = some.translate(vector)
    except UnsupportedError:
        assert kind == "ellipsoid"
        return
    assert type(moved) is type(some)
    for d in rng.standard_normal((4, n)):
        points = [[a + b for a, b in zip(x, exact(vector), strict=True)] for x in points_of(some, rng, d)]
        assert contains_support(moved, points, np.stack([d, -d]))
        if not isinstance(moved, Zonotope):
            assert all(lies_in(moved, x) for x in points)


@pytest.mark.parametrize(
    ("kind", "other"), [("box", "box"), ("zonotope", "zonotope"), ("zonotope", "box"), ("ball", "ball")]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_minkowski_sums_are_outer(kind: str, other: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    a, b = KINDS[kind](rng, n), KINDS[other](rng, n)
    total = a.minkowski_sum(b)
    for d in rng.standard_normal((4, n)):
        points = [
            [x + y for x, y in zip(p, q, strict=True)] for p in points_of(a, rng, d) for q in points_of(b, rng, d)
        ]
        assert contains_support(total, points, np.stack([d, -d]))
        assert isinstance(total, Zonotope) or all(lies_in(total, x) for x in points)


@pytest.mark.parametrize("kind", ["box", "polytope", "ellipsoid"])
def test_minkowski_sums_that_are_not_closed_are_refused(kind: str) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UnsupportedError, match=r"the sum of an? \w+ and a Ball is not (a|an|supported)"):
        KINDS[kind](rng, 2).minkowski_sum(Ball(np.zeros(2), 1.0))


def nearly(of: AbstractSet, rng: np.random.Generator) -> np.ndarray:
    """Doubles around the boundary of a set, at relative distances from none to large."""
    centre = of.bounding_box().centre
    directions = rng.standard_normal((4, of.dim))
    edge = centre + of.support_vector(directions, centre)
    factors = np.array([0.0, 0.5, 1 - 1e-9, 1 - 1e-13, 1 - 1e-15, 1.0, 1 + 1e-15, 1 + 1e-13, 1 + 1e-9, 1.5])
    return np.concatenate([centre + f * (edge - centre) for f in factors])


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_containment_claims_are_true(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    some = KINDS[kind](rng, n)
    for point in nearly(some, rng):
        answer = some.contains(point)
        truth = lies_in(some, exact(point))
        assert answer.verdict != ("outside" if truth else "inside")
        if kind in ("box", "ball", "polytope"):
            assert answer.verdict == ("inside" if truth else "outside")
        if answer.verdict == "outside" and answer.witness is not None:
            d = exact(answer.witness)
            assert all(dot(d, x) < dot(d, exact(point)) for x in points_of(some, rng, answer.witness))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", range(6))
def test_points_away_from_the_boundary_are_decided(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    # no offsets and no flat sides here: then rounding is no excuse
    shape = rng.standard_normal((n, n))
    some: AbstractSet = {
        "box": Box(-np.ones(n), np.ones(n)),
        "zonotope": Zonotope(np.ones(n), rng.standard_normal((n, 3 * n))),
        "ellipsoid": Ellipsoid(np.ones(n), shape),
        "ball": Ball(np.ones(n), 2.0),
        "polytope": Polytope(np.concatenate([shape, -shape]), np.ones(2 * n)),
    }[kind]
    centre = some.bounding_box().centre
    edge = centre + some.support_vector(rng.standard_normal((6, n)), centre)
    for x in edge:
        assert some.contains(centre + (1 - 1e-6) * (x - centre)).verdict == "inside"
        assert some.contains(centre + (1 + 1e-6) * (x - centre)).verdict == "outside"


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", range(6))
def test_containment_of_boxes_of_points(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    some = KINDS[kind](rng, 2)
    for point in nearly(some, rng):
        for width in (1e-15, 1e-9, 1e-2):
            size = width * (1.0 + abs(point))
            around = Interval(point - size, point + size)
            verdict = some.contains(around).verdict
            corners = Box(around.lower, around.upper).vertices()
            if verdict == "inside":
                assert all(lies_in(some, exact(x)) for x in corners)
            if verdict == "outside":
                assert not any(
                    lies_in(some, exact(x)) for x in (*corners, point, *rng.uniform(*corners[[0, -1]], (5, 2)))
                )


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", range(4))
def test_samples_lie_in_the_set_up_to_rounding(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    some = KINDS[kind](rng, n)
    box = some.bounding_box()
    points = some.sample(rng, 20)
    assert points.shape == (20, n)
    slack = 1e-9 * (1.0 + abs(box.centre).max() + box.radius.max())
    assert (points >= box.lower - slack).all()
    assert (points <= box.upper + slack).all()
    certified = some.sample_inside(rng, 20)
    assert all(lies_in(some, exact(x)) for x in certified)
    assert len(certified) == 20 or kind != "box"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_sets_are_immutable(kind: str) -> None:
    some = KINDS[kind](np.random.default_rng(0), 2)
    first = fields(some)[0].name  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        setattr(some, first, None)
    with pytest.raises(ValueError, match="read-only"):
        getattr(some, first)[0] = 1.0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_wrong_sizes_and_values_are_named(kind: str) -> None:
    some = KINDS[kind](np.random.default_rng(1), 3)
    with pytest.raises(DimensionError, match=r"directions have shape \(2, 4\); the last size must be the dimension 3"):
        some.support(np.ones((2, 4)))
    with pytest.raises(InputError, match="a direction contains nan or inf"):
        some.support([np.nan, 0.0, 1.0])
    with pytest.raises(DimensionError, match=r"a point of shape \(2,\) is compared with a set of dimension 3"):
        some.contains([1.0, 2.0])
    with pytest.raises(InputError, match="coordinate 1 of a point is nan; give numbers"):
        some.contains([1.0, np.nan, 2.0])
    with pytest.raises(DimensionError, match=r"a set of dimension 3 is mapped by a matrix \(2, 2\) and an offset of 2"):
        some.affine(np.eye(2))
    with pytest.raises(InputError, match=r"the matrix of an affine map is nan at coordinate \(0, 1\)"):
        some.affine([[0.0, np.nan, 0.0]])
    with pytest.raises(DimensionError, match="a translation has 2 coordinates, but the set has dimension 3"):
        some.translate([1.0, 2.0])
    assert some.contains([np.inf, 0.0, 0.0]).verdict == "undecided"
    assert some.contains(Interval([-np.inf] * 3, np.inf)).verdict == "undecided"


def test_directions_of_any_batch_shape() -> None:
    box = Box([-1.0, 0.0], [1.0, 2.0])
    assert box.support([1.0, 0.0]).shape == ()
    assert box.support(np.ones((4, 3, 2))).shape == (4, 3)
    assert box.support_vector(np.ones((4, 3, 2))).shape == (4, 3, 2)


def test_rows_of_subnormal_size_end() -> None:
    """1 / 1e-310 is infinite, and LAPACK does not return from an infinite matrix."""
    shape = [[1e-310, -2e-310, 1e-310], [1.0, 2.0, 1.0], [3.0, 1.0, 2.0]]
    for some in (Ellipsoid(np.zeros(3), shape), Zonotope(np.zeros(3), shape)):
        assert some.contains(np.zeros(3)).verdict != "outside"
