import numpy as np
import pytest

from nnctrl.errors import InputError
from nnctrl.learning.dataset import initial_states, label, perturbed
from nnctrl.sets.box import Box
from nnctrl.systems.expert import Expert


class Halving(Expert):
    """u = x / 2, for states below `limit` only."""

    def __init__(self, limit=np.inf):
        self.limit = limit

    def control(self, x):
        if x[0] >= self.limit:
            raise InputError(f"{x[0]} is not below {self.limit}")
        return x[:1] / 2


def test_labels_are_the_experts_inputs():
    data = label(Halving(), np.array([[1.0, 5.0], [-2.0, 0.0]]))
    assert data.inputs.tolist() == [[0.5], [-1.0]]
    assert data.refused == 0


def test_refused_states_are_left_out_and_counted():
    data = label(Halving(limit=2.0), np.array([[0.0], [3.0], [1.0]]))
    assert data.states.tolist() == [[0.0], [1.0]]
    assert data.refused == 1
    assert data.joined(data).refused == 2
    assert len(data.joined(data)) == 4


def test_an_expert_that_refuses_half_is_an_error_that_quotes_it():
    with pytest.raises(InputError, match=r"no input for 2 of 4 states .*3\.0 is not below 2\.0"):
        label(Halving(limit=2.0), np.array([[0.0], [3.0], [1.0], [4.0]]))


def test_perturbed_states_stay_within_reach():
    states = np.zeros((1000, 2))
    moved = perturbed(states, np.array([1.0, 0.1]), np.random.default_rng(0))
    assert (np.abs(moved) <= [1.0, 0.1]).all()
    assert (np.abs(moved).max(axis=0) > [0.9, 0.09]).all()
    assert np.median(np.abs(moved[:, 0])) < 0.25


def test_initial_states_include_every_vertex_of_a_box_and_stay_inside():
    box = Box(np.array([0.0, -1.0, 2.0]), np.array([1.0, 1.0, 3.0]))
    states = initial_states(box, 400, np.random.default_rng(0))
    assert states.shape == (400, 3)
    assert ((box.lower <= states) & (states <= box.upper)).all()
    for vertex in box.vertices():
        assert (np.abs(states - vertex).max(axis=1) < 1e-12).any()


def test_one_initial_state_is_allowed():
    box = Box(np.array([0.0]), np.array([1.0]))
    assert initial_states(box, 1, np.random.default_rng(0)).shape == (1, 1)
