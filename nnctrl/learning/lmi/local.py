"""Local sectors by iteration (section IV-A of the learning paper): bounds, sectors, solve, and again.

Every pair has the sectors of its own pre-activations, about those of its own middle, and its own multipliers. The
transformed parameters of two pairs then differ in S, so that the condition is not convex in both layers together; it
is in each of them alone:

- outer step, W0 and b0 fixed: linear in W1, b1, D and M (the condition in M);
- hidden step, W1 fixed: linear in W0, b0, b1, D and Q, with cones that keep the pre-activations in the intervals that
  the sectors were made for.

Both minimise by how much the inequalities are violated. After every step the sectors are made anew from the weights
that came out, and a network is reported only when the independent check has passed it for every pair. No affine map
has to meet the pairs for this to succeed, and a feedthrough is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.lmi.conditions import Pair, conditions_of, sizes_of
from nnctrl.learning.lmi.sectors import Sectors, local_sectors, sectors, single_block
from nnctrl.learning.lmi.solver import DEFAULT_SOLVER, Solve, solve
from nnctrl.learning.lmi.start import fitted
from nnctrl.learning.lmi.synthesis import Synthesis, SynthesisStatus, certify_pairs, judged, unsolved
from nnctrl.learning.lmi.transformed import LEAST_Q, through, two_layers, within
from nnctrl.networks.activations import Activation
from nnctrl.networks.network import Network
from nnctrl.progress import Progress, SilentProgress

DEPTH = 0.02
"""Inequalities are wanted below minus this (in their own units); deeper has no reward."""

NEARNESS = 1e-4
"""Weight of the squared distance to the starting weights beside the violation."""

TRUST = 0.3
"""In the first hidden step pre-activations may leave their intervals by this share of the width, later by less."""

LEAST_TRUST = 0.005
"""The iteration ends when the steps have become smaller than this."""

PROGRESS = 0.99
"""A step counts if the violation falls below this share of what it was."""


@dataclass(frozen=True, eq=False)
class _Step:
    """What one step gave: the next network and the sum of the violations (None if the solver had no answer)."""

    network: Network
    violation: float | None
    run: Solve


def refine(
    pairs: Sequence[Pair],
    network: Network,
    feedthrough: bool = False,
    rounds: int = 10,
    solver: str = DEFAULT_SOLVER,
    progress: Progress | None = None,
) -> Synthesis:
    """A network near the two-layer `network` that meets every pair, certified with its own local sectors.

    Alternates outer and hidden steps, at most `rounds` of both; NOT_REACHED if the violation is not gone by then.
    Input sets need coefficients (no polytopes). Cost of a step: one semidefinite program with a matrix of about
    1 + coefficients + neurons (hidden step: twice as many) + outputs rows for every inequality.
    """
    report = progress or SilentProgress()
    _accepted(pairs, network, feedthrough)
    best = outer_step(pairs, network, feedthrough, solver)
    solves, trust = [best.run], TRUST
    if best.violation is None:
        return Synthesis(unsolved(best.run), solves=tuple(solves))
    for number in range(rounds + 1):
        report.update(f"local sectors, violation {best.violation:.3g}", number, rounds)
        if best.violation <= 0.0:
            found = judged(best.network, certify_pairs(best.network, pairs, solver), tuple(solves))
            return replace(found, violation=best.violation)
        if number == rounds or trust < LEAST_TRUST:
            break
        moved = hidden_step(pairs, best.network, feedthrough, trust, solver)
        tried = outer_step(pairs, moved.network, feedthrough, solver)
        solves += [moved.run, tried.run]
        if tried.violation is not None and tried.violation < PROGRESS * best.violation:
            best, trust = tried, min(TRUST, 2.0 * trust)
        else:
            trust *= 0.25
    return Synthesis(SynthesisStatus.NOT_REACHED, violation=best.violation, solves=tuple(solves))


def synthesise_local(
    pairs: Sequence[Pair],
    width: int,
    activation: Activation,
    feedthrough: bool = False,
    starts: int = 5,
    rounds: int = 6,
    solver: str = DEFAULT_SOLVER,
    progress: Progress | None = None,
) -> Synthesis:
    """`refine` from networks that imitate the middles of the output sets, seeds 0, 1, ..., until one is certified.

    Returns the last attempt if none of the `starts` was.
    """
    if starts < 1:
        raise InputError(f"{starts} starts are asked for; give at least one")
    result = Synthesis(SynthesisStatus.NOT_REACHED)
    for seed in range(starts):
        network = fitted(pairs, [width], activation, seed, progress=progress)
        result = refine(pairs, network, feedthrough, rounds, solver, progress)
        if result.status is SynthesisStatus.SYNTHESISED:
            break
    return result


def outer_step(pairs: Sequence[Pair], network: Network, feedthrough: bool, solver: str = DEFAULT_SOLVER) -> _Step:
    """The best W1, b1 and D for the hidden layer of `network`."""
    import cvxpy

    _, ny = sizes_of(pairs)
    w0, b0, w1, b1, skip = _weights(network)
    outer, offset, passed = cvxpy.Variable(w1.shape), cvxpy.Variable((ny, 1)), _skip(feedthrough, skip.shape)
    violations, constraints = [], []
    for pair, group in zip(pairs, conditions_of(pairs), strict=True):
        (sector,) = local_sectors(network, pair.inputs)
        v = _shifted(pair, w0, b0, sector)
        inner = _inner(pair, outer, offset, passed, w0, b0[:, None], sector)
        for one in group:
            slack, m = cvxpy.Variable(), cvxpy.Variable(len(b0), nonneg=True)
            violations.append(slack)
            reached = outer @ np.diag(sector.half)
            constraints += [one.in_m(m, v, inner, reached, slack), slack >= -DEPTH]
    near = cvxpy.sum_squares(outer - w1) + cvxpy.sum_squares(offset - b1[:, None]) + cvxpy.sum_squares(passed - skip)
    run, total = _solved(violations, NEARNESS * near, constraints, solver)
    if total is None:
        return _Step(network, None, run)
    found = two_layers(
        single_block(network).activations[0],
        w0,
        b0,
        _value(outer),
        _value(offset)[:, 0],
        _value(passed) if feedthrough else None,
    )
    return _Step(found, total, run)


def hidden_step(
    pairs: Sequence[Pair], network: Network, feedthrough: bool, trust: float, solver: str = DEFAULT_SOLVER
) -> _Step:
    """The best W0, b0, b1 and D for the W1 of `network`, with pre-activations near where they are."""
    import cvxpy

    _, ny = sizes_of(pairs)
    w0, b0, w1, _, skip = _weights(network)
    layer = single_block(network).activations[0]
    weight, bias = cvxpy.Variable(w0.shape), cvxpy.Variable((len(b0), 1))
    offset, passed = cvxpy.Variable((ny, 1)), _skip(feedthrough, skip.shape)
    violations, constraints = [], []
    for pair, group in zip(pairs, conditions_of(pairs), strict=True):
        (now,) = local_sectors(network, pair.inputs)
        room = trust * (now.upper - now.lower)
        sector = sectors(layer, now.lower - room, now.upper + room, now.anchor)
        constraints += within(pair, through(pair, weight, bias), sector.lower, sector.upper)
        v = through(pair, weight, bias - sector.anchor[:, None])
        inner = _inner(pair, w1, offset, passed, weight, bias, sector)
        for one in group:
            slack, q = cvxpy.Variable(), cvxpy.Variable(len(b0))
            violations.append(slack)
            outer = (w1 * sector.half) @ cvxpy.diag(q)
            constraints += [q >= LEAST_Q, one.in_q(q, v, inner, outer, slack), slack >= -DEPTH]
    near = cvxpy.sum_squares(weight - w0) + cvxpy.sum_squares(bias - b0[:, None]) + cvxpy.sum_squares(passed - skip)
    run, total = _solved(violations, NEARNESS * near, constraints, solver)
    if total is None:
        return _Step(network, None, run)
    found = two_layers(
        layer,
        _value(weight),
        _value(bias)[:, 0],
        w1,
        _value(offset)[:, 0],
        _value(passed) if feedthrough else None,
    )
    return _Step(found, total, run)


def _accepted(pairs: Sequence[Pair], network: Network, feedthrough: bool) -> None:
    block = single_block(network)
    if len(block.activations) != 1 or len(block.activations[0].segments) != 1:
        raise UnsupportedError(f"{network.architecture()} is refined; give a network of one hidden layer of one kind")
    if (network.in_size, network.out_size) != sizes_of(pairs):
        raise DimensionError(f"{network.architecture()} is refined for pairs of other sizes; they must agree")
    if block.feedthrough is not None and not feedthrough:
        raise InputError("a network with a feedthrough is refined without one; allow it by feedthrough=True")


def _weights(network: Network) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """W0, b0, W1, b1 with the offset of the feedthrough, and D (zeros if there is none)."""
    block = single_block(network)
    first, last = block.affines
    skip = block.feedthrough
    if skip is None:
        return first.weight, first.bias, last.weight, last.bias, np.zeros((network.out_size, network.in_size))
    return first.weight, first.bias, last.weight, last.bias + skip.bias, skip.weight


def _skip(feedthrough: bool, shape: tuple[int, ...]) -> Any:
    """D as a variable, or the constant 0."""
    import cvxpy

    return cvxpy.Variable(shape) if feedthrough else cvxpy.Constant(np.zeros(shape))


def _shifted(pair: Pair, w0: FloatArray, b0: FloatArray, sector: Sectors) -> FloatArray:
    """`W0 x + b0 - a` as rows on (xi, 1), in floating point."""
    rows = w0 @ pair.inputs.point.middle
    rows[:, -1] += b0 - sector.anchor
    return rows


def _inner(pair: Pair, w1: Any, b1: Any, skip: Any, w0: Any, b0: Any, sector: Sectors) -> Any:
    """The part of y on (xi, 1): `D x + b1 + W1 (phi(a) + S (W0 x + b0 - a))`; linear in either layer."""
    bent = w1 @ np.diag(sector.middle)
    offset = b1 + w1 @ sector.value[:, None] + bent @ (b0 - sector.anchor[:, None])
    return through(pair, skip + bent @ w0, offset)


def _solved(violations: list[Any], near: Any, constraints: list[Any], solver: str) -> tuple[Solve, float | None]:
    """Minimise the sum of the violations; returns the sum of the positive ones, or the largest if none is."""
    run = solve(sum(violations) + near, constraints, solver)
    if not run.has_values:
        return run, None
    values = np.array([float(slack.value) for slack in violations])
    positive = float(np.maximum(values, 0.0).sum())
    return run, positive if positive > 0.0 else float(values.max())


def _value(expression: Any) -> FloatArray:
    return np.asarray(expression.value, dtype=np.float64)
