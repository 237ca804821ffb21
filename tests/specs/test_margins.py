"""Certified margins are lower bounds of the exact ones, and requirements mean what the page says."""

from __future__ import annotations

import casadi
import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.errors import DimensionError, InputError, UnknownNameError, UnsupportedError
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.monitor import Monitor, monitors_of
from nnctrl.specs.moving import Moving
from nnctrl.specs.regions import AbstractRegion, region_of
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
from nnctrl.specs.sublevel import Sublevel
from nnctrl.specs.sublevel_region import SublevelRegion
from tests import high_precision
from tests.loops import small_network
from tests.random_networks import points_of_box


def sets(rng: np.random.Generator) -> list:
    """One set of each kind, two-dimensional, anywhere from overlapping to far away."""
    centre = rng.normal(size=2) * rng.choice([0.0, 0.5, 3.0])
    shape = rng.normal(size=(2, 2)) + 1.5 * np.eye(2)
    normals = rng.normal(size=(4, 2))
    return [
        Box(centre - rng.random(2), centre + rng.random(2)),
        Ball(centre, float(rng.random() + 0.1)),
        Ellipsoid(centre, shape),
        Polytope(normals, normals @ centre + rng.random(4)),
        Ellipsoid(centre, rng.normal(size=(2, int(rng.integers(3, 6))))),
    ]


def exact_inside(target, y: list) -> mpmath.mpf:
    """Depth with 60 digits, as `regions` defines it."""
    if isinstance(target, Box):
        return min(
            min(v - mpmath.mpf(float(low)), mpmath.mpf(float(high)) - v)
            for v, low, high in zip(y, target.lower, target.upper, strict=True)
        )
    if isinstance(target, Polytope):
        return min(
            (mpmath.mpf(float(b)) - high_precision.dot(a, y)) / mpmath.norm(high_precision.vector(a))
            for a, b in zip(target.normals, target.offsets, strict=True)
        )
    away = [v - mpmath.mpf(float(c)) for v, c in zip(y, target.centre, strict=True)]
    if isinstance(target, Ball):
        return mpmath.mpf(float(target.radius)) - mpmath.norm(away)
    shape = mpmath.matrix(target.shape.tolist())
    # the shortest of all v with S v = away
    v = shape.T * mpmath.lu_solve(shape * shape.T, mpmath.matrix(away))
    singular = mpmath.svd_r(shape, compute_uv=False)
    return (1 - mpmath.norm(v)) * min(singular)


def exact_outside(target, y: list) -> mpmath.mpf:
    """Distance with 60 digits."""
    if not isinstance(target, Box):
        return -exact_inside(target, y)
    excess = [
        max(mpmath.mpf(float(low)) - v, v - mpmath.mpf(float(high)))
        for v, low, high in zip(y, target.lower, target.upper, strict=True)
    ]
    away = [max(e, mpmath.mpf(0)) for e in excess]
    return mpmath.norm(away) if max(excess) > 0 else max(excess)


@pytest.mark.parametrize("seed", range(25))
def test_certified_margins_are_lower_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = small_network(2, 2, seed)
    lower = rng.normal(size=2)
    upper = lower + rng.random(2) * 10.0 ** rng.integers(-9, 1)
    form = TaylorForm.of_box(tensor(lower)[None], tensor(upper)[None]).through(NetworkView.of(network))
    images = [high_precision.network(network, high_precision.vector(x)) for x in points_of_box(rng, lower, upper, 7)]
    for target in sets(rng):
        region = region_of(target)
        inside = float(region.certified_inside(form).margin)
        outside = float(region.certified_outside(form).margin)
        for y in images:
            assert inside <= exact_inside(target, y), (target, y)
            assert outside <= exact_outside(target, y), (target, y)


