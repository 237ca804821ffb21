"""From a block diagram to one network: affine maps are multiplied into their neighbours, everything else passes by.

While ports are computed in order, the network's last block is open: its input is v, its newest hidden layer h, and
every signal computed so far is `hidden(h) + direct(v)` with either part absent. Affine blocks only change these two
maps (through `Affine.then`, so that rounding is carried as radii). A network appends its layers to the open block;
signals that are needed later keep their hidden part in identity lanes. Only a network that reads BOTH h and v forces
a new block, whose input is the signals still needed. So the loop plant -> observation -> network -> output ->
saturation -> plant is one block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnctrl.errors import InputError
from nnctrl.networks.activations import Identity
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.systems.affine_maps import beside, choose_columns, select, spread_columns, stack_rows, zero_map
from nnctrl.systems.diagram import BlockDiagram, LinearBlock, NetworkBlock, Port, Source

STATE = ""
"""The pseudo-port under which a block's state at the start of the sample is read; no real port has an empty name."""


@dataclass(frozen=True, eq=False)
class Signal:
    """`hidden(h) + direct(v)` with `size` entries; None stands for zero."""

    size: int
    direct: Affine | None = None
    hidden: Affine | None = None

    def then(self, affine: Affine) -> Signal:
        """`affine` of this signal."""
        return combine([self], affine)


def combine(signals: Sequence[Signal], affine: Affine) -> Signal:
    """`affine` of the signals stacked; parts that are zero are left out of the products, so they add no rounding.

    The offset is added once: to the direct part, or to the hidden part if there is no other.
    """
    starts = np.cumsum([0, *(signal.size for signal in signals)])

    def product(parts: Sequence[Affine | None], offset: bool) -> Affine | None:
        present = [(k, part) for k, part in enumerate(parts) if part is not None]
        if not present:
            return None
        columns = [column for k, _ in present for column in range(starts[k], starts[k + 1])]
        return stack_rows([part for _, part in present]).then(choose_columns(affine, columns, offset=offset))

    direct = product([signal.direct for signal in signals], offset=True)
    return Signal(affine.out_size, direct, product([signal.hidden for signal in signals], offset=direct is None))


def stack(signals: Sequence[Signal]) -> Signal:
    """Signals one above the other."""

    def rows(parts: Sequence[Affine | None]) -> Affine | None:
        width = next((part.in_size for part in parts if part is not None), None)
        if width is None:
            return None
        return stack_rows(
            [zero_map(width, s.size) if part is None else part for s, part in zip(signals, parts, strict=True)]
        )

    size = sum(signal.size for signal in signals)
    return Signal(size, rows([s.direct for s in signals]), rows([s.hidden for s in signals]))


def add(first: Signal, second: Signal) -> Signal:
    """The sum of two signals."""
    identity = np.eye(first.size)
    return combine([first, second], Affine.linear(np.hstack([identity, identity])))


def _or_zero(affine: Affine | None, in_size: int, out_size: int) -> Affine:
    return zero_map(in_size, out_size) if affine is None else affine


class Assembly:
    """A network under construction; see the module. `signals` are those that can be read now."""

    def __init__(self, sizes: Mapping[Port, int]) -> None:
        self._blocks: list[Block] = []
        self._start(sizes)

    def _start(self, sizes: Mapping[Port, int]) -> None:
        """Open a block whose input is the given signals, stacked."""
        self.in_size = sum(sizes.values())
        self.signals: dict[Port, Signal] = {}
        self._affines: list[Affine] = []
        self._layers: list[ActivationLayer] = []
        start = 0
        for port, size in sizes.items():
            self.signals[port] = Signal(size, direct=select(self.in_size, slice(start, start + size)))
            start += size

    def constant(self, affine: Affine) -> Signal:
        """The offset of a map that reads nothing."""
        radius = affine.bias_radius
        return Signal(affine.out_size, Affine(np.zeros((affine.out_size, self.in_size)), affine.bias, None, radius))

    def apply(self, network: Network, source: Port, needed: set[Port]) -> Signal:
        """The output of `network` reading one signal; the signals in `needed` stay available."""
        running: Port = ("", "running")
        self.signals[running] = self.signals[source]
        for block in network.blocks:
            if not block.activations:
                self.signals[running] = self._affine_block(block, self.signals[running])
                continue
            if self._layers and self.signals[running].direct is not None:
                self._close([*sorted(needed), running])
            build = self._append if self._layers else self._open
            self.signals[running] = build(block, running, needed)
        return self.signals.pop(running)

    def _affine_block(self, block: Block, signal: Signal) -> Signal:
        result = signal.then(block.affines[0])
        return result if block.feedthrough is None else add(result, signal.then(block.feedthrough))

    def _open(self, block: Block, reading: Port, _needed: set[Port]) -> Signal:
        """The first layers of the open block: they read v."""
        signal = self.signals[reading]
        first = _or_zero(signal.then(block.affines[0]).direct, self.in_size, block.affines[0].out_size)
        self._affines = [first, *block.affines[1:-1]]
        self._layers = list(block.activations)
        skip = None if block.feedthrough is None else signal.then(block.feedthrough).direct
        return Signal(block.out_size, skip, block.affines[-1])

    def _append(self, block: Block, reading: Port, needed: set[Port]) -> Signal:
        """More layers of the open block: they read h; hidden parts that are needed later pass by in identity lanes."""
        signal = self.signals[reading]
        keep = sorted(port for port in needed if self.signals[port].hidden is not None)
        if block.feedthrough is not None:
            keep.append(reading)
        hidden = {port: part for port in keep if (part := self.signals[port].hidden) is not None}
        carried = sum(part.out_size for part in hidden.values())
        first = signal.then(block.affines[0]).hidden
        self._affines.append(stack_rows([part for part in (first, *hidden.values()) if part is not None]))
        lanes = Affine.identity(carried)
        self._affines += [beside(affine, lanes) for affine in block.affines[1:-1]]
        idle = ((Identity(), carried),) if carried else ()
        self._layers += [ActivationLayer((*layer.segments, *idle)) for layer in block.activations]
        width = block.affines[-1].in_size
        start, total = width, width + carried
        for port, part in hidden.items():
            kept = select(total, slice(start, start + part.out_size))
            self.signals[port] = Signal(part.out_size, self.signals[port].direct, kept)
            start += part.out_size
        result = Signal(block.out_size, None, spread_columns(block.affines[-1], slice(0, width), total))
        return result if block.feedthrough is None else add(result, self.signals[reading].then(block.feedthrough))

    def _close(self, ports: Sequence[Port]) -> None:
        """End the open block with the given signals as its output, and open the next one on them."""
        sizes = {port: self.signals[port].size for port in ports}
        self._seal(stack([self.signals[port] for port in ports]))
        self._start(sizes)

    def _seal(self, output: Signal) -> None:
        if not self._layers:
            self._blocks.append(Block((_or_zero(output.direct, self.in_size, output.size),), ()))
            return
        hidden = _or_zero(output.hidden, self._layers[-1].size, output.size)
        self._blocks.append(Block((*self._affines, hidden), tuple(self._layers), output.direct))

    def finish(self, outputs: Sequence[Signal]) -> Network:
        """The network whose outputs are the given signals, stacked."""
        self._seal(stack(outputs))
        return Network(tuple(self._blocks))


