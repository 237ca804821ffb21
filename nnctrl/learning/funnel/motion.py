"""A linear plant in units: its regulators, and the tubes that they keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray

LARGEST_COST = 1e8
"""Riccati steps end where the cost has grown by this."""


@dataclass(frozen=True, eq=False)
class Motion:
    """`x+ = A x + B u + c`, and the units in which states and inputs are counted."""

    A: FloatArray
    B: FloatArray
    c: FloatArray
    state_scale: FloatArray
    input_scale: FloatArray

    def regulator(self, price: float) -> FloatArray:
        """K [m, n] of the linear-quadratic regulator u = K x whose inputs cost `price`, by at most 200 Riccati steps.

        Modes that inputs do not reach let the cost grow for ever; the gain of what they do reach is settled before.
        """
        weight = np.diag(self.state_scale**-2.0)
        cost: FloatArray = weight
        gain: FloatArray = np.zeros((self.B.shape[1], len(self.A)))
        for _ in range(200):
            inner = price * np.diag(self.input_scale**-2.0) + self.B.T @ cost @ self.B
            gain = np.asarray(-np.linalg.solve(inner, self.B.T @ cost @ self.A), dtype=np.float64)
            closed = self.A + self.B @ gain
            paid = weight + price * gain.T @ np.diag(self.input_scale**-2.0) @ gain
            cost = np.asarray(paid + closed.T @ cost @ closed, dtype=np.float64)
            if abs(cost).max() > LARGEST_COST * abs(weight).max():
                break
        return gain

    def tube(self, start: FloatArray, gain: FloatArray, steps: int, tolerance: float) -> FloatArray:
        """Q_t [steps + 1, n, n], Q_0 = `start`, with `(A + B K) E_t + B e` in E_{t+1} if |e_j| <= tolerance scale_j.

        The outer ellipsoid of least trace of a sum, Q = (1 + 1/b) M + (1 + b) N with b^2 = tr M / tr N, in scaled
        coordinates.
        """
        noise, closed, found = self.noise(tolerance), self.A + self.B @ gain, [start]
        unit = np.diag(self.state_scale**-2.0)
        for _ in range(steps):
            moved = closed @ found[-1] @ closed.T
            balance = np.sqrt(np.trace(unit @ moved) / np.trace(unit @ noise))
            found.append((1.0 + 1.0 / balance) * moved + (1.0 + balance) * noise)
        return np.array(found)

    def noise(self, tolerance: float) -> FloatArray:
        """Q [n, n] of an ellipsoid around {B e : |e_j| <= tolerance scale_j}."""
        columns = tolerance * self.B * self.input_scale
        return np.asarray(self.B.shape[1] * columns @ columns.T)
