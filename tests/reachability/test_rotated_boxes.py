"""Defects of the public implementation of the Hessian paper's multi-step algorithm: here they must come out right."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np

from nnctrl.bounds.taylor import TaylorBound
from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import Branching
from nnctrl.networks.torch_import import from_state_dict
from nnctrl.progress import SilentProgress
from nnctrl.reachability.discrete import DiscreteReachability, DiscreteReachSettings
from nnctrl.reachability.parametrisation import parametrise
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from tests import high_precision
from tests.shared import shared_path

HEXAGON = Zonotope(np.array([2.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))


def test_later_steps_are_bounded_over_the_rotated_box() -> None:
    """From the second step on, intervals through the un-rotated first layer miss values over the rotated box.

    Every corner of every step's set, exactly, one exact step later, obeys the bounds of the next step.
    """
    network = from_state_dict(shared_path("seed-networks/doubleIntegratorTanh-2-10-5-5-1.pth"), activation="tanh")
    plant = LinearPlant(A=[[1.0, 1.0], [0.0, 1.0]], B=[[0.5], [1.0]], dt=1.0)
    settings = DiscreteReachSettings("per-step", 1e-3, TaylorBound(), Branching())
    start = parametrise(HEXAGON, lambda affine: affine)
    search = DiscreteReachability(compose(plant, Controller(network)).step, 2, start, settings, Meter())
    found = search.run(5, SilentProgress())
    dynamics = plant.affine().state
    sets = [HEXAGON, *(step.sets[0] for step in found.steps)]
    for zonotope, bounds in zip(sets, found.bounds, strict=False):
        # the stored set is rounded outward once more, with two small generators: just inside is inside what was bounded
        count = min(zonotope.generators.shape[1], 3 if zonotope is HEXAGON else 2)
        for corner in itertools.product((-1.0, 1.0), repeat=count):
            signs = np.pad(corner, (0, zonotope.generators.shape[1] - count)) * (1.0 - 1e-9)
            x = [
                mpmath.mpf(float(c)) + high_precision.dot(row, high_precision.vector(signs))
                for c, row in zip(zonotope.centre, zonotope.generators, strict=True)
            ]
            image = high_precision.affine(dynamics, [*x, *high_precision.network(network, x)])
            for direction, upper in zip(bounds.directions, bounds.upper, strict=True):
                assert high_precision.dot(direction, image) <= upper


def test_a_search_that_runs_out_says_so() -> None:
    network = from_state_dict(shared_path("seed-networks/doubleIntegratorTanh-2-10-5-5-1.pth"), activation="tanh")
    plant = LinearPlant(A=[[1.0, 1.0], [0.0, 1.0]], B=[[0.5], [1.0]], dt=1.0)
    settings = DiscreteReachSettings("per-step", 1e-9, TaylorBound(), Branching())
    start = parametrise(HEXAGON, lambda affine: affine)
    loop = compose(plant, Controller(network))
    found = DiscreteReachability(loop.step, 2, start, settings, Meter(allowed_nodes=50)).run(5, SilentProgress())
    assert found.stopped == "node-budget"
    assert found.gap > 1e-9
