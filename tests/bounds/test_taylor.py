"""What makes the Taylor bound worth having: second-order gap, gradients, forms that stay sound when they are
transformed.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from nnctrl.bounds.interval import IntervalBound
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AffineView, BlockView, NetworkView
from nnctrl.networks.activations import Activation, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from tests import high_precision
from tests.random_networks import points_of_box, random_box, random_network


def smooth_network(activation: Activation, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    sizes = [2, 6, 5, 2]
    weights = [rng.normal(size=(b, a)) for a, b in itertools.pairwise(sizes)]
    return Network.from_layers(weights, [rng.normal(size=len(w)) for w in weights], activation)


@pytest.mark.parametrize("activation", [Tanh(), Sigmoid(), Softplus()], ids=lambda a: a.name)
def test_the_gap_shrinks_at_second_order(activation: Activation) -> None:
    view = NetworkView.of(smooth_network(activation))
    centre, direction = torch.tensor([[0.3, -0.4]]).double(), torch.tensor([[1.0, -0.5]]).double()
    radii = torch.logspace(-4, -1, 10, dtype=torch.float64)
    gaps = []
    for radius in radii:
        bound = TaylorBound().upper(view, centre - radius, centre + radius, direction).upper
        grid = torch.linspace(-1.0, 1.0, 41, dtype=torch.float64) * radius
        points = centre + torch.cartesian_prod(grid, grid)
        gaps.append(float(bound) - float((view(points) @ direction[0]).max()))
    slope = np.polyfit(np.log(radii.numpy()), np.log(np.array(gaps)), 1)[0]
    assert slope > 1.9, gaps


@pytest.mark.parametrize("seed", range(30))
def test_never_worse_than_interval_propagation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, scale=1.0)
    lower, upper = (torch.tensor(part[None]) for part in random_box(rng, network.in_size))
    direction = torch.tensor(rng.normal(size=(1, network.out_size)))
    view = NetworkView.of(network)
    taylor = float(TaylorBound().upper(view, lower, upper, direction).upper)
    interval = float(IntervalBound().upper(view, lower, upper, direction).upper)
    assert taylor <= interval + 1e-9 * (1.0 + abs(interval))


def test_gradients_agree_with_finite_differences() -> None:
    network = smooth_network(Tanh())
    block = NetworkView.of(network).blocks[0]
    direction = torch.tensor([[0.6, -1.1]], dtype=torch.float64)
    tensors = [part.clone().requires_grad_(True) for a in block.affines for part in (a.weight, a.bias)]
    box = [torch.tensor([[-0.2, -0.1]], dtype=torch.float64), torch.tensor([[0.3, 0.25]], dtype=torch.float64)]
    inputs = [*tensors, *(part.requires_grad_(True) for part in box)]

    def bound(*parts: torch.Tensor) -> torch.Tensor:
        affines = tuple(AffineView(w, b) for w, b in zip(parts[:-2:2], parts[1:-2:2], strict=True))
        return TaylorBound().upper(NetworkView((BlockView(affines, block.activations),)), *parts[-2:], direction).upper

    assert torch.autograd.gradcheck(bound, inputs, eps=1e-6, atol=1e-5)


def form_of(network: Network, lower: np.ndarray, upper: np.ndarray) -> TaylorForm:
    box = TaylorForm.of_box(torch.tensor(lower[None]), torch.tensor(upper[None]))
    return box.through(NetworkView.of(network))


def assert_form_contains(form: TaylorForm, network: Network, points: np.ndarray, rng: np.random.Generator) -> None:
    """Supports in random directions and the box bound the exact values."""
    directions = rng.normal(size=(5, form.centre.shape[1]))
    support = form.support(torch.tensor(directions))[0].numpy()
    for point in points:
        value = high_precision.network(network, high_precision.vector(point))
        for direction, bound in zip(directions, support, strict=True):
            assert high_precision.dot(direction, value) <= bound
        for y, low, high in zip(value, form.lower[0], form.upper[0], strict=True):
            assert float(low) <= y <= float(high)


@pytest.mark.parametrize("seed", range(25))
def test_transformed_forms_contain_the_function(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, blocks=2, scale=1.0)
    lower, upper = random_box(rng, network.in_size)
    points = points_of_box(rng, lower, upper, 4)
    form = form_of(network, lower, upper)
    for transformed in (form, form.folded(), form.reduced(1), form.folded().reduced(1).tightened()):
        assert_form_contains(transformed, network, points, rng)


def test_sum_and_stack_keep_the_correlation() -> None:
    view = NetworkView.of(smooth_network(Tanh()))
    box = TaylorForm.of_box(torch.tensor([[-0.5, -0.5]]).double(), torch.tensor([[0.5, 0.5]]).double())
    image = box.through(view)
    minus = AffineView(-torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    nothing = image.plus(image.affine(minus))
    assert float(nothing.spread().max()) < 1e-12
    both = box.beside(image)
    assert both.centre.shape == (1, 4)
    difference = torch.tensor([[0.0, 0.0, 1.0, 0.0]]).double()
    assert torch.allclose(both.support(difference), image.support(difference[:, 2:]), atol=1e-12)


def test_composed_radii_are_part_of_the_bound() -> None:
    exact = Affine(np.array([[1.0, 2.0]]), np.array([0.5]))
    vague = Affine(exact.weight, exact.bias, np.full((1, 2), 0.25), np.full(1, 0.125))
    lower, upper = torch.tensor([[-1.0, -1.0]]).double(), torch.tensor([[1.0, 1.0]]).double()
    form = TaylorForm.of_box(lower, upper).affine(AffineView.of(vague))
    # 1 + 2 + 0.5 and 2 * 0.25 + 0.125 more
    assert 4.125 <= float(form.support(torch.tensor([[1.0]]).double())) < 4.1251


def test_forms_over_fewer_symbols_are_not_joined_the_wrong_way_round() -> None:
    """Padding by a negative number would crop the symbols of the longer form and claim too little spread."""
    box = TaylorForm.of_box(torch.tensor([[-3.0]]).double(), torch.tensor([[3.0]]).double())
    image = box.through(NetworkView.of(Network.from_layers([np.eye(1), np.eye(1)], [np.zeros(1)] * 2, Tanh())))
    for join in (image.beside, box.plus):
        with pytest.raises(ValueError, match="join them the other way"):
            join(box if join == image.beside else image)
