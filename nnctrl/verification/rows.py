"""What an outcome says about each requirement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from nnctrl.branching.meter import Meter
from nnctrl.verification.engine import Outcome
from nnctrl.verification.falsification import Falsification
from nnctrl.verification.verdict import Reason, RequirementResult, Statistics, Verdict


class Watched(Protocol):
    """Anything with an id: the monitors of either engine."""

    @property
    def id(self) -> str:
        """The requirement's id."""


def rows(
    monitors: Sequence[Watched], certified: Sequence[float], sampled: Sequence[float], verdicts: Sequence[Verdict]
) -> tuple[RequirementResult, ...]:
    """One row for every requirement, in order."""
    return tuple(
        RequirementResult(monitor.id, verdict, low, high)
        for monitor, low, high, verdict in zip(monitors, certified, sampled, verdicts, strict=True)
    )


def unknown_rows(monitors: Sequence[Watched], sampled: Sequence[float]) -> tuple[RequirementResult, ...]:
    """Nothing is certified."""
    count = len(monitors)
    return rows(monitors, [math.nan] * count, sampled, [Verdict.UNKNOWN] * count)


def falsified(monitors: Sequence[Watched], found: Falsification, statistics: Statistics) -> Outcome:
    """FALSIFIED with the counterexample of `found`; about the other requirements nothing is said."""
    if found.counterexample is None:
        raise ValueError("a falsified outcome needs its counterexample")
    violated = found.counterexample.requirement
    verdicts = [Verdict.FALSIFIED if m.id == violated else Verdict.UNKNOWN for m in monitors]
    table = rows(monitors, [math.nan] * len(verdicts), found.margins, verdicts)
    return Outcome(
        Verdict.FALSIFIED, Reason.COUNTEREXAMPLE, table, counterexample=found.counterexample, statistics=statistics
    )


def searched(monitors: Sequence[Watched], found: Falsification, meter: Meter, statistics: Statistics) -> Outcome:
    """The outcome of a search that was all that was asked for: FALSIFIED, or UNKNOWN with what ended it."""
    if found.counterexample is not None:
        return falsified(monitors, found, statistics)
    stopped = meter.exhausted()
    reason = Reason.SAMPLE_BUDGET if stopped is None else Reason(stopped)
    if found.candidate is not None:
        reason = Reason.SOLVER_INACCURATE
    return Outcome(Verdict.UNKNOWN, reason, unknown_rows(monitors, found.margins), counterexample=found.candidate)
