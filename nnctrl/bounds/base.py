"""What every bound promises.

A bound answers, for a batch of pairs (box, direction): an upper bound of `d' f(x)` over the box, where f is the real
function that a network stands for (its certified radii included). Lower bounds are upper bounds of the opposite
direction. New bounds implement `upper` and pass the contract tests of tests/bounds by being registered.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.view import NetworkView, View
from nnctrl.errors import UnsupportedError


class UpperBound(NamedTuple):
    """Answer for a batch of pairs.

    `upper` [batch]: certified upper bounds, nan or inf where nothing is proved. `slope` [batch, n]: d(d'f)/dx_i times
    the box radius at the centre, in floating point: where to look for large values. `blame` [batch, n]: share of the
    bound's gap that each input coordinate causes, in floating point: where to split.
    """

    upper: Tensor
    slope: Tensor
    blame: Tensor


class AbstractBound(ABC):
    """An upper bound of a network in given directions over boxes. Implementations are frozen dataclasses without
    state.
    """

    @property
    def name(self) -> str:
        """What messages call it: 'crown' for CrownBound, 'first-order' for FirstOrderBound."""
        words = re.findall("[A-Z][a-z0-9]*", type(self).__name__.removesuffix("Bound"))
        return "-".join(word.lower() for word in words)

    @abstractmethod
    def upper(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """Bound `directions[i]' f(x)` over the box [lower[i], upper[i]], for every i.

        Shapes: `lower`, `upper` [batch, n]; `directions` [batch, m]. Boxes may be flat; they are not checked here.
        Outward rounded; differentiable in the box, the directions and the view's tensors.
        """

    def within(self, ball: InputBall) -> AbstractBound:
        """A bound for the intersection of boxes with `ball`: this one, where nothing tighter is known."""
        return self

    def objection(self, view: NetworkView) -> str | None:
        """Why this bound cannot treat a network, with what to use instead; None if it can."""
        return None

    def require(self, view: NetworkView) -> None:
        """UnsupportedError with the objection, if there is one."""
        objection = self.objection(view)
        if objection is not None:
            raise UnsupportedError(objection)

    @abstractmethod
    def bytes_per_pair(self, view: NetworkView) -> int:
        """Peak memory that one pair needs, so that the search can choose its batch."""


class AbstractGeneralBound(AbstractBound):
    """A bound that is made for plants that are not affine, too: their views take networks' place."""

    @property
    def name(self) -> str:
        """What messages call it: 'crown' for CrownBound, 'first-order' for FirstOrderBound."""
        words = re.findall("[A-Z][a-z0-9]*", type(self).__name__.removesuffix("Bound"))
        return "-".join(word.lower() for word in words)

    @abstractmethod
    def upper(self, view: View, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; without gradients where the view is not a network."""

    @abstractmethod
    def bytes_per_pair(self, view: View) -> int:
        """See `AbstractBound.bytes_per_pair`."""


class AbstractLocalBound(AbstractBound):
    """A bound made from `local facts`: numbers about the network over a box that hold on all its parts as well.

    Lipschitz constants, norms of Hessians: a search may compute them anew for every box, every few levels, or at its
    root only (as the Hessian paper does), which is cheaper and looser.
    """

    @abstractmethod
    def fact_count(self, view: NetworkView) -> int:
        """Number c of facts about a box of this network."""

    @abstractmethod
    def local_facts(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> Tensor:
        """Facts [batch, c] for pairs of a box and a direction."""

    @abstractmethod
    def upper_from(
        self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor, facts: Tensor
    ) -> UpperBound:
        """`upper` for boxes that lie in those of the `facts`."""

    def upper(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; the facts are those of the boxes themselves."""
        return self.upper_from(view, lower, upper, directions, self.local_facts(view, lower, upper, directions))
