import numpy as np
import pytest

from controllers.double_integrator_mpc import DoubleIntegratorMPC
from controllers.terminal_cost import riccati_cost
from nnctrl.errors import InputError
from nnctrl.learning.evaluation import evaluate
from nnctrl.systems.simulation import simulate
from plants.double_integrator import DoubleIntegrator


def test_is_the_linear_quadratic_regulator_where_no_limit_is_near():
    expert = DoubleIntegratorMPC()
    _, K = riccati_cost(DoubleIntegrator().affine(), np.diag(expert.state_weights), np.array([[expert.input_weight]]))
    for x in ([0.1, 0.0], [-0.2, 0.1], [0.0, -0.3]):
        assert expert.control(np.array(x)) == pytest.approx(-K @ x, abs=1e-8)


def test_keeps_its_limits_from_states_that_press_against_them():
    expert = DoubleIntegratorMPC()
    start = np.array([[2.8, 0.0], [4.0, 0.5], [3.0, -0.8], [-5.0, 0.0], [9.0, 1.5]])
    run = simulate(DoubleIntegrator(), expert, start, 6)
    assert np.abs(run.u).max() <= expert.input_limit + 1e-8
    assert np.abs(run.x[:, 1:, 1]).max() <= expert.velocity_limit + 1e-8


def test_plans_that_obey_the_optimality_conditions():
    # one step: minimise x1'P x1 + r u^2 over the interval that both limits leave, whose solution is a projection
    expert = DoubleIntegratorMPC(horizon=1)
    dynamics = DoubleIntegrator().affine()
    P, _ = riccati_cost(dynamics, np.diag(expert.state_weights), np.array([[expert.input_weight]]))
    A, B, r = dynamics.A, dynamics.B, expert.input_weight
    for x in np.random.default_rng(0).uniform([-4.0, -1.5], [4.0, 1.5], (50, 2)):
        free = -(B.T @ P @ A @ x)[0] / (B.T @ P @ B + r)[0, 0]
        low = max(-expert.input_limit, -expert.velocity_limit - x[1])
        high = min(expert.input_limit, expert.velocity_limit - x[1])
        assert expert.control(x)[0] == pytest.approx(np.clip(free, low, high), abs=1e-8)


def test_says_where_it_has_no_solution():
    with pytest.raises(InputError, match=r"no solution at p = 0, v = 3 .*start slower"):
        DoubleIntegratorMPC().control(np.array([0.0, 3.0]))


@pytest.mark.parametrize("arguments", [{"horizon": 0}, {"input_weight": 0.0}, {"velocity_limit": -1.0}])
def test_refuses_arguments_that_make_no_program(arguments):
    with pytest.raises(InputError, match="give at least one step and positive numbers"):
        DoubleIntegratorMPC(**arguments)


def test_meets_the_specification_that_its_imitation_is_judged_by():
    recipe = DoubleIntegratorMPC.recipe()
    judged = evaluate(recipe.expert, recipe.plant, recipe.initial_set, recipe.spec, recipe.horizon, count=100, seed=0)
    assert judged.success_rate == 1.0
    assert min(judged.margins.values()) > 0.05
