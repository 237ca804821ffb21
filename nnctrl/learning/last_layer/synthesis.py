"""The best last layer for given hidden layers, by one semidefinite program, and its independent certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnctrl.errors import DimensionError, InputError
from nnctrl.learning.last_layer.program import Program
from nnctrl.learning.last_layer.regions import Regions
from nnctrl.learning.last_layer.weights import Weights
from nnctrl.learning.lmi.analysis import Certificate, Multipliers, certify, check
from nnctrl.learning.lmi.conditions import Pair, sizes_of
from nnctrl.learning.lmi.sectors import single_block
from nnctrl.learning.lmi.solver import DEFAULT_SOLVER, solve
from nnctrl.learning.lmi.synthesis import Synthesis, impossible, judged, unsolved
from nnctrl.networks.network import Network

DEPTH = 0.02
"""Inequalities are wanted below minus this share of their depth; deeper has no reward."""


def synthesise_last_layer(
    pairs: Sequence[Pair], network: Network, *, feedthrough: bool = False, solver: str = DEFAULT_SOLVER
) -> Synthesis:
    """The hidden layers of `network` with a last layer, as near to its own as the condition allows, that meets `pairs`.

    Any depth, the sectors of every pair about its own middle. First the least violation is found (of the greatest
    inequality, as a share of how deep it can be: 1 for an ellipsoid), then, if it is negative, the least distance with
    half of that margin, at most 2 % of the depth. `feedthrough` frees D as well; a network that has one needs it.
    INFEASIBLE is about these hidden layers and this relaxation. Cost: two semidefinite programs with, for every
    inequality, a matrix of 1 + coefficients + neurons + outputs rows, and a multiplier per constraint and neuron.
    """
    accepted(pairs, network, feedthrough)
    import cvxpy

    program = Program(pairs, Regions.of(pairs), Weights.of(network, feedthrough))
    worst = cvxpy.Variable()
    constraints = [*program.constraints, *(slack <= worst for slack in program.slacks)]
    # minimising the violation has a solution always, which solvers find more surely than that there is none
    run = solve(worst, [*constraints, worst >= -2.0 * DEPTH], solver)
    if not run.has_values:
        return Synthesis(unsolved(run), solves=(run,))
    solves, violation = [run], float(worst.value)
    if violation > 0.0:
        return impossible(violation, run)
    run = solve(program.distance, [*constraints, worst <= max(0.5 * violation, -DEPTH)], solver)
    solves.append(run)
    if not run.has_values:
        return Synthesis(unsolved(run), violation=violation, solves=tuple(solves))
    distance = float(np.sqrt(max(0.0, float(program.distance.value))))
    found = program.weights().network()
    certificates = certified(found, pairs, program.multipliers(), solver)
    return replace(judged(found, certificates, tuple(solves)), violation=violation, distance=distance)


def accepted(pairs: Sequence[Pair], network: Network, feedthrough: bool) -> None:
    """InputError or DimensionError unless the network fits the pairs and what is asked for."""
    if (network.in_size, network.out_size) != sizes_of(pairs):
        raise DimensionError(
            f"{network.architecture()} is given for pairs of {sizes_of(pairs)[0]} inputs and {sizes_of(pairs)[1]} "
            "outputs; they must agree"
        )
    if single_block(network).feedthrough is not None and not feedthrough:
        raise InputError("a network with a feedthrough is given where none is wanted; allow it by feedthrough=True")


def certified(
    network: Network, pairs: Sequence[Pair], multipliers: Sequence[Sequence[Multipliers]], solver: str
) -> tuple[Certificate, ...]:
    """The certificate of every pair: by the multipliers of the program if they pass, by new ones if they do not."""
    found = []
    for pair, given in zip(pairs, multipliers, strict=True):
        one = check(network, pair.inputs, pair.specification, given)
        found.append(one if one.is_certified else certify(network, pair.inputs, pair.specification, solver=solver))
    return tuple(found)