def assemble(diagram: BlockDiagram, outputs: Sequence[str]) -> Network:
    """The network `[states; sources] -> [next states; outputs]` of one sample of a diagram.

    States and sources are stacked in the order in which their blocks were added, `outputs` are ports ("block.port").
    Affine blocks are multiplied into their neighbours with radii. AlgebraicLoopError names a cycle; InputError an
    unconnected input.
    """
    order = diagram.order()
    wanted = [diagram.port(text, output=True) for text in outputs]
    stateful = {n: b for n, b in diagram.blocks.items() if isinstance(b, LinearBlock) and b.next_state is not None}
    sizes: dict[Port, int] = {(name, STATE): block.state_size for name, block in stateful.items()}
    sizes |= {(name, "out"): block.size for name, block in diagram.blocks.items() if isinstance(block, Source)}
    if not sum(sizes.values()):
        raise InputError(
            "the diagram has neither states nor sources, so there is nothing to compute; add a plant or a source"
        )
    updates = {port for name, block in stateful.items() for port in _feeds(diagram, name, block, block.next_state)}
    pending = [_reads(diagram, port) for port in order] + [updates | set(wanted)]
    assembly = Assembly(sizes)
    for k, (name, port) in enumerate(order):
        block = diagram.blocks[name]
        if isinstance(block, NetworkBlock):
            needed = set().union(*pending[k + 1 :]) & assembly.signals.keys()
            assembly.signals[name, port] = assembly.apply(block.network, diagram.feeding(name, "in"), needed)
        elif isinstance(block, LinearBlock):
            assembly.signals[name, port] = _linear(diagram, assembly, name, block, block.maps[port])
    results = [
        _linear(diagram, assembly, name, b, b.next_state) for name, b in stateful.items() if b.next_state is not None
    ]
    return assembly.finish([*results, *(assembly.signals[port] for port in wanted)])


def _reads(diagram: BlockDiagram, port: Port) -> set[Port]:
    """The signals that computing an output port needs."""
    block = diagram.blocks[port[0]]
    if isinstance(block, NetworkBlock):
        return {diagram.feeding(port[0], "in")}
    return _feeds(diagram, port[0], block, block.maps[port[1]]) if isinstance(block, LinearBlock) else set()


def _feeds(diagram: BlockDiagram, name: str, block: LinearBlock, affine: Affine | None) -> set[Port]:
    """The signals that a map of a linear block reads, its state included."""
    if affine is None:
        return set()
    ports = {diagram.feeding(name, port) for port in block.ports_read_by(affine)}
    return ports | {(name, STATE)} if block.reads_state(affine) else ports


def _linear(diagram: BlockDiagram, assembly: Assembly, name: str, block: LinearBlock, affine: Affine) -> Signal:
    """A map of a linear block applied to the signals that it reads; columns that are zero are left out."""
    parts: list[Signal] = []
    columns: list[int] = []
    if block.reads_state(affine):
        parts.append(assembly.signals[name, STATE])
        columns += range(block.state_size)
    for port, lanes in block.columns().items():
        if port in block.ports_read_by(affine):
            parts.append(assembly.signals[diagram.feeding(name, port)])
            columns += range(lanes.start, lanes.stop)
    if not parts:
        return assembly.constant(affine)
    return combine(parts, choose_columns(affine, columns, offset=True))
