"""Projections of sets: zonotopes and boxes exactly, others from outside."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnctrl._typing import FloatArray
from nnctrl.plotting.shapes import TEMPLATE_DIRECTIONS, extent, projection_polygon, support_polygon, zonotope_polygon
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope


def support_of_points(points: FloatArray, directions: FloatArray) -> FloatArray:
    return (directions @ points.T).max(axis=1)


def plane_directions(count: int = 64) -> FloatArray:
    angles = 2.0 * np.pi * (np.arange(count) + 0.3) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def is_convex(polygon: FloatArray) -> bool:
    edges = np.roll(polygon, -1, axis=0) - polygon
    after = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
    return bool((turns >= -1e-9 * np.abs(edges).max() ** 2).all())


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_zonotope_polygon_is_the_hull_of_all_sign_choices(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centre, generators = rng.normal(size=2), rng.normal(size=(2, count)) * rng.choice([0.0, 1e-3, 1.0], size=count)
    corners = centre + np.array(list(itertools.product([-1.0, 1.0], repeat=count))) @ generators.T
    polygon = zonotope_polygon(centre, generators)
    directions = plane_directions()
    np.testing.assert_allclose(
        support_of_points(polygon, directions), support_of_points(corners, directions), rtol=0, atol=1e-12
    )
    assert is_convex(polygon)


def test_zonotope_polygon_has_two_vertices_a_generator() -> None:
    generators = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    assert zonotope_polygon(np.zeros(2), generators).shape == (6, 2)


def test_flat_zonotopes_are_segments_and_points() -> None:
    assert zonotope_polygon(np.array([1.0, 2.0]), np.zeros((2, 3))).tolist() == [[1.0, 2.0]]
    assert sorted(zonotope_polygon(np.zeros(2), np.array([[1.0], [-2.0]])).tolist()) == [[-1.0, 2.0], [1.0, -2.0]]


def test_box_in_more_dimensions() -> None:
    polygon = projection_polygon(Box([0.0, 1.0, 2.0], [0.5, 1.5, 3.0]), 2, 0)
    assert polygon is not None
    assert sorted(map(tuple, polygon.tolist())) == [(2.0, 0.0), (2.0, 0.5), (3.0, 0.0), (3.0, 0.5)]


def test_ball_and_ellipsoid_touch_their_support() -> None:
    directions = plane_directions(16)
    lifted = np.zeros((16, 3))
    lifted[:, [0, 2]] = directions
    shape = np.array([[1.0, 0.2, 0.0], [0.0, 0.5, 0.3], [0.1, 0.0, 2.0]])
    for target in (Ball([1.0, 2.0, 3.0], 0.5), Ellipsoid([1.0, 2.0, 3.0], shape)):
        polygon = projection_polygon(target, 0, 2)
        assert polygon is not None
        np.testing.assert_allclose(support_of_points(polygon, directions), target.support(lifted), atol=2e-3)


def test_support_polygon_contains_the_projection() -> None:
    rng = np.random.default_rng(3)
    zonotope = Zonotope(rng.normal(size=3), rng.normal(size=(3, 4)))
    outer = support_polygon(zonotope, 0, 1)
    inner = projection_polygon(zonotope, 0, 1)
    assert outer is not None
    assert inner is not None
    directions = plane_directions()
    assert len(outer) == TEMPLATE_DIRECTIONS
    assert (support_of_points(outer, directions) >= support_of_points(inner, directions) - 1e-12).all()
    assert (support_of_points(outer, directions) <= support_of_points(inner, directions) + 0.2).all()


def test_plane_polytope_is_cut_off_at_the_window() -> None:
    window = np.array([[0.0, 0.0], [2.0, 2.0]])
    half_plane = Polytope([[1.0, 1.0]], [2.0])
    polygon = projection_polygon(half_plane, 0, 1, window)
    assert polygon is not None
    assert {tuple(point) for point in polygon.tolist()} == {(0.0, 0.0), (2.0, 0.0), (0.0, 2.0)}
    swapped = projection_polygon(Polytope([[1.0, 0.0]], [0.5]), 1, 0, window)
    assert swapped is not None
    assert swapped.max(axis=0).tolist() == [2.0, 0.5]
    assert projection_polygon(Polytope([[1.0, 0.0]], [-1.0]), 0, 1, window) is None


def test_unbounded_projections_are_left_out() -> None:
    slab = Polytope([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], [1.0, 1.0])
    assert projection_polygon(slab, 0, 1) is None
    assert projection_polygon(Polytope([[1.0, 1.0]], [2.0]), 0, 1) is None
    low, high = extent(slab, 0)
    assert (low, high) == pytest.approx((-1.0, 1.0))
    assert extent(slab, 1) == (-np.inf, np.inf)
