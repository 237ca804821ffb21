"""Block diagrams: named blocks with named ports, connected by signals.

Three kinds of blocks make every closed loop: sources (disturbances, noise), linear blocks with or without a state
(plants, delays, memories, affine maps), and networks (saturations among them). A port is written "block.port". The
diagram knows which outputs need which inputs in the same sample; a cycle of such needs is an algebraic loop and is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import AlgebraicLoopError, DimensionError, InputError, UnknownNameError
from nnctrl.networks.activations import Clip
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network

if TYPE_CHECKING:
    from nnctrl.sets.box import Box

Port = tuple[str, str]
"""A block's name and the name of one of its ports."""


@dataclass(frozen=True, eq=False)
class Source:
    """A signal from outside, anew in every sample: a disturbance or measurement noise. One output port "out"."""

    size: int

    @property
    def inputs(self) -> Mapping[str, int]:
        """No input ports."""
        return {}

    @property
    def outputs(self) -> Mapping[str, int]:
        """The size of "out"."""
        return {"out": self.size}

    def reads(self, _port: str) -> tuple[str, ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True, eq=False)
class NetworkBlock:
    """A network from port "in" to port "out"."""

    network: Network

    @property
    def inputs(self) -> Mapping[str, int]:
        """The size of "in"."""
        return {"in": self.network.in_size}

    @property
    def outputs(self) -> Mapping[str, int]:
        """The size of "out"."""
        return {"out": self.network.out_size}

    def reads(self, _port: str) -> tuple[str, ...]:
        """The input."""
        return ("in",)


@dataclass(frozen=True, eq=False)
class LinearBlock:
    """Affine maps of its state and its inputs, stacked as [state; inputs in order].

    Fields: `inputs` port sizes in order; `maps` one affine map per output port; `next_state` for blocks with a state,
    `initial` its value at time 0 (None where the initial set gives it) and `state_names`.
    """

    inputs: Mapping[str, int]
    maps: Mapping[str, Affine]
    next_state: Affine | None = None
    initial: FloatArray | None = None
    state_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if "" in self.maps or "" in self.inputs:
            raise InputError("a linear block has a port without a name; name every port")
        size = self.state_size + sum(self.inputs.values())
        rules = [(name, affine.in_size, size) for name, affine in self.maps.items()]
        if self.next_state is not None:
            rules += [
                ("next state", self.next_state.in_size, size),
                ("next state", self.next_state.out_size, self.state_size),
            ]
        if self.initial is not None:
            rules.append(("initial state", len(self.initial), self.state_size))
        for name, given, expected in rules:
            if given != expected:
                raise DimensionError(
                    f"'{name}' of a linear block has size {given}; states and inputs make it {expected}"
                )

    @property
    def state_size(self) -> int:
        """Number of states."""
        return len(self.state_names)

    @property
    def outputs(self) -> Mapping[str, int]:
        """Sizes of the output ports."""
        return {name: affine.out_size for name, affine in self.maps.items()}

    def columns(self) -> dict[str, slice]:
        """Where each input port lies among the columns of the maps."""
        result, start = {}, self.state_size
        for name, size in self.inputs.items():
            result[name] = slice(start, start + size)
            start += size
        return result

    def reads(self, port: str) -> tuple[str, ...]:
        """The input ports that an output port needs in the same sample: those whose columns are not all zero."""
        return self.ports_read_by(self.maps[port])

    def ports_read_by(self, affine: Affine) -> tuple[str, ...]:
        """The input ports with a nonzero weight, or radius, in `affine`."""
        return tuple(name for name, lanes in self.columns().items() if _touches(affine, lanes))

    def reads_state(self, affine: Affine) -> bool:
        """Whether one of the block's maps depends on its state."""
        return _touches(affine, slice(0, self.state_size))


def _touches(affine: Affine, columns: slice) -> bool:
    """Whether any weight, or radius of one, is nonzero there."""
    return any(
        matrix is not None and bool(matrix[:, columns].any()) for matrix in (affine.weight, affine.weight_radius)
    )


DiagramBlock = Source | NetworkBlock | LinearBlock


def affine_block(affine: Affine, **inputs: int) -> LinearBlock:
    """A static affine map from the named input ports, stacked in order (by default one, "in"), to the port "out"."""
    return LinearBlock(inputs or {"in": affine.in_size}, {"out": affine})


