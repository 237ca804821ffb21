"""Flowpipes of closed loops on polynomial zonotopes: from a part of the initial set on, sample by sample.

At every sample the network maps the states, symbol by symbol, to inputs; a continuous plant then moves by validated
steps with the input held, a discrete one by its step map. Between samples the largest independent symbols become
dependent ones, and the others are reduced to a bounded number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.reachability.polynomial_network import through_network
from nnctrl.reachability.symbol_reduction import fewer_symbols
from nnctrl.reachability.validated_step import EnclosureError, HeldDynamics, Step
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.resymbolisation import resymbolised
from nnctrl.sets.rounding import widen_up
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.fit import sample_period
from nnctrl.systems.nonlinear_step import NonlinearStepMap
from nnctrl.systems.point_loop import PointLoop
from nnctrl.systems.polynomial_tape import polynomial_image, undefined_operation

SLOT_WEIGHT = 2
"""Weight of the symbols that take in independent ones: they occur with lower degrees than those of the initial set."""

MOST_SLOTS = 8


@dataclass(frozen=True)
class FlowSettings:
    """How sets are represented.

    `degree` of the polynomials in the symbols; `fit_degree` of those that activations are fitted with; `generators`: so
    many independent symbols are left at each sample; `own_symbols` of the network's error; `slots`: dependent symbols
    kept for independent ones; `order` and `tolerance` of the integration in time.
    """

    degree: int
    fit_degree: int
    generators: int
    own_symbols: int
    slots: int
    order: int
    tolerance: float

    @staticmethod
    def automatic(states: int, inputs: int, symbols: int) -> FlowSettings:
        """The rule: one more degree for few symbols, more independent symbols for more states; errors of one input have
        nothing in common that several symbols could keep.
        """
        return FlowSettings(
            degree=4 if symbols <= 3 else 3,
            fit_degree=3,
            generators=max(120, 16 * states),
            own_symbols=20 if inputs > 1 else 1,
            slots=min(states, MOST_SLOTS),
            order=4,
            tolerance=1e-3,
        )


@dataclass(frozen=True, eq=False)
class Segment(ABC):
    """A stretch of time [first, last], in samples, over which all signals [states; inputs; outputs] can be enclosed."""

    first: float
    last: float

    @abstractmethod
    def signals(self, first: float, last: float) -> PolynomialZonotope:
        """Rows for all signals at all times of [first, last], a part of the segment."""


@dataclass(frozen=True, eq=False)
class Instant(Segment):
    """One sample; at the end of the horizon without inputs and outputs."""

    rows: PolynomialZonotope

    def signals(self, first: float, last: float) -> PolynomialZonotope:
        """The rows, whatever the times: there is one only."""
        return self.rows


@dataclass(frozen=True, eq=False)
class Stretch(Segment):
    """A validated step of a continuous plant."""

    flow: PolynomialFlow
    step: Step
    inputs: PolynomialZonotope

    def signals(self, first: float, last: float) -> PolynomialZonotope:
        """States from the step, inputs as they are held, outputs of both."""
        length = self.last - self.first
        # shares of the step are exact: they are differences of multiples of powers of two
        begin, end = ((time - self.first) / length * self.step.h for time in (first, last))
        x = self.step.at(begin) if begin == end else self.step.during(begin, end)
        return self.flow.with_outputs(x, self.inputs.padded(x.generators.shape[1]))


@dataclass
class PolynomialFlow:
    """Flowpipes of a closed loop from sets over `symbols` symbols."""

    loop: ClosedLoop
    symbols: int
    settings: FlowSettings
    basis: MonomialBasis = field(init=False)

    def __post_init__(self) -> None:
        weights = (1,) * self.symbols + (SLOT_WEIGHT,) * self.settings.slots
        self.basis = MonomialBasis(weights, self.settings.degree)
        plant = self.loop.plant
        self.points = PointLoop(self.loop)
        self.held: HeldDynamics | None = None
        if not plant.is_discrete:
            period = sample_period(plant, self.loop.controller)
            self.held = HeldDynamics(plant, period, self.settings.order, self.settings.tolerance)

    def start(self, centre: FloatArray, generators: FloatArray) -> PolynomialZonotope:
        """Rows for the states x = centre + generators xi, [n] and [n, s], of symbols xi in [-1, 1]; and what follows
        them (delay line, memory).
        """
        z = self.loop.start(centre)
        coefficients = np.zeros((len(z), self.basis.size))
        coefficients[:, 0] = z
        coefficients[: len(centre), self.basis.linear[: self.symbols]] = generators
        return PolynomialZonotope(self.basis, coefficients, np.zeros((len(z), 0)), np.zeros(len(z)))

    def run(self, z: PolynomialZonotope, samples: int, w: FloatArray | None = None) -> Run:
        """The flow from the rows `z` on, lazily; `w` [samples, d]: disturbances and noise that are held at these
        values instead of varying in their ranges.
        """
        return Run(self, z, samples, w)

    def with_outputs(self, x: PolynomialZonotope, u: PolynomialZonotope) -> PolynomialZonotope:
        """Rows [x; u; y] from rows of states and inputs."""
        rows = x.beside(u)
        plant = self.loop.plant
        if not plant.outputs:
            return rows
        arguments = rows.beside(self.constants(rows))
        return rows.beside(polynomial_image(plant.output_tape, arguments))

    def constants(self, like: PolynomialZonotope, w: FloatArray | None = None) -> PolynomialZonotope:
        """Rows [w; p] within their ranges; `w` [w] says which disturbance it is."""
        plant = self.loop.plant
        ranges = [plant.ranges[name] for name in plant.disturbances] if w is None else zip(w, w, strict=True)
        ends = np.array([*ranges, *zip(*plant.parameter_bounds, strict=True)], dtype=np.float64).reshape(-1, 2)
        return interval_rows(ends[:, 0], ends[:, 1], like)


def interval_rows(low: FloatArray, high: FloatArray, like: PolynomialZonotope) -> PolynomialZonotope:
    """Rows that are known to lie between `low` and `high` [k], over the symbols of `like`."""
    middle = 0.5 * low + 0.5 * high
    reach = np.maximum(high - middle, middle - low)
    radius = np.where(reach == 0.0, 0.0, widen_up(reach))
    coefficients = np.zeros((len(low), like.basis.size))
    coefficients[:, 0] = middle
    return PolynomialZonotope(like.basis, coefficients, np.zeros((len(low), like.generators.shape[1])), radius)


@dataclass
class Run:
    """One flow: iterate over `segments`; `blame` [s] then says which symbols the network's errors come from, and
    `sample` how far it got.
    """

    flow: PolynomialFlow
    z: PolynomialZonotope
    samples: int
    w: FloatArray | None
    sample: int = 0

    def __post_init__(self) -> None:
        self.blame = np.zeros(self.flow.symbols)

    def segments(self) -> Iterator[Segment]:
        """Segments in the order of time; the last is the instant at the horizon. Raises EnclosureError."""
        loop = self.flow.loop
        for sample in range(self.samples):
            self.sample = sample
            self.z = self._reduced(self.z)
            if isinstance(loop.step, NonlinearStepMap):
                yield from self._nonlinear(loop.step)
            else:
                yield self._affine()
            if not np.isfinite(self.z.radius).all():
                raise EnclosureError(None)
        self.sample = self.samples
        yield Instant(float(self.samples), float(self.samples), self.z.rows(slice(0, loop.plant.state_size)))

    @np.errstate(all="ignore")  # what overflows is unknown, and its radius says so
    def _reduced(self, z: PolynomialZonotope) -> PolynomialZonotope:
        flow = self.flow
        z = z.with_symbols_for_radius()
        z = resymbolised(z, range(flow.symbols, flow.symbols + flow.settings.slots)).with_symbols_for_radius()
        limit = flow.settings.generators
        # rarely and by much: what is boxed loses what it has in common
        return z if z.generators.shape[1] <= limit else fewer_symbols(z, limit // 2, flow.points)

    def _commanded(self) -> PolynomialZonotope:
        """What the step's network makes of the states and of the disturbances of this sample."""
        loop, z = self.flow.loop, self.z
        box = loop.step.disturbance
        if box is not None:
            lower, upper = (box.lower, box.upper) if self.w is None else (self.w[self.sample], self.w[self.sample])
            z = z.beside(interval_rows(lower, upper, z)).with_symbols_for_radius()
        image = through_network(loop.step.network, z, self.flow.settings.fit_degree, self.flow.settings.own_symbols)
        blame = image.blame[: self.flow.symbols]
        if np.isfinite(blame).all():
            self.blame += blame
        return image.rows.with_symbols_for_radius()

    def _affine(self) -> Segment:
        """A step of an affine discrete plant: its network does all of it."""
        step, n = self.flow.loop.step, self.flow.loop.plant.state_size
        x, rows = self.z.rows(slice(0, n)), self._commanded()
        signals = x.padded(rows.generators.shape[1]).beside(rows.rows(slice(step.state_size, None)))
        segment = Instant(float(self.sample), float(self.sample), signals)
        self.z = rows.rows(slice(0, step.state_size))
        return segment

    def _nonlinear(self, step: NonlinearStepMap) -> Iterator[Segment]:
        """One sample of a plant whose tapes follow the network."""
        flow, plant, lanes = self.flow, self.flow.loop.plant, step.lanes
        joint = self._commanded()
        # the states themselves, not their copy through the network, and none of the symbols that only the copy has
        x = self.z.rows(slice(0, plant.state_size))
        used = np.array(joint.generators[lanes.rest.start : lanes.u.stop].any(axis=0))
        used[: x.generators.shape[1]] = True
        joint = replace(joint, generators=joint.generators[:, used])
        u, rest = joint.rows(lanes.u), joint.rows(lanes.rest)
        x = x.padded(joint.generators.shape[1])
        held = flow.held
        fixed = None if self.w is None else self.w[self.sample][: plant.disturbance_size]
        if held is None:
            yield Instant(float(self.sample), float(self.sample), flow.with_outputs(x, u))
            arguments = x.beside(u).beside(flow.constants(x, fixed))
            following = polynomial_image(plant.tape, arguments)
            if np.isinf(following.radius).all():
                operation = undefined_operation(plant.tape, arguments)
                if operation is not None:
                    raise EnclosureError(operation)
            self.z = following.beside(rest)
            return
        for stretch, inputs in held.steps(x, u, fixed):
            first = self.sample + stretch.start
            x = stretch.at_end()
            yield Stretch(first, first + stretch.share, flow, stretch, inputs)
        self.z = x.beside(rest.padded(x.generators.shape[1]))
