"""Sets given by an inequality between expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.systems.tape import Tape


@dataclass(frozen=True, eq=False)
class Sublevel:
    """`{z : expression(z) <= 0}`, closed; `expression` maps a CasADi column of `dim` scalars to a CasADi scalar.

    Smooth expressions are bounded more tightly than those with kinks (fabs, fmax, norm_1, norm_inf).

    Example: `Sublevel(lambda z: casadi.norm_2(z) - 1, dim=2)` is the unit disc. The margin is -expression inside and
    +expression outside, in the expression's own unit.
    """

    expression: Callable[[Any], Any] = field(repr=False)
    dim: int

    def __post_init__(self) -> None:
        if isinstance(self.dim, bool) or not isinstance(self.dim, int) or self.dim < 1:
            raise InputError(f"an inequality over {self.dim!r} coordinates was given; give a whole number from 1 on")

    @cached_property
    def value_tape(self) -> Tape:
        """Tape of the expression."""
        return Tape(self._function(self._value))

    @cached_property
    def gradient_tape(self) -> Tape | None:
        """Tape of its gradient, a column of `dim` entries; None where the expression has kinks (fabs, fmax, norm_inf)
        and the gradient jumps.
        """
        import casadi

        try:
            return Tape(self._function(casadi.gradient(self._value, self._column)))
        except UnsupportedError:
            return None

    @cached_property
    def _column(self) -> Any:
        import casadi

        return casadi.SX.sym("z", self.dim)

    @cached_property
    def _value(self) -> Any:
        import casadi

        try:
            value = casadi.SX(self.expression(self._column))
        except Exception as error:  # whatever the user's function raises is the user's to mend
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"the inequality cannot be evaluated on {self.dim} CasADi scalars ({reason[-1]}); use casadi's "
                "functions and indices below the dimension"
            ) from error
        if not value.is_scalar():
            raise InputError(f"the inequality has {value.numel()} entries; return one CasADi scalar")
        return value

    def _function(self, expression: Any) -> Any:
        import casadi

        return casadi.Function("inequality", [self._column], [expression], {"allow_free": True})
