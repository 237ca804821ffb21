"""Theorems 3.1 and 4.1 of the learning paper: a certificate that a given network meets a specification on a set.

With chi = (xi, x^1, ..., x^l, 1), multipliers tau, mu >= 0 and, per neuron, the sector's factors p = x^{k+1} - phi(a) -
alpha (v - a) and r = beta (v - a) - x^{k+1} + phi(a), whose product is never negative:

    sum_j tau_j P_j + sum_k (p_k' diag(mu_k) r_k + r_k' diag(mu_k) p_k) / 2 + S_i  negative definite

proves `[x; y; 1]' S_i [x; y; 1] < 0` for every x of the set. The solver only proposes multipliers, and separate ones
for every S_i. `check` then builds the matrix again from the stored weights, with the rounding of every entry, and
decides by a certified eigenvalue bound; nothing that the solver says is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.learning.lmi.enclosed import Enclosed, decrease
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.sectors import Sectors, enclosed_affine, local_sectors, single_block
from nnctrl.learning.lmi.solver import DEFAULT_SOLVER, Solve, SolverStatus, solve
from nnctrl.learning.lmi.specification import Specification
from nnctrl.networks.network import Network

LARGEST_MULTIPLIER = 1e4
"""Multipliers, in variables of size 1, are sought below it: neurons that are linear on the set would send theirs to
infinity.
"""

NARROW = 1e-3
"""Sectors narrower than this share of their slope count as so wide where variables are scaled for the solver."""


class CertificateStatus(Enum):
    """Certified is a proof; the others say why there is none."""

    CERTIFIED = "certified: the matrix inequality holds, rounding included"
    REFUTED_RELAXATION = "not certified: the solver found no multipliers; the network may still meet the specification"
    CHECK_FAILED = "not certified: the solver's multipliers did not pass the independent check"
    SOLVER_INACCURATE = "not certified: the solver stopped short of its accuracy and its multipliers did not pass"
    SOLVER_FAILED = "not certified: the solver gave up"


@dataclass(frozen=True, eq=False)
class Multipliers:
    """`inputs` tau [j] for the constraints of the set, `neurons` mu of all layers one after another; >= 0."""

    inputs: FloatArray
    neurons: FloatArray


@dataclass(frozen=True, eq=False)
class Certificate:
    """The answer for every inequality of a specification.

    `margins` [m]: `[x; y; 1]' S_i [x; y; 1] <= -margins_i` is proved on the whole set; nan where nothing is.
    Multipliers are None where the solver had none. `solves` are empty if the multipliers were given.
    """

    status: CertificateStatus
    margins: FloatArray
    multipliers: tuple[Multipliers | None, ...]
    solves: tuple[Solve, ...] = ()

    @property
    def is_certified(self) -> bool:
        """Whether the whole specification is proved."""
        return self.status is CertificateStatus.CERTIFIED


class _Forms:
    """The quadratic forms of a network on an input set, each with the rounding of its entries.

    The variables are not chi itself but (xi, x~^1, ..., x~^l, 1), x^{k+1} = phi(a) + S (v - a) + scale x~^{k+1}, all of
    size about 1: an invertible change that spares the solver, and the check, differences of large numbers.
    """

    def __init__(
        self, network: Network, inputs: InputSet, specification: Specification, layers: Sequence[Sectors]
    ) -> None:
        block = single_block(network)
        widths = [layer.size for layer in block.activations]
        total = inputs.coefficients + sum(widths) + 1
        unit = np.eye(total)
        one = Enclosed.exact(unit[-1:])
        given = [*range(inputs.coefficients), total - 1]
        point = Enclosed(inputs.point.middle @ unit[given], inputs.point.radius @ unit[given])
        self.inputs = [form.placed(unit[given]) for form in inputs.forms]
        self.lower: list[Enclosed] = []
        self.upper: list[Enclosed] = []
        self.scales: list[FloatArray] = []
        signal, start = point, inputs.coefficients
        for affine, width, sector in zip(block.affines, widths, layers, strict=False):
            weight, bias = enclosed_affine(affine)
            step = weight.times(signal).plus(bias.times(one)).minus(Enclosed.exact(sector.anchor[:, None]).times(one))
            scale = _scale(sector)
            value = Enclosed(sector.value[:, None], sector.value_radius[:, None]).times(one)
            # this is what the new variables mean, whatever it rounds to
            signal = Enclosed.exact(
                scale[:, None] * unit[start : start + width] + value.middle + sector.middle[:, None] * step.middle
            )
            rise = signal.minus(value)
            self.lower.append(rise.minus(step.scaled_rows(sector.alpha)))
            self.upper.append(step.scaled_rows(sector.beta).minus(rise))
            self.scales.append(scale)
            start += width
        weight, bias = enclosed_affine(block.affines[-1])
        output = weight.times(signal).plus(bias.times(one))
        if block.feedthrough is not None:
            skip, shift = enclosed_affine(block.feedthrough)
            output = output.plus(skip.times(point)).plus(shift.times(one))
        self.outputs = specification.around(point, output)

    def total(self, index: int, multipliers: Multipliers) -> Enclosed:
        """The matrix of inequality `index` that has to be negative definite."""
        form = self.outputs[index]
        for weight, constraint in zip(multipliers.inputs, self.inputs, strict=True):
            form = form.plus(constraint.scaled_rows(np.full(constraint.shape[0], weight)))
        for mu, lower, upper in zip(self._split(multipliers.neurons), self.lower, self.upper, strict=True):
            half = lower.transposed.times(upper.scaled_rows(0.5 * mu))
            form = form.plus(half).plus(half.transposed)
        return form

    def for_solver(self, index: int) -> tuple[FloatArray, FloatArray]:
        """The constant part of the matrix [N, N], and one flattened form per multiplier, for multipliers of size 1."""
        constant = self.outputs[index].middle
        size = len(constant)
        columns = [form.middle.reshape(size * size, 1) for form in self.inputs]
        for lower, upper, scale in zip(self.lower, self.upper, self.scales, strict=True):
            product = np.einsum("ia,ib->abi", lower.middle / scale[:, None], upper.middle / scale[:, None])
            columns.append((0.5 * (product + product.transpose(1, 0, 2))).reshape(size * size, -1))
        return 0.5 * (constant + constant.T), np.concatenate(columns, axis=1)

    def multipliers(self, values: FloatArray) -> Multipliers:
        """The multipliers that the solver's values stand for."""
        count = len(self.inputs)
        scale = np.concatenate([np.zeros(0), *self.scales])
        return Multipliers(values[:count], values[count:] / scale**2)

    def _split(self, neurons: FloatArray) -> list[FloatArray]:
        ends = np.cumsum([rows.shape[0] for rows in self.lower])
        return np.split(neurons, ends[:-1]) if len(ends) else []


