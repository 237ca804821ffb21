"""Block diagrams: connections, loops, and networks assembled from diagrams of the user's own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nnctrl.errors import AlgebraicLoopError, DimensionError, InputError, UnknownNameError
from nnctrl.networks.activations import Identity, Relu, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Block, Network
from nnctrl.sets.box import Box
from nnctrl.systems.assembly import assemble
from nnctrl.systems.composer import closed_loop_diagram, plant_block
from nnctrl.systems.diagram import (
    BlockDiagram,
    LinearBlock,
    NetworkBlock,
    Source,
    affine_block,
    delay_block,
    saturation_block,
)
from nnctrl.systems.linear_plant import LinearPlant
from tests.systems.loops import EVERYTHING, contains, network_ranges, random_loop, rational


def network(sizes: list[int], seed: int, activation: object = None) -> Network:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(b, a)) for a, b in pairwise(sizes)]
    kind = Tanh() if activation is None else activation
    return Network.from_layers(weights, [rng.normal(size=b) for b in sizes[1:]], kind)  # type: ignore[arg-type]


def test_algebraic_loop_is_named() -> None:
    diagram = BlockDiagram()
    plant = LinearPlant(np.eye(1), np.eye(1), C=np.eye(1), D=np.eye(1), dt=1.0)
    diagram.add("plant", plant_block(plant))
    diagram.add("filter", affine_block(Affine.identity(1)))
    diagram.add("network", NetworkBlock(network([1, 2, 1], 0)))
    diagram.connect("plant.y", "filter.in")
    diagram.connect("filter.out", "network.in")
    diagram.connect("network.out", "plant.u")
    with pytest.raises(AlgebraicLoopError, match=r"plant.y -> filter -> network -> plant.y need each other .*delay"):
        diagram.order()
    with pytest.raises(AlgebraicLoopError):
        assemble(diagram, ["plant.x"])


def test_a_delay_or_a_plant_breaks_the_loop() -> None:
    for through in (0.0, 1.0):
        diagram = BlockDiagram()
        plant = LinearPlant(np.eye(1), np.eye(1), C=np.eye(1), D=[[through]], dt=1.0)
        diagram.add("plant", plant_block(plant))
        diagram.add("network", NetworkBlock(network([1, 2, 1], 0)))
        diagram.connect("plant.y", "network.in")
        if through:
            diagram.add("queue", delay_block(("u",), np.zeros((1, 1))))
            diagram.connect("network.out", "queue.in")
        diagram.connect("queue.out" if through else "network.out", "plant.u")
        order = diagram.order()
        assert order.index(("plant", "y")) < order.index(("network", "out"))
        assert assemble(diagram, ["plant.y"]).in_size == 1 + int(through)


def test_mistakes_in_connections() -> None:
    diagram = BlockDiagram()
    diagram.add("w", Source(2))
    diagram.add("gain", affine_block(Affine.linear(np.ones((1, 2)))))
    with pytest.raises(InputError, match="a block cannot be named 'gain'"):
        diagram.add("gain", Source(1))
    with pytest.raises(UnknownNameError, match="unknown block 'gian'; did you mean 'gain'"):
        diagram.connect("w.out", "gian.in")
    with pytest.raises(UnknownNameError, match="unknown output port of 'w' 'outt'"):
        diagram.connect("w.outt", "gain.in")
    with pytest.raises(InputError, match=r"input 'gain.in' is not connected; connect it"):
        diagram.order()
    diagram.connect("w.out", "gain.in")
    with pytest.raises(InputError, match=r"'gain.in' is connected already, to 'w.out'"):
        diagram.connect("w.out", "gain.in")
    diagram.add("wide", affine_block(Affine.identity(3)))
    with pytest.raises(DimensionError, match=r"'w.out' has size 2 but 'wide.in' takes 3"):
        diagram.connect("w.out", "wide.in")
    with pytest.raises(DimensionError, match="'out' of a linear block has size 2; states and inputs make it 3"):
        LinearBlock({"in": 3}, {"out": Affine.identity(2)})
    constant = BlockDiagram()
    constant.add("one", LinearBlock({}, {"out": Affine(np.zeros((1, 0)), [1.0])}))
    with pytest.raises(InputError, match="neither states nor sources"):
        assemble(constant, ["one.out"])


def test_two_networks_in_parallel_and_in_series() -> None:
    """A network that reads a source and another network's output needs a second block; everything still agrees."""
    diagram = BlockDiagram()
    first, second, third = (network([2, 4, 2], k) for k in range(3))
    diagram.add("r", Source(2))
    for name, function in (("first", first), ("second", second), ("third", third)):
        diagram.add(name, NetworkBlock(function))
    diagram.add("sum", affine_block(Affine.linear(np.hstack([np.eye(2), 0.5 * np.eye(2)])), a=2, b=2))
    diagram.connect("r.out", "first.in")
    diagram.connect("r.out", "second.in")
    diagram.connect("first.out", "sum.a")
    diagram.connect("r.out", "sum.b")
    diagram.connect("sum.out", "third.in")
    whole = assemble(diagram, ["third.out", "second.out", "first.out", "r.out"])
    r = np.random.default_rng(9).normal(size=(20, 2))
    expected = np.concatenate([third(first(r) + 0.5 * r), second(r), first(r), r], axis=1)
    np.testing.assert_allclose(whole(r), expected, rtol=1e-12, atol=1e-13)
    assert len(whole.blocks) > 1


