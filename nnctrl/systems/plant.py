"""Plants: dynamics written once as a CasADi expression, everything else derived from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np

from nnctrl._typing import Array, FloatArray
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.systems.affine_form import AffineForm, to_affine
from nnctrl.systems.expression import build_function, differentiate
from nnctrl.systems.signals import Units, check_keys, check_names, interval_of
from nnctrl.systems.tape import Tape

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class AffineDynamics:
    """`A x + B u + E w + c`: next state (discrete) or derivative (continuous), and outputs, as maps of the stacked
    [x; u; w].

    The radii of `state` and `output` are certified: the real plant, for every value of its interval parameters, lies
    within.
    """

    state: Affine
    output: Affine | None
    state_size: int
    input_size: int

    @property
    def A(self) -> FloatArray:  # noqa: N802 (the matrix's own name)
        """State matrix [n, n] (midpoint)."""
        return self.state.weight[:, : self.state_size]

    @property
    def B(self) -> FloatArray:  # noqa: N802 (the matrix's own name)
        """Input matrix [n, m] (midpoint)."""
        return self.state.weight[:, self.state_size : self.state_size + self.input_size]

    @property
    def E(self) -> FloatArray:  # noqa: N802 (the matrix's own name)
        """Disturbance matrix [n, w] (midpoint)."""
        return self.state.weight[:, self.state_size + self.input_size :]

    @property
    def c(self) -> FloatArray:
        """Offset [n] (midpoint)."""
        return self.state.bias


class Plant(ABC):
    """A plant: named signals and its dynamics. A new plant is a subclass with `states`, `inputs` and `dynamics`.

    Class attributes, each of which the constructor may override for one object:

    - states, inputs, disturbances, outputs: names in order, each with its unit; no name may occur twice.
    - parameters: name to number, or to (low, high) for one known only to lie in an interval: verdicts hold for every
      value in it, even one that changes from step to step; simulation uses the midpoint unless told otherwise.
    - ranges: name of a signal to (low, high). A disturbance needs one to be verified; for other signals they document
      the model's domain.
    - dt: 0.0 for continuous time, else the sample period in seconds.

    `dynamics` takes some of the arguments x, u, w, p BY THESE NAMES: columns of CasADi scalars for the signals
    (`x[0]`, `u[1]`), for the parameters a dictionary (`p["mass"]`). It returns one expression per state: the next
    state (discrete) or the derivative (continuous). `output` likewise returns one expression per output. Use casadi's
    functions (casadi.sin). Treat an object as immutable.
    """

    states: Units = NOTHING
    inputs: Units = NOTHING
    disturbances: Units = NOTHING
    outputs: Units = NOTHING
    parameters: Mapping[str, float | tuple[float, float]] = NOTHING
    ranges: Mapping[str, tuple[float, float]] = NOTHING
    dt: float = 0.0

    def __init__(
        self,
        *,
        states: Units | None = None,
        inputs: Units | None = None,
        disturbances: Units | None = None,
        outputs: Units | None = None,
        parameters: Mapping[str, float | tuple[float, float]] | None = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        dt: float | None = None,
    ) -> None:
        signals = {"states": states, "inputs": inputs, "disturbances": disturbances, "outputs": outputs}
        for attribute, value in signals.items():
            if value is not None:
                setattr(self, attribute, dict(value) if isinstance(value, Mapping) else value)
        # parameters and ranges are changed one by one, so that one mass can be varied without repeating the rest
        if parameters is not None:
            check_keys(self.name, "parameter", parameters, self.parameters)
            self.parameters = {**self.parameters, **parameters}
        if ranges is not None:
            self.ranges = {**self.ranges, **ranges}
        if dt is not None:
            self.dt = dt
        self.check()

    @abstractmethod
    def dynamics(self, *args: Any, **kwargs: Any) -> Any:
        """Next state or derivative as a tuple of CasADi expressions; see the class."""

    def output(self, *args: Any, **kwargs: Any) -> Any:
        """Outputs as a tuple of CasADi expressions; none unless `outputs` are declared."""
        return ()

    def check(self) -> None:
        """InputError unless names, units, parameters, ranges and dt obey the rules; the constructor calls it."""
        groups = {
            "states": self.states,
            "inputs": self.inputs,
            "disturbances": self.disturbances,
            "outputs": self.outputs,
        }
        check_names(self.name, groups)
        if not self.states:
            raise InputError(f"'{self.name}' declares no states; give a dictionary of names and units")
        signals = {name: unit for units in groups.values() for name, unit in units.items()}
        for what, given in (("parameters", self.parameters), ("ranges", self.ranges)):
            if not isinstance(given, Mapping):
                raise InputError(f"{what} of '{self.name}' are {given!r}; give a dictionary of names and values")
        check_keys(self.name, "signal", self.ranges, signals)
        for name, value in [*self.parameters.items(), *self.ranges.items()]:
            interval_of(self.name, name, value)
        if not isinstance(self.dt, Real) or not (np.isfinite(self.dt) and self.dt >= 0.0):
            raise InputError(f"dt of '{self.name}' is {self.dt}; give 0.0 for continuous time or a period in seconds")
        if bool(self.outputs) != self._has_output_map():
            raise InputError(
                f"'{self.name}' has only one of `outputs` (names) and `output` (expressions); give both or neither"
            )

    def _has_output_map(self) -> bool:
        return type(self).output is not Plant.output

    @property
    def name(self) -> str:
        """The class name."""
        return type(self).__name__

    @property
    def state_size(self) -> int:
        """Number of states n."""
        return len(self.states)

    @property
    def input_size(self) -> int:
        """Number of inputs m."""
        return len(self.inputs)

    @property
    def disturbance_size(self) -> int:
        """Number of disturbances."""
        return len(self.disturbances)

    @property
    def output_size(self) -> int:
        """Number of outputs."""
        return len(self.outputs)

    @property
    def is_discrete(self) -> bool:
        """Whether `dynamics` gives the next state (else the derivative)."""
        return self.dt > 0.0

    @property
    def parameter_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper values of the parameters, in order."""
        bounds = [interval_of(self.name, name, value) for name, value in self.parameters.items()]
        pairs = np.array(bounds, dtype=np.float64).reshape(len(bounds), 2)
        return pairs[:, 0], pairs[:, 1]

    @property
    def nominal_parameters(self) -> FloatArray:
        """Midpoints of the parameters, in order."""
        lower, upper = self.parameter_bounds
        return np.asarray(np.where(lower == upper, lower, 0.5 * lower + 0.5 * upper))

    def casadi_function(self) -> Any:
        """The dynamics as a casadi.Function of columns (x, u, w, p), p in the order of `parameters`: for MPC models."""
        self.check()
        return build_function(self, "dynamics", self.dynamics, self.states)

    @cached_property
    def tape(self) -> Tape:
        """Tape of the dynamics: inputs x, u, w, p; one column of n results."""
        return Tape(self.casadi_function())

    @cached_property
    def output_tape(self) -> Tape:
        """Tape of the outputs: inputs x, u, w, p; one column of results."""
        return Tape(build_function(self, "output", self.output, self.outputs))

    @cached_property
    def jacobian_tape(self) -> Tape:
        """Tape of the Jacobian by the stacked (x, u, w), [n, n + m + w]: for points, as its constants are folded."""
        return Tape(differentiate(self.casadi_function()))

    def step(self, x: Array, u: Array, w: Array | None = None, p: Array | None = None) -> Array:
        """Next state [..., n] from `x` [..., n], `u` [..., m], `w` [..., w] (default 0), `p` (default the midpoints).

        NumPy or torch; leading dimensions broadcast. UnsupportedError for a continuous plant.
        """
        if not self.is_discrete:
            raise UnsupportedError(f"'{self.name}' is continuous and has no step; simulate it, or discretise it")
        return self._evaluate(self.tape, x, u, w, p)

    def vector_field(self, x: Array, u: Array, w: Array | None = None, p: Array | None = None) -> Array:
        """Derivative [..., n]; arguments as for `step`. UnsupportedError for a discrete plant."""
        if self.is_discrete:
            raise UnsupportedError(f"'{self.name}' is discrete and has no vector field; use step")
        return self._evaluate(self.tape, x, u, w, p)

    def measure(self, x: Array, u: Array, w: Array | None = None, p: Array | None = None) -> Array:
        """Outputs [..., outputs]; arguments as for `step`."""
        return self._evaluate(self.output_tape, x, u, w, p)

    def jacobian(self, x: Array, u: Array, w: Array | None = None, p: Array | None = None) -> Array:
        """Derivative of the dynamics by the stacked (x, u, w), [..., n, n + m + w], in floating point.

        UnsupportedError for dynamics with kinks (fabs, fmin, fmax).
        """
        columns = self.state_size + self.input_size + self.disturbance_size
        flat = self._evaluate(self.jacobian_tape, x, u, w, p)
        return flat if columns > 1 else flat[..., None]

    def _evaluate(self, tape: Tape, x: Array, u: Array, w: Array | None, p: Array | None) -> Array:
        disturbance = np.zeros(self.disturbance_size) if w is None else w
        parameters = self.nominal_parameters if p is None else p
        return tape(x, u, disturbance, parameters)[0]

    def is_affine(self) -> bool:
        """Whether the dynamics (and outputs) are affine in (x, u, w) for every parameter value, as they are written.

        Terms that cancel only after multiplying out, such as (x + 1)^2 - x^2, count as not affine.
        """
        try:
            self.affine()
        except UnsupportedError:
            return False
        return True

    def affine(self) -> AffineDynamics:
        """The matrices of affine dynamics with certified radii (None where a double is exact).

        UnsupportedError names the operation that is not affine. Cost: one pass over the tape in rational arithmetic.
        """
        return self._affine

    def has_affine_output(self) -> bool:
        """Whether the outputs, if there are any, are affine in (x, u, w)."""
        try:
            self.affine_output()
        except UnsupportedError:
            return False
        return True

    def affine_output(self) -> Affine | None:
        """The outputs as a map of the stacked [x; u; w] with certified radii, None if there are none; see `affine`."""
        return self._affine_output

    @cached_property
    def _affine(self) -> AffineDynamics:
        output = self._affine_output
        return AffineDynamics(self._matrices(self.tape), output, self.state_size, self.input_size)

    @cached_property
    def _affine_output(self) -> Affine | None:
        return self._matrices(self.output_tape) if self.outputs else None

    def _matrices(self, tape: Tape) -> Affine:
        sizes = (self.state_size, self.input_size, self.disturbance_size)
        variables = iter(range(sum(sizes)))
        inputs = [[AffineForm.variable(next(variables)) for _ in range(size)] for size in sizes]
        inputs.append([AffineForm.constant(low, high) for low, high in zip(*self.parameter_bounds, strict=True)])
        try:
            (entries,) = tape.evaluate(inputs)
        except UnsupportedError as error:
            raise UnsupportedError(f"'{self.name}': {error}") from error
        except InputError as error:
            # what is wrong with a term of parameters is wrong in affine dynamics; others are bounded with the
            # parameters as symbols, which may see that nothing is wrong
            if tape.bends(len(sizes)):
                raise UnsupportedError(f"'{self.name}' is not affine, and {error}") from error
            raise
        return to_affine([entries.get((row, 0), 0.0) for row in range(tape.out_shapes[0][0])], sum(sizes))
