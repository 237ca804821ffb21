"""Sampled trajectories of a problem: for pictures and for the command `simulate`; they prove nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.report.words import number
from nnctrl.systems.controller import Controller
from nnctrl.systems.fit import sample_period
from nnctrl.systems.simulation import simulate
from nnctrl.verification.problem import Problem
from nnctrl.verification.verdict import json_numbers, loaded_versions

if TYPE_CHECKING:
    from rich.table import Table

MOST_NUMBERS = 100_000_000
"""In all sampled trajectories together: some gigabytes until they are written."""


@dataclass(frozen=True, eq=False)
class Samples:
    """States `x` [batch, k+1, n], inputs `u` [batch, k, m], outputs `y` likewise, at times `t` of the problem."""

    t: FloatArray
    x: FloatArray
    u: FloatArray
    y: FloatArray


def sample_trajectories(problem: Problem, count: int, seed: int) -> Samples:
    """`count` trajectories with random initial states, disturbances, noise and parameters, each in its range."""
    plant, controller = problem.closed_loop.plant, problem.closed_loop.controller
    rng = np.random.default_rng(seed)
    steps = _steps(problem, count)
    start = problem.initial_set.sample(rng, count)
    w = rng.uniform(*_disturbance_range(problem), (count, steps, plant.disturbance_size))
    noise = None
    if isinstance(controller, Controller) and controller.noise is not None:
        noise = rng.uniform(controller.noise.lower, controller.noise.upper, (count, steps, controller.view_size))
    low, high = plant.parameter_bounds
    parameters = rng.uniform(low, high, (count, len(low)))
    found = simulate(plant, controller, start, steps, w, noise, parameters)
    times: FloatArray = np.arange(steps + 1, dtype=np.float64) if problem.is_discrete else found.t
    return Samples(times, found.x, found.u, found.y)


def _steps(problem: Problem, count: int) -> int:
    """Samples up to the horizon; InputError if `count` trajectories of so many take more memory than they should."""
    plant, controller = problem.closed_loop.plant, problem.closed_loop.controller
    steps = problem.horizon if problem.is_discrete else problem.horizon / sample_period(plant, controller)
    signals = 2 * plant.state_size + plant.input_size + plant.disturbance_size + controller.view_size
    numbers = (steps + 1.0) * signals
    if numbers > MOST_NUMBERS:
        raise InputError(f"a trajectory of {number(steps)} steps takes too much memory; make the horizon shorter")
    if count * numbers > MOST_NUMBERS:
        raise InputError(
            f"{count} trajectories of {number(steps)} steps take too much memory; give at most "
            f"{int(MOST_NUMBERS / numbers)} samples"
        )
    return math.ceil(steps)


def _disturbance_range(problem: Problem) -> tuple[FloatArray, FloatArray]:
    plant = problem.closed_loop.plant
    missing = [name for name in plant.disturbances if name not in plant.ranges]
    if missing:
        raise InputError(f"the disturbance '{missing[0]}' has no range; declare one in the plant's `ranges`")
    pairs = np.array([plant.ranges[name] for name in plant.disturbances], dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def signals_of(problem: Problem, samples: Samples) -> dict[str, FloatArray]:
    """Every state [batch, k+1], input and output [batch, k] by name."""
    plant = problem.closed_loop.plant
    groups = ((plant.states, samples.x), (plant.inputs, samples.u), (plant.outputs, samples.y))
    return {name: values[:, :, k] for names, values in groups for k, name in enumerate(names)}


def signal_table(problem: Problem, samples: Samples) -> Table:
    """Smallest and largest value of every signal, at the start, over all times, and at the end."""
    from rich.table import Table

    table = Table("signal", "unit")
    for heading in ("at the start", "over all times", "at the end"):
        table.add_column(heading)
    units = problem.signal_units()
    for name, values in signals_of(problem, samples).items():
        spans = [f"[{number(part.min())}, {number(part.max())}]" for part in (values[:, 0], values, values[:, -1])]
        table.add_row(name, units[name], *spans)
    return table


def samples_json(problem: Problem, samples: Samples, seed: int) -> dict[str, Any]:
    """Trajectories as one JSON object: `t` [k+1] and, per signal, [batch, k+1 or k]; not finite numbers become null."""
    signals = {name: json_numbers(values) for name, values in signals_of(problem, samples).items()}
    return {
        "problem": problem.name,
        "seed": seed,
        "time_unit": problem.time_unit,
        "units": problem.signal_units(),
        "t": samples.t.tolist(),
        "signals": signals,
        "versions": loaded_versions(),
    }
