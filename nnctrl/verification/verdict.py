"""What a run says: a verdict with its reason, margins, and everything that is needed to judge or repeat it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.networks.network import Origin

if TYPE_CHECKING:
    from nnctrl.reachability.flowpipe import Flowpipe
    from nnctrl.sets.box import Box


class Verdict(StrEnum):
    """The three answers."""

    VERIFIED = "VERIFIED"
    FALSIFIED = "FALSIFIED"
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """Why a run ended as it did; `sentence` says it, `remedy` says what to do next."""

    PROVED = "proved"
    COUNTEREXAMPLE = "counterexample"
    NODE_BUDGET = "node-budget"
    TIME_BUDGET = "time-budget"
    MEMORY_BUDGET = "memory-budget"
    SPLIT_LIMIT = "split-limit"
    ENCLOSURE_DIVERGED = "enclosure-diverged"
    DOMAIN_LEFT = "domain-left"
    SOLVER_INACCURATE = "solver-inaccurate"
    UNSUPPORTED = "unsupported"
    SAMPLE_BUDGET = "sample-budget"

    @property
    def sentence(self) -> str:
        """What happened, as one sentence."""
        return _TEXTS[self][0]

    @property
    def remedy(self) -> str:
        """What to do next, as one sentence."""
        return _TEXTS[self][1]


_TEXTS = {
    Reason.PROVED: (
        "Every requirement holds on the whole enclosure.",
        "Nothing is left to do.",
    ),
    Reason.COUNTEREXAMPLE: (
        "A trajectory that starts in the initial set violates a requirement, proved by an outward-rounded replay.",
        "Replay the counterexample and change the controller or the requirement.",
    ),
    Reason.NODE_BUDGET: (
        "The node budget was spent before everything was decided.",
        "Raise --nodes, make the initial set smaller, or loosen eps if it was reach that ran.",
    ),
    Reason.TIME_BUDGET: (
        "The time budget was spent before everything was decided.",
        "Raise --timeout, make the initial set smaller, or loosen eps if it was reach that ran.",
    ),
    Reason.MEMORY_BUDGET: (
        "The memory budget was spent before everything was decided.",
        "Raise --memory, make the initial set smaller, or loosen eps if it was reach that ran.",
    ),
    Reason.SPLIT_LIMIT: (
        "The parts of the initial set became as small as splitting allows and some are still open.",
        "Look at the requirement with the smallest margin: it may be violated, or touched, on an open part.",
    ),
    Reason.ENCLOSURE_DIVERGED: (
        "The enclosure grew without bound before the horizon.",
        "Make the initial set or the horizon smaller, or choose another engine or mode.",
    ),
    Reason.DOMAIN_LEFT: (
        "The enclosure leaves the set on which the plant's dynamics are defined.",
        "Make the initial set smaller or widen the plant's ranges.",
    ),
    Reason.SOLVER_INACCURATE: (
        "Floating point cannot settle the question as sharply as asked: rounding is larger than what is left.",
        "Loosen the requirement that is met or missed by less than rounding, or eps if it was reach that ran.",
    ),
    Reason.SAMPLE_BUDGET: (
        "No sampled or descended trajectory violates a requirement, which proves nothing.",
        "Raise --samples, or run nnctrl verify for a proof.",
    ),
    Reason.UNSUPPORTED: (
        "The engine cannot treat a part of this problem.",
        "Choose another engine (nnctrl list engines) or restate that part.",
    ),
}


@dataclass(frozen=True)
class RequirementResult:
    """One requirement: `margin_certified` <= true margin <= `margin_sampled`; nan where there is none. The certified
    one is rounded outward; the sampled one is a simulation's, up to its own rounding.

    A margin is positive where the requirement holds: the distance to an avoided set, the depth inside a set to stay
    in or to reach.
    """

    id: str
    verdict: Verdict
    margin_certified: float
    margin_sampled: float


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A trajectory from `x0` [n] under disturbances `w` [k, w] that violates `requirement` by `violation` >= 0.

    `violation` is certified: it is at most the depth in an avoided set, or the distance from a set to be in. For a box
    that is the Euclidean distance, at least the worst side's that its margin counts.

    `t` [k+1] (in the problem's time unit), `x` [k+1, n] and `u` [k, m] end at the time from which the violation is
    certain.
    """

    x0: FloatArray
    w: FloatArray
    t: FloatArray
    x: FloatArray
    u: FloatArray
    requirement: str
    violation: float
    w_names: tuple[str, ...] = ()
    """What the columns of `w` are: disturbances of the plant, then noise of what the controller observes."""


