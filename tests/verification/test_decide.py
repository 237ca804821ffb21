"""Verdicts: right, proved, and never claimed when something ran out."""

from __future__ import annotations

import math

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.activations import Identity, Relu, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.progress import SilentProgress
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.branch_and_bound.engine import BranchAndBoundEngine
from nnctrl.verification.branch_and_bound.falsify import Falsifier
from nnctrl.verification.decide import falsify, reach, verify
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Budget
from nnctrl.verification.verdict import Reason, Result, Verdict
from tests import high_precision
from tests.loops import integrator_loop, simulate_exactly, small_network
from tests.random_networks import points_of_box

START = Box(np.array([0.4, -0.3]), np.array([0.8, 0.1]))
HORIZON = 8


def problem(
    *requirements: Requirement, loop: ClosedLoop | None = None, initial: AbstractSet = START, horizon: int = HORIZON
) -> Problem:
    return Problem(loop or integrator_loop(), initial, Spec(requirements), horizon, "test")


def decide(question: Problem, **budget: float) -> Result:
    return verify(question, engine=BranchAndBoundEngine(), budget=Budget(**budget))


def simulated(loop: ClosedLoop, count: int = 40) -> np.ndarray:
    """Float values of exact trajectories [count, horizon + 1, 2] without disturbance."""
    rng = np.random.default_rng(0)
    size = 0 if loop.step.disturbance is None else loop.step.disturbance.dim
    paths = [
        simulate_exactly(loop, x0, np.zeros((HORIZON, size)))[0]
        for x0 in points_of_box(rng, START.lower, START.upper, count)
    ]
    return np.array([[[float(v) for v in x] for x in path] for path in paths])


def test_verified_and_falsified_on_either_side_of_the_tube() -> None:
    """A half-space just beyond what is reached is proved; one just short of it is refuted."""
    highest = simulated(integrator_loop())[:, :, 0].max()
    for bound, verdict in ((highest + 0.05, Verdict.VERIFIED), (highest - 0.01, Verdict.FALSIFIED)):
        result = decide(problem(Stay(Polytope(np.array([[1.0, 0.0]]), np.array([bound])))))
        assert result.verdict is verdict
        (row,) = result.requirements
        if verdict is Verdict.VERIFIED:
            assert 0.0 <= row.margin_certified <= row.margin_sampled


def test_margins_enclose_the_truth() -> None:
    ball = Ball(np.array([1.5, 0.5]), 0.2)
    result = decide(problem(Avoid(ball)))
    assert result.verdict is Verdict.VERIFIED
    (row,) = result.requirements
    distances = np.linalg.norm(simulated(integrator_loop()) - ball.centre, axis=-1) - ball.radius
    assert row.margin_certified <= distances.min() + 1e-12
    assert row.margin_certified <= row.margin_sampled


def assert_proved(result: Result, question: Problem) -> None:
    """The counterexample starts in the initial set and violates in exact arithmetic."""
    point = result.counterexample
    assert result.verdict is Verdict.FALSIFIED
    assert question.initial_set.contains(point.x0).verdict == "inside"
    states, inputs = simulate_exactly(question.closed_loop, point.x0, point.w)
    (requirement,) = (r for id, r in question.spec.items() if id == point.requirement)
    last = states[len(point.t) - 1]
    target = requirement.target
    if isinstance(requirement, Avoid):
        away = [v - mpmath.mpf(float(c)) for v, c in zip(last, target.centre, strict=True)]
        assert mpmath.norm(away) <= target.radius
        assert point.violation <= target.radius - mpmath.norm(away)
    assert np.allclose([[float(v) for v in x] for x in states[: len(point.t)]], point.x, atol=1e-9)
    assert np.allclose([[float(v) for v in u] for u in inputs[: len(point.u)]], point.u, atol=1e-9)


@pytest.mark.parametrize(
    "kind",
    [{}, {"disturbed": True}, {"delay": 2}, {"saturated": True}],
    ids=["plain", "disturbed", "delay", "saturated"],
)
def test_a_ball_on_the_trajectory_is_hit(kind: dict) -> None:
    loop = integrator_loop(**kind)
    centre = simulated(loop, 1)[0, 5]
    question = problem(Avoid(Ball(centre, 0.05)), loop=loop)
    assert_proved(decide(question), question)


