"""Networks on polynomial zonotopes: the outputs stay functions of the symbols of the inputs.

Each neuron follows the polynomial of its activation over its own range, of all degrees (a constant and a line among
them) the one that leaves the smallest error once products of independent symbols and monomials beyond the degree are
counted. What is left becomes an independent symbol of the neuron, which later layers share, so that outputs keep what
their errors have in common.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.networks.activation import Activation, Identity
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Network
from nnctrl.networks.polynomial_fit import polynomial_fit
from nnctrl.reachability.polynomial_network_kernels import apply_fits, free_and_range
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import TINY, gamma, grow_up

OWN_SYMBOLS = 20


@dataclass(frozen=True, eq=False)
class NetworkImage:
    """Outputs of a network, and which dependent symbols to blame for what is not a polynomial in them.

    `rows`: the independent symbols of the inputs come first, unchanged in order, those of the network behind them.
    `blame` [s] (floating point, not a bound): the sum over all neurons of the size that the neuron's error has in the
    outputs, shared out by |linear coefficient of the symbol| / half-width of the neuron's argument.
    """

    rows: PolynomialZonotope
    blame: FloatArray


@np.errstate(all="ignore")  # what overflows is unknown, and its radius says so
def through_network(
    network: Network, inputs: PolynomialZonotope, degree: int = 3, own_symbols: int = OWN_SYMBOLS
) -> NetworkImage:
    """An enclosure of `network(x)` for the rows x of `inputs`, over the same dependent symbols.

    `degree`: the highest of the polynomials that activations are fitted with. The symbols of the network's own errors
    are reduced to at most `own_symbols`, or one per output if these are more. Cost: the products of matrices, and per
    neuron one fit, degree - 1 products of polynomials and one scaling of generators.
    """
    given = inputs.generators.shape[1]
    rows, shares = inputs, [np.zeros((np.count_nonzero(inputs.radius), inputs.basis.symbols))]
    for block in network.blocks:
        start = rows.with_symbols_for_radius()
        hidden = start
        for affine, layer in zip(block.affines, block.activations, strict=False):
            hidden, share = activated(_mapped(affine, hidden), layer, degree)
            shares.append(share[hidden.radius != 0.0])
        rows = _mapped(block.affines[-1], hidden)
        if block.feedthrough is not None:
            rows = rows.plus(_mapped(block.feedthrough, start))
        shares.append(np.zeros((np.count_nonzero(rows.radius), inputs.basis.symbols)))
    own = rows.generators[:, given:]
    blame = np.abs(own).sum(axis=0) @ np.concatenate(shares)[: own.shape[1]]
    own = replace(rows, generators=own).reduced(own_symbols).generators
    return NetworkImage(replace(rows, generators=np.concatenate([rows.generators[:, :given], own], axis=1)), blame)


def activated(rows: PolynomialZonotope, layer: ActivationLayer, degree: int) -> tuple[PolynomialZonotope, FloatArray]:
    """The image of rows under a layer of activations, errors in the radii; and the shares [n, s] that the dependent
    symbols have in the half-widths of the arguments, linearly.
    """
    bounds = _Bounds.of(rows)
    result = PolynomialZonotope(
        rows.basis, np.empty_like(rows.coefficients), np.empty_like(rows.generators), np.empty_like(rows.radius)
    )
    for activation, lanes in layer.slices():
        _image(activation, rows.rows(lanes), bounds.rows(lanes), degree, result.rows(lanes))
    linear = rows.basis.linear
    sizes = np.abs(rows.coefficients[:, np.maximum(linear, 0)]) * (linear >= 0)
    half = 0.5 * bounds.upper - 0.5 * bounds.lower
    return result, sizes / (half + TINY)[:, None]


@dataclass(frozen=True, eq=False)
class _Bounds:
    """Of rows [n]: see `free_and_range`."""

    below: FloatArray
    above: FloatArray
    free: FloatArray
    lower: FloatArray
    upper: FloatArray

    @staticmethod
    def of(rows: PolynomialZonotope) -> _Bounds:
        basis, parts = rows.basis, np.empty((5, rows.dim))
        free_and_range(rows.coefficients, rows.generators, rows.radius, basis.even, basis.linear, rows.squares, *parts)
        return _Bounds(*parts)

    def rows(self, lanes: slice) -> _Bounds:
        return _Bounds(self.below[lanes], self.above[lanes], self.free[lanes], self.lower[lanes], self.upper[lanes])


def _image(
    activation: Activation, rows: PolynomialZonotope, bounds: _Bounds, degree: int, into: PolynomialZonotope
) -> None:
    """The image of rows under one activation, written to the arrays of `into`."""
    if isinstance(activation, Identity):
        into.coefficients[:], into.generators[:], into.radius[:] = rows.coefficients, rows.generators, rows.radius
        return
    fit, basis = polynomial_fit(activation, bounds.lower, bounds.upper, degree), rows.basis
    apply_fits(
        rows.coefficients,
        rows.generators,
        rows.radius,
        bounds.below,
        bounds.above,
        bounds.free,
        basis.products,
        basis.offsets,
        basis.counts,
        fit.centre,
        fit.radius,
        fit.coefficients,
        fit.error,
        fit.exact,
        into.coefficients,
        into.generators,
        into.radius,
    )


def _mapped(affine: Affine, rows: PolynomialZonotope) -> PolynomialZonotope:
    """`rows.with_symbols_for_radius()` mapped, without the product with a diagonal matrix."""
    weight, wide = affine.weight, rows.radius != 0.0
    g, magnitude = gamma(rows.dim + 4), rows.magnitude + rows.radius
    radius = np.abs(weight) @ (g * magnitude + TINY) + g * np.abs(affine.bias) + TINY
    if affine.weight_radius is not None:
        radius = radius + affine.weight_radius @ magnitude
    if affine.bias_radius is not None:
        radius = radius + affine.bias_radius
    coefficients = weight @ rows.coefficients
    coefficients[:, 0] += affine.bias
    generators = np.concatenate([weight @ rows.generators, weight[:, wide] * rows.radius[wide]], axis=1)
    return PolynomialZonotope(rows.basis, coefficients, generators, grow_up(radius, 2 * rows.dim + 8))
