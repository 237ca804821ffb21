"""Tapes over Taylor forms: from the rows of a form to numbers that a tape runs over, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nnctrl.bounds.form_number import FormNumber, SymbolTable, settled
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.sets.interval import Interval
from nnctrl.systems.tape import Tape


def numbers_of(form: TaylorForm) -> tuple[SymbolTable, list[FormNumber]]:
    """The coordinates of a form as numbers over the table of its symbols; gradients are left behind."""
    centre, offset, symbols, rounding, lower, upper, shares = (
        part.detach().numpy()
        for part in (form.centre, form.offset, form.symbols, form.rounding, form.lower, form.upper, form.shares)
    )
    table = SymbolTable(shares)
    unknown = np.isnan(lower) | np.isnan(upper)
    low, high = np.where(unknown, -np.inf, lower), np.where(unknown, np.inf, upper)
    with np.errstate(all="ignore"):
        return table, [
            settled(table, centre[:, i], offset[:, i], symbols[:, i], rounding[:, i], Interval(low[:, i], high[:, i]))
            for i in range(centre.shape[1])
        ]


def form_of(table: SymbolTable, numbers: Sequence[FormNumber]) -> TaylorForm:
    """The form whose coordinates are the numbers, over all symbols of their table."""

    def joined(parts: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(parts, axis=1) if parts else np.zeros((table.batch, 0)))

    symbols = np.zeros((table.batch, len(numbers), table.count))
    for row, number in enumerate(numbers):
        symbols[:, row, : number.symbols.shape[1]] = number.symbols
    return TaylorForm(
        joined([number.centre for number in numbers]),
        joined([number.offset for number in numbers]),
        torch.from_numpy(symbols),
        joined([number.rounding for number in numbers]),
        joined([number.range.lower for number in numbers]),
        joined([number.range.upper for number in numbers]),
        torch.from_numpy(table.shares),
    )


def column_of(tape: Tape, table: SymbolTable, inputs: Sequence[Sequence[FormNumber]]) -> list[FormNumber]:
    """The rows of a tape whose only output is a column, `inputs[k][i]` being entry i of its argument k.

    Outer for the real function of the tape; unknown where that is undefined anywhere on the box. Cost: per instruction
    a few passes over [batch, symbols].
    """
    with np.errstate(all="ignore"):
        (entries,) = tape.evaluate(inputs)
        values = [entries.get((row, 0), 0.0) for row in range(tape.out_shapes[0][0])]
        return [value if isinstance(value, FormNumber) else table.constant(float(value)) for value in values]
