"""The numerical counterexamples known of the Hessian paper's public implementation: here they must come out right."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.hessian import Tail, hessian_norm
from nnctrl.bounds.layered import LayeredView
from nnctrl.bounds.lipschitz import AbstractLipschitz, LipLT, NaiveLipschitz
from nnctrl.bounds.lipsdp import LipSDP
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.view import NetworkView
from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.networks.torch_import import from_state_dict
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.absorb import absorb
from tests import high_precision
from tests.shared import shared_path


def test_slopes_of_neurons_that_stay_positive() -> None:
    """Swapped slopes claim 1.397 as a lower bound of c'f; the value at the lower corner is 0.4147."""
    network = from_state_dict(shared_path("seed-networks/randomNetTanh2.pth"), activation="tanh")
    lower, upper = np.array([-0.334847, -0.715980]), np.array([0.147557, 0.263513])
    c = np.array([0.701294, 0.712872])
    at_corner = high_precision.dot(c, high_precision.network(network, high_precision.vector(lower)))
    assert mpmath.almosteq(at_corner, mpmath.mpf("0.4147"), abs_eps=1e-4)
    found = TaylorBound().upper(
        NetworkView.of(network), torch.tensor(lower[None]), torch.tensor(upper[None]), torch.tensor(-c[None])
    )
    assert -float(found.upper) <= at_corner


@pytest.mark.parametrize("method", [NaiveLipschitz(), LipLT(), LipSDP()], ids=repr)
def test_lipschitz_constants_of_neurons_that_stay_positive(method: AbstractLipschitz) -> None:
    """Swapped slopes claim a constant of 0.00388; the gradient is sampled as large as 5.75."""
    network = from_state_dict(shared_path("seed-networks/randomNetTanh2.pth"), activation="tanh")
    lower, upper = torch.tensor([[-0.334847, -0.715980]]).double(), torch.tensor([[0.147557, 0.263513]]).double()
    net = LayeredView.of(NetworkView.of(network))
    c = torch.tensor([[0.701294, 0.712872]]).double()
    found = float(method.constants(net, net.ranges(lower, upper), c, 2.0).output)
    points = (
        lower + torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)) * (upper - lower)
    ).requires_grad_()
    (gradients,) = torch.autograd.grad((net(points) @ c.T).sum(), points)
    largest = float(gradients.norm(dim=1).max())
    assert largest > 5.7
    assert found >= largest


@pytest.mark.parametrize("method", [NaiveLipschitz(), LipLT(), LipSDP()], ids=repr)
@pytest.mark.parametrize("tail", ["recursion", "liplt", "least"])
def test_the_hessian_norm_of_a_deep_narrow_network(method: AbstractLipschitz, tail: Tail) -> None:
    """A product that starts at the wrong layer claims 848; the supremum of |f''| on the box is at least 7698.356."""
    weights = [np.array([[w]]) for w in (10.0, 0.1, 100.0, 1.0)]
    network = Network.from_layers(weights, [np.zeros(1), np.zeros(1), np.array([0.658]), np.zeros(1)], Tanh())
    net = LayeredView.of(NetworkView.of(network))
    box = torch.tensor([[-1e-4]], dtype=torch.float64), torch.tensor([[1e-4]], dtype=torch.float64)
    norm = float(hessian_norm(net, net.ranges(*box), torch.ones(1, 1, dtype=torch.float64), method, tail))
    assert 7698.356 <= norm <= 7800.0


