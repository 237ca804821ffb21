"""What is called impossible is: never a task that has a controller, also where every limit is only just met."""

from __future__ import annotations

import re
import time
import warnings
from fractions import Fraction

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl import (
    Avoid,
    Ball,
    Box,
    Ellipsoid,
    LinearPlant,
    Plant,
    Polytope,
    Reach,
    Spec,
    Stay,
    Sublevel,
    Zonotope,
)
from nnctrl.branching.meter import Meter
from nnctrl.learning.impossibility import motion
from nnctrl.learning.impossibility.motion import SampledMotion, exponential
from nnctrl.learning.impossibility.points import extreme_point
from nnctrl.learning.impossibility.proof import impossibility
from nnctrl.learning.impossibility.weights import HalfSpaces, Question, Weights, bound
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task
from tests.learning.impossible_tasks import GOAL, UNIT, double_integrator, interval, scalar


def seeds(fast: int, total: int) -> list:
    """The first of `total` seeds always, the others among the slow tests."""
    return [pytest.param(seed, marks=[pytest.mark.slow] * (seed >= fast)) for seed in range(total)]


class Instance:
    """A plant of small whole numbers and, for every corner of a box, inputs of size 1 and a trajectory, all exact."""

    def __init__(self, rng: np.random.Generator, disturbed: bool = False) -> None:
        n, m = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        self.steps = int(rng.integers(1, 6))
        self.A, self.B = rng.integers(-1, 2, (n, n)).astype(float), rng.integers(-2, 3, (n, m)).astype(float)
        self.c, self.E = rng.integers(-1, 2, n).astype(float), rng.integers(-1, 2, (n, int(disturbed))).astype(float)
        centre, radius = rng.integers(-4, 5, n).astype(float), rng.integers(0, 3, n) / 4.0
        self.box = Box(centre - radius, centre + radius)
        self.inputs = rng.integers(-1, 2, (len(self.box.vertices()), self.steps, m)).astype(float)
        states = [self.box.vertices()]
        for k in range(self.steps):
            states.append(states[-1] @ self.A.T + self.inputs[:, k] @ self.B.T + self.c)
        # what a disturbance of size 1 adds to every coordinate up to step k
        growth, added = [np.zeros(n)], np.eye(n)
        for _ in range(self.steps):
            growth.append(growth[-1] + abs(added @ self.E).sum(axis=1))
            added = self.A @ added
        self.states, self.growth = states, growth
        self.plant = LinearPlant(
            self.A, self.B, self.c, self.E, dt=1.0, ranges={f"w{k + 1}": (-1.0, 1.0) for k in range(self.E.shape[1])}
        )

    def hull(self, k: int) -> Box:
        return Box(self.states[k].min(axis=0) - self.growth[k], self.states[k].max(axis=0) + self.growth[k])

    def limits(self) -> Stay:
        m = self.B.shape[1]
        return Stay(Box(-np.ones(m), np.ones(m)), on=tuple(self.plant.inputs), name="inputs")

    def task(self, *requirements, initial=None) -> Task:
        spec = Spec((self.limits(), *requirements))
        return Task(self.plant, self.box if initial is None else initial, spec, self.steps, "instance")

    def farthest(self, corner: np.ndarray, axis: int, k: int) -> Fraction:
        """The greatest coordinate that inputs of size at most 1 reach from a corner after k steps, undisturbed."""
        row, total = [Fraction(int(i == axis)) for i in range(len(self.A))], Fraction(0)
        for _ in range(k):
            total += sum(abs(sum(r * Fraction(b) for r, b in zip(row, column, strict=True))) for column in self.B.T)
            total += sum(r * Fraction(c) for r, c in zip(row, self.c, strict=True))
            row = [sum(r * Fraction(a) for r, a in zip(row, column, strict=True)) for column in self.A.T]
        return total + sum(r * Fraction(x) for r, x in zip(row, corner, strict=True))


