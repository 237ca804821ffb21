"""Polynomials near activations on intervals, with a certified error: what networks need on polynomial zonotopes.

A polynomial in `t = (x - centre) / radius` is fitted in floating point; how far the real activation is from the
polynomial that the stored coefficients define is then bounded piece by piece. The built-in activations have compiled
fits, all others are fitted from what they declare. The middle of the error goes into the constant coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.networks.activation import Activation
from nnctrl.networks.piecewise_linear import Clip, Relu
from nnctrl.networks.polynomial_fit_declared import error_range
from nnctrl.networks.polynomial_fit_linear import FITTED, fit_clip
from nnctrl.networks.polynomial_fit_smooth import SIGMOID, SOFTPLUS, TANH, fit_smooth
from nnctrl.networks.smooth_activations import Sigmoid, Softplus, Tanh
from nnctrl.sets.monomials import IntArray
from nnctrl.sets.rounding import UNIT_ROUNDOFF, widen_up

COARSE, FINE = 16, 64
"""Numbers of Chebyshev points, one for each piece."""

SMOOTH_KINDS: dict[type[Activation], int] = {Tanh: TANH, Sigmoid: SIGMOID, Softplus: SOFTPLUS}


@dataclass(frozen=True, eq=False)
class PolynomialFit:
    """For every degree d: `|phi(x) - sum_j coefficients[:, d, j] ((x - centre) / radius)^j| <= error[:, d]`, lane by
    lane for x in [lower, upper], where |x - centre| <= radius unless phi is constant there.

    `centre`, `radius` [m], `coefficients` [m, degree + 1, degree + 1], `error` [m, degree + 1]; an error that is not
    finite means that nothing is known. `exact` [m] says where phi is its constant or x itself on the whole interval,
    `FITTED` where it is neither.
    """

    centre: FloatArray
    radius: FloatArray
    coefficients: FloatArray
    error: FloatArray
    exact: IntArray


def polynomial_fit(activation: Activation, lower: FloatArray, upper: FloatArray, degree: int) -> PolynomialFit:
    """Fit `activation` on the intervals [lower, upper] [m] with polynomials of degree 0 (the middle of its range) up to
    `degree` at once.

    Cost: about a microsecond per lane for all degrees up to 3 together; some 200 array operations for
    activations that are not built in.
    """
    lanes, rows = len(lower), degree + 1
    fit = PolynomialFit(
        np.empty(lanes),
        np.empty(lanes),
        np.empty((lanes, rows, rows)),
        np.empty((lanes, rows)),
        np.full(lanes, FITTED),
    )
    into = fit.centre, fit.radius, fit.coefficients, fit.error
    coarse, fine = _table(COARSE, degree), _table(max(FINE, 2 * rows), degree)
    kind = type(activation)
    if kind in SMOOTH_KINDS:
        fit_smooth(SMOOTH_KINDS[kind], lower, upper, coarse, fine, _powers(degree), *into)
        return fit
    if isinstance(activation, Relu | Clip):
        limits = (0.0, np.inf) if isinstance(activation, Relu) else (activation.lower, activation.upper)
        low, high = (np.array(np.broadcast_to(limit, lanes), dtype=np.float64) for limit in limits)
        fit_clip(low, high, lower, upper, fine, _powers(degree), *into, fit.exact)
        return fit
    with np.errstate(all="ignore"):
        _fit_declared(activation, lower, upper, fit)
    return fit


def _fit_declared(activation: Activation, lower: FloatArray, upper: FloatArray, fit: PolynomialFit) -> None:
    """Fits from what the activation declares, into `fit`."""
    degree = fit.error.shape[1] - 1
    fine, powers = _table(max(FINE, 2 * degree + 2), degree), _powers(degree)
    centre = 0.5 * lower + 0.5 * upper
    reach = widen_up(np.maximum(upper - centre, centre - lower))
    # a larger radius is as true, and a positive one keeps t defined
    radius = np.maximum(reach, 2.0**-40 * (1.0 + np.abs(centre)))
    fit.centre[:], fit.radius[:] = centre, radius
    # lanes last, for activations with limits per lane
    series = fine[3:] @ activation.value(centre + radius * fine[0][:, None])
    outside = widen_up(radius + 8.0 * UNIT_ROUNDOFF * (np.abs(centre) + radius))
    for d in range(degree + 1):
        fit.coefficients[:, d] = series[: d + 1].T @ powers[: d + 1] if d else 0.0
        if d:
            low, high = error_range(activation, centre, radius, fit.coefficients[:, d, : d + 1])
        else:
            low, high = activation.enclose(centre - outside, centre + outside)
        middle = 0.5 * low + 0.5 * high
        shifted = fit.coefficients[:, d, 0] + middle
        # the sum is rounded, and so is the half-width
        half = np.maximum(high - middle, middle - low)
        fit.error[:, d] = widen_up(half + 2.0 * UNIT_ROUNDOFF * np.abs(shifted), 8.0)
        fit.coefficients[:, d, 0] = shifted


@lru_cache
def _table(count: int, degree: int) -> FloatArray:
    """[degree + 4, count]: Chebyshev points, how far their pieces of [-1, 1] reach to the left and to the right, and
    rows that make Chebyshev coefficients of values there.
    """
    places = np.arange(count, dtype=np.float64)
    points = -np.cos(np.pi * (places + 0.5) / count)
    faces = -np.cos(np.pi * np.arange(count + 1) / count)
    faces[0], faces[-1] = -1.0, 1.0
    reaches = [widen_up(points - faces[:-1]), widen_up(faces[1:] - points)]
    series = 2.0 / count * np.polynomial.chebyshev.chebvander(points, degree).T
    series[0] *= 0.5
    return np.ascontiguousarray(np.concatenate([points[None], reaches, series]))


@lru_cache
def _powers(degree: int) -> FloatArray:
    """The Chebyshev polynomials in powers, [degree + 1, degree + 1]."""
    powers = np.zeros((degree + 1, degree + 1))
    for j in range(degree + 1):
        row = np.polynomial.chebyshev.cheb2poly(np.eye(degree + 1)[j])
        powers[j, : len(row)] = row
    return powers