def test_gradients_find_what_samples_miss() -> None:
    """A violation at one vertex of a long thin set, found by descent from samples."""
    loop = integrator_loop()
    corner, _ = simulate_exactly(loop, START.upper, np.zeros((HORIZON, 0)))
    highest = max(float(x[0]) for x in corner)
    question = problem(Stay(Polytope(np.array([[1.0, 0.0]]), np.array([highest - 1e-7]))))
    result = falsify(question, engine=BranchAndBoundEngine(), samples=50)
    assert result.verdict is Verdict.FALSIFIED


def test_touching_is_never_verified_for_avoid() -> None:
    """A face of the initial set lies in the avoided half-space exactly; Stay in the complement's closure is not
    refuted.
    """
    wall = Polytope(np.array([[-1.0, 0.0]]), np.array([-START.upper[0]]))
    result = decide(problem(Avoid(wall, during=(0, 0))))
    assert result.verdict is not Verdict.VERIFIED
    inside = Polytope(np.array([[1.0, 0.0]]), np.array([START.upper[0]]))
    assert decide(problem(Stay(inside, during=(0, 0)))).verdict is not Verdict.FALSIFIED


def test_input_requirements() -> None:
    loop = integrator_loop(saturated=True)
    wide = Box(np.array([-0.61]), np.array([0.51]))
    assert decide(problem(Stay(wide, on=("u",)), loop=loop)).verdict is Verdict.VERIFIED
    _, inputs = simulate_exactly(loop, START.centre, np.zeros((HORIZON, 0)))
    first = float(inputs[0][0])
    without = Box(np.array([first + 0.01]), np.array([1.0]))
    result = decide(problem(Stay(without, on=("u",), during=(0, 0)), loop=loop))
    assert result.verdict is Verdict.FALSIFIED
    assert len(result.counterexample.u) == 1


def test_reach_within_lets_every_trajectory_choose_its_time() -> None:
    paths = simulated(integrator_loop())
    goal = Box(paths[:, 3].min(axis=0) - 0.02, paths[:, 3].max(axis=0) + 0.02)
    assert decide(problem(Reach(goal, within=HORIZON))).verdict is Verdict.VERIFIED
    far = Box(np.full(2, 40.0), np.full(2, 41.0))
    question = problem(Reach(far, within=HORIZON))
    result = decide(question)
    assert result.verdict is Verdict.FALSIFIED
    assert len(result.counterexample.t) == HORIZON + 1


def test_expressions_as_sets() -> None:
    path = simulated(integrator_loop(), 60)
    energy = (path**2).sum(axis=-1).max()
    disc = Sublevel(lambda z: z[0] ** 2 + z[1] ** 2 - (energy + 0.05), dim=2)
    assert decide(problem(Stay(disc))).verdict is Verdict.VERIFIED
    small = Sublevel(lambda z: casadi.sqrt(z[0] ** 2 + z[1] ** 2) - 0.5 * np.sqrt(energy), dim=2)
    assert decide(problem(Stay(small))).verdict is Verdict.FALSIFIED


@pytest.mark.parametrize(
    "initial",
    [
        Zonotope(np.array([0.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]])),
        Ball(np.array([0.5, 0.0]), 0.2),
        Ellipsoid(np.array([0.5, 0.0]), np.array([[0.2, 0.1], [0.0, 0.1]])),
        Ellipsoid(np.array([0.5, 0.0]), np.array([[0.2, 0.1, -0.1], [0.0, 0.1, 0.1]])),
        Ellipsoid(np.array([0.5, 0.0]), np.array([[0.2], [0.0]])),
        Ellipsoid(np.array([0.5, 0.0]), np.zeros((2, 0))),
        Polytope(np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]), np.array([0.8, -0.3, 0.1])),
    ],
    ids=lambda s: type(s).__name__,
)
def test_every_kind_of_initial_set(initial: AbstractSet) -> None:
    loop = integrator_loop()
    rng = np.random.default_rng(0)
    starts = initial.sample(rng, 50)
    paths = np.array(
        [[[float(v) for v in x] for x in simulate_exactly(loop, x0, np.zeros((HORIZON, 0)))[0]] for x0 in starts]
    )
    low, high = paths.min(axis=(0, 1)) - 0.7, paths.max(axis=(0, 1)) + 0.7
    result = decide(problem(Stay(Box(low, high), during=(0, 3)), loop=loop, initial=initial))
    assert result.verdict is Verdict.VERIFIED
    middle = paths[0, 4]
    question = problem(Avoid(Ball(middle, 0.05)), loop=loop, initial=initial)
    assert_proved(decide(question), question)


