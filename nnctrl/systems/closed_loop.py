"""The closed loop as one step map, and the way back from it to the plant's signals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnknownNameError
from nnctrl.networks.network import Network
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.controller import Controller
from nnctrl.systems.diagram import BlockDiagram
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import Trajectory


@dataclass(frozen=True, eq=False)
class AbstractStepMap(ABC):
    """One sample of the closed loop, a map `[z; d] -> [z+; u; y]` with named coordinates.

    z stacks the plant's state, then delay lines, then the controller's memory; d the plant's disturbance, then the
    measurement noise, and lies in the box `disturbance` (None if empty); u is the input applied in this sample, y the
    plant's outputs. `network` is what of the map is a network, from [z; d] on.
    """

    state_names: tuple[str, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    disturbance_names: tuple[str, ...]
    disturbance: Box | None
    network: Network

    def __post_init__(self) -> None:
        names = (*self.state_names, *self.input_names, *self.output_names, *self.disturbance_names)
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise InputError(
                f"the closed loop has two signals named '{min(twice)}'; rename the one of the plant, for the others "
                "are named by nnctrl"
            )

    @abstractmethod
    def evaluate(self, v: FloatArray) -> FloatArray:
        """Results [..., rows] in floating point for stacked v = [z; d] [..., N + d]."""

    @property
    def state_size(self) -> int:
        """Size of z."""
        return len(self.state_names)

    @property
    def disturbance_size(self) -> int:
        """Size of d."""
        return len(self.disturbance_names)

    @property
    def input_size(self) -> int:
        """Size of u."""
        return len(self.input_names)

    @property
    def output_size(self) -> int:
        """Size of y."""
        return len(self.output_names)

    @property
    def rows(self) -> Mapping[str, int]:
        """The row of every name in the result [z+; u; y]."""
        return {name: k for k, name in enumerate((*self.state_names, *self.input_names, *self.output_names))}

    def row(self, name: str) -> int:
        """The row of one state (its next value), input or output; UnknownNameError names the nearest."""
        rows = self.rows
        if name not in rows:
            raise UnknownNameError.among("signal", name, rows)
        return rows[name]

    def split(self, result: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(z+, u, y) of results [..., rows]."""
        n, m = self.state_size, self.input_size
        return result[..., :n], result[..., n : n + m], result[..., n + m :]

    def __call__(self, z: FloatArray, d: FloatArray | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(z+, u, y) in floating point for z [..., N], d [..., d] (default 0)."""
        disturbance = np.zeros((*z.shape[:-1], self.disturbance_size)) if d is None else d
        return self.split(self.evaluate(np.concatenate([z, disturbance], axis=-1)))


@dataclass(frozen=True, eq=False)
class StepMap(AbstractStepMap):
    """The step of an affine plant: a network. Its radii cover all rounding of the composition and all interval
    parameters.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        rows = self.state_size + self.input_size + self.output_size
        if (self.network.in_size, self.network.out_size) != (self.state_size + self.disturbance_size, rows):
            raise DimensionError(
                f"a step network maps {self.network.in_size} to {self.network.out_size} values, but the names make it "
                f"{self.state_size + self.disturbance_size} to {rows}"
            )

    def evaluate(self, v: FloatArray) -> FloatArray:
        """The network's values."""
        return self.network(v)


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """A plant under a controller: the step map, and how its state z relates to the plant's state x.

    z = [x; rest]; `rest` is the known initial value of what follows x (delay lines, memory).
    """

    plant: Plant
    controller: Controller
    diagram: BlockDiagram
    step: AbstractStepMap
    rest: FloatArray

    @property
    def disturbance_names(self) -> tuple[str, ...]:
        """Names of what changes from sample to sample: the plant's disturbances, then measurement noise."""
        return self.step.disturbance_names

    def start(self, x0: FloatArray) -> FloatArray:
        """z0 [..., N] for initial states x0 [..., n]."""
        rest = np.broadcast_to(self.rest, (*x0.shape[:-1], len(self.rest)))
        return np.concatenate([x0, rest], axis=-1)

    def lift(self, initial: AbstractSet) -> AbstractSet:
        """The set of z0 for an initial set of x0: exact for boxes and zonotopes, by an outer affine map for others."""
        n = self.plant.state_size
        if initial.dim != n:
            raise DimensionError(f"the initial set has dimension {initial.dim} but '{self.plant.name}' has {n} states")
        if not len(self.rest):
            return initial
        if isinstance(initial, Box):
            return Box(self.start(initial.lower), self.start(initial.upper))
        if isinstance(initial, Zonotope):
            flat = np.zeros((len(self.rest), initial.generators.shape[1]))
            return Zonotope(self.start(initial.centre), np.vstack([initial.generators, flat]))
        return initial.affine(np.eye(self.step.state_size, n), self.start(np.zeros(n)))

    def project(self, z: FloatArray) -> FloatArray:
        """The plant's state x [..., n] in z [..., N]."""
        return z[..., : self.plant.state_size]

    def split_disturbance(self, d: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(w, noise) in d [..., d]."""
        size = self.plant.disturbance_size
        return d[..., :size], d[..., size:]

    def trajectory(self, z0: FloatArray, results: FloatArray, d: FloatArray) -> Trajectory:
        """The plant's signals in results [batch, K, rows] of the step map from z0 [batch, N] under d [batch, K, d]."""
        z, u, y = self.step.split(results)
        w, noise = self.split_disturbance(d)
        x = self.project(np.concatenate([z0[:, None], z], axis=1))
        times: FloatArray = np.arange(x.shape[1], dtype=np.float64) * self.plant.dt
        return Trajectory(times, x, u, w, noise, y)
