"""A barrier method for the semidefinite program of LipSDP, made for its structure.

Minimise rho over rho, lambda >= 0 with `S = rho E - H'H - sum_i lambda_i (g_i r_i' + r_i g_i') / 2` positive
semidefinite, E the identity on the first coordinates. The constraint matrices have rank two, so Newton's matrix comes
from three products of the rows with S^-1: a problem of 70 rows and 65 variables takes some 50 ms, where interior-point
solvers that keep a dense block for the cone take seconds. Floating point throughout; the caller certifies the result.
"""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray

ACCURACY = 1e-6
"""Relative accuracy of rho at which the method stops."""

CAP = 1e8
"""Multipliers stay below it: those of neurons whose slope is known exactly would grow without end."""

NEWTON_STEPS = 100
"""Steps per barrier parameter; a well-conditioned problem takes five to ten."""


def least_rho(
    square: FloatArray, first: FloatArray, second: FloatArray, layers: list[int], inputs: int
) -> tuple[float, FloatArray] | None:
    """rho and multipliers [m] near the optimum; None where no start was found.

    `square` [n, n]: H'H; `first`, `second` [m, n]: the rows g_i, r_i; `layers`: how many of the coordinates after the
    first `inputs` belong to each layer, the coordinates of a layer being those of its constraints.
    """
    start = _feasible(square, first, second, layers, inputs)
    if start is None:
        return None
    rho, multipliers = start
    weight, count = 10.0 / max(rho, 1e-300), len(square) + 2 * len(first)
    while True:
        rho, multipliers = _centre(rho, multipliers, weight, square, first, second, inputs)
        if count / weight <= ACCURACY * rho or weight > 1e15:
            return rho, multipliers
        weight *= 3.0


def _slack(
    rho: float, multipliers: FloatArray, square: FloatArray, first: FloatArray, second: FloatArray, inputs: int
) -> FloatArray:
    """S."""
    product = (first * multipliers[:, None]).T @ second
    slack = -square - 0.5 * (product + product.T)
    slack[np.arange(inputs), np.arange(inputs)] += rho
    return slack


def _is_definite(matrix: FloatArray) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def _feasible(
    square: FloatArray, first: FloatArray, second: FloatArray, layers: list[int], inputs: int
) -> tuple[float, FloatArray] | None:
    """A strictly feasible start: layer by layer from the last one, multipliers large enough for the block from there
    on; then rho.
    """
    multipliers = np.full(len(first), 1.0)
    stops = inputs + np.cumsum([0, *layers])
    for k in range(len(layers) - 1, -1, -1):
        own = slice(int(stops[k] - inputs), int(stops[k + 1] - inputs))
        while not _is_definite(_slack(1.0, multipliers, square, first, second, inputs)[stops[k] :, stops[k] :]):
            multipliers[own] *= 4.0
            if multipliers[own].max() > 0.1 * CAP:
                return None
    rho = 1.0
    while not _is_definite(_slack(rho, multipliers, square, first, second, inputs)):
        rho *= 4.0
        if rho > CAP:
            return None
    return 2.0 * rho, multipliers


def _centre(
    rho: float,
    multipliers: FloatArray,
    weight: float,
    square: FloatArray,
    first: FloatArray,
    second: FloatArray,
    inputs: int,
) -> tuple[float, FloatArray]:
    """Minimise `weight rho - logdet S - sum log lambda - sum log(CAP - lambda)` by damped Newton steps."""
    value = _merit(rho, multipliers, weight, square, first, second, inputs)
    for _ in range(NEWTON_STEPS):
        inverse = np.linalg.inv(_slack(rho, multipliers, square, first, second, inputs))
        left, right = first @ inverse, second @ inverse
        gg, rr, gr = left @ first.T, right @ second.T, left @ second.T
        gradient = np.empty(len(first) + 1)
        gradient[0] = weight - np.trace(inverse[:inputs, :inputs])
        gradient[1:] = np.diag(gr) - 1.0 / multipliers + 1.0 / (CAP - multipliers)
        hessian = np.empty((len(gradient), len(gradient)))
        hessian[0, 0] = (inverse[:inputs, :inputs] ** 2).sum()
        hessian[0, 1:] = hessian[1:, 0] = -(left[:, :inputs] * right[:, :inputs]).sum(-1)
        hessian[1:, 1:] = 0.5 * (gg * rr + gr * gr.T)
        hessian[1:, 1:] += np.diag(1.0 / multipliers**2 + 1.0 / (CAP - multipliers) ** 2)
        # scaled to a unit diagonal: multipliers may differ by many orders of magnitude
        scale = 1.0 / np.sqrt(np.diag(hessian))
        try:
            step = -scale * np.linalg.solve(hessian * scale[:, None] * scale, scale * gradient)
        except np.linalg.LinAlgError:
            break
        decrease = -float(gradient @ step)
        if not decrease > 1e-3:
            break
        length = 1.0
        while length > 1e-6:
            moved = rho + length * step[0], multipliers + length * step[1:]
            trial = _merit(*moved, weight, square, first, second, inputs)
            if trial <= value - 0.1 * length * decrease:
                break
            length *= 0.5
        else:
            break
        (rho, multipliers), value = moved, trial
    return rho, multipliers


def _merit(
    rho: float,
    multipliers: FloatArray,
    weight: float,
    square: FloatArray,
    first: FloatArray,
    second: FloatArray,
    inputs: int,
) -> float:
    """The function that `_centre` minimises; inf outside its domain."""
    if not (multipliers > 0.0).all() or not (multipliers < CAP).all():
        return np.inf
    try:
        factor = np.linalg.cholesky(_slack(rho, multipliers, square, first, second, inputs))
    except np.linalg.LinAlgError:
        return np.inf
    logarithms = 2.0 * np.log(np.diag(factor)).sum() + np.log(multipliers).sum() + np.log(CAP - multipliers).sum()
    return float(weight * rho - logarithms)
