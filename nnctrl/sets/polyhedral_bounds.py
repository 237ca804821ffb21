"""Proved bounds of {A x <= b}, whichever way the inequalities face and whatever their units.

The support function is certified by duality. Any y >= 0 with A'y = d proves d'x <= b'y on {A x <= b}. Multipliers from
a linear program satisfy the equation up to a residual e = d - A'y, which is known exactly in rational arithmetic, and
then d'x <= b'y + |e|'X where X bounds |x|. Such an X follows from the same inequalities for d = +-e_i: with beta_i
their bounds and the rows of E their residuals, |x| <= beta + E |x|, so |x|_inf <= |beta|_inf / (1 - |E|_inf). Where
that leaves X or the support function infinite the program is solved in rational arithmetic, which has no residual: what
remains infinite is so, but for polyhedra too large for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.sets.base import read_only
from nnctrl.sets.exact import exact_dot, exact_residual, exact_vector, fraction_near, fraction_up
from nnctrl.sets.exact_program import MAX_UPDATES, ExactSolution, maximise_exactly
from nnctrl.sets.rounding import TINY, add_up, grow_up
from nnctrl.sets.scaled_program import ScaledProgram, balancing_columns, exponents_of

THIN = 1e-9
"""Depth, in units of the polytope, below which floating point does not decide whether it has a point."""

WIDEST = 13
"""Binary orders of magnitude by which a side may differ from the unit of the program before that is scaled anew."""

FLAT = 60
"""Binary orders of magnitude below the size of a polytope at which a coordinate counts as flat."""

RESIZINGS = 2

LOOSE = 1e-9
"""Share of the width of a polyhedron that a residual may cost a bound before the program is solved exactly."""

LARGEST = np.finfo(np.float64).max


class DualBound(NamedTuple):
    """A proof about {A x <= b}: `(d - e)'(x - origin) <= value` for some e with |e| <= residual."""

    residual: FloatArray
    value: float


class _Sized(NamedTuple):
    """A program, the bounds [n] of |x - point| that it gives, and the inequalities along +-e_i behind them."""

    program: ScaledProgram
    reach: FloatArray
    duals: list[list[DualBound | None]]


@dataclass(frozen=True, eq=False)
class PolyhedralBounds:
    """Bounds of {normals x <= offsets}, not empty, about a point near to it; shapes [k, n], [k], [n]."""

    normals: FloatArray
    offsets: FloatArray
    point: FloatArray

    @property
    def dim(self) -> int:
        """Dimension n."""
        return len(self.point)

    @property
    def program(self) -> ScaledProgram:
        """The program about the point in which the polyhedron is of size about 1 along every axis."""
        return self._sized.program

    @property
    def reach(self) -> FloatArray:
        """Proved bounds X [n] of |x - point|; inf where there is none."""
        return self._sized.reach

    @property
    def are_finite(self) -> bool:
        """Whether all coordinates are proved to be bounded; False says nothing."""
        return bool(np.isfinite(self.reach).all())

    @cached_property
    @np.errstate(all="ignore")
    def _sized(self) -> _Sized:
        """Scale the program to the bounds that it gives, until they are about 1."""
        columns = balancing_columns(self.normals)
        program = ScaledProgram.about(self.normals, self.offsets, self.point, columns, fit=True)
        sized = self._with_reach(program)
        for _ in range(RESIZINGS):
            sizes = exponents_of(np.where(np.isfinite(sized.reach), sized.reach, 0.0))
            # flat coordinates have no size of their own
            columns = np.where(sizes > program.columns - FLAT, sizes, program.columns)
            if abs(columns - program.columns).max() <= WIDEST:
                break
            program = ScaledProgram.about(self.normals, self.offsets, self.point, columns)
            closer = self._with_reach(program)
            sized = closer._replace(reach=np.minimum(sized.reach, closer.reach))
        return sized._replace(reach=read_only(sized.reach))

    def _with_reach(self, program: ScaledProgram) -> _Sized:
        """Bounds along all axes by one program; those that it leaves open exactly."""
        axes, point = np.eye(self.dim), self.point
        duals = [[self._dual_bound(program, sign * axis, point) for sign in (1.0, -1.0)] for axis in axes]
        unknown = DualBound(np.full(self.dim, np.inf), np.inf)
        known = [[dual or unknown for dual in pair] for pair in duals]
        bound = np.array([max(0.0, *(dual.value for dual in pair)) for pair in known])
        defect = np.array([np.maximum(*(dual.residual for dual in pair)) for pair in known])
        # in the units of the program, such that one residual can be compared with another
        scaled = np.ldexp(defect, program.columns - program.columns[:, None])
        # powers of two round where the result is subnormal; of the bound that is covered by what it grows by
        scaled = np.where(defect > 0.0, scaled + TINY, 0.0)
        reach = _solve_bounds(np.ldexp(bound, -program.columns), scaled)
        reach = np.nextafter(np.ldexp(reach, program.columns), np.inf)
        for i in np.flatnonzero(~np.isfinite(reach)):
            for k, sign in enumerate((1.0, -1.0)):
                # a direction without end in floating point has no active faces to begin with
                guide = None if duals[i][k] is None else program
                duals[i][k] = self._exact_bound(guide, sign * axes[i], point, MAX_UPDATES // self.dim)
            reach[i] = max(np.inf if dual is None else dual.value for dual in duals[i])
        return _Sized(program, reach, duals)

    def dual_bound(self, direction: FloatArray, origin: FloatArray) -> DualBound | None:
        """The best inequality found for d = `direction` [n] in floating point; None if there is none."""
        return self._dual_bound(self.program, direction, origin)

    def exact_bound(self, direction: FloatArray, origin: FloatArray) -> DualBound | None:
        """The best inequality for d = `direction` [n], without a residual; None if there is none or it is not found.

        Cost: that of `maximise_exactly`.
        """
        return self._exact_bound(self.program, direction, origin)

    def _exact_bound(
        self,
        program: ScaledProgram | None,
        direction: FloatArray,
        origin: FloatArray,
        updates: int = MAX_UPDATES,
    ) -> DualBound | None:
        solution = self._solve_exactly(program, direction, updates)
        if solution.status != "optimal":
            return None
        goal, limits = exact_vector(direction), exact_vector(self.offsets)
        value = sum((y * b for y, b in zip(solution.multipliers, limits, strict=True)), Fraction(0))
        value -= sum((d * o for d, o in zip(goal, exact_vector(origin), strict=True)), Fraction(0))
        return DualBound(np.zeros(self.dim), fraction_up(value))

    def _solve_exactly(
        self, program: ScaledProgram | None, direction: FloatArray, updates: int = MAX_UPDATES
    ) -> ExactSolution:
        """The support function's program, begun with the faces that floating point finds active."""
        found = program.farthest(direction) if program is not None and direction.any() else None
        likely = [] if found is None else [int(i) for i in np.flatnonzero(found[0])]
        rows = [exact_vector(normal) for normal in self.normals]
        return maximise_exactly(exact_vector(direction), rows, exact_vector(self.offsets), likely, updates)

    def _dual_bound(self, program: ScaledProgram, direction: FloatArray, origin: FloatArray) -> DualBound | None:
        if not direction.any():
            return DualBound(np.zeros(self.dim), 0.0)
        found = program.farthest(direction)
        if found is None or not np.isfinite(found[0]).all():
            return None
        multipliers = found[0]
        error = exact_residual(direction, self.normals.T, multipliers)
        value = Fraction(0)
        for i in np.flatnonzero(multipliers):
            slack = Fraction(float(self.offsets[i])) - exact_dot(self.normals[i], origin)
            value += Fraction(float(multipliers[i])) * slack
        return DualBound(np.array([fraction_up(abs(e)) for e in error]), fraction_up(value))

    @np.errstate(all="ignore")
    def extent(self, origin: FloatArray) -> FloatArray:
        """Proved bounds [n] of |x - origin| over the polyhedron; inf where none is proved."""
        apart = np.maximum(add_up(self.point, -origin), add_up(origin, -self.point))
        return add_up(self.reach, apart)

    def support(self, direction: FloatArray, origin: FloatArray) -> float:
        """Upper bound of d'(x - origin), d = `direction` [n]; inf where none is proved."""
        return self._value(self.dual_bound(direction, origin), direction, origin)

    def along_axes(self) -> tuple[FloatArray, FloatArray]:
        """Upper bounds [n] of x - point and of point - x; inf where none is proved."""
        axes = np.eye(self.dim)
        pairs = zip(self._sized.duals, axes, strict=True)
        ends = [[self._value(up, e, self.point), self._value(down, -e, self.point)] for (up, down), e in pairs]
        above, below = np.array(ends).T
        return above, below

    def farthest(self, direction: FloatArray) -> FloatArray | None:
        """A maximiser [n] of d'x in floating point; None where none is found."""
        if not direction.any():
            return self.point
        found = self.program.farthest(direction)
        if found is not None:
            return self.point + found[1]
        solution = self._solve_exactly(self.program, direction)
        return np.array([fraction_near(x) for x in solution.x]) if solution.status == "optimal" else None

    def _value(self, dual: DualBound | None, direction: FloatArray, origin: FloatArray) -> float:
        """The upper bound of d'(x - origin) that an inequality gives, or rational arithmetic; inf if neither does."""
        value = np.inf
        if dual is not None:
            open_rows = dual.residual > 0.0
            if not open_rows.any():
                return dual.value
            extent = self.extent(origin)[open_rows]
            if np.isfinite(dual.value) and np.isfinite(extent).all():
                spread = exact_dot(dual.residual[open_rows], extent)
                value = fraction_up(Fraction(dual.value) + spread)
                width = exact_dot(abs(direction), np.where(np.isfinite(self.reach), self.reach, 0.0))
                if spread <= LOOSE * width:
                    return value
        exact = self.exact_bound(direction, origin)
        return value if exact is None else min(value, exact.value)


