"""Registered test problems and an engine that answers, fails or is interrupted as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pytest

from nnctrl import registry
from nnctrl.branching.meter import Meter
from nnctrl.cli.main import run
from nnctrl.progress import Progress
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.sets.box import Box
from nnctrl.verification.engine import AbstractEngine, Outcome
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Settings, setting
from nnctrl.verification.verdict import Counterexample, Reason, RequirementResult, Verdict
from tests.small_loop import CartProblem, ForeignCartProblem

Answer = Literal["verified", "falsified", "unknown", "candidate", "crash", "interrupt", "memory", "torch-memory"]


@dataclass(frozen=True)
class ObedientSettings(Settings):
    answer: Answer = setting("verified", "what to answer")


class ObedientEngine(AbstractEngine):
    id: ClassVar[str] = "test-engine"
    arithmetic: ClassVar[str] = "none: a test"
    settings_type: ClassVar[type[Settings]] = ObedientSettings

    def objection(self, problem: Problem) -> str | None:
        return None

    def verify(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        assert isinstance(settings, ObedientSettings)
        progress.update("thinking", 1, 2)
        return self._answer(problem, settings.answer)

    def falsify(
        self, problem: Problem, settings: Settings, meter: Meter, progress: Progress, *, samples: int, seed: int
    ) -> Outcome:
        return self.verify(problem, settings, meter, progress)

    def reach(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        assert isinstance(settings, ObedientSettings)
        if settings.answer in ("memory", "torch-memory"):
            self._answer(problem, settings.answer)
        pipe = Flowpipe(("p", "v"), (FlowpipeStep((0.0, 0.0), (Box([0.0, 0.9], [0.1, 1.0]),)),))
        return Outcome(None, None if settings.answer == "verified" else Reason.NODE_BUDGET, flowpipe=pipe)

    def _answer(self, problem: Problem, answer: Answer) -> Outcome:
        if answer == "crash":
            raise ZeroDivisionError("an injected\nfault")
        if answer == "interrupt":
            raise KeyboardInterrupt
        if answer == "memory":
            raise MemoryError
        if answer == "torch-memory":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        verdict, reason = {
            "verified": (Verdict.VERIFIED, Reason.PROVED),
            "falsified": (Verdict.FALSIFIED, Reason.COUNTEREXAMPLE),
            "unknown": (Verdict.UNKNOWN, Reason.NODE_BUDGET),
            "candidate": (Verdict.UNKNOWN, Reason.SOLVER_INACCURATE),
        }[answer]
        point = None
        if answer in ("falsified", "candidate"):
            x = np.array([[0.05, 0.95], [0.125, 1.0]])
            point = Counterexample(
                x[0], np.zeros((1, 0)), np.array([0.0, 1.0]), x, np.array([[0.5]]), "wall", 0.1234567
            )
        rows = [RequirementResult(name, verdict, 0.12345678, 0.23456781) for name, _ in problem.requirements()]
        return Outcome(verdict, reason, tuple(rows), counterexample=point, notes=("chosen by a test",))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Test problems and the test engine, for one test."""
    added = (("problems", CartProblem.id), ("problems", ForeignCartProblem.id), ("engines", ObedientEngine.id))
    for (kind, name), thing in zip(added, (CartProblem, ForeignCartProblem, ObedientEngine), strict=True):
        registry.register(kind, name)(thing)
    yield
    for kind, name in added:
        registry.unregister(kind, name)


@dataclass(frozen=True)
class Ran:
    """What one command line did."""

    status: int
    out: str
    err: str


@pytest.fixture
def nnctrl(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process."""

    def call(*arguments: object) -> Ran:
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(int(status), captured.out, captured.err)

    return call
