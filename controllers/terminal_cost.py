"""The end of a finite horizon: the cost of regulating a linear plant for ever after, without constraints."""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.systems.plant import AffineDynamics


def riccati_cost(
    dynamics: AffineDynamics, state_cost: FloatArray, input_cost: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """P [n, n] and K [m, n]: x'P x is the least cost sum of x'Q x + u'R u from x on, reached by u = -K x (dlqr).

    InputError if the pair (A, B) and the weights admit no stabilising solution.
    """
    from scipy.linalg import solve_discrete_are

    A, B = dynamics.A, dynamics.B
    try:
        P: FloatArray = solve_discrete_are(A, B, state_cost, input_cost)
    except (np.linalg.LinAlgError, ValueError) as error:
        raise InputError(
            f"the weights of the MPC admit no terminal cost ({error}); give positive input weights, and state weights "
            "that see every state which does not decay by itself"
        ) from error
    K: FloatArray = np.linalg.solve(input_cost + B.T @ P @ B, B.T @ P @ A).astype(np.float64)
    return P, K


def resting_input(dynamics: AffineDynamics) -> FloatArray:
    """Input u [m] that keeps the plant at the origin, B u + c = 0; InputError if there is none."""
    u, *_ = np.linalg.lstsq(dynamics.B, -dynamics.c, rcond=None)
    if np.abs(dynamics.B @ u + dynamics.c).max() > 1e-9:
        raise InputError("no input keeps the plant at the origin (B u + c = 0 has no solution); shift its coordinates")
    return np.asarray(u, dtype=np.float64)
