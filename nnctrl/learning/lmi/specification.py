"""m-way specifications of the learning paper (its eq. 9): `[x; y; 1]' S_i [x; y; 1] <= 0` for i = 1..m, jointly in the
input x and the output y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.lmi.enclosed import Enclosed, stacked
from nnctrl.learning.lmi.input_set import inverse_defect, norm_form
from nnctrl.sets.base import finite_array
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.rounding import widen_down

CONVEX = 1e-9
"""A form counts as convex in y if no eigenvalue of its part in y is below minus this share of its largest entry."""


@dataclass(frozen=True, eq=False)
class Specification:
    """`forms` are the S_i [nx + ny + 1, nx + ny + 1], symmetric; `in_size` is nx.

    The radii of the forms, symmetric too, belong to the claim: it is made for every matrix that they enclose.
    InputError for forms that are not finite or not symmetric, and for negative radii.
    """

    forms: tuple[Enclosed, ...]
    in_size: int

    def __post_init__(self) -> None:
        if not self.forms:
            raise InputError("a specification has no inequality; give at least one")
        sizes = {form.shape for form in self.forms}
        rows, columns = next(iter(sizes))
        if len(sizes) > 1 or rows != columns or rows < self.in_size + 2:
            raise DimensionError(
                f"the matrices of a specification with {self.in_size} inputs have shapes {sorted(sizes)}; give square "
                "ones of one size, inputs + outputs + 1"
            )
        for form in self.forms:
            _check(form)

    @property
    def out_size(self) -> int:
        """Number of outputs ny."""
        return self.forms[0].shape[0] - self.in_size - 1

    @staticmethod
    def of(matrices: Sequence[ArrayLike], in_size: int) -> Specification:
        """From the matrices S_i themselves, without radii."""
        forms = []
        for matrix in matrices:
            values = finite_array(matrix, 2, "a matrix of a specification")
            forms.append(Enclosed.exact(values))
        return Specification(tuple(forms), in_size)

    @staticmethod
    def norm(matrix: ArrayLike, offset: ArrayLike, in_size: int) -> Specification:
        """|C y + d|_2 <= 1 (the paper's eq. 10); `matrix` C [k, ny], `offset` d [k]."""
        c = finite_array(matrix, 2, "the matrix C of |C y + d| <= 1")
        d = finite_array(offset, 1, "the offset d of |C y + d| <= 1")
        if len(d) != len(c):
            raise DimensionError(f"|C y + d| <= 1 has a matrix {c.shape} and an offset of {len(d)} entries")
        form = norm_form(c, d)
        padding = np.eye(in_size + c.shape[1] + 1)[in_size:]
        return Specification((Enclosed(-form.middle, form.radius).symmetric().placed(padding),), in_size)

    @staticmethod
    def reach(target: Ball | Ellipsoid, in_size: int) -> Specification:
        """y in a ball or an ellipsoid with a regular square shape S.

        With C near S^-1, |C (y - c)| <= 1 - |I - C S| is sufficient, and it is what is asked for.
        """
        shape = target.radius * np.eye(target.dim) if isinstance(target, Ball) else target.shape
        if shape.shape[0] != shape.shape[1] or not np.linalg.cond(shape) < 1e12:
            raise UnsupportedError("an output set is a flat ellipsoid; give one with a regular square shape")
        inverse = np.asarray(np.linalg.inv(shape), dtype=np.float64)
        level = float(widen_down(np.float64(1.0 - inverse_defect(inverse, shape)), 4.0))
        centred = np.concatenate([np.eye(target.dim), -target.centre[:, None]], axis=1)
        rows = Enclosed.exact(inverse).times(Enclosed.exact(centred))
        corner = np.zeros((target.dim + 1, target.dim + 1))
        corner[-1, -1] = widen_down(np.float64(level * level), 4.0)
        # the radii of a product are summed in an order that need not be symmetric
        form = rows.transposed.times(rows).minus(Enclosed.exact(corner)).symmetric()
        padding = np.eye(in_size + target.dim + 1)[in_size:]
        return Specification((form.placed(padding),), in_size)

    @staticmethod
    def tracking(gain: ArrayLike, tolerance: float, offset: ArrayLike | None = None) -> Specification:
        """|y - K x - k|_2 <= tolerance; `gain` K [ny, nx], `offset` k [ny] (0 by default)."""
        k = finite_array(gain, 2, "the gain K of |y - K x - k| <= tolerance")
        shift = np.zeros(len(k)) if offset is None else finite_array(offset, 1, "the offset k of |y - K x - k|")
        if not tolerance > 0.0 or len(shift) != len(k):
            raise InputError(f"the tolerance of |y - K x - k| is {tolerance}; give a positive number, and k like y")
        rows = Enclosed.exact(np.concatenate([-k, np.eye(len(k)), -shift[:, None]], axis=1))
        corner = np.zeros((rows.shape[1], rows.shape[1]))
        corner[-1, -1] = widen_down(np.float64(tolerance * tolerance), 2.0)
        return Specification((rows.transposed.times(rows).minus(Enclosed.exact(corner)).symmetric(),), k.shape[1])

    @staticmethod
    def bounded(limits: ArrayLike, in_size: int) -> Specification:
        """|y_i| <= limits_i for every output: one inequality each."""
        bounds = finite_array(limits, 1, "the limits of the outputs")
        if not (bounds > 0.0).all():
            raise InputError(f"a limit of an output is {bounds.min()}; give positive numbers")
        size = in_size + len(bounds) + 1
        forms = []
        for i, bound in enumerate(bounds):
            form = np.zeros((size, size))
            form[in_size + i, in_size + i] = 1.0
            form[-1, -1] = -widen_down(np.float64(bound * bound), 2.0)
            forms.append(Enclosed.exact(form))
        return Specification(tuple(forms), in_size)

    def both(self, other: Specification) -> Specification:
        """This and the other: the intersection of what they allow."""
        if (other.in_size, other.out_size) != (self.in_size, self.out_size):
            raise DimensionError("two specifications of different inputs or outputs are combined; give equal sizes")
        return Specification((*self.forms, *other.forms), self.in_size)

    def through(self, state: ArrayLike, control: ArrayLike, offset: ArrayLike) -> Specification:
        """The specification of u for which `y = F x + G u + c` meets this one: one step of a linear plant.

        `state` F [ny, nx], `control` G [ny, m], `offset` c [ny]. What is convex in y stays convex in u.
        """
        f = finite_array(state, 2, "the state matrix of a plant")
        g = finite_array(control, 2, "the input matrix of a plant")
        c = finite_array(offset, 1, "the offset of a plant")
        if f.shape != (self.out_size, self.in_size) or g.shape[0] != self.out_size or len(c) != self.out_size:
            raise DimensionError(
                f"a plant with F {f.shape}, G {g.shape} and c of {len(c)} entries comes before a specification of "
                f"{self.out_size} outputs for {self.in_size} inputs; they must agree"
            )
        count, width = self.in_size, g.shape[1]
        moved = np.concatenate([f, g, c[:, None]], axis=1)
        unit = np.eye(count + width + 1)
        lift = Enclosed.exact(np.concatenate([unit[:count], moved, unit[-1:]]))
        return Specification(tuple(lift.around(form).symmetric() for form in self.forms), count)

    def around(self, point: Enclosed, output: Enclosed) -> list[Enclosed]:
        """The forms in the variables chi (last entry 1) that `point` [nx, N] and `output` [ny, N] are linear in."""
        one = np.zeros((1, point.shape[1]))
        one[0, -1] = 1.0
        rows = stacked([point, output, Enclosed.exact(one)])
        return [rows.around(form) for form in self.forms]

    def values(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """`[x; y; 1]' S_i [x; y; 1]` [..., m] in floating point; positive ones violate."""
        joint = np.concatenate([x, y, np.ones((*x.shape[:-1], 1))], axis=-1)
        return np.stack([((joint @ form.middle) * joint).sum(-1) for form in self.forms], axis=-1)

    def factor(self, index: int) -> FloatArray:
        """R [r, ny] with R'R near the part of S_i in y, in floating point; UnsupportedError if there is none."""
        outputs = slice(self.in_size, self.in_size + self.out_size)
        part = self.forms[index].middle[outputs, outputs]
        values, vectors = np.linalg.eigh(part)
        if values.min() < -CONVEX * abs(part).max():
            raise UnsupportedError(
                f"inequality {index} of the specification is not convex in the output; it can be certified for a given "
                "network but not synthesised for"
            )
        kept = values > CONVEX * max(abs(part).max(), np.finfo(float).tiny)
        return np.sqrt(values[kept])[:, None] * vectors[:, kept].T


def _check(form: Enclosed) -> None:
    """InputError unless the form is what every bound of `[z; 1]' S [z; 1]` takes it to be."""
    if not (np.isfinite(form.middle).all() and np.isfinite(form.radius).all()):
        raise InputError("a matrix of a specification has entries or radii that are not finite; scale it down")
    if not (np.array_equal(form.middle, form.middle.T) and np.array_equal(form.radius, form.radius.T)):
        raise InputError("a matrix of a specification, or its radii, is not symmetric; give (S + S') / 2")
    if form.radius.min() < 0.0:
        raise InputError(f"a radius of a matrix of a specification is {form.radius.min()}; give none below 0")
