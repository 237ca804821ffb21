"""Funnels: every claim of one is tried on samples and corners, and shapes that claim too much are not proved."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nnctrl import Avoid, Ball, Box, Ellipsoid, LinearPlant, Moving, Plant, Polytope, Reach, Spec, Stay, Zonotope
from nnctrl.errors import UnsupportedError
from nnctrl.learning.funnel.checks import (
    Coordinates,
    cover,
    covering_shape,
    slack_around,
    slack_inside,
    slack_outside,
)
from nnctrl.learning.funnel.find import Funnel, NoFunnelError, find_funnel, funnel_objection
from nnctrl.learning.funnel.limits import limits_of
from nnctrl.learning.funnel.nominal import Nominal
from nnctrl.learning.funnel.proof import proved_funnel
from nnctrl.learning.funnel.search import Search
from nnctrl.learning.funnel.walls import Walls
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task
from plants.double_integrator import DoubleIntegrator
from plants.quadrotor6d import Quadrotor6D

HEXAGON = Zonotope(np.array([2.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))
GOAL = Box(np.array([-0.25, -0.25]), np.array([0.25, 0.25]))
UNIT = Stay(Box(np.array([-1.0]), np.array([1.0])), on=("u",), name="input")


def mass(*requirements, initial=HEXAGON, horizon: int = 5) -> Task:
    return Task(DoubleIntegrator(), initial, Spec(requirements), horizon, "mass")


def quadrotor(steps: int = 60) -> Task:
    centre, radius = np.array([3.7, 4.7, 3.0, 0.0, 0.0, 0.0]), np.array([0.15] * 3 + [0.05] * 3)
    balls = [Ball(np.array([4.0, 2.0, 2.0]), 1.0), Ball(np.array([2.0, 4.0, 2.0]), 1.0)]
    spec = Spec(
        (
            *(Avoid(ball, on=("px", "py", "pz"), name=f"ball-{k}") for k, ball in enumerate(balls)),
            Stay(
                Box(np.array([-1.0, -1.0, 0.0]), np.array([1.0, 1.0, 19.62])), on=("u1", "u2", "u3"), name="actuators"
            ),
            Reach(Box(np.full(6, -0.5), np.full(6, 0.5)), within=steps, name="goal"),
        )
    )
    return Task(Quadrotor6D(), Box(centre - radius, centre + radius), spec, steps, "quadrotor")


def points_of(region, rng: np.random.Generator, count: int = 60) -> np.ndarray:
    edge = region.support_vector(rng.standard_normal((count, region.dim)))
    return np.concatenate([edge, region.sample(rng, count)])


def assert_claims(task: Task, funnel: Funnel) -> None:
    """Points of the sets, with inputs that miss by all that is tolerated: none is proved to be where it must not be."""
    rng = np.random.default_rng(0)
    assert funnel.margin > 0.0
    assert funnel.clearance > 0.0
    assert len(funnel.sets) == funnel.steps + 1
    for point in points_of(task.initial_set, rng):
        assert funnel.sets[0].contains(point).verdict == "inside"
    limits = limits_of(task)
    for step in range(funnel.steps + 1):
        states = points_of(funnel.sets[step], rng)
        for limit in limits:
            if limit.of_input or step not in limit.steps or len(limit.steps) == 1:
                continue
            for point in states[:, list(limit.picks)] - limit.offset(step):
                assert limit.target.contains(point).verdict == ("outside" if limit.is_obstacle else "inside")
        if step == funnel.steps:
            break
        signs = rng.choice([-1.0, 1.0], (len(states), task.plant.input_size))
        inputs = funnel.controls(step, states) + signs * funnel.tolerances[step]
        for limit in limits:
            if limit.of_input and step in limit.steps:
                for point in inputs[:, list(limit.picks)]:
                    assert limit.target.contains(point).verdict == "inside"
        for point in task.plant.step(states, inputs):
            # points on the boundary come with their own rounding
            inner = funnel.sets[step + 1].centre + (1.0 - 1e-12) * (point - funnel.sets[step + 1].centre)
            assert funnel.sets[step + 1].contains(inner).verdict == "inside"


def test_a_funnel_for_the_hexagon() -> None:
    task = mass(UNIT, Reach(GOAL, at=5, name="goal"))
    funnel = find_funnel(task)
    assert_claims(task, funnel)
    assert funnel.margin >= 0.05
    for point in points_of(funnel.sets[5], np.random.default_rng(1)):
        assert GOAL.contains(point).verdict == "inside"


@pytest.mark.slow
def test_a_funnel_for_the_quadrotor_past_both_balls() -> None:
    task = quadrotor()
    funnel = find_funnel(task)
    assert_claims(task, funnel)
    assert funnel.margin >= 0.03
    assert funnel.steps == 60


@pytest.mark.parametrize(
    "initial",
    [
        Ball(np.array([2.5, 0.0]), 0.1),
        Ellipsoid(np.array([2.5, 0.0]), np.array([[0.2, 0.0], [-0.05, 0.1]])),
        Box(np.array([2.4, 0.0]), np.array([2.6, 0.0])),
        Polytope(np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]), np.array([2.6, -2.4, 0.1])),
        Box(np.array([2.5, 0.0]), np.array([2.5, 0.0])),
    ],
)
def test_kinds_of_initial_sets_and_round_goals(initial) -> None:
    goal = Ellipsoid(np.array([0.1, 0.0]), np.array([[0.3, 0.1], [0.0, 0.3]]))
    task = mass(UNIT, Reach(goal, at=5, name="goal"), initial=initial)
    funnel = find_funnel(task)
    assert_claims(task, funnel)
    for point in points_of(funnel.sets[5], np.random.default_rng(1)):
        assert goal.contains(point).verdict == "inside"


def test_kinds_of_requirements() -> None:
    stays = [
        Stay(Box(np.array([-0.9]), np.array([0.9])), on=("v",), name="velocity"),
        Stay(Polytope(np.array([[1.0]]), np.array([3.0])), on=("p",), name="ahead"),
        Stay(Ball(np.array([0.0]), 0.95), on=("u",), name="round"),
        Avoid(Ball(np.array([1.3, -0.2]), 0.05), name="ball"),
        Avoid(Box(np.array([0.7, -0.3]), np.array([0.8, -0.2])), name="box"),
        Avoid(Polytope(np.array([[1.0, 0.0]]), np.array([-0.4])), name="half-space"),
        Avoid(Moving(Ball(np.array([5.0]), 0.5), np.array([-0.3])), on=("p",), name="moving"),
        Stay(
            Moving(Box(np.array([2.0]), np.array([3.0])), np.array([-0.45])), on=("p",), name="corridor", during=(0, 1)
        ),
        Reach(Polytope(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.3, 0.3])), at=6, name="goal"),
    ]
    task = mass(UNIT, *stays, horizon=7, initial=Ball(np.array([2.5, 0.0]), 0.05))
    funnel = find_funnel(task)
    assert funnel.steps == 7
    assert_claims(task, funnel)


def test_gains_of_every_step_where_no_regulator_does() -> None:
    wide = Zonotope(HEXAGON.centre, 4.0 * HEXAGON.generators)
    task = mass(UNIT, Reach(GOAL, at=5, name="goal"), initial=wide)
    search = Search(task, limits_of(task))
    assert all(search.regulated(price, 0.003, np.zeros(2))[0] is None for price in (1.0, 10.0, 100.0))
    funnel = find_funnel(task)
    assert_claims(task, funnel)
    assert abs(funnel.gains[0] - funnel.gains[-1]).max() > 0.05


def test_pairs_say_what_the_funnel_proves() -> None:
    limits = Stay(Polytope(np.array([[1.0], [-2.0]]), np.array([1.0, 2.0])), on=("u",), name="walls")
    task = mass(UNIT, limits, Stay(Ball(np.array([0.0]), 1.0), on=("u",)), Reach(GOAL, at=5, name="goal"))
    funnel = find_funnel(task)
    rng = np.random.default_rng(2)
    pairs = funnel.pairs()
    assert len(pairs) == 5
    assert all(len(pair.specification.forms) == 1 + 1 + 2 + 1 for pair in pairs)
    for step, pair in enumerate(pairs):
        states = funnel.sets[step].sample(rng, 200)
        assert (pair.specification.values(states, funnel.controls(step, states)) < 0.0).all()
        for wrong in (1.001, -1.001):
            values = pair.specification.values(states, np.full((200, 1), wrong))
            assert (values[:, 1:] > 0.0).any(axis=1).all()
        assert (pair.specification.values(states, np.full((200, 1), 0.999))[:, 1:] < 0.0).all()


def test_shapes_that_claim_too_much_are_not_proved() -> None:
    task = mass(UNIT, Avoid(Ball(np.array([1.0, 0.8]), 0.1)), Reach(GOAL, at=5, name="goal"))
    funnel = find_funnel(task)
    dynamics = task.plant.affine().state
    states = np.array([one.centre for one in funnel.sets])
    tube = np.array([one.shape @ one.shape.T for one in funnel.sets])
    inputs = np.array([funnel.controls(t, states[t : t + 1])[0] for t in range(5)])
    none = Walls.of([], 2)

    def proved(tube=tube, states=states, gains=funnel.gains, limits=funnel.limits) -> bool:
        nominal = Nominal(states, inputs, none, none, 0.0)
        return proved_funnel(dynamics, funnel.motion, limits, HEXAGON, nominal, tube, gains) is not None

    assert proved()
    for step in range(6):
        smaller, larger, beside = tube.copy(), tube.copy(), states.copy()
        smaller[step] *= 0.05
        assert not proved(tube=smaller)
        larger[step] *= 40.0
        assert not proved(tube=larger)
        beside[step] += 0.5
        assert not proved(states=beside)
    assert not proved(gains=0.0 * funnel.gains)
    assert not proved(tube=np.full_like(tube, np.nan))
    assert not proved(tube=-tube)
    wall = limits_of(mass(Avoid(Ball(states[2], 0.01)), Reach(GOAL, at=5)))
    assert not proved(limits=wall)
    # sets that move are where they have moved to: this ball arrives at step 2, this box leaves
    way = np.array([0.0, 5.0])
    arriving = Avoid(Moving(Ball(states[2] - 2.0 * way, 0.01), way))
    assert not proved(limits=limits_of(mass(arriving, Reach(GOAL, at=5))))
    assert proved(limits=limits_of(mass(Avoid(Ball(states[2] - 2.0 * way, 0.01)), Reach(GOAL, at=5))))
    leaving = Stay(Moving(Box(np.full(2, -4.0), np.full(2, 4.0)), way))
    assert not proved(limits=limits_of(mass(leaving, Reach(GOAL, at=5))))
    assert proved(limits=limits_of(mass(Stay(Box(np.full(2, -4.0), np.full(2, 4.0))), Reach(GOAL, at=5))))
    weak = limits_of(mass(Stay(Box(np.array([-0.3]), np.array([0.3])), on=("u",)), Reach(GOAL, at=5)))
    assert not proved(limits=weak)


def test_slacks_hold_in_exact_arithmetic_and_vanish_where_sets_touch() -> None:
    rng = np.random.default_rng(4)
    one = np.ones(2)
    for _ in range(30):
        centre, shape = rng.normal(size=2), rng.normal(size=(2, 2))
        inner = Enclosed.exact(centre[:, None]), Enclosed.exact(shape)
        angles = rng.uniform(0.0, 2.0 * np.pi, 50)
        unit = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (1.0 - 1e-15)
        normals = rng.normal(size=(3, 2))
        reach = normals @ centre + np.linalg.norm(normals @ shape, axis=1)
        wall = Polytope(normals, reach + 0.1)
        slack = slack_inside(*inner, wall, one)
        assert 0.0 < slack <= 0.1 / abs(normals).sum(axis=1).max() * (1.0 + 1e-9)
        for v in unit:
            exact = [
                Fraction(c) + sum(Fraction(s) * Fraction(x) for s, x in zip(row, v, strict=True))
                for c, row in zip(centre, shape, strict=True)
            ]
            for normal, offset in zip(normals, wall.offsets, strict=True):
                size = sum(abs(Fraction(a)) for a in normal)
                value = sum(Fraction(a) * x for a, x in zip(normal, exact, strict=True))
                assert value + Fraction(slack) * size <= Fraction(offset)
        assert not slack_inside(*inner, Polytope(normals, reach - 1e-9), one) > 0.0
        assert slack_inside(*inner, Ellipsoid(centre, 1.1 * shape), one) > 0.0
        assert not slack_inside(*inner, Ellipsoid(centre, (1.0 - 1e-9) * shape), one) > 0.0
        away = Ball(centre + np.array([3.0 + np.linalg.norm(shape, 2), 0.0]), 2.0)
        distance = slack_outside(*inner, away)
        assert distance > 0.9
        for v in unit:
            assert np.linalg.norm(centre + shape @ v - away.centre) - 2.0 >= distance - 1e-12
        tip = centre + shape @ np.array([1.0, 0.0])
        assert not slack_outside(*inner, Ball(tip, 1e-9)) > 0.0


def test_errors_that_are_tolerated_are_proved_at_the_corners() -> None:
    """The share of an ellipsoid that errors may take: attained within a factor, and never exceeded."""
    rng = np.random.default_rng(5)
    for k in range(100):
        target = Ellipsoid(rng.normal(size=3), rng.normal(size=(3, 3)))
        shape = 0.3 * target.shape @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
        centre, errors = target.centre + 0.1 * target.shape @ rng.normal(size=3) / 3.0, rng.normal(size=(3, 2))
        # inputs that act alike are the worst
        errors[:, 1] = errors[:, 1] if k % 2 else errors[:, 0]
        share = Coordinates(target).share(
            Enclosed.exact(centre[:, None]), Enclosed.exact(shape), Enclosed.exact(errors)
        )
        assert share > 0.0
        signs = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        missed = share * signs @ errors.T
        # the point of the ellipsoid that lies in the direction of the error, in the coordinates of the target
        inverse = np.linalg.inv(target.shape)
        toward = (centre - target.centre + missed) @ inverse.T
        v = toward @ (inverse @ shape)
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        points = centre + v @ shape.T + missed
        lengths = np.linalg.norm((points - target.centre) @ inverse.T, axis=1)
        assert 0.6 < lengths.max() <= 1.0


@pytest.mark.parametrize("count", [2, 3, 5])
def test_initial_sets_are_covered(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(20):
        inner = Zonotope(rng.normal(size=2), rng.normal(size=(2, count)))
        centre, _ = cover(inner)
        shape = np.linalg.cholesky(covering_shape(inner))
        assert slack_around(Ellipsoid(centre, 1.001 * shape), inner) > 0.0
        outer = Ellipsoid(centre, shape)
        signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * count)).reshape(count, -1).T
        lengths = np.linalg.norm(np.linalg.solve(shape, inner.generators @ signs.T), axis=0)
        # not much larger than it has to be, and a set that is larger is not proved to be inside
        assert 0.7 < lengths.max() <= 1.0 + 1e-9
        assert not slack_around(outer, Zonotope(inner.centre, inner.generators * (1.0 + 1e-6) / lengths.max())) > 0.0


def test_no_funnel_is_said_to_be_no_proof() -> None:
    weak = Stay(Box(np.array([-0.1]), np.array([0.1])), on=("u",), name="input")
    with pytest.raises(NoFunnelError, match="no funnel was found"):
        find_funnel(mass(weak, Reach(GOAL, at=5, name="goal")))


class UncertainMass(Plant):
    states, inputs, dt, parameters = {"x": "m"}, {"u": "m"}, 1.0, {"a": 1.0}

    def dynamics(self, x, u, p):
        return (p["a"] * x[0] + u[0],)


def test_the_spread_of_parameters_is_named_where_it_is_in_the_way() -> None:
    start, goal = Box(np.array([1.9]), np.array([2.1])), Box(np.array([-0.5]), np.array([0.5]))
    spec = Spec((UNIT, Reach(goal, at=4, name="goal")))
    assert find_funnel(Task(UncertainMass(), start, spec, 4, "known")).steps == 4
    with pytest.raises(NoFunnelError, match="spread of the parameters of 'Uncertain"):
        find_funnel(Task(UncertainMass(parameters={"a": (0.5, 1.5)}), start, spec, 4, "spread"))


def test_what_is_not_treated_is_said() -> None:
    reach = Reach(GOAL, at=5, name="goal")
    continuous = LinearPlant([[0.0]], [[1.0]], states=("x",), inputs=("u",))
    start = Box(np.array([0.0]), np.array([1.0]))
    task = Task(continuous, start, Spec((UNIT,)), 1.0, "held", period=0.1)
    assert "is continuous" in str(funnel_objection(task))
    disturbed = LinearPlant([[1.0]], [[1.0]], E=[[1.0]], states=("x",), inputs=("u",), dt=1.0, ranges={"w1": (0, 1)})
    assert "has disturbances" in str(funnel_objection(Task(disturbed, start, Spec((UNIT,)), 1, "disturbed")))
    both = Stay(Box(np.zeros(2), np.ones(2)), on=("p", "u"), name="both")
    assert "'both' is over p, u" in str(funnel_objection(mass(both, reach)))
    forbidden = Avoid(Box(np.array([0.5]), np.array([0.6])), on=("u",), name="gap")
    assert "'gap' is to avoid a set of inputs" in str(funnel_objection(mass(forbidden, reach)))
    idle = LinearPlant([[1.0]], [[0.0]], states=("x",), inputs=("u",), dt=1.0)
    assert "do not act" in str(funnel_objection(Task(idle, start, Spec((UNIT,)), 1, "idle")))
    with pytest.raises(UnsupportedError, match="whole number of steps"):
        find_funnel(mass(UNIT, Reach(GOAL, at=2.5, name="goal")))
    assert funnel_objection(mass(UNIT, reach)) is None