def _solve_bounds(bound: FloatArray, defect: FloatArray) -> FloatArray:
    """Upper bounds [n] of |x| for every finite x with |x| <= bound + defect |x|; inf where none follows."""
    size = len(bound)
    # a coordinate counts as bounded only with residuals in bounded coordinates
    bounded = np.isfinite(bound)
    for _ in range(size):
        bounded = bounded & ~defect[:, ~bounded].any(axis=1)
    rows = grow_up(defect.sum(axis=1), size)
    if not bounded.any() or not (rows[bounded] < 0.5).all():
        return np.full(size, np.inf)
    # 1 / (1 - |E|_inf) <= 2
    return np.where(bounded, grow_up(bound + rows * 2.0 * bound[bounded].max(), 4), np.inf)


@np.errstate(all="ignore")
def find_interior_point(normals: FloatArray, offsets: FloatArray) -> FloatArray:
    """A point [n] deep inside, in floating point; InputError if there is none.

    It is the centre of a largest inscribed ball (of bounded size) in the coordinates of the linear program.
    """
    point, columns = np.zeros(normals.shape[1]), balancing_columns(normals)
    # the second pass, about the first answer, works with numbers of the polytope's own size
    for _ in range(2):
        program = ScaledProgram.about(normals, offsets, point, columns, fit=True)
        found = program.deepest()
        if found is None or found[0] <= THIN:
            return _exact_interior_point(normals, offsets, program, found)
        point = np.clip(point + program.original(found[1]), -LARGEST, LARGEST)
    return point


