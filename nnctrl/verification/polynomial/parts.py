"""Proof by parts with polynomial zonotopes: follow a part of the initial set, split it where a requirement is open.

A part is judged segment by segment. Where a requirement does not hold over a whole stretch of time, the stretch is
halved; where it does not hold at one instant, or stays open on the shortest stretches, the part is given up and split
along the symbol to which the errors of the network are traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.reachability.polynomial_flow import FlowSettings, Instant, PolynomialFlow, Run, Segment
from nnctrl.reachability.validated_step import EnclosureError
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.reduction import enclosing_zonotope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.verification.polynomial.problem import PolynomialProblem, Watch

TRIED = 4
"""A set that is to be reached at some time is looked for at so many equal distances in a stretch of time."""

SHOWN_GENERATORS = 2
"""Generators per state of the sets that are kept for flowpipes, besides a box for the rest."""

HALVINGS = 5
"""A stretch of time is halved so many times before a requirement on it counts as open."""

DEFINED_EVERYWHERE = frozenset({"sin", "cos", "exp", "tanh", "atan", "sinh", "cosh"})
"""Operations that have no enclosure only where their argument has grown without bound."""

TimedSet = tuple[float, float, Zonotope]
"""An enclosure of the states between two times in samples."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What following one part told.

    `open`: the first requirement that could not be shown, None if all hold. `margins` [requirements]: certified, over
    the times looked at. `scores` [s]: which symbol to split. `time` in samples: where it ended. `problem`: why the
    enclosure ended, if it did. `sets`: time interval and enclosure of every segment. `end`: the states at the horizon,
    if it got there.
    """

    open: int | None
    margins: FloatArray
    scores: FloatArray
    time: float
    problem: str | None
    diverged: bool
    sets: list[TimedSet]
    segments: int
    end: PolynomialZonotope | None


@dataclass
class PartJudge:
    """Follows parts of the initial set of one problem."""

    problem: PolynomialProblem
    settings: FlowSettings
    meter: Meter
    keep_sets: bool = True
    flow: PolynomialFlow = field(init=False)

    def __post_init__(self) -> None:
        self.flow = PolynomialFlow(self.problem.loop, self.problem.initial.size, self.settings)

    def judge(self, lower: FloatArray, upper: FloatArray, *, to_the_end: bool = False) -> Judgement:
        """Follow the part [lower, upper] [s]; `to_the_end`: even where a requirement is open."""
        self.meter.nodes += 1
        centre, generators, radius = self.problem.initial.rows(lower, upper)
        start = self.flow.start(centre, generators)
        start = start.widened(np.pad(radius, (0, start.dim - len(radius)))) if radius.any() else start
        run = self.flow.run(start, self.problem.samples)
        return _Following(self, run, to_the_end).result()


class _Following:
    """One part on its way."""

    def __init__(self, judge: PartJudge, run: Run, to_the_end: bool) -> None:
        self.judge, self.run, self.to_the_end = judge, run, to_the_end
        self.problem = judge.problem
        nothing = [-math.inf if watch.monitor.is_reach else math.inf for watch in self.problem.watches]
        self.margins = np.array(nothing)
        self.sets: list[TimedSet] = []
        self.segments, self.time = 0, 0.0
        self.end: PolynomialZonotope | None = None
        self.direction: FloatArray | None = None
        self.rows: PolynomialZonotope | None = None

    def result(self) -> Judgement:
        """Follow it."""
        trouble, diverged = None, False
        found: int | None = None
        try:
            for segment in self.run.segments():
                self.judge.meter.require()
                self.segments += 1
                self.time = segment.first
                if _is_last(segment, self.problem):
                    self.end = segment.signals(segment.first, segment.last)
                failed = self._look(segment)
                if found is None:
                    found = failed
                if found is not None and not self.to_the_end:
                    break
        except EnclosureError as error:
            trouble = None if error.operation in DEFINED_EVERYWHERE else error.operation
            diverged = trouble is None
            self.margins[:] = -math.inf
            found = 0
        if found is None:
            open_ones = [
                k
                for k, watch in enumerate(self.problem.watches)
                if watch.monitor.is_reach and not watch.monitor.holds(self.margins[k])
            ]
            found = open_ones[0] if open_ones else None
        return Judgement(
            found, self.margins, self._scores(), self.time, trouble, diverged, self.sets, self.segments, self.end
        )

    def _look(self, segment: Segment) -> int | None:
        """The first requirement that is open on a segment, or None; those after it are looked at `to_the_end` only."""
        known: dict[tuple[float, float], PolynomialZonotope] = {}

        def signals(first: float, last: float) -> PolynomialZonotope:
            if (first, last) not in known:
                known[first, last] = segment.signals(first, last)
            return known[first, last]

        if self.judge.keep_sets:
            states = self.problem.loop.plant.state_size
            rows = signals(segment.first, segment.last).rows(slice(0, states))
            if np.isfinite(rows.magnitude).all() and np.isfinite(rows.radius).all():
                self.sets.append((segment.first, segment.last, enclosing_zonotope(rows, SHOWN_GENERATORS * states)))
        found: int | None = None
        for number, watch in enumerate(self.problem.watches):
            first, last = max(watch.first, segment.first), min(watch.last, segment.last)
            if first > last or (watch.monitor.needs_inputs and _is_last(segment, self.problem)):
                continue
            if watch.monitor.is_reach:
                self._try_to_reach(number, watch, segment, first, last, signals)
                continue
            if first == last == segment.last and not isinstance(segment, Instant):
                # the next segment begins with this instant
                continue
            margin = self._certified(watch, first, last, signals, 0 if isinstance(segment, Instant) else HALVINGS)
            self.margins[number] = min(self.margins[number], margin)
            if found is None and not watch.monitor.holds(margin):
                found = number
                if not self.to_the_end:
                    break
        return found

    def _try_to_reach(
        self,
        number: int,
        watch: Watch,
        segment: Segment,
        first: float,
        last: float,
        signals: Callable[[float, float], PolynomialZonotope],
    ) -> None:
        """The best instant so far: some of every segment are tried until one is good enough, then ends of segments; or
        the only time that counts.
        """
        if watch.is_at:
            if first == last == segment.last and not isinstance(segment, Instant):
                # the next segment begins with this instant
                return
            intervals = [(first, last)]
        else:
            # an instant that is tried must lie in the window for certain
            end = min(watch.inner_last, segment.last)
            if end < first:
                return
            held = watch.monitor.holds(self.margins[number]) or isinstance(segment, Instant)
            shares = (1.0,) if held else tuple(k / TRIED for k in range(TRIED + 1))
            times = [end if share == 1.0 else min(first + share * (end - first), end) for share in shares]
            intervals = [(time, time) for time in times]
        for interval in intervals:
            rows = signals(*interval)
            margin = watch.monitor.certified(rows, self.problem.times(*interval))
            self.margins[number] = max(self.margins[number], margin)
            if not watch.monitor.holds(margin):
                self._remember(watch, rows, *interval)

    def _certified(
        self,
        watch: Watch,
        first: float,
        last: float,
        signals: Callable[[float, float], PolynomialZonotope],
        halvings: int,
    ) -> float:
        """Certified margin over all of [first, last], halved as often as needed and allowed."""
        rows = signals(first, last)
        margin = watch.monitor.certified(rows, self.problem.times(first, last))
        if watch.monitor.holds(margin):
            return margin
        if halvings == 0 or first == last:
            self._remember(watch, rows, first, last)
            return margin
        # one instant that is open makes the rest superfluous
        middle = 0.5 * first + 0.5 * last
        for instant in (last, middle, first):
            at = watch.monitor.certified(signals(instant, instant), self.problem.times(instant, instant))
            if not watch.monitor.holds(at):
                self._remember(watch, signals(instant, instant), instant, instant)
                return margin
        worst = math.inf
        for part in ((first, middle), (middle, last)):
            worst = min(worst, self._certified(watch, *part, signals, halvings - 1))
            if not watch.monitor.holds(worst):
                # what is left of the stretch is not looked at
                return min(worst, margin)
        return worst

    def _remember(self, watch: Watch, rows: PolynomialZonotope, first: float, last: float) -> None:
        self.direction = watch.monitor.worst_direction(rows, self.problem.times(first, last))
        self.rows = rows

    def _scores(self) -> FloatArray:
        """Blame of the network's errors; without any, how far each symbol reaches in the direction that is open."""
        blame = self.run.blame
        if np.isfinite(blame).all() and blame.max(initial=0.0) > 0.0:
            return blame
        rows, flow = self.rows, self.judge.flow
        if rows is None or self.direction is None or not np.isfinite(rows.coefficients).all():
            return np.zeros(flow.symbols)
        return np.abs(self.direction @ rows.coefficients[:, flow.basis.linear[: flow.symbols]])


def _is_last(segment: Segment, problem: PolynomialProblem) -> bool:
    """Whether inputs and outputs are missing: at the end of the horizon."""
    return isinstance(segment, Instant) and segment.first == problem.samples
