"""Linear-quadratic regulators of continuous plants that are sampled, and limits that leave no kink."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np

from nnctrl import Box, Expert, Plant
from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.systems.expert import traced
from nnctrl.systems.tape import Tape


def soft_limit(command: FloatArray, limit: FloatArray) -> FloatArray:
    """`command` [m] within +-`limit` [m], with slope 1 at 0: limit tanh(command / limit), easy to imitate."""
    return np.asarray(limit * np.tanh(command / limit))


def require_positive(law: str, **values: float) -> None:
    """InputError naming a value of the `law` that is not positive."""
    for name, value in values.items():
        if not value > 0.0:
            raise InputError(f"the {law} has {name.replace('_', ' ')} {value}; give a positive number")


def sampled(plant: Plant, x: FloatArray, u: FloatArray, period: float) -> tuple[FloatArray, FloatArray]:
    """A [n, n] and B [n, m] of the plant's linearisation about (x, u) with the input held over `period` seconds."""
    from scipy.linalg import expm

    n, m = plant.state_size, plant.input_size
    joint = np.zeros((n + m, n + m))
    joint[:n] = plant.jacobian(x, u)[:, : n + m]
    held = expm(period * joint)
    return np.asarray(held[:n, :n]), np.asarray(held[:n, n:])


def sampled_gain(
    plant: Plant, x: FloatArray, u: FloatArray, period: float, state_weights: FloatArray, input_weights: FloatArray
) -> FloatArray:
    """K [m, n] of the regulator u - K (x' - x) that minimises the sum of squares with these weights [n] and [m].

    A weight of 0 leaves a state out: the regulator does not look at it, which is right for states that nothing else
    depends on. InputError where the other states cannot be stabilised.
    """
    from scipy.linalg import solve_discrete_are

    A, B = sampled(plant, x, u, period)
    seen = state_weights > 0.0
    A, B, Q, R = A[np.ix_(seen, seen)], B[seen], np.diag(state_weights[seen]), np.diag(input_weights)
    try:
        P = solve_discrete_are(A, B, Q, R)
    except (np.linalg.LinAlgError, ValueError) as error:
        raise InputError(
            f"the regulator of '{plant.name}' has no solution ({error}); give positive input weights, and the weight 0 "
            "to states that no input moves"
        ) from error
    K = np.zeros((plant.input_size, plant.state_size))
    K[:, seen] = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
    return K


class SampledLQR(Expert):
    """u0 - K (x - x0) with the gain of `sampled_gain` about the operating point (x0, u0), softly limited about u0.

    A subclass says `plant`, `operating_state` and, if it is not 0, `operating_input`. Args: `period` in s; the
    diagonals of the quadratic cost; `input_limits` by how much each input leaves u0 at most.
    """

    plant: Plant
    period: float
    input_bounds: Box

    def __init__(
        self,
        period: float,
        state_weights: tuple[float, ...],
        input_weights: tuple[float, ...],
        input_limits: tuple[float, ...],
    ) -> None:
        plant = self.plant
        if len(state_weights) != plant.state_size or not len(input_weights) == len(input_limits) == plant.input_size:
            raise InputError(
                f"the regulator of '{plant.name}' has {len(state_weights)} state weights, {len(input_weights)} input "
                f"weights and {len(input_limits)} input limits; give {plant.state_size}, {plant.input_size} and "
                f"{plant.input_size}"
            )
        if min(period, *input_weights, *input_limits) <= 0.0 or min(state_weights) < 0.0:
            raise InputError(
                f"the regulator of '{plant.name}' has period {period}, input weights {input_weights}, input limits "
                f"{input_limits} and state weights {state_weights}; give positive numbers, and state weights from 0 on"
            )
        self.period = period
        self.state_weights, self.input_weights, self.input_limits = state_weights, input_weights, input_limits
        limits = np.array(input_limits)
        self.input_bounds = Box(self.operating_input - limits, self.operating_input + limits)

    @property
    @abstractmethod
    def operating_state(self) -> FloatArray:
        """x0 [n]."""

    @property
    def operating_input(self) -> FloatArray:
        """u0 [m], which keeps the plant at x0."""
        return np.zeros(self.plant.input_size)

    @cached_property
    def gain(self) -> FloatArray:
        """K [m, n]."""
        weights = np.array(self.state_weights), np.array(self.input_weights)
        return sampled_gain(self.plant, self.operating_state, self.operating_input, self.period, *weights)

    def control(self, x: FloatArray) -> FloatArray:
        """u [m] for x [n]."""
        command = -(self.gain @ (np.asarray(x) - self.operating_state))
        return self.operating_input + soft_limit(command, np.array(self.input_limits))

    def law(self) -> Tape:
        """See `Expert.law`."""
        return traced(self.control, self.plant.state_size)