def _agreed(network: Network, inputs: InputSet, specification: Specification) -> None:
    sizes = (network.in_size, network.out_size)
    if inputs.dim != sizes[0] or (specification.in_size, specification.out_size) != sizes:
        raise DimensionError(
            f"a network of {sizes[0]} inputs and {sizes[1]} outputs meets an input set of dimension {inputs.dim} and a "
            f"specification of {specification.in_size} inputs and {specification.out_size} outputs; they must agree"
        )


def certify(
    network: Network,
    inputs: InputSet,
    specification: Specification,
    layers: Sequence[Sectors] | None = None,
    solver: str = DEFAULT_SOLVER,
) -> Certificate:
    """Whether `network` (one block of any depth, feedthrough allowed) meets `specification` on all of `inputs`.

    `layers`: sectors that hold on the set, by default local ones about its middle. Cost: for every inequality a
    semidefinite program with one matrix of 1 + coefficients + neurons rows and one variable per constraint and neuron.
    """
    _agreed(network, inputs, specification)
    chosen = local_sectors(network, inputs) if layers is None else layers
    forms = _Forms(network, inputs, specification, chosen)
    found, solves = [], []
    for index in range(len(specification.forms)):
        proposed, run = _propose(forms, index, solver)
        found.append(proposed)
        solves.append(run)
    margins = _margins(forms, found)
    return Certificate(_status(margins, found, solves), margins, tuple(found), tuple(solves))


