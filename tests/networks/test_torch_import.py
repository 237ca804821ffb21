"""State dictionaries and Sequential modules."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from nnctrl.errors import InputError, NetworkFileError, UnknownNameError, UnsupportedError
from nnctrl.networks.activations import Clip, Relu, Sigmoid, Tanh
from nnctrl.networks.load import load_network
from nnctrl.networks.torch_import import from_sequential, from_state_dict
from tests.networks.onnx_models import is_exact, weights


def state(*sizes: int, dtype: torch.dtype = torch.float32) -> OrderedDict[str, torch.Tensor]:
    """A state dictionary as a Sequential with activations in between has it."""
    generator = torch.Generator().manual_seed(5)
    result: OrderedDict[str, torch.Tensor] = OrderedDict()
    for index, (before, after) in enumerate(pairwise(sizes)):
        result[f"net.{2 * index}.weight"] = torch.randn(after, before, generator=generator).to(dtype)
        result[f"net.{2 * index}.bias"] = torch.randn(after, generator=generator).to(dtype)
    return result


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_numbers_are_converted_exactly(dtype: torch.dtype) -> None:
    tensors = state(2, 4, 3, 1, dtype=dtype)
    network = from_state_dict(tensors, "tanh")
    assert network.architecture() == "2-4-3-1 tanh"
    assert is_exact(network)
    for stored, given in zip(weights(network), tensors.values(), strict=True):
        assert stored.dtype == np.float64
        assert torch.equal(torch.from_numpy(stored.copy()).to(dtype), given)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "n.pth"
    torch.save(state(2, 4, 1), path)
    network = from_state_dict(path, "sigmoid")
    assert network.architecture() == "2-4-1 sigmoid"
    assert network.origin is not None
    assert network.origin.source == "n.pth"
    assert network.origin.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert np.array_equal(load_network(str(path), Sigmoid())(np.ones(2)), network(np.ones(2)))
    torch.save(state(2, 4, 1), path, _use_new_zipfile_serialization=False)
    assert np.array_equal(from_state_dict(path, "sigmoid")(np.ones(2)), network(np.ones(2)))


def test_activations() -> None:
    tensors = state(2, 4, 3, 1)
    network = from_state_dict(tensors, ["relu", Tanh()])
    assert [layer.segments for layer in network.blocks[0].activations] == [((Relu(), 4),), ((Tanh(), 3),)]
    network = from_state_dict(tensors, ["relu", "relu", Clip(-1.0, 1.0)])
    assert network.blocks[0].activations[-1].segments == ((Clip(-1.0, 1.0), 1),)
    with pytest.raises(UnknownNameError, match="unknown activation 'tanhh'; did you mean 'tanh'"):
        from_state_dict(tensors, "tanhh")
    with pytest.raises(
        InputError, match="1 activations are given for the state dictionary with 3 layers; give 2, or 3"
    ):
        from_state_dict(tensors, ["tanh"])


def test_layers_without_bias() -> None:
    network = from_state_dict({"a.weight": torch.ones(2, 3), "b.weight": torch.ones(1, 2)}, "tanh")
    assert not any(affine.bias.any() for affine in network.blocks[0].affines)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "the state dictionary is empty"),
        (
            {"a.weight": torch.ones(2, 3), "b.weight": torch.ones(1, 4)},
            "takes 4 inputs but 'a.weight' before it gives 2",
        ),
        ({"a.weight": torch.ones(2, 3), "a.bias": torch.ones(3)}, r"'a\.weight' .* has 2 rows and 'a.bias' 3 entries"),
        ({"a.bias": torch.ones(3)}, "'a.bias' without 'a.weight'"),
        ({"a.weight": torch.full((2, 3), torch.nan)}, "'a.weight' of the state dictionary contains nan or inf"),
        ({"a.weight": torch.ones(2, 3, 3)}, r"has the shape \[2, 3, 3\]; supported are linear layers"),
        ({"a.weight": torch.ones(2, 3, dtype=torch.int64)}, "not a dense floating-point tensor"),
        ({"a.weight": torch.ones(2, 3).to_sparse()}, "not a dense floating-point tensor"),
        ({"a.weight": [[1.0]]}, "'a.weight' of the state dictionary is a list, not a tensor"),
        ({"a.running_mean": torch.ones(2)}, "has an entry 'a.running_mean'; supported are the weights and biases"),
        ({"epoch": 3}, "has an entry 'epoch'"),
    ],
)
def test_refuses_dictionaries(tensors: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(NetworkFileError, match=message):
        from_state_dict(tensors, "tanh")


def test_refuses_files(tmp_path: Path) -> None:
    path = tmp_path / "n.pth"
    with pytest.raises(NetworkFileError, match="there is no network file"):
        from_state_dict(path, "tanh")
    for content in (b"", b"not a network", b"PK\x03\x04 but no archive", b"\x80\x02}q\x00."):
        path.write_bytes(content)
        with pytest.raises(NetworkFileError, match=r"is empty|is not a file of tensors or it is truncated"):
            from_state_dict(path, "tanh")
    torch.save([1, 2], path)
    with pytest.raises(NetworkFileError, match=r"'n\.pth' holds a list; save a state dictionary"):
        from_state_dict(path, "tanh")
    torch.save({"state_dict": state(2, 1)}, path)
    with pytest.raises(NetworkFileError, match=r"'n\.pth' has an entry 'state_dict'"):
        from_state_dict(path, "tanh")
    # a whole module could run code when it is loaded
    torch.save(nn.Linear(2, 1), path)
    with pytest.raises(NetworkFileError, match="is not a file of tensors"):
        from_state_dict(path, "tanh")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.pth"
    for zipped in (True, False):
        torch.save(state(2, 4, 1), path, _use_new_zipfile_serialization=zipped)
        content = path.read_bytes()
        for length in np.linspace(1, len(content) - 1, 25).astype(int):
            path.write_bytes(content[:length])
            with pytest.raises(NetworkFileError, match=r"n\.pth"):
                from_state_dict(path, "tanh")


def modules() -> dict[str, nn.Sequential]:
    torch.manual_seed(11)
    linear = nn.Linear
    return {
        "plain": nn.Sequential(linear(3, 5), nn.Tanh(), linear(5, 2)),
        "every activation": nn.Sequential(
            linear(3, 4), nn.ReLU(), linear(4, 4), nn.Sigmoid(), linear(4, 4), nn.Softplus(), linear(4, 2), nn.Tanh()
        ),
        "saturations": nn.Sequential(linear(3, 4), nn.Hardtanh(), linear(4, 3), nn.ReLU6(), nn.Hardtanh(-0.1, 0.3)),
        "nested": nn.Sequential(
            nn.Flatten(), nn.Sequential(linear(3, 4), nn.Sequential(nn.Tanh())), nn.Identity(), linear(4, 1)
        ),
        "dropout": nn.Sequential(linear(3, 4), nn.Dropout(0.5), nn.ReLU(), linear(4, 1)).eval(),
        "dropout of nothing": nn.Sequential(linear(3, 4), nn.Dropout(0.0), nn.ReLU(), linear(4, 1)),
        "softplus with a power of two": nn.Sequential(linear(3, 4), nn.Softplus(beta=4.0), linear(4, 1)),
        "softplus with beta": nn.Sequential(linear(3, 4), nn.Softplus(beta=0.3), linear(4, 1)),
        "consecutive": nn.Sequential(linear(3, 4), linear(4, 5), nn.Tanh(), linear(5, 2, bias=False), linear(2, 2)),
        "affine": nn.Sequential(linear(3, 2)),
        "double": nn.Sequential(linear(3, 5), nn.Tanh(), linear(5, 2)).double(),
        "activation first": nn.Sequential(nn.Tanh(), linear(3, 2)),
    }


@pytest.mark.parametrize("name", modules())
def test_sequential(name: str) -> None:
    module = modules()[name]
    network = from_sequential(module)
    x = np.random.default_rng(1).normal(size=(30, 3))
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(x)).numpy()
    assert network(x) == pytest.approx(expected, abs=1e-13)
    rounds = name in ("softplus with beta", "consecutive")
    assert is_exact(network) != rounds


def test_sequential_softplus_is_scaled_with_radii() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Softplus(beta=4.0), nn.Linear(2, 1))
    first, last = from_sequential(module).blocks[0].affines
    assert np.array_equal(first.weight, 4.0 * module[0].weight.detach().double().numpy())
    assert np.array_equal(last.weight, module[2].weight.detach().double().numpy() / 4.0)


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (nn.Linear(2, 1), UnsupportedError, "was given a Linear; give a torch.nn.Sequential"),
        (nn.Sequential(nn.Tanh()), UnsupportedError, "has no Linear layer"),
        (nn.Sequential(nn.Linear(2, 1), nn.ELU()), UnsupportedError, r"layer 1 \(ELU\) is not supported"),
        (
            nn.Sequential(nn.Linear(2, 1), nn.Dropout()),
            UnsupportedError,
            r"layer 1 \(Dropout\) is in training mode; call eval",
        ),
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1)), NetworkFileError, "takes 2 inputs but is given 3"),
        (nn.Sequential(nn.Linear(2, 1), nn.Softplus(beta=-1.0)), UnsupportedError, "beta -1.0; supported is beta > 0"),
    ],
)
def test_sequential_refuses(module: nn.Sequential, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        from_sequential(module)


def test_sequential_refuses_nan() -> None:
    module = nn.Sequential(nn.Linear(2, 1))
    with torch.no_grad():
        module[0].weight[0, 0] = torch.inf
    with pytest.raises(NetworkFileError, match=r"the weight of layer 0 \(Linear\) contains nan or inf"):
        from_sequential(module)


class Clamped(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).clamp(-10.0, 10.0)


class ClampedLinear(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.clamp(-50.0, 50.0))


def hooked() -> nn.Sequential:
    module = nn.Sequential(nn.Linear(2, 1), nn.Tanh())
    module[1].register_forward_hook(lambda _module, _inputs, output: output.clamp(-0.5, 0.5))
    return module


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Clamped(nn.Linear(2, 1)), "the module Clamped has an own `forward`"),
        (nn.Sequential(Clamped(nn.Linear(2, 1))), "the module Clamped has an own `forward`"),
        (nn.Sequential(ClampedLinear(2, 1)), "the module ClampedLinear has an own `forward`"),
        (hooked(), "the module Tanh has forward hooks"),
        (nn.Sequential(parametrizations.spectral_norm(nn.Linear(2, 1))), "parametrisations in training mode"),
        (nn.Sequential(nn.Linear(1, 1), nn.Softplus(threshold=1)), r"layer 1 \(Softplus\) switches to its asymptote"),
    ],
)
def test_sequential_refuses_what_its_layers_do_not_show(module: nn.Sequential, message: str) -> None:
    """A clamp far out is invisible at the few points where module and import are compared."""
    with pytest.raises(UnsupportedError, match=message):
        from_sequential(module)


def test_a_parametrised_layer_is_taken_as_it_is_in_evaluation_mode() -> None:
    module = nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 1)), nn.Tanh()).eval()
    x = torch.tensor([[0.3, -0.7]])
    assert from_sequential(module)(x.double().numpy()) == pytest.approx(module(x).detach().double().numpy(), abs=1e-6)


def test_layers_in_the_order_of_text_are_refused() -> None:
    square = torch.ones(2, 2)
    tensors = {"0.weight": square, "10.weight": square, "2.weight": square}
    with pytest.raises(NetworkFileError, match=r"has the layer '2' after '10'; .* sort them by number"):
        from_state_dict(tensors, "tanh")
    with pytest.raises(InputError, match="an activation is given as 3"):
        from_state_dict({"a.weight": square}, 3)  # type: ignore[arg-type]