def test_reach_encloses_an_initial_ellipsoid_with_more_columns_than_coordinates() -> None:
    initial = Ellipsoid(np.array([0.5, 0.0]), np.array([[0.2, 0.1, -0.1], [0.0, 0.1, 0.1]]))
    loop = integrator_loop()
    target = Ellipsoid(np.array([0.5, 0.0]), np.array([[4.0, 0.0, 1.0], [0.0, 4.0, 1.0]]))
    question = problem(Stay(target), loop=loop, initial=initial, horizon=3)
    assert decide(question).verdict is Verdict.VERIFIED
    tube = reach(question, engine=BranchAndBoundEngine(), budget=Budget())
    assert tube.flowpipe is not None
    directions = np.concatenate([np.eye(2), -np.eye(2), [[1.0, -2.0]]])
    starts = initial.sample_inside(np.random.default_rng(1), 20)
    assert len(starts) > 10
    for x0 in starts:
        for k, x in enumerate(simulate_exactly(loop, x0, np.zeros((3, 0)))[0]):
            support = tube.flowpipe.support(k, directions)
            assert all(high_precision.dot(d, x) <= s for d, s in zip(directions, support, strict=True))


def test_budgets_end_in_unknown_with_their_reason() -> None:
    """A requirement so tight that it needs many parts."""
    paths = simulated(integrator_loop(), 300)
    low, high = paths[:, -1].min(axis=0) - 1e-4, paths[:, -1].max(axis=0) + 1e-4
    question = problem(Stay(Box(low, high), during=(HORIZON, HORIZON)))
    for budget, reason in (({"nodes": 3}, Reason.NODE_BUDGET), ({"timeout_s": 1e-9}, Reason.TIME_BUDGET)):
        result = decide(question, **budget)
        assert result.verdict is Verdict.UNKNOWN
        assert result.reason is reason


def test_split_limit_is_unknown() -> None:
    """Between the sampled and the true extreme no splitting helps in the end."""
    loop = integrator_loop()
    corner, _ = simulate_exactly(loop, START.upper, np.zeros((HORIZON, 0)))
    exact = max(x[0] for x in corner)
    bound = float(exact)
    wall = Polytope(np.array([[1.0, 0.0]]), np.array([bound if bound >= exact else np.nextafter(bound, np.inf)]))
    result = decide(problem(Stay(wall), loop=loop))
    assert result.verdict is Verdict.UNKNOWN
    assert result.reason in (Reason.SPLIT_LIMIT, Reason.NODE_BUDGET)


def test_splitting_covers_what_one_part_cannot_prove() -> None:
    paths = simulated(integrator_loop(), 300)
    low, high = paths[:, -1].min(axis=0) - 2e-2, paths[:, -1].max(axis=0) + 2e-2
    result = decide(problem(Stay(Box(low, high), during=(HORIZON, HORIZON))))
    assert result.verdict is Verdict.VERIFIED
    assert result.statistics.splits > 0
    assert result.statistics.parts == result.statistics.splits + 1


def test_flowpipe_contains_exact_trajectories() -> None:
    result = decide(problem(Stay(Box(np.full(2, -50.0), np.full(2, 50.0)))))
    rng = np.random.default_rng(4)
    directions = rng.normal(size=(5, 2))
    for x0 in points_of_box(rng, START.lower, START.upper, 6):
        states, _ = simulate_exactly(integrator_loop(), x0, np.zeros((HORIZON, 0)))
        for k, x in enumerate(states):
            support = result.flowpipe.support(k, directions)
            assert all(high_precision.dot(d, x) <= s for d, s in zip(directions, support, strict=True))


