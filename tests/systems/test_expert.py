"""The forms in which experts state their laws."""

from __future__ import annotations

import casadi
import numpy as np
import pytest

from controllers.double_integrator_mpc import DoubleIntegratorMPC
from nnctrl import registry
from nnctrl.errors import InputError
from nnctrl.learning.dataset import initial_states
from nnctrl.learning.imitation_error.programs import ProgramView
from nnctrl.learning.recipe import recipe_of
from nnctrl.systems.expert import QuadraticProgram, traced
from nnctrl.systems.tape import Tape

WITHOUT_LAW = {"quadrotor6d-mpc"}


@pytest.mark.parametrize("name", registry.names("experts"))
def test_the_law_of_every_registered_expert_is_what_it_computes(name: str) -> None:
    recipe = recipe_of(name, registry.load("experts", name))
    law = recipe.expert.law()
    assert (law is None) == (name in WITHOUT_LAW)
    states = initial_states(recipe.initial_set, 100, np.random.default_rng(0))
    # about the initial set as well, so that limits are met
    states = np.concatenate([states, 2.0 * states, -states])
    if isinstance(law, Tape):
        inputs = np.array([recipe.expert.control(x) for x in states])
        np.testing.assert_allclose(law(states)[0], inputs, rtol=1e-12, atol=1e-12)


def test_the_program_of_the_double_integrator_has_the_inputs_that_its_solver_finds() -> None:
    import torch

    expert = DoubleIntegratorMPC()
    view = ProgramView(expert.law())
    states = np.random.default_rng(1).uniform([-6.0, -1.5], [6.0, 1.5], (60, 2))
    inputs = np.array([expert.control(x) for x in states])
    # the solver's tolerance
    np.testing.assert_allclose(view(torch.tensor(states)).numpy(), inputs, rtol=0.0, atol=1e-8)
    assert (np.abs(inputs) > 0.899).any()
    # where the expert refuses there is no law
    assert bool(torch.isnan(view(torch.tensor([[0.0, 3.0]]).double())).all())


def test_a_program_is_read_from_its_expressions() -> None:
    v, x = casadi.SX.sym("v", 2), casadi.SX.sym("x", 1)
    program = {
        "x": v,
        "p": x,
        "f": v[0] ** 2 + v[0] * v[1] + 2 * v[1] ** 2 + 3 * x * v[0] - v[1] + x,
        "g": v[0] - x + 1,
    }
    read = QuadraticProgram.of(program, {"lbx": [-1, -np.inf], "ubx": 2, "lbg": -np.inf, "ubg": 5}, 1)
    assert read.H.tolist() == [[2.0, 1.0], [1.0, 4.0]]
    assert (read.F.tolist(), read.f.tolist()) == ([[3.0], [0.0]], [0.0, -1.0])
    assert read.G.tolist() == [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]
    assert read.E.tolist() == [[0.0], [0.0], [1.0], [0.0]]
    assert read.w.tolist() == [2.0, 2.0, 4.0, 1.0]


@pytest.mark.parametrize(
    ("cost", "constraint", "words"),
    [
        (lambda v, x: v**4, lambda v, x: v, "not quadratic"),
        (lambda v, x: v**2 + x**2 * v, lambda v, x: v, "not quadratic"),
        (lambda v, x: v**2, lambda v, x: v * x, "not quadratic"),
    ],
)
def test_other_programs_are_refused(cost: object, constraint: object, words: str) -> None:
    v, x = casadi.SX.sym("v"), casadi.SX.sym("x")
    program = {"x": v, "p": x, "f": cost(v, x), "g": constraint(v, x)}  # type: ignore[operator]
    with pytest.raises(InputError, match=words):
        QuadraticProgram.of(program, {"lbx": -1, "ubx": 1, "lbg": -1, "ubg": 1}, 1)


def test_equality_constraints_and_wrong_shapes_are_refused() -> None:
    v, x = casadi.SX.sym("v"), casadi.SX.sym("x")
    with pytest.raises(InputError, match="equality constraints"):
        QuadraticProgram.of({"x": v, "p": x, "f": v**2, "g": v}, {"lbx": -1, "ubx": 1, "lbg": 0, "ubg": 0}, 1)
    with pytest.raises(InputError, match=r"G of a quadratic program has shape \(1, 2\)"):
        QuadraticProgram(np.eye(1), np.ones((1, 1)), np.ones(1), np.ones((1, 2)), np.ones((1, 1)), np.ones(1), 1)


def test_what_decides_about_the_state_cannot_be_traced() -> None:
    def control(x: np.ndarray) -> np.ndarray:
        return x if x[0] > 0.0 else -x

    with pytest.raises(InputError, match="without decisions about the state"):
        traced(control, 1)
    with pytest.raises(InputError, match="the constant nan"):
        traced(lambda x: np.asarray(x, dtype=np.float64), 2)
