"""From a graph of operations to the normal form: affine layers between activation layers, with feedthroughs.

Idea. Importers walk a file's graph in order and keep every tensor as a `Signal`: a sum of affine maps of *sources*,
the vectors that the network passes on from layer to layer (its input, the output of each activation layer, the output
of each finished block). Affine operations compose into these maps (`Affine.then`, with certified radii where the
composition rounds), an activation turns a signal into the next source. A signal that adds the newest source and an
earlier one is a skip connection: when something nonlinear or a matrix is applied to it, or at the output, the layers
in between become a block with that connection as its feedthrough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from nnctrl.errors import UnsupportedError
from nnctrl.networks.activations import Activation, Clip
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network, Origin


@dataclass(frozen=True, eq=False)
class Signal:
    """A tensor of the given shape (batch size 1) whose entries, in row-major order, are the sum of `maps[s]` of
    source s.
    """

    shape: tuple[int, ...]
    maps: dict[int, Affine]

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def reshaped(self, shape: tuple[int, ...]) -> Signal:
        """The same entries in another shape of the same size."""
        return replace(self, shape=shape)

    def plus_constant(self, offset: np.ndarray) -> Signal:
        """The signal with `offset` [size] added."""
        newest = max(self.maps)
        there = self.maps[newest]
        moved = there.plus(Affine(np.zeros_like(there.weight), offset))
        return replace(self, maps={**self.maps, newest: moved})

    def plus(self, other: Signal) -> Signal:
        """The sum of two signals of one shape."""
        maps = dict(self.maps)
        for source, affine in other.maps.items():
            maps[source] = maps[source].plus(affine) if source in maps else affine
        return replace(self, maps=maps)


class NormalForm:
    """A network under construction: finished blocks, and the layers since the last of them.

    Source `base` is the input of the block under construction, source `base + k` the output of its k-th activation
    layer.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.affines: list[Affine] = []
        self.layers: list[ActivationLayer] = []
        self.base = 0
        self.sealed = False
        self.saturated: tuple[Signal, Clip] | None = None

    @property
    def newest(self) -> int:
        """The source that comes last."""
        return self.base + len(self.layers)

    def source(self, shape: tuple[int, ...]) -> Signal:
        """The newest source itself, as a signal."""
        return Signal(shape, {self.newest: Affine.identity(math.prod(shape))})

    def affine(self, signal: Signal, after: Affine, shape: tuple[int, ...]) -> Signal:
        """The affine map `after` of a signal, in the shape of the result."""
        settled = self.settle(signal)
        ((source, before),) = settled.maps.items()
        return Signal(shape, {source: before.then(after)})

    def activate(self, signal: Signal, activation: Activation) -> Signal:
        """The next layer: `activation` of a signal that depends on the newest source alone."""
        settled = self.settle(signal)
        ((source, before),) = settled.maps.items()
        if source != self.newest:
            raise UnsupportedError(
                "it is applied beside another activation, but layers must follow one another; "
                "supported are chains of layers with skip connections"
            )
        self.affines.append(before)
        self.layers.append(ActivationLayer(((activation, settled.size),)))
        self.sealed = False
        return self.source(settled.shape)

    def saturate(self, signal: Signal, clip: Clip, *, only_use: bool) -> Signal:
        """`activate` for clips: a clip of a clip that nothing else reads is one clip."""
        if only_use and self.saturated is not None and signal is self.saturated[0] and max(signal.maps) == self.newest:
            clip = _clip_of_clip(self.saturated[1], clip, signal.size)
            self.layers.pop()
            signal = Signal(signal.shape, {self.newest: self.affines.pop()})
        result = self.activate(signal, clip)
        self.saturated = (result, clip)
        return result

    def settle(self, signal: Signal) -> Signal:
        """The signal as one affine map of one source; a skip connection becomes the feedthrough of a block."""
        if len(signal.maps) == 1:
            return signal
        start, end = min(signal.maps), max(signal.maps)
        if len(signal.maps) > 2 or end != self.newest or start < self.base:
            raise UnsupportedError(
                "it joins layers in a way that is not a skip connection; supported is the sum of a layer and one "
                "earlier vector that is not bypassed by another skip connection"
            )
        self._cut(start)
        return self._end_block(signal.maps[end], signal.maps[start], signal.shape)

    def seal(self, signal: Signal) -> Signal:
        """End a block here, whatever follows: the boundary is kept although maps could be composed across it."""
        settled = self.settle(signal)
        ((source, affine),) = settled.maps.items()
        if source != self.newest:
            raise UnsupportedError("a block ends beside a later layer; supported are chains with skip connections")
        if not self.layers and self.blocks and affine.is_identity:
            result = settled
        else:
            result = self._end_block(affine, None, settled.shape)
        self.sealed = True
        return result

    def finish(self, signal: Signal, origin: Origin | None) -> Network:
        """The network whose output is `signal`."""
        settled = self.settle(signal)
        ((source, affine),) = settled.maps.items()
        self._truncate(source)
        if self.layers or not self.blocks or (self.sealed and not affine.is_identity):
            self.blocks.append(Block((*self.affines, affine), tuple(self.layers)))
        elif not affine.is_identity:
            self.blocks[-1] = _followed_by(self.blocks[-1], affine)
        return Network(tuple(self.blocks), origin)

    def _cut(self, source: int) -> None:
        """Make `source` the input of the block under construction: what comes before it becomes a block of its own."""
        count = source - self.base
        if count == 0:
            return
        before = Affine.identity(self.layers[count - 1].size)
        self.blocks.append(Block((*self.affines[:count], before), tuple(self.layers[:count])))
        self.affines, self.layers, self.base = self.affines[count:], self.layers[count:], source

    def _truncate(self, source: int) -> None:
        """Forget layers after `source`, which the output does not depend on."""
        if source < self.base:
            raise UnsupportedError(
                "the output bypasses a finished block; supported is a skip connection within one block"
            )
        count = source - self.base
        self.affines, self.layers = self.affines[:count], self.layers[:count]

    def _end_block(self, last: Affine, skip: Affine | None, shape: tuple[int, ...]) -> Signal:
        self.blocks.append(Block((*self.affines, last), tuple(self.layers), skip))
        self.base = self.newest + 1
        self.affines, self.layers = [], []
        self.sealed = False
        return self.source(shape)


def _followed_by(block: Block, affine: Affine) -> Block:
    """The block with an affine map after it."""
    affines = (*block.affines[:-1], block.affines[-1].then(affine))
    skip = block.feedthrough
    if skip is not None:
        skip = skip.then(Affine.linear(affine.weight, affine.weight_radius))
    return Block(affines, block.activations, skip)


def _clip_of_clip(first: Clip, second: Clip, size: int) -> Clip:
    """`second` after `first`: its limits are the images of the first's."""
    per_lane = isinstance(first.lower, tuple) or isinstance(second.lower, tuple)
    lower, upper = (second.value(np.broadcast_to(np.asarray(limit), (size,))) for limit in (first.lower, first.upper))
    if per_lane:
        return Clip(tuple(map(float, lower)), tuple(map(float, upper)))
    return Clip(float(lower[0]), float(upper[0]))
