"""What is said of impossible tasks: sentences that are true as they are printed."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from nnctrl import (
    Ball,
    Box,
    Moving,
    Polytope,
    Reach,
    Stay,
)
from nnctrl.learning.impossibility import words
from nnctrl.learning.impossibility.points import listed
from nnctrl.learning.impossibility.proof import impossibility
from nnctrl.learning.lmi.enclosed import Enclosed
from tests.learning.impossible_tasks import GOAL, UNIT, double_integrator, interval, scalar


def test_sentences_name_the_state_the_quantity_and_its_bound() -> None:
    weak = Stay(Box(np.array([-0.2]), np.array([0.2])), on=("u",), name="input")
    said = impossibility(double_integrator(weak, Reach(GOAL, at=5, name="goal")))
    assert said == (
        "from a state near (p, v) = (2.6, 0.2) no input sequence within the limits reaches p <= 0.25, which 'goal' "
        "asks for, at step 5: p is at least 1.099 there"
    )
    said = impossibility(double_integrator(weak, Reach(Ball(np.zeros(2), 0.2), at=5, name="goal")))
    assert said is not None
    assert "reaches 0.667 p - v <= 0.2405, which 'goal' asks for" in said
    tight = Stay(Box(np.array([-0.3]), np.array([0.3])), on=("v",), name="velocity")
    said = impossibility(double_integrator(UNIT, tight, Reach(GOAL, at=5, name="goal")))
    assert said is not None
    assert "in 'velocity'" in said
    corridor = Stay(Moving(Box(np.array([2.0]), np.array([3.0])), np.array([2.0])), on=("p",), name="corridor")
    said = impossibility(double_integrator(UNIT, corridor))
    assert said is not None
    assert "meets 'corridor' at all times" in said


def test_goals_within_a_time_are_told_with_a_wall_only_if_one_serves_at_every_step() -> None:
    by_name = "from x = {} no input sequence within the limits enters the set of 'goal' by step 3"
    # x is below the goal at first and above it at last
    assert scalar(2.0, 3.0, 0.1, Reach(interval(10.0, 11.0), within=3, name="goal")) == by_name.format(3)
    # one wall, at another place at every step
    moving = Moving(interval(5.0, 6.0), np.array([1.0]))
    assert scalar(1.0, 0.0, 0.1, Reach(moving, within=3, name="goal")) == by_name.format(0)
    # the wall that serves is the one of the last step, and the other one
    for goal, wall in ((interval(-5.0, -4.0), "x <= -4"), (interval(99.0, 100.0), "x >= 99")):
        said = scalar(2.0, 3.0, 0.1, Reach(goal, within=3, name="goal"))
        assert said is not None
        assert f"reaches {wall}, which 'goal' asks for, by step 3" in said
    # at one step a moving goal has one wall
    said = scalar(1.0, 0.0, 0.1, Reach(moving, at=3, name="goal"))
    assert said is not None
    # the way of a moving set is rounded
    assert "reaches x >= 7.999, which 'goal' asks for, at step 3" in said


def test_goals_within_a_time_name_every_set_that_a_step_is_about() -> None:
    """At step 1 the goal is out of reach by itself, at step 3 only for states that stay slow."""
    slow = Stay(Box(np.array([-0.5]), np.array([0.5])), on=("v",), name="slow")
    start = Box(np.array([3.0, 0.0]), np.array([3.0, 0.0]))
    goal = Reach(Box(np.array([-1.0]), np.array([0.5])), on=("p",), within=3, name="goal")
    said = impossibility(double_integrator(UNIT, slow, goal, horizon=3, initial=start))
    assert said is not None
    assert "within the limits and in 'slow' reaches p <= 0.5, which 'goal' asks for, by step 3" in said
    assert impossibility(double_integrator(UNIT, goal, horizon=3, initial=start)) is None


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_numbers_that_are_told_are_true_and_show_the_gap(sign: float) -> None:
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(60):
        edge = float(rng.choice([1.0, 1e8, 1e-5, 0.3, 12345.678901234])) * float(1.0 + rng.integers(2) * rng.random())
        start = edge * (1.0 + float(10.0 ** rng.integers(-14, 2)))
        goal = interval(0.0, edge) if sign > 0.0 else interval(-edge, 0.0)
        said = scalar(1.0, sign * start, 0.0, Reach(goal, at=3, name="goal"))
        if said is None:
            # as rounding does not tell them apart
            assert start <= edge * (1.0 + 1e-13)
            continue
        found = re.search(r"reaches x (<=|>=) (\S+), which .* x is at (?:least|most) (\S+) there", said)
        assert found is not None
        needed, least = sign * Fraction(found.group(2)), sign * Fraction(found.group(3))
        assert found.group(1) == ("<=" if sign > 0.0 else ">=")
        # a number that is not rounded reads as the wall itself
        assert needed >= Fraction(edge) or float(found.group(2)) == sign * edge
        assert needed < least <= Fraction(start)
        assert Fraction(sign * float(found.group(2))) < least
        told += "near" not in said
        if "near" not in said:
            assert float(re.match(r"from x = (\S+) no", said).group(1)) == sign * start
    assert 0 < told < 60


def test_numbers_that_are_too_close_are_left_out() -> None:
    assert words._told(Fraction(1), Fraction(1) + Fraction(1, 10**25), 1) is None
    assert words._told(Fraction(1, 3), Fraction(2, 5), 1) == ("0.3334", "0.4")
    assert words._told(Fraction(1, 3), Fraction(2, 5), -1) == ("-0.3334", "-0.4")


def test_points_are_told_exactly_or_as_near() -> None:
    assert listed(["x"], Enclosed.exact(np.array([[1.2345649]])), "point") == "the point x = 1.2345649"
    assert listed(["x"], Enclosed.exact(np.array([[1.0 / 3.0]])), "point") == "a point near x = 0.333333"
    rounded = Enclosed(np.array([[1.0], [2.0]]), np.array([[0.0], [1e-16]]))
    assert listed(["p", "v"], rounded, "state") == "a state near (p, v) = (1, 2)"


def test_walls_of_several_coordinates_are_told_with_their_own_coefficients() -> None:
    """No trajectory is below the bound that is told for exactly the coefficients that are told."""
    weak = Stay(Box(np.array([-0.2]), np.array([0.2])), on=("u",), name="input")
    goals = (2.0, 0.0, Ball(np.zeros(2), 0.2)), (2.5, 0.25, Polytope(np.array([[3.0, 1.7]]), np.array([0.5])))
    for *at, goal in goals:
        start = Box(np.array(at), np.array(at))
        said = impossibility(double_integrator(weak, Reach(goal, at=5, name="goal"), initial=start))
        assert said is not None
        pattern = r"reaches (?:(\S+) )?p ([+-]) (?:(\S+) )?v <= (\S+), .* at least (\S+) there"
        first, sign, second, needed, least = re.search(pattern, said).groups()
        a, b = Fraction(first or 1), Fraction(second or 1) * (1 if sign == "+" else -1)
        if isinstance(goal, Ball):
            assert Fraction(needed) ** 2 >= Fraction(goal.radius) ** 2 * (a**2 + b**2)
        else:
            assert (first, sign, second, needed) == ("3", "+", "1.7", "0.5")
        ends = []
        for signs in np.ndindex(*[2] * 5):
            p, v = map(Fraction, at)
            for one in signs:
                u = Fraction(0.2) * (1 if one else -1)
                p, v = p + v + u / 2, v + u
            ends.append(a * p + b * v)
        assert Fraction(needed) < Fraction(least) <= min(ends)
