import numpy as np
import pytest

from plants.double_integrator import DoubleIntegrator


def test_step_is_motion_under_held_acceleration():
    plant = DoubleIntegrator()
    assert plant.dt == 1.0
    assert plant.step(np.array([2.0, -0.5]), np.array([0.25])) == pytest.approx([2.0 - 0.5 + 0.125, -0.25], abs=0.0)


def test_matrices_are_exact():
    dynamics = DoubleIntegrator().affine()
    assert dynamics.state.is_exact
    assert dynamics.A.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    assert dynamics.B.tolist() == [[0.5], [1.0]]
    assert not dynamics.c.any()


def test_a_batch_is_stepped_at_once():
    x, u = np.array([[0.0, 1.0], [1.0, 0.0], [3.0, -1.0]]), np.array([[1.0], [0.0], [-1.0]])
    assert DoubleIntegrator().step(x, u).tolist() == [[1.5, 2.0], [1.0, 0.0], [1.5, -2.0]]
