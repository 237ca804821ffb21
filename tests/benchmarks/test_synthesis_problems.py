"""The tasks of `benchmarks/synthesis`: from nothing to a network that the verifier passes."""

from __future__ import annotations

import numpy as np
import pytest

from nnctrl import Box, Budget, Task, Verdict, registry, simulate, verify
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.learning.certified.method import CertifiedMethod, CertifiedSettings
from nnctrl.learning.method import Attempt
from nnctrl.progress import SilentProgress

NAMES = ("double-integrator", "nav", "quadrotor6d", "quadrotor6d-wide", "single-pendulum")

ALLOWED_SECONDS = 600.0


def task_named(name: str) -> Task:
    return registry.load("problems", f"synthesis/{name}")().task()


def synthesised(name: str) -> Attempt:
    return CertifiedMethod().attempt(
        task_named(name), CertifiedSettings(), Meter(seconds=ALLOWED_SECONDS), SilentProgress()
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_task_is_registered_under_its_id_and_comes_without_a_network(name: str) -> None:
    assert task_named(name).name == f"synthesis/{name}"
    with pytest.raises(InputError, match="nnctrl synthesize makes one"):
        registry.load("problems", f"synthesis/{name}")().build()


def test_the_sets_of_the_competition_are_those_of_its_own_problems() -> None:
    pendulum, nav = task_named("single-pendulum"), task_named("nav")
    assert isinstance(pendulum.initial_set, Box)
    assert isinstance(nav.initial_set, Box)
    assert pendulum.initial_set.upper.tolist() == [1.175, 0.2]
    assert nav.initial_set.lower.tolist() == [2.9, 2.9, 0.0, 0.0]


@pytest.mark.parametrize(
    "name",
    [name if name in ("double-integrator", "nav") else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_a_network_is_made_from_nothing_and_verified(name: str) -> None:
    attempt = synthesised(name)
    assert attempt.network is not None
    result = verify(task_named(name).problem(attempt.network), budget=Budget(timeout_s=120.0))
    assert result.verdict is Verdict.VERIFIED, attempt.reason
    assert all(0.0 < row.margin_certified <= row.margin_sampled for row in result.requirements)


@pytest.mark.slow
def test_imitation_alone_fails_on_the_wide_box_of_the_quadrotor() -> None:
    task = task_named("quadrotor6d-wide")
    imitation = registry.load("controllers", "quadrotor6d-obstacles")()
    result = verify(task.problem(imitation.network), budget=Budget(timeout_s=120.0))
    assert result.verdict is Verdict.FALSIFIED
    point = result.counterexample
    assert point is not None
    assert point.requirement == "inputs"
    run = simulate(task.plant, imitation, np.asarray(point.x0), task.samples)
    limits = task.spec.requirements[2].target
    assert isinstance(limits, Box)
    assert ((run.u < limits.lower) | (run.u > limits.upper)).any()
