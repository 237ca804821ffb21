"""Requirements over polynomial zonotopes: certified margins in plain NumPy, with the meaning of those of `monitor`.

Margins are positive where a requirement holds. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnknownNameError, UnsupportedError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.monomials import BoolArray
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, add_up, grow_up, two_sum
from nnctrl.specs.moving import Moving
from nnctrl.specs.polynomial_balls import BallRegion, EllipsoidRegion
from nnctrl.specs.polynomial_regions import AbstractPolynomialRegion, BoxRegion, PolyhedralRegion
from nnctrl.specs.polynomial_separation import Margin
from nnctrl.specs.polynomial_sublevel import SublevelRegion
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec
from nnctrl.specs.sublevel import Sublevel


@dataclass(frozen=True, eq=False)
class PolynomialMonitor:
    """One requirement on a closed loop whose signals [states; inputs; outputs] are rows of polynomial zonotopes.

    `lanes` [d]: positions of its coordinates in the signal vector; `first`, `last`: the times that count, in steps for
    discrete plants, in seconds for continuous ones. Time intervals given to the methods matter for Moving targets only:
    they are what the bounds hold for, whether or not they leave [first, last].
    """

    id: str
    requirement: Requirement
    region: AbstractPolynomialRegion
    velocity: FloatArray | None
    lanes: NDArray[np.intp]
    needs_inputs: bool
    first: float
    last: float

    @property
    def is_reach(self) -> bool:
        """Whether one time is enough (Reach) or all count (Stay, Avoid)."""
        return isinstance(self.requirement, Reach)

    def holds(self, margin: float | FloatArray) -> bool | BoolArray:
        """Whether margins satisfy the requirement: touching violates Avoid and satisfies the others; nan never does."""
        return margin > 0.0 if isinstance(self.requirement, Avoid) else margin >= 0.0

    def violates(self, violation: float | FloatArray) -> bool | BoolArray:
        """Whether certified violations prove that the set is entered (Avoid: touching is enough) or left."""
        return violation >= 0.0 if isinstance(self.requirement, Avoid) else violation > 0.0

    def certified(self, rows: PolynomialZonotope, time: tuple[float, float]) -> float:
        """Lower bound of the margin of every point that `rows` (one per signal) enclose, at every time of the interval.

        -inf where nothing is known. Cost: the ranges of the rows for Stay and Reach in a box, a product with the
        normals for a polytope; some products of rows for balls, ellipsoids, inequalities; a few dozen NumPy calls more
        for Avoid.
        """
        return self._margin(rows, time).margin

    @np.errstate(all="ignore")
    def violation(self, rows: PolynomialZonotope, time: tuple[float, float]) -> float:
        """Lower bound of how much every point of `rows` violates the requirement at every time; see `violates`."""
        own = self._own(rows, time)
        return (
            self.region.certified_inside(own)
            if isinstance(self.requirement, Avoid)
            else self.region.certified_outside(own)
        ).margin

    def worst_direction(self, rows: PolynomialZonotope, time: tuple[float, float]) -> FloatArray:
        """The direction [signals] in which `certified` was least, for splitting; floating point, any length."""
        direction = np.zeros(rows.dim)
        direction[self.lanes] = self._margin(rows, time).direction
        return direction

    def point_margins(self, signals: FloatArray, times: FloatArray) -> FloatArray:
        """Margins [batch, times] of signals [batch, times, all] at `times` [times]; floating point, nan where a signal
        is.
        """
        own = signals[..., self.lanes]
        if self.velocity is not None:
            own = own - times[:, None] * self.velocity
        return self.region.outside(own) if isinstance(self.requirement, Avoid) else self.region.inside(own)

    @np.errstate(all="ignore")  # what overflows proves nothing, and says so by nan or inf
    def _margin(self, rows: PolynomialZonotope, time: tuple[float, float]) -> Margin:
        own = self._own(rows, time)
        return (
            self.region.certified_outside(own)
            if isinstance(self.requirement, Avoid)
            else self.region.certified_inside(own)
        )

    def _own(self, rows: PolynomialZonotope, time: tuple[float, float]) -> PolynomialZonotope:
        """The rows in `lanes` minus the region's reference and where it has moved to; time is one more symbol."""
        coefficients, generators = rows.coefficients[self.lanes], rows.generators[self.lanes]
        radius, origin = rows.radius[self.lanes], self.region.reference
        if self.velocity is not None:
            middle = 0.5 * time[0] + 0.5 * time[1]
            half = float(np.maximum(add_up(np.float64(time[1]), -middle), add_up(middle, -np.float64(time[0]))))
            shift, spread = middle * self.velocity, half * self.velocity
            origin, error = two_sum(origin, shift)
            if half != 0.0:
                generators = np.concatenate([generators, spread[:, None]], axis=1)
            radius = radius + abs(error) + (2.0 * UNIT_ROUNDOFF) * (abs(shift) + abs(spread)) + TINY
        coefficients[:, 0], error = two_sum(coefficients[:, 0], -origin)
        return PolynomialZonotope(rows.basis, coefficients, generators, grow_up(radius + abs(error), 8))


