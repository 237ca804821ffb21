"""Closed loops whose trajectories are known in closed form, and requirements of which it is known how well they hold.

Every `Case` has one requirement with a bound that can be chosen; `best` is the bound that is just met, in 60 digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from nnctrl import Avoid, Ball, Box, Ellipsoid, Polytope, Problem, Reach, Spec, Stay, Zonotope
from nnctrl.networks.activations import Relu
from nnctrl.networks.network import Network
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Requirement
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller, Memory
from nnctrl.systems.plant import Plant
from tests.continuous_plants import plant_of

mpmath.mp.dps = 60

mpf = mpmath.mpf
FAR = 9.0


def linear_network(matrix: Any, offset: Any = None) -> Network:
    """`matrix x + offset` exactly, by rectifiers: x = relu(x) - relu(-x)."""
    weight = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
    rows = len(weight)
    pair = np.hstack([np.eye(rows), -np.eye(rows)])
    bias = np.zeros(rows) if offset is None else np.asarray(offset, dtype=np.float64)
    return Network.from_layers([np.vstack([weight, -weight]), pair], [np.zeros(2 * rows), bias], Relu())


def constant_network(states: int, *values: float) -> Network:
    """The same inputs from everywhere."""
    return linear_network(np.zeros((len(values), states)), values)


def problem(
    plant: Plant,
    network: Network,
    initial: AbstractSet,
    *requirements: Requirement,
    horizon: float = 1.0,
    period: float = 0.1,
    **parts: Any,
) -> Problem:
    """A closed loop under this network, sampled with `period` if the plant is continuous."""
    controller = Controller(network, period=None if plant.is_discrete else period, **parts)
    return Problem(compose(plant, controller), initial, Spec(requirements), horizon, "closed-form")


def oscillator() -> Plant:
    """x'' = -x + u: with u = 0 states turn clockwise."""
    return plant_of(lambda x, u, w, p: (x[1], -x[0] + u[0]), 2, 1)


def integrator() -> Plant:
    """x' = u."""
    return plant_of(lambda x, u, w, p: (u[0],), 1, 1)


def discrete(plant: Plant) -> Plant:
    """The same right-hand side as a step."""
    return type(plant)(
        states=plant.states, inputs=plant.inputs, disturbances=plant.disturbances, ranges=plant.ranges, dt=1.0
    )


@dataclass(frozen=True, eq=False)
class Case:
    """`question(bound)` holds for bounds above `best` (from it on, unless a set is avoided), by bound - best.

    With the slack `wide` that should be proved, and with as much too little be `refuted`.
    """

    name: str
    question: Callable[[float], Problem]
    best: mpmath.mpf
    wide: float = 1e-2
    refuted: bool = True

    def __str__(self) -> str:
        return self.name


def below(bound: float, *, on: str = "x0", **when: Any) -> Stay:
    """Stay at most at `bound`."""
    return Stay(Box([-FAR], [bound]), on=(on,), **when)


START = Box([0.75, 0.25], [1.0, 0.5])


def turning(requirement: Callable[[float], Requirement], initial: AbstractSet = START) -> Callable[[float], Problem]:
    """The oscillator at rest for a second."""
    return lambda bound: problem(oscillator(), constant_network(2, 0.0), initial, requirement(bound))


def moved(time: Any, x: Any = (1.0, 0.5)) -> mpmath.mpf:
    """x0 of the oscillator at a time."""
    return mpmath.cos(time) * mpf(x[0]) + mpmath.sin(time) * mpf(x[1])


TENTH, SEVENTH, T37, T43 = mpf(0.1), 7 * mpf(0.1), mpf(0.37), mpf(0.43)

