"""Alternation: the program for the last layer and the multipliers, gradient steps on the hidden layers, and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.learning.last_layer.descent import Descent
from nnctrl.learning.last_layer.program import Program
from nnctrl.learning.last_layer.regions import Regions
from nnctrl.learning.last_layer.synthesis import DEPTH, accepted, certified
from nnctrl.learning.last_layer.weights import Weights
from nnctrl.learning.lmi.analysis import Multipliers
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.method import LARGEST_PROGRAM, program_size
from nnctrl.learning.lmi.solver import DEFAULT_SOLVER, Solve, solve
from nnctrl.learning.lmi.start import fitted
from nnctrl.learning.lmi.synthesis import Synthesis, SynthesisStatus, certify_pairs, judged, unsolved
from nnctrl.networks.activations import Activation
from nnctrl.networks.network import Network
from nnctrl.progress import Progress, SilentProgress
from nnctrl.threads import single_threaded

NEARNESS = 1e-4
"""Weight of the squared distance to the last layer before beside the violations."""

STEPS = 400
"""Gradient steps of one round."""

PROGRESS = 0.95
"""A round counts if what the bounds exceed falls below this share of what it was."""

PATIENCE = 2
"""The alternation ends after so many rounds in a row that do not count."""


@dataclass(frozen=True, eq=False)
class _Solved:
    """What the program gave for hidden layers: weights, multipliers and the violations of all inequalities."""

    weights: Weights
    multipliers: list[list[Multipliers]]
    violations: FloatArray

    @property
    def total(self) -> float:
        """The sum of the positive violations, or the largest if none is."""
        positive = float(np.maximum(self.violations, 0.0).sum())
        return positive if positive > 0.0 else float(self.violations.max())


@single_threaded()
def alternate(
    pairs: Sequence[Pair],
    network: Network,
    rounds: int = 4,
    *,
    feedthrough: bool = False,
    solver: str = DEFAULT_SOLVER,
    meter: Meter | None = None,
    progress: Progress | None = None,
) -> Synthesis:
    """A network with the sizes and activations of `network`, which it starts from, that meets every pair.

    The program first, then at most `rounds` times gradient steps and the program; programs that are too large
    (`program_size`) are left out, and the certificate then finds its multipliers pair by pair. NOT_REACHED if no
    network was certified by then or the bounds no longer fall; `violation` is then the least sum of violations that a
    program came to, as shares of the inequalities' depths. Cost of a round: a semidefinite program as in
    `synthesise_last_layer`, and 400 gradient steps of some milliseconds.
    """
    report, time = progress or SilentProgress(), meter or Meter()
    accepted(pairs, network, feedthrough)
    groups, weights = Regions.of(pairs), Weights.of(network, feedthrough)
    neurons = sum(layer.size for layer in weights.layers)
    solvable = program_size(pairs, neurons) <= LARGEST_PROGRAM
    solves: list[Solve] = []
    violation, best, idle, holds = None, np.inf, 0, False
    result = Synthesis(SynthesisStatus.NOT_REACHED)
    for number in range(rounds + 1):
        solved = None
        if solvable:
            solved, run = _solved(pairs, groups, weights, solver)
            solves.append(run)
            if solved is None and number == 0:
                return Synthesis(unsolved(run), solves=(run,))
        if solved is not None:
            violation = solved.total if violation is None else min(violation, solved.total)
            if solved.total <= 0.0:
                found = solved.weights.network()
                result = judged(found, certified(found, pairs, solved.multipliers, solver), tuple(solves))
        if holds and result.network is None:
            found = weights.network()
            certificates = certify_pairs(found, pairs, solver)
            result = judged(found, certificates, tuple(solves) or certificates[-1].solves)
        if result.network is not None or number == rounds or idle == PATIENCE or time.exhausted() is not None:
            break
        descent = Descent(groups, weights if solved is None else solved.weights)
        size, excess = descent.run(STEPS, DEPTH, time)
        report.update(f"alternating, {size:.0%} of the sets, {excess:.3g} too much on all", number + 1, rounds)
        weights, holds = descent.weights(), excess <= 0.0
        idle = 0 if excess < PROGRESS * best else idle + 1
        best = min(best, excess)
    return replace(result, violation=violation, solves=tuple(solves))


def synthesise_deep(
    pairs: Sequence[Pair],
    hidden: Sequence[int],
    activation: Activation,
    *,
    feedthrough: bool = False,
    starts: int = 5,
    rounds: int = 4,
    solver: str = DEFAULT_SOLVER,
    meter: Meter | None = None,
    progress: Progress | None = None,
) -> Synthesis:
    """`alternate` from networks with these hidden layers that imitate the deepest outputs, seeds 0, 1, ..., until one
    is certified or the time of `meter` is up; the last attempt if none was.
    """
    if starts < 1:
        raise InputError(f"{starts} starts are asked for; give at least one")
    time = meter or Meter()
    result = Synthesis(SynthesisStatus.NOT_REACHED)
    for seed in range(starts):
        network = fitted(pairs, hidden, activation, seed, progress=progress)
        result = alternate(
            pairs, network, rounds, feedthrough=feedthrough, solver=solver, meter=time, progress=progress
        )
        if result.network is not None or time.exhausted() is not None:
            break
    return result


def _solved(
    pairs: Sequence[Pair], groups: Sequence[Regions], weights: Weights, solver: str
) -> tuple[_Solved | None, Solve]:
    program = Program(pairs, groups, weights)
    floors = [slack >= -DEPTH for slack in program.slacks]
    run = solve(sum(program.slacks) + NEARNESS * program.distance, [*program.constraints, *floors], solver)
    if not run.has_values:
        return None, run
    return _Solved(program.weights(), program.multipliers(), program.violations), run
