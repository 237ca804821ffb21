"""Train, verify, add what the verifier found to the training, and again: until VERIFIED or out of budget.

A counterexample says where the network fails, the parts left open say where it cannot be shown not to fail; both, and
the sampled states that come out worst, weigh more in the next round (as in counterexample-guided inductive synthesis:
Solar-Lezama et al., ASPLOS 2006). That the last network was verified here is what ends the loop and nothing more: the
verdict is for whoever asked to find.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.learning.cegis.checkpoint import Checkpoint
from nnctrl.learning.cegis.state import Round, State
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.evaluation import worst_states
from nnctrl.learning.method import Attempt, CurvePoint, SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.networks.network import Network
from nnctrl.progress import Progress
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.verification.decide import verify
from nnctrl.verification.settings import LARGEST_SEED, Budget
from nnctrl.verification.verdict import Result, Verdict

TRAIN_SHARE = 0.7
"""Part of what is left of the time that a round may train; training ends by itself when it has shown what it can."""

VERIFY_SHARE = 0.2
"""Part of what is left then that a round may verify: who asked for the network verifies the last one at length."""

SAMPLED, WORST = 512, 8
"""Sampled initial states of every round, and how many of them are trained on for each requirement."""

MOST_POINTS, MOST_BOXES = 256, 256
"""States and boxes that are trained on more than others; the newest are kept. Every step looks at all the states."""

TOLD_FIRST, TOLD_LAST = 3, 9
"""Rounds that are told when it is over: the first and the last ones."""


class Trainer(Protocol):
    """What makes the networks: `CertifiedMethod`."""

    def attempt(
        self,
        task: Task,
        settings: SynthesisSettings,
        meter: Meter,
        progress: Progress,
        *,
        expert: Expert | None = None,
        start: Network | None = None,
        focus: Focus | None = None,
    ) -> Attempt:
        """As `AbstractMethod.attempt`, with more weight on a focus."""


@dataclass
class CounterexampleLoop:
    """One run of the loop; `checkpoint` keeps its state after every round and is where it goes on."""

    task: Task
    settings: SynthesisSettings
    trainer: Trainer
    meter: Meter
    progress: Progress
    checkpoint: Checkpoint | None = None
    spent_before: float = field(default=0.0, init=False)
    first: Network | None = field(default=None, init=False)

    def run(self, start: Network | None, expert: Expert | None) -> Attempt:
        """The best network: by verdict, then by margin; and what this run had before it looked at sets."""
        return dataclasses.replace(self._run(start, expert), before=self.first)

    def _run(self, start: Network | None, expert: Expert | None) -> Attempt:
        kept = None if self.checkpoint is None else self.checkpoint.load()
        state = kept or State(start, Focus.nothing(self.task.plant.state_size))
        self.spent_before = state.seconds
        if kept is None:
            self._keep(state)
        while not state.is_solved:
            spent = self.meter.exhausted()
            if spent is not None:
                return _ended(state, f"the {spent.replace('-', ' ')} was spent after {_rounds(state)}")
            made = self._train(state, expert)
            self.first = self.first or made.before
            if made.impossible:
                return made
            if made.network is None:
                return _ended(state, f"training has no network to offer after {_rounds(state)}: {made.reason}")
            before, state = state, self._judged(state, made.network, made.curve)
            self._keep(state)
            if not state.is_solved and _has_converged(before, state):
                return _ended(state, f"after {_rounds(state)} training changes the network no more ({made.reason})")
        return _ended(state, f"the network of round {state.best_round + 1} was verified")

    def _keep(self, state: State) -> None:
        if self.checkpoint is not None:
            self.checkpoint.save(state)

    def _seconds(self) -> float:
        """Of all runs together."""
        return self.spent_before + self.meter.elapsed()

    def _train(self, state: State, expert: Expert | None) -> Attempt:
        """The training of one round; its curve in the seconds of the loop."""
        number, began = state.rounds, self._seconds()
        attempt = self.trainer.attempt(
            self.task,
            # another seed draws other states, so that a round does not repeat the last one
            dataclasses.replace(self.settings, seed=(self.settings.seed + number) % (LARGEST_SEED + 1)),
            self._part_of_the_rest(TRAIN_SHARE),
            _RoundProgress(self.progress, number + 1),
            expert=expert,
            start=state.start if state.current is None else state.current,
            focus=state.focus,
        )
        curve = [dataclasses.replace(point, seconds=began + point.seconds) for point in attempt.curve]
        return dataclasses.replace(attempt, curve=(*state.curve, *curve))

    def _judged(self, state: State, network: Network, curve: tuple[CurvePoint, ...]) -> State:
        """The state after the verifier has looked at the network of a round."""
        rest = self._part_of_the_rest(VERIFY_SHARE)
        default = Budget()
        budget = Budget(
            timeout_s=float(np.clip(rest.seconds, 1.0, default.timeout_s)),
            memory_gb=min(rest.memory_bytes / 1e9, default.memory_gb),
            jobs=rest.jobs,
        )
        result = verify(
            self.task.problem(network), budget=budget, progress=_RoundProgress(self.progress, state.rounds + 1)
        )
        new = self._found(network, result, state.rounds)
        entry = Round.of(state.rounds + 1, self._seconds(), result, len(new.points), len(new.lower))
        beaten = state.is_beaten_by(entry)
        return dataclasses.replace(
            state,
            focus=_newest(state.focus.joined(new)),
            seconds=entry.seconds,
            current=network,
            best=network if beaten else state.best,
            best_round=state.rounds if beaten else state.best_round,
            history=(*state.history, entry),
            curve=curve,
        )

    def _found(self, network: Network, result: Result, number: int) -> Focus:
        """What to train on: the counterexample or a candidate for one, the worst samples, and the parts left open."""
        task, nothing = self.task, Focus.nothing(self.task.plant.state_size)
        if result.verdict is Verdict.VERIFIED:
            return nothing
        point = result.counterexample
        points = [nothing.points] if point is None else [point.x0[None]]
        points.append(self._worst(network, number))
        lower = np.array([part.lower for part in result.open_parts]).reshape(-1, task.plant.state_size)
        upper = np.array([part.upper for part in result.open_parts]).reshape(-1, task.plant.state_size)
        return Focus(np.concatenate(points), lower, upper)

    def _worst(self, network: Network, number: int) -> FloatArray:
        task = self.task
        controller = Controller(network, period=task.period)
        seed = (self.settings.seed + number) % (LARGEST_SEED + 1)
        try:
            return worst_states(controller, task.plant, task.initial_set, task.spec, task.samples, SAMPLED, seed, WORST)
        except InputError:
            # trajectories of an early network may not be integrable; what the verifier found is there all the same
            return np.zeros((0, task.plant.state_size))

    def _part_of_the_rest(self, share: float) -> Meter:
        rest = max(self.meter.seconds - self.meter.elapsed(), 0.0)
        return Meter(seconds=share * rest, memory_bytes=self.meter.memory_bytes, jobs=self.meter.jobs)


class _RoundProgress:
    """Says which round it is."""

    def __init__(self, progress: Progress, number: int) -> None:
        self.progress, self.number = progress, number

    def update(self, message: str, done: float | None = None, total: float | None = None) -> None:
        self.progress.update(f"round {self.number}: {message}", done, total)


def _ended(state: State, reason: str) -> Attempt:
    notes = [entry.sentence for entry in state.history]
    hidden = len(notes) - TOLD_FIRST - TOLD_LAST
    if hidden > 0:
        notes[TOLD_FIRST:-TOLD_LAST] = [f"{hidden} more rounds"]
    return Attempt(state.best or state.start, reason, curve=state.curve, notes=tuple(notes))


def _rounds(state: State) -> str:
    return f"{state.rounds} round{'' if state.rounds == 1 else 's'}"


def _newest(focus: Focus) -> Focus:
    return Focus(focus.points[-MOST_POINTS:], focus.lower[-MOST_BOXES:], focus.upper[-MOST_BOXES:])


def _has_converged(before: State, after: State) -> bool:
    """Whether a round with more to learn from than the first gave the weights that it began with."""
    if before.current is None or after.current is None:
        return False
    old, new = (
        [array for block in network.blocks for affine in block.affines for array in (affine.weight, affine.bias)]
        for network in (before.current, after.current)
    )
    return len(old) == len(new) and all(np.array_equal(one, other) for one, other in zip(old, new, strict=True))
