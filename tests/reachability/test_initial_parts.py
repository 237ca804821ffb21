"""Initial sets as images of boxes: rows cover every state of a part, in rationals; no part of the set is missed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nnctrl.errors import UnsupportedError
from nnctrl.reachability.initial_parts import InitialParts, initial_parts
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import widen_up
from nnctrl.sets.zonotope import Zonotope

SETS: dict[str, AbstractSet] = {
    "box": Box([0.1, -0.3, 2.0], [0.7, -0.1, 2.0]),
    "point": Box([0.1, -0.3], [0.1, -0.3]),
    "large box": Box([1e6, -1e-9], [1e6 + 1, 1e-9]),
    "zonotope": Zonotope([0.1, 0.2], [[0.3, 0.1, -0.7], [0.0, 1.0, 0.3]]),
    "flat zonotope": Zonotope([0.1, 0.2], [[0.3, 1.0], [0.0, 0.0]]),
    "ball": Ball([0.1, -0.2], 0.3),
    "ellipsoid": Ellipsoid([0.1, -0.2], [[0.3, 0.1], [0.0, 1.1]]),
    "polytope": Polytope([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], [1.0, 0.3, 0.2]),
}


def exact_state(parts: InitialParts, v: list[Fraction]) -> list[Fraction]:
    return [
        Fraction(float(offset)) + sum((Fraction(float(m)) * x for m, x in zip(row, v, strict=True)), Fraction(0))
        for row, offset in zip(parts.matrix, parts.offset, strict=True)
    ]


@pytest.mark.parametrize("name", SETS)
def test_rows_cover_the_image_of_every_part(name: str) -> None:
    parts = initial_parts(SETS[name])
    rng = np.random.default_rng(0)
    for _ in range(50):
        corners = np.sort(parts.lower + rng.random((2, parts.size)) * (parts.upper - parts.lower), axis=0)
        lower, upper = (parts.lower, parts.upper) if rng.random() < 0.2 else np.clip(corners, parts.lower, parts.upper)
        centre, generators, radius = parts.rows(lower, upper)
        middle = np.clip(0.5 * lower + 0.5 * upper, lower, upper)
        shares = [Fraction(int(k), 8) for k in rng.integers(0, 9, size=parts.size)]
        ends = [[Fraction(float(end)) for end in pair] for pair in zip(lower, upper, strict=True)]
        v = [a + s * (b - a) for (a, b), s in zip(ends, shares, strict=True)]
        # symbols at which the rows stand for v, the same in every row
        reach = [Fraction(float(r)) for r in widen_up(np.maximum(upper - middle, middle - lower))]
        xi = [(x - Fraction(float(m))) / r for x, m, r in zip(v, middle, reach, strict=True)]
        assert all(abs(symbol) <= 1 for symbol in xi)
        for x, c, row, r in zip(exact_state(parts, v), centre, generators, radius, strict=True):
            value = Fraction(float(c)) + sum(
                (Fraction(float(g)) * s for g, s in zip(row, xi, strict=True)), Fraction(0)
            )
            assert abs(x - value) <= Fraction(float(r))


@pytest.mark.parametrize("name", ["box", "large box", "point"])
def test_boxes_are_exact(name: str) -> None:
    """At the corners of a part the rows reach at least the corners, without a radius."""
    parts = initial_parts(SETS[name])
    box = SETS[name].bounding_box()
    centre, generators, radius = parts.rows(parts.lower, parts.upper)
    np.testing.assert_array_equal(radius, 0.0)
    for c, row, low, high in zip(centre, generators, box.lower, box.upper, strict=True):
        reach = sum((Fraction(float(g)) for g in abs(row)), Fraction(0))
        assert Fraction(float(c)) - reach <= Fraction(float(low))
        assert Fraction(float(c)) + reach >= Fraction(float(high))


@pytest.mark.parametrize("name", SETS)
def test_parts_with_a_point_of_the_set_are_not_missed(name: str) -> None:
    """The parameters of sampled points, found by least squares for sets with more parameters than coordinates."""
    initial = SETS[name]
    parts = initial_parts(initial)
    rng = np.random.default_rng(1)
    for x in initial.sample(rng, 50):
        v = np.linalg.lstsq(parts.matrix, x - parts.offset, rcond=None)[0]
        reach = 10.0 ** rng.integers(-6, 0)
        assert not parts.misses(v - reach, v + reach)


@pytest.mark.parametrize(
    ("name", "lower", "upper"),
    [("ball", [0.8, 0.8], [1.0, 1.0]), ("ellipsoid", [-1.0, 0.8], [-0.8, 1.0]), ("polytope", [1.0, 0.9], [1.2, 1.1])],
)
def test_corners_outside_the_set_are_missed(name: str, lower: list[float], upper: list[float]) -> None:
    assert initial_parts(SETS[name]).misses(np.array(lower), np.array(upper))


def test_parts_that_touch_the_unit_ball_are_kept() -> None:
    parts = initial_parts(SETS["ball"])
    assert not parts.misses(np.array([0.6, 0.8]), np.array([1.0, 1.0]))
    assert not parts.misses(np.array([-1.0, 0.0]), np.array([-1.0, 1.0]))


def test_unbounded_sets_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="unbounded"):
        initial_parts(Polytope([[1.0, 0.0]], [1.0]))
