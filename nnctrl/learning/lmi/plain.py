"""Synthesis without a feedthrough: LMI (32) and the equality N~_Psix = W1 S W0, which is bilinear, by ADMM.

As in the imitation learning with guarantees by Yin, Seiler, Jin and Arcak (2021): in turn

- the transformed parameters, by the semidefinite program, near those of the current weights;
- the weights, by least squares for W0, W1 in turn, near the transformed parameters;
- the scaled dual variables, by the residuals of `W0`, `L2 = W1 T Q1` and `N~_Psix = W1 S W0`.

The condition is not convex, so that this may end anywhere; what it ends with is checked like any other network. Global
sectors [0, beta] allow the hidden layer to return 0, so that b1 alone would have to meet every pair: plain networks
need a limit on the pre-activations (`Hidden.of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.lmi.conditions import Pair, sizes_of
from nnctrl.learning.lmi.sectors import single_block
from nnctrl.learning.lmi.solver import DEFAULT_SOLVER, solve
from nnctrl.learning.lmi.synthesis import (
    DEEPEST,
    Synthesis,
    SynthesisStatus,
    certify_pairs,
    impossible,
    judged,
    unsolved,
)
from nnctrl.learning.lmi.transformed import Hidden, Target, Variables, two_layers
from nnctrl.networks.network import Network
from nnctrl.progress import Progress, SilentProgress

PENALTY = 10.0
"""rho of the augmented Lagrangian, beside a squared distance to the target of weight 1."""

SWEEPS = 20
"""Alternating least squares of one projection."""

NEAR = 0.02
"""Residuals below this share of the parameters are worth a check of the network."""


def synthesise_plain(
    pairs: Sequence[Pair],
    hidden: Hidden,
    target: Network | None = None,
    iterations: int = 40,
    seed: int = 0,
    solver: str = DEFAULT_SOLVER,
    progress: Progress | None = None,
) -> Synthesis:
    """A two-layer network without feedthrough that meets every pair, near `target` if one is given.

    The weights start from the target, or from random ones of `seed`. NOT_REACHED if no network of the `iterations`
    passed the check. Cost of an iteration: one semidefinite program as in `synthesise`, and the checks.
    """
    report = progress or SilentProgress()
    nx, ny = sizes_of(pairs)
    width = hidden.layer.size
    w0, w1 = _start(target, nx, ny, width, seed)
    variables = Variables(pairs, hidden)
    distance = 0.0 if target is None else variables.distance(Target.of(target, hidden))
    duals = [np.zeros((width, nx)), np.zeros((ny, width)), np.zeros((ny, nx))]
    constraints = [*variables.constraints, variables.slack <= 0.0]
    start = solve(variables.slack, [*variables.constraints, variables.slack >= -DEEPEST], solver)
    solves = [start]
    if not start.has_values:
        return Synthesis(unsolved(start), solves=(start,))
    violation = float(variables.slack.value)
    if violation > 0.0:
        return impossible(violation, start)
    for number in range(iterations):
        residuals = _residuals(variables, hidden, w0, w1)
        run = solve(distance + PENALTY * _distance(residuals, duals), constraints, solver)
        solves.append(run)
        if not run.has_values:
            return Synthesis(unsolved(run), solves=tuple(solves))
        w0, w1 = _projected(variables, hidden, duals, w0, w1)
        values = [np.asarray(part.value) for part in _residuals(variables, hidden, w0, w1)]
        duals = [dual + value for dual, value in zip(duals, values, strict=True)]
        size = max(1.0, float(np.linalg.norm(w0)), float(np.linalg.norm(w1)))
        missed = float(np.sqrt(sum((value**2).sum() for value in values))) / size
        report.update(f"projecting, residual {missed:.3g}", number, iterations)
        if missed > NEAR:
            continue
        b0 = np.asarray(variables.b0.value)[:, 0]
        b1 = np.asarray(variables.b1.value)[:, 0] - w1 @ (hidden.sector.middle * b0 + hidden.sector.value)
        network = two_layers(hidden.layer, w0, b0, w1, b1, None)
        found = judged(network, certify_pairs(network, pairs, solver), tuple(solves))
        if found.status is SynthesisStatus.SYNTHESISED:
            return found
    return Synthesis(SynthesisStatus.NOT_REACHED, solves=tuple(solves))


def _start(target: Network | None, nx: int, ny: int, width: int, seed: int) -> tuple[FloatArray, FloatArray]:
    if target is not None:
        first, last = single_block(target).affines
        return first.weight, last.weight
    rng = np.random.default_rng(seed)
    return rng.standard_normal((width, nx)) / np.sqrt(nx), rng.standard_normal((ny, width)) / np.sqrt(width)


def _residuals(variables: Variables, hidden: Hidden, w0: FloatArray, w1: FloatArray) -> list[Any]:
    """What keeps the transformed parameters from being those of a plain network with W0 and W1."""
    import cvxpy

    s, t = hidden.sector.middle, hidden.sector.half
    return [
        variables.w0 - w0,
        variables.l2 - (w1 * t) @ cvxpy.diag(variables.q1),
        variables.inner - (w1 * s) @ w0,
    ]


def _distance(residuals: list[Any], duals: list[FloatArray]) -> Any:
    import cvxpy

    return 0.5 * sum(cvxpy.sum_squares(part + dual) for part, dual in zip(residuals, duals, strict=True))


def _projected(
    variables: Variables, hidden: Hidden, duals: list[FloatArray], w0: FloatArray, w1: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """W0 and W1 by least squares in turn: each alone is a linear problem."""
    s, scaled = hidden.sector.middle, hidden.sector.half * np.asarray(variables.q1.value)
    wanted = [
        np.asarray(part.value) + dual
        for part, dual in zip((variables.w0, variables.l2, variables.inner), duals, strict=True)
    ]
    for _ in range(SWEEPS):
        left = np.concatenate([np.eye(len(w0)), w1 * s])
        w0 = np.linalg.lstsq(left, np.concatenate([wanted[0], wanted[2]]), rcond=None)[0]
        right = np.concatenate([np.diag(scaled), s[:, None] * w0], axis=1)
        w1 = np.linalg.lstsq(right.T, np.concatenate([wanted[1], wanted[2]], axis=1).T, rcond=None)[0].T
    return w0, w1
