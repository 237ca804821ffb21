"""The active set of a quadratic program at a state, decided in rational arithmetic.

A solver guesses, and whatever it says is checked: its piece must have nonnegative multipliers and slacks at the state,
by outward rounding or, where that leaves it open, exactly. A guess that fails is mended by the dual method of Goldfarb
and Idnani (A numerically stable dual method for solving strictly convex quadratic programs, 1983): constraints with
negative multipliers are dropped, then violated ones enter one by one, while multipliers that would turn negative leave.
Every entry raises the dual cost and there are finitely many sets, so without rounding it ends at the law, or with
weights y >= 0 such that `y'G = 0` and `y'(E x + w) < 0` (Farkas): no input is feasible. The weights are remembered, for
they show the same of whole boxes.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.branching.meter import Meter
from nnctrl.learning.imitation_error.pieces import ActiveSet, Pieces, enclosed, exact

INACTIVE = 1e-12
"""Multipliers of the solver below this share of its largest one count as 0."""


class ActiveSets:
    """Active sets of one program at states. BudgetSpentError where the time or memory of the meter is used up."""

    def __init__(self, pieces: Pieces, meter: Meter) -> None:
        self._pieces, self._meter, self._program = pieces, meter, pieces.program
        self._farkas = np.empty((0, self._program.E.shape[1] + 1), dtype=object)
        self._excluding = enclosed(self._farkas)

    def at(self, states: Tensor) -> list[ActiveSet | None]:
        """For states [k, n] a set whose piece is the law there; None where no input is feasible, both proved, and for
        states that are not finite.

        Cost: one program each, and exact work where that is not right or its multipliers or slacks are nearly 0.
        """
        known = torch.isfinite(states).all(-1).tolist()
        pairs = zip(states.numpy(), known, strict=True)
        found: list[ActiveSet | None] = [self.guess(state) if finite else None for state, finite in pairs]
        groups: dict[ActiveSet, list[int]] = {}
        for k, active in enumerate(found):
            groups.setdefault(active or (), []).append(k)
        points = TaylorForm.of_box(states, states)
        none = self.excluded(points)
        for active, members in groups.items():
            piece, size = self._pieces.piece(active), self._program.outputs
            optimal = torch.zeros(len(members), dtype=torch.bool)
            if piece is not None:
                signs = points.parts(torch.tensor(members)).affine(piece.affine).lower[:, size:] >= 0.0
                signs[:, len(active) :] |= piece.certain
                optimal = signs.all(-1)
            for k, right in zip(members, optimal.tolist(), strict=True):
                if none[k] or not known[k]:
                    found[k] = None
                else:
                    found[k] = active if right else self.exactly(exact(states[k].numpy()), active)
        return found

    def excluded(self, form: TaylorForm) -> Tensor:
        """Which boxes certainly hold no state with a feasible input, by what is remembered; [batch]."""
        return (form.affine(self._excluding).upper < 0.0).any(-1)

    def guess(self, x: np.ndarray) -> ActiveSet | None:
        """The active set at a state [n], as a solver says; None where it finds no input."""
        self._meter.require()
        given = self._program
        found = self._solver(h=given.H, g=given.F @ x + given.f, a=given.G, uba=given.E @ x + given.w)
        if not self._solver.stats()["success"]:
            return None
        multipliers = np.array(found["lam_a"]).ravel()
        return tuple(int(i) for i in np.flatnonzero(multipliers > INACTIVE * multipliers.max(initial=0.0)))

    def exactly(self, x: np.ndarray, start: ActiveSet) -> ActiveSet | None:
        """As `at` for one state [n] of rational numbers, from a first guess."""
        point, size = np.concatenate([x, exact(np.ones(1))]), self._program.outputs
        active: ActiveSet | None = self._independent(start)
        while active is not None:
            piece = self._pieces.piece(active)
            if piece is None:
                raise ArithmeticError(f"the rows {active} of a program are independent and yet have no piece")
            numbers = list(piece.exact[size:] @ point)
            multipliers, slacks = numbers[: len(active)], numbers[len(active) :]
            if min(multipliers, default=0) < 0:
                least = multipliers.index(min(multipliers))
                active = active[:least] + active[least + 1 :]
            elif min(slacks, default=0) >= 0:
                return active
            else:
                least = slacks.index(min(slacks))
                active = self._entered(active, np.array(multipliers, dtype=object), piece.others[least], slacks[least])
        return None

    def _independent(self, rows: ActiveSet) -> ActiveSet:
        """Those of the rows that do not depend on the ones before them."""
        if self._pieces.piece(rows) is not None:
            return rows
        kept: ActiveSet = ()
        for row in rows:
            if self._pieces.piece((*kept, row)) is not None:
                kept = (*kept, row)
        return kept

    def _entered(self, active: ActiveSet, multipliers: np.ndarray, new: int, slack: Fraction) -> ActiveSet | None:
        """The set with the row `new`, whose `slack` is negative, and without those that leave as it enters; None, after
        noting why, where it cannot enter.
        """
        kept = list(active)
        while True:
            self._meter.require()
            rates, curvature = self._pieces.entry(kept, new)
            falling = [(multipliers[i] / -rate, i) for i, rate in enumerate(rates) if rate < 0]
            step, first = min(falling, default=(None, 0))
            if curvature > 0 and (step is None or -slack <= step * curvature):
                return tuple(sorted([*kept, new]))
            if step is None:
                limits = exact(np.column_stack([self._program.E, self._program.w]))
                self._farkas = np.vstack([self._farkas, rates @ limits[kept] + limits[new]])
                self._excluding = enclosed(self._farkas)
                return None
            multipliers, slack = np.delete(multipliers + step * rates, first), slack + step * curvature
            del kept[first]

    @cached_property
    def _solver(self) -> Any:
        import casadi

        shapes = {
            "h": casadi.Sparsity.dense(*self._program.H.shape),
            "a": casadi.Sparsity.dense(*self._program.G.shape),
        }
        quiet = {"print_iter": False, "print_header": False, "print_info": False, "error_on_fail": False}
        return casadi.conic("law", "qrqp", shapes, quiet)