def check(
    network: Network,
    inputs: InputSet,
    specification: Specification,
    multipliers: Sequence[Multipliers],
    layers: Sequence[Sectors] | None = None,
) -> Certificate:
    """The same without a solver, for given multipliers (one per inequality): a proof, or CHECK_FAILED."""
    _agreed(network, inputs, specification)
    chosen = local_sectors(network, inputs) if layers is None else layers
    forms = _Forms(network, inputs, specification, chosen)
    if len(multipliers) != len(specification.forms):
        raise DimensionError(
            f"{len(multipliers)} sets of multipliers come with {len(specification.forms)} inequalities; give one each"
        )
    margins = _margins(forms, multipliers)
    proved = bool((margins >= 0.0).all())
    status = CertificateStatus.CERTIFIED if proved else CertificateStatus.CHECK_FAILED
    return Certificate(status, margins, tuple(multipliers))


def _margins(forms: _Forms, multipliers: Sequence[Multipliers | None]) -> FloatArray:
    margins = []
    for index, given in enumerate(multipliers):
        if given is None or not (_finite_nonnegative(given.inputs) and _finite_nonnegative(given.neurons)):
            margins.append(np.nan)
        else:
            margins.append(decrease(forms.total(index, given)))
    return np.array(margins)


def _finite_nonnegative(values: FloatArray) -> bool:
    return bool((np.isfinite(values) & (values >= 0.0)).all())


def _status(margins: FloatArray, found: Sequence[Multipliers | None], solves: Sequence[Solve]) -> CertificateStatus:
    if (margins >= 0.0).all():
        return CertificateStatus.CERTIFIED
    open_ones = [(given, run) for margin, given, run in zip(margins, found, solves, strict=True) if not margin >= 0.0]
    if any(run.status is SolverStatus.FAILED for _, run in open_ones):
        return CertificateStatus.SOLVER_FAILED
    if any(run.status is SolverStatus.INACCURATE for _, run in open_ones):
        return CertificateStatus.SOLVER_INACCURATE
    if any(given is None for given, _ in open_ones):
        return CertificateStatus.REFUTED_RELAXATION
    return CertificateStatus.CHECK_FAILED


def _propose(forms: _Forms, index: int, solver: str) -> tuple[Multipliers | None, Solve]:
    """Multipliers for which the matrix, in variables of about equal size, is as negative as it can be."""
    import cvxpy

    constant, columns = forms.for_solver(index)
    size = len(constant)
    values = cvxpy.Variable(columns.shape[1], nonneg=True)
    margin = cvxpy.Variable()
    form = cvxpy.reshape(columns @ values + constant.ravel(), (size, size), order="C")
    run = solve(
        -margin,
        [form + margin * np.eye(size) << 0, margin <= 1.0, values <= LARGEST_MULTIPLIER],
        solver,
    )
    if not run.has_values or values.value is None or margin.value is None:
        return None, run
    if run.status is SolverStatus.SOLVED and not float(margin.value) > 0.0:
        return None, run
    return forms.multipliers(np.maximum(0.0, np.asarray(values.value, dtype=np.float64))), run


def _scale(sector: Sectors) -> FloatArray:
    """About the largest |x^{k+1} - phi(a) - S (v - a)|, and 1 for unbounded pre-activations."""
    reach = np.maximum(sector.upper - sector.anchor, sector.anchor - sector.lower)
    reach = np.where(np.isfinite(reach), reach, 1.0)
    return np.maximum(np.maximum(sector.half, NARROW * sector.middle) * reach, NARROW * NARROW)
