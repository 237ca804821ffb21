"""The parts that a run leaves open: with the closed ones they cover the initial set, and they are where it is hard."""

from __future__ import annotations

import numpy as np
import pytest

from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.spec import Spec, Stay
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.verification.decide import falsify, verify
from nnctrl.verification.engine import MOST_OPEN_PARTS
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Budget
from nnctrl.verification.verdict import Verdict

ROUNDING = 1e-12

SETS = [
    Box([0.0, -1.0], [1.0, 1.0]),
    Zonotope([0.5, 0.0], [[0.5, 0.2, 0.0], [0.1, 0.5, 0.6]]),
    Ellipsoid([0.5, 0.0], [[0.5, 0.1], [0.0, 0.8]]),
    Polytope([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]], [1.5, 0.0, 0.5, 1.0]),
]


def is_in(box: Box, points: np.ndarray) -> np.ndarray:
    return ((box.lower - ROUNDING <= points) & (points <= box.upper + ROUNDING)).all(axis=1)


def nearly_touched(initial: AbstractSet) -> Problem:
    """x1 after a step is below a limit, but hardly so in one place of the initial set."""
    rng = np.random.default_rng(1)
    weights = [3.0 * rng.normal(size=(12, 2)), 0.5 * rng.normal(size=(1, 12))]
    network = Network.from_layers(weights, [rng.normal(size=12), np.zeros(1)], Tanh())
    loop = compose(LinearPlant([[0.5, 0.3], [0.0, 0.0]], [[1.0], [0.0]], dt=1.0), Controller(network))

    def below(limit: float) -> Problem:
        spec = Spec((Stay(Box([-9.0], [limit]), on=("x1",), during=(1, 1), name="limit"),))
        return Problem(loop, initial, spec, 1, "nearly touched")

    (row,) = falsify(below(9.0), engine="polynomial").requirements
    return below(9.0 - row.margin_sampled + 0.02)


@pytest.mark.parametrize("engine", ["branch-and-bound", "polynomial"])
@pytest.mark.parametrize("initial", SETS, ids=lambda initial: type(initial).__name__)
def test_open_and_closed_parts_cover_the_initial_set(initial: AbstractSet, engine: str) -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([initial.sample(rng, 300), initial.support_vector(rng.standard_normal((100, 2)))])
    problem = nearly_touched(initial)
    shares = []
    for nodes in (1, 4, 16):
        result = verify(problem, engine=engine, budget=Budget(nodes=nodes, jobs=1))
        if result.verdict is not Verdict.UNKNOWN:
            assert result.open_parts == ()
            continue
        assert 0 < len(result.open_parts) <= MOST_OPEN_PARTS
        covered = np.any([is_in(box, points) for box in result.open_parts], axis=0)
        shares.append(covered.mean())
        if result.flowpipe is not None:
            closed = [part.bounding_box() for part in result.flowpipe.steps[0].sets]
            covered |= np.any([is_in(box, points) for box in closed], axis=0)
        assert covered.all()
    # at first all of it is open, later less: boxes that are too large would pass otherwise
    assert shares[0] == 1.0
    assert shares[-1] < 0.9
