"""Margins of sets given by an inequality over polynomial zonotopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.sets.interval import Interval
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.specs.polynomial_regions import AbstractPolynomialRegion
from nnctrl.specs.polynomial_separation import Margin
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.jet_program import jet_program
from nnctrl.systems.polynomial_tape import polynomial_image
from nnctrl.systems.tape import Tape


@dataclass(frozen=True, eq=False)
class SublevelRegion(AbstractPolynomialRegion):
    """`{z : g(z) <= 0}` with margin -g inside and g outside; the reference is 0.

    Certified by g as a polynomial of the rows' symbols; where that leaves the sign of g open, by the range of g over
    the rows' box too, which costs ten times as much, and the better one counts. By the range alone unless
    `is_polynomial`: where g has an operation that polynomials do not have.
    """

    tape: Tape
    reference: FloatArray
    is_polynomial: bool

    @staticmethod
    def of(target: Sublevel) -> SublevelRegion:
        """The region of an inequality; it keeps the tape, no CasADi object."""
        tape = target.value_tape
        try:
            jet_program(tape)
        except UnsupportedError:
            return SublevelRegion(tape, np.zeros(target.dim), False)
        return SublevelRegion(tape, np.zeros(target.dim), True)

    def inside(self, points: FloatArray) -> FloatArray:
        """-g in floating point."""
        return -self.outside(points)

    def outside(self, points: FloatArray) -> FloatArray:
        """G in floating point."""
        value: FloatArray = self.tape(points)[0][..., 0]
        return value

    def certified_inside(self, rows: PolynomialZonotope) -> Margin:
        """Lower bound of -g."""
        low, high = rows.ranges()
        return Margin(-self._range(rows, low, high)[1], -self._slopes(low, high))

    def certified_outside(self, rows: PolynomialZonotope) -> Margin:
        """Lower bound of g."""
        low, high = rows.ranges()
        return Margin(self._range(rows, low, high)[0], self._slopes(low, high))

    def _range(self, rows: PolynomialZonotope, low: FloatArray, high: FloatArray) -> tuple[float, float]:
        """Bounds of g; infinite where none are known."""
        below, above = -np.inf, np.inf
        if self.is_polynomial:
            below, above = (float(end[0]) for end in polynomial_image(self.tape, rows).ranges())
            if not (np.isfinite(below) and np.isfinite(above)):
                below, above = -np.inf, np.inf
            elif below > 0.0 or above < 0.0:
                return below, above
        plain = self.tape(Interval(low, high))[0]
        return max(below, float(plain.lower[0])), min(above, float(plain.upper[0]))

    def _slopes(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """Slopes of g across the box, coordinate by coordinate through its middle, in floating point."""
        middle, half = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low
        steps = np.diag(half)
        rise = self.outside(np.concatenate([middle + steps, middle - steps]))
        slopes = (rise[: len(low)] - rise[len(low) :]) / (2.0 * half)
        return np.where(np.isfinite(slopes), slopes, 0.0)
