"""The methods of synthesis that the suite compares, and what is said about each result.

What a method says of itself is reported and does not count: a network counts if every pair is proved for it, by the
certificate of the matrix inequality or by branch and bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nnctrl.branching.meter import Meter
from nnctrl.learning.certified.pairs import train_on_pairs
from nnctrl.learning.last_layer.alternation import synthesise_deep
from nnctrl.learning.lmi.analysis import Certificate
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.cross_check import CrossCheck, CrossCheckStatus, cross_check
from nnctrl.learning.lmi.local import synthesise_local
from nnctrl.learning.lmi.synthesis import Synthesis, affine_map, certify_pairs, synthesise
from nnctrl.learning.lmi.transformed import Hidden
from nnctrl.networks.activations import Activation, Relu, Tanh
from nnctrl.networks.network import Network
from nnctrl.suite import Row, Value

STARTS = 3
"""Networks that a method may start from."""

LONGEST, SHORT = 60.0, 10.0
"""Seconds after which the last-layer method (wall) and the short training (CPU) begin nothing more."""


@dataclass(frozen=True, eq=False)
class Made:
    """What a method returned: `said` in a few words, the violation that it was left with if it tells one, and a network
    if it believes in it, with certificates if it has any.
    """

    said: str
    network: Network | None
    violation: float | None = None
    certificates: tuple[Certificate, ...] = ()

    @staticmethod
    def of(found: Synthesis) -> Made:
        """The result of a synthesis by matrix inequalities."""
        return Made(found.status.name.lower().replace("_", " "), found.network, found.violation, found.certificates)


@dataclass(frozen=True)
class Method:
    """A way to make a network from pairs, the sizes of its hidden layers and their activation."""

    label: str
    make: Callable[[Sequence[Pair], Sequence[int], Activation], Made]
    activation: Activation = field(default_factory=Tanh)


def _affine(pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation) -> Made:
    return Made.of(affine_map(pairs))


def _joint(pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation) -> Made:
    return Made.of(synthesise(pairs, Hidden.of(activation, hidden[0])))


def _local(pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation) -> Made:
    return Made.of(synthesise_local(pairs, hidden[0], activation, starts=STARTS))


def _passing(pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation) -> Made:
    return Made.of(synthesise_local(pairs, hidden[0], activation, feedthrough=True, starts=STARTS))


def _last_layer(pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation) -> Made:
    return Made.of(synthesise_deep(pairs, hidden, activation, starts=STARTS, meter=Meter(seconds=LONGEST)))


def _training(pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation) -> Made:
    found = train_on_pairs(pairs, hidden, activation)
    return Made("proved", found.network) if found.is_proved else Made("not reached", None)


def _short_training(pairs: Sequence[Pair], hidden: Sequence[int], activation: Activation) -> Made:
    found = train_on_pairs(pairs, hidden, activation, starts=2, rounds=4, seconds=SHORT)
    return Made("proved", found.network) if found.is_proved else Made("not reached", None)


AFFINE = Method("affine map", _affine)
JOINT = Method("LMI (32), feedthrough", _joint)
LOCAL = Method("local sectors", _local)
LOCAL_RELU = Method("local sectors, ReLU", _local, Relu())
PASSING = Method("local sectors, feedthrough", _passing)
LAST_LAYER = Method("last layer and gradient steps", _last_layer)
LAST_LAYER_RELU = Method("last layer and gradient steps, ReLU", _last_layer, Relu())
TRAINING = Method("certified training", _training)
TRAINING_RELU = Method("certified training, ReLU", _training, Relu())
SHORT_TRAINING_RELU = Method("certified training, ReLU, two starts", _short_training, Relu())
"""Hidden layers are tanh where nothing else is said."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a method came to: `said` in its own words, certificates and checks by pair (empty without a network), CPU
    seconds of the method, of the certificates that it did not bring along, and of branch and bound.
    """

    said: str
    violation: float | None
    network: Network | None
    certificates: tuple[Certificate, ...]
    checks: tuple[CrossCheck, ...]
    made_s: float
    certified_s: float
    checked_s: float

    @property
    def is_certified(self) -> bool:
        """Whether the matrix inequality proves every pair."""
        return bool(self.certificates) and all(certificate.is_certified for certificate in self.certificates)

    @property
    def is_checked(self) -> bool:
        """Whether branch and bound proves every pair."""
        return bool(self.checks) and all(check.is_proved for check in self.checks)

    @property
    def is_proved(self) -> bool:
        """Whether every pair is proved in either way."""
        return self.is_certified or self.is_checked

    @property
    def is_contradicted(self) -> bool:
        """Whether one proof refutes another, which must never be."""
        return any(
            certificate.is_certified and check.status is CrossCheckStatus.VIOLATED
            for certificate, check in zip(self.certificates, self.checks, strict=False)
        )

    def row(self) -> Row:
        """All of it as a line of a table; margins are the least of all pairs, where all are proved."""
        margins = [float(certificate.margins.min()) for certificate in self.certificates]
        depths = [check.margin for check in self.checks if check.margin is not None]
        said: dict[str, Value] = {"method_says": self.said, "violation": self.violation}
        return {
            **said,
            "sdp_certified": self.is_certified,
            "sdp_margin": min(margins) if self.is_certified else None,
            "branch_and_bound": _answer(self.checks),
            "bnb_margin": min(depths) if self.is_checked else None,
            "parts": sum(check.parts for check in self.checks) if self.checks else None,
            "cpu_s": self.made_s,
            "sdp_cpu_s": self.certified_s,
            "bnb_cpu_s": self.checked_s,
        }


def _answer(checks: Sequence[CrossCheck]) -> str | None:
    """Branch and bound's answer on all pairs together."""
    for status in (CrossCheckStatus.VIOLATED, CrossCheckStatus.UNDECIDED, CrossCheckStatus.INDIVISIBLE):
        if any(check.status is status for check in checks):
            return status.name.lower()
    return CrossCheckStatus.PROVED.name.lower() if checks else None


def measure(method: Method, pairs: Sequence[Pair], hidden: Sequence[int], *, certify: bool = True) -> Result:
    """Run a method, and prove its network in both ways; `certify`: by matrix inequalities too where the method did not
    bring certificates along.
    """
    began = time.process_time()
    made = method.make(pairs, hidden, method.activation)
    made_s, network, certificates = time.process_time() - began, made.network, made.certificates
    if network is None:
        return Result(made.said, made.violation, None, (), (), made_s, 0.0, 0.0)
    began = time.process_time()
    if certify and not certificates:
        certificates = certify_pairs(network, pairs)
    certified_s, began = time.process_time() - began, time.process_time()
    checks = tuple(cross_check(network, pair) for pair in pairs)
    checked_s = time.process_time() - began
    return Result(made.said, made.violation, network, certificates, checks, made_s, certified_s, checked_s)
