"""Where a counterexample loop stands between two rounds: its networks, what it has learned, and its history."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.method import CurvePoint
from nnctrl.networks.network import Network
from nnctrl.verification.verdict import Result, Verdict

ORDER = (Verdict.FALSIFIED, Verdict.UNKNOWN, Verdict.VERIFIED)
"""From bad to good."""


@dataclass(frozen=True)
class Round:
    """What the verifier said of the network of one round: the least margins over all requirements (nan: none), and how
    many states and boxes were added to the training for it; `seconds` of the loop had passed then.
    """

    number: int
    seconds: float
    verdict: Verdict
    reason: str
    certified: float
    sampled: float
    points: int
    boxes: int

    @staticmethod
    def of(number: int, seconds: float, result: Result, points: int, boxes: int) -> Round:
        """The round of a result, which has a verdict and a reason."""
        if result.verdict is None or result.reason is None:
            raise ValueError("a round is judged by a result with a verdict")
        rows = result.requirements
        certified = min((_known(row.margin_certified) for row in rows), default=math.nan)
        sampled = min((_known(row.margin_sampled) for row in rows), default=math.nan)
        return Round(
            number, seconds, result.verdict, result.reason.value, _finite(certified), _finite(sampled), points, boxes
        )

    @property
    def rank(self) -> tuple[int, float, float]:
        """What makes a network better than another: its verdict, then its certified margin, then its sampled one."""
        return ORDER.index(self.verdict), _known(self.certified), _known(self.sampled)

    @property
    def sentence(self) -> str:
        """The round for people."""
        margins = [
            f"{name} margin {value:.3g}"
            for name, value in (("certified", self.certified), ("sampled", self.sampled))
            if not math.isnan(value)
        ]
        said = [self.verdict.value, *margins]
        if self.points or self.boxes:
            said.append(f"{self.points} states and {self.boxes} open parts more to train on")
        return f"round {self.number} after {self.seconds:.1f} s: {', '.join(said)}"


@dataclass(frozen=True, eq=False)
class State:
    """`start` is the network that the loop began with, `current` the one that the next round begins with, `best` the
    best so far, of the round `best_round` (-1: there is none); `seconds` were spent in all runs together.
    """

    start: Network | None
    focus: Focus
    seconds: float = 0.0
    current: Network | None = None
    best: Network | None = None
    best_round: int = -1
    history: tuple[Round, ...] = ()
    curve: tuple[CurvePoint, ...] = ()

    @property
    def rounds(self) -> int:
        """How many are finished."""
        return len(self.history)

    @property
    def is_solved(self) -> bool:
        """Whether the best network was verified."""
        return self.best_round >= 0 and self.history[self.best_round].verdict is Verdict.VERIFIED

    def is_beaten_by(self, new: Round) -> bool:
        """Whether the network of a round is better than the best so far."""
        return self.best_round < 0 or new.rank > self.history[self.best_round].rank


def _known(margin: float) -> float:
    return -math.inf if math.isnan(margin) else margin


def _finite(margin: float) -> float:
    return margin if math.isfinite(margin) else math.nan
