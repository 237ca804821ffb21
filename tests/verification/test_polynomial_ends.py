"""How the engine `polynomial` ends when it cannot decide: domains, escapes, budgets, interrupts; what users read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import casadi
import numpy as np
import pytest

from nnctrl import Avoid, Box, Budget, Controller, Plant, Problem, Spec, Stay, compose, reach, registry, verify
from nnctrl.branching.meter import Meter
from nnctrl.cli.main import run
from nnctrl.errors import UnsupportedError
from nnctrl.networks.onnx_export import write_onnx
from nnctrl.reachability.polynomial_flow import FlowSettings
from nnctrl.verification.decide import engine_for
from nnctrl.verification.polynomial import proof
from nnctrl.verification.polynomial.parts import PartJudge
from nnctrl.verification.polynomial.problem import PolynomialProblem
from nnctrl.verification.polynomial.workers import part_workers
from nnctrl.verification.problem import ProblemDefinition
from nnctrl.verification.verdict import Result, Verdict
from tests.closed_form import below, constant_network, discrete, integrator, linear_network, oscillator, problem
from tests.continuous_plants import plant_of
from tests.switched_loops import threshold_loop
from tests.verification.test_switched_engine import one

ALONE = Budget(timeout_s=60.0, jobs=1)


def fall(field: Any, low: float, high: float, *requirements: Stay | Avoid, horizon: float = 1.0) -> Problem:
    """x' = field(x) from [low, high]."""
    plant = plant_of(lambda x, u, w, p: (field(x[0]) + u[0],), 1, 1)
    return problem(
        plant, constant_network(1, 0.0), Box([low], [high]), *(requirements or (below(9.0),)), horizon=horizon
    )


@pytest.mark.parametrize(
    ("field", "operation"),
    [
        (lambda x: -1.0 - 0.01 * casadi.sqrt(x), "sqrt"),
        (lambda x: -1.0 + casadi.log(x), "log"),
        (lambda x: -1.0 / x, "inv"),
        (lambda x: -1.0 + casadi.asin(x - 1.5), "asin"),
    ],
)
def test_a_domain_that_is_left_is_named_with_the_time(field: Any, operation: str) -> None:
    result = verify(fall(field, 0.625, 0.75), engine="polynomial", budget=ALONE)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "domain-left")
    (note,) = [note for note in result.notes if "not defined" in note]
    assert f"the operation '{operation}' is not defined on all of the enclosure after 0." in note
    assert note.endswith(" s")


def test_a_discrete_plant_leaves_its_domain_at_a_step() -> None:
    """x+ = sqrt(x) - 1/2 is negative after two steps from 0.3 .. 0.4."""

    class Root(Plant):
        states, inputs, dt = {"x": "1"}, {"u": "1"}, 1.0

        def dynamics(self, x: Any, u: Any) -> Any:
            return casadi.sqrt(x[0]) - 0.5 + u[0]

    loop = compose(Root(), Controller(constant_network(1, 0.0)))
    question = Problem(loop, Box([0.3], [0.4]), Spec((Stay(Box([-9.0], [9.0])),)), 5, "root")
    result = verify(question, engine="polynomial", budget=ALONE)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "domain-left")
    assert any("'sqrt' is not defined on all of the enclosure after 2 steps" in note for note in result.notes)


def test_flowpipes_say_where_they_end() -> None:
    result = reach(fall(lambda x: -1.0 - 0.01 * casadi.sqrt(x), 0.625, 0.75), engine="polynomial", budget=ALONE)
    assert result.reason == "domain-left"
    assert any("'sqrt' is not defined on all of the enclosure after 0." in note for note in result.notes)
    assert result.flowpipe is not None
    assert 0.5 < result.flowpipe.steps[-1].time[1] < 0.65


@pytest.mark.parametrize(
    "field",
    [lambda x: x * x, casadi.exp, lambda x: x**3 + casadi.sin(x), lambda x: x**3 * casadi.tanh(x) + casadi.cos(x**3)],
)
def test_what_escapes_in_finite_time_diverges(field: Any) -> None:
    """Quickly: no enclosure is split for ever."""
    result = verify(fall(field, 1.5, 1.625, Avoid(Box([-2.0], [-1.0])), horizon=2.0), engine="polynomial", budget=ALONE)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "enclosure-diverged")
    assert any("the enclosure diverged after 0." in note for note in result.notes)
    assert result.wall_s < 20.0
    assert not result.requirements[0].margin_certified > -np.inf