def subsets(box: Box):
    """Sets within a box, also such that touch its sides."""
    yield box
    yield box.to_zonotope()
    yield Box(box.vertices()[0], box.vertices()[0])
    if (box.radius > 0.0).all():
        yield Ball(box.centre, float(box.radius.min()))
        yield Ellipsoid(box.centre, np.diag(box.radius))
        yield Polytope.from_box(box)


@pytest.mark.parametrize("seed", seeds(6, 60))
def test_tasks_with_a_controller_are_never_called_impossible(seed: int) -> None:
    """From every corner known inputs lead to the corners of hulls, which are the sets to stay in and the goal: all
    limits are touched. From points between corners the inputs between do the same.
    """
    rng = np.random.default_rng(seed)
    for _ in range(4):
        instance = Instance(rng, disturbed=bool(rng.integers(2)))
        last, n = instance.steps, len(instance.A)
        stays = [Stay(instance.hull(k), during=(k, k), name=f"hull {k}") for k in range(last + 1)]
        goal = instance.hull(last)
        normals = rng.integers(-2, 3, (3, n)).astype(float)
        normals = normals[normals.any(axis=1)]
        ends = np.concatenate([goal.vertices()])
        goals = [Reach(goal, at=last, name="goal"), Reach(goal, within=last, name="goal")]
        if len(normals):
            goals.append(Reach(Polytope(normals, (ends @ normals.T).max(axis=0)), at=last, name="goal"))
        beyond = Box(goal.upper + 0.25, goal.upper + 2.0)
        walls = [[], stays, [stays[0], stays[-1], Avoid(beyond, during=(last, last), name="wall")]]
        for initial in subsets(instance.box):
            # all combinations take minutes: two of each kind of initial set
            for _ in range(2):
                reach, wall = goals[rng.integers(len(goals))], walls[rng.integers(len(walls))]
                assert impossibility(instance.task(*wall, reach, initial=initial)) is None


@pytest.mark.parametrize("seed", seeds(6, 40))
def test_round_goals_that_are_only_touched_are_not_called_impossible(seed: int) -> None:
    rng = np.random.default_rng(seed)
    instance = Instance(rng)
    corner, end = instance.states[0][0], instance.states[-1][0]
    away = np.zeros(len(end))
    away[0] = 5.0
    if len(end) > 1:
        away[:2] = 3.0, 4.0
    start = Box(corner, corner)
    for goal in (Ball(end + away, 5.0), Ellipsoid(end + away, 5.0 * np.eye(len(end)))):
        assert impossibility(instance.task(Reach(goal, at=instance.steps), initial=start)) is None


@pytest.mark.parametrize("seed", seeds(6, 60))
def test_goals_out_of_reach_are_found_and_the_bound_that_is_told_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        instance = Instance(rng, disturbed=bool(rng.integers(2)))
        last, axis, n = instance.steps, int(rng.integers(len(instance.A))), len(instance.A)
        corners = instance.box.vertices()
        # out of reach from one corner is enough
        best = float(min(instance.farthest(corner, axis, last) for corner in corners))
        gap = 0.01 * (1.0 + abs(best))
        lower, upper = np.full(n, -1e3), np.full(n, 1e3)
        lower[axis] = best + gap
        said = impossibility(instance.task(Reach(Box(lower, upper), at=last, name="goal")))
        assert said is not None
        assert f"at step {last}" in said
        told = re.search(rf"x{axis + 1} is at most (\S+) there", said)
        assert told is not None
        start = np.array([float(v) for v in re.search(r"= \(?([^)]*?)\)? no input", said).group(1).split(", ")])
        assert Fraction(told.group(1)) >= instance.farthest(start, axis, last)
        assert float(told.group(1)) < lower[axis]


@pytest.mark.parametrize("seed", seeds(6, 40))
def test_goals_out_of_reach_within_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    instance = Instance(rng)
    axis, n = int(rng.integers(len(instance.A))), len(instance.A)
    corner = instance.box.vertices()[0]
    best = float(max(instance.farthest(corner, axis, k) for k in range(instance.steps + 1)))
    lower, upper = np.full(n, -1e3), np.full(n, 1e3)
    start, reach = Box(corner, corner), lambda: Reach(Box(lower, upper), within=instance.steps, name="goal")
    lower[axis] = best
    assert impossibility(instance.task(reach(), initial=start)) is None
    lower[axis] = best + 0.01 * (1.0 + abs(best))
    said = impossibility(instance.task(reach(), initial=start))
    assert said is not None
    assert f"by step {instance.steps}" in said


