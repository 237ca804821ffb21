"""The minimiser of a convex quadratic program over sets of states, certified.

On a box where all multipliers and slacks of an active set A are nonnegative the law is u_A (see
`imitation_error.pieces`). Where the slacks are, but some multipliers are negative, u_A(x) is feasible, and with the law
u* and e = u_A(x) - u*

    e'H e = -(l_A - l*)'G e = -l_A's* - l*'s_A <= sum of (l_A)_i^- s*_i,   s*_i = G_i e <= |G_i|_{H^-1} |e|_H  (i in A)

for stationarity holds for both, complementarity for u*, and G_i u_A(x) = E_i x + w_i in A. So

    |e|_H <= sum of (l_A)_i^- |G_i|_{H^-1}   and   |e_j| <= |e|_H (H^-1)_jj^(1/2),

which vanishes on the region's boundary: a box across boundaries takes the union of the constraints that are active in
it, and what it loses shrinks with its width. Where that union is dependent see `imitation_error.crossing`. Ranges come
from outward-rounded forms. A is optimal at the box's centre (see `imitation_error.active_sets`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import tensor
from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.learning.imitation_error.active_sets import ActiveSets
from nnctrl.learning.imitation_error.crossing import Crossings
from nnctrl.learning.imitation_error.pieces import ActiveSet, Piece, Pieces
from nnctrl.learning.imitation_error.views import AbstractLawView
from nnctrl.sets.exact import fraction_near
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, grow_up, widen_down, widen_up
from nnctrl.systems.expert import QuadraticProgram

ROUNDS = 4
"""Corrections of the active set of a box."""


class ProgramView(AbstractLawView):
    """The law of a quadratic program.

    UnsupportedError as for `Pieces` and for limits that exclude each other; BudgetSpentError, here and in whatever
    evaluates the law, where the time or memory of `meter` is used up.
    """

    def __init__(self, program: QuadraticProgram, meter: Meter | None = None) -> None:
        self.program = program
        watched = meter or Meter()
        self.pieces = Pieces(program, watched)
        self._active = ActiveSets(self.pieces, watched)
        self._crossings = Crossings(self.pieces, watched)
        low, high = self.pieces.limits()
        if (low > high).any():
            raise UnsupportedError(
                f"the limits of the inputs of the law's program exclude each other ({low.tolist()} is to be at most "
                f"{high.tolist()}); it has no input anywhere"
            )
        self._limits = tensor(low), tensor(high)

    @property
    def out_size(self) -> int:
        """See `AbstractLawView`."""
        return self.program.outputs

    def bytes_over(self, symbols: int) -> int:
        """See `AbstractLawView`."""
        return 8 * 6 * (2 * self.out_size + len(self.program.w)) * (symbols + self.out_size)

    def __call__(self, x: Tensor) -> Tensor:
        """See `AbstractLawView`; one program per state."""
        states = x.reshape(-1, x.shape[-1])
        m, n = self.out_size, states.shape[1]
        gains = torch.zeros(len(states), m, n, dtype=torch.float64)
        constants = torch.full((len(states), m), torch.nan, dtype=torch.float64)
        for k, active in enumerate(self._active.at(states.detach())):
            piece = None if active is None else self.pieces.piece(active)
            if piece is not None:
                gains[k], constants[k] = piece.affine.weight[:m], piece.affine.bias[:m]
        values = (gains @ states.unsqueeze(-1)).squeeze(-1) + constants
        return values.reshape(*x.shape[:-1], m)

    def through(self, form: TaylorForm) -> TaylorForm:
        """See `AbstractLawView`; one program per box, and a form for every active set among them."""
        result = self._limited(form)
        active_sets = self._active.at(form.centre.detach())
        first = {k: active for k, active in enumerate(active_sets) if active is not None}
        trying, settled = first, set[int]()
        for _ in range(ROUNDS):
            groups: dict[ActiveSet, list[int]] = {}
            for k, active in trying.items():
                groups.setdefault(active, []).append(k)
            trying = {}
            for active, members in groups.items():
                piece = self.pieces.piece(active)
                if piece is not None:
                    following = self._single(form, piece, torch.tensor(members), result)
                    trying.update(following)
                    settled.update(k for k in members if k not in following)
        for k in first.keys() - settled:
            self._cross(form, first[k], k, result)
        low, high = self._limits
        nowhere = self._active.excluded(form).unsqueeze(-1)
        return replace(
            result,
            lower=torch.where(nowhere, torch.inf, torch.maximum(result.lower, low)),
            upper=torch.where(nowhere, -torch.inf, torch.minimum(result.upper, high)),
        )

    def has_input(self, states: np.ndarray) -> Tensor:
        """See `AbstractLawView`: some input is feasible."""
        near = [np.array([fraction_near(entry) for entry in state]) for state in states]
        guesses = [self._active.guess(state) or () for state in near]
        found = [self._active.exactly(*pair) is not None for pair in zip(states, guesses, strict=True)]
        return torch.tensor(found, dtype=torch.bool)

    def _cross(self, form: TaylorForm, active: ActiveSet, k: int, result: TaylorForm) -> None:
        """Put box k, at whose centre the set is active, into `result`, if `Crossings` finds something."""
        piece, index, m = self.pieces.piece(active), torch.tensor([k]), self.out_size
        box = form.parts(index)
        found = None if piece is None else self._crossings.find(box, piece)
        if found is not None:
            nearest, low, high = found
            image = box.affine(nearest.affine).rows(slice(0, m))
            _put(result, index, _with_error(image, low.unsqueeze(0), high.unsqueeze(0), box.symbols.abs()))

    def _single(self, form: TaylorForm, piece: Piece, index: Tensor, result: TaylorForm) -> dict[int, ActiveSet]:
        """Put the boxes `index` on which u of the piece is feasible into `result`; the others with the active set that
        they should try next.
        """
        m, count = self.out_size, len(piece.active)
        image = form.parts(index).affine(piece.affine)
        multipliers, slacks = slice(m, m + count), slice(m + count, None)
        lacking = ~(image.lower[:, slacks] >= 0.0) & ~piece.certain
        feasible = ~lacking.any(-1)
        good = image.parts(feasible)
        wrong = (-good.lower[:, multipliers]).clamp(min=0.0) * self.pieces.weights[list(piece.active)]
        radius = grow_up(grow_up(wrong.sum(-1, keepdim=True), count + 2) * self.pieces.spread, 2)
        moved = wrong.sign().unsqueeze(-1) * good.symbols[:, multipliers].abs()
        _put(result, index[feasible], _with_error(good.rows(slice(0, m)), -radius, radius, moved))
        following: dict[int, ActiveSet] = {}
        for row in torch.nonzero(~feasible).flatten().tolist():
            upper = image.upper[row, multipliers].tolist()
            kept = {i for i, high in zip(piece.active, upper, strict=True) if not high < 0.0}
            added = {i for i, lacks in zip(piece.others, lacking[row].tolist(), strict=True) if lacks}
            following[int(index[row])] = tuple(sorted(kept | added))
        return following

    def _limited(self, form: TaylorForm) -> TaylorForm:
        """The law anywhere between the constant limits of its inputs: true on every box."""
        boxes = len(form.centre)
        low, high = (limit.expand(boxes, -1) for limit in self._limits)
        zero = torch.zeros(boxes, self.out_size, dtype=torch.float64)
        nothing = form.symbols.new_zeros(boxes, self.out_size, form.symbols.shape[-1])
        point = TaylorForm(zero, zero, nothing, zero, zero, zero, form.shares)
        return _with_error(point, low, high, form.symbols.abs())


def _with_error(form: TaylorForm, low: Tensor, high: Tensor, moved: Tensor) -> TaylorForm:
    """The form [batch, m] plus anything in [low, high] [batch, m], in new symbols that are blamed on the inputs by the
    deviations `moved` [batch, k, s] of what causes it.
    """
    inputs, size = form.shares.shape[-1], low.shape[-1]
    cause = (moved[..., :inputs] + moved @ form.shares).sum(1)
    share = cause / (cause.sum(-1, keepdim=True) + TINY)
    middle, radius = midpoint_radius(low, high)
    known = torch.isfinite(middle) & torch.isfinite(radius)
    offset = form.offset + torch.where(known, middle, 0.0)
    rounded = widen_up(torch.where(known, radius, 0.0) + 2.0 * UNIT_ROUNDOFF * offset.abs())
    return TaylorForm(
        form.centre,
        offset,
        torch.cat([form.symbols, torch.diag_embed(rounded)], -1),
        torch.where(known, form.rounding, torch.inf),
        widen_down(form.lower + low),
        widen_up(form.upper + high),
        torch.cat([form.shares, share.unsqueeze(1).expand(-1, size, -1)], 1),
    ).tightened()


def _put(form: TaylorForm, index: Tensor, part: TaylorForm) -> None:
    """Replace the batch entries `index` of `form` by those of `part`, in place."""
    for name in ("centre", "offset", "symbols", "rounding", "lower", "upper", "shares"):
        getattr(form, name)[index] = getattr(part, name)
