"""What a controller does from sampled initial states: figures for people, not proof."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.learning.dataset import initial_states
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.monitor import monitors_of
from nnctrl.specs.spec import Spec
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import Trajectory, simulate


@dataclass(frozen=True)
class Evaluation:
    """Sampled behaviour from `count` initial states, extreme points of the initial set among them.

    `success_rate`: share of trajectories that satisfy all requirements. `margins`: the worst margin of each requirement
    (how far inside a set to stay in or reach, how far outside one to avoid, in the set's own units). `input_*`: the
    extremes of every input over all steps; `final_*`: of every state at the end.
    """

    count: int
    seed: int
    success_rate: float
    margins: dict[str, float]
    input_lower: tuple[float, ...]
    input_upper: tuple[float, ...]
    final_lower: tuple[float, ...]
    final_upper: tuple[float, ...]


def evaluate(
    controller: Controller | Expert,
    plant: Plant,
    initial_set: AbstractSet,
    spec: Spec,
    horizon: int,
    count: int,
    seed: int,
) -> Evaluation:
    """Simulate `horizon` steps from `count` states of the initial set. A trajectory that diverges is a failure.

    UnsupportedError for a continuous plant, whose requirements are meant between the samples too.
    """
    if not plant.is_discrete:
        raise UnsupportedError(f"'{plant.name}' is continuous; evaluate a controller of a discrete plant")
    if count < 1:
        raise InputError(f"an evaluation from {count} states was asked for; give at least 1")
    start = initial_states(initial_set, count, np.random.default_rng(seed))
    run = simulate(plant, controller, start, horizon)
    signals = torch.tensor(_signals(run))
    margins: dict[str, float] = {}
    good = np.isfinite(run.x).all(axis=(1, 2))
    for monitor in monitors_of(spec, tuple(plant.states), (*plant.inputs, *plant.outputs), horizon):
        margin = monitor.trajectory_margin(signals)
        good &= monitor.holds(margin).numpy()
        margins[monitor.id] = float(margin.min())
    return Evaluation(
        count,
        seed,
        float(good.mean()),
        margins,
        _row(run.u.min(axis=(0, 1))),
        _row(run.u.max(axis=(0, 1))),
        _row(run.x[:, -1].min(axis=0)),
        _row(run.x[:, -1].max(axis=0)),
    )


def _signals(run: Trajectory) -> FloatArray:
    """States, inputs, outputs side by side [batch, K+1, .]; requirements on inputs do not look at the last step."""
    others = np.concatenate([run.u, run.y], axis=2)
    return np.concatenate([run.x, np.concatenate([others, others[:, -1:]], axis=1)], axis=2)


def _row(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
