import dataclasses

import numpy as np
import pytest
import torch

from nnctrl.errors import DimensionError, InputError
from nnctrl.learning import imitation
from nnctrl.learning.imitation import ImitationSettings, imitate
from nnctrl.networks.activations import Relu
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Reach, Spec
from nnctrl.systems.expert import Expert
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.simulation import simulate

PLANT = LinearPlant(A=[[1.0, 0.5], [0.0, 1.0]], B=[[0.0], [0.5]], dt=0.5)
START = Box(np.array([0.5, -0.2]), np.array([1.0, 0.2]))
GOAL = Spec((Reach(target=Box(np.full(2, -0.3), np.full(2, 0.3)), at=20),))
QUICK = ImitationSettings(hidden=(6,), trajectories=6, rounds=2, epochs=5, iterations=80, evaluations=50)


class Saturated(Expert):
    """A state feedback whose input flattens out."""

    def control(self, x):
        return np.tanh(np.array([-0.8 * x[0] - 1.5 * x[1]]))


class Listener:
    def __init__(self):
        self.messages = []

    def update(self, message, done=None, total=None):
        self.messages.append(message)


def weights(network):
    return [array for affine in network.blocks[0].affines for array in (affine.weight, affine.bias)]


def test_imitates_well_enough_to_reach_the_goal():
    result = imitate(Saturated(), PLANT, START, 20, QUICK, GOAL)
    assert result.network.architecture() == "2-6-1 tanh"
    assert result.report.losses[-1] < 0.01
    assert result.report.labelled == (240, 480)
    assert result.report.refused == 0
    assert result.report.evaluation.success_rate == 1.0
    assert result.report.evaluation.count == 50
    assert result.report.wall_s > 0.0
    assert "Saturated" in result.network.origin.source


def test_the_same_seed_gives_the_same_weights_bit_by_bit():
    torch.manual_seed(1)
    first = imitate(Saturated(), PLANT, START, 5, QUICK).network
    torch.manual_seed(2)
    again = imitate(Saturated(), PLANT, START, 5, QUICK).network
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))


def test_another_seed_gives_other_weights():
    first, other = (
        imitate(Saturated(), PLANT, START, 5, dataclasses.replace(QUICK, rounds=1, seed=seed)) for seed in (0, 1)
    )
    assert not np.array_equal(weights(first.network)[0], weights(other.network)[0])
    assert other.report.seed == 1
    assert other.report.evaluation is None


def test_random_state_and_threads_of_the_program_are_left_alone():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    imitate(Saturated(), PLANT, START, 2, dataclasses.replace(QUICK, rounds=1))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_states_that_the_expert_refuses_are_counted():
    class Cautious(Saturated):
        def control(self, x):
            # its own trajectories stay below 1.1
            if x[0] > 1.11:
                raise InputError("too far")
            return super().control(x)

    result = imitate(Cautious(), PLANT, START, 5, dataclasses.replace(QUICK, perturbation=1.0))
    assert result.report.refused > 0
    assert result.report.labelled[-1] + result.report.refused == 120


def test_an_expert_that_fails_on_its_own_way_is_an_error():
    class Lost(Expert):
        def control(self, x):
            raise InputError("no input here")

    with pytest.raises(InputError, match="no input here"):
        imitate(Lost(), PLANT, START, 5, QUICK)


def test_progress_is_reported_through_all_stages():
    listener = Listener()
    imitate(Saturated(), PLANT, START, 3, QUICK, GOAL.__class__((Reach(target=START, at=0),)), listener)
    told = " ".join(listener.messages)
    for stage in ("simulating the expert", "asking the expert", "Adam", "L-BFGS", "evaluating"):
        assert stage in told


def test_a_continuous_plant_is_sampled_at_the_experts_period():
    plant = LinearPlant(A=[[0.0, 1.0], [0.0, 0.0]], B=[[0.0], [1.0]])
    expert = Saturated()
    expert.period = 0.5
    assert imitate(expert, plant, START, 3, dataclasses.replace(QUICK, rounds=1)).report.losses[0] < 0.1


def test_trajectories_of_a_continuous_plant_are_simulated_in_groups():
    plant = LinearPlant(A=[[0.0, 1.0], [0.0, 0.0]], B=[[0.0], [1.0]])
    expert, listener = Saturated(), Listener()
    expert.period = 0.5
    start = START.sample(np.random.default_rng(0), 70)
    data = imitation._demonstrations(expert, plant, start, 3, listener)
    assert listener.messages == ["simulating the expert"] * 2
    for number in (0, 63, 64, 69):
        alone = simulate(plant, expert, start[number], 3)
        rows = slice(3 * number, 3 * number + 3)
        np.testing.assert_allclose(data.states[rows], alone.x[0, :-1], rtol=0.0, atol=1e-9)
        np.testing.assert_allclose(data.inputs[rows], alone.u[0], rtol=0.0, atol=1e-9)


def test_the_hidden_layers_have_the_activation_that_is_asked_for():
    result = imitate(Saturated(), PLANT, START, 20, QUICK, activation=Relu())
    assert result.network.architecture() == "2-6-1 relu"
    assert result.report.losses[-1] < 0.05


def test_misfits_are_refused_before_any_work():
    with pytest.raises(DimensionError, match="1 coordinates but 'LinearPlant' has 2 states"):
        imitate(Saturated(), PLANT, Box(np.zeros(1), np.ones(1)), 5, QUICK)
    with pytest.raises(InputError, match="the horizon is 0"):
        imitate(Saturated(), PLANT, START, 0, QUICK)


@pytest.mark.parametrize("values", [{"rounds": 0}, {"hidden": (4, 0)}, {"learning_rate": 0.0}, {"seed": -1}])
def test_settings_check_their_ranges(values):
    with pytest.raises(InputError, match=next(iter(values))):
        ImitationSettings(**values)
