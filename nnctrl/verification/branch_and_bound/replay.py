"""Replays: what makes FALSIFIED a proof.

From exactly the initial state and disturbances that are reported, the closed loop is followed with outward rounding; a
requirement is violated if every state of the enclosure violates it. The trajectory that is reported comes from the
simulator, which is made from the plant and the controller and not from the composed network: it must lie in the
enclosure, or one of the two is wrong and nothing is reported.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import tensor
from nnctrl.branching.meter import Meter
from nnctrl.specs.monitor import Monitor
from nnctrl.systems.simulation import Trajectory, simulate
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.verdict import Counterexample

AGREEMENT = 1e-6
"""Relative distance from the enclosure that the simulated trajectory may have: it is not rounded outward."""

PULLS = (0.0, 1e-12, 1e-9, 1e-6)
"""A point on the rim of the initial set may be outside by a rounding: how far towards the middle to pull it, tried
in turn.
"""


def replay(
    problem: CompiledProblem, monitor: Monitor, parameter: Tensor, noise: Tensor, meter: Meter
) -> tuple[bool, Counterexample]:
    """Whether the trajectory from `parameter` [q] under `noise` [steps, w] certainly violates, and that trajectory.

    BudgetSpentError when the meter's time or memory runs out on the way.
    """
    x0 = _start(problem, parameter)
    if x0 is None:
        rounded = problem.plant_state(parameter)
        return False, _counterexample(problem, monitor, rounded, noise, problem.horizon, math.nan)
    violations = _violations(problem, monitor, x0, noise, meter)
    proved = [step for step, value in violations.items() if bool(monitor.violates(torch.tensor(value)))]
    if monitor.is_reach:
        certain, step, size = len(proved) == len(violations), monitor.last, min(violations.values())
    else:
        certain = bool(proved)
        step = max(violations, key=lambda k: violations[k])
        size = violations[step]
    return certain, _counterexample(problem, monitor, x0, noise, step, size if certain else math.nan)


def _start(problem: CompiledProblem, parameter: Tensor) -> FloatArray | None:
    """A state near that of `parameter` that certainly lies in the initial set, or None."""
    middle = 0.5 * problem.initial.lower + 0.5 * problem.initial.upper
    for pull in PULLS:
        x0 = problem.plant_state(middle + (parameter - middle) * (1.0 - pull))
        if problem.initial_set.contains(x0).verdict == "inside":
            return x0
    return None


def _violations(
    problem: CompiledProblem, monitor: Monitor, x0: FloatArray, noise: Tensor, meter: Meter
) -> dict[int, float]:
    """Certified violation at every step that counts; the simulated states are checked against the enclosure."""
    chain = problem.chain
    point = tensor(problem.lift_point(x0)).unsqueeze(0)
    state = TaylorForm.of_box(point, point)
    result: dict[int, float] = {}
    ranges = []
    with torch.no_grad():
        for k in range(monitor.last + 1):
            meter.require()
            if k < problem.horizon:
                signals, state = chain.step(state, (noise[k], noise[k]))
            else:
                signals = chain.last(state)
            ranges.append((signals.state.lower[0].numpy(), signals.state.upper[0].numpy()))
            if monitor.active(k):
                value = float(monitor.violation(k, signals.signals))
                result[k] = value if math.isfinite(value) else -math.inf
    simulated = _simulate(problem, x0, noise, monitor.last).x[0]
    for k, (lower, upper) in enumerate(ranges):
        _check_agreement(lower, upper, simulated[k], k)
    return result


def _check_agreement(lower: FloatArray, upper: FloatArray, simulated: FloatArray, step: int) -> None:
    excess = np.maximum(lower - simulated, simulated - upper)
    allowed = AGREEMENT * (1.0 + np.abs(simulated))
    if not np.isnan(excess).any() and (excess > allowed).any():
        raise RuntimeError(
            f"the simulated state of step {step} is {float(excess.max()):g} outside the enclosure of the composed loop"
        )


def _simulate(problem: CompiledProblem, x0: FloatArray, noise: Tensor, steps: int) -> Trajectory:
    loop = problem.closed_loop
    w, measurement = loop.split_disturbance(noise[:steps].numpy())
    return simulate(loop.plant, loop.controller, x0, steps, w, measurement if measurement.shape[-1] else None)


def _counterexample(
    problem: CompiledProblem, monitor: Monitor, x0: FloatArray, noise: Tensor, step: int, violation: float
) -> Counterexample:
    """The simulated trajectory up to the step that violates (one more where the requirement is on inputs)."""
    steps = min(problem.horizon, step + 1 if monitor.needs_inputs else step)
    trajectory = _simulate(problem, x0, noise, steps)
    return Counterexample(
        x0=x0,
        w=noise[:steps].numpy(),
        t=np.arange(steps + 1, dtype=np.float64),
        x=trajectory.x[0],
        u=trajectory.u[0],
        requirement=monitor.id,
        violation=violation,
    )