@pytest.mark.parametrize("seed", seeds(10, 30))
def test_the_bound_of_weighted_requirements_holds_in_exact_arithmetic(seed: int) -> None:
    """For any weights, at the worst inputs of their boxes and at random ones: with doubles of all sizes."""
    rng = np.random.default_rng(seed)
    n, m, samples = int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(0, 5))
    A, B, c = rng.normal(size=(n, n)), rng.normal(size=(n, m)), rng.normal(size=(n, 1)) * 10.0 ** rng.integers(-3, 4)
    motion = SampledMotion(Enclosed.exact(A), Enclosed.exact(B), Enclosed.exact(c), np.zeros(0))

    def spaces(count: int, size: int, most: int) -> HalfSpaces:
        return HalfSpaces.of(
            [(int(rng.integers(most)), rng.normal(size=size), float(rng.normal()), "r") for _ in range(count)], size
        )

    states, inputs = spaces(5, n, samples + 1), spaces(3 * (samples > 0), m, max(samples, 1))
    lower = rng.normal(size=(samples, m))
    upper = lower + rng.random((samples, m))
    question = Question(motion, states, inputs, lower, upper)
    weights = Weights(
        rng.random(5) * (rng.random(5) < 0.7),
        rng.random(len(inputs)),
        np.zeros((samples, m)),
        np.zeros((samples + 1, n)),
    )
    start = rng.normal(size=n)
    claimed = Fraction(bound(question, weights).at(Enclosed.exact(start[:, None])))

    def exact(u: np.ndarray) -> Fraction:
        x, trajectory = [Fraction(v) for v in start], []
        for k in range(samples + 1):
            trajectory.append(x)
            if k < samples:
                x = [
                    sum((Fraction(a) * v for a, v in zip(A[i], x, strict=True)), Fraction(c[i, 0]))
                    + sum(Fraction(b) * Fraction(v) for b, v in zip(B[i], u[k], strict=True))
                    for i in range(n)
                ]
        total = Fraction(0)
        for y, step, normal, level in zip(weights.states, states.steps, states.normals, states.bounds, strict=True):
            value = sum(Fraction(a) * v for a, v in zip(normal, trajectory[step], strict=True))
            total += Fraction(y) * (value - Fraction(level))
        for y, step, normal, level in zip(weights.inputs, inputs.steps, inputs.normals, inputs.bounds, strict=True):
            value = sum(Fraction(a) * Fraction(v) for a, v in zip(normal, u[step], strict=True))
            total += Fraction(y) * (value - Fraction(level))
        return total

    # affine in the inputs: the least value is at the corner that every single input prefers
    worst = lower.copy()
    for k, j in np.ndindex(samples, m):
        high = lower.copy()
        high[k, j] = upper[k, j]
        if exact(high) < exact(lower):
            worst[k, j] = upper[k, j]
    least = exact(worst)
    assert claimed <= least
    assert float(least - claimed) <= 1e-9 * (1.0 + abs(float(least)) + abs(c).max() * 100.0)
    for _ in range(20):
        assert claimed <= exact(lower + rng.random(lower.shape) * (upper - lower))


@pytest.mark.parametrize("scale", [1e-6, 0.1, 1.0, 8.0])
def test_the_exponential_is_enclosed(scale: float) -> None:
    rng = np.random.default_rng(3)
    mpmath.mp.dps = 60
    for _ in range(10):
        matrix = scale * rng.normal(size=(4, 4))
        found = exponential(Enclosed.exact(matrix))
        assert found is not None
        true = mpmath.expm(mpmath.matrix(matrix.tolist()), method="taylor")
        for i, j in np.ndindex(4, 4):
            assert abs(true[i, j] - mpmath.mpf(found.middle[i, j])) <= mpmath.mpf(found.radius[i, j])
        assert found.radius.max() <= 1e-11 * abs(found.middle).max()
    assert exponential(Enclosed.exact(np.full((2, 2), 1e30))) is None


