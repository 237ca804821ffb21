"""Tapes with 60 digits, and random ones over every operation: the referee of plants that are not affine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import casadi
import mpmath
import numpy as np

from nnctrl.errors import InputError
from nnctrl.systems.tape import Tape

mpmath.mp.dps = 60

LARGEST = mpmath.mpf(10) ** 300


class UndefinedError(Exception):
    """The expression has no real value at this point."""


class TooLargeError(Exception):
    """The expression's value is beyond the doubles at this point, or in between."""


def _log(a: mpmath.mpf) -> mpmath.mpf:
    if a <= 0:
        raise UndefinedError
    return mpmath.log(a)


def _divide(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
    if b == 0:
        raise UndefinedError
    return a / b


def _power(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
    if b == int(b) and abs(b) <= 64:
        return _divide(mpmath.mpf(1), a ** int(-b)) if b < 0 else a ** int(b)
    return _exp(b * _log(a))


def _exp(a: mpmath.mpf) -> mpmath.mpf:
    if a > 690:
        raise TooLargeError
    return mpmath.exp(a)


def _inside(function: Callable[[mpmath.mpf], mpmath.mpf], low: float, high: float) -> Callable[..., mpmath.mpf]:
    def apply(a: mpmath.mpf) -> mpmath.mpf:
        if not low <= a <= high:
            raise UndefinedError
        return function(a)

    return apply


def _grown(function: Callable[[mpmath.mpf], mpmath.mpf]) -> Callable[..., mpmath.mpf]:
    def apply(a: mpmath.mpf) -> mpmath.mpf:
        if abs(a) > 690:
            raise TooLargeError
        return function(a)

    return apply


MEANING: dict[str, Callable[..., mpmath.mpf]] = {
    "assign": lambda a: a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divide,
    "neg": lambda a: -a,
    "twice": lambda a: 2 * a,
    "inv": lambda a: _divide(mpmath.mpf(1), a),
    "sq": lambda a: a * a,
    "fabs": abs,
    "pow": _power,
    "constpow": _power,
    "fmin": min,
    "fmax": max,
    "atan2": lambda a, b: mpmath.atan2(a, b) if a or b else mpmath.mpf(0),
    "sqrt": _inside(mpmath.sqrt, 0.0, float("inf")),
    "exp": _exp,
    "log": _log,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "sinh": _grown(mpmath.sinh),
    "cosh": _grown(mpmath.cosh),
    "tanh": lambda a: mpmath.sign(a) if abs(a) > 1000 else mpmath.tanh(a),
    "asin": _inside(mpmath.asin, -1.0, 1.0),
    "acos": _inside(mpmath.acos, -1.0, 1.0),
    "atan": mpmath.atan,
}
"""Every operation of a tape, from its mathematical meaning."""


def exact_column(tape: Tape, inputs: Sequence[Sequence[mpmath.mpf]]) -> list[mpmath.mpf | None]:
    """The rows of a tape whose output is one column, None where one is undefined.

    TooLargeError where some value on the way leaves the range of doubles.
    """
    registers: list[Any] = [mpmath.mpf(0)] * tape.work_size
    rows: list[Any] = [mpmath.mpf(0)] * tape.out_shapes[0][0]
    for step in tape.instructions:
        operands = [registers[k] for k in step.operands]
        if step.operation == "input":
            registers[step.target] = inputs[step.place[0]][step.place[1]]
        elif step.operation == "const":
            registers[step.target] = mpmath.mpf(step.constant)
        elif step.operation == "output":
            rows[tape.nonzeros[0][step.place[1]][0]] = operands[0]
        elif any(value is None for value in operands):
            registers[step.target] = None
        else:
            try:
                value = MEANING[step.operation](*operands)
            except UndefinedError:
                value = None
            if value is not None and abs(value) > LARGEST:
                raise TooLargeError
            registers[step.target] = value
    return rows


def tape_of(expressions: Callable[[Any], Sequence[Any]], size: int) -> Tape:
    """The tape of expressions of a column of `size` variables."""
    x = casadi.SX.sym("x", size)
    return Tape(casadi.Function("f", [x], [casadi.vertcat(*(casadi.SX(e) for e in expressions(x)))]))


UNARY = ("sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "fabs")


def random_expression(rng: np.random.Generator, x: Any, depth: int) -> Any:
    """A random expression tree over the entries of x; arguments are often put where the function is defined."""
    if depth == 0 or rng.random() < 0.1:
        # never a constant alone: CasADi would fold its functions, in doubles and to nan where undefined
        leaf = x[int(rng.integers(x.numel()))]
        return leaf if rng.random() < 0.8 else float(rng.normal()) - leaf
    a = random_expression(rng, x, depth - 1)
    if rng.random() < 0.5:
        name = str(rng.choice([*UNARY, "square", "power", "root"]))
        tame = rng.random() < 0.8
        if name == "square":
            return a**2
        if name == "power":
            return a ** int(rng.choice([-3, -2, -1, 3, 4, 5, 7]))
        if name == "root":
            return (0.1 + a**2 if tame else a) ** float(rng.choice([0.5, 1.5, -0.5, 2.7]))
        if tame and name in ("sqrt", "log"):
            a = casadi.fabs(a) + 0.01
        elif tame and name in ("asin", "acos"):
            a = casadi.sin(a) if rng.random() < 0.5 else casadi.tanh(a)
        elif tame and name in ("exp", "sinh", "cosh", "tan"):
            a = 1.2 * casadi.tanh(a)
        return getattr(casadi, name)(a)
    b = random_expression(rng, x, depth - 1)
    kind = int(rng.integers(9))
    if kind == 4:
        return a / (1.5 + casadi.sin(b)) if rng.random() < 0.6 else a / b
    if kind == 8:
        return (0.5 + casadi.fabs(a)) ** casadi.sin(b)
    pairs = [a + b, a - b, a * b, a * b + a, None, casadi.fmin(a, b), casadi.fmax(a, b), casadi.atan2(a, b)]
    return pairs[kind]


def random_tape(rng: np.random.Generator, size: int, rows: int, depth: int) -> Tape:
    """The tape of `rows` random expressions of `size` variables."""
    while True:
        try:
            return tape_of(lambda x: [random_expression(rng, x, depth) for _ in range(rows)], size)
        except InputError:
            # 1 / (a - a): CasADi simplified it to a constant that is not finite
            continue
