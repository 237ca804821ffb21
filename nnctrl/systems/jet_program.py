"""Tapes rewritten for compiled loops over truncated power series in time ("jets").

A program works on slots, each holding one signal: first the arguments of the tape, then constants, then results. Every
function whose series needs a recurrence is reduced to one rule: for `y = f(x)` with `y' = factor * d * x'`,

    y_k = factor / k * sum_(i=1..k) i x_i d_(k-i),

where d is a slot of the program too (d = cos x for the sine, d = y^2 and factor -1 for the reciprocal, ...). Orders are
computed one after the other, so d may stand behind y (Griewank and Walther, Evaluating Derivatives, 2nd ed., table
13.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.sets.monomials import BoolArray, IntArray
from nnctrl.systems.operations import MAX_POWER
from nnctrl.systems.tape import Tape

ADD, SUBTRACT, MULTIPLY, SQUARE, SCALE, SHIFT, FUNCTION, ABSOLUTE = range(8)
"""Instructions: SCALE multiplies by its factor, SHIFT adds it, FUNCTION is elementary, with the rule above."""

FUNCTIONS = ("sin", "cos", "inv", "exp", "log", "sqrt", "tanh", "atan", "asin", "sinh", "cosh")
"""In the order of the codes of `elementary_kernels`."""

_NAMES = ("+", "-", "*", "square", "scaling", "shift", "", "fabs")


@dataclass(frozen=True, eq=False)
class JetProgram:
    """See the module.

    `instructions` [T, 6]: operation, target, first and second operand (of FUNCTION: x and d), function, and 1 if it is
    needed for orders above 0 of what moves only. `factors` [T]. `constants` [c, 2]: ends of the constants, which follow
    the `arguments` in the slots. `results` [r]: the slots of the tape's results, in order. `moving` [S]: which slots
    depend on the first argument.
    """

    arguments: int
    slots: int
    instructions: IntArray
    factors: FloatArray
    constants: FloatArray
    results: IntArray
    moving: BoolArray

    def is_kink(self, instruction: int) -> bool:
        """Whether an instruction has no series where its argument may be 0."""
        return bool(self.instructions[instruction, 0] == ABSOLUTE)

    def name(self, instruction: int) -> str:
        """What the plant's author would call an instruction."""
        operation, *_, function, derivative = self.instructions[instruction]
        if derivative:
            # it stands behind the function whose derivative it helps with, which has none here: the root at 0
            before = self.instructions[:instruction]
            users = before[(before[:, 0] == FUNCTION) & (before[:, 5] == 0), 4]
            function = users[-1] if len(users) else function
        return FUNCTIONS[function] if operation == FUNCTION else _NAMES[operation]


@lru_cache(maxsize=64)
def jet_program(tape: Tape) -> JetProgram:
    """The program of a tape with one column of results; UnsupportedError names an operation that it cannot treat."""
    return _Lowering(tape).program()


