"""Networks on polynomial zonotopes: the outputs stay functions of the symbols of the inputs.

Each neuron follows the better of a line and a polynomial of its activation over its own range, whatever leaves the
smaller error once products of independent symbols and monomials beyond the degree are counted. What is left becomes an
independent symbol of the neuron, which later layers share, so that outputs keep what their errors have in common.
"""

from __future__ import annotations

import numpy as np

from nnctrl.networks.activation import Activation, Identity
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Network
from nnctrl.networks.polynomial_fit import PolynomialFit, polynomial_fit
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import UNIT_ROUNDOFF


@np.errstate(all="ignore")  # what overflows is unknown, and its radius says so
def through_network(network: Network, inputs: PolynomialZonotope, degree: int = 3) -> PolynomialZonotope:
    """An enclosure of `network(x)` for the rows x of `inputs`, over the same dependent symbols.

    `degree`: of the polynomials that activations are fitted with. Cost: about degree products of rows per neuron.
    """
    rows = inputs
    for block in network.blocks:
        hidden = rows
        for affine, layer in zip(block.affines, block.activations, strict=False):
            hidden = activated(_mapped(affine, hidden), layer, degree).with_symbols_for_radius()
        result = _mapped(block.affines[-1], hidden)
        rows = result if block.feedthrough is None else result.plus(_mapped(block.feedthrough, rows))
    return rows


def activated(rows: PolynomialZonotope, layer: ActivationLayer, degree: int) -> PolynomialZonotope:
    """The image of rows under a layer of activations, errors in the radii."""
    result: PolynomialZonotope | None = None
    for activation, lanes in layer.slices():
        part = _image(activation, rows.rows(lanes), degree)
        result = part if result is None else result.beside(part)
    if result is None:
        raise ValueError("a layer without activations")
    return result


def _image(activation: Activation, rows: PolynomialZonotope, degree: int) -> PolynomialZonotope:
    if isinstance(activation, Identity):
        return rows
    lower, upper = rows.ranges()
    line = polynomial_fit(activation, lower, upper, 1)
    best = _evaluated(line, rows)
    for exponent in range(2, degree + 1):
        bent = _evaluated(polynomial_fit(activation, lower, upper, exponent), rows)
        # comparisons with nan are false: what is unknown is taken only where all is
        best = bent.where(bent.radius < best.radius, best)
    return best


def _evaluated(fit: PolynomialFit, rows: PolynomialZonotope) -> PolynomialZonotope:
    """The polynomial of rows, by Horner's rule, and its distance from the activation."""
    inverse = 1.0 / fit.radius
    # 1 / radius is rounded: |t| <= 1 moves by a few roundoffs
    t = rows.scaled(inverse, -fit.centre * inverse).widened(8.0 * UNIT_ROUNDOFF * (1.0 + np.abs(fit.centre) * inverse))
    ones, degree = np.ones(rows.dim), fit.coefficients.shape[1] - 1
    result = t.scaled(fit.coefficients[:, degree], fit.coefficients[:, degree - 1])
    for j in range(degree - 2, -1, -1):
        result = result.times(t).scaled(ones, fit.coefficients[:, j])
    return result.widened(fit.error)


def _mapped(affine: Affine, rows: PolynomialZonotope) -> PolynomialZonotope:
    return rows.affine(affine.weight, affine.bias, affine.weight_radius, affine.bias_radius)
