"""Certificates (Theorems 3.1 and 4.1): what is accepted is true with 60 digits, what is false is refused."""

from __future__ import annotations

import lmi_referee as referee
import mpmath
import numpy as np
import pytest
from random_networks import random_network

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.lmi import analysis
from nnctrl.learning.lmi.analysis import CertificateStatus, Multipliers, certify, check
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.sectors import global_sectors, local_sectors
from nnctrl.learning.lmi.solver import Solve, SolverStatus
from nnctrl.learning.lmi.specification import Specification
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Block, Network
from nnctrl.sets.ellipsoid import Ball


def random_specification(
    rng: np.random.Generator, nx: int, ny: int, network: Network, inputs: InputSet
) -> Specification:
    """Of every kind, with a size about that of the network's image, so that some hold and some do not."""
    x = inputs.source.sample(rng, 200)
    y = network(x)
    middle, spread = y.mean(axis=0), float(abs(y - y.mean(axis=0)).max()) + 0.05
    size = spread * float(rng.choice([0.5, 1.0, 1.5, 3.0, 8.0]))
    kind = int(rng.integers(5))
    if kind == 0:
        return Specification.reach(Ball(middle, size), nx)
    if kind == 1:
        gain, *_ = np.linalg.lstsq(x - x.mean(axis=0), y - middle, rcond=None)
        return Specification.tracking(gain.T, size, middle - gain.T @ x.mean(axis=0))
    if kind == 2:
        return Specification.bounded(abs(y).max(axis=0) * float(rng.choice([0.8, 1.1, 2.0])) + 0.01, nx)
    if kind == 3:
        # outside of a ball: not convex in y
        far = middle + (2.0 * spread + size) * np.eye(ny)[0]
        form = np.zeros((nx + ny + 1, nx + ny + 1))
        form[nx:-1, nx:-1] = -np.eye(ny)
        form[nx:-1, -1] = form[-1, nx:-1] = far
        form[-1, -1] = size**2 - far @ far
        return Specification.of([form], nx)
    # jointly in x and y, indefinite: y_0 x_0 + y_0 <= level
    form = np.zeros((nx + ny + 1, nx + ny + 1))
    form[0, nx] = form[nx, 0] = form[nx, -1] = form[-1, nx] = 0.5
    values = y[:, 0] * x[:, 0] + y[:, 0]
    form[-1, -1] = -(values.max() + float(rng.choice([-0.2, 0.2, 1.0])) * (np.ptp(values) + 0.1))
    return Specification.of([form], nx)


@pytest.mark.parametrize("kind", referee.KINDS)
def test_no_point_violates_what_was_certified(kind: str) -> None:
    """Random networks of one to three hidden layers, mixed activations, feedthrough; every kind of specification."""
    certified = refused = 0
    for seed in range(14):
        rng = np.random.default_rng([seed, referee.KINDS.index(kind)])
        network = random_network(rng, scale=float(rng.choice([0.3, 1.0, 2.0])))
        inputs = InputSet.of(referee.random_set(rng, kind, network.in_size, float(rng.choice([0.05, 0.3]))))
        specification = random_specification(rng, network.in_size, network.out_size, network, inputs)
        about = ("centre", "origin")[seed % 2]
        found = certify(network, inputs, specification, local_sectors(network, inputs, about))
        worst = referee.greatest(network, inputs, specification, rng)
        for margin, value in zip(found.margins, worst, strict=True):
            assert np.isnan(margin) or value <= -mpmath.mpf(margin)
        certified += found.is_certified
        refused += not found.is_certified
        assert found.is_certified == bool((found.margins >= 0.0).all())
        if any(value > 0 for value in worst):
            assert not found.is_certified
    assert certified >= 4
    assert refused >= 2


def example() -> tuple[Network, InputSet, Specification]:
    rng = np.random.default_rng(7)
    weights = [rng.normal(size=(5, 2)), rng.normal(size=(4, 5)) / 2, rng.normal(size=(2, 4)) / 2]
    network = Network.from_layers(weights, [rng.normal(size=5), rng.normal(size=4), rng.normal(size=2)], Tanh())
    inputs = InputSet.of(Ball(np.array([0.4, -0.2]), 0.3))
    x = inputs.source.sample(rng, 2000)
    middle = network(np.array([0.4, -0.2]))
    radius = 1.4 * np.linalg.norm(network(x) - middle, axis=1).max()
    return network, inputs, Specification.reach(Ball(middle, float(radius)), 2)


