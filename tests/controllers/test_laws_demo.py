"""The feedback laws that the small networks imitate, against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from controllers.driving import CarLookAhead, CruiseFeedback, LookAhead, UnicycleLookAhead
from controllers.flight import AirplaneLQR, AttitudeFeedback, DockingFeedback, QuadrotorLQR
from controllers.pendulums import CartPoleLQR, DoublePendulumLQR, SinglePendulumLQR, ToraLQR
from controllers.sampled_lqr import SampledLQR, sampled, sampled_gain, soft_limit
from controllers.terminal_cost import riccati_cost
from nnctrl import Expert, LinearPlant, Plant
from nnctrl.errors import InputError

REGULATORS = (AirplaneLQR, CartPoleLQR, DoublePendulumLQR, QuadrotorLQR, SinglePendulumLQR, ToraLQR)
BODY = LinearPlant(A=[[0.0, 1.0], [0.0, 0.0]], B=[[0.0], [2.0]], states=["p", "v"], inputs=["u"])


def test_a_held_input_moves_a_body_along_a_parabola() -> None:
    A, B = sampled(BODY, np.zeros(2), np.zeros(1), 0.5)
    np.testing.assert_array_equal(A, [[1.0, 0.5], [0.0, 1.0]])
    np.testing.assert_array_equal(B, [[0.25], [1.0]])


def test_the_gain_is_that_of_the_discrete_regulator() -> None:
    discrete = LinearPlant(A=[[1.0, 0.5], [0.0, 1.0]], B=[[0.25], [1.0]], dt=0.5)
    _, K = riccati_cost(discrete.affine(), np.diag([2.0, 1.0]), np.array([[3.0]]))
    gain = sampled_gain(BODY, np.zeros(2), np.zeros(1), 0.5, np.array([2.0, 1.0]), np.array([3.0]))
    assert gain == pytest.approx(K, rel=1e-9)


def test_a_state_of_weight_zero_is_not_looked_at() -> None:
    beside = LinearPlant(
        A=[[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], B=[[0.0], [0.0], [2.0]], states=["p", "c", "v"]
    )
    gain = sampled_gain(beside, np.zeros(3), np.zeros(1), 0.5, np.array([2.0, 0.0, 1.0]), np.array([3.0]))
    alone = sampled_gain(BODY, np.zeros(2), np.zeros(1), 0.5, np.array([2.0, 1.0]), np.array([3.0]))
    assert gain[0, 1] == 0.0
    assert gain[:, [0, 2]] == pytest.approx(alone, rel=1e-9)
    with pytest.raises(InputError, match=r"has no solution .* the weight 0 to states that no input moves"):
        sampled_gain(beside, np.zeros(3), np.zeros(1), 0.5, np.ones(3), np.array([3.0]))


def test_soft_limits_are_kept_and_do_nothing_near_zero() -> None:
    limit = np.array([2.0, 3.0])
    assert soft_limit(np.array([1e-6, -1e-6]), limit) == pytest.approx([1e-6, -1e-6], rel=1e-9)
    assert soft_limit(np.array([1e9, -1e9]), limit).tolist() == [2.0, -3.0]


@pytest.mark.parametrize("law", REGULATORS)
def test_a_regulator_rests_at_its_operating_point_and_draws_every_regulated_state_there(law: type[SampledLQR]) -> None:
    expert = law()
    x, u = expert.operating_state, expert.control(expert.operating_state)
    assert u.tolist() == expert.operating_input.tolist()
    assert np.abs(expert.plant.vector_field(x, u)).max() == 0.0
    A, B = sampled(expert.plant, x, u, expert.period)
    regulated = np.array(expert.state_weights) > 0.0
    poles = np.linalg.eigvals((A - B @ expert.gain)[np.ix_(regulated, regulated)])
    assert np.abs(poles).max() < 1.0
    # what is left alone moves nothing that is regulated
    assert np.abs(A[np.ix_(regulated, ~regulated)]).max(initial=0.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"state_weights": (1.0,)}, "1 state weights, 1 input weights and 1 input limits; give 2, 1 and 1"),
        ({"input_limits": (0.0,)}, "give positive numbers"),
        ({"period": 0.0}, "give positive numbers"),
        ({"state_weights": (1.0, -1.0)}, "state weights from 0 on"),
    ],
)
def test_a_regulator_refuses_what_makes_none(arguments: dict[str, float], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        SinglePendulumLQR(**arguments)


@pytest.mark.parametrize("law", [UnicycleLookAhead, CarLookAhead])
def test_the_led_point_moves_along_the_field_once_the_speed_is_right(
    law: type[UnicycleLookAhead | CarLookAhead],
) -> None:
    # limits so wide that they do not matter
    expert = law(limits=(1e9, 1e9))
    plant: Plant = law.recipe().plant
    for place in np.random.default_rng(0).uniform(-3.0, 3.0, (20, 3)):
        heading = place[2]
        forward = np.array([np.cos(heading), np.sin(heading)])
        wanted = expert.field(place[:2] + expert.ahead * forward)
        motion = {"heading": heading, "speed": forward @ wanted}
        x = state_of(expert, place[:2], **motion)
        assert expert.split(x) == (motion["heading"], motion["speed"])
        u = expert.control(x)
        assert u[0] == pytest.approx(0.0, abs=1e-9)
        moved = plant.vector_field(x, u)[:2] + expert.ahead * u[1] * np.array([-forward[1], forward[0]])
        assert moved == pytest.approx(wanted, abs=1e-6)


def state_of(expert: LookAhead, position: np.ndarray, heading: float, speed: float) -> np.ndarray:
    rest = (heading, speed) if isinstance(expert, UnicycleLookAhead) else (speed, heading)
    return np.array([*position, *rest])


def test_the_wanted_speed_is_approached_at_the_rate_pull() -> None:
    expert = UnicycleLookAhead(limits=(1e9, 1e9), pull=3.0)
    x = np.array([5.0, 0.44, np.pi, 0.0])
    faster = x + np.array([0.0, 0.0, 0.0, 1.0])
    assert expert.control(x)[0] - expert.control(faster)[0] == pytest.approx(3.0, rel=1e-6)


def test_the_cars_target_slides_down_behind_the_obstacle() -> None:
    expert = CarLookAhead()
    before, after = expert.field(np.array([3.0, 3.0])), expert.field(np.array([-0.5, 1.5]))
    assert before[0] < -1.0
    assert abs(before[1]) < 0.01
    assert after[1] < -1.0
    assert np.hypot(*before) < expert.speed


def test_torques_oppose_attitude_and_rates_in_proportion_to_the_inertia() -> None:
    expert = AttitudeFeedback(limit=1e9)
    x = np.array([0.1, -0.2, 0.3, 0.4, 0.5, -0.6])
    assert expert.control(x) == pytest.approx([-4.0 * 1.9, -2.0 * 1.4, 1.0 * 1.5], rel=1e-9)


def test_thrust_is_zero_on_the_way_and_brakes_above_it() -> None:
    expert = DockingFeedback()
    x = np.array([100.0, 50.0, -0.2, -0.1])
    assert expert.control(x).tolist() == [0.0, 0.0]
    faster = expert.control(x + np.array([0.0, 0.0, -1e-3, 0.0]))
    # 12 kg times 1e-3 m/s over 8 s
    assert faster == pytest.approx([1.5e-3, 0.0], rel=1e-5)


def test_cruise_control_keeps_speed_at_its_distance_and_brakes_for_a_slower_car() -> None:
    expert = CruiseFeedback()
    # 10 + 1.4 * 20 m and 10 m more behind a car of the same speed
    steady = np.array([48.0, 20.0, 0.0, 0.0, 20.0, 0.0])
    assert expert.control(steady)[0] == pytest.approx(0.0, abs=1e-12)
    assert expert.control(steady - np.array([1.0, 0, 0, 0, 0, 0]))[0] == pytest.approx(-0.05, rel=1e-3)
    assert expert.control(steady - np.array([0, 1.0, 0, 0, 0, 0]))[0] == pytest.approx(-0.5, rel=0.02)
    # a car that is faster than the set speed is not followed
    fast = np.array([62.0, 35.0, 0.0, 0.0, 30.0, 0.0])
    assert expert.control(fast)[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("law", "arguments"),
    [
        (AttitudeFeedback, {"stiffness": 0.0}),
        (DockingFeedback, {"settling": -1.0}),
        (CruiseFeedback, {"speed_gain": 0.0}),
        (UnicycleLookAhead, {"approach": 0.0}),
        (UnicycleLookAhead, {"limits": (1.0, 0.0)}),
        (CarLookAhead, {"blend": 0.0}),
        (CarLookAhead, {"ahead": 0.0}),
    ],
)
def test_laws_refuse_values_that_make_none(law: type[Expert], arguments: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"give a positive number|which turning does not move"):
        law(**arguments)
