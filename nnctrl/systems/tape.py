"""Tapes: the instruction list of an expression, evaluated over any kind of number.

Dynamics are written once, as a CasADi expression. CasADi turns it into a straight-line program; this module keeps
that program as plain Python data (no CasADi object survives, so tapes travel between processes) and runs it over
NumPy arrays, torch tensors, interval arrays and affine forms alike.

The tape IS the model: constants that Python or CasADi fold while the expression is built (`0.1 * 3 * x`) are folded
in double precision before nnctrl sees them, and the folded double is the constant that verdicts are about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from nnctrl._typing import Array, namespace
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.sets.interval import Interval
from nnctrl.systems.operations import COMPARISONS, OPERATIONS, Value


@dataclass(frozen=True)
class Instruction:
    """`registers[target] = operation(*registers[operands])`; `place` is (argument, entry) of an input or output."""

    operation: str
    operands: tuple[int, ...]
    target: int
    constant: float = 0.0
    place: tuple[int, int] = (0, 0)


class Tape:
    """A straight-line program for batched evaluation, made from a casadi.Function of SX (or of MX that expands).

    Immutable. InputError for free variables and for constants that are not finite; UnsupportedError names an operation
    that jumps or that no arithmetic here has.

    Attributes: `in_sizes` entries of each argument; `out_shapes` (rows, columns) of each output; `nonzeros` the places
    of each output that are computed (all others are 0); `work_size` number of registers; `instructions`.
    """

    name: str
    in_sizes: tuple[int, ...]
    out_shapes: tuple[tuple[int, int], ...]
    nonzeros: tuple[tuple[tuple[int, int], ...], ...]
    work_size: int
    instructions: tuple[Instruction, ...]

    def __init__(self, function: Any) -> None:
        free = list(function.get_free()) if function.has_free() else []
        if free:
            raise InputError(
                f"'{function.name()}' contains the free variable{'s' if len(free) > 1 else ''} {', '.join(free)}; "
                "build it from the arguments x, u, w, p and numbers only"
            )
        if not function.is_a("SXFunction"):
            try:
                function = function.expand()
            except RuntimeError as error:
                raise UnsupportedError(
                    f"'{function.name()}' does not expand to scalar operations; write it with casadi.SX operations"
                ) from error
        outputs = range(function.n_out())
        sparsity = [function.sparsity_out(k) for k in outputs]
        self.name = function.name()
        self.in_sizes = tuple(function.numel_in(k) for k in range(function.n_in()))
        self.out_shapes = tuple(function.size_out(k) for k in outputs)
        self.nonzeros = tuple(tuple(zip(pattern.row(), pattern.get_col(), strict=True)) for pattern in sparsity)
        self.work_size = function.sz_w()
        self.instructions = tuple(_read(function, k) for k in range(function.n_instructions()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tape) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.instructions)

    @staticmethod
    def from_affine(name: str, affine: Affine, in_sizes: tuple[int, ...]) -> Tape:
        """The tape of an exact `W v + b`, v the first arguments stacked; it needs no CasADi."""
        places = [(k, i) for k, size in enumerate(in_sizes) for i in range(size)]
        program = [Instruction("input", (), r, place=place) for r, place in enumerate(places[: affine.in_size])]
        total, term = affine.in_size, affine.in_size + 1
        for row in range(affine.out_size):
            program.append(Instruction("const", (), total, constant=float(affine.bias[row])))
            for column in map(int, np.flatnonzero(affine.weight[row])):
                program.append(Instruction("const", (), term, constant=float(affine.weight[row, column])))
                program.append(Instruction("mul", (term, column), term))
                program.append(Instruction("add", (total, term), total))
            program.append(Instruction("output", (total,), 0, place=(0, row)))
        tape = Tape.__new__(Tape)
        tape.name, tape.in_sizes, tape.out_shapes = name, in_sizes, ((affine.out_size, 1),)
        tape.nonzeros = (tuple((row, 0) for row in range(affine.out_size)),)
        tape.work_size, tape.instructions = term + 1, tuple(program)
        return tape

    def evaluate(self, inputs: Sequence[Sequence[Value]]) -> list[dict[tuple[int, int], Value]]:
        """Run over scalar signals of any kind: `inputs[k][i]` is entry i of input k.

        Returns for each output its structural nonzeros by (row, column); values that depend on no input are floats.
        """
        registers: list[Value] = [0.0] * self.work_size
        results: list[dict[tuple[int, int], Value]] = [{} for _ in self.out_shapes]
        for step in self.instructions:
            if step.operation == "input":
                registers[step.target] = inputs[step.place[0]][step.place[1]]
            elif step.operation == "const":
                registers[step.target] = step.constant
            elif step.operation == "output":
                output, nonzero = step.place
                results[output][self.nonzeros[output][nonzero]] = registers[step.operands[0]]
            else:
                registers[step.target] = OPERATIONS[step.operation](*(registers[k] for k in step.operands))
        return results

    def dependence(self) -> list[set[tuple[int, int]]]:
        """For each output the (input, entry) pairs that its instructions reach: a superset of what it depends on."""
        registers: list[frozenset[tuple[int, int]]] = [frozenset()] * self.work_size
        results: list[set[tuple[int, int]]] = [set() for _ in self.out_shapes]
        for step in self.instructions:
            reached = frozenset().union(*(registers[k] for k in step.operands))
            if step.operation == "output":
                results[step.place[0]] |= reached
            else:
                registers[step.target] = frozenset({step.place}) if step.operation == "input" else reached
        return results

    def bends(self, constant: int) -> bool:
        """Whether some result is, as it is written, not affine in the arguments, of which number `constant` counts as
        constant; whatever values may do.
        """
        degrees = [0] * self.work_size
        for step in self.instructions:
            given = [degrees[k] for k in step.operands]
            if step.operation == "output":
                if given[0] > 1:
                    return True
                continue
            if step.operation == "input":
                degree = int(step.place[0] != constant)
            elif step.operation in ("assign", "add", "sub", "neg", "twice"):
                degree = max(given)
            elif step.operation == "mul":
                degree = sum(given)
            elif step.operation == "div" and not given[1]:
                degree = given[0]
            else:
                degree = 2 if any(given) else 0
            degrees[step.target] = min(degree, 2)
        return False

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """Evaluate over arrays `inputs[k]` [..., size k]: NumPy, or one of torch and intervals beside NumPy, broadcast.

        Returns one array per output, of the richer kind: [..., rows] for a column, [..., rows, columns] for a matrix.
        Outside the domain of a function (log of a negative number) the value is nan, for intervals the whole line.
        Cost: one array operation per instruction.
        """
        if len(inputs) != len(self.in_sizes):
            raise DimensionError(f"'{self.name}' takes {len(self.in_sizes)} arguments but was given {len(inputs)}")
        tensor = next((a for a in inputs if hasattr(a, "new_tensor")), None)
        arrays = [_prepare(array, tensor) for array in inputs]
        if any(isinstance(array, Interval) for array in arrays):
            # what is computed from plain numbers alone must be rounded outward too
            arrays = [array if isinstance(array, Interval) else Interval.point(array) for array in arrays]
        for k, (array, size) in enumerate(zip(arrays, self.in_sizes, strict=True)):
            if array.shape[-1:] != (size,):
                raise DimensionError(
                    f"argument {k} of '{self.name}' has shape {tuple(array.shape)}; its last dimension must be {size}"
                )
        with np.errstate(all="ignore"):
            results = self.evaluate([[array[..., i] for i in range(array.shape[-1])] for array in arrays])
        batch = np.broadcast_shapes(*(tuple(array.shape[:-1]) for array in arrays))
        example = next((a for a in arrays if isinstance(a, Interval)), arrays[0] if tensor is None else tensor)
        return tuple(
            _join([entries.get(place, 0.0) for place in np.ndindex(shape)], shape, batch, example)
            for entries, shape in zip(results, self.out_shapes, strict=True)
        )


def _prepare(array: Array, tensor: Array | None) -> Array:
    """`array` ready to be indexed: intervals and tensors as they are, all else as NumPy or, beside a tensor, as one."""
    if isinstance(array, Interval) or hasattr(array, "new_tensor"):
        return array
    return np.asarray(array, dtype=np.float64) if tensor is None else tensor.new_tensor(array)


def _join(entries: list[Value], shape: tuple[int, int], batch: tuple[int, ...], example: Array) -> Array:
    """The entries of one output, row by row, as an array [*batch, rows(, columns)] of the kind of the example."""
    size = shape if shape[1] != 1 else shape[:1]
    if isinstance(example, Interval):
        # one zero more, so that the shape of the batch is there even if every entry is constant
        joined = Interval.stack([*entries, Interval.point(np.zeros(batch))])[..., :-1]
        return Interval(joined.lower.reshape((*batch, *size)), joined.upper.reshape((*batch, *size)))
    if hasattr(example, "new_tensor"):
        zero = example.new_zeros(batch)
        columns = [zero + entry for entry in entries]
        return (
            namespace(zero).stack(columns, -1).reshape((*batch, *size))
            if columns
            else example.new_zeros((*batch, *size))
        )
    result = np.empty((*batch, len(entries)))
    for k, entry in enumerate(entries):
        result[..., k] = entry
    return result.reshape((*batch, *size))


@lru_cache(maxsize=1)
def _operation_names() -> dict[int, str]:
    import casadi

    return {getattr(casadi, name): name[3:].lower() for name in dir(casadi) if name.startswith("OP_")}


def _read(function: Any, index: int) -> Instruction:
    """One instruction of the CasADi function, refused if nnctrl has no meaning for it."""
    operation = _operation_names()[function.instruction_id(index)]
    operands = tuple(function.instruction_input(index))
    targets = tuple(function.instruction_output(index))
    if operation == "input":
        return Instruction(operation, (), targets[0], place=operands)
    if operation == "output":
        return Instruction(operation, operands, 0, place=targets)
    if operation == "const":
        constant = float(function.instruction_constant(index))
        if not math.isfinite(constant):
            raise InputError(
                f"'{function.name()}' contains the constant {constant}; use finite numbers, and casadi's functions "
                "(casadi.sin) instead of those of the math module, which turn expressions into nan"
            )
        return Instruction(operation, (), targets[0], constant=constant)
    if operation not in OPERATIONS:
        remedy = "use a smooth expression, casadi.fmin or casadi.fmax" if operation in COMPARISONS else "rewrite it"
        kind = "comparison or jump" if operation in COMPARISONS else "operation"
        raise UnsupportedError(
            f"'{function.name()}' uses the {kind} '{operation}', which nnctrl does not support; {remedy}"
        )
    return Instruction(operation, operands, targets[0])
