"""Networks from torch: state dictionaries and Sequential modules. Float32 weights become float64 exactly."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

# the error that torch.load raises; nothing is unpickled here but by torch's own restricted reader
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, NetworkFileError, UnsupportedError
from nnctrl.networks.activations import Activation, Clip, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.files import read_network_file
from nnctrl.networks.layer_chain import ActivationChoice, chosen_activations
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network, Origin
from nnctrl.networks.normal_form import NormalForm, Signal

if TYPE_CHECKING:
    from torch import Tensor, nn

# what torch.load is seen to raise for truncated and foreign files
_DAMAGED = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
    struct.error,
)

TORCH_SOFTPLUS_ERROR = 1e-8
"""What the threshold at which torch replaces softplus by its asymptote may cost (2e-9 with the default of 20)."""


def from_state_dict(source: str | Path | Mapping[str, Tensor], activation: ActivationChoice) -> Network:
    """The network of a state dictionary, or of a file with one: pairs `NAME.weight`, `NAME.bias` in the order of the
    keys.

    `activation` follows every layer but the last; a sequence gives one for each of them, and one more for the outputs
    if it is as long as the layers. A state dictionary does not say which activation it was trained with: nothing can
    check this argument. Raises NetworkFileError for anything that is not a chain of finite matrices.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        tensors, origin = _load(path)
        label = f"'{path.name}'"
    else:
        tensors, origin, label = dict(source), Origin("a state dictionary"), "the state dictionary"
    weights, biases = _layers(tensors, label)
    kinds = chosen_activations(activation)
    if not isinstance(kinds, Activation) and len(kinds) not in (len(weights) - 1, len(weights)):
        raise InputError(
            f"{len(kinds)} activations are given for {label} with {len(weights)} layers; give {len(weights) - 1}, or "
            f"{len(weights)} with one on the outputs"
        )
    return Network.from_layers(weights, biases, kinds, origin=origin)


def from_sequential(module: nn.Sequential) -> Network:
    """The network of a (nested) Sequential of Linear, Tanh, Sigmoid, Softplus, ReLU, ReLU6, Hardtanh, Identity,
    Flatten and Dropout.

    The result is compared with the module at a few inputs. Torch replaces softplus by its asymptote beyond a
    threshold (an error of about 2e-9); the network has the true softplus. A Softplus with another beta, like
    consecutive Linear layers, is composed, with radii where that rounds. UnsupportedError for other modules,
    NetworkFileError if the module computes something else.
    """
    import torch

    if not isinstance(module, torch.nn.Sequential):
        raise UnsupportedError(
            f"from_sequential was given a {type(module).__name__}; give a torch.nn.Sequential, or export to ONNX"
        )
    _refuse_changes(module, torch.nn.Sequential)
    parts = _flat(module)
    first = next((part for part in parts if isinstance(part, torch.nn.Linear)), None)
    if first is None:
        raise UnsupportedError("the Sequential has no Linear layer, so its sizes are unknown; add one")
    form = NormalForm()
    signal = form.source((first.in_features,))
    for index, part in enumerate(parts):
        signal = _apply(form, signal, part, f"layer {index} ({type(part).__name__})")
    network = form.finish(signal, Origin("a torch.nn.Sequential"))
    _check_against_module(network, module, first)
    return network


def _load(path: Path) -> tuple[dict[str, Tensor], Origin]:
    content, origin = read_network_file(path)
    import torch

    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        raise NetworkFileError(
            f"'{path.name}' is not a file of tensors or it is truncated; save it with "
            "torch.save(module.state_dict(), path)"
        ) from error
    if not isinstance(loaded, Mapping):
        raise NetworkFileError(
            f"'{path.name}' holds a {type(loaded).__name__}; save a state dictionary with "
            "torch.save(module.state_dict(), path)"
        )
    return dict(loaded), origin