def _exact_interior_point(
    normals: FloatArray, offsets: FloatArray, program: ScaledProgram, found: tuple[float, FloatArray] | None
) -> FloatArray:
    """The same where the polytope is flat or empty up to the tolerance: a point of it, or the proof of neither."""
    lengths = exact_vector(np.linalg.norm(program.rows, axis=1))
    depth = [length / Fraction(2) ** int(e) for length, e in zip(lengths, program.row_exponents, strict=True)]
    rows = [[*exact_vector(normal), d] for normal, d in zip(normals, depth, strict=True)]
    unit = [Fraction(0)] * normals.shape[1] + [Fraction(1)]
    solution = maximise_exactly(unit, [*rows, unit], [*exact_vector(offsets), Fraction(1)])
    if solution.status == "optimal" and solution.x[-1] >= 0:
        return np.array([fraction_near(value) for value in solution.x[:-1]])
    if solution.status == "failed":
        if found is not None and found[0] >= -THIN:
            return np.clip(program.point + program.original(found[1]), -LARGEST, LARGEST)
        raise UnsupportedError(
            f"whether a point satisfies the {len(normals)} inequalities of a polytope is not decided by "
            "floating point, and they are too many to solve exactly; remove inequalities or coordinates"
        )
    raise InputError(f"no point satisfies the {len(normals)} inequalities of a polytope; give one that is not empty")
