"""Absorbing an input set into a network: coordinates in which the set is a unit box or ball."""

from __future__ import annotations

from typing import Protocol

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Block, Network


class Generated(Protocol):
    """A set `centre + generators xi` over a unit box of xi: a zonotope."""

    @property
    def centre(self) -> FloatArray:
        """Centre [n]."""
        ...

    @property
    def generators(self) -> FloatArray:
        """Generators [n, q]."""
        ...


def absorb(network: Network, zonotope: Generated) -> Network:
    """The network `xi -> network(centre + G xi)`: the set is absorbed into the first layer and the feedthrough of the
    first block.

    The products W G, W centre + b and A G, A centre carry radii, so that bounds of the result over |xi| <= 1 hold for
    the network over the set. Every local quantity (pre-activation boxes, slopes) must be computed from the absorbed
    weights.
    """
    G, centre = zonotope.generators, zonotope.centre
    if G.shape[0] != network.in_size:
        raise DimensionError(f"the set has dimension {G.shape[0]} but the network takes {network.in_size} inputs")
    return precede(network, Affine(G, centre))


def precede(network: Network, affine: Affine) -> Network:
    """The network `x -> network(affine(x))`, multiplied into its first block with radii."""
    block = network.blocks[0]
    skip = None if block.feedthrough is None else affine.then(block.feedthrough)
    first = Block((affine.then(block.affines[0]), *block.affines[1:]), block.activations, skip)
    return Network((first, *network.blocks[1:]), network.origin)