def saturation_block(limits: Box) -> NetworkBlock:
    """Every lane clipped to its side of the box."""
    size = len(limits.lower)
    clip = Clip(tuple(map(float, limits.lower)), tuple(map(float, limits.upper)))
    identity = Affine.identity(size)
    return NetworkBlock(Network((Block((identity, identity), (ActivationLayer(((clip, size),)),)),)))


def delay_block(names: tuple[str, ...], initial: FloatArray) -> LinearBlock:
    """A delay line: "out" is "in" of `len(initial)` samples ago; `initial` [delay, size], first row out first."""
    delay, size = initial.shape
    lanes = tuple(f"{name}.queued{k + 1}" for k in range(delay) for name in names)
    shift = np.eye(delay * size, (delay + 1) * size, k=size)
    return LinearBlock(
        {"in": size},
        {"out": Affine.linear(np.eye(size, (delay + 1) * size))},
        Affine.linear(shift),
        initial.reshape(-1),
        lanes,
    )


@dataclass(eq=False)
class BlockDiagram:
    """Blocks by name, and the output port that feeds each input port; built with `add` and `connect`."""

    blocks: dict[str, DiagramBlock] = field(default_factory=dict)
    wires: dict[Port, Port] = field(default_factory=dict)

    def add(self, name: str, block: DiagramBlock) -> None:
        """A block under a new name. The states of blocks are stacked in the order of adding, and so are sources."""
        if name in self.blocks or "." in name or not name:
            raise InputError(f"a block cannot be named '{name}'; give a new, non-empty name without a dot")
        self.blocks[name] = block

    def connect(self, source: str, target: str) -> None:
        """Feed the input port `target` from the output port `source`, both written "block.port"; sizes must agree."""
        start, end = self.port(source, output=True), self.port(target, output=False)
        given, needed = self.blocks[start[0]].outputs[start[1]], self.blocks[end[0]].inputs[end[1]]
        if given != needed:
            raise DimensionError(f"'{source}' has size {given} but '{target}' takes {needed}; they must agree")
        if end in self.wires:
            raise InputError(
                f"'{target}' is connected already, to '{'.'.join(self.wires[end])}'; add signals in an affine block"
            )
        self.wires[end] = start

    def port(self, text: str, *, output: bool) -> Port:
        """(block, port) of "block.port"; UnknownNameError names the nearest."""
        name, _, port = text.partition(".")
        if name not in self.blocks:
            raise UnknownNameError.among("block", name, self.blocks)
        block = self.blocks[name]
        ports = block.outputs if output else block.inputs
        if port not in ports:
            raise UnknownNameError.among(f"{'output' if output else 'input'} port of '{name}'", port, ports)
        return name, port

    def feeding(self, name: str, port: str) -> Port:
        """The output port that feeds an input port; InputError if it is not connected."""
        if (name, port) not in self.wires:
            raise InputError(
                f"the input '{name}.{port}' is not connected; connect it, to a source if it comes from outside"
            )
        return self.wires[name, port]

    def graph(self) -> Any:
        """networkx.DiGraph over output ports: an edge a -> b where b needs a in the same sample."""
        import networkx

        graph = networkx.DiGraph()
        for name, block in self.blocks.items():
            for port in block.inputs:
                self.feeding(name, port)
            for port in block.outputs:
                graph.add_node((name, port))
                graph.add_edges_from((self.feeding(name, read), (name, port)) for read in block.reads(port))
        return graph

    def order(self) -> list[Port]:
        """Output ports, each after those that it needs. AlgebraicLoopError names the cycle if there is none."""
        import networkx

        graph = self.graph()
        position = {port: k for k, port in enumerate(graph)}
        try:
            return list(networkx.lexicographical_topological_sort(graph, key=position.__getitem__))
        except networkx.NetworkXUnfeasible as error:
            cycle = [self._label(port) for port, _ in networkx.find_cycle(graph)]
            raise AlgebraicLoopError(
                f"the signals {' -> '.join([*cycle, cycle[0]])} need each other in the same sample; put a delay "
                "into this cycle"
            ) from error

    def _label(self, port: Port) -> str:
        return port[0] if len(self.blocks[port[0]].outputs) == 1 else ".".join(port)