def test_reach_reports_accuracy() -> None:
    question = problem(Stay(Box(np.full(2, -50.0), np.full(2, 50.0))))
    result = reach(question, engine=BranchAndBoundEngine(), settings={"eps": 1e-3, "mode": "per-step"})
    assert result.verdict is None
    assert result.reason is None
    assert 0.0 <= result.statistics.gap <= 1e-3
    assert result.statistics.nodes >= 4 * HORIZON
    short = reach(question, engine=BranchAndBoundEngine(), budget=Budget(nodes=1), settings={"eps": 1e-9})
    assert short.reason is Reason.NODE_BUDGET


def test_branch_and_bound_refuses_continuous_plants_and_auto_takes_another_engine() -> None:
    plant = LinearPlant(A=[[0.0]], B=[[1.0]], states={"x": "1"}, inputs={"u": "1"})
    loop = compose(plant, Controller(small_network(1, 1), period=0.1))
    wide = Stay(Box(np.full(1, -50.0), np.full(1, 50.0)))
    question = Problem(loop, Box(np.zeros(1), np.ones(1)), Spec((wide,)), 0.5, "continuous")
    with pytest.raises(UnsupportedError, match="continuous"):
        verify(question, engine="branch-and-bound")
    result = verify(question)
    assert (result.verdict, result.engine) == (Verdict.VERIFIED, "polynomial")
    assert "the plant is continuous" in result.notes[0]
    # a key that only one engine has keeps the others out
    with pytest.raises(UnsupportedError, match="no key 'eps'"):
        verify(question, settings={"eps": 0.1})


def test_an_unknown_still_tells_which_requirements_hold() -> None:
    """A wall through the reached set leaves one requirement open; the other one is proved on the open parts too."""
    highest = simulated(integrator_loop())[:, :, 0].max()
    wall = Stay(Polytope(np.array([[1.0, 0.0]]), np.array([highest + 1e-9])), name="wall")
    wide = Stay(Box(np.full(2, -50.0), np.full(2, 50.0)), name="wide")
    result = decide(problem(wide, wall), nodes=1)
    assert result.verdict is Verdict.UNKNOWN
    rows = {row.id: row for row in result.requirements}
    assert (rows["wide"].verdict, rows["wall"].verdict) == (Verdict.VERIFIED, Verdict.UNKNOWN)
    assert 0.0 <= rows["wide"].margin_certified <= rows["wide"].margin_sampled
    assert -1.0 < rows["wall"].margin_certified < 0.0


def test_the_time_budget_is_kept_within_a_long_enclosure() -> None:
    """It is looked at after every step, not only after the horizon; enclosing it all takes some fifty times longer."""
    question = problem(Stay(Box(np.full(2, -1e9), np.full(2, 1e9))), horizon=2000)
    result = decide(question, timeout_s=0.3)
    assert result.reason is Reason.TIME_BUDGET
    assert result.wall_s < 5.0


@pytest.mark.parametrize("mode", ["per-step", "k-step", "combined"])
def test_reach_ends_with_its_time(mode: str) -> None:
    question = problem(Stay(Box(np.full(2, -1e9), np.full(2, 1e9))), horizon=400)
    result = reach(question, budget=Budget(timeout_s=0.5), settings={"mode": mode, "eps": 1e-6})
    assert result.reason is Reason.TIME_BUDGET
    assert result.statistics.steps < 400
    assert result.wall_s < 10.0


def test_falsification_takes_its_share_of_the_budget_only() -> None:
    compiled = CompiledProblem.of(problem(Stay(Box(np.full(2, -50.0), np.full(2, 50.0)))))
    meter = Meter(seconds=20.0)
    found = Falsifier(compiled, samples=10**9, seed=0).run(meter.share(0.05), SilentProgress())
    assert meter.elapsed() < 10.0
    assert found.counterexample is None
    assert np.isfinite(found.margins).all()