def test_multipliers_are_a_proof_without_a_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    network, inputs, specification = example()
    found = certify(network, inputs, specification)
    assert found.status is CertificateStatus.CERTIFIED
    monkeypatch.delattr(analysis, "solve")
    again = check(network, inputs, specification, found.multipliers)
    assert again.is_certified
    assert np.array_equal(again.margins, found.margins)


def test_wrong_multipliers_are_refused() -> None:
    network, inputs, specification = example()
    (good,) = certify(network, inputs, specification).multipliers
    nothing = Multipliers(0.0 * good.inputs, 0.0 * good.neurons)
    negative = Multipliers(good.inputs, good.neurons.copy())
    negative.neurons[2] *= -1.0
    wrong = [
        nothing,
        negative,
        Multipliers(-good.inputs, good.neurons),
        Multipliers(0.2 * good.inputs, good.neurons),
        Multipliers(3.0 * good.inputs, good.neurons),
        Multipliers(good.inputs, 1e-3 * good.neurons),
        Multipliers(good.inputs * np.nan, good.neurons),
        Multipliers(good.inputs, np.where(np.arange(9) == 3, np.nan, good.neurons)),
        Multipliers(good.inputs, np.where(np.arange(9) == 3, np.inf, good.neurons)),
    ]
    for bad in wrong:
        found = check(network, inputs, specification, [bad])
        assert found.status is CertificateStatus.CHECK_FAILED
        assert np.isnan(found.margins).all()
    with pytest.raises(DimensionError):
        check(network, inputs, specification, [good, good])


def test_negative_multipliers_prove_nothing_even_where_the_matrix_is_definite() -> None:
    """Two false claims, each the constraint of the set or of the neuron turned around, less a little."""
    small, unit = 0.05, np.eye(3)
    inputs = InputSet.of(Ball(np.array([0.0]), 2.0))
    affine = Network.from_layers([np.ones((1, 1))], [np.zeros(1)], [])
    # (x, y, 1): 1 - y^2 / 4 - small (1 + y^2 / 4) is positive at y = 0
    inside = Specification.of([np.diag([0.0, -(1.0 + small) / 4.0, 1.0 - small])], 1)
    assert referee.greatest(affine, inputs, inside, np.random.default_rng(0))[0] > 0
    found = check(affine, inputs, inside, [Multipliers(np.array([-1.0]), np.zeros(0))], [])
    assert found.status is CertificateStatus.CHECK_FAILED
    neuron = Network.from_layers([np.ones((1, 1))] * 2, [np.zeros(1)] * 2, Tanh())
    # y (x - y), which is positive wherever tanh is in its sector, less small |(x, y, 1)|^2
    form = -small * unit - np.diag([0.0, 1.0, 0.0])
    form[0, 1] = form[1, 0] = 0.5
    product = Specification.of([form], 1)
    assert referee.greatest(neuron, inputs, product, np.random.default_rng(0))[0] > 0
    turned = [Multipliers(np.zeros(1), np.array([-1.0]))]
    assert check(neuron, inputs, product, turned, global_sectors(neuron)).status is CertificateStatus.CHECK_FAILED


def test_perturbed_weights_are_refused_once_they_violate() -> None:
    """The proof is of the weights that are given: along a perturbation it is refused before it becomes false."""
    network, inputs, specification = example()
    (good,) = certify(network, inputs, specification).multipliers
    block, rng = network.blocks[0], np.random.default_rng(0)
    change = rng.normal(size=block.affines[1].weight.shape)
    refused = violated = 0
    for size in (0.0, 1e-6, 1e-3, 0.03, 0.1, 0.3, 1.0, 3.0):
        middle = Affine(block.affines[1].weight + size * change, block.affines[1].bias)
        moved = Network((Block((block.affines[0], middle, block.affines[2]), block.activations),))
        given, own = check(moved, inputs, specification, [good]), certify(moved, inputs, specification)
        (value,) = referee.greatest(moved, inputs, specification, rng, 20)
        for found in (given, own):
            assert not found.is_certified or value <= -mpmath.mpf(found.margins[0])
        refused += not given.is_certified
        violated += value > 0
        assert given.is_certified or size > 1e-4
    assert refused >= 3
    assert violated >= 2


