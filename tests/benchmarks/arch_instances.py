"""The ARCH-COMP instances for tests: built with the shared networks, verified once, and what is slow about them."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.arch_suite.experiment import experiment_of
from benchmarks.arch_suite.instances import INSTANCES, Instance
from nnctrl import Problem, registry, verify
from nnctrl.verification.verdict import Result
from tests.shared import shared_path

SLOW = ("cartpole", "docking")

REGISTERED = {item.id: item for item in INSTANCES if item.problem in registry.names("problems")}

FAST: list[Instance] = [item for id, item in REGISTERED.items() if id not in SLOW]


@cache
def built(id: str) -> Problem:
    """The problem of an instance; the test is skipped when its network is not shared."""
    folder = shared_path("arch-comp")
    absent = experiment_of(REGISTERED[id]).missing(folder)
    if absent is not None:
        pytest.skip(f"{absent} is not in {folder}")
    return registry.load("problems", REGISTERED[id].problem)().with_models(folder).build()


@cache
def verified(id: str) -> Result:
    """What `verify` says of it with no settings, computed once for all tests."""
    return verify(built(id))
