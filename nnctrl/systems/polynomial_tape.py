"""Tapes on polynomial zonotopes: results stay functions of the symbols of the arguments."""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import widen_up
from nnctrl.systems.jet_kernels import polynomial_jets
from nnctrl.systems.jet_program import jet_program
from nnctrl.systems.tape import Tape


@np.errstate(all="ignore")  # what overflows is unknown, and its radius says so
def polynomial_image(tape: Tape, rows: PolynomialZonotope) -> PolynomialZonotope:
    """An enclosure of the results of `tape` (one column), over the same symbols; `rows` are its arguments, stacked.

    Where the tape is undefined on a part of the rows all radii are infinite. UnsupportedError for operations that the
    polynomial engine does not have. Cost: a fused pass over the pairs of monomials for each product.
    """
    program, basis = jet_program(tape), rows.basis
    failed, c, g, r = _evaluated(tape, rows)
    radius = r[program.results, 0]
    if failed >= 0:
        radius = np.full(len(radius), np.inf)
    return PolynomialZonotope(basis, c[program.results, 0], g[program.results, 0], radius)


@np.errstate(all="ignore")
def undefined_operation(tape: Tape, rows: PolynomialZonotope) -> str | None:
    """The first operation of `tape` that is not defined on all of the rows, by the name that its author knows."""
    failed, *_ = _evaluated(tape, rows)
    return jet_program(tape).name(failed) if failed >= 0 else None


def _evaluated(tape: Tape, rows: PolynomialZonotope) -> tuple[int, FloatArray, FloatArray, FloatArray]:
    """The instruction that is undefined, or -1, and the rows of all slots."""
    program, basis = jet_program(tape), rows.basis
    if rows.dim != program.arguments:
        raise DimensionError(f"'{tape.name}' takes {program.arguments} values but was given {rows.dim} rows")
    c = np.zeros((program.slots, 1, basis.size))
    g = np.zeros((program.slots, 1, rows.generators.shape[1]))
    r = np.zeros((program.slots, 1))
    c[: rows.dim, 0], g[: rows.dim, 0], r[: rows.dim, 0] = rows.coefficients, rows.generators, rows.radius
    place_constants(program.constants, program.arguments, c, r)
    failed = polynomial_jets(
        program.instructions, program.factors, program.moving, program.results, False, 0, basis.degree + 1, c, g, r,
        basis.even, basis.products, basis.offsets, basis.counts,
    )  # fmt: skip
    return failed, c, g, r


def place_constants(constants: np.ndarray, first: int, c: np.ndarray, r: np.ndarray) -> None:
    """Write constants known between two doubles into the slots from `first` on."""
    last = first + len(constants)
    middle = 0.5 * constants[:, 0] + 0.5 * constants[:, 1]
    c[first:last, 0, 0] = middle
    reach = np.maximum(constants[:, 1] - middle, middle - constants[:, 0])
    r[first:last, 0] = np.where(reach == 0.0, 0.0, widen_up(reach))
