"""Contract tests for any plant, controller or expert, ours and strangers' alike.

Both functions return findings, one sentence each; an empty list is a pass. They evaluate at random points, so a pass is
evidence and no proof; what they compare exactly (affine matrices, intervals) is compared without tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, NnctrlError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.sets.interval import Interval
from nnctrl.systems.affine_form import AffineForm, lift
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.expression import build_function
from nnctrl.systems.fit import check_fit, sample_period
from nnctrl.systems.plant import Plant
from nnctrl.systems.signals import interval_of
from nnctrl.systems.tape import Tape

POINTS = 16
DIFFERENCE = 1e-6
"""Relative step of the central differences that the Jacobian is compared with."""

TOLERANCE = 1e-4
"""How far the Jacobian may be from them, relative to its largest entry."""


def check_plant(plant: Plant, seed: int = 0) -> list[str]:
    """What is wrong with a plant: names and units, purity, shapes, finite values, Jacobian, intervals, affine matrices.

    Points are drawn from the declared `ranges`, and from [-1, 1] for signals without one.
    """
    try:
        tape = plant.tape
        plant.check()
        tapes = [("dynamics", tape, plant.state_size)]
        if plant.outputs:
            tapes.append(("output", plant.output_tape, plant.output_size))
        impure = [what for what, once, again in _built_twice(plant) if once != again]
    except NnctrlError as error:
        return [str(error)]
    findings = [
        f"'{plant.name}': {what} returns another expression on every call; make it a pure function" for what in impure
    ]
    findings += [
        f"'{plant.name}': the disturbance '{name}' has no range, so the plant can be simulated but not verified"
        for name in plant.disturbances
        if name not in plant.ranges
    ]
    arguments = _points(plant, np.random.default_rng(seed))
    for what, each, rows in tapes:
        findings += _check_values(f"'{plant.name}': {what}", each, arguments, rows)
    if not findings:
        findings += _check_jacobian(plant, arguments)
        findings += [
            text for what, each, _ in tapes for text in _check_intervals(f"'{plant.name}': {what}", each, arguments)
        ]
    if findings:
        return findings
    try:
        dynamics = plant.affine() if plant.is_affine() else None
    except InputError as error:
        # such as a division by a parameter whose interval contains 0
        return [str(error)]
    if dynamics is not None:
        pairs = [(tape, dynamics.state)]
        if dynamics.output is not None:
            pairs.append((plant.output_tape, dynamics.output))
        findings += [text for each, affine in pairs for text in _check_affine(plant.name, each, affine, arguments)]
    return findings


def _built_twice(plant: Plant) -> list[tuple[str, Tape, Tape]]:
    """What the plant's methods build, twice."""
    built = [("dynamics", Tape(plant.casadi_function()), Tape(plant.casadi_function()))]
    if plant.outputs:
        once, again = (Tape(build_function(plant, "output", plant.output, plant.outputs)) for _ in range(2))
        built.append(("output", once, again))
    return built


def _points(plant: Plant, rng: np.random.Generator) -> list[FloatArray]:
    """Random (x, u, w, p), each [POINTS, size]."""
    groups = [plant.states, plant.inputs, plant.disturbances]
    bounds = [[interval_of(plant.name, n, plant.ranges.get(n, (-1.0, 1.0))) for n in names] for names in groups]
    sides = [np.array(b, dtype=np.float64).reshape(len(b), 2).T for b in bounds]
    sides.append(np.array(plant.parameter_bounds))
    return [lower + (upper - lower) * rng.random((POINTS, len(lower))) for lower, upper in sides]


def _check_values(what: str, tape: Tape, arguments: list[FloatArray], rows: int) -> list[str]:
    """Shape, dtype, finite values, and the same values point by point and twice."""
    values = tape(*arguments)[0]
    if values.shape != (POINTS, rows) or values.dtype != np.float64:
        return [
            f"{what} gives {values.dtype} {values.shape} for {POINTS} points; it must give float64 {(POINTS, rows)}"
        ]
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0, 0])
        point = ", ".join(f"{a[row]}" for a in arguments)
        return [f"{what} is not finite at (x, u, w, p) = ({point}); declare `ranges` inside the model's domain"]
    single = np.array([tape(*(a[k] for a in arguments))[0] for k in range(POINTS)])
    if not np.allclose(single, values, rtol=1e-12, atol=1e-300):
        return [f"{what} gives other values for a batch than point by point"]
    return []


def _check_jacobian(plant: Plant, arguments: list[FloatArray]) -> list[str]:
    """Central differences in every direction of (x, u, w)."""
    try:
        jacobian = plant.jacobian_tape(*arguments)[0].reshape(POINTS, plant.state_size, -1)
    except UnsupportedError:
        # fabs, fmin and fmax are allowed, but their derivatives jump
        return []
    stacked, parameters = np.concatenate(arguments[:3], axis=1), arguments[3]
    cuts = np.cumsum([a.shape[1] for a in arguments[:2]])
    worst = 0.0
    # what rounding alone does to a difference of two values of this size
    roundoff = 8.0 * np.finfo(np.float64).eps * float(np.max(abs(plant.tape(*arguments)[0]))) / DIFFERENCE
    for column in range(stacked.shape[1]):
        step = DIFFERENCE * np.maximum(1.0, abs(stacked[:, column]))
        ahead, behind = stacked.copy(), stacked.copy()
        ahead[:, column] += step
        behind[:, column] -= step
        span = (ahead[:, column] - behind[:, column])[:, None]
        values = [plant.tape(*np.split(point, cuts, axis=1), parameters)[0] for point in (ahead, behind)]
        worst = max(worst, float(np.max(abs((values[0] - values[1]) / span - jacobian[:, :, column]))))
    if worst > TOLERANCE * max(1.0, float(np.max(abs(jacobian), initial=0.0))) + roundoff:
        return [
            f"'{plant.name}': the Jacobian is off finite differences by {worst:g}; the dynamics are not smooth there"
        ]
    return []


