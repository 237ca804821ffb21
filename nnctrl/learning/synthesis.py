"""From a task to a network and the verifier's word on it, whatever method made the network."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnctrl.branching.meter import Meter, available_processors
from nnctrl.errors import InputError
from nnctrl.learning.cegis.checkpoint import Checkpoint
from nnctrl.learning.cegis.fingerprint import fingerprint
from nnctrl.learning.imitation import imitate
from nnctrl.learning.impossibility.proof import impossibility
from nnctrl.learning.method import AbstractMethod, Attempt, SynthesisSettings
from nnctrl.learning.methods import AUTO, choose_method
from nnctrl.learning.recipe import Recipe, recipe_for
from nnctrl.learning.task import Task
from nnctrl.networks.network import Network, Origin
from nnctrl.networks.onnx_export import onnx_bytes
from nnctrl.progress import Progress, SilentProgress
from nnctrl.verification.decide import AUTO as ANY_ENGINE
from nnctrl.verification.decide import engine_for, reach, verify
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Budget
from nnctrl.verification.verdict import Result, Verdict

if TYPE_CHECKING:
    from nnctrl.learning.cegis.method import CegisMethod

VERIFY_SHARE = 0.25
"""Part of the time that is kept for the verifier, which has the rest of it too if the method leaves some."""

COMPARE_SHARE = 0.05
"""Part of the time that is kept for looking at the network that the method began with, if there is one."""

LEAST_SHARE = 0.02
"""Part of the time that the verifier gets although the method has overrun."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A network in its loop, with what the verifier says of it."""

    network: Network
    problem: Problem
    result: Result


@dataclass(frozen=True, eq=False)
class SynthesisOutcome:
    """How a synthesis went.

    `choice`: why the method was taken. `after`: the network that was made, None if there is none, and `onnx` the file
    that it is in; `before`, if a comparison was asked for: the imitation of the expert `task.expert` that the method
    began with, or what it had before it looked at sets (`attempt.before`). `seconds`:
    wall-clock time by phase.
    """

    task: Task
    method: str
    choice: str
    settings: SynthesisSettings
    attempt: Attempt
    after: Judged | None = None
    before: Judged | None = None
    onnx: bytes = b""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict | None:
        """The verifier's; None without a network."""
        return None if self.after is None else self.after.result.verdict


def synthesise(
    task: Task,
    method: str | AbstractMethod = AUTO,
    settings: Mapping[str, object] | None = None,
    budget: Budget | None = None,
    *,
    expert: str | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    compare: bool = False,
) -> SynthesisOutcome:
    """Make a network for `task`, and decide by the verifier whether it does what is wanted.

    `settings`: keys of the method. `expert`: the id of a registered expert to imitate first, by default the task's own.
    `checkpoint`: a folder in which the counterexample loop keeps its state, and from which it goes on with another
    `budget`. `compare`: look at the network before, too. What a method says of its network is no verdict: that is the
    verifier's alone, about the weights in `onnx`. A task that no controller at all can do ends with the proof and
    without a network. UnsupportedError if the method objects to the task, or every engine does; InputError for an
    expert without a recipe or of another plant, for engine keys of the task that are none, for a checkpoint of another
    task, and for a method that keeps none.

    The time of `budget` is shared: a quarter of it is the verifier's. The imitation and the proof of impossibility are
    not cut short; what they take is missing for the method.
    """
    wanted = task if expert is None else dataclasses.replace(task, expert=expert)
    chosen, choice = choose_method(wanted, method, settings or {})
    typed = chosen.settings_type().updated(settings or {})
    recipe = recipe_for(wanted, typed.hidden, typed.seed) if wanted.expert else None
    runner = _Runner(wanted, chosen, typed, _store(wanted, chosen, typed, checkpoint), progress or SilentProgress())
    clock = _Clock(budget or Budget())
    empty = SynthesisOutcome(wanted, chosen.id, choice, typed, Attempt(None, ""))
    with clock.phase("impossibility"):
        proof = impossibility(wanted)
    if proof is not None:
        return dataclasses.replace(empty, attempt=Attempt(None, proof, impossible=True), seconds=clock.seconds)
    _check_verifier(wanted)
    with clock.phase("imitation"):
        start = runner.start(recipe)
    reserved = COMPARE_SHARE if compare else 0.0
    with clock.phase(chosen.id):
        attempt = runner.attempt(clock.meter(1.0 - VERIFY_SHARE - reserved), recipe, start)
    made = dataclasses.replace(empty, attempt=attempt, seconds=clock.seconds)
    if attempt.network is None:
        return made
    with clock.phase("verification"):
        onnx = onnx_bytes(attempt.network, {"synthesised_for": wanted.name, "method": chosen.id, **_texts(typed)})
        origin = Origin(f"synthesis for {wanted.name} by {chosen.id}", hashlib.sha256(onnx).hexdigest())
        network = dataclasses.replace(attempt.network, origin=origin)
        after = _judged(wanted, network, clock.budget(1.0 - reserved), runner.progress)
    before, first = None, start or attempt.before
    if compare and first is not None and first is not attempt.network:
        with clock.phase("comparison"):
            before = _before(wanted, first, clock, runner.progress)
    return dataclasses.replace(made, after=after, before=before, onnx=onnx)


