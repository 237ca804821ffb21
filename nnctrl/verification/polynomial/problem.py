"""A problem made ready for the polynomial engine: monitors in units of samples, parts, and simulation at points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.reachability.initial_parts import InitialParts, initial_parts
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.rounding import UNIT_ROUNDOFF
from nnctrl.specs.polynomial_margins import PolynomialMonitor, polynomial_monitors
from nnctrl.specs.spec import Reach
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.fit import sample_period
from nnctrl.systems.point_loop import PointLoop
from nnctrl.verification.problem import Problem

OUTWARD = 1e-12
"""Relative amount by which windows that do not end at samples are enlarged: it covers the rounding of their times.

Times that are as near as that to a sample are the sample: 0.3 is the third of period 0.1.
"""


@dataclass(frozen=True, eq=False)
class Watch:
    """A monitor with its window in samples: [first, last] certainly contains it, [inner_first, inner_last] certainly
    lies in it, and may be empty. They differ where the window does not end at samples.
    """

    monitor: PolynomialMonitor
    first: float
    last: float
    inner_first: float
    inner_last: float

    @staticmethod
    def of(monitor: PolynomialMonitor, period: float, samples: float) -> Watch:
        """The window of a monitor whose times are in units of which a sample has `period`."""
        (first, before), (last, after) = (_ends(time / period) for time in (monitor.first, monitor.last))
        if monitor.needs_inputs and first >= samples:
            raise InputError(
                f"requirement '{monitor.id}' counts no sample: inputs and outputs belong to times before the horizon "
                f"{samples * period:g}; choose earlier times or a longer horizon"
            )
        outer = max(first - before, 0.0), min(last + after, samples)
        return Watch(monitor, *outer, first + before, min(last - after, samples))

    def between(self, pieces: int) -> list[float]:
        """The ends of the window that are not at one of the `pieces` points of a sample."""
        ends = {self.inner_first, self.inner_last} if self.inner_first <= self.inner_last else {self.middle}
        return sorted(time for time in ends if time * pieces != int(time * pieces))

    @property
    def middle(self) -> float:
        """The middle of the window."""
        return 0.5 * self.first + 0.5 * self.last

    @property
    def is_at(self) -> bool:
        """Whether a set is to be reached at one given time."""
        return isinstance(self.monitor.requirement, Reach) and self.monitor.requirement.at is not None


@dataclass(frozen=True, eq=False)
class PolynomialProblem:
    """What falsification and enclosure share. `period` is 1 for discrete plants, whose time is counted in steps."""

    loop: ClosedLoop
    initial_set: AbstractSet
    initial: InitialParts
    watches: tuple[Watch, ...]
    samples: int
    period: float

    @staticmethod
    def of(problem: Problem) -> PolynomialProblem:
        """Compile a problem; InputError for a horizon that is not a whole number of sample periods."""
        loop = problem.network_loop
        plant = loop.plant
        period = 1.0 if problem.is_discrete else sample_period(plant, loop.controller)
        samples = problem.samples
        others = [*plant.inputs, *plant.outputs]
        monitors = polynomial_monitors(problem.spec, list(plant.states), others, problem.horizon, problem.is_discrete)
        watches = tuple(Watch.of(m, period, samples) for m in monitors)
        initial = initial_parts(problem.initial_set)
        return PolynomialProblem(loop, problem.initial_set, initial, watches, samples, period)

    @property
    def monitors(self) -> list[PolynomialMonitor]:
        """The monitors of all requirements, in order."""
        return [watch.monitor for watch in self.watches]

    def times(self, first: float, last: float) -> tuple[float, float]:
        """An interval that contains the times of [first, last] samples, in the problem's unit."""
        # the product of a time within a step, this product and that with the slack are rounded
        slack = 8.0 * UNIT_ROUNDOFF
        return first * self.period * (1.0 - slack), last * self.period * (1.0 + slack)

    def simulated(self, x0: FloatArray, d: FloatArray) -> FloatArray:
        """Signals [batch, pieces * samples + 1, states + inputs + outputs] from `x0` [batch, n] under disturbances and
        noise `d` [batch, samples, d]; inputs and outputs of the last point are nan. Floating point.
        """
        points, states = self._points, self.loop.plant.state_size
        z, rows = self.loop.start(x0), []
        with np.errstate(all="ignore"):
            for k in range(self.samples):
                x, u, z = points.step(z, d[:, k])
                held = np.broadcast_to(u[:, None], (*x.shape[:2], u.shape[-1]))
                rows.append(np.concatenate([x, held, self._measured(x, held, d[:, k])], axis=-1))
        last = np.full((len(x0), 1, rows[-1].shape[-1]), np.nan)
        last[:, 0, :states] = z[:, :states]
        return np.concatenate([*rows, last], axis=1)

    def _measured(self, x: FloatArray, u: FloatArray, d: FloatArray) -> FloatArray:
        plant = self.loop.plant
        if not plant.outputs:
            return np.zeros((*x.shape[:2], 0))
        w = d[:, None, : plant.disturbance_size]
        return np.asarray(plant.measure(x, u, np.broadcast_to(w, (*x.shape[:2], w.shape[-1]))))

    @cached_property
    def _points(self) -> PointLoop:
        """As fine as the first sample needs, from the middle and two ends of the initial set."""
        initial, box = self.initial, self.loop.step.disturbance
        middle = 0.5 * initial.lower + 0.5 * initial.upper
        z = self.loop.start(initial.states(np.stack([initial.lower, middle, initial.upper])))
        d = np.zeros(0) if box is None else 0.5 * box.lower + 0.5 * box.upper
        return PointLoop(self.loop).refined(z, np.broadcast_to(d, (len(z), len(d))))

    @property
    def pieces(self) -> int:
        """Points of a sample at which signals are simulated."""
        return self._points.pieces

    def point_times(self) -> FloatArray:
        """The times of the points of `simulated`, in samples."""
        return np.arange(self.pieces * self.samples + 1) / self.pieces

    def interpolated(self, signals: FloatArray, time: float) -> FloatArray:
        """Signals [batch, all] at a time in samples, by polynomials through the points of its sample."""
        pieces, states, sample = self.pieces, self.loop.plant.state_size, int(time)
        points = signals[:, sample * pieces : (sample + 1) * pieces + 1]
        # at the end of the sample there is another input already
        parts = (points[..., :states], points[:, :-1, states:])
        weights = (lagrange_weights(part.shape[1], (time - sample) * pieces) for part in parts)
        return np.concatenate(
            [np.einsum("p,bpn->bn", w, part) for w, part in zip(weights, parts, strict=True)], axis=-1
        )


def _ends(count: float) -> tuple[float, float]:
    """A time in samples, and how far the real one may be from it: 0 for what is a sample up to rounding."""
    whole = float(round(count))
    if abs(count - whole) <= OUTWARD * whole:
        return whole, 0.0
    return count, OUTWARD * (1.0 + count)


def lagrange_weights(count: int, time: float) -> FloatArray:
    """Weights [count] of values at the times 0, 1, .. count - 1 in the polynomial through them, at `time`."""
    others = [np.delete(np.arange(count, dtype=np.float64), k) for k in range(count)]
    return np.array([np.prod((time - other) / (k - other)) for k, other in enumerate(others)])
