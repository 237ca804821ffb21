"""Synthesis: the verdict is the verifier's, the network that it is about is the one in the file, and time is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nnctrl import registry
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError, UnknownNameError, UnsupportedError
from nnctrl.learning import methods, synthesis
from nnctrl.learning.method import AbstractMethod
from nnctrl.learning.methods import choose_method
from nnctrl.learning.recipe import Recipe, recipe_for
from nnctrl.learning.synthesis import SynthesisOutcome, synthesise
from nnctrl.learning.task import Task
from nnctrl.networks.load import load_network
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Spec, Stay
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from nnctrl.verification.settings import Budget
from nnctrl.verification.verdict import Verdict
from tests.learning.synthesis_tasks import Brake, Flat, ToldMethod, Unwritten, braking, braking_task


@pytest.fixture(autouse=True)
def experts() -> Iterator[None]:
    known = {"test-brake": Brake, "test-flat": Flat, "test-unwritten": Unwritten}
    for name, kind in known.items():
        registry.register("experts", name)(kind)
    yield
    for name in known:
        registry.unregister("experts", name)


def test_a_method_that_praises_a_bad_network_is_refuted() -> None:
    outcome = synthesise(braking_task(), ToldMethod(braking(0.1)), {"praise": "verified, proved, certified"})
    assert outcome.attempt.reason == "verified, proved, certified"
    assert outcome.verdict is Verdict.FALSIFIED
    assert outcome.after is not None
    point = outcome.after.result.counterexample
    assert point is not None
    run = simulate(braking_task().plant, outcome.after.problem.closed_loop.controller, point.x0[None], 3)
    assert abs(run.x[0, 3, 0]) > 0.3


def test_a_method_that_despairs_of_a_good_network_is_contradicted() -> None:
    outcome = synthesise(braking_task(), ToldMethod(braking(0.6)), {"praise": "it is hopeless"})
    assert outcome.verdict is Verdict.VERIFIED
    assert (outcome.method, outcome.choice, outcome.before) == ("told", "as asked", None)


def test_what_was_verified_is_what_is_in_the_file(tmp_path: Path) -> None:
    outcome = synthesise(braking_task(), ToldMethod(braking(0.6)))
    file = tmp_path / "braking.onnx"
    file.write_bytes(outcome.onnx)
    read = load_network(file)
    assert outcome.after is not None
    assert outcome.after.result.network is not None
    assert read.origin is not None
    assert outcome.after.result.network.sha256 == hashlib.sha256(outcome.onnx).hexdigest() == read.origin.sha256
    made = outcome.after.problem.closed_loop.controller.network  # type: ignore[union-attr]
    for one, other in zip(read.blocks[0].affines, made.blocks[0].affines, strict=True):
        assert np.array_equal(one.weight, other.weight)
        assert np.array_equal(one.bias, other.bias)


def test_no_network_is_no_verdict() -> None:
    outcome = synthesise(braking_task(), ToldMethod(None))
    assert (outcome.verdict, outcome.after, outcome.onnx) == (None, None, b"")


def test_an_impossible_task_is_not_attempted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "impossibility", lambda task: "the goal is a mile away")
    method = ToldMethod(braking(0.6))
    outcome = synthesise(braking_task(expert="test-brake"), method, compare=True)
    assert (outcome.attempt.impossible, outcome.attempt.reason) == (True, "the goal is a mile away")
    assert (outcome.verdict, method.starts) == (None, [])


def imitated(**keys: object) -> tuple[SynthesisOutcome, ToldMethod]:
    method = ToldMethod(braking(0.6))
    return synthesise(braking_task(expert="test-brake"), method, keys, compare=True), method


def test_the_expert_is_imitated_along_the_task_and_looked_at() -> None:
    outcome, method = imitated()
    (start,), (expert,) = method.starts, method.experts
    assert isinstance(expert, Brake)
    assert start is not None
    assert start.architecture() == "1-4-1 tanh"
    x = np.linspace(0.5, 2.0, 9)[:, None]
    np.testing.assert_allclose(start(x), -0.45 * x, atol=0.05)
    # 2 (0.55)^3 is more than 0.3, so the imitation fails where the network that the method made does not
    assert outcome.before is not None
    assert outcome.before.result.verdict is Verdict.FALSIFIED
    assert outcome.before.result.flowpipe is not None
    assert len(outcome.before.result.flowpipe.steps) == 4
    assert outcome.verdict is Verdict.VERIFIED
    assert {"impossibility", "imitation", "told", "verification", "comparison"} == set(outcome.seconds)


def test_hidden_layers_and_seed_of_the_settings_are_those_of_the_imitation() -> None:
    _, method = imitated(hidden=(3, 2))
    _, other = imitated(hidden=(3, 2), seed=1)
    (start,), (another,) = method.starts, other.starts
    assert start is not None
    assert another is not None
    assert start.architecture() == "1-3-2-1 tanh"
    assert not np.array_equal(start.blocks[0].affines[0].weight, another.blocks[0].affines[0].weight)


@pytest.mark.parametrize(
    ("expert", "words"),
    [
        ("test-flat", "is for LinearPlant with 2 states and 2 inputs, but LinearPlant has 1 and 1"),
        ("test-unwritten", "has no training recipe"),
        ("test-brakes", "did you mean 'test-brake'"),
    ],
)
def test_experts_that_cannot_be_imitated(expert: str, words: str) -> None:
    method = ToldMethod(braking(0.6))
    with pytest.raises(InputError, match=words):
        synthesise(braking_task(), method, expert=expert)
    assert method.starts == []


@dataclasses.dataclass
class Trained:
    """Stands for an expert: with a recipe of a plant and a period."""

    plant: Plant
    period: float | None

    def recipe(self) -> Recipe:
        return dataclasses.replace(Brake.recipe(), plant=self.plant, expert=_Periodic(self.period))


class _Periodic(Brake):
    def __init__(self, period: float | None) -> None:
        self.period = period


class Falling(Plant):
    """x' = u, or x+ = u with a dt."""

    states = {"x1": "m"}
    inputs = {"u1": "m"}

    def dynamics(self, x: object, u: Sequence[object]) -> tuple[object]:
        return (u[0],)


