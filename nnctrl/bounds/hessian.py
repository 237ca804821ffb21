"""Bounds of the Hessian of a network in a direction (the Hessian paper, section V).

For the chain of layers and a direction d the Hessian of d'f is `sum_l J_l' diag(F_l phi''(z^l)) J_l`, J_l the Jacobian
of z^l and F_l = d(d'f)/dx^{l+1} (Lemma 2, after Singla and Feizi 2020). Two layers: `W' diag(w_i phi''_i) W`, so ranges
of `w_i phi''_i` over the box give matrices below and above it. Deeper networks: `|hess|_2 <= sum_l m_l^2 t_l`, where
m_l >= |J_l|_2 is a Lipschitz constant of the sub-network x -> z^l and t_l >= max_i h_{l,i} |F_{l,i}|, h >= |phi''|, a
bound of the tail. A feedthrough is linear and does not change the Hessian.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from nnctrl.bounds.enclosed_matrix import EnclosedMatrix
from nnctrl.bounds.layered import LayeredView, Ranges, row_times
from nnctrl.bounds.lipschitz import AbstractLipschitz, head_and_skip, liplt_of_chain
from nnctrl.sets.rounding import grow_up, widen_down, widen_up

Tail = Literal["recursion", "liplt", "least"]
"""How the tails are bounded: Proposition 2, LipLT in the 1-norm of the layers behind, or the least of both."""


def hessian_norm(
    net: LayeredView, ranges: Ranges, directions: Tensor, lipschitz: AbstractLipschitz, tail: Tail
) -> Tensor:
    """Upper bound [batch] of the spectral norm of the Hessian of `directions[i]' f` over box i.

    UnsupportedError for activations with kinks; inf where a range is not finite. Differentiable if `lipschitz` is.
    """
    if net.depth == 0:
        return directions.new_zeros(len(directions))
    peaks = [torch.maximum(low.abs(), high.abs()) for low, high in ranges.curvatures]
    constants = lipschitz.constants(net, ranges, directions, 2.0).hidden
    if tail == "recursion":
        weights = _tails_by_recursion(net, ranges, directions, peaks)
    elif tail == "liplt":
        weights = _tails_by_liplt(net, ranges, directions, peaks)
    else:
        weights = torch.fmin(
            _tails_by_recursion(net, ranges, directions, peaks), _tails_by_liplt(net, ranges, directions, peaks)
        )
    # the square of a constant alone may underflow although its product with the weight does not
    total = grow_up((constants * (constants * weights)).sum(-1), net.depth + 4)
    return torch.nan_to_num(total, nan=torch.inf, posinf=torch.inf)


def curvature_weights(net: LayeredView, ranges: Ranges, directions: Tensor) -> tuple[Tensor, Tensor]:
    """For two layers the range [batch, width] of `(d' W^1)_i phi''(z_i)`: as diagonal matrices between `W^0'` and `W^0`
    they bound the Hessian below and above.
    """
    weight, error = row_times(directions, torch.zeros_like(directions), net.affines[-1])
    ((low, high),) = ranges.curvatures
    products = torch.stack([w * c for w in (weight - error, weight + error) for c in (low, high)])
    return widen_down(products.amin(0), 4.0), widen_up(products.amax(0), 4.0)


def _tails_by_recursion(net: LayeredView, ranges: Ranges, directions: Tensor, peaks: list[Tensor]) -> Tensor:
    """Proposition 2, entrywise: `S_{L-1} = |d' W^L|`, `S_{l-1} = |W^l|' (beta_l * S_l)`; max_i h_{l,i} S_{l,i},
    [batch, L].
    """
    row, error = row_times(directions, torch.zeros_like(directions), net.affines[-1])
    share = widen_up(row.abs() + error)
    tails: list[Tensor] = []
    for layer in range(net.depth - 1, -1, -1):
        tails.insert(0, widen_up((peaks[layer] * share).amax(-1)))
        if layer:
            gain, radius = net.affines[layer].weight.abs(), net.affines[layer].weight_radius
            gain = gain if radius is None else widen_up(gain + radius)
            share = grow_up((ranges.slopes[layer][1] * share) @ gain, gain.shape[0] + 4)
    return torch.stack(tails, -1)


def _tails_by_liplt(net: LayeredView, ranges: Ranges, directions: Tensor, peaks: list[Tensor]) -> Tensor:
    """LipLT in the 1-norm of `x^{l+1} -> d'f` with diag(h_l) before it: the largest entry of its gradient,
    [batch, L].
    """
    head, _ = head_and_skip(net, directions, 1.0)
    tails = []
    for layer, peak in enumerate(peaks):
        behind = [EnclosedMatrix.of(affine, len(directions), 1.0) for affine in net.affines[layer + 1 : -1]]
        if behind:
            behind[0] = behind[0].scaled(peak)
            tails.append(liplt_of_chain(behind, ranges.slopes[layer + 1 :], head, None)[1])
        else:
            tails.append(head.scaled(peak).norm())
    return torch.stack(tails, -1)
