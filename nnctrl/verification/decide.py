"""The three questions a user asks of a problem - verify, reach, falsify - whatever engine answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from nnctrl import registry
from nnctrl.branching.meter import Meter, available_processors, cpu_seconds, peak_memory_bytes
from nnctrl.errors import UnsupportedError, ran_out_of_memory
from nnctrl.progress import Progress, SilentProgress
from nnctrl.verification.engine import AbstractEngine, Outcome
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Budget, Settings
from nnctrl.verification.verdict import Counterexample, Reason, RequirementResult, Result, Verdict

AUTO = "auto"

PREFERRED_DISCRETE, PREFERRED_CONTINUOUS, PREFERRED_SWITCHED = "branch-and-bound", "polynomial", "switched"
"""The engines that "auto" asks first, and takes unless they object."""


def verify(
    problem: Problem,
    *,
    engine: str | AbstractEngine = AUTO,
    budget: Budget | None = None,
    settings: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Decide a problem: VERIFIED, FALSIFIED with a counterexample that a rounded replay proves, or UNKNOWN with the
    reason.

    `engine`: "auto", a registered id or an engine object. `settings`: keys of the engine, over the problem's own
    preferences and the defaults. A spent budget never raises: it is UNKNOWN.
    """
    return _run(problem, engine, budget, settings, progress, lambda e, *rest: e.verify(problem, *rest))


def reach(
    problem: Problem,
    *,
    engine: str | AbstractEngine = AUTO,
    budget: Budget | None = None,
    settings: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> Result:
    """The flowpipe of a problem without a verdict; the reason is None if it is complete and as accurate as asked."""
    return _run(problem, engine, budget, settings, progress, lambda e, *rest: e.reach(problem, *rest), judged=False)


def falsify(
    problem: Problem,
    *,
    engine: str | AbstractEngine = AUTO,
    budget: Budget | None = None,
    settings: Mapping[str, object] | None = None,
    progress: Progress | None = None,
    samples: int = 20_000,
    seed: int = 0,
) -> Result:
    """Only look for a counterexample, with `samples` random trajectories to begin with: FALSIFIED or UNKNOWN."""
    return _run(
        problem,
        engine,
        budget,
        settings,
        progress,
        lambda e, *rest: e.falsify(problem, *rest, samples=samples, seed=seed),
        more_settings={"samples": samples, "seed": seed},
    )


def engine_for(problem: Problem, engine: str | AbstractEngine, keys: Iterable[str] = ()) -> tuple[AbstractEngine, str]:
    """The engine and why it was chosen; UnsupportedError if it, or with "auto" every one, objects.

    With "auto" an engine must take all `keys` that were set.
    """
    objections, wanted = [], set(keys)
    for candidate in _candidates(problem, engine):
        objection = candidate.refusal(problem)
        if engine == AUTO and objection is None:
            foreign = wanted - {key.name for key in candidate.settings_type.declared_keys()}
            if foreign:
                objection = f"the engine {candidate.id} has no key '{min(foreign)}'."
        if objection is None:
            return candidate, f"engine {candidate.id}: {_kind(problem)[1] if engine == AUTO else 'as asked'}"
        objections.append(objection)
    raise UnsupportedError(" ".join(objections))


def _candidates(problem: Problem, engine: str | AbstractEngine) -> Iterator[AbstractEngine]:
    """The engines to ask, one by one: loading one may take seconds."""
    if isinstance(engine, AbstractEngine):
        yield engine
        return
    ids = [engine]
    if engine == AUTO:
        preferred, _ = _kind(problem)
        ids = sorted(registry.names("engines"), key=lambda id: id != preferred)
    for id in ids:
        yield registry.load("engines", id)()


def _kind(problem: Problem) -> tuple[str, str]:
    """The engine that is asked first, and why."""
    if problem.is_switched:
        return PREFERRED_SWITCHED, "the controller switches among networks"
    if problem.is_discrete:
        return PREFERRED_DISCRETE, "the plant is discrete"
    return PREFERRED_CONTINUOUS, "the plant is continuous"


def _run(
    problem: Problem,
    engine: str | AbstractEngine,
    budget: Budget | None,
    settings: Mapping[str, object] | None,
    progress: Progress | None,
    answer: Callable[[AbstractEngine, Settings, Meter, Progress], Outcome],
    *,
    judged: bool = True,
    more_settings: Mapping[str, object] = MappingProxyType({}),
) -> Result:
    """Time, budget and bookkeeping around one answer of an engine; `judged` if a verdict was asked for."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    given = {**problem.settings, **(settings or {})}
    chosen, note = engine_for(problem, engine, given)
    values = chosen.settings_type().updated(given)
    allowed = budget or Budget()
    meter = Meter(
        seconds=allowed.timeout_s,
        memory_bytes=1e9 * allowed.memory_gb,
        allowed_nodes=float("inf") if allowed.nodes is None else allowed.nodes,
        jobs=allowed.jobs or available_processors(),
    )
    try:
        outcome = answer(chosen, values, meter, progress or SilentProgress())
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        outcome = _out_of_memory(problem, judged)
    return Result(
        problem=problem.name,
        verdict=outcome.verdict,
        reason=outcome.reason,
        requirements=outcome.requirements,
        wall_s=time.perf_counter() - wall,
        cpu_s=cpu_seconds() - cpu,
        peak_bytes=peak_memory_bytes(),
        engine=chosen.id,
        settings={**values.values(), **allowed.values(), **more_settings},
        arithmetic=chosen.arithmetic,
        network=problem.network_origin,
        time_unit=problem.time_unit,
        statistics=outcome.statistics,
        flowpipe=outcome.flowpipe,
        counterexample=_named(outcome.counterexample, problem),
        notes=(note, *outcome.notes),
        open_parts=outcome.open_parts,
    )


def _out_of_memory(problem: Problem, judged: bool) -> Outcome:
    """What is left to say when the machine has no more memory, whatever the budget: nothing was decided."""
    rows = [RequirementResult(name, Verdict.UNKNOWN, math.nan, math.nan) for name, _ in problem.requirements()]
    return Outcome(
        Verdict.UNKNOWN if judged else None,
        Reason.MEMORY_BUDGET,
        tuple(rows) if judged else (),
        notes=("the machine refused to give more memory",),
    )


def _named(point: Counterexample | None, problem: Problem) -> Counterexample | None:
    """The counterexample with the names of its disturbances."""
    return None if point is None else replace(point, w_names=problem.closed_loop.disturbance_names)
