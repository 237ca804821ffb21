"""Semidefinite programs through CVXPY, imported when one is solved, with an answer that says what it is worth."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nnctrl.errors import InputError

DEFAULT_SOLVER = "CLARABEL"


class SolverStatus(Enum):
    """What a solver said. None of it is a proof: numbers that it returns are checked, infeasibility is its claim."""

    SOLVED = "solved"
    INACCURATE = "inaccurate: the solver stopped short of its accuracy"
    INFEASIBLE = "infeasible: the solver found the conditions contradictory"
    FAILED = "failed: the solver gave up without an answer"


@dataclass(frozen=True)
class Solve:
    """Status and wall time in seconds of one solve; the values are in the variables."""

    status: SolverStatus
    seconds: float

    @property
    def has_values(self) -> bool:
        """Whether there are numbers to check."""
        return self.status in (SolverStatus.SOLVED, SolverStatus.INACCURATE)


def solve(objective: Any, constraints: list[Any], solver: str = DEFAULT_SOLVER) -> Solve:
    """Minimise a CVXPY expression; InputError if no such solver is installed."""
    import cvxpy

    if solver.upper() not in cvxpy.installed_solvers():
        raise InputError(
            f"the solver '{solver}' is not installed; installed are {', '.join(cvxpy.installed_solvers())}"
        )
    problem = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an inaccurate answer is in the status
            problem.solve(solver=solver.upper())
    except (cvxpy.error.SolverError, ArithmeticError):
        return Solve(SolverStatus.FAILED, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    states = {
        cvxpy.OPTIMAL: SolverStatus.SOLVED,
        cvxpy.OPTIMAL_INACCURATE: SolverStatus.INACCURATE,
        cvxpy.INFEASIBLE: SolverStatus.INFEASIBLE,
    }
    return Solve(states.get(problem.status, SolverStatus.FAILED), seconds)
