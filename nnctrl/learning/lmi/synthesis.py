"""Synthesis of two-layer networks by LMI (32) of the learning paper, with the corrections of its signs and constants.

All pairs share the sectors, Q1, L2, W0, b0, N~_Psix and b1~ (see `transformed`); only the multipliers of the input sets
are their own. A result is only ever a network that the independent check of `analysis` has passed for every pair.

The condition can be met if and only if an affine map meets it: x~ = 0 is one of the values that the sector allows. What
no affine map can do is for `local.refine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from nnctrl.learning.lmi.analysis import Certificate, Multipliers, certify, check
from nnctrl.learning.lmi.conditions import Pair, conditions_of, sizes_of
from nnctrl.learning.lmi.sectors import global_sectors, local_sectors
from nnctrl.learning.lmi.solver import DEFAULT_SOLVER, Solve, SolverStatus, solve
from nnctrl.learning.lmi.transformed import Hidden, Target, Variables, through
from nnctrl.networks.network import Network, Origin

DEEPEST = 0.5
"""Inequalities are not sought below minus this, in the units of the S_i; an ellipsoid's are never below -1."""


class SynthesisStatus(Enum):
    """What became of a synthesis; only SYNTHESISED comes with a network."""

    SYNTHESISED = "synthesised: every pair is certified by the independent check"
    INFEASIBLE = "infeasible: the solver found the matrix inequality contradictory; a relaxation, so no proof"
    NOT_CERTIFIED = "not certified: the recovered network did not pass the independent check"
    NOT_REACHED = "not reached: the iteration ended with the conditions still violated"
    SOLVER_INACCURATE = "not certified: the solver stopped short of its accuracy"
    SOLVER_FAILED = "failed: the solver gave up"


@dataclass(frozen=True, eq=False)
class Synthesis:
    """`network` is None unless SYNTHESISED; one certificate per pair.

    `violation`: the least value of the greatest inequality (of their sum in `local`) that the solver came to, in the
    units of the S_i; positive where the conditions cannot be met. `distance` to the target. None where there is none.
    """

    status: SynthesisStatus
    network: Network | None = None
    certificates: tuple[Certificate, ...] = ()
    violation: float | None = None
    distance: float | None = None
    solves: tuple[Solve, ...] = ()

    @property
    def seconds(self) -> float:
        """Time spent in solvers."""
        return sum(run.seconds for run in self.solves) + sum(
            run.seconds for certificate in self.certificates for run in certificate.solves
        )


def synthesise(
    pairs: Sequence[Pair], hidden: Hidden, target: Network | None = None, solver: str = DEFAULT_SOLVER
) -> Synthesis:
    """A two-layer network with feedthrough that meets every pair, as near as the condition allows to `target`.

    Without a target the hidden layer has nothing to do and the result is an affine map in all but name. Cost: one
    semidefinite program with a matrix of 1 + coefficients + 2 neurons + outputs rows for every inequality.
    """
    variables = Variables(pairs, hidden)
    # minimising the violation has a solution always, which solvers find more surely than that there is none
    run = solve(variables.slack, [*variables.constraints, variables.slack >= -DEEPEST], solver)
    if not run.has_values:
        return Synthesis(unsolved(run), solves=(run,))
    solves, violation, distance = [run], float(variables.slack.value), None
    if violation > 0.0:
        return impossible(violation, run)
    if target is not None:
        squared = variables.distance(Target.of(target, hidden))
        run = solve(squared, [*variables.constraints, variables.slack <= 0.0], solver)
        solves.append(run)
        if not run.has_values:
            return Synthesis(unsolved(run), violation=violation, solves=tuple(solves))
        distance = float(np.sqrt(max(0.0, float(squared.value))))
    network = variables.network(hidden)
    certificates = _certified(network, pairs, hidden, variables.multipliers(hidden), solver)
    return replace(judged(network, certificates, tuple(solves)), violation=violation, distance=distance)


def affine_map(pairs: Sequence[Pair], solver: str = DEFAULT_SOLVER) -> Synthesis:
    """An affine map y = H x + h that meets every pair: the same program without hidden neurons.

    For balls and ellipsoids in x the S-procedure loses nothing: INFEASIBLE is then about affine maps themselves and not
    about a relaxation of them.
    """
    import cvxpy

    nx, ny = sizes_of(pairs)
    gain, offset, slack = cvxpy.Variable((ny, nx)), cvxpy.Variable((ny, 1)), cvxpy.Variable()
    conditions = [
        one.in_q(None, None, through(pair, gain, offset), None, slack)
        for pair, group in zip(pairs, conditions_of(pairs), strict=True)
        for one in group
    ]
    run = solve(slack, [*conditions, slack >= -DEEPEST], solver)
    if not run.has_values:
        return Synthesis(unsolved(run), solves=(run,))
    violation = float(slack.value)
    if violation > 0.0:
        return impossible(violation, run)
    weight, bias = np.asarray(gain.value), np.asarray(offset.value)[:, 0]
    network = Network.from_layers([weight], [bias], [], origin=Origin("an affine map by linear matrix inequalities"))
    return replace(judged(network, certify_pairs(network, pairs, solver), (run,)), violation=violation)


def unsolved(run: Solve) -> SynthesisStatus:
    """The status of a synthesis whose solver returned no numbers."""
    infeasible = run.status is SolverStatus.INFEASIBLE
    return SynthesisStatus.INFEASIBLE if infeasible else SynthesisStatus.SOLVER_FAILED


def impossible(violation: float, run: Solve) -> Synthesis:
    """The outcome where the least violation that a solver found is positive."""
    inaccurate = run.status is SolverStatus.INACCURATE
    status = SynthesisStatus.SOLVER_INACCURATE if inaccurate else SynthesisStatus.INFEASIBLE
    return Synthesis(status, violation=violation, solves=(run,))


def judged(network: Network, certificates: tuple[Certificate, ...], solves: tuple[Solve, ...]) -> Synthesis:
    """A synthesis whose network is reported only if every certificate holds."""
    if all(certificate.is_certified for certificate in certificates):
        return Synthesis(SynthesisStatus.SYNTHESISED, network, certificates, solves=solves)
    inaccurate = solves[-1].status is SolverStatus.INACCURATE
    status = SynthesisStatus.SOLVER_INACCURATE if inaccurate else SynthesisStatus.NOT_CERTIFIED
    return Synthesis(status, None, certificates, solves=solves)


def certify_pairs(network: Network, pairs: Sequence[Pair], solver: str = DEFAULT_SOLVER) -> tuple[Certificate, ...]:
    """The certificate of every pair, with the local sectors of the network as it is."""
    return tuple(certify(network, pair.inputs, pair.specification, solver=solver) for pair in pairs)


def _certified(
    network: Network, pairs: Sequence[Pair], hidden: Hidden, multipliers: list[list[Multipliers]], solver: str
) -> tuple[Certificate, ...]:
    """By the multipliers of the synthesis if they pass, by new ones and narrower sectors if they do not."""
    found = []
    for pair, given in zip(pairs, multipliers, strict=True):
        if hidden.limit is None:
            assumed = global_sectors(network)
        else:
            (actual,) = local_sectors(network, pair.inputs, "origin")
            inside = bool((actual.lower >= -hidden.limit).all() and (actual.upper <= hidden.limit).all())
            assumed = [hidden.sector] if inside else [actual]
        one = check(network, pair.inputs, pair.specification, given, assumed)
        found.append(one if one.is_certified else certify(network, pair.inputs, pair.specification, solver=solver))
    return tuple(found)
