"""The counterexample loop: what it learns from, what it keeps, and that a killed run goes on where it was."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import casadi
import numpy as np
import pytest

from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.learning.cegis import checkpoint as checkpoint_module
from nnctrl.learning.cegis import loop as loop_module
from nnctrl.learning.cegis.checkpoint import Checkpoint
from nnctrl.learning.cegis.fingerprint import fingerprint
from nnctrl.learning.cegis.loop import CounterexampleLoop
from nnctrl.learning.cegis.method import CegisMethod
from nnctrl.learning.cegis.state import Round, State
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.dataset import initial_states
from nnctrl.learning.evaluation import worst_states
from nnctrl.learning.method import Attempt, CurvePoint, SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.networks.network import Network
from nnctrl.progress import Progress, SilentProgress
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.specs.spec import Avoid, Spec
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from nnctrl.verification.verdict import Reason, Verdict
from tests.learning.synthesis_tasks import braking, braking_task, weight

SETTINGS = SynthesisSettings(seed=5)

FIRST_ROUND = Round(1, 0.1, Verdict.UNKNOWN, "time-budget", math.nan, 0.5, 3, 2)


class Teacher:
    """Gives the networks of a list, one a round, and remembers what it was given."""

    def __init__(self, networks: Sequence[Network | None], does: Callable[[int], None] = lambda number: None) -> None:
        self.networks, self.does = list(networks), does
        self.seeds: list[int] = []
        self.starts: list[Network | None] = []
        self.focuses: list[Focus] = []
        self.meters: list[Meter] = []

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
        assert focus is not None
        self.does(len(self.seeds))
        self.seeds.append(settings.seed)
        self.starts.append(start)
        self.focuses.append(focus)
        self.meters.append(meter)
        return Attempt(self.networks.pop(0), "as told", curve=(CurvePoint(0.5, 1.0, 2.0, math.inf),))


def run(
    teacher: Teacher, start: Network | None = None, seconds: float = 60.0, place: Checkpoint | None = None
) -> Attempt:
    loop = CounterexampleLoop(
        braking_task(), SETTINGS, teacher, Meter(seconds=seconds, jobs=1), SilentProgress(), place
    )
    return loop.run(start, None)


def test_the_loop_learns_from_the_counterexample_until_it_is_verified() -> None:
    teacher = Teacher([braking(0.1), braking(0.3), braking(0.6)])
    attempt = run(teacher, start=braking(0.0))
    assert weight(attempt.network) == weight(braking(0.6))
    assert attempt.reason == "the network of round 3 was verified"
    assert [weight(start) for start in teacher.starts] == [weight(braking(gain)) for gain in (0.0, 0.1, 0.3)]
    assert teacher.seeds == [5, 6, 7]
    task = braking_task()
    sizes = [len(focus.points) for focus in teacher.focuses]
    assert sizes[0] == 0 < sizes[1] < sizes[2]
    # what was added after the first round violates the requirements there
    run_of_first = simulate(task.plant, Controller(braking(0.1)), teacher.focuses[1].points, 3)
    assert (abs(run_of_first.x[:, 3, 0]) > 0.3).all()
    assert ((teacher.focuses[2].points >= 1.0 - 1e-9) & (teacher.focuses[2].points <= 2.0 + 1e-9)).all()
    # the curve is in the seconds of the loop
    seconds = [point.seconds for point in attempt.curve]
    assert seconds == sorted(seconds)
    assert len(seconds) == 3
    assert [note.split(":")[1].split(",")[0].strip() for note in attempt.notes] == [
        "FALSIFIED",
        "FALSIFIED",
        "VERIFIED",
    ]


def test_open_parts_are_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = loop_module.verify

    def hesitant(problem: object, **options: object) -> object:
        result = honest(problem, **options)  # type: ignore[arg-type]
        rows = tuple(dataclasses.replace(row, verdict=Verdict.UNKNOWN) for row in result.requirements)
        parts = (Box([1.25], [1.5]), Box([1.75], [2.0]))
        return dataclasses.replace(
            result, verdict=Verdict.UNKNOWN, reason=Reason.TIME_BUDGET, requirements=rows, open_parts=parts
        )

    monkeypatch.setattr(loop_module, "verify", hesitant)
    teacher = Teacher([braking(0.6), braking(0.61), None])
    attempt = run(teacher)
    assert teacher.focuses[1].lower.tolist() == [[1.25], [1.75]]
    assert teacher.focuses[1].upper.tolist() == [[1.5], [2.0]]
    assert len(teacher.focuses[2].lower) == 4
    assert attempt.reason == "training has no network to offer after 2 rounds: as told"


def test_the_best_network_is_by_verdict_then_by_margin() -> None:
    # 2 (1 - gain)^3 is nearer to the goal for the second than for the third
    attempt = run(Teacher([braking(0.1), braking(0.4), braking(0.2), None]))
    assert weight(attempt.network) == weight(braking(0.4))
    ranks = [
        Round(1, 0.0, verdict, "", certified, sampled, 0, 0).rank
        for verdict, certified, sampled in (
            (Verdict.FALSIFIED, math.nan, -0.5),
            (Verdict.FALSIFIED, math.nan, -0.1),
            (Verdict.UNKNOWN, math.nan, -9.0),
            (Verdict.UNKNOWN, -0.5, -0.1),
            (Verdict.UNKNOWN, -0.4, -0.2),
            (Verdict.VERIFIED, 0.0, math.nan),
        )
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_training_that_gives_the_same_network_again_ends_the_loop() -> None:
    teacher = Teacher([braking(0.1)] * 5)
    assert run(teacher).reason.startswith("after 2 rounds training changes the network no more")


def test_a_spent_budget_leaves_the_start() -> None:
    attempt = run(Teacher([]), start=braking(0.2), seconds=0.0)
    assert weight(attempt.network) == weight(braking(0.2))
    assert attempt.reason == "the time budget was spent after 0 rounds"


def test_rounds_share_what_is_left_of_the_time() -> None:
    teacher = Teacher([braking(0.1), braking(0.2), None])
    run(teacher, seconds=40.0)
    first, second, _ = (meter.seconds for meter in teacher.meters)
    assert 27.0 < first <= 28.0
    assert second < first


def interrupt_in(round_number: int) -> Callable[[int], None]:
    def does(number: int) -> None:
        if number == round_number:
            raise KeyboardInterrupt

    return does


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    place = Checkpoint(tmp_path / "state", fingerprint(braking_task(), SETTINGS), 1, 1)
    killed = Teacher([braking(0.4), braking(0.1)], interrupt_in(2))
    with pytest.raises(KeyboardInterrupt):
        run(killed, start=braking(0.0), place=place)
    kept = place.load()
    assert kept is not None
    assert (kept.rounds, kept.best_round) == (2, 0)
    assert weight(kept.best) == weight(braking(0.4))
    resumed = Teacher([braking(0.6)])
    # the start is that of the first run
    attempt = run(resumed, place=place)
    assert resumed.seeds == [7]
    assert weight(resumed.starts[0]) == weight(braking(0.1))
    uninterrupted = Teacher([braking(0.4), braking(0.1), braking(0.6)])
    whole = run(uninterrupted, start=braking(0.0))
    for name in ("points", "lower", "upper"):
        assert np.array_equal(getattr(resumed.focuses[0], name), getattr(uninterrupted.focuses[2], name))
    assert [note.split()[4] for note in attempt.notes] == [note.split()[4] for note in whole.notes]
    assert len(attempt.curve) == len(whole.curve) == 3
    # once more: there is nothing left to do
    assert weight(run(Teacher([]), place=place).network) == weight(braking(0.6))
    assert len(list((tmp_path / "state").iterdir())) == 4


def test_killed_while_saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Checkpoint(tmp_path, "task", 1, 1)
    first = State(braking(0.0), Focus.nothing(1), 1.0, braking(0.1), braking(0.3), 0, (FIRST_ROUND,))
    place.save(first)
    written = checkpoint_module.write_atomically
    for last in range(3):
        left = [last]

        def failing(path: Path, content: bytes, left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            written(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_module, "write_atomically", failing)
            with pytest.raises(KeyboardInterrupt):
                place.save(dataclasses.replace(first, current=braking(0.2)))
        kept = place.load()
        assert kept is not None
        assert weight(kept.current) == weight(braking(0.1))


def test_certified_training_in_the_loop() -> None:
    method = CegisMethod()
    assert method.objection(braking_task()) is None
    settings = method.settings_type().updated({"hidden": (4,)})
    attempt = method.attempt(braking_task(), settings, Meter(seconds=60.0, jobs=1), SilentProgress())
    assert attempt.network is not None
    assert attempt.network.architecture() == "1-4-1 tanh"
    assert attempt.reason.endswith("was verified")
    assert attempt.curve


def test_the_worst_states_are_those_that_simulation_finds_worst() -> None:
    task = braking_task()
    found = worst_states(Controller(braking(0.1)), task.plant, task.initial_set, task.spec, 3, 200, 0, 4)
    # the goal is missed most from 2, and the input is largest there too
    assert found.shape == (4, 1)
    drawn = initial_states(task.initial_set, 200, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(found.ravel()), np.unique(drawn)[-4:])


class Exploding(Plant):
    """x' = x^3 + u."""

    states = {"x": "m"}
    inputs = {"u": "m/s"}

    def dynamics(self, x: casadi.SX, u: casadi.SX) -> tuple[casadi.SX]:
        return (x[0] ** 3 + u[0],)


def test_trajectories_that_cannot_be_integrated_do_not_end_the_loop() -> None:
    spec = Spec((Avoid(Ball([-9.0], 1.0), name="ball"),))
    task = Task(Exploding(), Box([1.0], [2.0]), spec, 1.0, "exploding", period=0.5)
    with pytest.raises(InputError):
        worst_states(Controller(braking(0.0), period=0.5), task.plant, task.initial_set, spec, 2, 10, 0, 1)
    teacher = Teacher([braking(0.0), braking(0.0)])
    loop = CounterexampleLoop(task, SETTINGS, teacher, Meter(seconds=20.0, jobs=1), SilentProgress())
    attempt = loop.run(None, None)
    assert attempt.reason.startswith("after 2 rounds training changes the network no more")
