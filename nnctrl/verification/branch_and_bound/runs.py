"""What the engine for discrete plants does: falsify, enclose, split what is open, repeat.

VERIFIED: the parts whose enclosures satisfy every requirement cover the initial set. FALSIFIED: an outward-rounded
replay proves a violation. UNKNOWN: neither within the budget; the reason says what ran out.
"""

from __future__ import annotations

import numpy as np

from nnctrl import registry
from nnctrl._typing import FloatArray
from nnctrl.bounds.options import make_bound
from nnctrl.bounds.view import NetworkView
from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import SPLITTING, Branching
from nnctrl.errors import DimensionError, InputError
from nnctrl.progress import Progress
from nnctrl.reachability.discrete import DiscreteReachability, DiscreteReachSettings, StepBounds
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.threads import single_threaded
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.branch_and_bound.falsify import Falsifier
from nnctrl.verification.branch_and_bound.parts import ProofByParts
from nnctrl.verification.engine import Outcome
from nnctrl.verification.problem import Problem
from nnctrl.verification.rows import falsified, searched
from nnctrl.verification.settings import BranchAndBoundSettings, Settings
from nnctrl.verification.verdict import Reason, Statistics

FALSIFY_SAMPLES = 2000
FALSIFY_SHARE = 0.05
"""Part of the time budget that verify looks for a counterexample before it begins to enclose."""


@single_threaded()
def verify(problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
    """Decide all requirements; see `AbstractEngine.verify`."""
    compiled = CompiledProblem.of(problem)
    falsifier = Falsifier(compiled, samples=FALSIFY_SAMPLES, seed=0)
    found = falsifier.run(meter.share(FALSIFY_SHARE), progress)
    if found.counterexample is not None:
        return falsified(compiled.monitors, found, Statistics(steps=compiled.horizon))
    return ProofByParts(compiled, falsifier, _own(settings), meter, progress).run()


@single_threaded()
def falsify(
    problem: Problem, settings: Settings, meter: Meter, progress: Progress, *, samples: int, seed: int
) -> Outcome:
    """Look for a counterexample; see `AbstractEngine.falsify`."""
    compiled = CompiledProblem.of(problem)
    found = Falsifier(compiled, samples=samples, seed=seed).run(meter, progress)
    return searched(compiled.monitors, found, meter, Statistics(steps=compiled.horizon))


@single_threaded()
def reach(problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
    """Enclose the states; see `AbstractEngine.reach`: support functions in principal directions of every step."""
    compiled, own = CompiledProblem.of(problem), _own(settings)
    loop = compiled.closed_loop
    given = _rows_of(own.directions, tuple(loop.plant.states))
    options = {key: getattr(own, key) for key in ("lipschitz", "tail", "expansion", "norm", "maximum")}
    bound = make_bound(own.bound, registry.load("bounds", own.bound), options)
    bound.require(NetworkView.of(loop.step.network))
    branching = Branching(SPLITTING[own.splitting], own.pieces, own.refresh)
    settings_of_search = DiscreteReachSettings(own.mode, own.eps, bound, branching, given)
    search = DiscreteReachability(loop.step, loop.plant.state_size, compiled.initial, settings_of_search, meter)
    found = search.run(compiled.horizon, progress)
    start = FlowpipeStep((0.0, 0.0), (compiled.initial_set,))
    reason = None if found.stopped is None else Reason(found.stopped)
    if len(found.steps) < compiled.horizon:
        reason = reason or Reason.ENCLOSURE_DIVERGED
    if reason is None and not found.gap <= own.eps:
        reason = Reason.SOLVER_INACCURATE
    statistics = Statistics(
        nodes=found.nodes,
        directions=2 * search.size + len(given),
        gap=found.gap,
        parts=1,
        steps=len(found.steps),
    )
    return Outcome(
        None,
        reason,
        flowpipe=Flowpipe(tuple(loop.plant.states), (start, *found.steps)),
        statistics=statistics,
        notes=_width_notes(found.bounds),
    )


def _rows_of(numbers: tuple[float, ...] | None, states: tuple[str, ...]) -> FloatArray:
    """The setting `directions` as rows [p, n]."""
    given = np.array(() if numbers is None else numbers, dtype=np.float64)
    if len(given) % len(states):
        raise DimensionError(
            f"the key 'directions' has {len(given)} numbers, which do not make rows of {len(states)}; give one number "
            f"for each of {', '.join(states)} per direction"
        )
    rows = given.reshape(-1, len(states))
    if not rows.any(axis=1).all():
        raise InputError("the key 'directions' has a direction of zeros only; leave it out")
    return rows


def _width_notes(bounds: list[StepBounds]) -> tuple[str, ...]:
    """How wide the last step is compared with simulated trajectories; nothing where those have no width."""
    if not bounds or not (bounds[-1].reached_widths > 0.0).all():
        return ()
    worst = float((bounds[-1].widths / bounds[-1].reached_widths).max())
    return (f"widths along the principal directions of the last step: at most {worst:.3g} times the simulated ones",)


def _own(settings: Settings) -> BranchAndBoundSettings:
    if not isinstance(settings, BranchAndBoundSettings):
        raise TypeError(f"the engine takes BranchAndBoundSettings, not {type(settings).__name__}")
    return settings
