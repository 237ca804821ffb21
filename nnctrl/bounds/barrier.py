"""A barrier method for the semidefinite program of LipSDP, made for its structure.

Minimise rho over rho, lambda >= 0 with `S = rho E - H'H - sum_i lambda_i (g_i r_i' + r_i g_i') / 2` positive
semidefinite, E the identity on the first coordinates. The constraint matrices have rank two, so Newton's matrix comes
from three products of the rows with S^-1: a problem of 70 rows and 65 variables takes some 50 ms, where interior-point
solvers that keep a dense block for the cone take seconds. Floating point throughout; the caller certifies the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray

ACCURACY = 1e-6
"""Relative accuracy of rho at which the method stops."""

CAP = 1e8
"""Multipliers stay below it: those of neurons whose slope is known exactly would grow without end."""

NEWTON_STEPS = 100
"""Steps per barrier parameter; a well-conditioned problem takes five to ten."""


Point = tuple[float, FloatArray]
"""rho and the multipliers [m]."""


def least_rho(
    square: FloatArray, first: FloatArray, second: FloatArray, layers: list[int], inputs: int
) -> Point | None:
    """rho and multipliers near the optimum; None where no start was found.

    `square` [n, n]: H'H; `first`, `second` [m, n]: the rows g_i, r_i; `layers`: how many of the coordinates after the
    first `inputs` belong to each layer, the coordinates of a layer being those of its constraints.
    """
    program = _Program(square, first, second, inputs)
    point = program.start(layers)
    if point is None:
        return None
    weight, count = 10.0 / max(point[0], 1e-300), len(square) + 2 * len(first)
    while True:
        point = program.centre(point, weight)
        if count / weight <= ACCURACY * point[0] or weight > 1e15:
            return point
        weight *= 3.0


@dataclass(frozen=True, eq=False)
class _Program:
    """The data of the program; see `least_rho`."""

    square: FloatArray
    first: FloatArray
    second: FloatArray
    inputs: int

    def slack(self, point: Point) -> FloatArray:
        """S."""
        rho, multipliers = point
        product = (self.first * multipliers[:, None]).T @ self.second
        slack = -self.square - 0.5 * (product + product.T)
        slack[np.arange(self.inputs), np.arange(self.inputs)] += rho
        return slack

    def start(self, layers: list[int]) -> Point | None:
        """A strictly feasible point: layer by layer from the last one, multipliers large enough for the block from
        there on; then rho.
        """
        multipliers = np.full(len(self.first), 1.0)
        stops = np.cumsum([0, *layers])
        for k in range(len(layers) - 1, -1, -1):
            own, behind = slice(int(stops[k]), int(stops[k + 1])), self.inputs + int(stops[k])
            while _factor(self.slack((1.0, multipliers))[behind:, behind:]) is None:
                multipliers[own] *= 4.0
                if not multipliers[own].max() <= 0.1 * CAP:
                    return None
        rho = 1.0
        while _factor(self.slack((rho, multipliers))) is None:
            rho *= 4.0
            if rho > CAP:
                return None
        return 2.0 * rho, multipliers

    def centre(self, point: Point, weight: float) -> Point:
        """Minimise `weight rho - logdet S - sum log lambda - sum log(CAP - lambda)` by damped Newton steps."""
        value = self._merit(point, weight)
        for _ in range(NEWTON_STEPS):
            step, decrease = self._newton(point, weight)
            if not decrease > 1e-3:
                break
            length = 1.0
            while length > 1e-6:
                moved = point[0] + length * step[0], point[1] + length * step[1:]
                trial = self._merit(moved, weight)
                if trial <= value - 0.1 * length * decrease:
                    break
                length *= 0.5
            else:
                break
            point, value = moved, trial
        return point

    def _newton(self, point: Point, weight: float) -> tuple[FloatArray, float]:
        """Newton's step [1 + m] and how fast the function falls along it; nothing where the equations are singular."""
        multipliers, size = point[1], 1 + len(self.first)
        try:
            inverse = np.linalg.inv(self.slack(point))
        except np.linalg.LinAlgError:
            return np.zeros(size), 0.0
        left, right = self.first @ inverse, self.second @ inverse
        gg, rr, gr = left @ self.first.T, right @ self.second.T, left @ self.second.T
        corner = inverse[: self.inputs, : self.inputs]
        gradient, hessian = np.empty(size), np.empty((size, size))
        gradient[0] = weight - np.trace(corner)
        gradient[1:] = np.diag(gr) - 1.0 / multipliers + 1.0 / (CAP - multipliers)
        hessian[0, 0] = (corner**2).sum()
        hessian[0, 1:] = hessian[1:, 0] = -(left[:, : self.inputs] * right[:, : self.inputs]).sum(-1)
        hessian[1:, 1:] = 0.5 * (gg * rr + gr * gr.T)
        hessian[1:, 1:] += np.diag(1.0 / multipliers**2 + 1.0 / (CAP - multipliers) ** 2)
        # scaled to a unit diagonal: multipliers may differ by many orders of magnitude
        scale = 1.0 / np.sqrt(np.diag(hessian))
        try:
            step = -scale * np.linalg.solve(hessian * scale[:, None] * scale, scale * gradient)
        except np.linalg.LinAlgError:
            return np.zeros(size), 0.0
        return step, -float(gradient @ step)

    def _merit(self, point: Point, weight: float) -> float:
        """The function that `centre` minimises; inf outside its domain."""
        rho, multipliers = point
        if not ((multipliers > 0.0) & (multipliers < CAP)).all():
            return np.inf
        factor = _factor(self.slack(point))
        if factor is None:
            return np.inf
        logarithms = np.log(multipliers).sum() + np.log(CAP - multipliers).sum() + 2.0 * np.log(np.diag(factor)).sum()
        return float(weight * rho - logarithms)


def _factor(matrix: FloatArray) -> FloatArray | None:
    """Cholesky's factor, None if the matrix is not positive definite."""
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        return None
