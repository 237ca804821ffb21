import numpy as np
import pytest

from nnctrl.errors import InputError
from nnctrl.learning.evaluation import evaluate
from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Avoid, Reach, Spec, Stay
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant

SHIFT = LinearPlant(A=[[1.0]], B=[[1.0]], states=["x"], inputs=["u"], dt=1.0)


def interval(low, high):
    return Box(np.array([low]), np.array([high]))


def constant(value):
    zero = np.zeros((1, 1))
    return Controller(Network.from_layers([zero, zero], [np.zeros(1), np.array([value])], Tanh()))


def judge(*requirements, start=(0.0, 1.0), speed=1.0, steps=3):
    return evaluate(constant(speed), SHIFT, interval(*start), Spec(requirements), steps, count=200, seed=0)


def test_margins_and_extremes_of_a_motion_that_is_known():
    judged = judge(
        Stay(target=interval(-1.0, 5.0), name="stay"),
        Reach(target=interval(2.0, 5.0), at=3, name="reach"),
        Stay(target=interval(-2.0, 2.0), on=("u",), name="input"),
    )
    assert judged.success_rate == 1.0
    assert judged.margins == pytest.approx({"stay": 1.0, "reach": 1.0, "input": 1.0})
    assert judged.input_lower == judged.input_upper == (1.0,)
    assert judged.final_lower == pytest.approx((3.0,))
    assert judged.final_upper == pytest.approx((4.0,))


def test_success_is_of_all_requirements_together():
    # starts in [0.2, 0.5] meet the obstacle after one step, those above 0.7 leave the range at the end
    obstacle, span = Avoid(target=interval(1.2, 1.5)), Stay(target=interval(0.0, 3.7))
    both, first, second = judge(obstacle, span), judge(obstacle), judge(span)
    assert 0.0 < both.success_rate < min(first.success_rate, second.success_rate) < 1.0
    assert both.success_rate == pytest.approx(first.success_rate + second.success_rate - 1.0)
    assert both.margins == {**first.margins, **second.margins}
    assert both.margins["stay-1"] == pytest.approx(-0.3)


def test_a_diverging_trajectory_is_a_failure():
    plant = LinearPlant(A=[[1e200]], B=[[1.0]], dt=1.0)
    spec = Spec((Avoid(target=interval(-2.0, -1.0)),))
    with np.errstate(all="ignore"):
        judged = evaluate(constant(0.0), plant, interval(1.0, 2.0), spec, 4, 10, 0)
    assert judged.success_rate == 0.0


def test_empty_samples_are_refused():
    spec = Spec((Stay(target=interval(0.0, 1.0)),))
    with pytest.raises(InputError, match="give at least 1"):
        evaluate(constant(0.0), SHIFT, interval(0.0, 1.0), spec, 3, 0, 0)


# p' = v, v' = u
BODY = LinearPlant(A=[[0.0, 1.0], [0.0, 0.0]], B=[[0.0], [1.0]], states=["p", "v"], inputs=["u"])


def thrown(*requirements, periods=2, plant=BODY):
    """Thrown from p in [0, 1] at speed 1 and pulled back by 1, sampled every 2 s: p = p0 + t - t^2 / 2."""
    zero = np.zeros((1, 2))
    network = Network.from_layers([zero, np.zeros((1, 1))], [np.zeros(1), np.array([-1.0])], Tanh())
    start = Box(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    return evaluate(Controller(network, period=2.0), plant, start, Spec(requirements), periods, count=50, seed=0)


def test_a_continuous_plant_is_judged_between_the_samples():
    judged = thrown(
        # at the samples p is p0 and p0 - 4; the top is at 1 s
        Stay(target=interval(-9.0, 1.2), on=("p",), name="below"),
        Avoid(target=interval(1.4, 1.6), on=("p",), name="bird"),
        Stay(target=interval(-1.5, 3.0), on=("u",), name="pull"),
        Reach(target=interval(-0.5, 3.0), at=1.5, on=("v",), name="falling"),
        Reach(target=interval(1.0, 9.0), within=3.0, on=("v",), name="rising"),
    )
    assert judged.margins == pytest.approx({"below": -0.3, "bird": -0.1, "pull": 0.5, "falling": 0.0, "rising": 0.0})
    assert judged.input_lower == judged.input_upper == (-1.0,)
    assert judged.final_lower == pytest.approx((-4.0, -3.0))
    assert judged.final_upper == pytest.approx((-3.0, -3.0))


def test_the_window_of_a_requirement_of_a_continuous_plant_counts():
    early = Stay(target=interval(-0.1, 9.0), during=(0.0, 1.0), on=("v",), name="early")
    late = Stay(target=interval(-9.0, -0.9), during=(2.0, 4.0), on=("v",), name="late")
    assert thrown(early, late).margins == pytest.approx({"early": 0.1, "late": 0.1})


def test_a_requirement_between_the_moments_is_refused():
    with pytest.raises(InputError, match="requirement 'now' counts no moment: it is looked at 4 times in every period"):
        thrown(Reach(target=interval(0.0, 9.0), at=0.3, on=("p",), name="now"))


def test_no_input_is_applied_at_the_very_end():
    late = Stay(target=interval(-1.5, 3.0), during=(3.6, 4.0), on=("u",), name="late")
    with pytest.raises(InputError, match="requirement 'late' counts no moment"):
        thrown(late)


def test_a_window_may_end_with_a_product_of_period_and_samples_that_was_rounded_down():
    period, samples = 0.29, 100
    assert period * samples < 29.0
    zero = np.zeros((1, 1))
    hold = Controller(Network.from_layers([zero, zero], [np.zeros(1)] * 2, Tanh()), period=period)
    plant = LinearPlant(A=[[0.0]], B=[[1.0]], states=["x"], inputs=["u"])
    spec = Spec((Reach(target=interval(0.0, 1.0), at=29.0),))
    assert evaluate(hold, plant, interval(0.0, 1.0), spec, samples, 4, 0).success_rate == 1.0


def test_outputs_of_a_continuous_plant_are_measured_between_the_samples():
    plant = LinearPlant(
        A=[[0.0, 1.0], [0.0, 0.0]],
        B=[[0.0], [1.0]],
        C=[[2.0, 0.0]],
        states=["p", "v"],
        inputs=["u"],
        outputs=["twice"],
    )
    judged = thrown(Stay(target=interval(-20.0, 2.0), on=("twice",), name="low"), plant=plant)
    assert judged.margins == pytest.approx({"low": -1.0})