def _check_intervals(what: str, tape: Tape, arguments: list[FloatArray]) -> list[str]:
    """Interval evaluation contains the values at the points of small boxes."""
    boxes = [Interval(a - 1e-3 * abs(a), a + 1e-3 * abs(a)) for a in arguments]
    inside = tape(*boxes)[0].contains(tape(*arguments)[0])
    return (
        [] if inside.all() else [f"{what}: an interval evaluation does not contain a value at a point of the interval"]
    )


def _check_affine(name: str, tape: Tape, affine: Affine, arguments: list[FloatArray]) -> list[str]:
    """The dynamics in rational arithmetic lie within the radii of the matrices, for parameters in their intervals."""
    for k in range(POINTS):
        inputs = [[AffineForm.constant(value, value) for value in a[k]] for a in arguments]
        (entries,) = tape.evaluate(inputs)
        point = [Fraction(float(value)) for a in arguments[:3] for value in a[k]]
        for row in range(affine.out_size):
            low, high = lift(entries.get((row, 0), 0.0)).offset
            middle, radius = exact_row(affine, row, point)
            if low < middle - radius or high > middle + radius:
                return [f"'{name}': row {row} of affine() does not contain the dynamics at {[float(v) for v in point]}"]
    return []


def exact_row(affine: Affine, row: int, point: list[Fraction]) -> tuple[Fraction, Fraction]:
    """Midpoint and radius of one row of an affine map at a rational point, without rounding."""

    def dot(weights: FloatArray | None, values: list[Fraction]) -> Fraction:
        if weights is None:
            return Fraction(0)
        return sum((Fraction(float(w)) * v for w, v in zip(weights[row], values, strict=True)), Fraction(0))

    middle = dot(affine.weight, point) + Fraction(float(affine.bias[row]))
    offset = Fraction(0) if affine.bias_radius is None else Fraction(float(affine.bias_radius[row]))
    return middle, dot(affine.weight_radius, [abs(v) for v in point]) + offset


def check_controller(controller: Controller | Expert, plant: Plant | None = None, seed: int = 0) -> list[str]:
    """What is wrong with a controller: fit to the plant, finite, repeatable values, the same in batches, within the
    saturation.

    An expert is asked at random states of the plant, which must be given, and its inputs must lie in its
    `input_bounds`.
    """
    rng = np.random.default_rng(seed)
    try:
        if isinstance(controller, Expert):
            return _check_expert(controller, plant, rng)
        if plant is not None:
            check_fit(plant, controller)
            sample_period(plant, controller)
    except NnctrlError as error:
        return [str(error)]
    views = rng.uniform(-1.0, 1.0, (POINTS, controller.view_size))
    findings = _check_commands("the controller", controller.control, views, controller.input_size)
    limits = controller.saturation
    if not findings and limits is not None:
        commands = controller.control(1e6 * views)
        if (commands < limits.lower).any() or (commands > limits.upper).any():
            findings.append("the controller commands inputs outside its saturation")
    return findings


def _check_expert(expert: Expert, plant: Plant | None, rng: np.random.Generator) -> list[str]:
    if plant is None:
        return ["an expert is checked at states of a plant; pass the plant"]
    sample_period(plant, expert)
    states = []
    for x in _points(plant, rng)[0]:
        # an expert may have no input for some states, but a check needs some where it has one
        with suppress(InputError):
            expert.control(x)
            states.append(x)
    if not states:
        return [
            f"the expert has no input at any of {POINTS} random states; declare `ranges` of the states where it has"
        ]

    def control(x: FloatArray) -> FloatArray:
        return np.array([expert.control(point) for point in x]) if x.ndim == 2 else expert.control(x)

    points = np.array(states)
    findings = _check_commands("the expert", control, points, plant.input_size)
    bounds = expert.input_bounds
    if not findings and bounds is not None:
        inputs = control(points)
        if (inputs < bounds.lower).any() or (inputs > bounds.upper).any():
            findings.append("the expert returns inputs outside its input_bounds")
    return findings


def _check_commands(what: str, control: Callable[[FloatArray], FloatArray], points: FloatArray, size: int) -> list[str]:
    """Shape, finite values, the arguments left alone, and the same values twice and point by point."""
    before = points.copy()
    commands = control(points)
    if commands.shape != (len(points), size):
        return [f"{what} gives inputs {commands.shape} for {len(points)} points; it must give {(len(points), size)}"]
    findings = []
    if not np.isfinite(commands).all():
        findings.append(f"{what} gives inputs that are not finite")
    if not np.array_equal(points, before):
        findings.append(f"{what} changes the array that it is given")
    single = np.array([control(point) for point in points])
    if not np.allclose(single, commands, rtol=1e-9, atol=1e-9):
        findings.append(f"{what} gives other inputs when asked again; make it a function of its argument alone")
    return findings
