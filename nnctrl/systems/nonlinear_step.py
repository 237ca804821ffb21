"""The step of a loop whose plant is not affine, or continuous: the controller's network, then the plant's tapes (the
Hessian paper, Remark 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.systems.closed_loop import AbstractStepMap
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import advance


@dataclass(frozen=True)
class JointLanes:
    """Where the signals lie in the joint vector [x; rest+; u; w] between the network and the plant."""

    x: slice
    rest: slice
    u: slice
    w: slice


@dataclass(frozen=True, eq=False)
class NonlinearStepMap(AbstractStepMap):
    """The step of a plant that is not affine, or continuous: `[z; d] -> [x; rest+; u; w] -> [x+; rest+; u; y]`.

    `network` does the first part: the controller with its delay line and memory (`rest`), beside which the plant's
    state and disturbance pass by. The tapes of `plant` do the second, for every value of its interval parameters, even
    one that changes from step to step; at points they have their midpoints. A continuous plant moves for `period`
    seconds with u held; in `evaluate` its disturbance is held too.
    """

    plant: Plant
    period: float

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.network.in_size, self.network.out_size
        needed = self.state_size + self.disturbance_size, self.lanes.w.stop
        if given != needed:
            raise DimensionError(
                f"the network of a step maps {given[0]} to {given[1]} values, but the names make it {needed[0]} to "
                f"{needed[1]}"
            )

    @property
    def lanes(self) -> JointLanes:
        """The parts of the joint vector."""
        n, z = self.plant.state_size, self.state_size
        last = z + self.input_size
        return JointLanes(slice(0, n), slice(n, z), slice(z, last), slice(last, last + self.plant.disturbance_size))

    def evaluate(self, v: FloatArray) -> FloatArray:
        """The values of the network and of the tapes."""
        joint, lanes = self.network(v), self.lanes
        signals = joint[..., lanes.x], joint[..., lanes.u], joint[..., lanes.w]
        outputs = [self.plant.measure(*signals)] if self.plant.outputs else []
        following = advance(self.plant, *signals, self.plant.nominal_parameters, self.period)
        return np.concatenate([following, joint[..., lanes.rest], joint[..., lanes.u], *outputs], -1)
