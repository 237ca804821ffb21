"""Small linear programs by HiGHS. Nothing here is certified: callers prove what they conclude from a solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnctrl._typing import FloatArray

TOLERANCE = 1e-10
"""Feasibility tolerances, the least that HiGHS accepts."""


Status = Literal["optimal", "infeasible", "unbounded", "failed"]

STATUSES: dict[int, Status] = {2: "infeasible", 3: "unbounded"}


@dataclass(frozen=True, eq=False)
class Solution:
    """Minimiser and multipliers: `cost = A_eq' equality + A_ub' inequality` where no bound is active."""

    status: Status
    x: FloatArray
    inequality: FloatArray
    """Sensitivities of the minimum to b_ub, <= 0."""
    equality: FloatArray
    """Sensitivities of the minimum to b_eq."""


def minimise(
    cost: FloatArray,
    A_ub: FloatArray | None = None,
    b_ub: FloatArray | None = None,
    A_eq: FloatArray | None = None,
    b_eq: FloatArray | None = None,
    bounds: FloatArray | None = None,
) -> Solution:
    """min cost'x subject to A_ub x <= b_ub, A_eq x = b_eq, and bounds [q, 2] (default: none).

    "failed" for data that are not finite, as after an overflow.
    """
    empty = np.zeros(0)
    if not all(part is None or np.isfinite(part).all() for part in (cost, A_ub, b_ub, A_eq, b_eq)):
        return Solution("failed", empty, empty, empty)
    # part of the time that a user waits for `import nnctrl`, and needed by few
    from scipy.optimize import linprog

    result = linprog(
        cost,
        A_ub=A_ub,
        b_ub=b_ub,
        A_eq=A_eq,
        b_eq=b_eq,
        bounds=np.array([[-np.inf, np.inf]] * len(cost)) if bounds is None else bounds,
        method="highs",
        options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
    )
    if result.status != 0:
        return Solution(STATUSES.get(result.status, "failed"), empty, empty, empty)
    return Solution("optimal", result.x, result.ineqlin.marginals, result.eqlin.marginals)