def test_the_rest_of_the_series_is_part_of_the_enclosure(monkeypatch) -> None:
    monkeypatch.setattr(motion, "TERMS", 3)
    for value in (0.5, -0.5, 0.3, 5.0):
        found = exponential(Enclosed.exact(np.array([[value]])))
        assert found is not None
        assert abs(mpmath.exp(value) - mpmath.mpf(found.middle[0, 0])) <= mpmath.mpf(found.radius[0, 0])
        assert found.radius[0, 0] <= 0.2 * found.middle[0, 0]


def test_points_are_in_their_sets() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        shape, centre = rng.normal(size=(3, 3)), rng.normal(size=3)
        for of in (Ball(centre, 0.3), Ellipsoid(centre, shape), Zonotope(centre, shape), Box(centre, centre + 1.0)):
            direction = rng.normal(size=3)
            point = extreme_point(of, direction)
            assert point is not None
            assert float(direction @ point.middle[:, 0]) >= float(of.support(direction)) - 1e-9
        simplex = Polytope(np.concatenate([-np.eye(3), np.ones((1, 3))]), np.array([0.1, 0.2, 0.3, 1.0]))
        point = extreme_point(simplex, rng.normal(size=3))
        assert point is not None
        assert simplex.contains(point.middle[:, 0]).verdict == "inside"
    # the coefficients of an ellipsoid's point are proved to be no longer than 1
    slim = Ellipsoid(np.zeros(2), np.diag([1.0, 1e-6]))
    point = extreme_point(slim, np.array([1.0, 1.0]))
    assert point is not None
    first, second = (Fraction(v) for v in point.middle[:, 0])
    room = Fraction(float(point.radius.max())) * 10**8
    assert first**2 + (second * 10**6) ** 2 <= 1 + room


def test_the_start_is_looked_at() -> None:
    wall = Avoid(Ball(np.array([2.5, 0.3]), 0.2), name="wall")
    said = impossibility(double_integrator(UNIT, wall, Reach(GOAL, at=5)))
    assert said is not None
    assert "touches the set of 'wall'" in said
    late = Avoid(Ball(np.array([2.5, 0.3]), 0.2), name="wall", during=(1, 2))
    assert impossibility(double_integrator(UNIT, late, Reach(GOAL, at=5))) is None
    slow = Stay(Box(np.array([-1.0]), np.array([0.1])), on=("v",), name="slow")
    said = impossibility(double_integrator(UNIT, slow, Reach(GOAL, at=5)))
    assert said is not None
    assert "leaves the set of 'slow'" in said
    assert "v = 0.2" in said
    edge = Stay(Box(np.array([-2.0]), np.array([2.0])), on=("v",), name="slow")
    assert impossibility(double_integrator(UNIT, edge, Reach(GOAL, at=5))) is None
    round_one = Stay(Ball(np.array([2.5, 0.0]), 0.29), name="near")
    said = impossibility(double_integrator(UNIT, round_one, horizon=1))
    assert said is not None
    assert "leaves the set of 'near'" in said
    exact = Stay(Box(np.array([2.0, -0.5]), np.array([3.0, 0.5])), during=(0, 0), name="edge")
    square = Box(np.array([2.0, -0.5]), np.array([3.0, 0.5]))
    assert impossibility(double_integrator(UNIT, exact, horizon=1, initial=square)) is None