@pytest.mark.parametrize("ask", [verify, falsify, reach])
@pytest.mark.parametrize("holds", [True, False])
def test_the_time_budget_is_kept_within_a_long_simulation(ask, holds: bool) -> None:
    """One trajectory to the horizon takes longer than the budget; nothing is said that was not seen."""
    far = 1e9 if holds else 1e-9
    question = problem(Stay(Box(np.full(2, -far), np.full(2, far))), horizon=100_000)
    result = ask(question, budget=Budget(timeout_s=1.0))
    assert result.reason is Reason.TIME_BUDGET
    assert result.verdict is not Verdict.VERIFIED
    assert result.wall_s < 8.0
    assert all(math.isnan(row.margin_sampled) for row in result.requirements)


def test_requirements_that_depend_on_nothing() -> None:
    """An inequality without variables has no gradient to follow."""
    everything, nothing = (Sublevel(lambda z, c=value: casadi.SX(c), dim=2) for value in (-1.0, 1.0))
    assert decide(problem(Stay(everything), Avoid(nothing))).verdict is Verdict.VERIFIED
    assert decide(problem(Stay(nothing))).verdict is Verdict.FALSIFIED


def test_inequalities_with_kinks_are_decided() -> None:
    paths = simulated(integrator_loop(), 300)
    far = float(np.abs(paths).max())
    for limit, verdict in ((far + 0.3, Verdict.VERIFIED), (0.5 * far, Verdict.FALSIFIED)):
        inside = Sublevel(lambda z, b=limit: casadi.norm_inf(z) - b, dim=2)
        assert decide(problem(Stay(inside))).verdict is verdict


def test_given_directions_are_bounded_at_every_step() -> None:
    loop = integrator_loop(delay=1)
    question = problem(Stay(Box(np.full(2, -50.0), np.full(2, 50.0))), loop=loop)
    settings = {"directions": (1.0, 1.0, 0.0, -2.0), "eps": 1e-3, "mode": "k-step"}
    result = reach(question, engine=BranchAndBoundEngine(), settings=settings)
    given = np.array([[1.0, 1.0], [0.0, -2.0]])
    paths = simulated(loop)
    for k in range(1, HORIZON + 1):
        directions, support = result.flowpipe.template(k)
        np.testing.assert_array_equal(directions[-2:], given)
        values = paths[:, k] @ given.T
        assert (values <= support[-2:]).all()
        # corners are among the samples, so the bound is as close to them as it was asked to be, nearly
        assert (support[-2:] - values.max(axis=0) < 0.05).all()
    assert result.statistics.directions == 2 * 3 + 2


@pytest.mark.parametrize(
    ("numbers", "text"), [((1.0, 2.0, 3.0), "3 numbers, which do not make rows of 2"), ((0.0, 0.0), "zeros only")]
)
def test_directions_that_make_no_sense_are_refused(numbers: tuple[float, ...], text: str) -> None:
    question = problem(Stay(Box(np.full(2, -50.0), np.full(2, 50.0))))
    with pytest.raises(InputError, match=text):
        reach(question, engine=BranchAndBoundEngine(), settings={"directions": numbers})


def plain_loop(gain: float, network: Network | None = None, size: int = 1) -> ClosedLoop:
    """x+ = gain x + network(x), by default without a controller to speak of."""
    silent = Network.from_layers([np.zeros((1, size)), np.zeros((size, 1))], [np.zeros(1), np.zeros(size)], Tanh())
    return compose(LinearPlant(gain * np.eye(size), np.eye(size), dt=1.0), Controller(network or silent))