def test_a_violation_before_it_escapes_counts_although_no_simulation_reaches_the_horizon() -> None:
    result = verify(fall(lambda x: x * x, 1.0, 1.125, below(4.0), horizon=2.0), engine="polynomial", budget=ALONE)
    assert result.verdict is Verdict.FALSIFIED
    anything = Stay(Box([-1e300], [1e300]))
    result = verify(fall(lambda x: x * x, 1.0, 1.0, anything, horizon=2.0), engine="polynomial", budget=ALONE)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "enclosure-diverged")


def test_discrete_plants_diverge_too() -> None:
    plant = discrete(plant_of(lambda x, u, w, p: (x[0] * x[0] + u[0],), 1, 1))
    question = problem(plant, constant_network(1, 0.0), Box([2.0], [3.0]), Avoid(Box([-2.0], [-1.0])), horizon=30)
    result = verify(question, engine="polynomial", budget=ALONE)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "enclosure-diverged")
    assert any(note.endswith("steps") for note in result.notes)


def hard(horizon: float = 4.0, period: float = 0.02) -> Problem:
    """True, but thousands of parts away from a proof; the parts take some tenths of a second each."""
    plant = plant_of(lambda x, u, w, p: (x[1], -casadi.sin(x[0]) * (1 + x[1] * x[1]) + u[0], -x[2] * x[0]), 3, 1)
    network = linear_network([[-0.75, 0.25, 0.5]])
    start = Box([-0.75, -0.5, -0.75], [0.75, 0.5, 0.75])
    return problem(plant, network, start, below(1.9), horizon=horizon, period=period)


@pytest.mark.parametrize("jobs", [1, 2])
def test_time_is_kept(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With several processes the time runs out in the middle of the pool's work."""
    monkeypatch.setattr("nnctrl.verification.polynomial.proof.ALONE_S", 0.5)
    result = verify(hard(), engine="polynomial", budget=Budget(timeout_s=2.0, jobs=jobs))
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "time-budget")
    # a twentieth more for what can be said of single requirements
    assert 1.9 <= result.wall_s < 4.0
    assert result.statistics.steps > 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_nodes_are_kept(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnctrl.verification.polynomial.proof.ALONE_S", 0.0)
    tight = problem(oscillator(), constant_network(2, 0.0), Box([-1, -1], [1, 1]), below(1.4143))
    result = verify(tight, engine="polynomial", budget=Budget(timeout_s=60.0, nodes=6, jobs=jobs))
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "node-budget")
    assert 6 <= result.statistics.nodes <= 6 + 2 * jobs


def test_memory_is_kept() -> None:
    question = problem(oscillator(), constant_network(2, 0.0), Box([-1, -1], [1, 1]), below(1.4143))
    result = verify(question, engine="polynomial", budget=Budget(memory_gb=0.001, jobs=1))
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "memory-budget")


def test_work_that_nobody_waits_for_any_more_is_given_up() -> None:
    """Each part would take a minute."""
    question = problem(oscillator(), constant_network(2, 0.0), Box([0, 0], [1, 1]), below(9.0), horizon=1e4)
    compiled = PolynomialProblem.of(question)
    judge = PartJudge(compiled, FlowSettings.automatic(2, 1, 2), Meter(), keep_sets=False)
    with part_workers(judge, 2) as workers:
        for _ in range(4):
            workers.give((compiled.initial.lower, compiled.initial.upper))
        assert not workers.has_room()
        time.sleep(1.0)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2.0


def test_a_worker_that_the_machine_ends_is_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, judge = os.getpid(), PartJudge.judge

    def ended(self: PartJudge, *part: Any, **others: Any) -> Any:
        if os.getpid() != parent:
            os._exit(9)
        return judge(self, *part, **others)

    monkeypatch.setattr(PartJudge, "judge", ended)
    monkeypatch.setattr(proof, "ALONE_S", 0.0)
    result = verify(hard(), engine="polynomial", budget=Budget(timeout_s=20.0, jobs=2))
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "memory-budget")
    assert any("parts of the initial set are open" in note for note in result.notes)