@pytest.mark.parametrize("method", [NaiveLipschitz(), LipLT(), LipSDP()], ids=repr)
def test_lipschitz_constants_in_the_coordinates_of_a_rotated_box(method: AbstractLipschitz) -> None:
    """Pre-activation boxes through an unrotated first layer claimed 1.107 where the gradient is 1.110: facts of an
    absorbed network are those of its own coordinates.
    """
    network = from_state_dict(shared_path("seed-networks/doubleIntegratorTanh-2-10-5-5-1.pth"), activation="tanh")
    rng = np.random.default_rng(0)
    for angle in (0.3, 0.8, 1.4):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        absorbed = absorb(network, Zonotope(np.array([0.4, -0.2]), rotation @ np.diag([0.3, 0.02])))
        net = LayeredView.of(NetworkView.of(absorbed))
        one = torch.ones(1, 2, dtype=torch.float64)
        found = method.constants(net, net.ranges(-one, one), one[:, :1], 2.0)
        for xi in rng.uniform(-1.0, 1.0, (20, 2)):
            inner, outer = high_precision.jacobians(absorbed.blocks[0], high_precision.vector(xi))
            assert float(found.output) >= high_precision.operator_norm(outer, 2.0)
            for known, jacobian in zip(found.hidden[0], inner, strict=True):
                assert float(known) >= high_precision.operator_norm(jacobian, 2.0)


@pytest.mark.parametrize("seed", range(40))
def test_random_boxes_on_that_network(seed: int) -> None:
    network = from_state_dict(shared_path("seed-networks/randomNetTanh2.pth"), activation="tanh")
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.uniform(-1.0, 1.0, size=(2, 2)), axis=0)
    c = rng.normal(size=2)
    found = TaylorBound().upper(
        NetworkView.of(network), *(torch.tensor(end[None]) for end in ends), torch.tensor(np.array([c]))
    )
    points = ends[0] + rng.random((200, 2)).round(1) * (ends[1] - ends[0])
    best = points[np.argmax(network(points) @ c)]
    exact = high_precision.dot(c, high_precision.network(network, high_precision.vector(np.clip(best, *ends))))
    assert exact <= float(found.upper)


def test_curvature_of_a_deep_narrow_network() -> None:
    """A wrong Lipschitz product claims |f''| <= 848 on a box where it reaches 7698: the first-order gap must cover
    the true one.
    """
    weights = [np.array([[w]]) for w in (10.0, 0.1, 100.0, 1.0)]
    biases = [np.zeros(1), np.zeros(1), np.array([0.658]), np.zeros(1)]
    network = Network.from_layers([*weights, np.eye(1)], [*biases, np.zeros(1)], Tanh())
    view, radius = NetworkView.of(network), 1e-4
    box = torch.tensor([[-radius]], dtype=torch.float64), torch.tensor([[radius]], dtype=torch.float64)
    for sign in (1.0, -1.0):
        bound = float(TaylorBound().upper(view, *box, torch.tensor([[sign]], dtype=torch.float64)).upper)
        ends = [high_precision.network(network, [mpmath.mpf(x)])[0] * sign for x in (-radius, 0.0, radius)]
        assert max(ends) <= bound


def test_every_vertex_of_the_quadrotors_first_step_is_inside() -> None:
    """Single precision without margin excluded vertices of the initial set in three of sixteen directions."""
    network = from_state_dict(shared_path("seed-networks/Quad-6-32-32-3.pth"), activation="tanh")
    A = np.eye(6)
    A[:3, 3:] = 0.1 * np.eye(3)
    B = np.zeros((6, 3))
    B[3, 0], B[4, 1], B[5, 2] = 0.98, -0.98, 0.1
    last = network.blocks[0].affines[-1]
    affines = network.blocks[0].affines
    step = Network.from_layers(
        [*(a.weight for a in affines[:-1]), B @ last.weight],
        [*(a.bias for a in affines[:-1]), B @ last.bias],
        Tanh(),
        feedthrough=A,
    )
    lower = np.array([3.65, 4.3, 2.95, 2.0, -1e-4, -1e-4])
    upper = np.array([3.75, 4.75, 3.05, 2.1, 1e-4, 1e-4])
    corners = np.array(np.meshgrid(*zip(lower, upper, strict=True))).reshape(6, -1).T
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(16, 6))
    found = TaylorBound().upper(
        NetworkView.of(step), *(torch.tensor(np.tile(end, (16, 1))) for end in (lower, upper)), torch.tensor(directions)
    )
    images = [high_precision.network(step, high_precision.vector(corner)) for corner in corners[::7]]
    for direction, bound in zip(directions, found.upper, strict=True):
        assert max(high_precision.dot(direction, image) for image in images) <= float(bound)
