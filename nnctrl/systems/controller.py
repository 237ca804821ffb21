"""Neural-network controllers: the network and everything between the plant and it.

One sample of a controller, in this order:
    v = observation(x or y) + noise          what it sees
    r = output(network([v; s]))              with its own state s, if it has memory
    c = clip(r, saturation)                  what it commands
    s+ = F s + H v
and the input applied to the plant is the c of `delay` samples ago.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.layers import Affine, frozen_array
from nnctrl.networks.network import Network, Origin

if TYPE_CHECKING:
    from nnctrl.sets.box import Box


@dataclass(frozen=True, eq=False)
class Memory:
    """The controller's own linear state `s+ = F s + H v` beside the network (an integrator, a filter), starting at
    `initial`.

    F [s, s], H [s, v] for observations v; `initial` [s], default 0.
    """

    F: FloatArray
    H: FloatArray
    initial: FloatArray | None = None

    def __post_init__(self) -> None:
        F, H = frozen_array(self.F, 2, "F"), frozen_array(self.H, 2, "H")
        initial = frozen_array(np.zeros(len(F)) if self.initial is None else self.initial, 1, "the initial memory")
        if not F.shape[0] == F.shape[1] == H.shape[0] == initial.shape[0]:
            raise DimensionError(
                f"a memory has F {F.shape}, H {H.shape} and {initial.shape[0]} initial values; give F [s, s], H [s, "
                "v] and s values"
            )
        for name, value in (("F", F), ("H", H), ("initial", initial)):
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """Number of states s."""
        return int(self.F.shape[0])

    @property
    def start(self) -> FloatArray:
        """The initial state [s]."""
        return np.zeros(self.size) if self.initial is None else self.initial


@dataclass(frozen=True, eq=False)
class Controller:
    """A network with what surrounds it; see the module for the order of the parts. Sizes are compared with a plant's
    by `compose`.

    Fields:
      network: input [v; s], output r (before `output`).
      observation: affine map of what is observed to v; None for all of it.
      noise: box added to v, every sample anew; None for none.
      output: affine map after the network (scaling, offset); None for none.
      saturation: box that the command is clipped to; None for none.
      delay: whole number of samples between command and application.
      initial_input: what is applied until the first command arrives, [m] or [delay, m] (first row applied first);
      default 0. memory: the controller's own linear state; None for none.
      period: sample period in seconds; None for the plant's own, needed to simulate a continuous plant.
      observes: "states" or "outputs" of the plant.
    """

    network: Network
    observation: Affine | None = None
    noise: Box | None = None
    output: Affine | None = None
    saturation: Box | None = None
    delay: int = 0
    initial_input: FloatArray | None = None
    memory: Memory | None = None
    period: float | None = None
    observes: Literal["states", "outputs"] = "states"

    def __post_init__(self) -> None:
        self._check_types()
        if isinstance(self.delay, bool) or not isinstance(self.delay, Integral) or self.delay < 0:
            raise InputError(f"the delay is {self.delay!r}; give a whole number of samples, 0 or more")
        object.__setattr__(self, "delay", int(self.delay))
        if self.observes not in ("states", "outputs"):
            raise InputError(f"a controller observes '{self.observes}'; choose 'states' or 'outputs'")
        if self.period is not None and not (np.isfinite(self.period) and self.period > 0.0):
            raise InputError(f"the period is {self.period}; give a positive number of seconds")
        self._check_sizes()

    def _check_types(self) -> None:
        from nnctrl.sets.box import Box

        if not isinstance(self.network, Network):
            raise InputError(
                f"the controller's network is a {type(self.network).__name__}; give a Network (from_sequential, "
                "from_state_dict and load_network make one)"
            )
        kinds = {"observation": Affine, "noise": Box, "output": Affine, "saturation": Box, "memory": Memory}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind | None):
                raise InputError(f"the controller's {name} is a {type(value).__name__}; give a {kind.__name__}")

    def _check_sizes(self) -> None:
        seen = self.network.in_size - self.memory_size
        raw, m = self.network.out_size, self.input_size
        pairs = [
            ("output map", None if self.output is None else self.output.in_size, raw, "network outputs"),
            (
                "observation map",
                None if self.observation is None else self.observation.out_size,
                seen,
                "network inputs beside the memory",
            ),
            ("noise", None if self.noise is None else len(self.noise.lower), seen, "observations"),
            ("memory's H", None if self.memory is None else self.memory.H.shape[1], seen, "observations"),
            ("saturation", None if self.saturation is None else len(self.saturation.lower), m, "inputs"),
        ]
        for name, size, expected, what in pairs:
            if size is not None and size != expected:
                raise DimensionError(
                    f"the {name} of the controller has size {size}, but there are {expected} {what}; they must agree"
                )
        if self.initial_input is not None:
            line = np.array(self.initial_input, dtype=np.float64)
            if self.delay == 0 or line.shape not in ((m,), (self.delay, m)) or not np.isfinite(line).all():
                raise DimensionError(
                    f"initial_input has shape {line.shape} for {m} inputs and a delay of {self.delay}; "
                    "give finite values [m] or [delay, m], and only with a delay"
                )
            object.__setattr__(self, "initial_input", frozen_array(line, line.ndim, "initial_input"))

    @property
    def origin(self) -> Origin | None:
        """Where the network came from."""
        return self.network.origin

    def architecture(self) -> str:
        """The network's sizes and activations, for people."""
        return self.network.architecture()

    @property
    def input_size(self) -> int:
        """Number of plant inputs m that it commands."""
        return self.network.out_size if self.output is None else self.output.out_size

    @property
    def memory_size(self) -> int:
        """Number of its own states."""
        return 0 if self.memory is None else self.memory.size

    @property
    def view_size(self) -> int:
        """Number of observations v."""
        return self.network.in_size - self.memory_size

    @property
    def observed_size(self) -> int:
        """Number of plant states (or outputs) that it reads."""
        return self.view_size if self.observation is None else self.observation.in_size

    @property
    def initial_line(self) -> FloatArray:
        """Content [delay, m] of the delay line at time 0, first row applied first."""
        shape = (self.delay, self.input_size)
        return np.broadcast_to(0.0 if self.initial_input is None else self.initial_input, shape)

    def observe(self, observed: FloatArray, noise: FloatArray | None = None) -> FloatArray:
        """v [..., v] from plant states or outputs [..., n] and a noise value [..., v] (default 0)."""
        view = observed if self.observation is None else self.observation(observed)
        return view if noise is None else view + noise

    def control(self, observation: FloatArray, memory: FloatArray | None = None) -> FloatArray:
        """The command [..., m] for observations v [..., v] and memory s [..., s] (default: its initial value)."""
        if observation.shape[-1] != self.view_size:
            raise DimensionError(
                f"the controller takes {self.view_size} observations but was given {observation.shape[-1]}"
            )
        if self.memory is not None:
            state = np.broadcast_to(
                self.memory.start if memory is None else memory, (*observation.shape[:-1], self.memory.size)
            )
            observation = np.concatenate([observation, state], axis=-1)
        command = self.network(observation)
        if self.output is not None:
            command = self.output(command)
        if self.saturation is not None:
            command = np.clip(command, self.saturation.lower, self.saturation.upper)
        return command

    def next_memory(self, observation: FloatArray, memory: FloatArray) -> FloatArray:
        """s+ [..., s]; `memory` itself (empty) if there is none."""
        if self.memory is None:
            return memory
        return memory @ self.memory.F.T + observation @ self.memory.H.T
