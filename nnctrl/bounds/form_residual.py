"""What operations that are not linear make of first-order forms: a line, and a new symbol for what it misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.bounds.form_number import FormNumber, interval_or_line, settled
from nnctrl.sets.elementary import BoolArray
from nnctrl.sets.interval import Interval
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, grow_up, widen_up


class Term(NamedTuple):
    """`slope * (number - point)`, slope and point [batch]."""

    slope: FloatArray
    number: FormNumber
    point: FloatArray


def bent(terms: Sequence[Term], value: FloatArray, residual: Interval, image: Interval) -> FormNumber:
    """`value + sum of the terms + residual` with a new symbol for the residual; it also lies in `image`.

    Where the residual is as wide as the image itself the terms are left out: a line that explains nothing.
    """
    table = terms[0].number.table
    alone = image - value
    flat = ~(residual.radius < alone.radius)
    residual = interval_or_line(
        np.where(flat, alone.lower, residual.lower), np.where(flat, alone.upper, residual.upper)
    )
    count = table.count
    symbols, offset = np.zeros((table.batch, count)), residual.middle
    error, share = np.zeros(table.batch), np.zeros((table.batch, table.inputs))
    for slope, number, point in terms:
        slope = np.where(flat, 0.0, slope)
        moved = number.offset + (number.centre - point)
        size = np.abs(slope) * (np.abs(number.offset) + np.abs(number.centre - point) + number.spread)
        offset = offset + slope * moved
        symbols = symbols + slope[:, None] * number.padded(count)
        # products and sums, the last of them with the middle of the residual
        error = error + np.abs(slope) * number.rounding + (8.0 * UNIT_ROUNDOFF) * (size + np.abs(residual.middle))
        share = share + table.blame(number.symbols) / len(terms)
    width = grow_up(residual.radius + error + TINY, 12)
    table.add(share)
    columns = np.concatenate([symbols, width[:, None]], axis=1)
    return settled(table, value, offset, columns, np.zeros(table.batch), image)


def choose(where: BoolArray, first: FormNumber, second: FormNumber) -> FormNumber:
    """The first number where the condition [batch] holds, else the second."""
    count = max(first.symbols.shape[1], second.symbols.shape[1])
    pairs = ((first.centre, second.centre), (first.offset, second.offset), (first.rounding, second.rounding))
    centre, offset, rounding = (np.where(where, *pair) for pair in pairs)
    hull = interval_or_line(
        np.where(where, first.range.lower, second.range.lower), np.where(where, first.range.upper, second.range.upper)
    )
    symbols = np.where(where[:, None], first.padded(count), second.padded(count))
    return settled(first.table, centre, offset, symbols, rounding, hull)


def product(a: FormNumber, b: FormNumber) -> FormNumber:
    """The product of two numbers: `c1 c2 + c2 d1 + c1 d2`, and the range of d1 d2."""
    value = Interval.point(a.centre) * b.centre
    error = value - value.middle
    residual = error + a.about(a.centre) * b.about(b.centre)
    residual = residual.intersection(error + _product_of_deviations(a, b))
    terms = [Term(b.centre, a, a.centre), Term(a.centre, b, b.centre)]
    return bent(terms, value.middle, residual, a.range * b.range)


def _product_of_deviations(a: FormNumber, b: FormNumber) -> Interval:
    """Range of (a - its centre)(b - its centre) by `4 q s t = (q s + t)^2 - (q s - t)^2`, q > 0 making both alike: it
    sees what the two have in common.
    """
    sizes = [np.abs(n.offset) + n.spread + n.rounding for n in (a, b)]
    with_both = (sizes[0] > 0.0) & (sizes[1] > 0.0) & np.isfinite(sizes[0]) & np.isfinite(sizes[1])
    q = np.clip(np.where(with_both, sizes[1], 1.0) / np.where(with_both, sizes[0], 1.0), 1e-100, 1e100)
    count = max(a.symbols.shape[1], b.symbols.shape[1])
    mine, theirs = q[:, None] * a.padded(count), b.padded(count)
    slack = q * a.rounding + b.rounding + (4.0 * UNIT_ROUNDOFF) * (q * sizes[0] + sizes[1]) + TINY
    squares = []
    for sign in (1.0, -1.0):
        middle = np.abs(q * a.offset + sign * b.offset)
        reach = grow_up(middle + np.abs(mine + sign * theirs).sum(axis=1) + slack, count + 8)
        squares.append(widen_up(widen_up(reach * reach) / q) * 0.25 + TINY)
    return interval_or_line(-squares[1], squares[0])
