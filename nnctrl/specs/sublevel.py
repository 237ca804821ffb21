"""Sets given by an inequality between expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nnctrl.errors import InputError
from nnctrl.systems.tape import Tape


@dataclass(frozen=True, eq=False)
class Sublevel:
    """`{z : expression(z) <= 0}`, closed; `expression` maps a CasADi column of `dim` scalars to a CasADi scalar.

    Example: `Sublevel(lambda z: casadi.norm_2(z) - 1, dim=2)` is the unit disc. The margin is -expression inside and
    +expression outside, in the expression's own unit.
    """

    expression: Callable[[Any], Any] = field(repr=False)
    dim: int

    @cached_property
    def value_tape(self) -> Tape:
        """Tape of the expression."""
        return Tape(self._function()[0])

    @cached_property
    def gradient_tape(self) -> Tape:
        """Tape of its gradient, a column of `dim` entries."""
        return Tape(self._function()[1])

    def _function(self) -> tuple[Any, Any]:
        import casadi

        column = casadi.SX.sym("z", self.dim)
        try:
            value = casadi.SX(self.expression(column))
        except (RuntimeError, TypeError, NotImplementedError, IndexError) as error:
            raise InputError(
                f"the inequality cannot be evaluated on {self.dim} CasADi scalars "
                f"({str(error).strip().splitlines()[-1]}); use casadi's functions and indices below the dimension"
            ) from error
        if not value.is_scalar():
            raise InputError(f"the inequality has {value.numel()} entries; return one CasADi scalar")
        options = {"allow_free": True}
        return (
            casadi.Function("inequality", [column], [value], options),
            casadi.Function("inequality_gradient", [column], [casadi.gradient(value, column)], options),
        )
