import numpy as np
import pytest

from controllers.quadrotor6d_mpc import OBSTACLES, Quadrotor6DMPC
from controllers.terminal_cost import riccati_cost
from nnctrl.errors import InputError
from nnctrl.learning.evaluation import evaluate
from nnctrl.sets.box import Box
from nnctrl.systems.simulation import simulate

START = np.array([3.7, 4.7, 3.0, 0.0, 0.0, 0.0])


def clearance(positions):
    return min(np.linalg.norm(positions - ball.centre, axis=-1).min() - ball.radius for ball in OBSTACLES)


def test_flies_past_the_obstacles_to_the_origin():
    recipe = Quadrotor6DMPC.recipe()
    judged = evaluate(recipe.expert, recipe.plant, recipe.initial_set, recipe.spec, recipe.horizon, count=8, seed=0)
    assert judged.success_rate == 1.0
    assert min(judged.margins["obstacle-1"], judged.margins["obstacle-2"]) > 0.3


def test_collides_without_its_obstacles():
    expert = Quadrotor6DMPC(obstacles=())
    assert clearance(simulate(expert.plant, expert, START, 20).x[:, :, :3]) < 0.0


def test_keeps_a_clearance_that_it_is_given():
    expert = Quadrotor6DMPC(clearance=0.5, obstacles=OBSTACLES[1:])
    run = simulate(expert.plant, expert, START, 20)
    away = np.linalg.norm(run.x[:, :, :3] - OBSTACLES[1].centre, axis=-1) - OBSTACLES[1].radius
    assert away.min() == pytest.approx(0.5, abs=0.02)


def test_inputs_stay_strictly_inside_tight_bounds():
    bounds = Box(np.array([-0.3, -0.3, 5.0]), np.array([0.3, 0.3, 15.0]))
    expert = Quadrotor6DMPC(input_bounds=bounds)
    u = simulate(expert.plant, expert, START, 20).u
    assert (bounds.lower < u).all()
    assert (u < bounds.upper).all()
    assert u.max(axis=(0, 1))[1] > 0.29


def test_is_near_the_regulator_far_from_everything():
    expert = Quadrotor6DMPC()
    _, K = riccati_cost(expert.plant.affine(), np.diag(expert.state_weights), np.diag(expert.input_weights))
    x = np.array([0.05, -0.05, 0.02, 0.0, 0.05, -0.05])
    # the barrier shifts it a little
    assert expert.control(x) == pytest.approx([0.0, 0.0, 9.8] - K @ x, abs=0.02)


def test_answer_depends_on_the_state_alone():
    expert = Quadrotor6DMPC()
    first = expert.control(START)
    expert.control(np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0]))
    assert expert.control(START).tolist() == first.tolist()


def test_has_an_input_inside_an_obstacle():
    assert np.isfinite(Quadrotor6DMPC().control(np.array([2.3, 3.7, 2.0, 0.0, 0.0, 0.0]))).all()


def test_says_when_the_solver_does_not_converge():
    with pytest.raises(InputError, match="does not converge at"):
        Quadrotor6DMPC().control(np.array([np.nan, 0.0, 0.0, 0.0, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"horizon": 0}, "at least one step"),
        ({"barrier": 0.0}, "a positive barrier"),
        ({"state_weights": (1.0, 1.0)}, "six and three"),
        ({"input_bounds": Box(np.array([-1.0, -1.0, 10.0]), np.array([1.0, 1.0, 19.0]))}, "hovering takes"),
    ],
)
def test_refuses_arguments_that_make_no_program(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        Quadrotor6DMPC(**arguments)