def test_goals_that_must_not_be_entered() -> None:
    def said(*requirements) -> str | None:
        return impossibility(double_integrator(UNIT, *requirements))

    reach = Reach(GOAL, at=5, name="goal")
    covering = [
        Avoid(GOAL, name="wall"),
        Avoid(Ball(np.zeros(2), 0.36), name="wall"),
        Avoid(Ellipsoid(np.zeros(2), np.diag([0.4, 0.4])), name="wall"),
        Avoid(Polytope(np.eye(2), np.array([0.3, 0.3])), name="wall", during=(4, 6)),
        Avoid(Box(np.array([-0.25]), np.array([0.25])), on=("v",), name="wall", during=(5, 5)),
    ]
    for wall in covering:
        answer = said(wall, reach)
        assert answer is not None
        assert "'goal'" in answer
        assert "'wall'" in answer
    harmless = [
        Avoid(Ball(np.zeros(2), 0.35), name="wall"),
        Avoid(Box(np.array([-0.25]), np.array([0.24])), on=("p",), name="wall"),
        Avoid(GOAL, name="wall", during=(0, 4)),
    ]
    for wall in harmless:
        assert said(wall, reach) is None
    # an unbounded goal is covered by half-spaces only
    half = Reach(Polytope(np.array([[1.0, 0.0]]), np.array([0.25])), at=5, name="goal")
    assert said(Avoid(Ball(np.zeros(2), 9.0), during=(5, 5), name="wall"), half) is None
    assert said(Avoid(Polytope(np.array([[1.0, 0.0]]), np.array([0.26])), name="wall"), half) is not None
    apart = Stay(Box(np.array([0.26]), np.array([9.0])), on=("p",), name="ahead")
    answer = said(apart, reach)
    assert answer is not None
    assert "no point in common" in answer
    assert said(Stay(Box(np.array([0.25]), np.array([9.0])), on=("p",), name="ahead"), reach) is None
    # a goal within some time may be entered while the obstacle is away
    assert said(Avoid(GOAL, name="wall", during=(0, 4)), Reach(GOAL, within=5)) is None
    assert said(Avoid(GOAL, name="wall"), Reach(GOAL, within=5)) is not None


def test_held_inputs_of_continuous_plants() -> None:
    plant = LinearPlant([[0.0, 1.0], [0.0, 0.0]], [[0.0], [1.0]], states=("p", "v"), inputs=("u",))
    start = Box(np.array([2.0, 0.0]), np.array([2.0, 0.0]))

    def said(goal: Reach) -> str | None:
        return impossibility(Task(plant, start, Spec((UNIT, goal)), 1.0, "held", period=0.1))

    # from rest |u| <= 1 moves the mass by 1/2 in a second
    goal = Polytope.half_space(np.array([1.0, 0.0]), 1.5)
    assert said(Reach(goal, at=1.0)) is None
    answer = said(Reach(Polytope.half_space(np.array([1.0, 0.0]), 1.49), at=1.0, name="goal"))
    assert answer is not None
    assert "p is at least 1.499 there" in answer
    assert "at 1 s" in answer
    assert said(Reach(Polytope.half_space(np.array([1.0, 0.0]), 1.0), within=1.0)) is None


def test_disturbances_are_held_in_the_middle() -> None:
    plant = LinearPlant([[1.0]], [[1.0]], E=[[1.0]], states=("x",), inputs=("u",), dt=1.0, ranges={"w1": (1.0, 3.0)})
    start = Box(np.array([0.0]), np.array([0.0]))

    def said(high: float) -> str | None:
        spec = Spec((UNIT, Reach(Box(np.array([-9.0]), np.array([high])), at=1, name="goal")))
        return impossibility(Task(plant, start, spec, 1, "disturbed"))

    assert said(1.0) is None
    answer = said(0.9)
    assert answer is not None
    assert "disturbances held in the middle" in answer


class Pendulum(Plant):
    states, inputs, dt = {"a": "rad"}, {"u": "1"}, 1.0

    def dynamics(self, x, u):
        return (x[0] + casadi.sin(x[0]) + u[0],)