def _layers(tensors: Mapping[str, object], label: str) -> tuple[list[FloatArray], list[FloatArray]]:
    """Weights and biases in the order of the keys; every size is checked."""
    pairs: dict[str, dict[str, FloatArray]] = {}
    for key, tensor in tensors.items():
        layer, _, role = str(key).rpartition(".")
        if role not in ("weight", "bias"):
            raise NetworkFileError(
                f"{label} has an entry '{key}'; supported are the weights and biases of linear layers "
                "('NAME.weight', 'NAME.bias')"
            )
        pairs.setdefault(layer, {})[role] = _array(tensor, f"'{key}' of {label}", 2 if role == "weight" else 1)
    if not pairs:
        raise NetworkFileError(f"{label} is empty; save the state dictionary of a network")
    _check_order(list(pairs), label)
    weights: list[FloatArray] = []
    biases: list[FloatArray] = []
    previous = ""
    for layer, pair in pairs.items():
        if "weight" not in pair:
            raise NetworkFileError(
                f"{label} has '{layer}.bias' without '{layer}.weight'; save the whole state dictionary"
            )
        weight = pair["weight"]
        bias = pair.get("bias", np.zeros(weight.shape[0]))
        if bias.shape[0] != weight.shape[0]:
            raise NetworkFileError(
                f"'{layer}.weight' of {label} has {weight.shape[0]} rows and '{layer}.bias' {bias.shape[0]} entries; "
                "they must agree"
            )
        if weights and weights[-1].shape[0] != weight.shape[1]:
            raise NetworkFileError(
                f"'{layer}.weight' of {label} takes {weight.shape[1]} inputs but '{previous}.weight' before it gives "
                f"{weights[-1].shape[0]}; the layers must be one chain in the order of the keys"
            )
        weights.append(weight)
        biases.append(bias)
        previous = layer
    return weights, biases


def _check_order(layers: Sequence[str], label: str) -> None:
    """Refuse layers whose numbers do not increase ('0', '10', '2': sorted as text), which nothing else would notice."""
    for before, after in pairwise(layers):
        numbers = [[int(n) for n in re.findall("[0-9]+", layer)] for layer in (before, after)]
        if re.sub("[0-9]+", "#", before) == re.sub("[0-9]+", "#", after) and not numbers[0] < numbers[1]:
            raise NetworkFileError(
                f"{label} has the layer '{after}' after '{before}'; layers are applied in the order of the keys: sort "
                "them by number"
            )


def _array(value: object, what: str, ndim: int) -> FloatArray:
    """A tensor as float64, exactly."""
    import torch

    if not isinstance(value, torch.Tensor):
        raise NetworkFileError(f"{what} is a {type(value).__name__}, not a tensor; save module.state_dict() itself")
    if not value.is_floating_point() or value.layout != torch.strided:
        raise NetworkFileError(
            f"{what} is not a dense floating-point tensor ({value.dtype}); save the network before quantising it"
        )
    if value.ndim != ndim:
        raise NetworkFileError(
            f"{what} has the shape {list(value.shape)}; supported are linear layers, with {ndim} axes here"
        )
    array = value.detach().to("cpu", torch.float64).numpy().copy()
    if not np.isfinite(array).all():
        raise NetworkFileError(f"{what} contains nan or inf; save a network with finite weights")
    return array


def _flat(module: nn.Sequential) -> list[nn.Module]:
    """The modules of nested Sequentials, in order."""
    import torch

    parts: list[nn.Module] = []
    for part in module:
        if not isinstance(part, torch.nn.Sequential):
            parts.append(part)
            continue
        _refuse_changes(part, torch.nn.Sequential)
        parts += _flat(part)
    return parts


def _refuse_changes(part: nn.Module, kind: type[nn.Module]) -> None:
    """UnsupportedError if `part` computes something else than its `kind` does: an own forward, hooks, parametrisations.

    A few sampled inputs cannot show a clamp that acts far out.
    """
    from torch.nn.utils import parametrize

    changed = "an own `forward`" if type(part).forward is not kind.forward else ""
    if part._forward_hooks or part._forward_pre_hooks:
        changed = "forward hooks"
    if parametrize.is_parametrized(part) and part.training:
        changed = "parametrisations in training mode"
    if changed:
        raise UnsupportedError(
            f"the module {type(part).__name__} has {changed}, which its layers do not show; "
            "give a plain torch.nn.Sequential, or export to ONNX"
        )