def test_networks_in_series_share_a_block_and_carry_what_is_needed() -> None:
    diagram = BlockDiagram()
    first, second = network([2, 4, 2], 0), network([2, 3, 1], 1)
    diagram.add("r", Source(2))
    diagram.add("first", NetworkBlock(first))
    diagram.add("limit", saturation_block(Box([-0.5, -0.25], [0.5, 1.0])))
    diagram.add("second", NetworkBlock(second))
    diagram.connect("r.out", "first.in")
    diagram.connect("first.out", "limit.in")
    diagram.connect("limit.out", "second.in")
    whole = assemble(diagram, ["second.out", "first.out", "limit.out"])
    r = np.random.default_rng(9).normal(size=(20, 2))
    limited = np.clip(first(r), [-0.5, -0.25], [0.5, 1.0])
    np.testing.assert_allclose(whole(r), np.concatenate([second(limited), first(r), limited], axis=1), rtol=1e-12)
    assert len(whole.blocks) == 1
    assert any(isinstance(a, Identity) for layer in whole.blocks[0].activations for a, _ in layer.segments)


@pytest.mark.parametrize("layers", [0, 1])
def test_networks_with_feedthrough_and_several_blocks(layers: int) -> None:
    rng = np.random.default_rng(5)

    def block(a: int, b: int) -> Block:
        skip = Affine(rng.normal(size=(b, a)), rng.normal(size=b))
        if layers == 0:
            return Block((Affine(rng.normal(size=(b, a)), rng.normal(size=b)),), (), skip)
        inner = network([a, 3, b], int(rng.integers(100)), Relu()).blocks[0]
        return Block(inner.affines, inner.activations, skip)

    deep = Network((block(2, 3), block(3, 2)))
    after = network([2, 3, 2], 7, Relu())
    diagram = BlockDiagram()
    diagram.add("r", Source(2))
    for name, function in (("deep", deep), ("after", after), ("again", deep)):
        diagram.add(name, NetworkBlock(function))
    diagram.connect("r.out", "deep.in")
    diagram.connect("deep.out", "after.in")
    diagram.connect("after.out", "again.in")
    whole = assemble(diagram, ["again.out", "deep.out"])
    r = rng.normal(size=(20, 2))
    expected = np.concatenate([deep(after(deep(r))), deep(r)], axis=1)
    np.testing.assert_allclose(whole(r), expected, rtol=1e-11, atol=1e-11)


def test_a_users_own_loop_with_a_reference() -> None:
    """Integral action around a network, with a reference signal from outside, against a hand-written loop."""
    plant = LinearPlant([[0.9]], [[0.5]], dt=1.0)
    core = network([2, 3, 1], 2, Relu())
    diagram = BlockDiagram()
    diagram.add("plant", plant_block(plant))
    diagram.add(
        "integrator",
        LinearBlock({"e": 1}, {"sum": Affine([[1.0, 0.25]], [0.0])}, Affine([[1.0, 0.25]], [0.0]), np.zeros(1), ("i",)),
    )
    diagram.add("reference", Source(1))
    diagram.add("error", affine_block(Affine([[1.0, -1.0]], [0.0]), r=1, x=1))
    diagram.add("both", affine_block(Affine.identity(2), e=1, i=1))
    diagram.add("core", NetworkBlock(core))
    diagram.connect("reference.out", "error.r")
    diagram.connect("plant.x", "error.x")
    diagram.connect("error.out", "integrator.e")
    diagram.connect("error.out", "both.e")
    diagram.connect("integrator.sum", "both.i")
    diagram.connect("both.out", "core.in")
    diagram.connect("core.out", "plant.u")
    step = assemble(diagram, ["core.out"])
    assert len(step.blocks) == 1
    rng = np.random.default_rng(0)
    for x, i, r in rng.normal(size=(10, 3)):
        e = r - x
        u = float(core(np.array([e, i + 0.25 * e]))[0])
        np.testing.assert_allclose(step(np.array([x, i, r])), [0.9 * x + 0.5 * u, i + 0.25 * e, u], rtol=1e-12)
    point = rational([0.5, 0.25, 1.0])
    exact_e = point[2] - point[0]
    assert contains([network_ranges(step, point)[1]], [point[1] + exact_e / 4])


def test_the_standard_diagram_has_the_blocks_that_do_something() -> None:
    plant, controller = random_loop(EVERYTHING, Tanh())
    assert list(closed_loop_diagram(plant, controller).blocks) == [
        "plant",
        "queue",
        "memory",
        "w",
        "observation",
        "noise",
        "measurement",
        "inputs",
        "network",
        "output",
        "saturation",
        "actuator",
    ]
