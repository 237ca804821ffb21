"""Flows of switched loops on polynomial zonotopes: branches of a mode and a set of states, sample by sample.

The networks' scores stay functions of the symbols of the initial set, and so do their differences: a mode is possible
unless the score of some other is certainly larger. Where several modes, or several input rules, are possible a branch
has several successors, each of which holds for all symbols: every trajectory follows one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.reachability.polynomial_network import through_network
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import widen_up
from nnctrl.systems.polynomial_tape import polynomial_image
from nnctrl.systems.switched import SwitchedLoop

FIT_DEGREE = 3
"""Highest degree of the polynomials that activations are fitted with."""


@dataclass(frozen=True, eq=False)
class Branch:
    """A mode, and rows [n] for the plant's states of trajectories that are in it."""

    mode: int
    rows: PolynomialZonotope


@dataclass(frozen=True, eq=False)
class Choice:
    """What a controller may do next: the mode that it takes and the input [m] that goes with it."""

    mode: int
    input: FloatArray


@dataclass(frozen=True, eq=False)
class Decision:
    """All that a branch may do next; `shares` [s] (floating point, sum 1, or 0 if there is one choice) say which
    symbols leave it open.
    """

    choices: tuple[Choice, ...]
    shares: FloatArray


@dataclass
class SwitchedFlow:
    """Flows of a loop from sets over `symbols` symbols; polynomials in them have the given `degree`.

    `generators`: so many independent symbols are left at each sample (one per state if that is more).
    """

    loop: SwitchedLoop
    symbols: int
    degree: int
    generators: int
    basis: MonomialBasis = field(init=False)

    def __post_init__(self) -> None:
        self.basis = MonomialBasis((1,) * self.symbols, self.degree)
        plant, controller = self.loop.plant, self.loop.controller
        self.dynamics = plant.affine() if plant.is_affine() else None
        self.output = plant.affine_output() if plant.has_affine_output() else None
        self.networks = tuple(controller.networks.values())
        self.own_symbols = tuple(neurons(network) for network in self.networks)
        self.normals = np.array([rule.normal for rule in controller.rules]).reshape(-1, plant.state_size)
        ranges = [plant.ranges[name] for name in plant.disturbances]
        self.disturbances = np.array(ranges, dtype=np.float64).reshape(-1, 2)

    def start(self, centre: FloatArray, generators: FloatArray, radius: FloatArray) -> Branch:
        """The branch before the first sample, from x = centre + generators xi, up to `radius`; [n], [n, s], [n]."""
        coefficients = np.zeros((len(centre), self.basis.size))
        coefficients[:, 0] = centre
        coefficients[:, self.basis.linear] = generators
        rows = PolynomialZonotope(self.basis, coefficients, np.zeros((len(centre), 0)), radius)
        return Branch(self.loop.controller.start, rows.with_symbols_for_radius())

    @np.errstate(all="ignore")  # what overflows is unknown, and excludes nothing
    def decision(self, branch: Branch) -> Decision:
        """What may follow a branch. Cost: the network, and ranges of the differences of the scores in question."""
        controller, previous = self.loop.controller, branch.mode
        modes, shares = self._possible_modes(branch)
        low, high = branch.rows.affine(self.normals).ranges() if len(self.normals) else (np.zeros(0), np.zeros(0))
        choices: dict[tuple[int, bytes], Choice] = {}
        undecided: set[int] = set()
        for following in modes:
            inputs, always = [], False
            for k in controller.rules_for(previous, following):
                rule = controller.rules[k]
                # a comparison with nan is false: the rule may or may not apply
                if low[k] > rule.bound:
                    continue
                inputs.append(rule.input)
                always = bool(high[k] <= rule.bound)
                if always:
                    break
                undecided.add(k)
            if not always:
                inputs.append(controller.table[following])
            for u in inputs:
                choices.setdefault((following, u.tobytes()), Choice(following, u))
        if len(choices) > 1:
            for k in undecided:
                shares = shares + _shares(np.abs(self.normals[k] @ self._linear(branch.rows)))
        return Decision(tuple(choices.values()), _shares(shares) if len(choices) > 1 else np.zeros(self.symbols))

    def _possible_modes(self, branch: Branch) -> tuple[list[int], FloatArray]:
        """The modes that may attain the largest score, and which symbols leave that open."""
        rows, observation = branch.rows, self.loop.controller.observation
        if observation is not None:
            rows = rows.affine(observation.weight, observation.bias, observation.weight_radius, observation.bias_radius)
        image = through_network(self.networks[branch.mode], rows, FIT_DEGREE, self.own_symbols[branch.mode])
        low, high = image.rows.ranges()
        modes = np.flatnonzero(~(high < low.max()))
        if len(modes) == 1:
            return modes.tolist(), np.zeros(self.symbols)
        differences = image.rows.affine(_differences(modes, len(low)))
        # row by row: which modes' scores exceed this one's certainly
        exceeded = differences.ranges()[1].reshape(len(modes), len(modes)) < 0.0
        np.fill_diagonal(exceeded, False)
        possible = ~exceeded.any(axis=1)
        open_pairs = np.logical_and.outer(possible, possible).ravel()
        shares = np.abs(self._linear(differences)[open_pairs]).sum(axis=0) + image.blame
        return modes[possible].tolist(), _shares(shares)

    def _linear(self, rows: PolynomialZonotope) -> FloatArray:
        return rows.coefficients[:, self.basis.linear]

    @np.errstate(all="ignore")
    def after(self, branch: Branch, choice: Choice, w: FloatArray | None = None) -> tuple[PolynomialZonotope, Branch]:
        """The signals [states; inputs; outputs] of a sample under one choice, and the branch of the next sample.

        `w` [w]: disturbances that are held at these values instead of being anywhere in their ranges.
        """
        plant = self.loop.plant
        held = self.disturbances if w is None else np.stack([w, w], axis=1)
        fixed = np.stack([choice.input, choice.input], axis=1)
        known = interval_rows(np.concatenate([fixed, held]), self.basis)
        arguments = branch.rows.beside(known).with_symbols_for_radius()
        signals = arguments.rows(slice(0, plant.state_size + plant.input_size))
        parameters = interval_rows(np.stack(plant.parameter_bounds, axis=1), self.basis)
        if self.output is not None:
            signals = signals.beside(_image(self.output, arguments))
        elif plant.outputs:
            signals = signals.beside(polynomial_image(plant.output_tape, arguments.beside(parameters)))
        if self.dynamics is not None:
            following = _image(self.dynamics.state, arguments)
        else:
            following = polynomial_image(plant.tape, arguments.beside(parameters).with_symbols_for_radius())
        limit = max(self.generators, plant.state_size)
        return signals, Branch(choice.mode, following.with_symbols_for_radius().reduced(limit))

    def joined(self, branches: Sequence[Branch]) -> Branch:
        """One branch for several of the same mode: a box around their states."""
        ranges = [branch.rows.ranges() for branch in branches]
        low, high = np.min([a for a, _ in ranges], axis=0), np.max([b for _, b in ranges], axis=0)
        rows = interval_rows(np.stack([low, high], axis=1), self.basis)
        return Branch(branches[0].mode, rows.with_symbols_for_radius())


