"""Runs on the paper's closed loops: reachable sets step by step in principal directions (section VII-C)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hessian_paper import PaperDoubleIntegrator, PaperQuadrotor6D
from benchmarks.hessian_paper_suite.methods import Clock, Cost, Method, Repeated, budget
from nnctrl.progress import SilentProgress
from nnctrl.reachability.discrete import DiscreteReach, DiscreteReachability, DiscreteReachSettings
from nnctrl.suite import Conditions
from nnctrl.threads import single_threaded
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.problem import Problem, ProblemDefinition

SYSTEMS: Mapping[str, type[ProblemDefinition]] = {
    "double integrator": PaperDoubleIntegrator,
    "quadrotor": PaperQuadrotor6D,
}

NETWORKS = (*PaperDoubleIntegrator.network_files, *PaperQuadrotor6D.network_files)


@dataclass(frozen=True, eq=False)
class ClosedLoopRun:
    """What a run of a method on a closed loop found and cost."""

    found: DiscreteReach
    cost: Cost


def problem_of(system: str, models: Path | None, steps: int | None = None) -> Problem:
    """The registered problem with the paper's network; `steps` in place of its own horizon."""
    definition = SYSTEMS[system]().with_models(models)
    return (definition if steps is None else definition.updated({"horizon": steps})).build()


@single_threaded()
def reach_loop(problem: Problem, method: Method, eps: float, seed: int) -> ClosedLoopRun:
    """Bound every step from the rotated box around the one before, as the paper does; `seed` draws the trajectories
    whose principal directions are bounded.
    """
    compiled, clock = CompiledProblem.of(problem), Clock()
    loop, timed = compiled.closed_loop, method.timed(clock)
    settings = DiscreteReachSettings("per-step", eps, timed.bound, timed.branching, seed=seed)
    meter, started = budget(), time.perf_counter()
    search = DiscreteReachability(loop.step, loop.plant.state_size, compiled.initial, settings, meter)
    found = search.run(compiled.horizon, SilentProgress())
    seconds = time.perf_counter() - started
    return ClosedLoopRun(found, Cost(found.branches, found.nodes, seconds, clock.seconds, found.stopped))


def measure(problem: Problem, method: Method, eps: float, conditions: Conditions) -> Repeated:
    """The cost of a method over the seeds."""

    def run(seed: int) -> Cost:
        conditions.progress.update(f"{problem.name}, {method.label}, eps {eps:g}, seed {seed}")
        return reach_loop(problem, method, eps, seed).cost

    return Repeated.over_seeds(conditions.seeds, run)
