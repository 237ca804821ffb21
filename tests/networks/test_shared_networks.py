"""The published networks: all of them import, to the architectures that the literature gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from nnctrl.networks.load import load_network
from nnctrl.networks.onnx_export import write_onnx
from nnctrl.networks.onnx_import import read_onnx
from tests.networks.onnx_models import is_exact, weights
from tests.shared import shared_path

COMPETITION = {
    "ACC/controller_5_20.onnx": "5-20-20-20-20-20-1 relu",
    "Airplane/controller_airplane.onnx": "12-100-100-20-6 relu",
    "Attitude-Control/attitude_control_3_64_torch.onnx": "6-64-64-64-3 sigmoid",
    "Benchmark10-Unicycle/controllerB.onnx": "4-500-2-2 relu",
    "Benchmark9-Tora/controllerTora.onnx": "4-100-100-100-1-1 relu",
    "CartPole/model.onnx": "4-64-64-1-1 tanh",
    "Docking/model.onnx": "4-256-256-2-2 tanh",
    "Double_Pendulum/controller_double_pendulum_less_robust.onnx": "4-25-25-2 relu",
    "NAV/networks/nn-nav-set.onnx": "4-64-32-2-2 relu/tanh",
    "QUAD/quad_controller_3_64_torch.onnx": "12-64-64-64-3 sigmoid",
    "Single_Pendulum/controller_single_pendulum.onnx": "2-25-25-1 relu",
    **{f"VCAS/onnx_networks/VertCAS_noResp_pra0{i}_v9_20HU_200.onnx": "3-20-20-20-20-20-9 relu" for i in range(1, 10)},
}
SEEDS = {
    "Quad-6-32-32-3.pth": ("tanh", "6-32-32-3 tanh"),
    "doubleIntegratorTanh-2-10-5-5-1.pth": ("tanh", "2-10-5-5-1 tanh"),
    "randomNetSig.pth": ("sigmoid", "2-50-2-2 sigmoid"),
    "randomNetTanh.pth": ("tanh", "2-50-2-2 tanh"),
    "randomNetTanh1.pth": ("tanh", "2-2-2 tanh"),
    "randomNetTanh2.pth": ("tanh", "2-10-2-2 tanh"),
    "randomNetTanh3.pth": ("tanh", "2-10-10-2-2 tanh"),
}


def _reference(path: Path, x: np.ndarray) -> np.ndarray:
    """float32 evaluation by the onnx package, one sample at a time."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))
    stored = {tensor.name for tensor in onnx.load(path).graph.initializer}
    (given,) = [i for i in onnx.load(path).graph.input if i.name not in stored]
    shape = [max(d.dim_value, 1) for d in given.type.tensor_type.shape.dim]
    rows = [evaluator.run(None, {given.name: row.astype(np.float32).reshape(shape)})[0].ravel() for row in x]
    return np.array(rows, dtype=np.float64)


@pytest.mark.parametrize("name", COMPETITION)
def test_competition_networks(name: str) -> None:
    path = shared_path(f"arch-comp/{name}")
    network = read_onnx(path)
    assert network.architecture() == COMPETITION[name]
    # the offsets that ACC subtracts from its inputs are composed with its first layer; nothing else rounds
    assert is_exact(network) == (not name.startswith("ACC"))
    x = np.random.default_rng(0).normal(size=(50, network.in_size)).astype(np.float32).astype(np.float64)
    expected = _reference(path, x)
    assert abs(network(x) - expected).max() <= 1e-5 * (1.0 + abs(expected).max())


def test_every_competition_file_is_listed() -> None:
    folder = shared_path("arch-comp")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.onnx")} <= set(COMPETITION)


def test_offsets_of_acc_are_one() -> None:
    """The ONNX graph of ACC subtracts 1 from its inputs, as its bias must show (ARCH-FACTS section 1)."""
    path = shared_path("arch-comp/ACC/controller_5_20.onnx")
    tensors = {t.name: onnx.numpy_helper.to_array(t).astype(np.float64) for t in onnx.load(path).graph.initializer}
    first = read_onnx(path).blocks[0].affines[0]
    assert np.array_equal(first.weight, tensors["Operation_1_W"])
    assert first.weight_radius is None
    assert first.bias == pytest.approx(tensors["Operation_1_B"] - tensors["Operation_1_W"].sum(1), abs=1e-14)


@pytest.mark.parametrize("name", SEEDS)
def test_seed_networks(name: str, tmp_path: Path) -> None:
    activation, architecture = SEEDS[name]
    network = load_network(shared_path(f"seed-networks/{name}"), activation)
    assert network.architecture() == architecture
    assert is_exact(network)
    assert network.origin is not None
    assert network.origin.source == name
    write_onnx(network, tmp_path / "n.onnx")
    again = read_onnx(tmp_path / "n.onnx")
    assert [w.tobytes() for w in weights(again)] == [w.tobytes() for w in weights(network)]
