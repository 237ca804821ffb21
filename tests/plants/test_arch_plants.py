"""The plants of the ARCH-COMP benchmarks against their published equations, transcribed in NumPy in another form, and
against what physics says must be conserved.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nnctrl import Plant, check_plant
from plants.adaptive_cruise import AdaptiveCruise
from plants.airplane import Airplane
from plants.attitude import Attitude
from plants.car import Car
from plants.cartpole import CartPole
from plants.docking import Docking
from plants.double_pendulum import DoublePendulum
from plants.quadrotor12d import Quadrotor12D
from plants.single_pendulum import SinglePendulum
from plants.tora import Tora
from plants.unicycle import Unicycle

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


def rotation(axis: int, angle: float) -> np.ndarray:
    """The matrix that turns by `angle` about a coordinate axis."""
    k = np.eye(3)[axis]
    cross = np.array([[0.0, -k[2], k[1]], [k[2], 0.0, -k[0]], [-k[1], k[0], 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def from_body(roll: float, pitch: float, yaw: float) -> np.ndarray:
    return rotation(2, yaw) @ rotation(1, pitch) @ rotation(0, roll)


def angle_rates(roll: float, pitch: float, rates: np.ndarray) -> np.ndarray:
    """Rates of roll, pitch and yaw: body rates are each angle's rate about its own, already turned, axis."""
    to_body = rotation(0, roll).T
    axes = [np.array([1.0, 0.0, 0.0]), to_body @ [0.0, 1.0, 0.0], to_body @ rotation(1, pitch).T @ [0.0, 0.0, 1.0]]
    return np.linalg.solve(np.stack(axes, axis=1), rates)


