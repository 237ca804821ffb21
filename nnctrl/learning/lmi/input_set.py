"""Input sets by quadratic constraints (section III-A of the learning paper, Definition 3.1).

Every set is the affine image `x = X (xi, 1)` of the points xi with `(xi, 1)' P_j (xi, 1) >= 0`. For balls, ellipsoids,
boxes and zonotopes xi are the coefficients: their constraints are then exact and well scaled whatever the size of the
set, and flat sets are no exception. For polytopes xi is x. The paper's own form |A x + b| <= 1 (its eq. 8) becomes an
ellipsoid by `ellipsoid_of_norm`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.sets.base import AbstractSet, finite_array
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import norm_up, sum_up, widen_down, widen_up
from nnctrl.sets.zonotope import Zonotope


@dataclass(frozen=True, eq=False)
class InputSet:
    """{X (xi, 1) : (xi, 1)' P_j (xi, 1) >= 0 for all j}, or a part of it.

    `point` X [n, q + 1]; `forms` the P_j [q + 1, q + 1], symmetric. What holds for this set holds for the `source`.
    """

    point: Enclosed
    forms: tuple[Enclosed, ...]
    source: AbstractSet

    @property
    def dim(self) -> int:
        """Dimension n of x."""
        return self.point.shape[0]

    @property
    def coefficients(self) -> int:
        """Number q of coordinates of xi."""
        return self.point.shape[1] - 1

    @property
    def is_round(self) -> bool:
        """Whether the coefficients are those of a unit ball."""
        return isinstance(self.source, Ball | Ellipsoid)

    @property
    def is_implicit(self) -> bool:
        """Whether xi is x itself, known by inequalities only."""
        return isinstance(self.source, Polytope)

    @staticmethod
    def of(source: AbstractSet) -> InputSet:
        """The constraints of a ball, ellipsoid, box, zonotope or polytope; UnsupportedError for other kinds."""
        if isinstance(source, Ball):
            return _ball(source.centre, source.radius * np.eye(source.dim), source)
        if isinstance(source, Ellipsoid):
            return _ball(source.centre, source.shape, source)
        if isinstance(source, Box):
            cube = source.to_zonotope()
            return _cube(cube.centre, cube.generators, source)
        if isinstance(source, Zonotope):
            return _cube(source.centre, source.generators, source)
        if isinstance(source, Polytope):
            return _polytope(source)
        raise UnsupportedError(
            f"a {type(source).__name__} is not known by quadratic constraints; give a ball, an ellipsoid, a box, "
            "a zonotope or a polytope"
        )

    def rows_through(self, weight: Enclosed, bias: Enclosed) -> Enclosed:
        """`W x + b` as rows [m, q + 1] on (xi, 1); `bias` [m, 1]."""
        rows = weight.times(self.point)
        last = Enclosed(rows.middle[:, -1:], rows.radius[:, -1:]).plus(bias)
        return Enclosed(
            np.concatenate([rows.middle[:, :-1], last.middle], axis=1),
            np.concatenate([rows.radius[:, :-1], last.radius], axis=1),
        )

    def range_of(self, rows: Enclosed) -> tuple[FloatArray, FloatArray]:
        """Outer bounds [m] each of `rows` [m, q + 1] (xi, 1) over the set."""
        if isinstance(self.source, Polytope):
            # xi is x itself; the radius of a row costs its product with the bounding box
            box = self.source.bounding_box()
            largest = np.maximum(abs(box.lower), abs(box.upper))
            spare = sum_up(widen_up(rows.radius[:, :-1] * largest), axis=1)
            high = self.source.support(rows.middle[:, :-1])
            low = -self.source.support(-rows.middle[:, :-1])
        else:
            linear = widen_up(abs(rows.middle[:, :-1]) + rows.radius[:, :-1])
            high = norm_up(linear) if self.is_round else sum_up(linear, axis=1)
            low, spare = -high, np.zeros(rows.shape[0])
        middle, radius = rows.middle[:, -1], widen_up(rows.radius[:, -1] + spare)
        return (
            widen_down(widen_down(middle + low, absolute=0.0) - radius),
            widen_up(widen_up(middle + high, absolute=0.0) + radius),
        )


def norm_form(matrix: FloatArray, offset: FloatArray) -> Enclosed:
    """P of {x : |A x + b|_2 <= 1}, `[-A'A, -A'b; -b'A, 1 - b'b]`; `matrix` A [k, n], `offset` b [k].

    The paper's eq. (8) lost the signs of the blocks A'b in print.
    """
    rows = Enclosed.exact(np.concatenate([matrix, offset[:, None]], axis=1))
    corner = np.zeros((matrix.shape[1] + 1, matrix.shape[1] + 1))
    corner[-1, -1] = 1.0
    return Enclosed.exact(corner).minus(rows.transposed.times(rows))


def ellipsoid_of_norm(matrix: ArrayLike, offset: ArrayLike) -> Ellipsoid:
    """An ellipsoid that contains {x : |A x + b|_2 <= 1}, a few roundoffs larger; A [n, n] invertible, b [n].

    With S near A^-1 and c near -A^-1 b, the coefficients v = S^-1 (x - c) of a point with |A x + b| <= 1 satisfy
    A S v = (A x + b) - (A c + b), so |v| <= (1 + |A c + b|) / (1 - |I - A S|). InputError for a singular A.
    """
    a = finite_array(matrix, 2, "the matrix of an ellipsoid |A x + b| <= 1")
    b = finite_array(offset, 1, "the offset of an ellipsoid |A x + b| <= 1")
    if a.shape[0] != a.shape[1] or len(b) != len(a):
        raise DimensionError(f"an ellipsoid |A x + b| <= 1 has A {a.shape} and b {b.shape}; give [n, n] and [n]")
    if not np.linalg.cond(a) < 1e12:
        raise InputError("the matrix of an ellipsoid |A x + b| <= 1 has no inverse, so that it is unbounded; scale it")
    shape = np.asarray(np.linalg.inv(a), dtype=np.float64)
    centre = -shape @ b
    defect = inverse_defect(a, shape)
    rest = Enclosed.exact(a).times(Enclosed.exact(centre[:, None])).plus(Enclosed.exact(b[:, None]))
    missed = float(norm_up(widen_up(abs(rest.middle) + rest.radius, 4.0).ravel()))
    growth = float(widen_up((1.0 + missed) / (1.0 - defect), 16.0))
    # the product with `growth` rounds every entry of the shape, which a factor of the condition number pays for
    condition = float(norm_up(shape.ravel())) * float(norm_up(a.ravel()))
    return Ellipsoid(centre, shape * (growth * (1.0 + 1e-15 * (condition + 8.0))))


def inverse_defect(matrix: FloatArray, inverse: FloatArray) -> float:
    """Upper bound of |I - A S|_2 for two square matrices; InputError where it is not small."""
    product = Enclosed.exact(matrix).times(Enclosed.exact(inverse))
    defect = float(norm_up(widen_up(abs(product.middle - np.eye(len(matrix))) + product.radius, 4.0).ravel()))
    if not defect < 0.01:
        raise InputError("the shape of an ellipsoid is too near to a flat one to be inverted; give it some thickness")
    return defect


def _ball(centre: FloatArray, shape: FloatArray, source: AbstractSet) -> InputSet:
    count = shape.shape[1]
    point = Enclosed.exact(np.concatenate([shape, centre[:, None]], axis=1))
    form = Enclosed.exact(np.diag([-1.0] * count + [1.0]))
    return InputSet(point, (form,), source)


def _cube(centre: FloatArray, generators: FloatArray, source: AbstractSet) -> InputSet:
    count = generators.shape[1]
    point = Enclosed.exact(np.concatenate([generators, centre[:, None]], axis=1))
    forms = []
    for i in range(count):
        diagonal = np.zeros(count + 1)
        diagonal[i], diagonal[-1] = -1.0, 1.0
        forms.append(Enclosed.exact(np.diag(diagonal)))
    return InputSet(point, tuple(forms), source)


def _polytope(source: Polytope) -> InputSet:
    """Products of pairs of the inequalities b_i - a_i x >= 0 and 1 >= 0, different ones."""
    source.bounding_box()  # an unbounded one is refused here
    count = source.dim
    walls = np.concatenate([-source.normals, source.offsets[:, None]], axis=1)
    lines = [*walls, np.eye(count + 1)[count]]
    forms = []
    for j, second in enumerate(lines):
        for first in lines[:j]:
            product = Enclosed.exact(first[:, None]).times(Enclosed.exact(second[None]))
            forms.append(product.symmetric())
    point = Enclosed.exact(np.concatenate([np.eye(count), np.zeros((count, 1))], axis=1))
    return InputSet(point, tuple(forms), source)
