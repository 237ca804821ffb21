"""Compiled simulation of jet programs at points: floating point, for searches that prove nothing by themselves."""

from __future__ import annotations

import math

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.sets.elementary_kernels import ARCSIN, ARCTAN, COS, COSH, EXP, LOG, RECIPROCAL, SIN, SINH, SQRT, TANH
from nnctrl.sets.monomials import IntArray
from nnctrl.systems.jet_program import ABSOLUTE, ADD, MULTIPLY, SCALE, SHIFT, SQUARE, SUBTRACT


@compiled
def _function(kind: int, x: float) -> float:
    if kind == SIN:
        return math.sin(x)
    if kind == COS:
        return math.cos(x)
    if kind == RECIPROCAL:
        return 1.0 / x if x != 0.0 else math.nan
    if kind == EXP:
        return math.exp(x)
    if kind == LOG:
        return math.log(x) if x > 0.0 else math.nan
    if kind == SQRT:
        return math.sqrt(x) if x >= 0.0 else math.nan
    if kind == TANH:
        return math.tanh(x)
    if kind == ARCTAN:
        return math.atan(x)
    if kind == ARCSIN:
        return math.asin(x) if abs(x) <= 1.0 else math.nan
    if kind == SINH:
        return math.sinh(x)
    if kind == COSH:
        return math.cosh(x)
    return math.nan


@compiled
def evaluate(instructions: IntArray, factors: FloatArray, slots: FloatArray) -> None:
    """The values of all slots [S] from those of arguments and constants."""
    for t in range(instructions.shape[0]):
        if instructions[t, 5] == 1:
            continue
        operation, o, a, b = instructions[t, 0], instructions[t, 1], instructions[t, 2], instructions[t, 3]
        if operation == ADD:
            slots[o] = slots[a] + slots[b]
        elif operation == SUBTRACT:
            slots[o] = slots[a] - slots[b]
        elif operation == MULTIPLY:
            slots[o] = slots[a] * slots[b]
        elif operation == SQUARE:
            slots[o] = slots[a] * slots[a]
        elif operation == SCALE:
            slots[o] = slots[a] * factors[t]
        elif operation == SHIFT:
            slots[o] = slots[a] + factors[t]
        elif operation == ABSOLUTE:
            slots[o] = abs(slots[a])
        else:
            slots[o] = _function(instructions[t, 4], slots[a])


@compiled
def image(
    instructions: IntArray, factors: FloatArray, results: IntArray, slots: FloatArray, arguments: FloatArray
) -> FloatArray:
    """Results [batch, r] for `arguments` [batch, a]; `slots` [S] holds the constants and is overwritten."""
    found = np.empty((arguments.shape[0], results.size))
    for row in range(arguments.shape[0]):
        slots[: arguments.shape[1]] = arguments[row]
        evaluate(instructions, factors, slots)
        for i in range(results.size):
            found[row, i] = slots[results[i]]
    return found


@compiled
def flow(
    instructions: IntArray,
    factors: FloatArray,
    results: IntArray,
    slots: FloatArray,
    arguments: FloatArray,
    period: float,
    pieces: int,
    substeps: int,
) -> FloatArray:
    """States [batch, pieces, n] at equal distances up to `period`, from `arguments` [batch, a] whose first are the
    states, by `substeps` steps of the classical Runge-Kutta method in each piece.
    """
    n, batch = results.size, arguments.shape[0]
    found = np.empty((batch, pieces, n))
    h = period / (pieces * substeps)
    x, slope, total = np.empty(n), np.empty(n), np.empty(n)
    for row in range(batch):
        slots[: arguments.shape[1]] = arguments[row]
        x[:] = arguments[row, :n]
        for piece in range(pieces):
            for _ in range(substeps):
                for stage in range(4):
                    if stage > 0:
                        reach = h if stage == 3 else 0.5 * h
                        for i in range(n):
                            slots[i] = x[i] + reach * slope[i]
                    evaluate(instructions, factors, slots)
                    for i in range(n):
                        slope[i] = slots[results[i]]
                        if stage == 0:
                            total[i] = slope[i]
                        else:
                            total[i] += slope[i] * (1.0 if stage == 3 else 2.0)
                for i in range(n):
                    x[i] += h / 6.0 * total[i]
                    slots[i] = x[i]
            found[row, piece] = x
    return found