def _check_verifier(task: Task) -> None:
    """Refuse what the verifier would refuse once there is a network, which would be lost: UnsupportedError if no engine
    takes the task, InputError for values of its engine keys.
    """
    engine, _ = engine_for(task.idle_problem, ANY_ENGINE, task.settings)
    engine.settings_type().updated(task.settings)


@dataclass(frozen=True, eq=False)
class _Runner:
    """A method with its settings, and with the folder where it keeps its state if it was given one."""

    task: Task
    method: AbstractMethod
    settings: SynthesisSettings
    store: Checkpoint | None
    progress: Progress

    def start(self, recipe: Recipe | None) -> Network | None:
        """The network to begin with: that of the run that is continued, or an imitation."""
        kept = None if self.store is None else self.store.load()
        if kept is not None:
            return kept.start
        if recipe is None:
            return None
        made = imitate(
            recipe.expert,
            recipe.plant,
            recipe.initial_set,
            recipe.horizon,
            recipe.settings,
            progress=self.progress,
            activation=recipe.activation,
        )
        return made.network

    def attempt(self, meter: Meter, recipe: Recipe | None, start: Network | None) -> Attempt:
        """The method's attempt."""
        expert = None if recipe is None else recipe.expert
        given = (self.task, self.settings, meter, self.progress)
        if self.store is None:
            return self.method.attempt(*given, expert=expert, start=start)
        return _resumable(self.method).attempt(*given, expert=expert, start=start, checkpoint=self.store)


def _resumable(method: AbstractMethod) -> CegisMethod:
    from nnctrl.learning.cegis.method import CegisMethod

    if not isinstance(method, CegisMethod):
        raise InputError(
            f"the method {method.id} keeps no state between runs; leave the checkpoint out, or take the method cegis"
        )
    return method


def _store(task: Task, method: AbstractMethod, settings: SynthesisSettings, folder: Path | None) -> Checkpoint | None:
    """The checkpoint, refused early if the method has none."""
    if folder is None:
        return None
    _resumable(method)
    return Checkpoint(folder, fingerprint(task, settings), task.plant.state_size, task.plant.input_size)


class _Clock:
    """The wall-clock time of a budget, and what each phase took of it."""

    def __init__(self, budget: Budget) -> None:
        self.total, self.allowed = budget.timeout_s, budget
        self.started = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Book the time of a phase."""
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began

    def meter(self, until: float) -> Meter:
        """What may be spent until a share of the total is over."""
        jobs = self.allowed.jobs or available_processors()
        return Meter(seconds=max(self._left(until), 0.0), memory_bytes=1e9 * self.allowed.memory_gb, jobs=jobs)

    def budget(self, until: float, most: float = 1.0) -> Budget:
        """A budget until a share of the total is over, at most a share `most`; something is left in any case."""
        seconds = min(max(self._left(until), LEAST_SHARE * self.total), most * self.total)
        return dataclasses.replace(self.allowed, timeout_s=seconds)

    def _left(self, until: float) -> float:
        return until * self.total - (time.monotonic() - self.started)


def _judged(task: Task, network: Network, budget: Budget, progress: Progress) -> Judged:
    problem = task.problem(network)
    return Judged(network, problem, verify(problem, budget=budget, progress=progress))


def _before(task: Task, start: Network, clock: _Clock, progress: Progress) -> Judged:
    """The network that a method began with, with an enclosure of all its trajectories though it be refuted."""
    judged = _judged(task, start, clock.budget(1.0, 0.5 * COMPARE_SHARE), progress)
    pipe = judged.result.flowpipe
    if pipe is not None and pipe.whole:
        return judged
    tube = reach(judged.problem, budget=clock.budget(1.0, 0.5 * COMPARE_SHARE), progress=progress).flowpipe
    return dataclasses.replace(judged, result=dataclasses.replace(judged.result, flowpipe=tube or pipe))


def _texts(settings: SynthesisSettings) -> dict[str, str]:
    return {key: str(value) for key, value in settings.values().items()}