def test_what_a_solver_says_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed, inaccurate, infeasible, or solved with numbers that prove nothing: each is reported, none is a proof."""
    network, inputs, specification = example()
    expected = {
        SolverStatus.FAILED: CertificateStatus.SOLVER_FAILED,
        SolverStatus.INFEASIBLE: CertificateStatus.REFUTED_RELAXATION,
        SolverStatus.INACCURATE: CertificateStatus.SOLVER_INACCURATE,
        SolverStatus.SOLVED: CertificateStatus.CHECK_FAILED,
    }

    for status, wanted in expected.items():

        def claims(objective, constraints, solver, status=status):
            for variable in {v for constraint in constraints for v in constraint.variables()}:
                variable.value = np.ones(variable.shape)
            return Solve(status, 0.0)

        monkeypatch.setattr(analysis, "solve", claims)
        found = certify(network, inputs, specification)
        assert found.status is wanted
        assert not found.is_certified
        assert np.isnan(found.margins).all()


def test_an_inaccurate_answer_that_passes_the_check_is_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    network, inputs, specification = example()
    honest = analysis.solve

    def inaccurate(*args):
        return Solve(SolverStatus.INACCURATE, honest(*args).seconds)

    monkeypatch.setattr(analysis, "solve", inaccurate)
    assert certify(network, inputs, specification).is_certified


def test_other_solvers_by_name() -> None:
    network, inputs, specification = example()
    assert certify(network, inputs, specification, solver="scs").status in (
        CertificateStatus.CERTIFIED,
        CertificateStatus.SOLVER_INACCURATE,
        CertificateStatus.CHECK_FAILED,
    )
    with pytest.raises(InputError, match="not installed"):
        certify(network, inputs, specification, solver="NOTASOLVER")


def test_sectors_about_the_centre_prove_more_than_those_about_the_origin() -> None:
    network, inputs, specification = example()
    assert not certify(network, inputs, specification, global_sectors(network)).is_certified
    assert certify(network, inputs, specification, local_sectors(network, inputs)).is_certified


def test_linear_neurons_and_networks_without_hidden_layers() -> None:
    """Active and dead ReLU neurons have alpha = beta; a network may also have no neuron at all."""
    inputs = InputSet.of(Ball(np.array([1.0, 1.0]), 0.25))
    weights = [np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), np.array([[1.0, 2.0, 5.0]])]
    network = Network.from_layers(weights, [np.zeros(3), np.zeros(1)], Relu())
    exact = 0.25 * np.sqrt(5.0)
    assert certify(network, inputs, Specification.reach(Ball(np.array([3.0]), exact + 1e-4), 2)).is_certified
    assert not certify(network, inputs, Specification.reach(Ball(np.array([3.0]), exact - 1e-4), 2)).is_certified
    affine = Network.from_layers([np.array([[1.0, 2.0]])], [np.zeros(1)], [])
    assert certify(affine, inputs, Specification.reach(Ball(np.array([3.0]), exact + 1e-4), 2)).is_certified
    assert not certify(affine, inputs, Specification.reach(Ball(np.array([3.0]), exact - 1e-4), 2)).is_certified


def test_radii_of_composed_layers_belong_to_the_network() -> None:
    """What is certified holds for every network that the radii allow, here for one at their ends."""
    network, inputs, specification = example()
    block = network.blocks[0]
    outcomes = []
    for radius in (1e-9, 1e-3, 0.03, 0.3):
        rounded, moved = [], []
        for affine in block.affines:
            spread = np.full(affine.weight.shape, radius)
            rounded.append(Affine(affine.weight, affine.bias, spread, np.full(affine.bias.shape, radius)))
            moved.append(Affine(affine.weight + (1.0 - 1e-9) * radius, affine.bias - (1.0 - 1e-9) * radius))
        found = certify(Network((Block(tuple(rounded), block.activations),)), inputs, specification)
        extreme = Network((Block(tuple(moved), block.activations),))
        (value,) = referee.greatest(extreme, inputs, specification, np.random.default_rng(0), 20)
        assert not found.is_certified or value <= -mpmath.mpf(found.margins[0])
        outcomes.append(found.is_certified)
    assert outcomes[0]
    assert not outcomes[-1]


def test_sizes_and_blocks_are_checked() -> None:
    network, inputs, specification = example()
    with pytest.raises(DimensionError):
        certify(network, InputSet.of(Ball(np.zeros(3), 1.0)), specification)
    with pytest.raises(DimensionError):
        certify(network, inputs, Specification.reach(Ball(np.zeros(3), 1.0), 2))
    with pytest.raises(UnsupportedError, match="one block"):
        certify(Network((network.blocks[0], network.blocks[0])), inputs, specification)