def test_what_is_not_treated_is_not_called_impossible() -> None:
    start, far = Box(np.array([0.0]), np.array([0.1])), Box(np.array([50.0]), np.array([51.0]))
    assert impossibility(Task(Pendulum(), start, Spec((UNIT, Reach(far, at=1))), 1, "nonlinear")) is None
    # without limits of the inputs everything may be in reach
    assert impossibility(double_integrator(Reach(GOAL, at=2))) is None
    by_expression = Avoid(Sublevel(lambda z: casadi.norm_2(z) - 9, 2), name="wall")
    assert impossibility(double_integrator(UNIT, by_expression, Reach(GOAL, at=5))) is None


def test_unbounded_initial_sets_and_plants_without_inputs() -> None:
    quadrant = Polytope(np.eye(2), np.ones(2))
    box = Stay(Box(np.zeros(2), np.ones(2)), name="box")
    assert impossibility(double_integrator(UNIT, horizon=3, initial=quadrant)) is None
    impossibility(double_integrator(UNIT, box, horizon=3, initial=quadrant))
    impossibility(double_integrator(UNIT, Reach(GOAL, at=3), horizon=3, initial=quadrant))
    assert extreme_point(quadrant, -np.ones(2)) is None
    still = LinearPlant([[1.0]], np.zeros((1, 0)), states=("x",), inputs=(), dt=1.0)

    def said(upper: float) -> str | None:
        spec = Spec((Reach(interval(0.0, upper), at=2, name="goal"),))
        return impossibility(Task(still, interval(1.0, 1.0), spec, 3, "still"))

    assert said(1.0) is None
    answer = said(0.5)
    assert answer is not None
    assert "from x = 1 no input sequence within the limits reaches x <= 0.5" in answer


def chain(steps: int, far: float) -> Task:
    A, B = np.eye(6), np.zeros((6, 3))
    for k in range(3):
        A[2 * k, 2 * k + 1] = B[2 * k + 1, k] = 0.1
    limits = Stay(Box(-np.ones(3), np.ones(3)), on=("u1", "u2", "u3"), name="input")
    stay = Stay(Box(-np.full(6, 1e4), np.full(6, 1e4)), name="stay")
    goal = Reach(interval(far - 0.1, far + 0.1), on=("x1",), at=steps, name="goal")
    start = Box(np.full(6, -0.1), np.full(6, 0.1))
    return Task(LinearPlant(A, B, dt=1.0), start, Spec((limits, stay, goal)), steps, "three masses")


def test_the_time_is_limited() -> None:
    assert impossibility(chain(20, 9.0)) is not None
    assert impossibility(chain(20, 9.0), Meter(seconds=0.0)) is None
    began = time.process_time()
    assert impossibility(chain(150, 30.0), Meter(seconds=0.5)) is None
    assert time.process_time() - began < 2.5


def test_overflows_prove_nothing_and_nothing_is_printed(capfd) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scalar(1e200, 1.0, 0.1, Reach(interval(0.0, 0.5), at=3, name="goal")) is None
        # an input without limits satisfies everything by any amount, of which HiGHS used to print an error
        plant = LinearPlant([[1.0]], [[-16.0 / 11.0, 40.0 / 11.0]], states=("x",), inputs=("a", "b"), dt=1.0)
        walls = Polytope(np.array([[1e6], [-1e6], [-2.5]]), np.array([29718750.0, 29718750.0, 74.296875]))
        goal = Reach(Polytope.half_space(np.array([5.5e6]), 12312500.003663823), at=1, name="goal")
        spec = Spec((Stay(walls, on=("b",), name="limits"), goal))
        assert impossibility(Task(plant, interval(0.0, 0.0), spec, 1, "large")) is None
    assert capfd.readouterr() == ("", "")
    question = Question(
        SampledMotion(*(Enclosed.exact(np.array([[v]])) for v in (1e200, 1.0, 0.0)), np.zeros(0)),
        HalfSpaces.of([(2, np.array([-1.0]), 0.0, "r")], 1),
        HalfSpaces.of([], 1),
        -np.ones((2, 1)),
        np.ones((2, 1)),
    )
    weights = Weights(np.ones(1), np.zeros(0), np.zeros((2, 1)), np.zeros((3, 1)))
    assert bound(question, weights).at(Enclosed.exact(np.array([[-1.0]]))) == -np.inf
