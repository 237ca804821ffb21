"""What is said of an imitation error: nothing is attained where no law is, and a remark wherever it is not tight."""

from __future__ import annotations

from fractions import Fraction

import casadi
import numpy as np
import pytest
import torch

from nnctrl.bounds.view import AffineView, NetworkView
from nnctrl.branching.meter import Meter
from nnctrl.errors import DimensionError, InputError
from nnctrl.learning.imitation_error.largest import NO_STATE, ImitationError, imitation_error
from nnctrl.learning.imitation_error.programs import ProgramView
from nnctrl.learning.imitation_error.views import DifferenceView, ExpressionView
from nnctrl.networks.activations import Relu
from nnctrl.networks.network import Network
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.polytope import Polytope
from nnctrl.systems.expert import Expert, Law, QuadraticProgram
from nnctrl.systems.tape import Tape

X = casadi.SX.sym("x", 1)


class Stated(Expert):
    """An expert of which only the law matters."""

    def __init__(self, law: Law) -> None:
        self._law = law

    def control(self, x: np.ndarray) -> np.ndarray:
        return np.zeros(1)

    def law(self) -> Law:
        return self._law


def program(G: list[float], E: list[float], w: list[float]) -> QuadraticProgram:
    """The u of least absolute value with `G u <= E x + w`, one input and one state."""
    rows, moves = np.array(G)[:, None], np.array(E)[:, None]
    return QuadraticProgram(np.eye(1), np.zeros((1, 1)), np.zeros(1), rows, moves, np.array(w), 1)


def expression(*outputs: object) -> Tape:
    return Tape(casadi.Function("law", [X], list(outputs)))


def affine(slope: float, constant: float) -> Network:
    return Network.from_layers([np.array([[slope]])], [np.array([constant])], [])


def asked(network: Network, law: Law, region: AbstractSet | list[Box], **given: Meter) -> ImitationError:
    return imitation_error(network, Stated(law), region, "set", states=np.zeros((1, network.in_size)), **given)


def test_nothing_is_attained_or_certified_where_no_input_is_feasible() -> None:
    # -1 <= u <= min(1, x - 10)
    law = program([1.0, -1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, -10.0])
    for region in (Box([0.5], [0.5]), Box([0.0], [8.9])):
        found = asked(affine(0.0, -5.0), law, region)
        assert (found.certified, found.attained, found.remark) == (None, None, NO_STATE)


def test_limits_that_exclude_each_other_are_named() -> None:
    found = asked(affine(0.0, 0.0), program([1.0, -1.0], [0.0, 0.0], [-0.5, -0.5]), Box([0.0], [1.0]))
    assert found.certified is None
    assert "exclude each other ([0.5] is to be at most [-0.5])" in found.remark
    given = {"x": X, "p": casadi.SX.sym("p"), "f": X**2, "g": X}
    with pytest.raises(InputError, match=r"limit 0 of the program of a law is from 1\.0 to -1\.0"):
        QuadraticProgram.of(given, {"lbx": 1, "ubx": -1, "lbg": -1, "ubg": 1}, 1)


def test_what_is_attained_on_a_sliver_with_a_law_is_attained_there() -> None:
    # u = 0 for 0.7 <= x <= 0.7 + 1e-7, the network is -5 - |20 x - 14|
    ends = 0.7, 0.7 + 1e-7
    law = program([1.0, -1.0, 1.0, 1.0], [0.0, 0.0, 1.0, -1.0], [1.0, 0.0, -ends[0], ends[1]])
    network = Network.from_layers(
        [np.array([[20.0], [-20.0]]), np.array([[-1.0, -1.0]])], [np.array([-14.0, 14.0]), np.array([-5.0])], [Relu()]
    )
    found = asked(network, law, Box([0.0], [1.0]), meter=Meter(allowed_nodes=4000))
    largest = 5 + max(abs(20 * Fraction(end) - 14) for end in ends)
    assert found.attained is not None
    assert found.certified is not None
    assert Fraction(found.attained[0]) <= largest <= Fraction(found.certified[0])
    assert "seems to have no input" in found.remark


