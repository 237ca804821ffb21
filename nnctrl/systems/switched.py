"""Switched controllers: networks that choose among named modes, and the input that goes with the mode they choose.

One sample of a switched controller that is in mode i:
    v = observation(x)                        what it sees
    s = networks[i](v)                        a score for every mode
    j = the mode with the largest score       the first one of several
    u = inputs[j], or that of the first rule for (i, j) whose half-space contains x
and j is the mode of the next sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnknownNameError, UnsupportedError, what_is
from nnctrl.networks.layers import Affine, frozen_array
from nnctrl.networks.network import Network, Origin
from nnctrl.systems.plant import Plant

IndexArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class InputRule:
    """`input` [m] is applied instead of the next mode's own where `normal'x <= bound` for the plant's states x.

    `normal` [n]. The rule is for the modes `previous` and `next`; None stands for any. The doubles are the rule.
    """

    normal: FloatArray
    bound: float
    input: FloatArray
    previous: str | None = None
    next: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "normal", frozen_array(self.normal, 1, "the normal of an input rule"))
        object.__setattr__(self, "input", frozen_array(self.input, 1, "the input of an input rule"))
        if not np.isfinite(self.bound):
            raise InputError(f"the bound of an input rule is {self.bound}; give a finite number")


@dataclass(frozen=True, eq=False)
class SwitchedController:
    """Modes with a network and an input each; see the module. Sizes are compared with a plant's by `compose`.

    Fields:
      networks: for every mode, in the order of the scores, the network [v] -> [modes] that chooses what follows it.
      inputs: for every mode the input [m] that is applied when it was chosen.
      initial: the mode before the first choice.
      rules: other inputs on half-spaces of the state; of those that apply the first one counts.
      observation: affine map of the plant's states to v; None for the states themselves.
      period: sample period in seconds; None for the plant's.
    """

    networks: Mapping[str, Network]
    inputs: Mapping[str, FloatArray]
    initial: str
    rules: Sequence[InputRule] = ()
    observation: Affine | None = None
    period: float | None = None

    def __post_init__(self) -> None:
        self._check_types()
        inputs = {name: frozen_array(self.inputs[name], 1, f"the input of mode '{name}'") for name in self.networks}
        object.__setattr__(self, "networks", MappingProxyType(dict(self.networks)))
        object.__setattr__(self, "inputs", MappingProxyType(inputs))
        object.__setattr__(self, "rules", tuple(self.rules))
        sizes = {len(u) for u in (*inputs.values(), *(rule.input for rule in self.rules))}
        if len(sizes) != 1:
            raise DimensionError(f"the inputs of the modes and rules have {sorted(sizes)} entries; they must agree")
        for name in (self.initial, *(mode for r in self.rules for mode in (r.previous, r.next) if mode is not None)):
            if name not in self.networks:
                raise UnknownNameError.among("mode", str(name), self.networks)
        states = {len(rule.normal) for rule in self.rules} | {self.observed_size}
        if len(states) != 1:
            raise DimensionError(f"the rules and the observation read {sorted(states)} states; they must agree")
        if self.period is not None and not (np.isfinite(self.period) and self.period > 0.0):
            raise InputError(f"the period is {self.period}; give a positive number of seconds")

    def _check_types(self) -> None:
        for name, value in (("networks", self.networks), ("inputs", self.inputs)):
            if not isinstance(value, Mapping) or not value:
                raise InputError(f"the {name} are {what_is(value)}; give a dictionary with an entry for every mode")
        if set(self.inputs) != set(self.networks):
            raise InputError(
                f"the inputs are for the modes {', '.join(self.inputs)}, the networks for {', '.join(self.networks)}; "
                "they must agree"
            )
        if not isinstance(self.observation, Affine | None):
            raise InputError(f"the observation is {what_is(self.observation)}; give an Affine")
        for rule in self.rules:
            if not isinstance(rule, InputRule):
                raise InputError(f"a rule is {what_is(rule)}; give an InputRule")
        view = None if self.observation is None else self.observation.out_size
        for name, network in self.networks.items():
            if not isinstance(network, Network):
                raise InputError(f"the network of mode '{name}' is {what_is(network)}; give a Network")
            view = network.in_size if view is None else view
            if (network.in_size, network.out_size) != (view, len(self.networks)):
                raise DimensionError(
                    f"the network of mode '{name}' maps {network.in_size} to {network.out_size} values, but there are "
                    f"{view} observations and {len(self.networks)} modes"
                )

    @property
    def modes(self) -> tuple[str, ...]:
        """The names of the modes, in the order of the scores."""
        return tuple(self.networks)

    @property
    def input_size(self) -> int:
        """Number of plant inputs m that it commands."""
        return len(self.inputs[self.initial])

    @property
    def view_size(self) -> int:
        """Number of observations v."""
        return self.networks[self.initial].in_size

    @property
    def observed_size(self) -> int:
        """Number of plant states that it reads."""
        return self.view_size if self.observation is None else self.observation.in_size

    @cached_property
    def table(self) -> FloatArray:
        """The modes' own inputs [modes, m]."""
        return np.stack([self.inputs[name] for name in self.modes])

    @cached_property
    def start(self) -> int:
        """Position of the initial mode."""
        return self.modes.index(self.initial)

    def rules_for(self, previous: int, following: int) -> list[int]:
        """Positions of the rules for two modes, in order."""
        before, after = (None, self.modes[previous]), (None, self.modes[following])
        return [k for k, rule in enumerate(self.rules) if rule.previous in before and rule.next in after]

    @property
    def origin(self) -> Origin | None:
        """Where the networks came from, one hash for all of them (of the hashes of the files, in the order of the
        modes); None if one has no origin.
        """
        origins = [network.origin for network in self.networks.values()]
        known = [origin for origin in origins if origin is not None]
        if len(known) < len(origins):
            return None
        hashes = [origin.sha256 for origin in known]
        joint = sha256("\n".join(hashes).encode()).hexdigest() if all(hashes) else ""
        sources = list(dict.fromkeys(origin.source for origin in known))
        few = sources if len(sources) <= 2 else [sources[0], "...", sources[-1]]
        return Origin(f"{len(known)} networks: {', '.join(few)}", joint)

    def architecture(self) -> str:
        """Modes and sizes, for people: '2 modes (off, on), 3-8-2 relu'."""
        kinds = dict.fromkeys(network.architecture() for network in self.networks.values())
        return f"{len(self.modes)} modes ({', '.join(self.modes)}), {' or '.join(kinds)}"

    def observe(self, x: FloatArray) -> FloatArray:
        """v [..., v] from plant states [..., n]."""
        return x if self.observation is None else self.observation(x)

    def decide(self, mode: IndexArray, x: FloatArray) -> tuple[IndexArray, FloatArray]:
        """The next modes [batch] and the inputs [batch, m] in modes [batch] and states [batch, n]; floating point."""
        view, scores = self.observe(x), np.empty((len(x), len(self.modes)))
        for k, network in enumerate(self.networks.values()):
            own = mode == k
            if own.any():
                scores[own] = network(view[own])
        # the first of several maxima
        following = np.argmax(scores, axis=1)
        u = self.table[following]
        # the first rule is written last, so that it counts
        for rule in reversed(self.rules):
            applies = x @ rule.normal <= rule.bound
            if rule.previous is not None:
                applies &= mode == self.modes.index(rule.previous)
            if rule.next is not None:
                applies &= following == self.modes.index(rule.next)
            u = np.where(applies[:, None], rule.input, u)
        return following, u

    def modes_along(self, x: FloatArray) -> IndexArray:
        """The modes [batch, k] chosen at the states [batch, k, n] of trajectories from their beginning on."""
        mode, chosen = np.full(len(x), self.start), np.empty(x.shape[:2], dtype=np.intp)
        for k in range(x.shape[1]):
            mode, _ = self.decide(mode, x[:, k])
            chosen[:, k] = mode
        return chosen


@dataclass(frozen=True, eq=False)
class SwitchedLoop:
    """A discrete plant under a switched controller; made by `compose`."""

    plant: Plant
    controller: SwitchedController

    def __post_init__(self) -> None:
        plant, controller = self.plant, self.controller
        if not plant.is_discrete:
            raise UnsupportedError(
                f"'{plant.name}' is continuous, but switched controllers are for discrete plants; discretise it "
                "(LinearPlant.discretise) or write its step"
            )
        if controller.period is not None and controller.period != plant.dt:
            raise InputError(
                f"the controller's period is {controller.period} s but the dt of '{plant.name}' is {plant.dt} s; they "
                "must agree"
            )
        if controller.observed_size != plant.state_size:
            raise DimensionError(
                f"the switched controller reads {controller.observed_size} states but '{plant.name}' has "
                f"{plant.state_size} ({', '.join(plant.states)}); pass observation=Affine(...)"
            )
        if controller.input_size != plant.input_size:
            raise DimensionError(
                f"the switched controller commands {controller.input_size} inputs but '{plant.name}' has "
                f"{plant.input_size} ({', '.join(plant.inputs)})"
            )
        missing = [name for name in plant.disturbances if name not in plant.ranges]
        if missing:
            raise InputError(
                f"the disturbance '{missing[0]}' of '{plant.name}' has no range; give "
                f"ranges={{'{missing[0]}': (low, high)}}"
            )

    @property
    def disturbance_names(self) -> tuple[str, ...]:
        """Names of what changes from sample to sample: the plant's disturbances."""
        return tuple(self.plant.disturbances)