def interval_rows(ends: FloatArray, basis: MonomialBasis) -> PolynomialZonotope:
    """Rows that are known to lie between the columns of `ends` [k, 2]."""
    low, high = ends[:, 0], ends[:, 1]
    middle = np.clip(0.5 * low + 0.5 * high, low, high)
    radius = np.where(low == high, 0.0, widen_up(np.maximum(high - middle, middle - low)))
    coefficients = np.zeros((len(ends), basis.size))
    coefficients[:, 0] = middle
    return PolynomialZonotope(basis, coefficients, np.zeros((len(ends), 0)), radius)


def neurons(network: Network) -> int:
    """The number of activations in a network, outputs included: no symbol of its errors needs to be merged."""
    return sum(affine.out_size for block in network.blocks for affine in block.affines)


def _image(affine: Affine, rows: PolynomialZonotope) -> PolynomialZonotope:
    return rows.affine(affine.weight, affine.bias, affine.weight_radius, affine.bias_radius)


def _differences(modes: NDArray[np.intp], count: int) -> FloatArray:
    """The matrix [k k, count] of the differences of scores i and j for all pairs of k modes, i by i."""
    unit = np.eye(count)[modes]
    return (unit[:, None] - unit[None, :]).reshape(-1, count)


def _shares(sizes: FloatArray) -> FloatArray:
    """Sizes [s] >= 0 with sum 1; zeros where they say nothing."""
    total = float(sizes.sum())
    return sizes / total if np.isfinite(total) and total > 0.0 else np.zeros_like(sizes)
