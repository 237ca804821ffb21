"""Minimisers of quadratic programs over boxes contain the exact ones, and tighten to them."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.learning.imitation_error.largest import imitation_error
from nnctrl.learning.imitation_error.programs import ProgramView
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.expert import Expert, QuadraticProgram
from tests import high_precision
from tests.learning.exact_programs import minimiser, random_program

mpmath.mp.dps = 60


class Solving(Expert):
    """The law of a program, solved approximately."""

    def __init__(self, program: QuadraticProgram) -> None:
        self.program, self.view = program, ProgramView(program)

    def control(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.view(torch.tensor(x, dtype=torch.float64)).numpy())

    def law(self) -> QuadraticProgram:
        return self.program


def exact_states(rng: np.random.Generator, lower: np.ndarray, upper: np.ndarray, count: int) -> list[list[Fraction]]:
    """Corners, the middle and others of a box."""
    shares = np.concatenate([[[0, 0], [0, 1], [1, 0], [1, 1], [0.5, 0.5]], rng.random((count, 2))])
    return [[Fraction(float(v)) for v in np.clip(lower + s * (upper - lower), lower, upper)] for s in shares]


@pytest.mark.parametrize("seed", range(5))
def test_boxes_of_every_size_contain_the_exact_law(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    view = ProgramView(program)
    widest = []
    for width in (1.0, 0.1, 1e-3, 1e-6, 0.0):
        lower = rng.uniform(-1.0, 1.0 - width, (5, 2))
        upper = lower + width
        image = view.through(TaylorForm.of_box(torch.tensor(lower), torch.tensor(upper)))
        reach = image.spread() + image.rounding
        for k in range(len(lower)):
            for x in exact_states(rng, lower[k], upper[k], 1):
                law = minimiser(program, x)
                assert law is not None
                for j in range(program.outputs):
                    assert Fraction(float(image.lower[k, j])) <= law[j] <= Fraction(float(image.upper[k, j]))
        widest.append(float(reach.max()))
    assert widest[2] < 0.1
    assert widest[3] < 1e-4
    assert widest[4] < 1e-12


def test_parallel_constraints_that_change_places_do_not_stop_the_search() -> None:
    # u is the projection of -x_1 on [-1/2, min(1/2, x_2)]: both upper limits are active along the line x_2 = 1/2
    G = np.array([[1.0], [-1.0], [1.0]])
    E = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    program = QuadraticProgram(np.eye(1), np.array([[1.0, 0.0]]), np.zeros(1), G, E, np.array([0.5, 0.5, 0.0]), 1)
    view = ProgramView(program)
    for width in (1e-2, 1e-5):
        box = [torch.tensor([[-0.9, 0.5]]).double() + sign * width for sign in (-1.0, 1.0)]
        image = view.through(TaylorForm.of_box(*box))
        assert float((image.upper - image.lower).max()) < 8 * width
        assert float(image.lower) <= 0.5 - width
        assert float(image.upper) >= 0.5
    network = Network.from_layers([np.zeros((1, 2))], [np.array([0.5])], [])
    box = Box(np.array([-0.9, 0.3]), np.array([-0.7, 0.8]))
    found = imitation_error(network, Solving(program), box, "box", states=np.array([[-0.8, 0.4]]))
    assert found.remark == ""
    assert found.certified is not None
    assert found.attained is not None
    assert found.attained[0] <= 0.2 <= found.certified[0] <= 1.021 * 0.2


@pytest.mark.parametrize("seed", range(4))
def test_no_state_exceeds_the_certified_error_of_a_program(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    program = random_program(rng)
    activation = (Tanh(), Relu())[seed % 2]
    sizes = [(5, 2), (2, 5)]
    network = Network.from_layers(
        [rng.uniform(-1.0, 1.0, size) for size in sizes],
        [rng.uniform(-0.5, 0.5, size[0]) for size in sizes],
        [activation],
    )
    lower = rng.uniform(-1.0, 0.0, 2)
    region: Box | Zonotope = Box(lower, lower + 0.7)
    if seed >= 2:
        region = Zonotope(lower + 0.35, np.array([[0.1, 0.1], [-0.05, 0.1]]))
    meter = Meter(60.0, allowed_nodes=3000)
    found = imitation_error(network, Solving(program), region, "region", tolerance=0.1, meter=meter)
    assert found.certified is not None
    assert found.attained is not None
    worst = [mpmath.mpf(0)] * 2
    for state in region.sample(rng, 30):
        x = [Fraction(float(v)) for v in state]
        law = minimiser(program, x)
        assert law is not None
        value = high_precision.network(network, high_precision.vector(state))
        error = [abs(y - mpmath.mpf(u.numerator) / u.denominator) for y, u in zip(value, law, strict=False)]
        worst = [max(a, b) for a, b in zip(worst, error, strict=True)]
    for j in range(2):
        assert worst[j] <= mpmath.mpf(found.certified[j])
        assert found.attained[j] <= found.certified[j]
        # neither is far from what is there
        assert found.certified[j] <= 1.3 * max(float(worst[j]), found.attained[j])


def test_where_nothing_is_feasible_there_is_no_law_and_no_error() -> None:
    # u <= x and u >= 1/2 with |u| <= 1: a law from x = 1/2 on, which is 1/2 wherever it is
    G, E = np.array([[1.0], [-1.0]]), np.array([[1.0], [0.0]])
    program = QuadraticProgram(np.eye(1), np.zeros((1, 1)), np.zeros(1), G, E, np.array([0.0, -0.5]), 1)
    network = Network.from_layers([np.zeros((1, 1))], [np.array([0.25])], [])
    found = imitation_error(
        network, Solving(program), Box([0.6], [1.0]), "feasible", states=np.array([[0.7]]), meter=Meter(20.0)
    )
    assert found.attained is not None
    assert found.certified is not None
    assert found.attained[0] <= 0.25 <= found.certified[0] <= 0.2551


def test_programs_that_are_not_strictly_convex_are_named() -> None:
    program = QuadraticProgram(
        np.diag([1.0, -1.0]), np.zeros((2, 1)), np.zeros(2), np.eye(2), np.zeros((2, 1)), np.ones(2), 1
    )

    class Unsolved(Expert):
        def control(self, x: np.ndarray) -> np.ndarray:
            return np.zeros(1)

        def law(self) -> QuadraticProgram:
            return program

    network = Network.from_layers([np.zeros((1, 1))], [np.zeros(1)], [])
    found = imitation_error(network, Unsolved(), Box([0.0], [1.0]), "box")
    assert found.certified is None
    assert "not positive definite" in found.remark
    with pytest.raises(InputError, match="symmetric H"):
        QuadraticProgram(np.triu(np.ones((2, 2))), program.F, program.f, program.G, program.E, program.w, 1)
