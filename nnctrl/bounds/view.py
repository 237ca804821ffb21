"""Torch views of networks: the tensors that bounds, searches and training work on.

A view is made once per network at the edge between the NumPy world (networks, systems) and the torch world (bounds,
branching, reach). Its tensors may carry gradients: a view built from parameters makes every bound differentiable in
them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Network

if TYPE_CHECKING:
    from nnctrl.bounds.taylor_form import TaylorForm


def tensor(array: FloatArray) -> Tensor:
    """A float64 tensor with a copy of `array` (read-only arrays cannot be shared with torch)."""
    return torch.tensor(array, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class AffineView:
    """`W x + b` with certified radii (None: exact); `weight` [out, in], `bias` [out]."""

    weight: Tensor
    bias: Tensor
    weight_radius: Tensor | None = None
    bias_radius: Tensor | None = None

    @staticmethod
    def of(affine: Affine) -> AffineView:
        """The view of a NumPy layer."""
        weight_radius = None if affine.weight_radius is None else tensor(affine.weight_radius)
        bias_radius = None if affine.bias_radius is None else tensor(affine.bias_radius)
        return AffineView(tensor(affine.weight), tensor(affine.bias), weight_radius, bias_radius)

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate in floating point; `x` [..., in]."""
        return x @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class BlockView:
    """The view of one block; see `networks.network.Block`."""

    affines: tuple[AffineView, ...]
    activations: tuple[ActivationLayer, ...]
    feedthrough: AffineView | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate in floating point; `x` [..., in]."""
        hidden = x
        for affine, layer in zip(self.affines, self.activations, strict=False):
            hidden = layer(affine(hidden))
        result = self.affines[-1](hidden)
        return result if self.feedthrough is None else result + self.feedthrough(x)


class AbstractView(ABC):
    """A function that searches maximise and sample: of `in_size` inputs, differentiable in floating point."""

    @property
    @abstractmethod
    def in_size(self) -> int:
        """Number of inputs."""

    @property
    @abstractmethod
    def out_size(self) -> int:
        """Number of outputs."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate in floating point, differentiably; `x` [..., in]."""


class AbstractPlantView(AbstractView):
    """A function that is more than a network: one or several steps of a plant that is not affine.

    It knows how to map what bounds propagate. Both enclosures hold for the real function and are rounded outward; they
    carry no gradients.
    """

    @abstractmethod
    def through(self, form: TaylorForm) -> TaylorForm:
        """The image of a form over the inputs, which begins with the symbols of `form`."""

    @abstractmethod
    def enclose(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Outer boxes of the images of boxes [batch, in], by intervals."""

    @abstractmethod
    def form_bytes(self) -> int:
        """Memory that mapping one form takes."""


@dataclass(frozen=True, eq=False)
class NetworkView(AbstractView):
    """The view of a whole network."""

    blocks: tuple[BlockView, ...]

    @staticmethod
    def of(network: Network) -> NetworkView:
        """Convert once; the cost is a copy of the weights."""
        return NetworkView(
            tuple(
                BlockView(
                    tuple(AffineView.of(affine) for affine in block.affines),
                    block.activations,
                    None if block.feedthrough is None else AffineView.of(block.feedthrough),
                )
                for block in network.blocks
            )
        )

    @property
    def in_size(self) -> int:
        """Number of inputs."""
        return int(self.blocks[0].affines[0].weight.shape[1])

    @property
    def out_size(self) -> int:
        """Number of outputs."""
        return int(self.blocks[-1].affines[-1].weight.shape[0])

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate in floating point, differentiably; `x` [..., in]."""
        for block in self.blocks:
            x = block(x)
        return x


View = NetworkView | AbstractPlantView
"""Everything that a step or several can be."""