INTERRUPTED = """
from dataclasses import dataclass
from typing import ClassVar
from nnctrl import registry
from nnctrl.cli.main import main
from nnctrl.verification.polynomial import engine as polynomial_engine, proof as polynomial_proof
from nnctrl.verification.polynomial.workers import PartWorkers
from nnctrl.verification.problem import Problem, ProblemDefinition
from tests.verification.test_polynomial_ends import hard

polynomial_proof.ALONE_S = 0.0
polynomial_engine.FALSIFY_SHARE = 1e-9
results = PartWorkers.results

def told(self):
    print("pool", flush=True)
    return results(self)

PartWorkers.results = told

@dataclass(frozen=True)
class Hard(ProblemDefinition):
    '''A problem that takes minutes.'''

    id: ClassVar[str] = "test-hard"

    def build(self) -> Problem:
        return hard(4.0, 0.001)

registry.register("problems", "test-hard")(Hard)
main()
"""


def members(group: int) -> list[int]:
    """The live processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                # it ended meanwhile
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_an_interrupt_in_the_middle_of_a_pool_ends_everything_soon() -> None:
    """The parts take seconds each; they are not waited for."""
    command = [sys.executable, "-c", INTERRUPTED, "verify", "test-hard", "--engine", "polynomial", "--jobs", "2"]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "pool"
        time.sleep(0.5)
        assert len(members(process.pid)) >= 3
        begun = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - begun < 3.0
        assert process.returncode == 130
        assert err.strip().splitlines()[-1] == "nnctrl: interrupted"
        assert "Traceback" not in err
        assert members(process.pid) == []
    finally:
        process.kill()


@dataclass(frozen=True)
class Swing(ProblemDefinition):
    """An oscillator."""

    id: ClassVar[str] = "test-swing"

    def build(self) -> Problem:
        return problem(oscillator(), constant_network(2, 0.0), Box([0.5, 0.0], [1.0, 0.25]), below(1.25))


@pytest.fixture
def swing() -> Iterator[str]:
    registry.register("problems", Swing.id)(Swing)
    yield Swing.id
    registry.unregister("problems", Swing.id)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = int(run(list(arguments)))
    return status, capsys.readouterr().err


def test_unknown_keys_name_the_nearest(swing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "verify", swing)[0] == 0
    for key, nearest in (("smalest_part", "smallest_part"), ("generator", "generators"), ("ordr", "order")):
        status, err = told(capsys, "verify", swing, "--engine", "polynomial", "--set", f"{key}=1")
        assert status == 2
        assert f"did you mean '{nearest}'?" in err
        assert len(err.splitlines()) == 1
    status, err = told(capsys, "verify", swing, "--engine", "polynomial", "--set", "degree=0")
    assert (status, "degree" in err and "0" in err) == (2, True)


def test_a_switched_loop_is_sent_to_its_engine() -> None:
    question = one(threshold_loop(0.5, 0.25, -0.25), 0.0, 1.0)
    with pytest.raises(UnsupportedError, match="engine polynomial does not treat; use switched"):
        verify(question, engine="polynomial")
    assert engine_for(question, "auto")[0].id == "switched"


def test_networks_of_another_size_are_refused_with_both_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.onnx"
    write_onnx(constant_network(3, 0.0), file)
    status, err = told(capsys, "verify", "arch/single-pendulum", "--set", f"network={file}")
    assert status == 2
    assert "3-2-1 relu from other.onnx, reads 3 values" in err
    assert "has 2 states" in err
    assert len(err.splitlines()) == 1


def test_the_horizon_of_a_result_is_in_seconds() -> None:
    result: Result = verify(Swing().build(), engine="polynomial", budget=ALONE)
    assert result.time_unit == "s"
    assert result.flowpipe is not None
    assert result.flowpipe.steps[-1].time[1] == pytest.approx(1.0, rel=1e-12)
    assert (
        verify(problem(integrator(), linear_network([[-1.0]]), Box([0.0], [1.0]), below(2.0)), budget=ALONE).engine
        == "polynomial"
    )