def adaptive_cruise(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    (a_ego,) = u
    lead = [x[1], x[2], -2 * x[2] + 2 * (-2) - 0.0001 * x[1] * x[1]]
    ego = [x[4], x[5], -2 * x[5] + 2 * a_ego - 0.0001 * x[4] * x[4]]
    return np.array(lead + ego)


def airplane(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    velocity, (roll, pitch, yaw), (r, p, q) = x[3:6], x[6:9], x[9:12]
    turn = from_body(roll, pitch, yaw)
    # gravity is 1 along the third axis of the ground
    gravity = turn.T @ [0.0, 0.0, 1.0]
    acceleration = u[:3] + gravity - np.cross([p, q, r], velocity)
    return np.concatenate([turn @ velocity, acceleration, angle_rates(roll, pitch, np.array([p, q, r])), u[[5, 3, 4]]])


def attitude(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    x1, x2, x3, x4, x5, x6 = x
    S = x4**2 + x5**2 + x6**2
    return np.array(
        [
            0.25 * (u[0] + x2 * x3),
            0.5 * (u[1] - 3 * x1 * x3),
            u[2] + 2 * x1 * x2,
            0.5 * (x2 * (S - x6) + x3 * (S + x5) + x1 * (S + 1)),
            0.5 * (x1 * (S + x6) + x3 * (S - x4) + x2 * (S + 1)),
            0.5 * (x1 * (S - x5) + x2 * (S + x4) + x3 * (S + 1)),
        ]
    )


def car(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    motion = x[2] * np.exp(1j * x[3])
    return np.array([motion.real, motion.imag, u[0], u[1]])


def cartpole(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    torque = 0.08 * 0.41 * (9.8 * np.sin(x[2]) - 2 * u[0] * np.cos(x[2])) - 0.0021 * x[3]
    return np.array([x[1], 2 * u[0], x[3], torque / 0.0105])


def docking(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    n, m = 0.001027, 12
    return np.array([x[2], x[3], 2 * n * x[3] + 3 * n * n * x[0] + u[0] / m, -2 * n * x[2] + u[1] / m])


def double_pendulum(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    (t1, t2, w1, w2), (T1, T2), d = x, u, x[0] - x[1]
    A = 4 * T1 + 2 * np.sin(t1) - w2**2 / 2 * np.sin(d)
    B = w1**2 * np.sin(d) + 8 * T2 + 2 * np.sin(t2) - np.cos(d) * A
    return np.array([w1, w2, A + np.cos(d) * B / (np.cos(d) ** 2 - 2), -B / (np.cos(d) ** 2 / 2 - 1)])


def quadrotor12d(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    velocity, (roll, pitch, yaw), rates = x[3:6], x[6:9], x[9:12]
    g, m, J = 9.81, 1.4, np.array([0.054, 0.054, 0.104])
    turn = from_body(roll, pitch, yaw)
    north, east, down = turn @ velocity
    thrust = np.array([0.0, 0.0, -g - u[0] / m])
    acceleration = turn.T @ [0.0, 0.0, g] + thrust - np.cross(rates, velocity)
    spin = (np.array([u[1], u[2], 0.0]) - np.cross(rates, J * rates)) / J
    return np.concatenate([[north, east, -down], acceleration, angle_rates(roll, pitch, rates), spin])


def single_pendulum(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    m = L = 0.5
    g, c = 1, 0
    return np.array([x[1], g / L * np.sin(x[0]) + (u[0] - c * x[1]) / (m * L**2)])


def tora(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    return np.array([x[1], -x[0] + 0.1 * np.sin(x[2]), x[3], u[0]])


FIELDS: list[tuple[Plant, Field]] = [
    (AdaptiveCruise(), adaptive_cruise),
    (Airplane(), airplane),
    (Attitude(), attitude),
    (Car(), car),
    (CartPole(), cartpole),
    (Docking(), docking),
    (DoublePendulum(), double_pendulum),
    (Quadrotor12D(), quadrotor12d),
    (SinglePendulum(), single_pendulum),
    (Tora(), tora),
    (Unicycle(), lambda x, u: np.array([x[3] * np.cos(x[2]), x[3] * np.sin(x[2]), u[1], u[0]])),
]
ALL = [plant for plant, _ in FIELDS]


def points(plant: Plant, seed: int = 0, count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Random states and inputs; angles stay below the singularity at pi/2."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.4, 1.4, (count, plant.state_size)), rng.uniform(-3.0, 3.0, (count, plant.input_size))


@pytest.mark.parametrize(("plant", "field"), FIELDS, ids=lambda item: getattr(item, "name", ""))
def test_vector_field_is_the_published_one(plant: Plant, field: Field) -> None:
    x, u = points(plant)
    expected = np.array([field(a, b) for a, b in zip(x, u, strict=True)])
    np.testing.assert_allclose(plant.vector_field(x, u), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("plant", ALL, ids=lambda plant: plant.name)
def test_contract(plant: Plant) -> None:
    assert check_plant(plant) == []
    assert not plant.is_discrete


def test_the_error_of_the_unicycle_acts_on_its_speed_alone() -> None:
    plant = Unicycle()
    x, u = points(plant)
    moved = plant.vector_field(x, u, np.array([1e-4])) - plant.vector_field(x, u)
    assert not moved[:, :3].any()
    np.testing.assert_allclose(moved[:, 3], 1e-4, rtol=1e-9)
    assert plant.ranges["w"] == (-1e-4, 1e-4)


def test_only_the_docking_plant_is_affine() -> None:
    assert [plant.name for plant in ALL if plant.is_affine()] == ["Docking"]


def test_power_of_the_double_pendulum_is_that_of_its_torques() -> None:
    """Kinetic and potential energy of two point masses, m = L = 0.5, g = 1."""
    plant = DoublePendulum()
    x, u = points(plant)
    t1, t2, w1, w2 = x.T
    _, _, a1, a2 = plant.vector_field(x, u).T
    d, unit = t1 - t2, 0.5**3
    kinetic = unit * (2 * w1 * a1 + w2 * a2 + (a1 * w2 + w1 * a2) * np.cos(d) - w1 * w2 * np.sin(d) * (w1 - w2))
    potential = -0.25 * (2 * np.sin(t1) * w1 + np.sin(t2) * w2)
    np.testing.assert_allclose(kinetic + potential, u[:, 0] * w1 + u[:, 1] * w2, rtol=0.0, atol=1e-12)


def test_power_of_the_quadrotor_is_that_of_thrust_and_torques() -> None:
    plant = Quadrotor12D()
    x, u = points(plant)
    rate = plant.vector_field(x, u)
    m, J = 1.4, np.array([0.054, 0.054, 0.104])
    power = m * (x[:, 3:6] * rate[:, 3:6]).sum(1) + (J * x[:, 9:] * rate[:, 9:]).sum(1) + m * 9.81 * rate[:, 2]
    given = -(m * 9.81 + u[:, 0]) * x[:, 5] + u[:, 1] * x[:, 9] + u[:, 2] * x[:, 10]
    np.testing.assert_allclose(power, given, rtol=0.0, atol=1e-11)


def test_power_of_the_airplane_is_that_of_forces_and_moments() -> None:
    plant = Airplane()
    x, u = points(plant)
    rate = plant.vector_field(x, u)
    power = (x[:, 3:6] * rate[:, 3:6]).sum(1) + (x[:, 9:] * rate[:, 9:]).sum(1) - rate[:, 2]
    given = (u[:, :3] * x[:, 3:6]).sum(1) + (u[:, 3:] * x[:, [10, 11, 9]]).sum(1)
    np.testing.assert_allclose(power, given, rtol=0.0, atol=1e-11)


def test_a_free_body_keeps_its_energy_and_angular_momentum() -> None:
    plant = Attitude()
    x, _ = points(plant)
    rate = plant.vector_field(x, np.zeros(3))[:, :3]
    for J in (np.array([4.0, 2.0, 1.0]), np.array([16.0, 4.0, 1.0])):
        np.testing.assert_allclose((J * x[:, :3] * rate).sum(1), 0.0, atol=1e-12)


def test_a_spacecraft_without_thrust_keeps_its_jacobi_constant() -> None:
    plant, n = Docking(), 0.001027
    x, _ = points(plant)
    rate = plant.vector_field(x, np.zeros(2))
    change = x[:, 2] * rate[:, 2] + x[:, 3] * rate[:, 3] - 3 * n**2 * x[:, 0] * x[:, 2]
    np.testing.assert_allclose(change, 0.0, atol=1e-18)


@pytest.mark.parametrize("plant", [Quadrotor12D(), SinglePendulum(), DoublePendulum(), CartPole(), Tora()])
def test_rest_is_an_equilibrium(plant: Plant) -> None:
    assert abs(plant.vector_field(np.zeros(plant.state_size), np.zeros(plant.input_size))).max() == 0.0
