import numpy as np
import pytest

from controllers.terminal_cost import resting_input, riccati_cost
from nnctrl.errors import InputError
from nnctrl.systems.linear_plant import LinearPlant
from plants.double_integrator import DoubleIntegrator
from plants.quadrotor6d import Quadrotor6D


def test_cost_of_the_regulated_plant_is_what_it_says():
    dynamics = DoubleIntegrator().affine()
    Q, R = np.diag([1.0, 2.0]), np.array([[3.0]])
    P, K = riccati_cost(dynamics, Q, R)
    x = np.array([1.0, -0.5])
    expected, paid = x @ P @ x, 0.0
    for _ in range(200):
        u = -K @ x
        paid += x @ Q @ x + u @ R @ u
        x = dynamics.A @ x + dynamics.B @ u
    assert paid == pytest.approx(expected, rel=1e-9)


def test_the_quadrotor_hovers_on_gravity():
    assert resting_input(Quadrotor6D().affine()) == pytest.approx([0.0, 0.0, 9.8])


def test_a_plant_that_cannot_rest_at_the_origin_is_refused():
    drifting = LinearPlant(A=np.eye(2), B=[[0.0], [1.0]], c=[1.0, 0.0], dt=1.0)
    with pytest.raises(InputError, match="no input keeps the plant at the origin"):
        resting_input(drifting.affine())


def test_an_unstabilisable_plant_is_refused():
    stuck = LinearPlant(A=[[2.0, 0.0], [0.0, 1.0]], B=[[0.0], [1.0]], dt=1.0)
    with pytest.raises(InputError, match="no terminal cost"):
        riccati_cost(stuck.affine(), np.eye(2), np.eye(1))
