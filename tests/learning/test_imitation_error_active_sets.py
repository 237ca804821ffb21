"""Active sets are right at every state, whatever the solver says, and so is the proof that there is none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.learning.imitation_error.active_sets import ActiveSets
from nnctrl.learning.imitation_error.crossing import _may_hold
from nnctrl.learning.imitation_error.pieces import Pieces, exact
from nnctrl.learning.imitation_error.programs import ProgramView
from nnctrl.systems.expert import QuadraticProgram
from tests.learning.exact_programs import awkward_program, minimiser


def active_sets(program: QuadraticProgram) -> tuple[Pieces, ActiveSets]:
    meter = Meter()
    pieces = Pieces(program, meter)
    return pieces, ActiveSets(pieces, meter)


def law_of(pieces: Pieces, active: tuple[int, ...], x: list[Fraction]) -> list[Fraction]:
    piece = pieces.piece(active)
    assert piece is not None
    return [sum((a * b for a, b in zip(row, [*x, Fraction(1)], strict=True)), Fraction(0)) for row in piece.values]


@pytest.mark.parametrize("seed", range(12))
def test_the_set_at_a_state_is_that_of_the_exact_minimiser(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(6):
        program = awkward_program(rng)
        pieces, sets = active_sets(program)
        states = np.concatenate([rng.uniform(-1.0, 1.0, (4, 2)), rng.integers(-2, 3, (4, 2)) / 2.0])
        for state, active in zip(states, sets.at(torch.tensor(states)), strict=True):
            x = [Fraction(float(v)) for v in state]
            law = minimiser(program, x)
            # from any other start as well
            start = tuple(int(i) for i in np.flatnonzero(rng.random(len(program.w)) < 0.5))
            other = sets.exactly(exact(state), start)
            assert (law is None) == (active is None) == (other is None)
            if law is not None and active is not None and other is not None:
                assert law_of(pieces, active, x) == law_of(pieces, other, x) == law[: program.outputs]


def test_what_the_solver_gets_wrong_is_mended() -> None:
    # it gives up on 3 u <= x + 2, u <= 1 - x, and calls an infeasible point of the second program a success
    first = QuadraticProgram(
        np.array([[2.0]]),
        np.array([[-4.0]]),
        np.array([-1.0]),
        np.array([[3.0], [1.0]]),
        np.array([[1.0], [-1.0]]),
        np.array([2.0, 1.0]),
        1,
    )
    assert float(ProgramView(first)(torch.tensor([0.75], dtype=torch.float64))) == 0.25
    H = np.array([[1.0634765625, -0.375, -1.25], [-0.375, 0.7509765625, 0.125], [-1.25, 0.125, 2.0634765625]])
    second = QuadraticProgram(
        H,
        np.array([[1.0, 3.0], [2.0, 2.5], [-1.0, -0.5]]),
        np.array([0.0, 1.0, 0.0]),
        np.array([[2.0, 3.0, 3.0], [0.0, 0.0, 2.0], [3.0, 2.0, -1.0]]),
        np.array([[1.5, -1.0], [0.0, 0.0], [1.0, -0.5]]),
        np.zeros(3),
        3,
    )
    law = minimiser(second, [Fraction(1, 4), Fraction(-3, 4)])
    assert law is not None
    found = ProgramView(second)(torch.tensor([0.25, -0.75], dtype=torch.float64))
    np.testing.assert_allclose(found.numpy(), [float(v) for v in law], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_excluded_only_if_no_state_has_an_input(seed: int) -> None:
    rng = np.random.default_rng(40 + seed)
    excluded = 0
    for _ in range(8):
        program = awkward_program(rng)
        lower = torch.tensor(rng.uniform(-2.0, 1.0, (6, 2)))
        upper = lower + torch.tensor(rng.choice([0.0, 1e-3, 0.5], (6, 2)))
        image = ProgramView(program).through(TaylorForm.of_box(lower, upper))
        nowhere = (image.lower > image.upper).any(-1)
        excluded += int(nowhere.sum())
        for low, high in zip(lower[nowhere].numpy(), upper[nowhere].numpy(), strict=True):
            for share in [*rng.random((2, 2)), np.zeros(2), np.ones(2)]:
                state = np.clip(low + share * (high - low), low, high)
                assert minimiser(program, [Fraction(float(v)) for v in state]) is None
    assert excluded


def test_whether_there_is_an_input_is_decided_where_no_double_is() -> None:
    program = QuadraticProgram(
        np.eye(1), np.zeros((1, 1)), np.zeros(1), np.array([[1.0], [-1.0]]), np.array([[0.0], [-3.0]]), np.ones(2), 1
    )
    # u <= 1 and u >= 3 x - 1: up to x = 2/3
    states = np.array([[Fraction(2, 3)], [Fraction(2, 3) + Fraction(1, 10**40)]], dtype=object)
    assert ProgramView(program).has_input(states).tolist() == [True, False]


def test_a_spent_meter_stops_the_work() -> None:
    program = awkward_program(np.random.default_rng(0))
    meter = Meter(seconds=0.0)
    with pytest.raises(BudgetSpentError):
        ProgramView(program, meter)
    pieces = Pieces(program, Meter())
    with pytest.raises(BudgetSpentError):
        ActiveSets(pieces, meter).at(torch.zeros(1, 2).double())


def test_an_overflow_excludes_no_piece() -> None:
    program = QuadraticProgram(np.eye(1), np.array([[4.0]]), np.zeros(1), np.eye(1), np.zeros((1, 1)), np.ones(1), 1)
    piece = Pieces(program, Meter()).piece(())
    assert piece is not None
    wide = TaylorForm.of_box(*(torch.tensor([[end]], dtype=torch.float64) for end in (-1.7e308, 1.7e308)))
    assert _may_hold(wide, piece)
