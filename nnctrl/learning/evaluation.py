"""What a controller does from sampled initial states: figures for people, not proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.learning.dataset import initial_states
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.polynomial_margins import polynomial_monitors
from nnctrl.specs.spec import Spec
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.fit import SNAP, in_samples, sample_period
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import Trajectory, advance, simulate

MOMENTS = 4
"""Moments in a period of the controller at which the requirements of a continuous plant are looked at."""


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
    """Simulate `horizon` samples from `count` states of the initial set. A trajectory that diverges is a failure.

    The requirements of a continuous plant are looked at `MOMENTS` times in every period of the controller; InputError
    for one whose window has none of these moments, and if a trajectory of such a plant cannot be integrated.
    """
    if count < 1:
        raise InputError(f"an evaluation from {count} states was asked for; give at least 1")
    start = initial_states(initial_set, count, np.random.default_rng(seed))
    run = simulate(plant, controller, start, horizon)
    good = np.isfinite(run.x).all(axis=(1, 2))
    margins: dict[str, float] = {}
    for id, margin, holds in _judged(plant, controller, run, spec, horizon):
        good &= holds
        margins[id] = float(margin.min())
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


def worst_states(
    controller: Controller | Expert,
    plant: Plant,
    initial_set: AbstractSet,
    spec: Spec,
    horizon: int,
    count: int,
    seed: int,
    each: int,
) -> FloatArray:
    """Of `count` initial states, as `evaluate` takes them, different ones [k, n] from which a requirement comes out
    worst: of every requirement the `each` states with the least margins, or whose trajectories diverge. InputError as
    `evaluate`.
    """
    # a set may have few extreme points, and one of them is enough
    start = np.unique(initial_states(initial_set, count, np.random.default_rng(seed)), axis=0)
    run = simulate(plant, controller, start, horizon)
    finite = np.isfinite(run.x).all(axis=(1, 2))
    chosen = [
        np.argsort(np.where(finite, margin, -np.inf), kind="stable")[:each]
        for _, margin, _ in _judged(plant, controller, run, spec, horizon)
    ]
    return np.asarray(start[np.unique(np.concatenate(chosen))])


Judged = Iterator[tuple[str, FloatArray, NDArray[np.bool_]]]
"""Of every requirement the id, and of every trajectory [batch] the margin and whether it is satisfied."""


def _judged(plant: Plant, controller: Controller | Expert, run: Trajectory, spec: Spec, horizon: int) -> Judged:
    """At samples of a discrete plant, whose times are steps; at moments between them too of a continuous one."""
    others = (*plant.inputs, *plant.outputs)
    if plant.is_discrete:
        period, moments, signals, end = 1.0, np.arange(horizon + 1.0), _at_samples(run), float(horizon)
    else:
        period = sample_period(plant, controller)
        moments, signals = np.arange(MOMENTS * horizon + 1) / MOMENTS, _between_samples(plant, run, period)
        # the end as a product may be a rounding below the decimal that a requirement names
        end = horizon * period * (1.0 + SNAP)
    for monitor in polynomial_monitors(spec, list(plant.states), list(others), end, plant.is_discrete):
        first, last = in_samples(monitor.first, period), in_samples(monitor.last, period)
        # inputs and outputs of the very end do not exist
        last = min(last, moments[-2]) if monitor.needs_inputs else last
        counted = (first <= moments) & (moments <= last)
        if not counted.any():
            raise InputError(
                f"requirement '{monitor.id}' counts no moment: it is looked at {MOMENTS} times in every period of "
                f"{period:g} s; choose times at these moments"
            )
        margins = monitor.point_margins(signals[:, counted], moments[counted] * period)
        nothing = -np.inf if monitor.is_reach else np.inf
        margins = np.where(np.isnan(margins), nothing, margins)
        margin = margins.max(axis=1) if monitor.is_reach else margins.min(axis=1)
        yield monitor.id, margin, np.asarray(monitor.holds(margin))


def _at_samples(run: Trajectory) -> FloatArray:
    """States, inputs, outputs [batch, K + 1, .]; inputs and outputs of the last sample are nan."""
    others = np.concatenate([run.u, run.y], axis=2)
    missing = np.full_like(run.x[:, :1, :1], np.nan) * np.ones(others.shape[2])
    return np.concatenate([run.x, np.concatenate([others, missing], axis=1)], axis=2)


def _between_samples(plant: Plant, run: Trajectory, period: float) -> FloatArray:
    """States, held inputs, outputs [batch, MOMENTS * K + 1, .]; inputs and outputs of the last moment are nan."""
    rows = []
    values = plant.nominal_parameters
    for k in range(run.u.shape[1]):
        x, u, w = run.x[:, k], run.u[:, k], run.w[:, k]
        for moment in range(MOMENTS):
            now = x if moment == 0 else advance(plant, x, u, w, values, period * moment / MOMENTS)
            y = plant.measure(now, u, w, values) if plant.outputs else run.y[:, k]
            rows.append(np.concatenate([now, u, y], axis=1))
    end = np.full_like(rows[0], np.nan)
    end[:, : plant.state_size] = run.x[:, -1]
    return np.stack([*rows, end], axis=1)


def _row(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