def _apply(form: NormalForm, signal: Signal, part: nn.Module, label: str) -> Signal:
    """One module applied to a signal."""
    from torch import nn

    plain = (nn.Linear, nn.Dropout, nn.Identity, nn.Flatten, nn.Softplus, nn.Hardtanh, nn.Tanh, nn.Sigmoid, nn.ReLU)
    for base in plain:
        if isinstance(part, base):
            # ReLU6 is a Hardtanh that shares its forward
            _refuse_changes(part, base)
    if isinstance(part, nn.Linear):
        if part.in_features != signal.size:
            raise NetworkFileError(
                f"{label} takes {part.in_features} inputs but is given {signal.size}; the sizes must agree"
            )
        weight = _array(part.weight, f"the weight of {label}", 2)
        bias = np.zeros(part.out_features) if part.bias is None else _array(part.bias, f"the bias of {label}", 1)
        return form.affine(signal, Affine(weight, bias), (part.out_features,))
    if isinstance(part, nn.Dropout) and part.training and part.p > 0.0:
        raise UnsupportedError(f"{label} is in training mode; call eval() on the module first")
    if isinstance(part, nn.Identity | nn.Flatten | nn.Dropout):
        return signal
    if isinstance(part, nn.Softplus):
        if part.beta > 0 and np.log1p(np.exp(-float(part.threshold))) > TORCH_SOFTPLUS_ERROR * float(part.beta):
            raise UnsupportedError(
                f"{label} switches to its asymptote at threshold {part.threshold}, which is far from softplus there; "
                "keep the threshold of 20"
            )
        return _softplus(form, signal, float(part.beta))
    kind = _plain_activation(part)
    if kind is None:
        raise UnsupportedError(
            f"{label} is not supported; supported are Linear, Tanh, Sigmoid, Softplus, ReLU, ReLU6, Hardtanh, "
            "Identity, Flatten, Dropout and nested Sequential"
        )
    return form.activate(signal, kind)


def _plain_activation(part: nn.Module) -> Activation | None:
    from torch import nn

    if isinstance(part, nn.Hardtanh):
        # ReLU6 is one of them
        return Clip(float(part.min_val), float(part.max_val))
    kinds: dict[type[nn.Module], Activation] = {nn.Tanh: Tanh(), nn.Sigmoid: Sigmoid(), nn.ReLU: Relu()}
    return kinds.get(type(part))


def _softplus(form: NormalForm, signal: Signal, beta: float) -> Signal:
    """log(1 + exp(beta z)) / beta: softplus between two scalings."""
    if not beta > 0.0:
        raise UnsupportedError(f"a Softplus has beta {beta}; supported is beta > 0")
    if beta == 1.0:
        return form.activate(signal, Softplus())
    size = np.eye(signal.size)
    inside = form.affine(signal, Affine.linear(beta * size), signal.shape)
    # 1/beta rounds unless beta is a power of two
    error = 0.0 if np.frexp(beta)[0] == 0.5 else 2.0**-52 / beta
    return form.affine(form.activate(inside, Softplus()), Affine.linear(size / beta, error * size), signal.shape)


def _check_against_module(network: Network, module: nn.Module, first: nn.Linear) -> None:
    """Compare with the module itself, in its own precision, at a few inputs."""
    import torch

    inputs = np.array([0.0, 1.0, -1.0, 4.0])[:, None] * np.cos(1.7 * np.arange(1, network.in_size + 1))
    points = torch.tensor(inputs, dtype=first.weight.dtype, device=first.weight.device)
    with torch.no_grad():
        expected = module(points).to("cpu", torch.float64).numpy()
    values = network(points.to("cpu", torch.float64).numpy())
    if expected.shape != values.shape:
        raise NetworkFileError(
            f"the module gives shape {list(expected.shape)} where {list(values.shape)} is expected; export it to ONNX"
        )
    tolerance = np.sqrt(torch.finfo(first.weight.dtype).eps) * (1.0 + abs(values).max(axis=1, keepdims=True))
    tolerance = tolerance + TORCH_SOFTPLUS_ERROR
    if not (abs(values - expected) <= tolerance).all():
        raise NetworkFileError(
            "the module computes something else than its layers one after another; export it to ONNX instead"
        )
