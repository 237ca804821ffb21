"""Arithmetic shared by the sets {c + G xi}: zonotopes (|xi|_inf <= 1), ellipsoids and balls (|xi|_2 <= 1).

Shapes: centre c [n], generators G [n, q].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.base import Containment, read_only
from nnctrl.sets.exact import exact_residual
from nnctrl.sets.rounding import add_up, dot_up, grow_up, matmul_enclosure, sum_up, two_sum


def support_of_centre(directions: FloatArray, centre: FloatArray, origin: FloatArray) -> FloatArray:
    """Upper bounds [k] of d'(centre - origin); the difference is taken without error."""
    middle, error = two_sum(centre, -origin)
    return dot_up(np.concatenate([directions, abs(directions)], -1), np.concatenate([middle, abs(error)]))


def project_generators(directions: FloatArray, generators: FloatArray) -> FloatArray:
    """Upper bounds [k, q] of |d'G|."""
    product, radius = matmul_enclosure(directions, generators)
    return grow_up(abs(product) + radius, 1)


def image_of_generators(
    matrix: FloatArray, offset: FloatArray, centre: FloatArray, generators: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centre, generators and box radius [m] of the image under `M x + t`.

    The real image of every point lies within the radius of the stored image of the same coefficients. Rows of M that
    select, negate or drop coordinates round nothing and get radius 0 unless the offset rounds.
    """
    middle, middle_radius = matmul_enclosure(matrix, centre[:, None])
    columns, columns_radius = matmul_enclosure(matrix, generators)
    radius = add_up(middle_radius[:, 0], sum_up(columns_radius))
    selects = np.isin(matrix, (-1.0, 0.0, 1.0)).all(axis=1) & (np.count_nonzero(matrix, axis=1) <= 1)
    shifted, error = two_sum(middle[:, 0], offset)
    radius = add_up(np.where(selects, 0.0, radius), abs(error))
    return shifted, columns, radius


def add_box(generators: FloatArray, radius: FloatArray) -> FloatArray:
    """Generators whose zonotope contains the sum with the box |x| <= radius: axis-aligned ones grow, or are added."""
    grown, extra = generators.copy(), []
    single = np.flatnonzero(np.count_nonzero(generators, axis=0) == 1)
    for row in np.flatnonzero(radius != 0.0):
        aligned = single[generators[row, single] != 0.0]
        if aligned.size:
            grown[row, aligned[0]] = add_up(abs(grown[row, aligned[0]]), radius[row])
        else:
            extra.append(row)
    columns = np.zeros((len(radius), len(extra)))
    columns[extra, np.arange(len(extra))] = radius[extra]
    return np.concatenate([grown, columns], axis=1)


def contains_by_rows(
    centre: FloatArray,
    generators: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    contains_thick: Callable[[FloatArray, FloatArray, FloatArray, FloatArray], Containment],
) -> Containment:
    """Membership of the box [lower, upper]: exact in coordinates without generators, `contains_thick` in the others."""
    flat = ~generators.any(axis=1)
    missed = np.flatnonzero(flat & ((upper < centre) | (lower > centre)))
    if missed.size:
        axis = missed[0]
        direction = np.zeros(len(centre))
        direction[axis] = 1.0 if lower[axis] > centre[axis] else -1.0
        return Containment("outside", read_only(direction))
    answer = Containment("inside", read_only(np.zeros(generators.shape[1])))
    if not flat.all():
        thick = ~flat
        answer = contains_thick(centre[thick], generators[thick], lower[thick], upper[thick])
        if answer.verdict == "outside" and answer.witness is not None:
            direction = np.zeros(len(centre))
            direction[thick] = answer.witness
            return Containment("outside", read_only(direction))
    if answer.verdict == "inside" and (flat & (lower < upper)).any():
        return Containment("undecided")
    return answer


def row_scaling(generators: FloatArray) -> FloatArray:
    """Powers of two [n] that bring rows of different units to about the same size; finite for subnormal rows too."""
    exponents = -np.frexp(abs(generators).sum(axis=1))[1]
    return np.asarray(np.ldexp(1.0, np.clip(exponents, -1000, 1000)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class RightInverse:
    """A proof that G maps onto the whole space, with the size of the coefficients that it takes.

    With S a diagonal of powers of two, R approximately (S G)^+ and E = I - S G R, |E|_inf < 1 proves that S G R is
    invertible (Neumann), and v = R (I - E)^-1 S e solves G v = e, where
    |(I - E)^-1 f| <= |f| + |E| 1 |f|_inf / (1 - |E|_inf).
    """

    scaling: FloatArray
    inverse: FloatArray
    defect: FloatArray
    """Upper bounds [n] of the row sums of |E|, the largest below 1."""

    @staticmethod
    def of(generators: FloatArray) -> RightInverse | None:
        """None if the generators do not (provably) span the space."""
        rows = np.abs(generators).sum(axis=1)
        if not ((rows > 0.0) & np.isfinite(rows)).all():
            return None
        # powers of two round nothing (checked: a subnormal could)
        scaling = row_scaling(generators)
        scaled = scaling[:, None] * generators
        if not np.array_equal(scaled / scaling[:, None], generators):
            return None
        inverse: FloatArray = np.asarray(np.linalg.pinv(scaled), dtype=np.float64)
        product, radius = matmul_enclosure(scaled, inverse)
        gap, error = two_sum(np.eye(len(rows)), -product)
        defect = sum_up(add_up(add_up(abs(gap), abs(error)), radius))
        return RightInverse(scaling, inverse, defect) if (defect < 0.5).all() else None

    def reach(self, residual: FloatArray) -> FloatArray:
        """Upper bounds [q] of |v| for some solution v of G v = e, for every |e| <= residual [n]."""
        scaled = grow_up(self.scaling * residual, 2)
        # defect < 1/2, so 1 / (1 - |E|_inf) <= 2
        inner = grow_up(scaled + 2.0 * self.defect * scaled.max(), 4)
        return grow_up(abs(self.inverse) @ inner, len(residual) + 2)


def coefficient_bounds(
    centre: FloatArray,
    generators: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    guess: FloatArray,
    onto: RightInverse,
) -> FloatArray:
    """Upper bounds [q] such that every x in [lower, upper] is c + G xi for a xi near `guess` with |xi| below them."""
    point = np.clip(0.5 * lower + 0.5 * upper, lower, upper)
    halfwidth = np.maximum(add_up(upper, -point), add_up(point, -lower))
    shift, error = two_sum(point, -centre)
    product, radius = matmul_enclosure(generators, guess[:, None])
    gap, gap_error = two_sum(shift, -product[:, 0])
    residual = sum_up(np.stack([abs(gap), abs(gap_error), abs(error), radius[:, 0], halfwidth], -1))
    return add_up(abs(guess), onto.reach(residual))


def hits_exactly(centre: FloatArray, generators: FloatArray, point: FloatArray, coefficients: FloatArray) -> bool:
    """Whether c + G xi = point in real arithmetic."""
    matrix = np.concatenate([centre[:, None], generators], axis=1)
    return not any(exact_residual(point, matrix, np.concatenate([[1.0], coefficients])))
