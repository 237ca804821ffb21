"""The activations of nnctrl, all in one place to import from (`activation` has the interface and the idea)."""

from __future__ import annotations

from nnctrl.networks.activation import Activation, Identity
from nnctrl.networks.lines import Linearisation
from nnctrl.networks.piecewise_linear import Clip, Relu
from nnctrl.networks.smooth_activations import Sigmoid, Softplus, Tanh

__all__ = ["ACTIVATIONS", "Activation", "Clip", "Identity", "Linearisation", "Relu", "Sigmoid", "Softplus", "Tanh"]

ACTIVATIONS: dict[str, Activation] = {a.name: a for a in (Identity(), Tanh(), Sigmoid(), Softplus(), Relu())}
"""The activations without parameters, by name."""