@pytest.mark.parametrize("index", range(5))
def test_margins_of_a_point_are_almost_exact(index: int) -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        target = sets(rng)[index]
        point = rng.normal(size=2) * 2.0
        form = TaylorForm.of_box(tensor(point)[None], tensor(point)[None])
        region: AbstractRegion = region_of(target)
        depth = float(region.inside(tensor(point)))
        distance = float(region.outside(tensor(point)))
        assert float(region.certified_inside(form).margin) == pytest.approx(depth, rel=1e-5, abs=1e-9)
        # with the right direction the separation of a point is its distance
        if distance > 0.0:
            assert float(region.certified_outside(form).margin) == pytest.approx(distance, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("exponents", [(700, -600, 0), (-1000, 990, 5)])
def test_units_of_a_polytopes_rows_do_not_change_margins(exponents: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(4)
    normals, offsets = rng.normal(size=(3, 2)), rng.random(3)
    factors = 2.0 ** np.array(exponents)
    plain = region_of(Polytope(normals, offsets))
    scaled = region_of(Polytope(factors[:, None] * normals, factors * offsets))
    points = tensor(rng.normal(size=(20, 2)))
    form = TaylorForm.of_box(points, points + 0.1)
    assert torch.isfinite(plain.certified_inside(form).margin).all()
    for one, other in (
        (plain.inside(points), scaled.inside(points)),
        (plain.outside(points), scaled.outside(points)),
        (plain.certified_inside(form).margin, scaled.certified_inside(form).margin),
        (plain.certified_outside(form).margin, scaled.certified_outside(form).margin),
    ):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-14)


def test_rows_that_no_factor_fits_keep_their_true_margins() -> None:
    """A row scaled with rounding would be another half-space: certified bounds of it hold, if they say little."""
    target = Polytope([[1e300, 1e-300], [0.0, -1.0]], [1e-10, 1.0])
    form = TaylorForm.of_box(tensor([[-1.0, -0.5]]), tensor([[-0.9, 0.5]]))
    assert float(region_of(target).certified_inside(form).margin) <= 0.5


@pytest.mark.parametrize("columns", [2, 3])
def test_sampled_margins_of_a_small_ellipsoid_far_away(columns: int) -> None:
    """M x - M c would cancel: an error of 1e-7 of the size, seen here as 1e-10."""
    rng = np.random.default_rng(columns)
    centre = np.array([1e6 + 0.3, -2e6 - 0.7])
    target = Ellipsoid(centre, 1e-3 * (rng.normal(size=(2, columns)) + 2.0 * np.eye(2, columns)))
    region = region_of(target)
    for share in (0.0, 0.3, 0.999999, 1.0, 1.5):
        point = centre + share * target.support_vector(rng.normal(size=2), centre)
        exact = [mpmath.mpf(float(v)) for v in point]
        assert float(region.inside(tensor(point))) == pytest.approx(float(exact_inside(target, exact)), abs=1e-16)
        assert float(region.outside(tensor(point))) == pytest.approx(float(exact_outside(target, exact)), abs=1e-16)


def test_sublevel_margins_are_lower_bounds() -> None:
    target = Sublevel(lambda z: z[0] ** 2 + casadi.sin(z[1]) * z[0] - 0.5, dim=2)
    region = SublevelRegion(target)
    rng = np.random.default_rng(0)
    for _ in range(30):
        lower = rng.normal(size=2)
        upper = lower + rng.random(2) * 10.0 ** rng.integers(-6, 1)
        form = TaylorForm.of_box(tensor(lower)[None], tensor(upper)[None])
        inside = float(region.certified_inside(form).margin)
        outside = float(region.certified_outside(form).margin)
        for x in points_of_box(rng, lower, upper, 9):
            a, b = high_precision.vector(x)
            g = a * a + mpmath.sin(b) * a - mpmath.mpf(0.5)
            assert inside <= -g
            assert outside <= g


@pytest.mark.parametrize(
    ("expression", "exact"),
    [
        (lambda z: casadi.norm_inf(z) - 1, lambda a, b: max(abs(a), abs(b)) - 1),
        (lambda z: casadi.norm_1(z) - 1, lambda a, b: abs(a) + abs(b) - 1),
        (lambda z: casadi.fmin(z[0], z[1] * z[0]), lambda a, b: min(a, a * b)),
        (lambda z: casadi.SX(-3), lambda a, b: mpmath.mpf(-3)),
    ],
)
def test_inequalities_with_kinks_or_without_variables(expression, exact) -> None:
    region, rng = SublevelRegion(Sublevel(expression, dim=2)), np.random.default_rng(1)
    for _ in range(20):
        lower = rng.normal(size=2)
        upper = lower + rng.random(2) * 10.0 ** rng.integers(-6, 1)
        form = TaylorForm.of_box(tensor(lower)[None], tensor(upper)[None])
        inside, outside = region.certified_inside(form), region.certified_outside(form)
        assert inside.direction.shape == outside.direction.shape == (1, 2)
        for x in points_of_box(rng, lower, upper, 9):
            g = exact(*high_precision.vector(x))
            assert float(inside.margin) <= -g
            assert float(outside.margin) <= g
        # and they are not void: over a point little is lost
        point = TaylorForm.of_box(tensor(lower)[None], tensor(lower)[None])
        assert float(region.certified_outside(point).margin) >= exact(*high_precision.vector(lower)) - 1e-12


def only(requirement: Requirement, horizon: int = 4) -> Monitor:
    (monitor,) = monitors_of(Spec((requirement,)), ["x", "y"], ["u"], horizon)
    return monitor


def signals(*points: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor([points], dtype=torch.float64)


UNIT = Box(np.zeros(2), np.ones(2))


def test_sets_are_closed() -> None:
    """A boundary point satisfies Stay and Reach and violates Avoid."""
    edge = signals((1.0, 0.5, 0.0), (1.0, 1.0, 0.0))
    for requirement, holds in ((Stay(UNIT), True), (Reach(UNIT, at=1), True), (Avoid(UNIT), False)):
        monitor = only(requirement, 1)
        assert bool(monitor.holds(monitor.trajectory_margin(edge))[0]) is holds


def test_reach_within_asks_for_some_time_and_reach_at_for_that_time() -> None:
    passing = signals((3.0, 0.0, 0.0), (0.5, 0.5, 0.0), (3.0, 0.0, 0.0), (3.0, 0.0, 0.0), (3.0, 0.0, 0.0))
    within, late, at = Reach(UNIT, within=4), Reach(UNIT, within=0), Reach(UNIT, at=2)
    assert [float(only(r).trajectory_margin(passing)) > 0.0 for r in (within, late, at)] == [True, False, False]


def test_during_and_moving_sets() -> None:
    path = signals((0.5, 0.5, 0.0), (5.0, 0.0, 0.0), (6.0, 0.0, 0.0), (7.0, 0.5, 0.0), (0.0, 0.0, 0.0))
    assert float(only(Avoid(UNIT, during=(1, 3))).trajectory_margin(path)) > 0.0
    assert float(only(Avoid(UNIT)).trajectory_margin(path)) <= 0.0
    moving = Moving(UNIT, np.array([2.0, 0.0]))
    assert float(only(Avoid(moving, during=(1, 3))).trajectory_margin(path)) <= 0.0
    form = TaylorForm.of_box(*(torch.tensor([[7.0, 0.5, 0.0]]).double(),) * 2)
    found = only(Stay(moving, during=(3, 3))).certified(3, form)
    assert float(found.margin) == pytest.approx(0.0, abs=1e-12)


def test_inputs_do_not_count_at_the_horizon() -> None:
    monitor = only(Stay(Box(np.array([-1.0]), np.array([1.0])), on=("u",)))
    assert (monitor.first, monitor.last, monitor.lanes) == (0, 3, [2])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: only(Stay(UNIT, on=("x", "z"))), UnknownNameError, "unknown signal 'z'"),
        (lambda: only(Stay(UNIT, on=("x",))), DimensionError, "2 coordinates but is over 1 signals"),
        (lambda: only(Reach(UNIT, at=9)), InputError, "speaks of time 9"),
        (lambda: only(Avoid(UNIT, during=(3, 1))), InputError, "first time before the last"),
        (lambda: only(Avoid(UNIT, during=(0.5, 1))), InputError, "time 0.5"),
        (lambda: Reach(UNIT), InputError, "exactly one of at=TIME and within=TIME"),
        (lambda: Spec(()), InputError, "at least one requirement"),
        (lambda: Stay(UNIT, name="a") & Avoid(UNIT, name="a"), InputError, "two requirements are named 'a'"),
        (lambda: Moving(UNIT, np.zeros(3)), DimensionError, "3 entries"),
        (lambda: only(Avoid(Zonotope(np.zeros(2), np.eye(2)))), UnsupportedError, "type Zonotope"),
        (lambda: only(Avoid(Ellipsoid(np.zeros(2), np.ones((2, 2))))), UnsupportedError, "flat or extremely thin"),
        (lambda: only(Avoid(Ellipsoid(np.zeros(2), np.ones((2, 3))))), UnsupportedError, "flat or extremely thin"),
        (
            lambda: only(Stay(Ellipsoid(np.zeros(2), np.ones((2, 1))))),
            UnsupportedError,
            "a column for every coordinate",
        ),
    ],
)
def test_mistakes_are_named(make, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_ids_and_conjunction() -> None:
    spec = Stay(UNIT) & Avoid(UNIT, name="wall") & Stay(UNIT)
    assert [id for id, _ in spec.items()] == ["stay-1", "wall", "stay-2"]