class Gliding(Falling):
    """The same dynamics under another name."""


def unit_plant(gain: float = 1.0, dt: float = 1.0) -> LinearPlant:
    return LinearPlant([[1.0]], [[gain]], dt=dt)


@pytest.mark.parametrize(
    ("plant", "period", "words"),
    [
        (
            unit_plant(np.nextafter(1.0, 2.0)),
            None,
            "with other dynamics than the task's; give an expert for this plant",
        ),
        (Falling(dt=1.0), None, "is for a discrete Falling, but the task has a discrete LinearPlant; give an expert"),
        (unit_plant(dt=0.0), 1.0, "is for a continuous LinearPlant, but the task has a discrete LinearPlant; give an"),
        (
            unit_plant(dt=0.5),
            None,
            "acts every 0.5 s, but the controller acts every 1.0 s; give an expert with the same",
        ),
        (unit_plant(), 0.5, "acts every 0.5 s, but the controller acts every 1.0 s; give an expert with the same"),
    ],
)
def test_experts_of_another_plant_of_the_same_size(plant: Plant, period: float | None, words: str) -> None:
    with trained(plant, period), pytest.raises(InputError, match=f"^the expert 'test-trained' .*{words}"):
        recipe_for(braking_task(expert="test-trained"), None, 0)


def test_experts_of_a_continuous_plant() -> None:
    task = Task(Falling(), Box([1.0], [2.0]), braking_task().spec, 3.0, "falling", period=1.0, expert="test-trained")
    for plant, period, words in (
        (Falling(), None, "has no sample period, but the controller acts every 1.0 s; give an expert with the same"),
        (Falling(), 0.5, "acts every 0.5 s, but the controller acts every 1.0 s"),
        (Gliding(), 1.0, "is for a continuous Gliding, but the task has a continuous Falling"),
    ):
        with trained(plant, period), pytest.raises(InputError, match=f"^the expert 'test-trained' {words}"):
            recipe_for(task, None, 0)
    with trained(Falling(), 1.0):
        assert recipe_for(task, None, 0).plant is task.plant