def polynomial_monitors(
    spec: Spec, states: Sequence[str], others: Sequence[str], horizon: float, discrete: bool
) -> list[PolynomialMonitor]:
    """A monitor for every requirement; `states` and `others` (inputs, then outputs) name the signals in order.

    `horizon` in steps for `discrete` plants, whose requirements must speak of whole steps, else in seconds.
    """
    return [_monitor(id, item, list(states), list(others), horizon, discrete) for id, item in spec.items()]


def _monitor(
    id: str, requirement: Requirement, states: list[str], others: list[str], horizon: float, discrete: bool
) -> PolynomialMonitor:
    names = list(requirement.on) if requirement.on is not None else states
    known = states + others
    for name in names:
        if name not in known:
            raise UnknownNameError.among("signal", name, known)
    target = requirement.target
    if target.dim != len(names):
        raise DimensionError(
            f"the set of requirement '{id}' has {target.dim} coordinates but is over {len(names)} signals "
            f"({', '.join(names)}); name as many signals in `on` as the set has coordinates"
        )
    base = target.base if isinstance(target, Moving) else target
    needs_inputs = any(name in others for name in names)
    first, last = _window(id, requirement, horizon, discrete)
    if needs_inputs and discrete:
        last = min(last, horizon - 1)
    if last < first:
        raise InputError(
            f"requirement '{id}' counts no step: inputs and outputs belong to steps below the horizon {horizon:g}; "
            "choose earlier times or a longer horizon"
        )
    return PolynomialMonitor(
        id,
        requirement,
        _region(base),
        target.velocity if isinstance(target, Moving) else None,
        np.array([known.index(name) for name in names], dtype=np.intp),
        needs_inputs,
        float(first),
        float(last),
    )


def _window(id: str, requirement: Requirement, horizon: float, discrete: bool) -> tuple[float, float]:
    """First and last time that count, checked against the horizon."""
    first, last = requirement.window(horizon)
    for time in (first, last):
        if time > horizon or (discrete and time != int(time)):
            kind = "whole steps" if discrete else "times"
            raise InputError(
                f"requirement '{id}' speaks of time {time}; give {kind} between 0 and the horizon {horizon:g}"
            )
    return first, last


def _region(target: AbstractSet | Sublevel) -> AbstractPolynomialRegion:
    """The region of a set that does not move; UnsupportedError for set types that have no margins."""
    if isinstance(target, Sublevel):
        return SublevelRegion.of(target)
    if isinstance(target, Box):
        return BoxRegion.of(target)
    if isinstance(target, Polytope):
        return PolyhedralRegion.of(target)
    if isinstance(target, Ball):
        return BallRegion(target.centre, float(target.radius))
    if isinstance(target, Ellipsoid):
        return EllipsoidRegion.of(target)
    raise UnsupportedError(
        f"a requirement on a set of type {type(target).__name__} is not supported; "
        "give a Box, Polytope, Ball or Ellipsoid"
    )