ON_TIME = [
    Case("stay-always-peak-between-samples", turning(below), mpmath.sqrt(mpf("1.25"))),
    Case("stay-between-samples", turning(lambda b: below(b, during=(0.37, 0.43))), moved(T43)),
    Case("stay-at-one-time-between-samples", turning(lambda b: below(b, during=(0.37, 0.37))), moved(T37)),
    Case("stay-at-a-sample", turning(lambda b: below(b, during=(0.7, 0.7))), moved(SEVENTH)),
    Case("stay-at-the-start", turning(lambda b: below(b, during=(0, 0))), mpf(1)),
    Case("stay-at-the-horizon", turning(lambda b: below(b, during=(1.0, 1.0))), moved(10 * TENTH)),
    Case("avoid", turning(lambda b: Avoid(Box([b], [b + 1]), on=("x0",))), mpmath.sqrt(mpf("1.25"))),
    Case("avoid-a-disc", turning(lambda b: Avoid(Ball([b + 0.5, 0.0], 0.5))), mpmath.sqrt(mpf("1.25"))),
    Case("reach-at-between-samples", turning(lambda b: Reach(Box([-FAR], [b]), on=("x0",), at=0.43)), moved(T43)),
    Case("reach-at-a-sample", turning(lambda b: Reach(Box([-FAR], [b]), on=("x0",), at=0.7)), moved(SEVENTH)),
    Case("reach-at-the-horizon", turning(lambda b: Reach(Box([-FAR], [b]), on=("x0",), at=1)), moved(10 * TENTH)),
    Case(
        "reach-within",
        turning(lambda b: Reach(Box([-FAR], [b]), on=("x0",), within=0.37), Box([0.75, -0.5], [1.0, -0.25])),
        moved(T37, (1.0, -0.25)),
    ),
    Case(
        "reach-within-between-samples",
        turning(lambda b: Reach(Box([-b], [FAR]), on=("x0",), within=1.0)),
        -mpmath.sqrt(mpf("0.625")),
    ),
    Case("reach-within-at-the-start", turning(lambda b: Reach(Box([-FAR], [b]), on=("x0",), within=0.25)), mpf(1)),
]


def at_seventh(initial: AbstractSet) -> Callable[[float], Problem]:
    return turning(lambda b: below(b, during=(0.7, 0.7)), initial)


SEVEN = np.array([mpmath.cos(SEVENTH), mpmath.sin(SEVENTH)])
GENERATORS, SHAPE = [[0.25, 0.125, 0.0], [-0.125, 0.25, 0.5]], [[0.25, 0.125], [0.0, 0.5]]
CORNERS = [(0.5, 0.0), (1.5, 0.25), (0.75, 1.0)]
TRIANGLE = Polytope([[0.25, -1.0], [0.75, 0.75], [-1.0, 0.25]], [0.125, 1.3125, -0.5])


def supported(centre: Any, columns: Any, *, round: bool) -> mpmath.mpf:
    """Support of centre + columns b in the direction that is x0 at the seventh sample; b in a ball or in a box."""
    along = [sum(SEVEN[i] * mpf(column[i]) for i in range(2)) for column in np.transpose(columns)]
    reach = mpmath.sqrt(sum(a * a for a in along)) if round else sum(abs(a) for a in along)
    return SEVEN[0] * mpf(centre[0]) + SEVEN[1] * mpf(centre[1]) + reach


SETS = [
    Case("point", at_seventh(Box([1.0, 0.5], [1.0, 0.5])), moved(SEVENTH)),
    Case("flat-box", at_seventh(Box([0.5, 0.5], [1.0, 0.5])), moved(SEVENTH)),
    Case("zonotope", at_seventh(Zonotope([1.0, 0.5], GENERATORS)), supported([1, 0.5], GENERATORS, round=False)),
    Case("ball", at_seventh(Ball([1.0, 0.5], 0.25)), supported([1, 0.5], np.eye(2) * 0.25, round=True), 0.05),
    Case("ellipsoid", at_seventh(Ellipsoid([1.0, 0.5], SHAPE)), supported([1, 0.5], SHAPE, round=True), 0.05),
    Case("polytope", at_seventh(TRIANGLE), max(moved(SEVENTH, corner) for corner in CORNERS), 0.05),
]


def feedback_orbit(steps: int, noise: float, memory: bool) -> mpmath.mpf:
    """x' = -(x + noise) + s from x = 1, held for a tenth each; s+ = s + (x + noise) / 4 if there is a memory."""
    x, s = mpf(1), mpf(0)
    for _ in range(steps):
        seen = x + mpf(noise)
        x += TENTH * (s - seen)
        s += seen / 4 if memory else 0
    return x


def feedback(requirement: Callable[[float], Requirement], **parts: Any) -> Callable[[float], Problem]:
    gains = [[-1.0, 1.0]] if "memory" in parts else [[-1.0]]
    return lambda b: problem(integrator(), linear_network(gains), Box([0.5], [1.0]), requirement(b), **parts)


