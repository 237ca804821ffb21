"""The engine `polynomial`: flowpipes of polynomial zonotopes, for continuous and discrete plants."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.progress import Progress
from nnctrl.reachability.polynomial_flow import FlowSettings
from nnctrl.verification.engine import AbstractEngine, Outcome
from nnctrl.verification.polynomial.falsify import PolynomialFalsifier
from nnctrl.verification.polynomial.parts import PartJudge
from nnctrl.verification.polynomial.problem import PolynomialProblem
from nnctrl.verification.polynomial.proof import PolynomialProof
from nnctrl.verification.polynomial.reach import PolynomialReach
from nnctrl.verification.problem import Problem
from nnctrl.verification.rows import falsified, searched
from nnctrl.verification.settings import PolynomialSettings, Settings
from nnctrl.verification.verdict import Statistics

FALSIFY_SAMPLES = 256
FALSIFY_SHARE = 0.05
"""Part of the time budget that verify looks for a counterexample before it begins to enclose."""

MOST_SYMBOLS = 12
"""Initial sets with more free coordinates make bases too large for a third degree."""


class PolynomialEngine(AbstractEngine):
    """Polynomial zonotopes over the symbols of the initial set; continuous plants with a held input, and discrete ones.

    Parts of the initial set are followed one by one, and split where a requirement stays open.
    """

    id: ClassVar[str] = "polynomial"
    arithmetic: ClassVar[str] = (
        "float64, rounded outward; tanh, exp, sin and the like of the libraries assumed within 4 ulp"
    )
    settings_type: ClassVar[type[Settings]] = PolynomialSettings

    def objection(self, problem: Problem) -> str | None:
        """An initial set or an operation that has no polynomial zonotope."""
        try:
            PolynomialProblem.of(problem)
        except UnsupportedError as error:
            return str(error)
        return None

    def verify(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.verify`."""
        compiled = PolynomialProblem.of(problem)
        flow = flow_settings(compiled, own(settings))
        falsifier = PolynomialFalsifier(compiled, flow, samples=FALSIFY_SAMPLES, seed=0)
        found = falsifier.run(meter.share(FALSIFY_SHARE), progress)
        if found.counterexample is not None:
            return falsified(compiled.monitors, found, Statistics(steps=compiled.samples))
        return PolynomialProof(compiled, falsifier, flow, own(settings), meter, progress).run()

    def falsify(
        self, problem: Problem, settings: Settings, meter: Meter, progress: Progress, *, samples: int, seed: int
    ) -> Outcome:
        """See `AbstractEngine.falsify`."""
        compiled = PolynomialProblem.of(problem)
        flow = flow_settings(compiled, own(settings))
        found = PolynomialFalsifier(compiled, flow, samples=samples, seed=seed).run(meter, progress)
        return searched(compiled.monitors, found, meter, Statistics(steps=compiled.samples))

    def reach(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.reach`: the flowpipe of as many parts of the initial set as the settings allow."""
        compiled = replace(PolynomialProblem.of(problem), watches=())
        judge = PartJudge(compiled, flow_settings(compiled, own(settings)), meter)
        return PolynomialReach(compiled, judge, own(settings).parts, progress).run()


def flow_settings(problem: PolynomialProblem, chosen: PolynomialSettings) -> FlowSettings:
    """The automatic rule with what the user chose instead."""
    symbols = problem.initial.size
    if symbols > MOST_SYMBOLS and chosen.degree is None:
        chosen = replace(chosen, degree=2)
    automatic = FlowSettings.automatic(problem.loop.step.state_size, problem.loop.plant.input_size, symbols)
    given = {"degree": chosen.degree, "generators": chosen.generators, "order": chosen.order}
    return replace(automatic, **{key: value for key, value in given.items() if value is not None})


def own(settings: Settings) -> PolynomialSettings:
    """The settings of this engine."""
    if not isinstance(settings, PolynomialSettings):
        raise TypeError(f"the engine takes PolynomialSettings, not {type(settings).__name__}")
    return settings
