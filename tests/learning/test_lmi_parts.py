"""Enclosed matrices, input sets, specifications and sectors: what each claims, in exact or 60-digit arithmetic."""

from __future__ import annotations

from fractions import Fraction

import high_precision
import lmi_referee as referee
import mpmath
import numpy as np
import pytest

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.lmi.enclosed import Enclosed, decrease
from nnctrl.learning.lmi.input_set import InputSet, ellipsoid_of_norm, norm_form
from nnctrl.learning.lmi.sectors import global_sectors, local_sectors, sectors
from nnctrl.learning.lmi.specification import Specification
from nnctrl.networks.activations import Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import ActivationLayer
from nnctrl.networks.network import Network
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope

ACTIVATIONS = (Tanh(), Sigmoid(), Softplus(), Relu(), Clip(-0.7, 0.4), Identity())


def fractions(matrix: np.ndarray) -> list[list[Fraction]]:
    return [[Fraction(float(v)) for v in row] for row in matrix]


def product(a: list[list[Fraction]], b: list[list[Fraction]]) -> list[list[Fraction]]:
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in zip(*b, strict=True)]
        for row in a
    ]


def holds(enclosed: Enclosed, exact: list[list[Fraction]]) -> bool:
    return all(
        abs(Fraction(float(m)) - e) <= Fraction(float(r))
        for middles, radii, row in zip(enclosed.middle, enclosed.radius, exact, strict=True)
        for m, r, e in zip(middles, radii, row, strict=True)
    )


@pytest.mark.parametrize("seed", range(10))
def test_operations_on_matrices_enclose_the_exact_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** float(rng.integers(-8, 8))
    a, b = scale * rng.normal(size=(3, 4)), rng.normal(size=(4, 5)) * 10.0 ** rng.integers(-6, 6, (4, 1))
    c, s = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    d = rng.normal(size=3)
    fa, fb, fc = fractions(a), fractions(b), fractions(c)
    assert holds(Enclosed.exact(a).times(Enclosed.exact(b)), product(fa, fb))
    total = [[x + y for x, y in zip(p, q, strict=True)] for p, q in zip(fa, fc, strict=True)]
    assert holds(Enclosed.exact(a).plus(Enclosed.exact(c)), total)
    less = [[x - y for x, y in zip(p, q, strict=True)] for p, q in zip(fa, fc, strict=True)]
    assert holds(Enclosed.exact(a).minus(Enclosed.exact(c)), less)
    rows = [[Fraction(float(f)) * x for x in row] for f, row in zip(d, fa, strict=True)]
    assert holds(Enclosed.exact(a).scaled_rows(d), rows)
    inner = product(product(fractions(b.T), fractions(s)), fb)
    assert holds(Enclosed.exact(b).around(Enclosed.exact(s)), inner)
    half = [[(x + y) / 2 for x, y in zip(p, q, strict=True)] for p, q in zip(fractions(s), fractions(s.T), strict=True)]
    assert holds(Enclosed.exact(s).symmetric(), half)


def exact_signs(matrix: list[list[Fraction]]) -> bool:
    """Whether a symmetric rational matrix is negative definite: all pivots of its elimination are negative."""
    rows = [row[:] for row in matrix]
    for k in range(len(rows)):
        if rows[k][k] >= 0:
            return False
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    return True


def test_definiteness_agrees_with_rational_elimination() -> None:
    """Near singular ones, graded ones, and ones that are off by a roundoff: accepted only if they are definite."""
    rng = np.random.default_rng(0)
    accepted = refused = 0
    for case in range(150):
        n = int(rng.integers(1, 7))
        low = rng.normal(size=(n, max(1, n - case % 2)))
        grading = 10.0 ** rng.integers(-5, 5, n)
        shift = float(rng.choice([0.0, 1e-16, 1e-13, 1e-9, 1e-3, 1.0])) * float(rng.choice([1.0, 1.0, -1.0]))
        matrix = -(low @ low.T) - shift * np.eye(n)
        matrix = grading[:, None] * (0.5 * (matrix + matrix.T)) * grading
        margin = decrease(Enclosed.exact(matrix))
        if margin >= 0.0:
            accepted += 1
            assert exact_signs(fractions(matrix))
            # the claim is -margin for every vector whose last entry is 1: -1 / (inverse)_nn is the greatest value
            inverse = mpmath.matrix(matrix.tolist()) ** -1
            assert 1 / inverse[n - 1, n - 1] <= -mpmath.mpf(margin)
        else:
            refused += 1
    assert accepted > 50
    assert refused > 20


