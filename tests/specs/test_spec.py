"""Requirements refuse at once what makes no sense, in one sentence that names the value."""

from __future__ import annotations

import math
from collections.abc import Callable

import casadi
import numpy as np
import pytest

from nnctrl.errors import InputError
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
from nnctrl.specs.sublevel import Sublevel

UNIT = Box(np.zeros(2), np.ones(2))


@pytest.mark.parametrize("time", [math.inf, math.nan, -1, "3", True, None])
def test_times_are_finite_numbers_from_zero_on(time: object) -> None:
    with pytest.raises(InputError, match=r"speaks of time .*; give finite times"):
        Stay(UNIT, during=(time, time))  # type: ignore[arg-type]
    if time is not None:
        with pytest.raises(InputError, match=r"speaks of time .*; give finite times"):
            Reach(UNIT, at=time)  # type: ignore[arg-type]


@pytest.mark.parametrize("during", [(1,), (1, 2, 3), 4, (), "12"])
def test_during_is_a_pair(during: object) -> None:
    with pytest.raises(InputError, match=r"give the pair \(first time, last time\)|finite times"):
        Avoid(UNIT, during=during)  # type: ignore[arg-type]


def test_during_is_in_order_and_reach_takes_one_time() -> None:
    with pytest.raises(InputError, match=r"requirement 'a' is during 3 to 2; give the first time before"):
        Stay(UNIT, during=(3, 2), name="a")
    for times in ({}, {"at": 1, "within": 2}):
        with pytest.raises(InputError, match=r"exactly one of at=TIME and within=TIME"):
            Reach(UNIT, **times)


@pytest.mark.parametrize("make", [Stay, Avoid, lambda target: Reach(target, at=1)])
def test_targets_are_sets(make: Callable[[object], Requirement]) -> None:
    with pytest.raises(InputError, match=r"the target of an? \w+ requirement is a list; give a set"):
        make([0.0, 1.0])


@pytest.mark.parametrize("on", ["xy", ("x", 1), 3])
def test_coordinates_are_names(on: object) -> None:
    with pytest.raises(InputError, match=r"give a tuple of names"):
        Stay(UNIT, on=on)  # type: ignore[arg-type]


def test_a_coordinate_counts_once() -> None:
    with pytest.raises(InputError, match=r"names the coordinate 'x' twice"):
        Stay(UNIT, on=("x", "x"))


@pytest.mark.parametrize("requirements", [[Stay(UNIT)], (), Stay(UNIT)])
def test_a_specification_is_a_tuple(requirements: object) -> None:
    with pytest.raises(InputError, match=r"the requirements of a Spec are an? \w+; give a tuple of at least one"):
        Spec(requirements)  # type: ignore[arg-type]


def test_a_specification_holds_requirements() -> None:
    with pytest.raises(InputError, match=r"a Spec holds a Box; give Reach, Avoid or Stay"):
        Spec((UNIT,))  # type: ignore[arg-type]


@pytest.mark.parametrize("dim", [0, -1, 2.0, True, None])
def test_an_inequality_has_a_whole_number_of_coordinates(dim: object) -> None:
    with pytest.raises(InputError, match=r"give a whole number from 1 on"):
        Sublevel(lambda z: z[0], dim=dim)  # type: ignore[arg-type]


def failing(_z: object) -> object:
    raise KeyError


@pytest.mark.parametrize("expression", [failing, lambda z: z[7], lambda z: object(), lambda z: casadi.nothing(z)])
def test_an_inequality_that_cannot_be_evaluated(expression: Callable[[object], object]) -> None:
    with pytest.raises(InputError, match=r"the inequality cannot be evaluated on 2 CasADi scalars"):
        _ = Sublevel(expression, dim=2).value_tape
