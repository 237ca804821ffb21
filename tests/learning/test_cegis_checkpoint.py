"""What the counterexample loop keeps: every bit of it, and nothing that is damaged or of another task."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import casadi
import numpy as np
import pytest

from nnctrl.errors import InputError
from nnctrl.learning.cegis.checkpoint import Checkpoint
from nnctrl.learning.cegis.fingerprint import fingerprint
from nnctrl.learning.cegis.state import Round, State
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.method import CurvePoint, SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.networks.activations import Relu
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Spec
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.plant import Plant
from nnctrl.verification.verdict import Verdict
from tests.learning.synthesis_tasks import braking, braking_task, weight

SETTINGS = SynthesisSettings(seed=5)

FIRST_ROUND = Round(1, 0.1, Verdict.UNKNOWN, "time-budget", math.nan, 0.5, 3, 2)


def test_a_state_is_kept_bit_by_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lower = rng.normal(size=(2, 1))
    focus = Focus(rng.normal(size=(3, 1)), lower, lower + rng.uniform(size=(2, 1)))
    history = (Round(1, 0.1, Verdict.UNKNOWN, "time-budget", math.nan, 1.0 / 3.0, 3, 2),)
    curve = (CurvePoint(0.1, 0.2, math.nan, -0.0),)
    state = State(None, focus, 0.1 + 0.2, braking(0.1 + 0.2), braking(1.0 / 3.0), 0, history, curve)
    place = Checkpoint(tmp_path, "task", 1, 1)
    place.save(state)
    read = place.load()
    assert read is not None
    assert (read.start, read.seconds, read.best_round) == (None, state.seconds, 0)
    for name in ("points", "lower", "upper"):
        assert np.array_equal(getattr(read.focus, name), getattr(focus, name))
    assert repr(read.history) == repr(history)
    assert repr(read.curve) == repr(curve)
    for role in ("current", "best"):
        assert weight(getattr(read, role)) == weight(getattr(state, role))
    json.loads((tmp_path / "state.json").read_text(), parse_constant=pytest.fail)
    assert not [file for file in tmp_path.iterdir() if file.suffix not in (".json", ".onnx")]


def damaged(place: Path, what: str) -> None:
    state = place / "state.json"
    if what == "half":
        state.write_bytes(state.read_bytes()[:200])
    elif what == "text":
        state.write_text("[]")
    elif what == "key":
        data = json.loads(state.read_text())
        del data["history"]
        state.write_text(json.dumps(data))
    elif what == "number":
        data = json.loads(state.read_text())
        data["best_round"] = 7
        state.write_text(json.dumps(data))
    elif what == "network":
        (best,) = place.glob("best-*.onnx")
        (start,) = place.glob("start-*.onnx")
        best.write_bytes(start.read_bytes())
    else:
        (best,) = place.glob("best-*.onnx")
        best.unlink()


@pytest.mark.parametrize("what", ["half", "text", "key", "number", "network", "gone"])
def test_a_damaged_state_is_refused(tmp_path: Path, what: str) -> None:
    place = Checkpoint(tmp_path, "task", 1, 1)
    place.save(State(braking(0.0), Focus.nothing(1), 1.0, braking(0.1), braking(0.2), 0, (FIRST_ROUND,)))
    damaged(tmp_path, what)
    with pytest.raises(InputError, match=r"is damaged|no network file"):
        place.load()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("seconds",), "@1e400"),
        (("seconds",), "@NaN"),
        (("seconds",), "@1" + "0" * 400),
        (("seconds",), "1.5"),
        (("seconds",), True),
        (("seconds",), None),
        (("seconds",), -5),
        (("rounds",), 2),
        (("best_round",), 0.5),
        (("best_round",), "@1e400"),
        (("best_round",), -1),
        (("best_round",), -2),
        (("focus",), None),
        (("focus", "size"), 2),
        (("focus", "size"), 0),
        (("focus", "size"), -1),
        (("focus", "points"), [[1.0, 2.0]]),
        (("focus", "points"), [1.0]),
        (("focus", "points"), [["1.0"]]),
        (("focus", "points"), [["nan"]]),
        (("focus", "points"), "@[[Infinity]]"),
        (("focus", "points"), ""),
        (("focus", "lower"), []),
        (("focus", "upper"), [[0.5]]),
        (("networks",), None),
        (("networks", "start"), "x"),
        (("networks", "current"), None),
        (("networks", "best"), None),
        (("networks", "best", "file"), "../best.onnx"),
        (("networks", "best", "file"), "a\0b"),
        (("networks", "best", "sha256"), 3),
        (("history",), []),
        (("history",), "ab"),
        (("history", 0, "number"), 2),
        (("history", 0, "seconds"), "x"),
        (("history", 0, "verdict"), "PROBABLY"),
        (("history", 0, "verdict"), []),
        (("history", 0, "reason"), 5),
        (("history", 0, "certified"), "y"),
        (("history", 0, "sampled"), "@1e999"),
        (("history", 0, "points"), -1),
        (("history", 0, "boxes"), 1.5),
        (("curve",), "abc"),
        (("curve", 0), {"x": 1}),
        (("curve", 0, "seconds"), "a"),
        (("curve", 0, "size"), None),
        (("curve", 0, "loss"), []),
        (("curve", 0, "violation"), {}),
    ],
)
def test_a_state_with_a_value_that_none_has_is_refused(
    tmp_path: Path, keys: tuple[str | int, ...], value: object
) -> None:
    place, file = Checkpoint(tmp_path, "task", 1, 1), tmp_path / "state.json"
    focus = Focus(np.array([[1.5]]), np.array([[1.0]]), np.array([[2.0]]))
    curve = (CurvePoint(0.5, 1.0, 2.0, math.inf),)
    place.save(State(braking(0.0), focus, 1.0, braking(0.1), braking(0.2), 0, (FIRST_ROUND,), curve))
    assert place.load() is not None
    data = json.loads(file.read_text())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    text = json.dumps(data)
    if isinstance(value, str) and value.startswith("@"):
        # what json.dumps would not write
        text = text.replace(json.dumps(value), value[1:])
    file.write_text(text)
    with pytest.raises(InputError, match="is damaged; remove it, or give another folder"):
        place.load()


@pytest.mark.parametrize("text", [b"[" * 100_000 + b"]" * 100_000, b"", b"3", "x".encode("utf16"), b"\xff\xfe\xff"])
def test_a_state_that_is_no_object_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "state.json").write_bytes(text)
    with pytest.raises(InputError, match="is damaged"):
        Checkpoint(tmp_path, "task", 1, 1).load()


def test_the_networks_of_another_plant_are_refused(tmp_path: Path) -> None:
    Checkpoint(tmp_path, "task", 1, 1).save(State(braking(0.0), Focus.nothing(1)))
    for states, inputs in ((2, 1), (1, 2)):
        with pytest.raises(InputError, match="is damaged"):
            Checkpoint(tmp_path, "task", states, inputs).load()


def test_the_state_of_another_task_is_refused(tmp_path: Path) -> None:
    Checkpoint(tmp_path, "one", 1, 1).save(State(None, Focus.nothing(1)))
    with pytest.raises(InputError, match="belongs to another task, or to other settings"):
        Checkpoint(tmp_path, "other", 1, 1).load()
    assert Checkpoint(tmp_path / "elsewhere", "other", 1, 1).load() is None


class Leaning(Plant):
    """A plant with a number in its expression."""

    states = {"x": "m"}
    inputs = {"u": "m"}
    dt = 1.0

    def __init__(self, number: float) -> None:
        self.number = number
        super().__init__()

    def dynamics(self, x: casadi.SX, u: casadi.SX) -> tuple[casadi.SX]:
        return (x[0] + self.number * casadi.sin(u[0]),)


def test_whatever_decides_about_networks_is_in_the_fingerprint() -> None:
    task = braking_task()
    bowl = [Spec((Avoid(Sublevel(lambda z, c=c: z[0] ** 2 - c, 1), name="bowl"),)) for c in (0.1, 0.2)]
    drift = [Spec((Avoid(Moving(Ball([9.0], 1.0), [v]), name="ball"),)) for v in (0.1, 0.2)]
    others = [
        dataclasses.replace(task, initial_set=Box([1.0], [np.nextafter(2.0, 3.0)])),
        dataclasses.replace(task, plant=LinearPlant([[1.0]], [[np.nextafter(1.0, 2.0)]], dt=1.0)),
        dataclasses.replace(task, plant=LinearPlant([[1.0]], [[1.0]], dt=0.5)),
        *(dataclasses.replace(task, plant=Leaning(c), spec=bowl[0]) for c in (0.1, 0.2)),
        braking_task(goal=0.31),
        *(dataclasses.replace(task, spec=spec) for spec in (*bowl, *drift)),
        dataclasses.replace(task, horizon=4),
        dataclasses.replace(task, hidden=(5,)),
        dataclasses.replace(task, activation=Relu()),
        dataclasses.replace(task, expert="somebody"),
        dataclasses.replace(task, settings={"degree": 2}),
    ]
    found = [fingerprint(other, SETTINGS) for other in (task, *others)]
    found.append(fingerprint(task, SynthesisSettings(seed=6)))
    assert len(set(found)) == len(found)
    again = dataclasses.replace(braking_task(), name="another name", views=(("t", "x1"),))
    assert fingerprint(again, SETTINGS) == found[0]


class Sparse(Plant):
    """A plant whose only row that is not 0 is the row `place`: both write the same instructions."""

    states = {"a": "m", "b": "m"}
    inputs = {"u": "m"}
    dt = 1.0

    def __init__(self, place: int) -> None:
        self.place = place
        super().__init__()

    def dynamics(self, x: casadi.SX, u: casadi.SX) -> casadi.SX:
        following = casadi.SX(2, 1)
        following[self.place] = x[0] + x[1] + u[0]
        return following


def test_the_places_of_results_are_in_the_fingerprint() -> None:
    first, second = Sparse(0), Sparse(1)
    assert first.tape.instructions == second.tape.instructions
    box, spec = Box([1.0, 0.0], [2.0, 0.1]), Spec((Avoid(Ball([9.0, 9.0], 1.0), name="ball"),))
    found = {fingerprint(Task(plant, box, spec, 2, "sparse"), SETTINGS) for plant in (first, second)}
    assert len(found) == 2
    assert fingerprint(Task(Sparse(0), box, spec, 2, "again"), SETTINGS) in found