def test_what_is_attained_at_the_edge_of_the_law_is_attained_there() -> None:
    # u = 0 for x >= 0 with the network 2e9 x - 4; for x < 0 it is up to 6 away from what the limits leave
    law = program([1.0, -1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    found = asked(affine(2e9, -4.0), law, Box([-1e-9], [1e-9]), meter=Meter(allowed_nodes=300))
    assert found.attained is not None
    assert found.certified is not None
    assert Fraction(39, 10) < Fraction(found.attained[0]) <= 4 <= Fraction(found.certified[0])
    assert "could be tighter" in found.remark
    assert "seems to have no input" in found.remark


def test_constraints_in_small_units_count() -> None:
    # u = min(x, x / 8 + 1), up to the rounding of the unit
    unit = 1e-9
    law = QuadraticProgram(
        np.eye(1),
        -np.eye(1),
        np.zeros(1),
        np.array([[unit], [-unit]]),
        np.array([[0.125 * unit], [0.0]]),
        np.array([unit, 4 * unit]),
        1,
    )
    found = asked(affine(0.0, 0.0), law, Box([0.0], [3.0]))
    assert found.attained is not None
    assert found.certified is not None
    assert found.remark == ""
    assert found.attained[0] <= 1.375 * (1 + 1e-15)
    assert 1.375 * (1 - 1e-15) <= found.certified[0] <= 1.403


def test_an_expression_has_an_input_only_where_all_of_it_is_defined() -> None:
    law = ExpressionView(expression(casadi.fmax(0, casadi.fmin(1, casadi.sqrt(X)))))
    states = np.array([[Fraction(-1, 10**30)], [Fraction(0)], [Fraction(1, 3)]], dtype=object)
    assert law.has_input(states).tolist() == [False, True, True]
    both = ExpressionView(expression(casadi.vertcat(X, casadi.log(X))))
    assert both.has_input(states).tolist() == [False, False, True]


def test_a_network_of_0_and_a_law_of_0_end_at_once() -> None:
    meter = Meter()
    found = asked(affine(0.0, 0.0), program([1.0, -1.0], [0.0, 0.0], [1.0, 1.0]), Box([0.0], [1.0]), meter=meter)
    assert found.remark == ""
    assert found.attained == (0.0,)
    assert meter.nodes == 2


def test_outputs_that_share_their_best_points_are_all_attained() -> None:
    network = Network.from_layers([np.zeros((3, 1))], [np.array([2.0, -2.0, 2.0])], [])
    found = asked(network, expression(casadi.vertcat(X, -X, X)), [Box([0.5], [0.5])] * 3)
    assert found.attained is not None
    assert found.certified is not None
    assert found.remark == ""
    for low, high in zip(found.attained, found.certified, strict=True):
        assert low <= 1.5 <= high < 1.5 + 1e-12
        assert low > 1.5 - 1e-12


def test_a_bound_that_stays_loose_on_the_smallest_parts_says_so() -> None:
    law = expression(casadi.atan2(X, X))
    found = asked(affine(0.0, 0.0), law, [Box([0.0], [0.0]), Box([1.0], [1.0])])
    assert found.certified is not None
    assert found.certified[0] > 3.0
    assert "too small to be split" in found.remark


def test_a_budget_that_is_spent_before_there_is_a_bound_is_named() -> None:
    law = program([1.0, -1.0], [0.0, 0.0], [1.0, 1.0])
    boxes = [Box([k / 1e4], [(k + 1) / 1e4]) for k in range(300)]
    found = asked(affine(0.0, 5.0), law, boxes, meter=Meter(0.0))
    assert found.certified is None
    assert found.remark == "not certified: no finite bound was found before the time-budget was spent"
    # 1 / x has no bound, and nothing stops the search from looking for it
    found = asked(affine(0.0, 0.0), expression(1 / X), Box([-1.0], [1.0]), meter=Meter(allowed_nodes=50))
    assert found.remark == "not certified: no finite bound was found before the node-budget was spent"


def test_large_programs_keep_to_their_time() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(40, 40))
    G = np.concatenate([np.eye(40), -np.eye(40)])
    law = QuadraticProgram(
        root @ root.T + np.eye(40), rng.normal(size=(40, 1)), rng.normal(size=40), G, np.zeros((80, 1)), np.ones(80), 1
    )
    meter = Meter(0.3)
    found = asked(affine(0.0, 0.0), law, Box([-1.0], [1.0]), meter=meter)
    assert found.certified is None
    assert "time-budget" in found.remark
    assert meter.elapsed() < 5.0
    wide = QuadraticProgram(np.eye(41), np.zeros((41, 1)), np.zeros(41), np.eye(41), np.zeros((41, 1)), np.ones(41), 1)
    found = asked(affine(0.0, 0.0), wide, Box([-1.0], [1.0]))
    assert "41 variables and 41 constraints; at most 40 and 200" in found.remark


def test_a_polytope_is_bounded_as_its_box_and_says_so() -> None:
    box = Box([0.0], [1.0])
    found = asked(affine(1.0, 0.0), expression(X), Polytope.from_box(box))
    assert found.about == "bounding box of the set"
    assert asked(affine(1.0, 0.0), expression(X), box).about == "set"


def test_laws_of_another_shape_are_refused() -> None:
    network = affine(1.0, 0.0)
    region = Box([0.0], [1.0])
    two_states = QuadraticProgram(np.eye(1), np.ones((1, 2)), np.zeros(1), np.eye(1), np.zeros((1, 2)), np.ones(1), 1)
    with pytest.raises(DimensionError, match="network of 1 inputs is compared with a law of 2 states"):
        asked(network, two_states, region)
    with pytest.raises(DimensionError, match="network of 1 outputs is compared with a law of 2"):
        asked(network, expression(casadi.vertcat(X, X)), region)
    for outputs in ((casadi.horzcat(X, X),), (X, X)):
        with pytest.raises(InputError, match="one column of inputs"):
            asked(network, expression(*outputs), region)


def test_no_value_is_taken_for_one_where_there_is_no_law() -> None:
    law = ProgramView(program([1.0, -1.0], [1.0, 0.0], [0.0, 0.0]))
    view = DifferenceView(AffineView(torch.eye(1).double(), torch.zeros(1).double()), NetworkView.of(affine(0, 3)), law)
    points = torch.tensor([[-1e-300], [0.0], [2.0]], dtype=torch.float64)
    assert torch.isnan(view(points)).flatten().tolist() == [True, False, False]
    assert view.has_law(points).tolist() == [False, True, True]
