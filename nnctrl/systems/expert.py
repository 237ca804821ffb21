"""Experts: controllers that compute their input (MPC, LQR), to be imitated or simulated, not verified.

Some experts have a law that can be bounded over sets: an expression of the state, or the minimiser of a convex
quadratic program. Such an expert says so in `law`, and how far a network is from it at most can be certified.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.sets.base import finite_array
from nnctrl.systems.tape import Tape

if TYPE_CHECKING:
    from nnctrl.sets.box import Box


class Expert(ABC):
    """A state feedback that is evaluated point by point. A new expert is a subclass with `control`.

    Attributes:
      input_bounds: the box that every returned input lies in, or None if unbounded.
      horizon: number of samples that it looks ahead; None for an infinite horizon (LQR).
      period: sample period in seconds; None for the plant's own, needed to simulate a continuous plant.
    """

    input_bounds: Box | None = None
    horizon: int | None = None
    period: float | None = None

    @abstractmethod
    def control(self, x: FloatArray) -> FloatArray:
        """Input u [m] for the state x [n]; the same x gives the same u. InputError where there is none (infeasible)."""

    def law(self) -> Law | None:
        """The law that `control` computes, in a form that can be bounded; None, the default, if there is none.

        An expert whose `control` is arithmetic on arrays returns `traced(self.control, n)`; one that solves a convex
        quadratic program returns `QuadraticProgram.of` of it. The law is meant in real arithmetic: `control` may differ
        from it by its rounding and by its solver's tolerance.
        """
        return None


@dataclass(frozen=True, eq=False)
class QuadraticProgram:
    """The law u(x) [m] = first m entries of the v [N] that minimises `v'H v / 2 + (F x + f)'v` under `G v <= E x + w`.

    H [N, N] symmetric and positive definite (whoever bounds the law checks that), F [N, n], f [N], G [q, N], E [q, n],
    w [q], finite doubles; m = `outputs`. The law is the exact minimiser for these numbers; where no v is feasible there
    is none.
    """

    H: FloatArray
    F: FloatArray
    f: FloatArray
    G: FloatArray
    E: FloatArray
    w: FloatArray
    outputs: int

    def __post_init__(self) -> None:
        for item in fields(self)[:-1]:
            ndim = 2 if item.name.isupper() else 1
            what = f"{item.name} of a quadratic program"
            object.__setattr__(self, item.name, finite_array(getattr(self, item.name), ndim, what))
        size, rows, states = len(self.f), len(self.w), self.F.shape[-1]
        wanted = {"H": (size, size), "F": (size, states), "G": (rows, size), "E": (rows, states)}
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise InputError(
                    f"{name} of a quadratic program has shape {getattr(self, name).shape}; for {size} variables, "
                    f"{rows} constraints and {states} states give {shape}"
                )
        if not (self.H == self.H.T).all() or not 1 <= self.outputs <= size:
            raise InputError(
                f"a quadratic program has {size} variables, {self.outputs} outputs and the matrix H = "
                f"{self.H.tolist()}; give 1 to {size} outputs and a symmetric H"
            )

    @staticmethod
    def of(program: Mapping[str, Any], bounds: Mapping[str, ArrayLike], outputs: int) -> QuadraticProgram:
        """The law of a program as `casadi.qpsol` takes it: expressions `x`, `p` (the state), `f` and `g`, and `bounds`
        lbx, ubx, lbg, ubg.

        InputError unless f is quadratic and g affine in x and p, for equality constraints and for limits of which the
        lower is above the upper.
        """
        import casadi

        v, x, cost, constraint = (program[name] for name in ("x", "p", "f", "g"))
        both = casadi.vertcat(v, x)
        H, gradient = casadi.hessian(cost, v)
        parts = [H, casadi.jacobian(gradient, x), casadi.jacobian(constraint, v), casadi.jacobian(constraint, x)]
        if any(casadi.depends_on(part, both) for part in parts):
            raise InputError("the program of a law is not quadratic with affine constraints; give one that is")
        numbers = casadi.Function("program", [v, x], [*parts, gradient, constraint])
        found = [np.array(part) for part in numbers(np.zeros(v.numel()), np.zeros(x.numel()))]
        H, F, slopes, shifts, f, offset = found
        count = v.numel()
        # every row as two one-sided ones: rows v + moves x + constant <= limit
        rows = np.concatenate([np.eye(count), slopes])
        moves = np.concatenate([np.zeros((count, x.numel())), shifts])
        constant = np.concatenate([np.zeros(count), offset[:, 0]])
        low, high = (
            np.concatenate(
                [np.broadcast_to(bounds[f"{side}x"], count), np.broadcast_to(bounds[f"{side}g"], len(offset))]
            )
            for side in ("lb", "ub")
        )
        if (low == high).any():
            raise InputError("the program of a law has equality constraints; eliminate variables by them")
        wrong = np.flatnonzero(~(low < high))
        if len(wrong):
            raise InputError(
                f"limit {wrong[0]} of the program of a law is from {float(low[wrong[0]])} to "
                f"{float(high[wrong[0]])}; give lower limits below the upper ones"
            )
        above, below = np.isfinite(high), np.isfinite(low)
        return QuadraticProgram(
            np.triu(H) + np.triu(H, 1).T,
            F,
            f[:, 0],
            np.concatenate([rows[above], -rows[below]]),
            np.concatenate([-moves[above], moves[below]]),
            np.concatenate([(high - constant)[above], (constant - low)[below]]),
            outputs,
        )


Law = Tape | QuadraticProgram
"""A tape is over the state alone, with the input as its one output."""


def traced(control: Callable[[Any], Any], states: int) -> Tape:
    """The expression that `control` computes, found by running it on an array [states] of CasADi symbols.

    It may use NumPy's arithmetic and elementary functions, np.fmin and np.fmax; InputError if it asks for the value of
    a signal (if, min, float, a solver). A signal that multiplies or divides an array must be an array [1] itself.
    """
    import casadi

    x = casadi.SX.sym("x", states)
    symbols = np.empty(states, dtype=object)
    for k in range(states):
        symbols[k] = x[k]
    try:
        with warnings.catch_warnings():
            # functions of single symbols are answered by symbols, with a note that this may change
            warnings.simplefilter("ignore", FutureWarning)
            result = [casadi.SX(entry) for entry in control(symbols)]
    except (ArithmeticError, AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"the law '{getattr(control, '__qualname__', control)}' cannot be traced "
            f"({str(error).splitlines()[0]}); write it with NumPy's functions, np.fmin and np.fmax, and without "
            "decisions about the state"
        ) from error
    return Tape(casadi.Function("law", [x], [casadi.vertcat(*result)]))