def squares(bound: float) -> Problem:
    plant = discrete(plant_of(lambda x, u, w, p: (x[0] - 0.25 * x[0] * x[0] + u[0],), 1, 1))
    return problem(plant, linear_network([[0.5]]), Box([0.0], [1.0]), below(bound, during=(2, 3)), horizon=3)


def squared_orbit(steps: int) -> mpmath.mpf:
    x = mpf(1)
    for _ in range(steps):
        x = x - x * x / 4 + x / 2
    return x


def doubles(bound: float) -> Problem:
    plant = discrete(plant_of(lambda x, u, w, p: (x[1], x[0] + u[0]), 2, 1))
    net = linear_network([[1.0, -0.5]])
    return problem(plant, net, Box([0.0, 0.0], [1.0, 1.0]), Avoid(Box([bound], [99.0]), on=("x1",)), horizon=4)


def doubled_orbit() -> mpmath.mpf:
    """The largest x1 from a corner in four steps of (x1, 2 x0 - x1 / 2)."""
    found = []
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = mpf(corner[0]), mpf(corner[1])
        for _ in range(5):
            found.append(y)
            x, y = y, 2 * x - y / 2
    return max(found)


class Height(Plant):
    """The oscillator with an output."""

    def dynamics(self, x: Any, u: Any) -> Any:
        return x[1], -x[0] + u[0]

    def output(self, x: Any, u: Any) -> Any:
        return (x[0] * x[0] + u[0],)


def height(bound: float) -> Problem:
    plant = Height(states={"x0": "m", "x1": "m"}, inputs={"u0": "m"}, outputs={"y": "m"})
    return problem(plant, constant_network(2, 0.0), START, Stay(Box([-FAR], [bound]), on=("y",)), horizon=0.5)


def pushed(bound: float) -> Problem:
    """At the time t at most at e^-t x0 + w (1 - e^-t), under the largest w."""
    plant = plant_of(lambda x, u, w, p: (-x[0] + u[0] + w[0],), 1, 1, [(-0.125, 0.25)])
    return problem(plant, constant_network(1, 0.0), Box([-0.5], [0.0]), below(bound))


def drifting(bound: float) -> Problem:
    plant = plant_of(lambda x, u, w, p: (p["k"] + u[0],), 1, 1, parameters={"k": (-1.0, 1.0)})
    return problem(plant, constant_network(1, 0.0), Box([0.0], [0.25]), below(bound))


def chased(bound: float) -> Problem:
    """At speed 1 behind an obstacle of speed 1/2."""
    obstacle = Moving(Box([bound], [bound + 1]), [0.5])
    return problem(integrator(), constant_network(1, 1.0), Box([0.0], [0.125]), Avoid(obstacle))


def late(bound: float) -> Problem:
    """Two samples with the input 2, then down."""
    start, line = Box([0.0], [0.125]), [[2.0], [2.0]]
    return problem(integrator(), constant_network(1, -1.0), start, below(bound), delay=2, initial_input=line)


NOISE = Box([-0.125], [0.0625])
MEMORY = Memory([[1.0]], [[0.25]])

PARTS = [
    Case("delay", late, mpf(0.125) + 4 * TENTH),
    Case("noise", feedback(lambda b: below(b, during=(0.5, 1.0)), noise=NOISE), feedback_orbit(5, -0.125, False)),
    Case("memory", feedback(lambda b: below(b, during=(0.3, 0.3)), memory=MEMORY), feedback_orbit(3, 0.0, True)),
    Case("input", feedback(lambda b: Stay(Box([-b], [0.0]), on=("u0",))), mpf(1)),
    Case(
        "input-from-a-sample-on", feedback(lambda b: Stay(Box([-b], [0.0]), on=("u0",), during=(0.1, 0.6))), 1 - TENTH
    ),
    Case("output", height, mpf("1.25")),
    Case("disturbance", pushed, (1 - mpmath.exp(-10 * TENTH)) / 4, 0.05),
    Case("parameter", drifting, mpf(0.25) + 10 * TENTH, refuted=False),
    Case("moving-obstacle", chased, mpf(0.125) + 5 * TENTH),
    Case("discrete", squares, squared_orbit(3)),
    Case("discrete-affine", doubles, doubled_orbit()),
]

CASES = [*ON_TIME, *SETS, *PARTS]
