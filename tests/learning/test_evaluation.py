import numpy as np
import pytest

from nnctrl.errors import InputError, UnsupportedError
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


def test_continuous_plants_and_empty_samples_are_refused():
    continuous = LinearPlant(A=[[0.0]], B=[[1.0]])
    spec = Spec((Stay(target=interval(0.0, 1.0)),))
    with pytest.raises(UnsupportedError, match="is continuous"):
        evaluate(constant(0.0), continuous, interval(0.0, 1.0), spec, 3, 10, 0)
    with pytest.raises(InputError, match="give at least 1"):
        evaluate(constant(0.0), SHIFT, interval(0.0, 1.0), spec, 3, 0, 0)