def test_radii_count_for_definiteness() -> None:
    assert 0.9 < decrease(Enclosed.exact(-np.eye(3))) <= 1.0
    assert 0.9 < decrease(Enclosed(-np.eye(3), np.full((3, 3), 0.001))) <= 1.0
    # definite, but too near to the end of it for a margin
    assert decrease(Enclosed(-np.eye(3), np.full((3, 3), 0.3))) == 0.0
    # -1 + 0.35 * 3 > 0 is within the radii
    assert np.isnan(decrease(Enclosed(-np.eye(3), np.full((3, 3), 0.35))))
    assert np.isnan(decrease(Enclosed.exact(np.array([[-1.0, np.nan], [np.nan, -1.0]]))))
    assert np.isnan(decrease(Enclosed(-np.eye(2), np.full((2, 2), np.inf))))
    assert np.isnan(decrease(Enclosed.exact(np.zeros((2, 2)))))


@pytest.mark.parametrize("kind", referee.KINDS)
def test_quadratic_constraints_hold_on_the_whole_set(kind: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        source = referee.random_set(rng, kind, int(rng.integers(1, 4)))
        inputs = InputSet.of(source)
        rows = Enclosed.exact(rng.normal(size=(3, inputs.coefficients + 1)))
        low, high = inputs.range_of(rows)
        tight = 0.0
        for xi in referee.coefficients(inputs, rng, 60):
            joint = high_precision.vector([*xi, 1.0])
            for form in inputs.forms:
                # the least value of the enclosed forms may be negative by their rounding only
                assert referee.value(form, joint) >= 0
            for row, a, b in zip(rows.middle, low, high, strict=True):
                image = mpmath.fdot(high_precision.vector(row), joint)
                assert a <= image <= b
                tight = max(tight, float((image - a) / mpmath.mpf(b - a)))
        assert tight > 0.8
        assert len(inputs.forms) >= 1


def test_points_outside_violate_a_quadratic_constraint() -> None:
    for kind in ("ball", "box", "polytope"):
        rng = np.random.default_rng(1)
        source = referee.random_set(rng, kind, 2)
        inputs = InputSet.of(source)
        outside = 0
        for x in source.bounding_box().centre + 2.0 * rng.normal(size=(100, 2)):
            if source.contains(x).verdict != "outside":
                continue
            outside += 1
            xi = np.linalg.lstsq(inputs.point.middle[:, :-1], x - inputs.point.middle[:, -1], rcond=None)[0]
            least = min(float(np.append(xi, 1.0) @ form.middle @ np.append(xi, 1.0)) for form in inputs.forms)
            assert least < 0.0
        assert outside > 20


def test_the_papers_form_of_an_ellipsoid() -> None:
    """Eq. (8) with its signs, and an ellipsoid that holds every point of |A x + b| <= 1."""
    rng = np.random.default_rng(2)
    for _ in range(10):
        a, b = rng.normal(size=(2, 2)) * 10.0 ** rng.integers(-3, 3, (2, 1)), rng.normal(size=2)
        if np.linalg.cond(a) > 1e6:
            continue
        form, around = norm_form(a, b), ellipsoid_of_norm(a, b)
        matrix, offset = mpmath.matrix(a.tolist()), mpmath.matrix(b.tolist())
        shape, centre = mpmath.matrix(around.shape.tolist()), mpmath.matrix(around.centre.tolist())
        for angle in rng.uniform(0.0, 7.0, 50):
            unit = mpmath.matrix([mpmath.cos(angle), mpmath.sin(angle)])
            x = mpmath.lu_solve(matrix, unit - offset)
            joint = [*x, mpmath.mpf(1)]
            assert abs(referee.value(Enclosed.exact(form.middle), joint)) < 1e-10 * (1 + abs(form.middle).max())
            v = mpmath.lu_solve(shape, x - centre)
            assert mpmath.norm(v) <= 1
            assert mpmath.norm(v) >= 1 - mpmath.mpf(1e-8)
            outward = [*(x + (x - centre) * mpmath.mpf("0.01")), mpmath.mpf(1)]
            assert referee.value(form, outward) < 0
    with pytest.raises(InputError, match="no inverse"):
        ellipsoid_of_norm(np.ones((2, 2)), np.zeros(2))
    with pytest.raises(DimensionError):
        ellipsoid_of_norm(np.eye(2), np.zeros(3))


def test_sets_that_have_no_constraints_are_refused() -> None:
    with pytest.raises(InputError):
        InputSet.of(Polytope.half_space(np.array([1.0, 0.0]), 1.0))
    with pytest.raises(UnsupportedError, match="quadratic constraints"):
        InputSet.of("a set")  # type: ignore[arg-type]


def test_forms_that_bounds_would_take_for_others_are_refused() -> None:
    """Bounds use the rows of S only: with y1 <= 0.95 written below the diagonal, or radii below 0, they would prove it
    of anything.
    """
    lower = np.zeros((5, 5))
    lower[4, 2], lower[4, 4] = 2.0, -1.9
    for form, match in (
        (Enclosed.exact(lower), "not symmetric"),
        (Enclosed.exact(lower.T), "not symmetric"),
        (Enclosed(np.zeros((5, 5)), abs(lower)), "not symmetric"),
        (Enclosed(np.eye(5), -np.eye(5)), "below 0"),
        (Enclosed.exact(np.full((5, 5), np.nan)), "not finite"),
        (Enclosed(np.zeros((5, 5)), np.full((5, 5), np.inf)), "not finite"),
    ):
        with pytest.raises(InputError, match=match):
            Specification((Enclosed.exact(-np.eye(5)), form), 2)
    with pytest.raises(InputError, match="not symmetric"):
        Specification.of([lower], 2)


def test_every_specification_is_made_of_symmetric_forms() -> None:
    """Radii too, of all sizes: the order in which products are summed shows in them."""
    rng = np.random.default_rng(8)
    for _ in range(40):
        n, m = (int(size) for size in rng.integers(1, 8, 2))
        reach = Specification.reach(Ellipsoid(rng.normal(size=m), rng.normal(size=(m, m))), n)
        tracking = Specification.tracking(rng.normal(size=(m, n)), 0.3, rng.normal(size=m))
        norm = Specification.norm(rng.normal(size=(m + 1, m)), rng.normal(size=m + 1), n)
        moved = reach.both(norm).through(rng.normal(size=(m, n)), rng.normal(size=(m, 3)), rng.normal(size=m))
        for form in (*reach.forms, *tracking.forms, *norm.forms, *moved.forms):
            assert (form.middle == form.middle.T).all()
            assert (form.radius == form.radius.T).all()
            assert (form.radius >= 0.0).all()


def test_meeting_the_reach_specification_is_being_in_the_ellipsoid() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        target = Ellipsoid(rng.normal(size=2), rng.normal(size=(2, 2)) * 10.0 ** rng.integers(-2, 2))
        (form,) = Specification.reach(target, 3).forms
        shape, centre = mpmath.matrix(target.shape.tolist()), mpmath.matrix(target.centre.tolist())
        met = 0
        for size in (0.5, 0.99, 1 - 1e-12, 1 - 1e-15, 1.0, 1 + 1e-15, 1 + 1e-12, 1.01):
            for _ in range(10):
                direction = rng.normal(size=2)
                y = target.centre + size * target.shape @ (direction / np.linalg.norm(direction))
                joint = [*high_precision.vector(rng.normal(size=3)), *high_precision.vector(y), mpmath.mpf(1)]
                # this is what a certificate proves: the inequality for all forms that are enclosed
                if referee.value(form, joint) <= 0:
                    met += 1
                    offset = mpmath.matrix(high_precision.vector(y)) - centre
                    assert mpmath.norm(mpmath.lu_solve(shape, offset)) <= 1
        assert met >= 20
    with pytest.raises(UnsupportedError, match="flat"):
        Specification.reach(Ellipsoid(np.zeros(2), np.ones((2, 1))), 2)


def test_specifications_say_what_their_names_say() -> None:
    rng = np.random.default_rng(4)
    gain, offset, limits = rng.normal(size=(2, 3)), rng.normal(size=2), np.array([0.4, 1.3])
    c, d = rng.normal(size=(2, 2)), rng.normal(size=2)
    f, g, shift = rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=2)
    norm = Specification.norm(c, d, 3)
    for _ in range(200):
        x, y = rng.normal(size=3), rng.normal(size=2)
        tracking = Specification.tracking(gain, 0.7, offset).values(x, y)
        assert np.allclose(tracking, [((y - gain @ x - offset) ** 2).sum() - 0.49])
        assert np.allclose(norm.values(x, y), [((c @ y + d) ** 2).sum() - 1.0])
        assert np.allclose(Specification.bounded(limits, 3).values(x, y), y**2 - limits**2)
        both = norm.both(Specification.bounded(limits, 3)).through(f, g, shift)
        after = f @ x + g @ y + shift
        assert np.allclose(both.values(x, y), [((c @ after + d) ** 2).sum() - 1.0, *(after**2 - limits**2)])
    assert np.allclose(norm.factor(0).T @ norm.factor(0), c.T @ c)


