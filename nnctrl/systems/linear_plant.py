"""Linear plants from matrices or from a python-control StateSpace."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.layers import Affine, frozen_array
from nnctrl.systems.plant import AffineDynamics, Plant
from nnctrl.systems.signals import Names, name_signals
from nnctrl.systems.tape import Tape


class LinearPlant(Plant):
    """`A x + B u + c + E w` as next state (dt > 0) or derivative (dt = 0), with outputs `C x + D u` if C is given.

    Args: A [n, n], B [n, m], c [n], E [n, w], C [outputs, n], D [outputs, m]; names as {name: unit} or as plain names
    (unit 1), by default x1.., u1.., w1.., y1..; `ranges` as for any plant. The doubles in the matrices are the plant.
    """

    def __init__(
        self,
        A: object,
        B: object,
        c: object | None = None,
        E: object | None = None,
        *,
        C: object | None = None,
        D: object | None = None,
        states: Names = None,
        inputs: Names = None,
        disturbances: Names = None,
        outputs: Names = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        dt: float = 0.0,
    ) -> None:
        state = frozen_array(A, 2, "A")
        n = state.shape[0]
        control = frozen_array(B, 2, "B")
        disturbance = frozen_array(np.zeros((n, 0)) if E is None else E, 2, "E")
        offset = frozen_array(np.zeros(n) if c is None else c, 1, "c")
        _check_shape("A", state, (n, n))
        _check_shape("B", control, (n, control.shape[1]))
        _check_shape("E", disturbance, (n, disturbance.shape[1]))
        _check_shape("c", offset, (n,))
        m, q = control.shape[1], disturbance.shape[1]
        self.matrices = Affine(np.hstack([state, control, disturbance]), offset)
        self.output_matrices: Affine | None = None
        if C is None and D is not None:
            raise InputError("D is given without C; give C as well (zeros for outputs that show no state)")
        if C is not None:
            seen = frozen_array(C, 2, "C")
            through = frozen_array(np.zeros((len(seen), m)) if D is None else D, 2, "D")
            _check_shape("C", seen, (len(seen), n))
            _check_shape("D", through, (len(seen), m))
            self.output_matrices = Affine.linear(np.hstack([seen, through, np.zeros((len(seen), q))]))
        super().__init__(
            states=name_signals("x", n, states),
            inputs=name_signals("u", m, inputs),
            disturbances=name_signals("w", q, disturbances),
            outputs=name_signals("y", 0 if self.output_matrices is None else self.output_matrices.out_size, outputs),
            ranges=ranges,
            dt=dt,
        )

    def _has_output_map(self) -> bool:
        return self.output_matrices is not None

    def dynamics(self, x: Any, u: Any, w: Any) -> Any:
        """The expression of the matrices."""
        return _expression(self.matrices, x, u, w)

    def output(self, x: Any, u: Any, w: Any) -> Any:
        """The expression of C and D."""
        return () if self.output_matrices is None else _expression(self.output_matrices, x, u, w)

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self.state_size, self.input_size, self.disturbance_size, 0

    @cached_property
    def tape(self) -> Tape:
        """Tape of the matrices, made without CasADi."""
        return Tape.from_affine(f"{self.name}_dynamics", self.matrices, self._sizes)

    @cached_property
    def output_tape(self) -> Tape:
        """Tape of C and D, made without CasADi."""
        outputs = (
            Affine.linear(np.zeros((0, self.matrices.in_size)))
            if self.output_matrices is None
            else self.output_matrices
        )
        return Tape.from_affine(f"{self.name}_output", outputs, self._sizes)

    @cached_property
    def _affine(self) -> AffineDynamics:
        # the matrices themselves: exact, and no expression needs to be built
        return AffineDynamics(self.matrices, self.output_matrices, self.state_size, self.input_size)

    @staticmethod
    def from_state_space(system: Any, *, ranges: Mapping[str, tuple[float, float]] | None = None) -> LinearPlant:
        """The plant of a control.StateSpace: continuous for dt 0 or None, discrete for a number; y = C x + D u as
        outputs.

        Signal names are taken over, python-control's own generated ones (x[0]) become x1, u1, y1. InputError for dt =
        True, which is a discrete system without a period.
        """
        if not hasattr(system, "state_labels"):
            raise InputError(f"a {type(system).__name__} is no state space; convert it with control.ss")
        if system.dt is True:
            raise InputError("the state space is discrete with an unspecified period; set its dt to seconds")
        labels = {"states": system.state_labels, "inputs": system.input_labels, "outputs": system.output_labels}
        names = {kind: None if all("[" in name for name in given) else list(given) for kind, given in labels.items()}
        return LinearPlant(
            system.A, system.B, C=system.C, D=system.D, ranges=ranges, dt=float(system.dt or 0.0), **names
        )

    def discretise(self, period: float, method: str = "zoh") -> LinearPlant:
        """The discrete plant for inputs and disturbances held over `period` seconds, by control.sample_system.

        `method` is "zoh" (exact for held inputs) or "euler"; the others of python-control change what the states mean
        and are refused. The offset c is one more held input. The doubles of the result are a plant of their own: the
        rounding of the matrix exponential is not carried over. InputError if the plant is discrete already.
        """
        if self.is_discrete:
            raise InputError(f"the plant is discrete already (dt = {self.dt}); discretise a continuous one")
        if not (np.isfinite(period) and period > 0.0):
            raise InputError(f"the period is {period}; give a positive number of seconds")
        if method not in ("zoh", "euler"):
            raise InputError(
                f"the method '{method}' changes the meaning of the states or is unknown; use 'zoh' or 'euler'"
            )
        import control

        dynamics = self.affine()
        n, m = self.state_size, self.input_size
        held = np.hstack([dynamics.B, dynamics.E, dynamics.c[:, None]])
        output = self.output_matrices
        C = np.eye(n) if output is None else output.weight[:, :n]
        D = np.zeros((len(C), held.shape[1]))
        if output is not None:
            D[:, :m] = output.weight[:, n : n + m]
        sampled = control.sample_system(control.ss(dynamics.A, held, C, D), period, method)
        B, E, c = sampled.B[:, :m], sampled.B[:, m:-1], sampled.B[:, -1]
        extra: dict[str, FloatArray] = {} if output is None else {"C": sampled.C, "D": sampled.D[:, :m]}
        return LinearPlant(
            sampled.A,
            B,
            c,
            E,
            states=self.states,
            inputs=self.inputs,
            disturbances=self.disturbances,
            outputs=self.outputs or None,
            ranges=self.ranges,
            dt=period,
            **extra,
        )


def _check_shape(name: str, matrix: FloatArray, shape: tuple[int, ...]) -> None:
    if matrix.shape != shape:
        raise DimensionError(f"{name} has shape {matrix.shape}; it must be {shape}")


def _expression(affine: Affine, x: Any, u: Any, w: Any) -> Any:
    """`W [x; u; w] + b` as a CasADi column."""
    import casadi

    return casadi.mtimes(casadi.DM(affine.weight), casadi.vertcat(x, u, w)) + casadi.DM(affine.bias)