class _Lowering:
    """Slots and instructions in the making; equal results share a slot."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.arguments = sum(tape.in_sizes)
        self.code: list[tuple[int, int, int, int, int]] = []
        self.factors: list[float] = []
        self.known: dict[tuple[int, int, int, int, float], int] = {}
        self.functions: dict[tuple[int, int], int] = {}
        self.constants: dict[tuple[float, float], int] = {}
        self.values: dict[int, float] = {}
        # constants are numbered apart, from -1 down, until their number is known
        self.next = self.arguments

    def program(self) -> JetProgram:
        starts = np.cumsum([0, *self.tape.in_sizes])
        registers: list[int] = [self.constant(0.0)] * self.tape.work_size
        results = [self.constant(0.0)] * self.tape.out_shapes[0][0]
        for step in self.tape.instructions:
            operands = [registers[k] for k in step.operands]
            if step.operation == "input":
                registers[step.target] = int(starts[step.place[0]]) + step.place[1]
            elif step.operation == "const":
                registers[step.target] = self.constant(step.constant)
            elif step.operation == "output":
                if step.place[0] == 0:
                    results[self.tape.nonzeros[0][step.place[1]][0]] = operands[0]
            else:
                registers[step.target] = self.apply(step.operation, operands)
        return self._finished(results)

    def _finished(self, results: list[int]) -> JetProgram:
        count = len(self.constants)
        place = {slot: self.arguments + k for k, slot in enumerate(self.constants.values())}

        def final(slot: int) -> int:
            return place[slot] if slot < 0 else slot if slot < self.arguments else slot + count

        needed = {final(slot) for slot in results}
        for operation, target, a, b, _ in reversed(self.code):
            if final(target) in needed:
                needed.update([final(a)] if operation in (FUNCTION, ABSOLUTE) else [final(a), final(b)])
        rows = [(o, final(t), final(a), final(b), f, int(final(t) not in needed)) for o, t, a, b, f in self.code]
        moving = np.zeros(self.next + count, dtype=np.bool_)
        moving[: self.tape.in_sizes[0]] = True
        for operation, target, a, b, *_ in rows:
            # the derivative of a function moves with its argument
            moving[target] = moving[a] or (operation != FUNCTION and moving[b])
        return JetProgram(
            self.arguments,
            self.next + count,
            np.array(rows, dtype=np.int64).reshape(len(rows), 6),
            np.array(self.factors, dtype=np.float64),
            np.array(list(self.constants), dtype=np.float64).reshape(count, 2),
            np.array([final(slot) for slot in results], dtype=np.int64),
            moving,
        )

    def constant(self, low: float, high: float | None = None) -> int:
        """The slot of a constant known to lie between two doubles."""
        ends = (low, low if high is None else high)
        slot = self.constants.setdefault(ends, -1 - len(self.constants))
        if ends[0] == ends[1]:
            self.values[slot] = ends[0]
        return slot

    def emit(self, operation: int, a: int, b: int | None = None, factor: float = 0.0, function: int = 0) -> int:
        """The slot of a result."""
        second = a if b is None else b
        key = (operation, a, second, function, factor)
        if key not in self.known:
            self.known[key] = self.next
            self.code.append((operation, self.next, a, second, function))
            self.factors.append(factor)
            self.next += 1
        return self.known[key]

    def apply(self, operation: str, operands: list[int]) -> int:
        """One operation of a tape."""
        rules: dict[str, Callable[..., int]] = {
            "assign": lambda a: a,
            "add": self.add,
            "sub": self.subtract,
            "mul": self.multiply,
            "div": lambda a, b: self.multiply(a, self.function("inv", b)),
            "neg": lambda a: self.scale(a, -1.0),
            "twice": lambda a: self.scale(a, 2.0),
            "sq": lambda a: self.emit(SQUARE, a),
            "fabs": lambda a: self.emit(ABSOLUTE, a),
            "pow": self.power,
            "constpow": self.power,
            "fmin": lambda a, b: self.extreme(a, b, -0.5),
            "fmax": lambda a, b: self.extreme(a, b, 0.5),
            "tan": lambda a: self.multiply(self.function("sin", a), self.function("inv", self.function("cos", a))),
            "acos": lambda a: self.subtract(
                self.constant(0.5 * math.pi, math.nextafter(0.5 * math.pi, 2.0)), self.function("asin", a)
            ),
            "atan2": self.angle,
        }
        if operation in rules:
            return rules[operation](*operands)
        if operation in FUNCTIONS:
            return self.function(operation, *operands)
        raise UnsupportedError(f"'{self.tape.name}' uses the operation '{operation}', which has no power series here")

    def add(self, a: int, b: int) -> int:
        if a in self.values:
            a, b = b, a
        return self.emit(SHIFT, a, factor=self.values[b]) if b in self.values else self.emit(ADD, a, b)

    def subtract(self, a: int, b: int) -> int:
        if b in self.values:
            return self.emit(SHIFT, a, factor=-self.values[b])
        if a in self.values:
            return self.emit(SHIFT, self.scale(b, -1.0), factor=self.values[a])
        return self.emit(SUBTRACT, a, b)

    def scale(self, a: int, factor: float) -> int:
        return self.emit(SCALE, a, factor=factor)

    def multiply(self, a: int, b: int) -> int:
        if a in self.values:
            a, b = b, a
        if b in self.values:
            return self.scale(a, self.values[b])
        return self.emit(SQUARE, a) if a == b else self.emit(MULTIPLY, a, b)

    def extreme(self, a: int, b: int, sign: float) -> int:
        """(a + b) / 2 +- |a - b| / 2."""
        distance = self.emit(ABSOLUTE, self.subtract(a, b))
        return self.add(self.scale(self.add(a, b), 0.5), self.scale(distance, sign))

    def angle(self, y: int, x: int) -> int:
        """2 atan(y / (|(x, y)| + x)): atan2 wherever that is defined, thus everywhere but on its cut."""
        length = self.function("sqrt", self.add(self.emit(SQUARE, x), self.emit(SQUARE, y)))
        ratio = self.multiply(y, self.function("inv", self.add(length, x)))
        return self.scale(self.function("atan", ratio), 2.0)

    def power(self, base: int, exponent: int) -> int:
        """Whole powers by repeated squaring, others by exp and log."""
        number = self.values.get(exponent)
        if number is None or not (number.is_integer() and abs(number) <= MAX_POWER):
            return self.function("exp", self.multiply(self.function("log", base), exponent))
        if number == 0.0:
            return self.constant(1.0)
        result, square, left = None, base, int(abs(number))
        while left:
            if left % 2:
                result = square if result is None else self.multiply(result, square)
            left //= 2
            if left:
                square = self.emit(SQUARE, square)
        if result is None:
            raise ValueError("a power without factors")
        return self.function("inv", result) if number < 0.0 else result

    def function(self, name: str, x: int) -> int:
        """An elementary function and the slot of its derivative."""
        code = FUNCTIONS.index(name)
        if (code, x) in self.functions:
            return self.functions[code, x]
        y = self.functions[code, x] = self.next
        position = len(self.code)
        self.code.append((FUNCTION, y, x, y, code))
        self.factors.append(1.0)
        self.next += 1
        factor, d = self._derivative(name, x, y)
        self.code[position] = (FUNCTION, y, x, d, code)
        self.factors[position] = factor
        return y

    def _derivative(self, name: str, x: int, y: int) -> tuple[float, int]:
        """(factor, d) with y' = factor d x'."""
        partner = {"sin": ("cos", 1.0), "cos": ("sin", -1.0), "sinh": ("cosh", 1.0), "cosh": ("sinh", 1.0)}
        if name in partner:
            return partner[name][1], self.function(partner[name][0], x)
        if name == "inv":
            return -1.0, self.emit(SQUARE, y)
        if name == "exp":
            return 1.0, y
        if name == "log":
            return 1.0, self.function("inv", x)
        if name == "sqrt":
            return 0.5, self.function("inv", y)
        if name == "tanh":
            return 1.0, self.emit(SHIFT, self.scale(self.emit(SQUARE, y), -1.0), factor=1.0)
        square = self.emit(SQUARE, x)
        if name == "atan":
            return 1.0, self.function("inv", self.emit(SHIFT, square, factor=1.0))
        inside = self.emit(SHIFT, self.scale(square, -1.0), factor=1.0)
        return 1.0, self.function("inv", self.function("sqrt", inside))