def test_parts_do_not_disturb_each_other() -> None:
    """Wide parts overflow behind a relu that is off in narrow ones; those must not lose what bends their lanes.

    A violation at q = 0, r = centre is found by neither samples nor descent, so that the enclosure alone decides.
    """
    big, centre = 1e200, np.array([0.37, 0.61, 0.43, 0.29, 0.71, 0.55])
    m = len(centre)
    first, bias = np.zeros((3 + 2 * m, m + 2)), np.zeros(3 + 2 * m)
    first[0, 0] = first[1, 0] = 3.0
    bias[1] = 0.6
    first[2, 0], bias[2] = -5.0, -2.5
    for i in range(m):
        first[3 + 2 * i, 2 + i], bias[3 + 2 * i] = 1.0, -centre[i]
        first[4 + 2 * i, 2 + i], bias[4 + 2 * i] = -1.0, centre[i]
    second = np.zeros((2, 3 + 2 * m))
    second[0, :2], second[1, 2:] = (1.0, -1.0), 1.0
    gain, zero, identity = Affine([[big, 0.0], [0.0, 1.0]], [0.0, 0.0]), np.zeros(2), (Identity(), 1)
    affines = (Affine(first, bias), Affine(second, zero), gain, gain, Affine([[1.0, 0.0], [0.0, -1.0]], [0.0, 0.2]))
    half = ActivationLayer(((Relu(), 1), identity))
    wide = ActivationLayer(((Tanh(), 2), (Relu(), 2 * m + 1)))
    layers = (wide, half, half, half, ActivationLayer((identity, (Relu(), 1))))
    network = Network((Block((*affines, Affine([[0.0, 1.0]], [0.0])), layers),))
    A, B, up = np.eye(m + 2), np.zeros((m + 2, 1)), np.zeros((1, m + 2))
    A[1, 1], B[1, 0], up[0, 1] = 0.0, 1.0, 1.0
    loop = compose(LinearPlant(A, B, dt=1.0), Controller(network))
    start = Box(np.r_[-2.0, 0.0, np.zeros(m)], np.r_[0.3, 0.0, np.ones(m)])
    assert loop.step(loop.start(np.r_[0.0, 0.0, centre]))[0][1] == pytest.approx(0.2)
    limit = Stay(Polytope(up, np.array([0.15])), during=(1, 1))
    result = verify(problem(limit, loop=loop, initial=start, horizon=1), budget=Budget(timeout_s=5.0))
    assert result.verdict is not Verdict.VERIFIED


def test_a_flowpipe_ends_where_a_part_overflows() -> None:
    network = Network.from_layers([[[1.0]], [[1e154]]], [[0.0], [0.0]], Relu())
    here = Stay(Box([-9.0], [200.0]), during=(0, 0))
    result = decide(problem(here, loop=plain_loop(0.0, network), initial=Box([-1.0], [100.0]), horizon=3))
    assert result.verdict is Verdict.VERIFIED
    assert len(result.flowpipe.steps) == 2
    assert any("the flowpipe ends before step 2" in note for note in result.notes)


def test_a_violation_before_an_overflow_is_found() -> None:
    question = problem(Stay(Box([-1e300], [1e300])), loop=plain_loop(1e100), initial=Box([1.5], [2.0]), horizon=5)
    result = falsify(question)
    assert result.verdict is Verdict.FALSIFIED
    assert result.counterexample.t[-1] == 3.0


def test_divergence_is_named() -> None:
    question = problem(Stay(Box([-1.7e308], [1.7e308])), loop=plain_loop(1e100), initial=Box([1.0], [2.0]), horizon=5)
    assert falsify(question).verdict is Verdict.UNKNOWN
    assert decide(question).reason is Reason.ENCLOSURE_DIVERGED
    assert reach(question, settings={"mode": "per-step"}).reason is Reason.ENCLOSURE_DIVERGED


def test_a_point_without_generators_and_a_thin_polytope_are_initial_sets() -> None:
    loop = plain_loop(0.5, size=2)
    point = Zonotope(np.array([0.05, 1.0]), np.zeros((2, 0)))
    edge = Stay(Box([-1.0, -1.0], [0.05, 2.0]), during=(0, 0))
    assert decide(problem(edge, loop=loop, initial=point)).verdict is not Verdict.FALSIFIED
    assert reach(problem(edge, loop=loop, initial=point)).reason is None
    normals = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    thin = Polytope(normals, np.array([1e-9, 1e-9, 1.0, 1.0]))
    everything = Stay(Box([-5.0, -5.0], [5.0, 5.0]))
    assert decide(problem(everything, loop=loop, initial=thin)).verdict is Verdict.VERIFIED
    assert reach(problem(everything, loop=loop, initial=thin)).verdict is None