def test_a_specification_that_is_not_convex_in_the_output_has_no_factor() -> None:
    outside = Specification.of([np.diag([0.0, -1.0, -1.0, 0.25])], 1)
    with pytest.raises(UnsupportedError, match="not convex"):
        outside.factor(0)
    with pytest.raises(InputError, match="symmetric"):
        Specification.of([np.triu(np.ones((4, 4)))], 1)
    with pytest.raises(InputError):
        Specification.of([], 1)
    with pytest.raises(DimensionError):
        Specification.of([np.eye(2)], 1)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda activation: activation.name)
def test_chords_lie_in_the_sector(activation) -> None:
    """Zero tolerance, for anchors inside and outside, short intervals and long ones, and for all v globally."""
    rng = np.random.default_rng(5)
    gap = 0.0
    for case in range(60):
        centre, width = 3.0 * rng.normal(), 10.0 ** rng.uniform(-7, 1.3)
        lower, upper = centre - width * rng.random(), centre + width * rng.random()
        anchor = (0.0, lower, upper, 0.5 * (lower + upper), rng.normal())[case % 5]
        if case % 10 == 9:
            lower, upper = -np.inf, np.inf
        layer = ActivationLayer(((activation, 1),))
        found = sectors(layer, np.array([lower]), np.array([upper]), np.array([anchor]))
        at_anchor = high_precision.activation(activation, mpmath.mpf(anchor), 0)
        assert abs(at_anchor - mpmath.mpf(found.value[0])) <= mpmath.mpf(found.value_radius[0])
        ends = (lower, upper) if np.isfinite(lower) else (-50.0, 50.0)
        chords = []
        for v in [*ends, *rng.uniform(*ends, 30), anchor + 1e-9]:
            if v == anchor or not ends[0] <= v <= ends[1]:
                continue
            rise = high_precision.activation(activation, mpmath.mpf(v), 0) - at_anchor
            chords.append(rise / (mpmath.mpf(v) - mpmath.mpf(anchor)))
        assert all(found.alpha[0] <= chord <= found.beta[0] for chord in chords)
        gap = max(gap, float(min(chords) - found.alpha[0])) if case % 10 == 0 and chords else gap
    # about 0 the lower end is attained, except by clip, which has its range of slopes only
    assert gap < 1e-3 or isinstance(activation, Clip)


def test_local_sectors_are_made_for_the_set_and_narrower() -> None:
    rng = np.random.default_rng(6)
    for activation in ACTIVATIONS:
        weights = [rng.normal(size=(4, 2)), rng.normal(size=(3, 4)), rng.normal(size=(1, 3))]
        network = Network.from_layers(weights, [rng.normal(size=4), rng.normal(size=3), rng.normal(size=1)], activation)
        inputs = InputSet.of(Ball(rng.normal(size=2), 0.3))
        wide = global_sectors(network)
        for about in ("origin", "centre"):
            local = local_sectors(network, inputs, about)
            for everywhere, here in zip(wide, local, strict=True):
                assert (everywhere.alpha <= here.alpha).all()
                assert (here.beta <= everywhere.beta).all()
                assert about != "origin" or not here.anchor.any()
            for xi in referee.coefficients(inputs, rng, 30):
                hidden = referee.point(inputs, xi)
                for affine, sector in zip(network.blocks[0].affines, local, strict=False):
                    z = high_precision.affine(affine, hidden)
                    assert all(a <= v <= b for a, v, b in zip(sector.lower, z, sector.upper, strict=True))
                    hidden = [high_precision.activation(activation, v, 0) for v in z]
