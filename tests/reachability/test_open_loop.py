"""Support functions of a network's image: above every point of the set, attained within eps, for all kinds of sets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.crown import CrownBound
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.hessian_matrix import HessianMatrixBound
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.tightest import TightestOf
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.branching.meter import Meter
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.network import Network
from nnctrl.reachability.open_loop import Inputs, NormBall, support_of_image
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.zonotope import Zonotope
from tests import high_precision
from tests.loops import small_network

CENTRE = np.array([0.3, -0.2])

SETS: dict[str, Inputs] = {
    "box": Box(CENTRE - 0.5, CENTRE + 0.5),
    "zonotope": Zonotope(CENTRE, 0.3 * np.array([[1.0, 1.0, 1.0], [-1.0, 0.0, 1.0]])),
    "ball": Ball(CENTRE, 0.5),
    "ellipsoid": Ellipsoid(CENTRE, np.array([[0.5, 0.1], [-0.2, 0.3]])),
    **{f"{p}-ball": NormBall(CENTRE, 0.5, p) for p in (1.0, 2.0, math.inf)},
}

BOUNDS: list[AbstractBound] = [
    TaylorBound(),
    CrownBound(),
    ZerothOrderBound(),
    FirstOrderBound(expansion="optimised"),
    TightestOf(),
]


def members(inputs: Inputs, count: int) -> np.ndarray:
    """Random points of a set, also near its boundary."""
    rng = np.random.default_rng(0)
    if isinstance(inputs, NormBall):
        away = rng.normal(size=(count, 2))
        length = np.linalg.norm(away, inputs.p, axis=1, keepdims=True)
        share = np.where(rng.random((count, 1)) < 0.5, 1.0, rng.random((count, 1)))
        return inputs.centre + away / length * share * inputs.radius * (1.0 - 1e-12)
    return inputs.sample(rng, count)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("kind", SETS)
def test_the_support_is_bounded_and_attained(kind: str, bound: AbstractBound) -> None:
    network, inputs = small_network(2, 2, seed=3, gain=1.0), SETS[kind]
    angles = np.arange(5) * 2.0 * np.pi / 5.0
    directions = np.stack([np.cos(angles), np.sin(angles)], 1)
    found = support_of_image(network, inputs, directions, eps=0.05, bound=bound)
    assert found.stopped is None
    assert found.gap <= 0.05
    values = network(members(inputs, 4000)) @ directions.T
    assert (found.upper >= values.max(axis=0) - 1e-12).all()
    for d, point, attained, upper in zip(directions, found.points, found.attained, found.upper, strict=True):
        exact = high_precision.dot(d, high_precision.network(network, high_precision.vector(point)))
        assert abs(exact - float(attained)) < 1e-9
        # a point that is certainly in the set, next to the one that was found
        member = CENTRE + (point - CENTRE) * (1.0 - 1e-9)
        if isinstance(inputs, NormBall):
            assert np.linalg.norm(member - CENTRE, inputs.p) <= 0.5 * (1.0 - 1e-12)
        else:
            assert inputs.contains(member).verdict == "inside"
        assert high_precision.dot(d, high_precision.network(network, high_precision.vector(member))) <= upper


def test_a_ball_is_tighter_than_the_box_around_it() -> None:
    rng = np.random.default_rng(0)
    # nearly linear, with slopes along the diagonals: the extremes are at corners of the box
    weights = [0.1 * np.array([[1.0, 1.0], [1.0, -1.0]]), 10.0 * np.eye(2)]
    network = Network.from_layers(weights, [0.1 * rng.normal(size=2), np.zeros(2)], Tanh())
    directions = np.eye(2)
    ball, box = (support_of_image(network, SETS[kind], directions, eps=1e-3) for kind in ("ball", "box"))
    assert (ball.upper < box.attained - 1e-2).all()


def test_a_ball_known_to_the_bound_needs_fewer_nodes() -> None:
    """The lesser of the box's and the ball's bound, against boxes alone (the Taylor bound knows no balls)."""
    rng = np.random.default_rng(0)
    widths = ((6, 2), (2, 6))
    network = Network.from_layers([rng.normal(size=w) for w in widths], [np.zeros(6), np.zeros(2)], Tanh())
    inputs, directions = NormBall(np.zeros(2), 0.3, 1.0), np.eye(2)
    matrix = support_of_image(network, inputs, directions, eps=1e-3, bound=HessianMatrixBound())
    plain = support_of_image(
        network, Box(np.full(2, -0.3), np.full(2, 0.3)), directions, eps=1e-3, bound=HessianMatrixBound()
    )
    assert matrix.gap <= 1e-3
    assert (matrix.upper < plain.attained).all()


def test_budgets_and_mistakes() -> None:
    network = small_network(2, 2, seed=3, gain=2.0)
    cut = support_of_image(network, SETS["box"], np.eye(2), eps=1e-9, meter=Meter(allowed_nodes=50))
    assert cut.stopped == "node-budget"
    assert np.isfinite(cut.upper).all()
    relu = Network.from_layers([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)], Relu())
    with pytest.raises(UnsupportedError, match=r"'first-order' needs activations with a second derivative"):
        support_of_image(relu, SETS["box"], np.eye(2), bound=FirstOrderBound())
    with pytest.raises(DimensionError, match=r"network with 2 inputs and 2 outputs"):
        support_of_image(network, Box(np.zeros(3), np.ones(3)), np.eye(2))
    with pytest.raises(InputError, match=r"eps is 0"):
        support_of_image(network, SETS["box"], np.eye(2), eps=0.0)
    with pytest.raises(InputError, match=r"p = 1, 2 or infinity, not p = 3"):
        NormBall(CENTRE, 1.0, 3.0)
    with pytest.raises(InputError, match=r"the radius of an input ball is -1"):
        NormBall(CENTRE, -1.0, 2.0)
