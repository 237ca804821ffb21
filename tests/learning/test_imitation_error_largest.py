"""No state exceeds the certified imitation error of a law that is an expression, and the bound comes down to it."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from controllers.trained import demo_acc, demo_attitude, demo_cartpole, demo_unicycle, double_integrator
from nnctrl import registry
from nnctrl.branching.meter import Meter
from nnctrl.errors import DimensionError, InputError
from nnctrl.learning.imitation_error.largest import NO_LAW, TOLERANCE, errors_of_imitation, imitation_error
from nnctrl.learning.recipe import recipe_of
from nnctrl.networks.activations import Relu, Sigmoid, Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert, traced
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.tape import Tape
from tests import high_precision

mpmath.mp.dps = 60

Number = mpmath.mpf


class Saturated(Expert):
    """u = min(1, max(-1, K x)), with kinks, or the smooth tanh(K x)."""

    def __init__(self, gain: np.ndarray, smooth: bool) -> None:
        self.gain, self.smooth = gain, smooth

    def control(self, x: np.ndarray) -> np.ndarray:
        command = self.gain @ x
        if self.smooth:
            return np.asarray(np.tanh(command))
        return np.array([np.fmin(1.0, np.fmax(-1.0, entry)) for entry in command])

    def law(self) -> Tape:
        return traced(self.control, self.gain.shape[1])

    def exact(self, x: list[Number]) -> list[Number]:
        command = [mpmath.fdot(high_precision.vector(row), x) for row in self.gain]
        return [mpmath.tanh(c) if self.smooth else min(Number(1), max(Number(-1), c)) for c in command]


class Lawless(Expert):
    """Says nothing about its law."""

    def control(self, x: np.ndarray) -> np.ndarray:
        if x[0] > 0.5:
            raise InputError("too far")
        return x[:1]


def regions(rng: np.random.Generator) -> list[AbstractSet]:
    middle = rng.uniform(-1.0, 1.0, 2)
    shape = rng.normal(size=(2, 2))
    return [
        Box(middle - 0.7, middle + 0.7),
        Zonotope(middle, rng.normal(size=(2, 3)) / 3.0),
        Ellipsoid(middle, shape / 2.0),
        Ball(middle, 0.8),
        Polytope.from_box(Box(middle - 0.3, middle + 0.4)),
        Box(middle, middle + np.array([0.0, 0.5])),
    ]


def random_two_to_two(rng: np.random.Generator) -> Network:
    kind = (Tanh(), Relu(), Sigmoid())[int(rng.integers(3))]
    return Network.from_layers(
        [rng.normal(size=(6, 2)), rng.normal(size=(2, 6)) / 2.0], [rng.normal(size=6), rng.normal(size=2)], [kind]
    )


def exact_errors(network: Network, expert: Saturated, x: np.ndarray) -> list[Number]:
    point = high_precision.vector(x)
    pairs = zip(high_precision.network(network, point), expert.exact(point), strict=True)
    return [abs(y - u) for y, u in pairs]


def kinks(expert: Saturated, region: AbstractSet, rng: np.random.Generator) -> np.ndarray:
    """States of a region moved onto a saturation of the law, as near as doubles come, where that stays inside."""
    states = region.sample(rng, 40)
    row = expert.gain[0]
    moved = states + (np.sign(states @ row) - states @ row)[:, None] * row / (row @ row)
    inside = [region.contains(state).verdict == "inside" for state in moved]
    return np.asarray(moved[inside])


@pytest.mark.parametrize("kind", range(6))
@pytest.mark.parametrize("smooth", [True, False])
def test_no_state_exceeds_the_certified_error(kind: int, smooth: bool) -> None:
    rng = np.random.default_rng(10 * kind + smooth)
    for _ in range(3):
        region, network = regions(rng)[kind], random_two_to_two(rng)
        expert = Saturated(rng.normal(size=(2, 2)) * rng.choice([0.5, 3.0]), smooth)
        found = imitation_error(network, expert, region, "region", meter=Meter(60.0, allowed_nodes=60_000))
        assert found.certified is not None
        assert found.attained is not None
        assert found.sampled is not None
        assert found.remark == ""
        points = np.concatenate([region.sample_inside(rng, 40), kinks(expert, region, rng)])
        for x in points:
            for error, bound in zip(exact_errors(network, expert, x), found.certified, strict=True):
                assert error <= mpmath.mpf(bound)
        for attained, certified, sampled in zip(found.attained, found.certified, found.sampled, strict=True):
            assert attained <= certified <= (1.0 + TOLERANCE) * attained + 1e-7
            # the samples are of the region too, up to rounding
            assert sampled <= certified + 1e-9


def test_a_network_that_is_the_law_has_no_error() -> None:
    gain = np.array([[0.5, -2.0]])
    network = Network.from_layers([gain], [np.zeros(1)], [])

    class Linear(Saturated):
        def control(self, x: np.ndarray) -> np.ndarray:
            return np.asarray(self.gain @ x)

    found = imitation_error(network, Linear(gain, True), Box([-1.0, -1.0], [1.0, 1.0]), "box")
    assert found.attained == (0.0,)
    assert found.certified is not None
    assert 0.0 <= found.certified[0] < 1e-13
    assert found.remark == ""


def test_several_boxes_are_bounded_as_their_union() -> None:
    rng = np.random.default_rng(5)
    network, expert = random_two_to_two(rng), Saturated(rng.normal(size=(2, 2)), False)
    boxes = [Box(middle - 0.2, middle + 0.2) for middle in rng.uniform(-2.0, 2.0, (7, 2))]
    whole = imitation_error(network, expert, boxes, "boxes")
    alone = [imitation_error(network, expert, box, "box") for box in boxes]
    assert whole.certified is not None
    assert len(whole.regions) == 7
    for j in range(2):
        attained = max(found.attained[j] for found in alone if found.attained is not None)
        certified = max(found.certified[j] for found in alone if found.certified is not None)
        assert attained <= whole.certified[j]
        assert whole.certified[j] <= (1.0 + TOLERANCE) * certified


def test_a_spent_budget_leaves_a_valid_bound_and_a_remark() -> None:
    rng = np.random.default_rng(7)
    network, expert = random_two_to_two(rng), Saturated(3.0 * rng.normal(size=(2, 2)), False)
    box = Box([-1.0, -1.0], [1.0, 1.0])
    found = imitation_error(network, expert, box, "box", meter=Meter(allowed_nodes=4))
    full = imitation_error(network, expert, box, "box")
    assert "node-budget" in found.remark
    assert found.certified is not None
    assert full.attained is not None
    assert all(a <= c for a, c in zip(full.attained, found.certified, strict=True))


def test_an_expert_without_a_law_is_sampled_and_named() -> None:
    network = Network.from_layers([np.zeros((1, 2))], [np.zeros(1)], [])
    found = imitation_error(network, Lawless(), Box([0.0, 0.0], [0.5, 1.0]), "box")
    assert (found.certified, found.attained, found.remark) == (None, None, NO_LAW)
    assert found.sampled == (0.5,)
    refused = imitation_error(network, Lawless(), Box([0.6, 0.0], [1.0, 1.0]), "box")
    assert (refused.sampled, refused.samples) == (None, 0)


def test_a_law_that_is_undefined_somewhere_is_not_certified() -> None:
    class Root(Expert):
        def control(self, x: np.ndarray) -> np.ndarray:
            return np.sqrt(np.abs(x[:1]) - 0.5) if x.dtype != object else np.sqrt(x[:1] - 0.5)

        def law(self) -> Tape:
            return traced(self.control, 1)

    network = Network.from_layers([np.zeros((1, 1))], [np.zeros(1)], [])
    found = imitation_error(network, Root(), Box([0.0], [1.0]), "box", states=np.ones((4, 1)))
    assert found.certified is None
    assert "no finite bound" in found.remark


def test_misfits_are_refused() -> None:
    network = Network.from_layers([np.zeros((1, 2))], [np.zeros(1)], [])
    with pytest.raises(DimensionError, match="2 inputs is compared with an expert over sets of the dimensions 1"):
        imitation_error(network, Lawless(), Box([0.0], [1.0]), "box")
    with pytest.raises(DimensionError, match="1 outputs is compared with a law of 2"):
        imitation_error(
            network, Saturated(np.eye(2), True), Box([0.0, 0.0], [0.1, 0.1]), "box", states=np.zeros((0, 2))
        )


def test_the_closed_loop_is_followed_sample_by_sample() -> None:
    plant = LinearPlant(A=[[1.0, 0.5], [0.0, 1.0]], B=[[0.0], [0.5]], dt=0.5)
    expert = Saturated(np.array([[-0.8, -1.5]]), True)
    network = Network.from_layers([expert.gain], [np.zeros(1)], [])
    start = Box([0.5, -0.2], [1.0, 0.2])
    first, second = errors_of_imitation(network, expert, plant, start, 6, 10, 0)
    assert first.regions == (start,)
    assert len(second.regions) == 6
    assert second.samples == 60
    for found in (first, second):
        assert found.certified is not None
        assert found.sampled is not None
        assert found.sampled[0] <= found.certified[0]


@pytest.mark.parametrize(
    ("name", "controller"),
    [
        ("demo/acc-feedback", demo_acc()),
        ("demo/attitude-feedback", demo_attitude()),
        ("demo/cartpole-lqr", demo_cartpole()),
        ("demo/unicycle-look-ahead", demo_unicycle()),
    ],
)
def test_the_bound_of_committed_networks_comes_down_to_what_is_attained(name: str, controller: Controller) -> None:
    recipe = recipe_of(name, registry.load("experts", name))
    network = controller.network
    found = imitation_error(network, recipe.expert, recipe.initial_set, "initial set")
    assert found.remark == ""
    assert found.certified is not None
    assert found.attained is not None
    assert found.sampled is not None
    for certified, attained, sampled in zip(found.certified, found.attained, found.sampled, strict=True):
        assert attained <= certified <= (1.0 + TOLERANCE) * attained + 1e-7
        assert sampled <= certified + 1e-12


def test_the_bound_of_the_double_integrators_network_near_the_goal() -> None:
    recipe = recipe_of("double-integrator-mpc", registry.load("experts", "double-integrator-mpc"))
    box = Box([0.2, -0.6], [1.2, 0.1])
    found = imitation_error(double_integrator().network, recipe.expert, box, "box")
    assert found.remark == ""
    assert found.certified is not None
    assert found.attained is not None
    assert found.sampled is not None
    assert found.attained[0] <= found.certified[0] <= (1.0 + TOLERANCE) * found.attained[0] + 1e-7
    # the program's own tolerance apart
    assert found.sampled[0] <= found.certified[0] + 1e-7
