"""Fast simulation of closed loops at points: compiled tapes, floating point, for searches and for guesses.

Proofs never rest on it. `simulation` is slower, made of other parts and far more accurate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.systems import point_kernels
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.fit import sample_period
from nnctrl.systems.jet_program import JetProgram, jet_program
from nnctrl.systems.nonlinear_step import NonlinearStepMap

PIECES, SUBSTEPS = 4, 2
"""Points in a period at which trajectories of continuous plants are given, and integration steps between them."""

MOST_SUBSTEPS, ACCURACY = 128, 1e-9
"""`refined` doubles the steps up to so many, until doubling changes states by less than this."""

DIFFERENCE = 1e-6
"""Relative step of `jacobian`."""


@dataclass(frozen=True, eq=False)
class PointLoop:
    """A closed loop, one sample at a time for many points at once; `substeps`: integration steps between points."""

    loop: ClosedLoop
    substeps: int = SUBSTEPS

    def refined(self, z: FloatArray, d: FloatArray) -> PointLoop:
        """The same with so many substeps as the first sample from `z` [batch, N] under `d` [batch, d] needs."""
        if self.loop.plant.is_discrete:
            return self
        points, finer = self, replace(self, substeps=2 * self.substeps)
        with np.errstate(all="ignore"):
            while points.substeps < MOST_SUBSTEPS:
                (coarse, _, end), (fine, _, fine_end) = points.step(z, d), finer.step(z, d)
                if _agree(coarse, fine) and _agree(end, fine_end):
                    break
                points, finer = finer, replace(finer, substeps=2 * finer.substeps)
        return points

    @property
    def pieces(self) -> int:
        """Points in a period at which states are given."""
        return 1 if self.loop.plant.is_discrete else PIECES

    def step(self, z: FloatArray, d: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """From composite states `z` [batch, N] under disturbances `d` [batch, d]: the plant's states
        [batch, pieces, n] from now on, the inputs [batch, m], and z after the sample.
        """
        loop, n = self.loop, self.loop.plant.state_size
        v = np.concatenate([z, d], axis=-1)
        if not isinstance(loop.step, NonlinearStepMap):
            following, u, _ = loop.step.split(loop.step.evaluate(v))
            return z[:, None, :n], u, following
        joint, lanes = loop.step.network(v), loop.step.lanes
        u, x = joint[:, lanes.u], z[:, :n]
        moved = self._moved(x, u, joint[:, lanes.w])
        states = np.concatenate([x[:, None], moved[:, :-1]], axis=1)
        return states, u, np.concatenate([moved[:, -1], joint[:, lanes.rest]], axis=-1)

    def _moved(self, x: FloatArray, u: FloatArray, w: FloatArray) -> FloatArray:
        """States [batch, pieces, n] during the next period."""
        plant = self.loop.plant
        program, slots = self._program
        parameters = np.broadcast_to(plant.nominal_parameters, (len(x), len(plant.parameters)))
        arguments = np.concatenate([x, u, w, parameters], axis=-1)
        code = program.instructions, program.factors, program.results, slots, arguments
        if plant.is_discrete:
            return np.asarray(point_kernels.image(*code)[:, None])
        period = sample_period(plant, self.loop.controller)
        return np.asarray(point_kernels.flow(*code, period, PIECES, self.substeps))

    @cached_property
    def _program(self) -> tuple[JetProgram, FloatArray]:
        """The plant's program, and slots [S] that hold its constants."""
        program = jet_program(self.loop.plant.tape)
        slots = np.zeros(program.slots)
        last = program.arguments + len(program.constants)
        slots[program.arguments : last] = 0.5 * program.constants[:, 0] + 0.5 * program.constants[:, 1]
        return program, slots

    def jacobian(self, z: FloatArray, d: FloatArray, size: FloatArray) -> FloatArray:
        """Derivative [N, N] of z after a sample by z [N], by central differences of `DIFFERENCE` times `size` [N]."""
        n = len(z)
        moves = np.diag(DIFFERENCE * size)
        both = np.concatenate([z + moves, z - moves])
        after = self.step(both, np.broadcast_to(d, (2 * n, len(d))))[2]
        return np.asarray(((after[:n] - after[n:]) / (2.0 * DIFFERENCE * size[:, None])).T)


def _agree(coarse: FloatArray, fine: FloatArray) -> bool:
    return bool((np.abs(coarse - fine) <= ACCURACY * (1.0 + np.abs(fine))).all())
