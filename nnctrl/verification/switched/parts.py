"""Parts of the initial set under a switched controller: what holds on all branches, and replays of single points.

Margins belong to paths: what a branch has gone through is inherited by its successors, so that a set which is to be
reached at some time must be reached on every path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.reachability.switched_flow import Branch, SwitchedFlow
from nnctrl.sets.box import Box
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.specs.polynomial_margins import PolynomialMonitor
from nnctrl.verification.switched.problem import SwitchedProblem

MOST_REPLAYED = 64
"""Branches of a replayed point beyond which nothing is proved: of a point there are several only through rounding."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What following one part told.

    `open`: the first requirement that could not be shown, None if all hold. `margins` [requirements]: certified, over
    the times looked at. `shares` [s]: which symbol to split. `time`: the step where it ended. `boxes`: of every step
    the boxes of all branches. `modes`: those that were possible. `steps`: how many branches went through a step.
    """

    open: int | None
    margins: FloatArray
    shares: FloatArray
    time: int
    diverged: bool
    boxes: list[tuple[Box, ...]]
    modes: frozenset[int]
    steps: int


@dataclass(frozen=True, eq=False)
class _Path:
    branch: Branch
    margins: FloatArray


class PartJudge:
    """Follows parts of the initial set of one problem; at most `branches` branches (one per mode if that is more) at a
    time, beyond which those of a mode are joined.
    """

    def __init__(self, problem: SwitchedProblem, degree: int, generators: int, branches: int, meter: Meter) -> None:
        self.problem, self.branches, self.meter = problem, branches, meter
        self.flow = SwitchedFlow(problem.loop, problem.initial.size, degree, generators)

    def judge(self, lower: FloatArray, upper: FloatArray, *, to_the_end: bool = False) -> Judgement:
        """Follow the part [lower, upper] [s]; `to_the_end`: even where a requirement is open. BudgetSpentError."""
        self.meter.nodes += 1
        branch = self.flow.start(*self.problem.initial.rows(lower, upper))
        return _Following(self, branch, to_the_end).result()


class _Following:
    """One part on its way."""

    def __init__(self, judge: PartJudge, branch: Branch, to_the_end: bool) -> None:
        self.judge, self.problem, self.flow = judge, judge.problem, judge.flow
        self.to_the_end = to_the_end
        monitors = self.problem.monitors
        self.paths = [_Path(branch, np.array([-math.inf if m.is_reach else math.inf for m in monitors]))]
        self.shares, self.direction = np.zeros(self.flow.symbols), np.zeros(self.flow.symbols)
        self.boxes: list[tuple[Box, ...]] = []
        self.modes: set[int] = set()
        self.open: int | None = None
        self.steps = 0

    def result(self) -> Judgement:
        """Follow it."""
        horizon = self.problem.horizon
        time, diverged, least = 0, False, np.full(len(self.problem.monitors), math.inf)
        for time in range(horizon + 1):
            diverged = not all(_is_known(path.branch.rows) for path in self.paths)
            if diverged:
                break
            self.boxes.append(tuple(Box(*path.branch.rows.ranges()) for path in self.paths))
            for path in self.paths:
                self._look(path.margins, path.branch.rows, time, of_inputs=False)
            if time < horizon and not self._is_given_up():
                self._advance(time)
            if self._is_given_up():
                break
        for path in self.paths:
            least = np.minimum(least, path.margins)
        if diverged:
            least[:] = -math.inf
            self.open = 0 if self.open is None else self.open
        for number, monitor in enumerate(self.problem.monitors):
            if self.open is None and monitor.is_reach and not monitor.holds(least[number]):
                self.open = number
        shares = self.shares if self.shares.any() else self.direction
        return Judgement(self.open, least, shares, time, diverged, self.boxes, frozenset(self.modes), self.steps)

    def _is_given_up(self) -> bool:
        return self.open is not None and not self.to_the_end

    def _look(self, margins: FloatArray, rows: PolynomialZonotope, time: int, *, of_inputs: bool) -> None:
        """Take the margins of one step into those of a path."""
        for number, monitor in enumerate(self.problem.monitors):
            if monitor.needs_inputs != of_inputs or not monitor.first <= time <= monitor.last:
                continue
            margin = monitor.certified(rows, (time, time))
            margins[number] = (max if monitor.is_reach else min)(margins[number], margin)
            if monitor.holds(margin):
                continue
            direction = monitor.worst_direction(rows, (time, time))
            sizes = np.abs(direction @ rows.coefficients[:, self.flow.basis.linear])
            if np.isfinite(sizes).all():
                self.direction = sizes
            if not monitor.is_reach and self.open is None:
                self.open = number

    def _advance(self, time: int) -> None:
        """All that may happen in one sample."""
        paths: list[_Path] = []
        for path in self.paths:
            self.judge.meter.require()
            self.steps += 1
            decision = self.flow.decision(path.branch)
            self.shares = self.shares + decision.shares
            for choice in decision.choices:
                signals, branch = self.flow.after(path.branch, choice)
                margins = path.margins.copy()
                self._look(margins, signals, time, of_inputs=True)
                self.modes.add(choice.mode)
                paths.append(_Path(branch, margins))
        self.paths = self._joined(paths) if len(paths) > self.judge.branches else paths

    def _joined(self, paths: Sequence[_Path]) -> list[_Path]:
        """One path for each mode, with the least margins."""
        result = []
        for mode in sorted({path.branch.mode for path in paths}):
            own = [path for path in paths if path.branch.mode == mode]
            branch = self.flow.joined([path.branch for path in own]) if len(own) > 1 else own[0].branch
            result.append(_Path(branch, np.min([path.margins for path in own], axis=0)))
        return result


def _is_known(rows: PolynomialZonotope) -> bool:
    return bool(np.isfinite(rows.ranges()).all())


def replayed(
    problem: SwitchedProblem, monitor: PolynomialMonitor, x0: FloatArray, w: FloatArray, meter: Meter
) -> tuple[int, float] | None:
    """The step from which it is certain that the trajectory from `x0` [n] under `w` [horizon, w] violates a
    requirement, and a lower bound of by how much; None if that is not certain. BudgetSpentError.

    Where rounding leaves several modes possible all branches must violate.
    """
    flow = SwitchedFlow(problem.loop, 0, 1, 0)
    start = flow.start(x0, np.zeros((len(x0), 0)), np.zeros(len(x0)))
    if monitor.is_reach:
        return _never_reached(problem, monitor, flow, start, w, meter)
    return _violated(problem, monitor, flow, start, w, meter)


def _violated(
    problem: SwitchedProblem,
    monitor: PolynomialMonitor,
    flow: SwitchedFlow,
    start: Branch,
    w: FloatArray,
    meter: Meter,
) -> tuple[int, float] | None:
    """Every branch violates at some time: it is then followed no further."""
    branches, least = [start], math.inf

    def goes_on(rows: PolynomialZonotope, time: int) -> bool:
        nonlocal least
        if time < monitor.first:
            return True
        value = monitor.violation(rows, (time, time))
        if not monitor.violates(value):
            return True
        least = min(least, value)
        return False

    for time in range(int(monitor.last) + 1):
        if not monitor.needs_inputs:
            branches = [branch for branch in branches if goes_on(branch.rows, time)]
        if branches and time < problem.horizon:
            found = list(_successors(flow, branches, w[time], meter))
            branches = [b for signals, b in found if not monitor.needs_inputs or goes_on(signals, time)]
        if not branches:
            return time, least
        if len(branches) > MOST_REPLAYED:
            return None
    return None


def _never_reached(
    problem: SwitchedProblem,
    monitor: PolynomialMonitor,
    flow: SwitchedFlow,
    start: Branch,
    w: FloatArray,
    meter: Meter,
) -> tuple[int, float] | None:
    """Every branch misses the set at all times that count."""
    branches, least, last = [start], math.inf, int(monitor.last)
    for time in range(last + 1):
        rows = [branch.rows for branch in branches]
        if time < last or monitor.needs_inputs:
            found = list(_successors(flow, branches, w[time], meter))
            branches = [branch for _, branch in found]
            rows = [signals for signals, _ in found] if monitor.needs_inputs else rows
        if len(branches) > MOST_REPLAYED:
            return None
        if time >= monitor.first:
            least = min(least, *(monitor.violation(row, (time, time)) for row in rows))
            if not monitor.violates(least):
                return None
    return last, least


def _successors(
    flow: SwitchedFlow, branches: Sequence[Branch], w: FloatArray, meter: Meter
) -> Iterator[tuple[PolynomialZonotope, Branch]]:
    for branch in branches:
        meter.require()
        for choice in flow.decision(branch).choices:
            yield flow.after(branch, choice, w)
