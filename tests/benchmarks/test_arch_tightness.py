"""How much wider than what trajectories attain the enclosures of the polynomial engine are at the horizon."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nnctrl import Problem, reach, registry
from nnctrl.reachability.polynomial_flow import PolynomialFlow
from nnctrl.reachability.rotation import principal_directions
from nnctrl.sets.cutting import support_by_cutting
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.verification.polynomial.engine import flow_settings
from nnctrl.verification.polynomial.problem import PolynomialProblem
from nnctrl.verification.settings import PolynomialSettings
from tests.benchmarks.arch_instances import built
from tests.shared import shared_path

SAMPLES, BATCH = 10_000, 1000

STARTS, ROUNDS = 20, 4
"""Gradient ascents of every direction, and steps of each: the whole range of a parameter first, then half of it, ..."""

DIFFERENCE = 1e-4
"""Relative step of the finite differences."""

CUTS = 100
"""Of the symbols of an enclosure, to bound a polynomial in them."""

RATIOS = {"attitude": (1, 1.02), "tora-tanh": (1, 1.01), "unicycle": (64, 1.1)}
"""Parts, and ratios of the widths of final boxes. The unicycle has a network of 500 ReLU units, whose errors add up: as
one part it comes to 2.5.
"""


class Attained:
    """Final states of simulated trajectories: vertices and random points of the initial set under random, bang-bang and
    extreme constant disturbances. A vector v of a trajectory is its parameters followed by all its disturbances.
    """

    def __init__(self, problem: PolynomialProblem) -> None:
        self.problem, self.rng = problem, np.random.default_rng(0)
        box, initial = problem.loop.step.disturbance, problem.initial
        low, high = (np.zeros(0), np.zeros(0)) if box is None else (box.lower, box.upper)
        self.lower = np.concatenate([initial.lower, np.tile(low, problem.samples)])
        self.upper = np.concatenate([initial.upper, np.tile(high, problem.samples)])
        vertices = np.array(list(itertools.product((0.0, 1.0), repeat=initial.size)))
        free = len(self.lower) - initial.size
        unit = self.rng.random((SAMPLES - 2 * len(vertices), len(self.lower)))
        unit[::2, initial.size :] = np.round(unit[::2, initial.size :])
        corners = [np.hstack([vertices, np.full((len(vertices), free), end)]) for end in (0.0, 1.0)]
        self.points = self.lower + np.concatenate([unit, *corners]) * (self.upper - self.lower)
        parts = [self.final(part) for part in np.array_split(self.points, SAMPLES // BATCH)]
        self.states = np.concatenate(parts)

    def final(self, points: np.ndarray) -> np.ndarray:
        """States [batch, n] at the horizon of the trajectories `points` [batch, v]."""
        problem, size = self.problem, self.problem.initial.size
        d = points[:, size:].reshape(len(points), problem.samples, -1)
        signals = problem.simulated(problem.initial.states(points[:, :size]), d)
        return signals[:, -1, : problem.loop.plant.state_size]

    def support(self, direction: np.ndarray) -> float:
        """The largest `direction x` that was found, after ascents from the best samples."""
        values = self.states @ direction
        chosen = np.argsort(values)[-STARTS:]
        points, best = self.points[chosen], values[chosen]
        width = self.upper - self.lower
        for k in range(ROUNDS):
            slopes = self._slopes(points, best, direction, DIFFERENCE * width)
            moved = np.clip(points + 0.5**k * width * slopes, self.lower, self.upper)
            found = self.final(moved) @ direction
            better = found > best
            points, best = np.where(better[:, None], moved, points), np.maximum(found, best)
        return float(best.max())

    def _slopes(self, points: np.ndarray, values: np.ndarray, direction: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Signs [batch, v] of the slopes of `direction x` in every entry of v, by differences towards the inside."""
        inward = np.where(points + step > self.upper, -step, step)
        moved = points[:, None] + np.eye(len(step)) * inward[:, None]
        found = self.final(moved.reshape(-1, len(step))) @ direction
        return np.sign(found.reshape(points.shape) - values[:, None]) * np.sign(inward)


def compiled(problem: Problem) -> PolynomialProblem:
    return PolynomialProblem.of(problem)


def final_rows(problem: PolynomialProblem, lower: np.ndarray, upper: np.ndarray) -> PolynomialZonotope:
    """The enclosure at the horizon of what starts in the part [lower, upper], with the automatic settings."""
    flow = PolynomialFlow(problem.loop, problem.initial.size, flow_settings(problem, PolynomialSettings()))
    centre, generators, radius = problem.initial.rows(lower, upper)
    start = flow.start(centre, generators)
    start = start.widened(np.pad(radius, (0, start.dim - len(radius))))
    *_, last = flow.run(start, problem.samples).segments()
    return last.signals(last.first, last.last)


def certified_support(problem: PolynomialProblem, directions: np.ndarray, pieces: int) -> np.ndarray:
    """Upper bounds [p] of `directions x` at the horizon, with every parameter of the initial set cut into `pieces`."""
    edges = np.linspace(problem.initial.lower, problem.initial.upper, pieces + 1)
    axes = np.arange(problem.initial.size)
    cells = map(np.array, itertools.product(range(pieces), repeat=len(axes)))
    parts = [final_rows(problem, edges[cell, axes], edges[cell + 1, axes]) for cell in cells]
    return np.max([support_by_cutting(part, directions, CUTS) for part in parts], axis=0)


def ratios(certified: np.ndarray, attained: Attained, directions: np.ndarray) -> np.ndarray:
    """Certified widths over attained ones, for supports [2 p] of `directions` [p, n] and of their opposites."""
    both = np.concatenate([directions, -directions])
    found = np.array([attained.support(direction) for direction in both])
    # what is certified holds of every trajectory
    assert (certified >= found).all()
    widths = np.stack([certified, found]).reshape(2, 2, -1).sum(axis=1)
    return widths[0] / widths[1]


@pytest.mark.parametrize("id", RATIOS)
def test_the_final_box_is_hardly_wider_than_what_is_attained(id: str) -> None:
    problem = built(id)
    parts, most = RATIOS[id]
    pipe = reach(problem, engine="polynomial", settings={"parts": parts}).flowpipe
    assert pipe is not None
    assert pipe.steps[-1].time[1] == problem.horizon
    assert pipe.steps[-1].time[0] == pipe.steps[-1].time[1]
    box = pipe.bounding_box(-1)
    axes = np.eye(len(box.lower))
    found = ratios(np.concatenate([box.upper, -box.lower]), Attained(compiled(problem)), axes)
    assert (found <= most).all(), found


def test_the_paper_quadrotor_is_tight_in_all_principal_directions() -> None:
    folder = shared_path("seed-networks")
    problem = compiled(registry.load("problems", "paper/quadrotor6d")().with_models(folder).build())
    assert problem.samples == 10
    attained = Attained(problem)
    directions = principal_directions(attained.states)
    certified = certified_support(problem, np.concatenate([directions, -directions]), pieces=1)
    found = ratios(certified, attained, directions)
    assert (found <= 1.1).all(), found


def test_the_paper_double_integrator_is_tight_in_parts() -> None:
    folder = shared_path("seed-networks")
    problem = compiled(registry.load("problems", "paper/double-integrator")().with_models(folder).build())
    attained = Attained(problem)
    axes = np.concatenate([np.eye(2), principal_directions(attained.states)])
    found = ratios(certified_support(problem, np.concatenate([axes, -axes]), pieces=2), attained, axes)
    assert (found <= 1.01).all(), found
