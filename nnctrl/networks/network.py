"""Networks: blocks of affine and activation layers, each with an optional feedthrough, composed one after another.

One block is the network of the textbooks. A feedthrough (skip term) from a block's input to its output is what
absorbs a plant's `A x` into a controller's network (composer), and several blocks in a row are what an unrolled
closed loop is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.activations import Activation
from nnctrl.networks.layers import ActivationLayer, Affine


@dataclass(frozen=True)
class Origin:
    """Where a network came from: a file name or a description, and the SHA-256 of the file's bytes (empty if there is
    none).
    """

    source: str
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class Block:
    """`affines[L](act_L(... act_1(affines[0](x)))) + feedthrough(x)`."""

    affines: tuple[Affine, ...]
    activations: tuple[ActivationLayer, ...]
    feedthrough: Affine | None = None

    def __post_init__(self) -> None:
        if len(self.affines) != len(self.activations) + 1:
            raise DimensionError(
                f"a block has {len(self.affines)} affine layers and {len(self.activations)} activation layers; "
                "give one affine layer more than activation layers"
            )
        for index, (before, layer, after) in enumerate(
            zip(self.affines, self.activations, self.affines[1:], strict=False)
        ):
            if not before.out_size == layer.size == after.in_size:
                raise DimensionError(
                    f"layer {index} gives {before.out_size} values to an activation of {layer.size} lanes and an "
                    f"affine layer with {after.in_size} inputs; the three must agree"
                )
        skip = self.feedthrough
        if skip is not None and (skip.in_size, skip.out_size) != (self.in_size, self.out_size):
            raise DimensionError(
                f"the feedthrough maps {skip.in_size} to {skip.out_size} values, the layers {self.in_size} to "
                f"{self.out_size}; they must agree"
            )

    @property
    def in_size(self) -> int:
        """Number of inputs."""
        return self.affines[0].in_size

    @property
    def out_size(self) -> int:
        """Number of outputs."""
        return self.affines[-1].out_size

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate in floating point; `x` [..., in]."""
        hidden = x
        for affine, layer in zip(self.affines, self.activations, strict=False):
            hidden = layer(affine(hidden))
        result = self.affines[-1](hidden)
        return result if self.feedthrough is None else result + self.feedthrough(x)


@dataclass(frozen=True, eq=False)
class Network:
    """`blocks[-1]( ... blocks[0](x))`: immutable, float64, evaluated on batches."""

    blocks: tuple[Block, ...]
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if not self.blocks:
            raise InputError("a network needs at least one block")
        for index, (before, after) in enumerate(zip(self.blocks, self.blocks[1:], strict=False)):
            if before.out_size != after.in_size:
                raise DimensionError(
                    f"block {index} has {before.out_size} outputs but block {index + 1} takes {after.in_size} inputs"
                )

    @staticmethod
    def from_layers(
        weights: Sequence[object],
        biases: Sequence[object],
        activation: Activation | Sequence[Activation],
        *,
        feedthrough: object | None = None,
        origin: Origin | None = None,
    ) -> Network:
        """A one-block network from `weights[i]` [out, in], `biases[i]` [out]; one activation for all or for each.

        With as many activations as weight matrices the last one follows the last matrix (an activation on the outputs).
        """
        if len(weights) != len(biases) or not weights:
            raise DimensionError(f"{len(weights)} weight matrices come with {len(biases)} bias vectors; give pairs")
        affines = [Affine(w, b) for w, b in zip(weights, biases, strict=True)]  # type: ignore[arg-type]
        hidden = len(affines) - 1
        kinds = [activation] * hidden if isinstance(activation, Activation) else list(activation)
        if len(kinds) == hidden + 1:
            affines.append(Affine.identity(affines[-1].out_size))
        elif len(kinds) != hidden:
            raise DimensionError(
                f"{len(kinds)} activations come with {hidden} hidden layers; give {hidden} or {hidden + 1}"
            )
        layers = [ActivationLayer(((kind, affine.out_size),)) for kind, affine in zip(kinds, affines, strict=False)]
        skip = None if feedthrough is None else Affine.linear(feedthrough)
        return Network((Block(tuple(affines), tuple(layers), skip),), origin)

    @property
    def in_size(self) -> int:
        """Number of inputs."""
        return self.blocks[0].in_size

    @property
    def out_size(self) -> int:
        """Number of outputs."""
        return self.blocks[-1].out_size

    def __call__(self, x: object) -> FloatArray:
        """Evaluate in floating point; `x` [..., in] gives [..., out]."""
        value = np.asarray(x, dtype=np.float64)
        if value.shape[-1:] != (self.in_size,):
            raise DimensionError(
                f"the network takes {self.in_size} inputs but was given an array of shape {value.shape}; "
                f"its last axis must have {self.in_size} entries"
            )
        for block in self.blocks:
            value = block(value)
        return value

    def architecture(self) -> str:
        """Sizes and activations, for people: '6-32-32-3 tanh'."""
        parts = []
        for block in self.blocks:
            sizes = [block.in_size, *(affine.out_size for affine in block.affines)]
            kinds = sorted({activation.name for layer in block.activations for activation, _ in layer.segments})
            skip = "" if block.feedthrough is None else " + feedthrough"
            parts.append(f"{'-'.join(map(str, sizes))} {'/'.join(kinds) or 'affine'}{skip}")
        return " | ".join(parts)
