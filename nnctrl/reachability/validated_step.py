"""Validated integration of continuous plants whose input is held: high-order enclosure on polynomial zonotopes.

With F_k the Taylor coefficients of the solution in time (1 / k! included) and E a box such that
`{sum_(k <= K) t^k F_k(x0)} + [0, h]^(K + 1) F_(K + 1)(E)` lies inside E for all x0 of the start set and t in [0, h],
every solution stays in E up to h and `x(t) in sum_(k <= K) t^k F_k(x0) + t^(K + 1) F_(K + 1)(E)` (Nedialkov, Jackson
and Pryce, An effective high-order interval method for validating existence and uniqueness of the solution of an IVP
for an ODE, 2001). F_1 .. F_K are polynomial zonotopes in the symbols of x0 and u; they do not depend on h, so one set
of them serves every step size that is tried.

A vector field with a kink (fabs, fmin, fmax) in the box has no second derivative, but x' is absolutely continuous:
K = 1 with the range of slopes in place of the derivative holds all the same, with shorter steps.

A disturbance that varies in time has no coefficients: the solution under its middle value is enclosed, and how far the
real one may be from it bounded (`step_kernels`).

Steps are the period halved a whole number of times, so that times are exact multiples of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.reachability import step_kernels
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import widen_up
from nnctrl.systems.jet_kernels import polynomial_jets
from nnctrl.systems.jet_program import JetProgram, jet_program
from nnctrl.systems.plant import Plant
from nnctrl.systems.polynomial_tape import place_constants

FINEST = 8
"""A period is halved at most so many times."""

NEGLIGIBLE = 1e-10
"""Relative size of a remainder that no step need be shortened for."""

NOTHING = 1e-80
"""Absolute size of such a remainder: a state that is exactly 0 is given one by the inflation of its box."""


class EnclosureError(Exception):
    """A solution could not be enclosed; `operation` is the one that is undefined near the set, if that is why."""

    def __init__(self, operation: str | None) -> None:
        super().__init__(operation)
        self.operation = operation


@dataclass(frozen=True, eq=False)
class Step:
    """What is known of the states during one step of length `h` that starts at the share `start` of the period.

    `c` [n, K + 1, M], `g` [n, K + 1, q], `r` [n, K + 1]: rows of the Taylor coefficients; `rest`, `last` [2, n]: the
    remainder at any time and at the end; `deviation` [n]: what disturbances add.
    """

    start: float
    share: float
    h: float
    origin: PolynomialZonotope
    c: FloatArray
    g: FloatArray
    r: FloatArray
    rest: FloatArray
    last: FloatArray
    deviation: FloatArray

    def at_end(self) -> PolynomialZonotope:
        """The states at the end of the step."""
        return self.at(self.h)

    def at(self, time: float) -> PolynomialZonotope:
        """The states [n] at one time of [0, h]."""
        if time == 0.0:
            return self.origin
        n, _, size = self.c.shape
        c, g, r = np.empty((n, size)), np.empty((n, self.g.shape[2])), np.empty(n)
        rest = self.last if time == self.h else self.rest
        step_kernels.rows_at(self.c, self.g, self.r, time, rest, self.deviation, c, g, r)
        return PolynomialZonotope(self.origin.basis, c, g, r)

    def during(self, first: float, last: float) -> PolynomialZonotope:
        """The states [n] at all times of [first, last], within [0, h]; with one independent symbol more."""
        n, _, size = self.c.shape
        middle = 0.5 * first + 0.5 * last
        half = float(widen_up(max(last - middle, middle - first)))
        c, g, r = np.empty((n, size)), np.empty((n, self.g.shape[2] + 1)), np.empty(n)
        step_kernels.rows_during(self.c, self.g, self.r, middle, half, self.rest, self.deviation, c, g, r)
        return PolynomialZonotope(self.origin.basis, c, g, r)


@dataclass(frozen=True, eq=False)
class _Jets:
    """Taylor coefficients of the states in time, rows `c` [n, order + 1, M], `g` [n, order + 1, q], `r` [n, order + 1],
    and their ranges [n, order + 1].
    """

    c: FloatArray
    g: FloatArray
    r: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def order(self) -> int:
        """The highest power of time."""
        return self.low.shape[1] - 1

    def to_first_order(self) -> _Jets:
        """The first two coefficients."""
        return _Jets(*(np.ascontiguousarray(part[:, :2]) for part in (self.c, self.g, self.r, self.low, self.high)))


@dataclass(frozen=True, eq=False)
class HeldDynamics:
    """A continuous plant over one `period` with its input held.

    `tolerance`: what the remainders of a period may add to the width of a state, relative to it. `order`: of the
    Taylor polynomials in time. `disturbance` [2, w]: the ends of what varies in time.
    """

    plant: Plant
    period: float
    order: int
    tolerance: float

    @cached_property
    def program(self) -> JetProgram:
        """The program of the vector field."""
        return jet_program(self.plant.tape)

    @cached_property
    def disturbance(self) -> FloatArray:
        """Ends [2, w] of the disturbances."""
        ranges = [self.plant.ranges[name] for name in self.plant.disturbances]
        return np.array(ranges, dtype=np.float64).reshape(-1, 2).T

    def steps(
        self, x: PolynomialZonotope, u: PolynomialZonotope, w: FloatArray | None = None
    ) -> Iterator[tuple[Step, PolynomialZonotope]]:
        """The steps of one period from the states `x` [n] under the input `u` [m], over the same symbols.

        With each step come the inputs, over the symbols of the step. `w` [w]: a disturbance that is held at this value
        instead of varying in its range. Raises EnclosureError. Cost: a jet of the program per step, and interval jets
        per step size that is tried.
        """
        place, level = 0, 0
        while place < 2**FINEST:
            # columns that only u has come first: they are taken
            x = x.padded(u.generators.shape[1]).with_symbols_for_radius()
            u = u.padded(x.generators.shape[1])
            while place % 2 ** (FINEST - level):
                level += 1
            step, level, easy = self._step(x, u, w, place, level)
            yield step, u
            x = step.at_end()
            place += 2 ** (FINEST - level)
            if easy and level:
                level -= 1

    @np.errstate(all="ignore")  # what overflows is unknown, and no step is found
    def _step(
        self, x: PolynomialZonotope, u: PolynomialZonotope, w: FloatArray | None, place: int, level: int
    ) -> tuple[Step, int, bool]:
        """The longest step from `level` on whose remainder is tolerable; whether a longer one might do next."""
        program, n = self.program, x.dim
        jets = self._jets(x, u, w, self.order)
        fixed_low, fixed_high = self._fixed(u, w)
        varying = np.zeros(0) if w is not None or not self.plant.disturbance_size else self._reach_of_disturbance()
        rest, last, deviation = np.zeros((2, n)), np.zeros((2, n)), np.zeros(n)
        while True:
            share = 0.5**level
            h = share * self.period
            failed = step_kernels.remainder(
                program.instructions, program.factors, program.moving, program.results, jets.order, jets.low, jets.high,
                fixed_low, fixed_high, varying, n + u.dim, h, rest, last, deviation,
            )  # fmt: skip
            if failed >= 0 and program.is_kink(failed) and jets.order > 1:
                jets = jets.to_first_order()
                continue
            error = 0.5 * (last[1] - last[0])
            allowed = share * self._allowed(jets)
            if failed == -1 and ((error <= allowed).all() or level == FINEST):
                break
            if level == FINEST:
                raise EnclosureError(program.name(failed) if failed >= 0 else None)
            level += 1
        step = Step(place * 0.5**FINEST, share, h, x, jets.c, jets.g, jets.r, rest, last, deviation)
        return step, level, bool((error * 2.0 ** (jets.order + 1) <= allowed).all())

    def _allowed(self, jets: _Jets) -> FloatArray:
        """The remainder [n] that a whole period may have: relative to the width that a state has, or gains at the rate
        that it has now; of the powers of time only the first that moves it counts, for those of a stiff plant explode.
        """
        powers = self.period ** np.arange(jets.order + 1)
        half = _leading(0.5 * (jets.high - jets.low) * powers)
        size = _leading(np.maximum(np.abs(jets.low), np.abs(jets.high)) * powers)
        return np.asarray(self.tolerance * half + NEGLIGIBLE * size + NOTHING)

    def _jets(self, x: PolynomialZonotope, u: PolynomialZonotope, w: FloatArray | None, order: int) -> _Jets:
        """Taylor coefficients in time; to the first order only where a kink is met."""
        program, basis, n = self.program, x.basis, x.dim
        count = x.generators.shape[1]
        c = np.zeros((program.slots, order + 1, basis.size))
        g = np.zeros((program.slots, order + 1, count))
        r = np.zeros((program.slots, order + 1))
        inputs = slice(n, n + u.dim)
        c[:n, 0], g[:n, 0] = x.coefficients, x.generators
        c[inputs, 0], g[inputs, 0], r[inputs, 0] = u.coefficients, u.generators, u.radius
        known = np.array(self._known(w)).reshape(-1, 2)
        place_constants(np.concatenate([known, program.constants]), inputs.stop, c, r)
        failed = polynomial_jets(
            program.instructions, program.factors, program.moving, program.results, True, order, basis.degree + 1,
            c, g, r, basis.even, basis.products, basis.offsets, basis.counts,
        )  # fmt: skip
        if failed >= 0 and program.is_kink(failed) and order > 1:
            return self._jets(x, u, w, 1)
        if failed >= 0:
            raise EnclosureError(program.name(failed))
        low, high = np.empty((n, order + 1)), np.empty((n, order + 1))
        step_kernels.coefficient_ranges(c[:n], g[:n], r[:n], basis.even, low, high)
        return _Jets(c[:n], g[:n], r[:n], low, high)

    def _known(self, w: FloatArray | None) -> list[tuple[float, float]]:
        """Ends of the disturbances (their middle, unless held) and of the parameters."""
        held = 0.5 * self.disturbance[0] + 0.5 * self.disturbance[1] if w is None else w
        return [*zip(held, held, strict=True), *zip(*self.plant.parameter_bounds, strict=True)]

    def _fixed(self, u: PolynomialZonotope, w: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Ranges [S] of what does not move: inputs, disturbances, parameters, constants."""
        program, n = self.program, self.plant.state_size
        low, high = np.zeros(program.slots), np.zeros(program.slots)
        low[n : n + u.dim], high[n : n + u.dim] = u.ranges()
        known = np.concatenate([np.array(self._known(w)).reshape(-1, 2), program.constants])
        low[n + u.dim : n + u.dim + len(known)], high[n + u.dim : n + u.dim + len(known)] = known.T
        return low, high

    def _reach_of_disturbance(self) -> FloatArray:
        middle = 0.5 * self.disturbance[0] + 0.5 * self.disturbance[1]
        return np.asarray(widen_up(np.maximum(self.disturbance[1] - middle, middle - self.disturbance[0])))


def _leading(terms: FloatArray) -> FloatArray:
    """Of terms [n, k + 1] >= 0 the sum of the first two, or the first one behind them that is not 0."""
    total = terms[:, 0] + terms[:, 1]
    for k in range(2, terms.shape[1]):
        total = np.where(total > 0.0, total, terms[:, k])
    return total