@dataclass(frozen=True)
class Statistics:
    """The work that was done; a node is one bound evaluation of one pair (box, direction), roots included."""

    nodes: int = 0
    directions: int = 0
    gap: float = math.nan
    """Largest difference of upper bound and best known value over all directions; nan where there is none."""
    parts: int = 0
    splits: int = 0
    steps: int = 0


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of one run.

    `verdict` is None for runs that were asked for no verdict (reach); `reason` is then None too if the flowpipe is
    complete and as accurate as asked. `counterexample` is a proved one exactly when the verdict is FALSIFIED; with
    UNKNOWN it is a candidate that outward rounding did not confirm. `notes` are sentences for the user, such as why
    an engine was chosen. `open_parts`: boxes of initial states, up to rounding, around parts that an UNKNOWN run left
    open: where to look, or to train, next. At most `MOST_OPEN_PARTS` of them, and none from engines that tell none.
    """

    problem: str
    verdict: Verdict | None
    reason: Reason | None
    requirements: tuple[RequirementResult, ...]
    wall_s: float
    cpu_s: float
    peak_bytes: int
    engine: str
    settings: Mapping[str, object]
    arithmetic: str
    network: Origin | None
    time_unit: str
    statistics: Statistics = field(default_factory=Statistics)
    flowpipe: Flowpipe | None = None
    counterexample: Counterexample | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: loaded_versions())
    notes: tuple[str, ...] = ()
    open_parts: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        for verdict, reason in ((Verdict.VERIFIED, Reason.PROVED), (Verdict.FALSIFIED, Reason.COUNTEREXAMPLE)):
            if (self.verdict is verdict) != (self.reason is reason):
                raise ValueError(f"verdict {self.verdict}, reason {self.reason}: {verdict} and {reason} go together")
        if self.verdict is Verdict.FALSIFIED and self.counterexample is None:
            raise ValueError("a FALSIFIED result must carry its counterexample")
        if self.verdict is Verdict.VERIFIED and any(row.verdict is not Verdict.VERIFIED for row in self.requirements):
            raise ValueError("a VERIFIED result has a requirement that is not verified")

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` writes; numbers that are not finite become null, since JSON has none."""
        reason = self.reason
        return {
            "problem": self.problem,
            "verdict": None if self.verdict is None else self.verdict.value,
            "reason": None if reason is None else reason.value,
            "remedy": None if reason is None else reason.remedy,
            "requirements": [_requirement_json(row) for row in self.requirements],
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "peak_bytes": self.peak_bytes,
            "engine": self.engine,
            "settings": dict(self.settings),
            "arithmetic": self.arithmetic,
            "network": None if self.network is None else {"sha256": self.network.sha256, "origin": self.network.source},
            "time_unit": self.time_unit,
            "statistics": {**asdict(self.statistics), "gap": _finite(self.statistics.gap)},
            "reach": [] if self.flowpipe is None else _reach_json(self.flowpipe),
            "counterexample": None if self.counterexample is None else _counterexample_json(self.counterexample),
            "versions": dict(self.versions),
        }


def loaded_versions() -> dict[str, str]:
    """Versions of Python, nnctrl and those of its dependencies that this process has loaded."""
    result = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("nnctrl", "numpy", "scipy", "torch", "casadi", "control", "cvxpy", "onnx", "networkx"):
        if name in sys.modules:
            try:
                result[name] = version(name)
            except PackageNotFoundError:
                result[name] = "unknown"
    return result


def json_numbers(values: FloatArray) -> Any:
    """A nested list in which what is not finite is null: JSON has neither infinity nor nan."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        return _finite(float(array))
    return array.tolist() if np.isfinite(array).all() else [json_numbers(row) for row in array]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _requirement_json(row: RequirementResult) -> dict[str, Any]:
    return {
        "id": row.id,
        "verdict": row.verdict.value,
        "margin_certified": _finite(row.margin_certified),
        "margin_sampled": _finite(row.margin_sampled),
    }


def _counterexample_json(point: Counterexample) -> dict[str, Any]:
    arrays = {name: json_numbers(getattr(point, name)) for name in ("x0", "w", "t", "x", "u")}
    return {
        **arrays,
        "w_names": list(point.w_names),
        "requirement": point.requirement,
        "violation": _finite(point.violation),
    }


def _reach_json(flowpipe: Flowpipe) -> list[dict[str, Any]]:
    rows = []
    for index, step in enumerate(flowpipe.steps):
        box = flowpipe.bounding_box(index)
        directions, support = flowpipe.template(index)
        rows.append(
            {
                "t": [float(step.time[0]), float(step.time[1])],
                "lower": json_numbers(box.lower),
                "upper": json_numbers(box.upper),
                "directions": json_numbers(directions),
                "support": json_numbers(support),
            }
        )
    return rows