@contextmanager
def trained(plant: Plant, period: float | None) -> Iterator[None]:
    registry.register("experts", "test-trained")(Trained(plant, period))
    try:
        yield
    finally:
        registry.unregister("experts", "test-trained")


@pytest.mark.parametrize(
    ("keys", "words"),
    [({"bogus": 1}, "has no key 'bogus'"), ({"eps": -1.0}, "the key 'eps' takes"), ({"eps": "x"}, "the key 'eps'")],
)
def test_engine_keys_of_the_task_are_looked_at_before_the_training(keys: dict[str, object], words: str) -> None:
    method = ToldMethod(braking(0.6))
    with pytest.raises(InputError, match=words):
        synthesise(dataclasses.replace(braking_task(), settings=keys), method)
    assert method.starts == []


def test_the_method_objects_before_anything_is_done() -> None:
    task = dataclasses.replace(
        braking_task(),
        plant=LinearPlant(np.eye(2), np.eye(2), dt=1.0),
        initial_set=Box([0, 0], [1, 1]),
        spec=Spec((Stay(Box([-1, -1], [1, 1])),)),
    )
    with pytest.raises(UnsupportedError, match="it wants one state"):
        synthesise(task, ToldMethod(None))


def test_a_checkpoint_is_refused_where_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the method told keeps no state"):
        synthesise(braking_task(), ToldMethod(None), checkpoint=tmp_path)


def test_the_verifier_has_its_share_of_the_time() -> None:
    def overrun(meter: Meter) -> None:
        while meter.exhausted() is None:
            time.sleep(0.01)

    method = ToldMethod(braking(0.6), overrun)
    began = time.monotonic()
    outcome = synthesise(braking_task(), method, budget=Budget(timeout_s=2.0, memory_gb=3.0, jobs=1))
    assert time.monotonic() - began < 2.5
    (meter,) = method.meters
    assert 1.0 < meter.seconds <= 1.5
    assert (meter.memory_bytes, meter.jobs) == (3e9, 1)
    assert outcome.verdict is Verdict.VERIFIED
    assert outcome.after is not None
    assert 0.04 <= float(str(outcome.after.result.settings["timeout_s"])) <= 0.5


def test_what_auto_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Able(ToldMethod):
        id = "last-layer"

    class Unable(ToldMethod):
        id = "cegis"

        def objection(self, task: object) -> str | None:
            return "it is too steep."

    made: dict[str, AbstractMethod] = {"cegis": Unable(None), "last-layer": Able(None), "lmi": Unable(None)}
    monkeypatch.setattr(methods, "load_method", made.__getitem__)
    chosen, why = choose_method(braking_task())
    assert (chosen.id, why) == ("last-layer", methods.ASKED_BY_AUTO["last-layer"])
    with pytest.raises(UnsupportedError, match=r"too steep.* the method last-layer has no key 'slack'"):
        choose_method(braking_task(), keys=["slack"])
    with pytest.raises(UnsupportedError, match="too steep"):
        choose_method(braking_task(), "cegis")


def test_every_method_loads_under_its_id() -> None:
    for id in methods.METHODS:
        method = methods.load_method(id)
        assert method.id == id
        assert {"hidden", "seed"} <= {key.name for key in methods.keys_of_method(id)}
    assert set(methods.ASKED_BY_AUTO) <= set(methods.METHODS)
    with pytest.raises(UnknownNameError, match="unknown method 'cegi'; did you mean 'cegis'"):
        methods.load_method("cegi")


def test_auto_is_the_counterexample_loop_where_training_is_possible() -> None:
    outcome = synthesise(braking_task(), settings={"seed": 3}, budget=Budget(timeout_s=60.0), compare=True)
    assert (outcome.method, outcome.verdict) == ("cegis", Verdict.VERIFIED)
    # without an expert it is compared with what trajectories alone had made of it
    assert outcome.before is not None
    assert outcome.before.network is outcome.attempt.before
