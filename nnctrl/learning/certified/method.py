"""The method "certified": a network trained on a bound of its violations along the closed loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnctrl.bounds.view import tensor
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.learning.certified.flow import Flow
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.certified.objective import Objective
from nnctrl.learning.certified.requirements import TrainingRequirements
from nnctrl.learning.certified.trainable import Scaling, Trainable
from nnctrl.learning.certified.training import Schedule, Training
from nnctrl.learning.dataset import Dataset, initial_states
from nnctrl.learning.method import AbstractMethod, Attempt, CurvePoint, SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.networks.network import Network
from nnctrl.progress import Progress
from nnctrl.systems.expert import Expert
from nnctrl.systems.simulation import simulate
from nnctrl.threads import single_threaded
from nnctrl.verification.settings import setting

DEMONSTRATED = 50
"""Trajectories of the expert that a network stays close to."""


@dataclass(frozen=True)
class CertifiedSettings(SynthesisSettings):
    """What the method "certified" takes."""

    slack: float = setting(
        0.1,
        "how far inside its requirements a network is pushed, in units of each set's inner radius; more makes the tube "
        "narrower",
        above=0.0,
        maximum=1.0,
    )
    point_steps: int = setting(1000, "steps of the optimiser on trajectories", minimum=0, maximum=1_000_000)
    box_steps: int = setting(400, "steps of the optimiser on enclosures", minimum=0, maximum=1_000_000)
    points: int = setting(64, "initial states whose trajectories a step looks at", minimum=2, maximum=100_000)
    learning_rate: float = setting(1e-2, "step size of Adam; half of it on enclosures", above=0.0, maximum=1.0)
    weight_decay: float = setting(1e-5, "price of squared scaled weights", minimum=0.0, maximum=1e3)
    width: float = setting(
        0.0,
        "price of the half-width of the sets when they are due in sets to reach; with one, all steps on enclosures are "
        "used",
        minimum=0.0,
        maximum=1e3,
    )
    imitation: float = setting(0.1, "price of the mean squared difference to the expert", minimum=0.0, maximum=1e6)
    restarts: int = setting(
        5, "random networks to begin with, at most, while trajectories violate a requirement", minimum=1, maximum=1000
    )
    looks: int = setting(
        2, "moments in a period at which the requirements of a continuous plant are looked at", minimum=1, maximum=64
    )


class CertifiedMethod(AbstractMethod):
    """Gradient training of a network of any depth, discrete or sampled-data plants, linear or not.

    On success the bound holds on the whole initial set up to rounding and the integrator's truncation error: a promise
    to the verifier, not a proof.
    """

    id: ClassVar[str] = "certified"
    settings_type: ClassVar[type[SynthesisSettings]] = CertifiedSettings

    def objection(self, task: Task) -> str | None:
        """Every plant and requirement can be trained for; only the initial set may be of a kind without coordinates."""
        try:
            Flow.of(task)
        except UnsupportedError as error:
            return str(error)
        return None

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
        """See `AbstractMethod.attempt`; `focus`: states and boxes to look at more closely than at the rest.

        Cost: on points one simulation of `points` trajectories a step, on boxes also an enclosure of a few, and the
        gradients of both (about 0.02 and 0.7 s for 60 samples of a network with 64 neurons).
        """
        if not isinstance(settings, CertifiedSettings):
            raise InputError(f"the method certified takes CertifiedSettings, not {type(settings).__name__}")
        with single_threaded():
            return self._trained(task, settings, meter, progress, expert, start, focus)

    def _trained(
        self,
        task: Task,
        settings: CertifiedSettings,
        meter: Meter,
        progress: Progress,
        expert: Expert | None,
        start: Network | None,
        focus: Focus | None,
    ) -> Attempt:
        flow = Flow.of(task, settings.looks)
        rng = np.random.default_rng(settings.seed)
        objective = Objective(
            flow,
            TrainingRequirements.of(task, flow, settings.slack),
            task.initial_set,
            Focus.nothing(task.plant.state_size) if focus is None else focus,
            None if expert is None else _demonstrations(task, expert, rng),
            settings.points,
            settings.width,
            settings.imitation,
            settings.weight_decay,
            rng,
        )
        schedule = Schedule(settings.point_steps, settings.box_steps, settings.learning_rate)

        def begun() -> Training:
            if start is None:
                network = Trainable.random(task, settings.hidden or task.hidden, rng)
            else:
                network = Trainable.of(start, Scaling.of(task))
            return Training(network, objective, schedule, meter, progress)

        training, given_up = _best_on_points(begun, 1 if start is not None else settings.restarts, meter)
        accurate = flow.accurate_along(training.network.view(), tensor(task.initial_set.sample(rng, settings.points)))
        if accurate.substeps > flow.substeps:
            training.objective = dataclasses.replace(objective, flow=accurate)
            training.on_points()
        origin = f"certified training for '{task.name}' with seed {settings.seed}"
        before = training.network.network(f"{origin}, on trajectories only")
        holds = training.on_boxes()
        made = training.network.network(origin)
        return Attempt(made, _reason(training, holds, meter), curve=(*given_up, *training.curve), before=before)


def _best_on_points(begun: Callable[[], Training], count: int, meter: Meter) -> tuple[Training, list[CurvePoint]]:
    """The training that satisfies all requirements on trajectories, else of `count` the one with the least violation;
    and the curves of those that were given up.
    """
    best = begun()
    least, given_up = best.on_points(), []
    for _ in range(1, count):
        if least <= 0.0 or meter.exhausted():
            break
        other = begun()
        worst = other.on_points()
        if worst < least:
            best, other, least = other, best, worst
        given_up += other.curve
    return best, given_up


def _demonstrations(task: Task, expert: Expert, rng: np.random.Generator) -> Dataset:
    """States and inputs along the expert's own trajectories."""
    run = simulate(task.plant, expert, initial_states(task.initial_set, DEMONSTRATED, rng), task.samples)
    n, m = task.plant.state_size, task.plant.input_size
    return Dataset(run.x[:, :-1].reshape(-1, n), run.u.reshape(-1, m))


def _reason(training: Training, holds: bool, meter: Meter) -> str:
    if holds:
        return "the bound that it was trained on holds on the whole initial set"
    ended = "time ran out" if meter.exhausted() else "the steps were used up"
    last = training.curve[-1] if training.curve else None
    if last is None:
        return f"{ended} before anything was trained"
    if last.size == 0.0:
        return f"{ended} while training on trajectories, with a violation of {last.violation:.3g} in units of the set"
    return (
        f"{ended} while training on {100.0 * last.size:.0f} % of the initial set, with a violation of "
        f"{last.violation:.3g} in units of the requirement's set"
    )
