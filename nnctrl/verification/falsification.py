"""What a search for counterexamples found."""

from __future__ import annotations

from dataclasses import dataclass

from nnctrl.verification.verdict import Counterexample


@dataclass(frozen=True, eq=False)
class Falsification:
    """What the search saw: per requirement the least margin of a simulated trajectory, and a proved counterexample or
    a candidate.

    `candidate` violates in floating point only; at most one of the two is set.
    """

    margins: list[float]
    counterexample: Counterexample | None
    candidate: Counterexample | None
