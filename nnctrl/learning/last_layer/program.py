"""The semidefinite program of the last layer (MATH.md, section 9, "Last-layer synthesis").

With the hidden layers fixed, x^L is linear in chi = (xi, x~^1, ..., x~^L, 1) on every region, and so is

    y = W x^L + b + D x = Y chi,

in W, b and D too. For an inequality `[x; y; 1]' S [x; y; 1] <= slack` with R'R its part in y,

    T = slack e e' - [x; 1]' S_xx [x; 1] - (C' Y + Y' C) - sum_j tau_j P_j - sum_i mu_i (v_i v_i' - x~_i x~_i')
    [ T     Y'R' ]
    [ R Y   I    ]  >= 0,       tau, mu >= 0,

is linear in (slack, tau, mu, W, b, D) together. W, b and D are shared by all pairs; every pair has sectors of its own,
every inequality multipliers. Open loops and closed loops through a linear plant differ in S only
(`Specification.through`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.learning.last_layer.hidden import HiddenForms, hidden_forms
from nnctrl.learning.last_layer.regions import Inequality, Regions
from nnctrl.learning.last_layer.weights import Weights
from nnctrl.learning.lmi.analysis import LARGEST_MULTIPLIER, Multipliers
from nnctrl.learning.lmi.conditions import STRICT, Pair

NEGLIGIBLE = 1e-9
"""Residuals of neurons that stay below this, in variables of size 1, are left out of the program."""

LEAST_SIZE = 1e-3
"""Signals count as at least this share of the largest."""


class Program:
    """The variables for given hidden layers and what they have to fulfil; `slacks` are in the units of `regions`."""

    def __init__(self, pairs: Sequence[Pair], groups: Sequence[Regions], weights: Weights) -> None:
        import cvxpy

        self.pairs, self.given = pairs, weights
        found = [hidden_forms(regions, *weights.tensors(), weights.layers) for regions in groups]
        # changes of the outputs rather than of the weights: signals may be of very different sizes
        self.sizes = _sizes([forms.signal for forms in found])
        self.outer_change = cvxpy.Variable(weights.outer.shape)
        self.offset_change = cvxpy.Variable((len(weights.offset), 1))
        self.outer = weights.outer + self.outer_change @ np.diag(1.0 / self.sizes)
        self.offset = weights.offset[:, None] + self.offset_change
        self.skip_change = self.skip = None
        if weights.skip is not None:
            extent = _sizes([forms.point for forms in found])
            self.skip_change = cvxpy.Variable(weights.skip.shape)
            self.skip = weights.skip + self.skip_change @ np.diag(1.0 / extent)
        self.slacks: list[Any] = []
        self.constraints: list[Any] = []
        self.inequalities: list[Inequality] = []
        self.scales: list[FloatArray] = []
        self.bent: list[NDArray[np.bool_]] = []
        self.values: list[Any] = []
        for regions, forms in zip(groups, found, strict=True):
            for place, one in enumerate(regions.inequalities):
                self._add(regions, forms, place, one)

    def _add(self, regions: Regions, forms: HiddenForms, place: int, one: Inequality) -> None:
        import cvxpy

        # neurons that are lines on this region have no x~ to speak of
        bent = forms.reach[one.region].numpy() > NEGLIGIBLE
        total = forms.point.shape[2]
        kept = [*range(forms.first), *(forms.first + np.flatnonzero(bent)), total - 1]
        point, signal = (rows[one.region].numpy()[:, kept] for rows in (forms.point, forms.signal))
        bounded = forms.bounded[one.region].numpy()[np.ix_(bent, kept)]
        total = len(kept)
        unit = np.eye(total)
        output = self.outer @ signal + self.offset @ unit[-1:]
        if self.skip is not None:
            output = output + self.skip @ point
        form, nx = regions.forms[place].numpy(), len(point)
        given, outputs = [*range(nx), len(form) - 1], slice(nx, len(form) - 1)
        lift = np.concatenate([point, unit[-1:]])
        fixed = lift.T @ form[np.ix_(given, given)] @ lift
        linear = (lift.T @ form[given][:, outputs]) @ output
        root = self.pairs[one.pair].specification.factor(one.index) / np.sqrt(one.unit)
        known = unit[[*range(forms.first), total - 1]]
        sets = [known.T @ part @ known for part in regions.constraints[one.region].numpy()]
        tilde = unit[forms.first : total - 1]
        gaps = np.einsum("ia,ib->iab", bounded, bounded) - np.einsum("ia,ib->iab", tilde, tilde)
        columns = np.concatenate([np.array(sets), gaps]).reshape(-1, total * total).T
        values, slack = cvxpy.Variable(columns.shape[1], nonneg=True), cvxpy.Variable()
        top = (
            cvxpy.reshape(-(columns @ values), (total, total), order="C")
            - 0.5 * (fixed + fixed.T)
            - linear
            - linear.T
            + slack * np.outer(unit[-1], unit[-1])
        )
        matrix = top
        if len(root):
            seen = root @ output
            matrix = cvxpy.bmat([[top, seen.T], [seen, np.eye(len(root))]])
        strict = STRICT * max(1.0, float(abs(form).max()))
        self.constraints += [matrix >> strict * np.eye(matrix.shape[0]), values <= LARGEST_MULTIPLIER]
        self.slacks.append(slack)
        self.inequalities.append(one)
        self.scales.append(forms.scales[one.region].numpy())
        self.bent.append(bent)
        self.values.append(values)

    @property
    def distance(self) -> Any:
        """The square of the distance of W, b and D to the given ones, W and D per size of what they act on; convex."""
        import cvxpy

        changes = (self.outer_change, self.offset_change, self.skip_change)
        return sum(cvxpy.sum_squares(change) for change in changes if change is not None)

    @property
    def violations(self) -> FloatArray:
        """The slacks that the solver came to, one for every inequality."""
        return np.array([float(slack.value) for slack in self.slacks])

    def weights(self) -> Weights:
        """The weights that the solver came to."""
        return Weights(
            self.given.hidden,
            self.given.layers,
            np.asarray(self.outer.value, dtype=np.float64),
            np.asarray(self.offset.value, dtype=np.float64)[:, 0],
            None if self.skip is None else np.asarray(self.skip.value, dtype=np.float64),
        )

    def multipliers(self) -> list[list[Multipliers]]:
        """The multipliers of the certificate, pair by pair: for the S_i as they are and x~ in units of its own."""
        found: list[dict[int, Multipliers]] = [{} for _ in self.pairs]
        for one, scale, bent, values in zip(self.inequalities, self.scales, self.bent, self.values, strict=True):
            solved = np.maximum(0.0, np.asarray(values.value, dtype=np.float64))
            count = len(solved) - int(bent.sum())
            neurons = np.full(len(bent), LARGEST_MULTIPLIER)
            neurons[bent] = solved[count:]
            found[one.pair][one.index] = Multipliers(one.unit * solved[:count], one.unit * neurons / scale**2)
        return [[group[index] for index in sorted(group)] for group in found]


def _sizes(rows: Sequence[Tensor]) -> FloatArray:
    """The greatest norm [k] of every row of forms [P, k, N] over all regions; 1 for rows that are 0."""
    norms = torch.cat([torch.linalg.vector_norm(part, dim=2) for part in rows]).amax(dim=0).numpy()
    return (
        np.asarray(np.maximum(norms, LEAST_SIZE * norms.max())) if norms.max(initial=0.0) > 0.0 else np.ones_like(norms)
    )
