"""First-order Taylor forms with residual symbols: what the neuron-exact Taylor bound propagates.

Idea. Follow the network along the centre of the box and keep, at every layer, a first-order Taylor form

    z = centre + offset + symbols @ xi + r,   |xi_j| <= 1,  |r| <= rounding,

whose first n symbols are the input coordinates (so their coefficients are the Jacobian at the centre times the box
radius) and whose other symbols stand for one neuron's residual each: `phi(centre + d) - phi(centre) - phi'(centre) d`
over the exact interval of the deviation d, which the activation knows in closed form. An affine layer maps every
symbol linearly, so each residual is carried to every later layer and to the output along the centre slopes: for the
output that is the backward pass of the residuals, and it is done for the deviation of every hidden neuron as well, and
for all directions of a box at once. The forward alternative (residual intervals through |W|) is never tighter; what it
still adds, the range of the activation itself, comes from an interval enclosure of each layer that is intersected with
the form's own range.

The Hessian paper keeps the gradient of the whole network and bounds the remainder by a norm of the Hessian; here the
remainder is the sum of the exact residuals of single neurons. The gap shrinks at second order with the box (tests fit
the slope).

Rounding. Every product's error is bounded a priori by gamma |W| |.| and added to `rounding`, which each neuron folds
into its own symbol, so that it does not grow through |W|. The statement above is about the real function, including
the radii of composed matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.interval import enclose_activation, enclose_affine, midpoint_radius, support_of_boxes
from nnctrl.bounds.view import AbstractPlantView, AffineView, BlockView, View
from nnctrl.networks.activations import Activation, Linearisation
from nnctrl.networks.layers import ActivationLayer
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, gamma, grow_up, widen_down, widen_up

Relaxation = Callable[[Activation, Tensor, Tensor, Tensor], Linearisation]
"""A choice of a line about an activation, given the centre and the interval [low, high] of deviations."""


def about_the_centre(activation: Activation, centre: Tensor, low: Tensor, high: Tensor) -> Linearisation:
    """The relaxation of the Taylor bound: it keeps the gradient."""
    return activation.linearise(centre, low, high)


@dataclass(frozen=True, eq=False)
class TaylorForm:
    """A batch of first-order Taylor forms with residual symbols (see the module's text).

    Shapes: `centre`, `offset`, `rounding`, `lower`, `upper` [batch, m]; `symbols` [batch, m, s]; `shares` [batch, s,
    n]: the part of each symbol that is blamed on each of the n input coordinates (rows of input symbols are 0: they
    cause no gap). The vector also lies in the box [lower, upper].
    """

    centre: Tensor
    offset: Tensor
    symbols: Tensor
    rounding: Tensor
    lower: Tensor
    upper: Tensor
    shares: Tensor

    @staticmethod
    def of_box(lower: Tensor, upper: Tensor) -> TaylorForm:
        """The identity on boxes [batch, n]."""
        centre, radius = midpoint_radius(lower, upper)
        zero = torch.zeros_like(centre)
        size = centre.shape[-1]
        return TaylorForm(
            centre, zero, torch.diag_embed(radius), zero, lower, upper, centre.new_zeros(centre.shape[0], size, size)
        )

    def spread(self) -> Tensor:
        """Upper bound of `|symbols @ xi|`, [batch, m]."""
        return grow_up(self.symbols.abs().sum(-1), self.symbols.shape[-1])

    def deviation(self) -> tuple[Tensor, Tensor]:
        """Certified interval of `z - centre`: the form's own range intersected with the box."""
        reach = widen_up(self.spread() + self.rounding)
        low = torch.maximum(widen_down(self.offset - reach), widen_down(self.lower - self.centre))
        high = torch.minimum(widen_up(self.offset + reach), widen_up(self.upper - self.centre))
        return low, high

    def affine(self, layer: AffineView) -> TaylorForm:
        """The image under an affine layer."""
        weight, gain = layer.weight, layer.weight.abs()
        g = gamma(weight.shape[1] + 4)
        magnitude = self.centre.abs() + self.offset.abs() + self.spread()
        carried = self.rounding + g * magnitude + TINY
        error = carried @ gain.T + g * layer.bias.abs() + TINY
        if layer.weight_radius is not None:
            error = error + (magnitude + self.rounding) @ layer.weight_radius.T
        if layer.bias_radius is not None:
            error = error + layer.bias_radius
        lower, upper = enclose_affine(layer, self.lower, self.upper)
        return TaylorForm(
            self.centre @ weight.T + layer.bias,
            self.offset @ weight.T,
            weight @ self.symbols,
            grow_up(error, 2 * weight.shape[1] + 8),
            lower,
            upper,
            self.shares,
        ).tightened()

    def tightened(self) -> TaylorForm:
        """The same form, its box intersected with its own range."""
        low, high = self.deviation()
        lower = torch.maximum(self.lower, widen_down(self.centre + low))
        upper = torch.minimum(self.upper, widen_up(self.centre + high))
        return TaylorForm(self.centre, self.offset, self.symbols, self.rounding, lower, upper, self.shares)

    def activate(self, layer: ActivationLayer, relaxation: Relaxation = about_the_centre) -> TaylorForm:
        """The image under an activation layer: one new symbol per nonlinear lane, the rounding folded into it.

        Lanes that are plain identity keep their rounding as it is. `relaxation` chooses the slopes.
        """
        low, high = self.deviation()
        parts = [
            relaxation(activation, self.centre[..., lanes], low[..., lanes], high[..., lanes])
            for activation, lanes in layer.slices()
        ]
        value, slope, residual_lower, residual_upper = (torch.cat(pieces, -1) for pieces in zip(*parts, strict=True))
        middle, radius = midpoint_radius(residual_lower, residual_upper)
        scaled = slope * self.offset
        offset = scaled + middle
        spread = self.spread()
        # products slope * symbols and slope * offset, the sum, and the old rounding scaled by the slope
        error = slope * self.rounding + (4.0 * UNIT_ROUNDOFF) * (slope * spread + scaled.abs() + middle.abs()) + TINY
        width = grow_up(radius + error, 8)
        # which lanes get a symbol is a matter of the layer, not of the values: forms of one batch share their columns
        bent = torch.tensor(layer.nonlinear_lanes, dtype=torch.long, device=width.device)
        columns = torch.diag_embed(width)[..., bent]
        rounding = width.index_fill(-1, bent, 0.0)
        # each residual is blamed on the input coordinates by their part in the deviation of its neuron
        inputs = self.shares.shape[-1]
        direct = self.symbols[:, bent, :inputs].abs()
        indirect = self.symbols[:, bent].abs() @ self.shares
        shares = (direct + indirect) / (spread[:, bent].unsqueeze(-1) + TINY)
        lower, upper = enclose_activation(layer, self.lower, self.upper)
        return TaylorForm(
            value,
            offset,
            torch.cat([slope.unsqueeze(-1) * self.symbols, columns], -1),
            rounding,
            lower,
            upper,
            torch.cat([self.shares, shares.detach()], 1),
        ).tightened()

    def plus(self, other: TaylorForm) -> TaylorForm:
        """The sum with a form over the same symbols, of which `other` may have fewer (missing ones are 0)."""
        missing = _missing(self, other)
        symbols = self.symbols + torch.nn.functional.pad(other.symbols, (0, missing))
        centre, offset = self.centre + other.centre, self.offset + other.offset
        magnitude = self.spread() + other.spread() + self.offset.abs() + other.offset.abs() + centre.abs()
        rounding = grow_up(self.rounding + other.rounding + (2.0 * UNIT_ROUNDOFF) * magnitude + TINY, 8)
        lower, upper = widen_down(self.lower + other.lower), widen_up(self.upper + other.upper)
        return TaylorForm(centre, offset, symbols, rounding, lower, upper, self.shares).tightened()

    def parts(self, index: Tensor) -> TaylorForm:
        """The batch entries in `index` (positions or a mask)."""
        return TaylorForm(
            self.centre[index],
            self.offset[index],
            self.symbols[index],
            self.rounding[index],
            self.lower[index],
            self.upper[index],
            self.shares[index],
        )

    def rows(self, lanes: slice | list[int]) -> TaylorForm:
        """The coordinates in `lanes` only, over the same symbols."""
        return TaylorForm(
            self.centre[:, lanes],
            self.offset[:, lanes],
            self.symbols[:, lanes],
            self.rounding[:, lanes],
            self.lower[:, lanes],
            self.upper[:, lanes],
            self.shares,
        )

    def beside(self, other: TaylorForm) -> TaylorForm:
        """Both vectors, one after the other; `other` is over the same symbols or a longer list that begins with
        them.
        """
        missing = _missing(other, self)
        mine = torch.nn.functional.pad(self.symbols, (0, missing))
        pairs = ((a, b) for a, b in zip(self._vectors(), other._vectors(), strict=True))
        centre, offset, rounding, lower, upper = (torch.cat(pair, -1) for pair in pairs)
        return TaylorForm(centre, offset, torch.cat([mine, other.symbols], 1), rounding, lower, upper, other.shares)

    def _vectors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.centre, self.offset, self.rounding, self.lower, self.upper

    def beside_box(self, lower: Tensor, upper: Tensor) -> TaylorForm:
        """This vector and, below it, a new vector anywhere in the box [lower, upper] (w), with symbols of its own."""
        batch, size = self.centre.shape[0], lower.shape[-1]
        box = TaylorForm.of_box(lower.expand(batch, -1), upper.expand(batch, -1))
        new = torch.nn.functional.pad(box.symbols, (self.symbols.shape[-1], 0))
        # nothing can be gained by splitting inputs on account of a disturbance
        shares = torch.cat([self.shares, self.shares.new_zeros(batch, size, self.shares.shape[-1])], 1)
        return self.beside(TaylorForm(box.centre, box.offset, new, box.rounding, box.lower, box.upper, shares))

    def folded(self) -> TaylorForm:
        """The same vector with its rounding turned into symbols of their own, so that it is carried on linearly."""
        batch, size = self.centre.shape
        symbols = torch.cat([self.symbols, torch.diag_embed(self.rounding)], -1)
        shares = torch.cat([self.shares, self.shares.new_zeros(batch, size, self.shares.shape[-1])], 1)
        zero = torch.zeros_like(self.rounding)
        return TaylorForm(self.centre, self.offset, symbols, zero, self.lower, self.upper, shares)

    def reduced(self, limit: int) -> TaylorForm:
        """The same vector over at most n + `limit` symbols (Girard's reduction in scaled coordinates).

        The input symbols stay; of the others those that differ least from a box, each row measured by the sum of its
        coefficients, are replaced by one symbol per coordinate. Nothing else may refer to the old symbols afterwards.
        """
        inputs, size = self.shares.shape[-1], self.centre.shape[-1]
        others = self.symbols[..., inputs:]
        limit = max(limit, 2 * size)
        if others.shape[-1] <= limit:
            return self
        magnitude = others.abs()
        scaled = magnitude / (magnitude.sum(-1, keepdim=True) + TINY)
        order = torch.argsort(scaled.sum(1) - scaled.amax(1), dim=-1, descending=True)
        kept, dropped = order[:, : limit - size], order[:, limit - size :]
        boxed = torch.gather(magnitude, 2, dropped.unsqueeze(1).expand(-1, size, -1))
        radius = grow_up(boxed.sum(-1), boxed.shape[-1])
        columns = torch.gather(others, 2, kept.unsqueeze(1).expand(-1, size, -1))
        shares = self.shares[:, inputs:]
        kept_shares = torch.gather(shares, 1, kept.unsqueeze(-1).expand(-1, -1, inputs))
        lost = torch.gather(shares, 1, dropped.unsqueeze(-1).expand(-1, -1, inputs))
        return TaylorForm(
            self.centre,
            self.offset,
            torch.cat([self.symbols[..., :inputs], columns, torch.diag_embed(radius)], -1),
            self.rounding,
            self.lower,
            self.upper,
            torch.cat([self.shares[:, :inputs], kept_shares, (boxed @ lost) / (radius.unsqueeze(-1) + TINY)], 1),
        )

    def through_block(self, block: BlockView, relaxation: Relaxation = about_the_centre) -> TaylorForm:
        """The image under one block."""
        form = self
        for affine, layer in zip(block.affines, block.activations, strict=False):
            form = form.affine(affine).activate(layer, relaxation)
        form = form.affine(block.affines[-1])
        return form if block.feedthrough is None else form.plus(self.affine(block.feedthrough))

    def through(self, view: View, relaxation: Relaxation = about_the_centre) -> TaylorForm:
        """The image under a network, or under more than a network (which chooses its slopes itself)."""
        if isinstance(view, AbstractPlantView):
            return view.through(self)
        form = self
        for block in view.blocks:
            form = form.through_block(block, relaxation)
        return form

    def support(self, directions: Tensor) -> Tensor:
        """Upper bound of `d' z` for `directions` [batch, p, m] (or [p, m] for all); returns [batch, p]."""
        size = self.centre.shape[-1]
        along = directions @ self.symbols
        reach = grow_up(along.abs().sum(-1), along.shape[-1])
        absolute = directions.abs()
        g = gamma(size + 8)
        magnitude = self.centre.abs() + self.offset.abs() + self.spread()
        error = (absolute @ (self.rounding + 2.0 * g * magnitude + TINY).unsqueeze(-1)).squeeze(-1)
        middle = (directions @ (self.centre + self.offset).unsqueeze(-1)).squeeze(-1)
        own = widen_up(middle + reach + grow_up(error, size + 4) + TINY, 4.0)
        low, high = self.lower.unsqueeze(-2), self.upper.unsqueeze(-2)
        return torch.minimum(own, support_of_boxes(low, high, directions))

    def blame(self, directions: Tensor) -> Tensor:
        """How much of the gap in each direction each input coordinate causes: [batch, p, n], in floating point."""
        return (directions @ self.symbols).abs() @ self.shares


def _missing(longer: TaylorForm, shorter: TaylorForm) -> int:
    """How many symbols `shorter` lacks; the other way round a padding would crop symbols and claim too much."""
    missing = longer.symbols.shape[-1] - shorter.symbols.shape[-1]
    if missing < 0:
        raise ValueError(f"a form over {-missing} more symbols is joined to one over fewer; join them the other way")
    return int(missing)
