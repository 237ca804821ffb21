import numpy as np
import pytest

from plants.quadrotor6d import Quadrotor6D


def test_hovering_at_rest_stays_where_it_is():
    x = np.array([1.0, -2.0, 3.0, 0.0, 0.0, 0.0])
    assert Quadrotor6D().step(x, np.array([0.0, 0.0, 9.8])) == pytest.approx(x, abs=1e-15)


def test_falls_with_gravity_without_thrust():
    x = Quadrotor6D().step(np.zeros(6), np.zeros(3))
    assert x.tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, -0.98]


@pytest.mark.parametrize(("lane", "change"), [(0, [0.98, 0.0, 0.0]), (1, [0.0, -0.98, 0.0]), (2, [0.0, 0.0, 0.1])])
def test_each_input_moves_its_own_velocity(lane, change):
    plant = Quadrotor6D()
    moved = plant.step(np.zeros(6), np.eye(3)[lane]) - plant.step(np.zeros(6), np.zeros(3))
    assert moved[:3].tolist() == [0.0, 0.0, 0.0]
    assert moved[3:] == pytest.approx(change, abs=1e-15)


def test_positions_follow_the_velocity_before_the_step():
    plant = Quadrotor6D()
    x = plant.step(np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0]), np.array([1.0, 1.0, 0.0]))
    assert x[:3].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_matrices_are_exact_and_signals_have_units():
    plant = Quadrotor6D()
    assert plant.affine().state.is_exact
    assert set(plant.ranges) == set(plant.inputs)
    assert list(plant.states) == ["px", "py", "pz", "vx", "vy", "vz"]
