"""The engine `switched` against exact simulation in rational numbers, on loops small enough for brute force."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from nnctrl import Avoid, Box, Budget, Problem, Reach, Spec, Stay, falsify, reach, verify
from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.networks.network import Network
from nnctrl.reachability.switched_flow import SwitchedFlow
from nnctrl.specs.spec import Requirement
from nnctrl.systems.composer import compose
from nnctrl.systems.switched import InputRule, SwitchedController, SwitchedLoop
from nnctrl.verification.decide import engine_for
from nnctrl.verification.switched.engine import SwitchedEngine, SwitchedSettings, halves
from nnctrl.verification.switched.parts import replayed
from nnctrl.verification.switched.problem import SwitchedProblem
from nnctrl.verification.verdict import Reason, Result, Verdict
from tests.small_loop import CartProblem
from tests.switched_loops import (
    BentPlant,
    Vector,
    counter,
    exact_run,
    exactly,
    linear_plant,
    random_controller,
    threshold_controller,
    threshold_loop,
)

START = Box([-0.25, 0.25], [0.5, 0.5])


def problem(loop: SwitchedLoop, *requirements: Requirement, horizon: int = 5, initial: Box = START) -> Problem:
    anything = Stay(Box(*np.full((2, loop.plant.state_size), 1e9) * [[-1], [1]]), (0, 0))
    return Problem(loop, initial, Spec(requirements or (anything,)), horizon, "switched")


def one(loop: SwitchedLoop, low: float, high: float, *requirements: Requirement, horizon: int = 1) -> Problem:
    """A problem over one state."""
    return problem(loop, *requirements, horizon=horizon, initial=Box([low], [high]))


def is_in(box: Box, x: Vector) -> bool:
    return all(
        Fraction(float(low)) <= v <= Fraction(float(high)) for low, v, high in zip(box.lower, x, box.upper, strict=True)
    )


def exact_trajectories(loop: SwitchedLoop, steps: int, seed: int, count: int = 60) -> list[list[Vector]]:
    """From vertices and grid points of START, under disturbances and parameters of all of their ranges."""
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 17, (count, 2)) / 16.0
    unit[:4] = [[0, 0], [0, 1], [1, 0], [1, 1]]
    result = []
    for x0 in START.lower + unit * (START.upper - START.lower):
        w = None
        if loop.plant.disturbances:
            low, high = loop.plant.ranges["push"]
            w = low + (high - low) * rng.integers(0, 5, (steps, 1)) / 4.0
        k = 0.125 + 0.0625 * rng.integers(0, 3, steps) / 2.0
        result.append(exact_run(loop, x0, steps, w, k)[0])
    return result


LOOPS = [
    *(compose(linear_plant(disturbed=seed % 2 == 1), random_controller(seed)) for seed in range(6)),
    *(compose(BentPlant(), random_controller(seed)) for seed in range(6)),
]


@pytest.mark.parametrize("branches", [1, 16])
@pytest.mark.parametrize("number", range(len(LOOPS)))
def test_flowpipes_contain_exact_trajectories(number: int, branches: int) -> None:
    loop, steps = LOOPS[number], 5
    result = reach(problem(loop, horizon=steps), settings={"branches": branches})
    assert result.reason is None
    assert result.verdict is None
    assert result.flowpipe is not None
    assert len(result.flowpipe.steps) == steps + 1
    for states in exact_trajectories(loop, steps, number):
        for step, x in zip(result.flowpipe.steps, states, strict=True):
            assert any(is_in(box, x) for box in step.sets), step.time  # type: ignore[arg-type]
    assert max(len(step.sets) for step in result.flowpipe.steps) <= max(branches, 3)


def test_the_loops_do_branch_and_join() -> None:
    """Otherwise the containment above says little."""
    most = []
    for loop in LOOPS:
        pipe = reach(problem(loop), settings={"branches": 1000}).flowpipe
        assert pipe is not None
        most.append(max(len(step.sets) for step in pipe.steps))
    assert sum(count > 3 for count in most) >= 4
    assert any(count == 1 for count in most[:6]) or min(most) < 3


@pytest.mark.parametrize("number", range(len(LOOPS)))
def test_decisions_contain_the_exact_one(number: int) -> None:
    """From every branch whose states contain an exact one, some branch goes on with its mode and its next state."""
    loop = LOOPS[number]
    compiled = SwitchedProblem.of(problem(loop))
    flow = SwitchedFlow(loop, 2, 2, 40)
    start = flow.start(*compiled.initial.rows(compiled.initial.lower, compiled.initial.upper))
    rng = np.random.default_rng(number)
    for x0 in START.lower + rng.integers(0, 17, (20, 2)) / 16.0 * (START.upper - START.lower):
        states, inputs, modes = exact_run(loop, x0, 1, None if not loop.plant.disturbances else np.zeros((1, 1)))
        matching = [
            choice
            for choice in flow.decision(start).choices
            if loop.controller.modes[choice.mode] == modes[0] and exactly(choice.input) == inputs[0]
        ]
        assert len(matching) == 1
        _, following = flow.after(start, matching[0])
        assert is_in(Box(*following.rows.ranges()), states[1])


@pytest.mark.parametrize("number", range(len(LOOPS)))
def test_verdicts_and_margins_agree_with_brute_force(number: int) -> None:
    """Three thresholds on p: certified margins are at most the exact ones, proofs and counterexamples are true."""
    loop, steps = LOOPS[number], 4
    runs = exact_trajectories(loop, steps, number, 150)
    top = max(x[0] for states in runs for x in states)
    for bound in (float(top) + 0.5, float(top) + 0.02, float(top) - 0.02):
        below = Stay(Box([-100.0], [bound]), on=("p",), name="below")
        question = problem(loop, below, horizon=steps)
        result = verify(question, budget=Budget(timeout_s=20.0), settings={"smallest_part": 2.0**-5})
        exact = Fraction(bound) - top
        (row,) = result.requirements
        if result.verdict is Verdict.VERIFIED:
            assert exact >= 0
            assert Fraction(row.margin_certified) <= exact
        if result.verdict is Verdict.FALSIFIED:
            assert_true(question, result, Fraction(bound))
        if exact < 0:
            assert result.verdict is Verdict.FALSIFIED
        if bound > top + Fraction(1, 4):
            assert result.verdict is Verdict.VERIFIED


def assert_true(question: Problem, result: Result, bound: Fraction) -> None:
    """The counterexample's exact trajectory exceeds the bound by at least what it says, at both ends of k."""
    point, loop = result.counterexample, question.closed_loop
    assert point is not None
    assert isinstance(loop, SwitchedLoop)
    assert question.initial_set.contains(point.x0).verdict == "inside"
    steps = len(point.t) - 1
    w = point.w if loop.plant.disturbances else None
    for k in (0.125, 0.1875):
        states, _, _ = exact_run(loop, point.x0, steps, w, k)
        assert max(x[0] - bound for x in states) >= Fraction(point.violation) >= 0


# one state: "low" where p <= threshold, "high" above


def sliver_loop() -> SwitchedLoop:
    """From p in (0.37, 0.37002] to p + 10, everything else stays: random points hardly ever show it."""
    # scores 0.37, p, 2 p - 0.37002: "low" up to 0.37, "sliver" up to 0.37002, then "high"
    network = Network.from_layers([[[0.0], [1.0], [2.0]]], [[0.37, 0.0, -0.37002]], [])
    names = ("low", "sliver", "high")
    inputs = dict(zip(names, ([0.0], [10.0], [0.0]), strict=True))
    return compose(counter(), SwitchedController(dict.fromkeys(names, network), inputs, "low"))


def test_a_sliver_of_violation_is_found_by_splitting() -> None:
    loop = sliver_loop()
    question = one(loop, 0.0, 1.0, Avoid(Box([5.0], [15.0]), name="far"))
    sampled = falsify(question, samples=256)
    assert sampled.verdict is Verdict.UNKNOWN
    result = verify(question, settings={"smallest_part": 2.0**-30})
    assert result.verdict is Verdict.FALSIFIED
    assert result.statistics.splits > 5
    assert result.counterexample is not None
    states, _, modes = exact_run(loop, result.counterexample.x0, 1)
    assert modes == ["sliver"]
    assert states[1][0] - 5 >= Fraction(result.counterexample.violation) > 4
    # the same with a part that is too coarse to find it is open, not proved
    coarse = verify(question, settings={"smallest_part": 0.25})
    assert (coarse.verdict, coarse.reason) == (Verdict.UNKNOWN, Reason.SPLIT_LIMIT)


@pytest.mark.parametrize("horizon", [1, 2])
def test_a_sliver_that_misses_a_goal_is_not_forgotten_among_the_branches(horizon: int) -> None:
    """At step 1 all but the sliver are in the goal; at step 2 branches are joined."""
    question = one(sliver_loop(), 0.0, 1.0, Reach(Box([-0.5], [1.5]), at=1), horizon=horizon)
    coarse = verify(question, settings={"smallest_part": 0.25, "branches": 1})
    assert (coarse.verdict, coarse.reason) == (Verdict.UNKNOWN, Reason.SPLIT_LIMIT)
    assert coarse.requirements[0].margin_certified <= -8.5
    fine = verify(question, settings={"smallest_part": 2.0**-30, "branches": 1})
    assert fine.verdict is Verdict.FALSIFIED
    assert fine.counterexample is not None
    assert exact_run(sliver_loop(), fine.counterexample.x0, 1)[2] == ["sliver"]


def test_mixed_outcomes_are_falsified_from_the_half_that_fails() -> None:
    loop = threshold_loop(0.5, 0.0, 3.0)
    question = one(loop, 0.0, 1.0, Stay(Box([-1.0], [2.0]), name="near"))
    result = verify(question)
    assert result.verdict is Verdict.FALSIFIED
    assert result.counterexample is not None
    assert result.counterexample.x0[0] > 0.5
    assert_true(question, result, Fraction(2))
    assert verify(dataclasses.replace(question, initial_set=Box([0.0], [0.5 - 1e-6]))).verdict is Verdict.VERIFIED


def test_several_modes_are_no_reason_to_split_where_all_are_harmless() -> None:
    result = verify(one(threshold_loop(0.5, 0.25, -0.25), 0.0, 1.0, Stay(Box([-2.0], [3.0])), horizon=6))
    assert result.verdict is Verdict.VERIFIED
    assert (result.statistics.parts, result.statistics.splits) == (1, 0)
    assert result.flowpipe is not None
    assert len(result.flowpipe.steps[1].sets) == 2
    assert "modes that are chosen: at most low, high" in result.notes


def test_splitting_closes_what_branches_leave_open() -> None:
    """Low moves up by 1/2, high down: near 1/2 both stay in [0, 1], but no branch keeps the whole set there."""
    result = verify(one(threshold_loop(0.5, 0.5, -0.5), 0.0, 1.0, Stay(Box([-0.125], [1.125]))))
    assert result.verdict is Verdict.VERIFIED
    assert result.statistics.splits > 0
    # exact: p + 1/2 for p <= 1/2, p - 1/2 above
    assert result.requirements[0].margin_certified <= 0.125


def constant_scores(low: float, high: float) -> SwitchedController:
    """Both scores are p + 1 everywhere: by the definition the first mode."""
    network = Network.from_layers([[[1.0], [1.0]]], [[1.0, 1.0]], [])
    return SwitchedController({"low": network, "high": network}, {"low": [low], "high": [high]}, "high")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.0, 0.25, Verdict.VERIFIED),
        (4.0, 5.0, Verdict.FALSIFIED),
        (0.0, 5.0, Verdict.UNKNOWN),
        (4.0, 0.0, Verdict.UNKNOWN),
    ],
)
def test_at_a_tie_every_mode_is_possible(low: float, high: float, verdict: Verdict) -> None:
    """What holds or fails for one of the modes only is neither proved nor refuted."""
    loop = compose(counter(), constant_scores(low, high))
    result = verify(one(loop, 0.0, 1.0, Stay(Box([-1.0], [2.0]))), settings={"smallest_part": 0.25})
    assert result.verdict is verdict
    # a candidate is what violates in simulation, where the first mode counts
    assert (result.counterexample is None) == (low == 0.0)


def test_on_the_edge_of_a_guard_both_inputs_are_possible() -> None:
    """The half-space p <= 1/2 is closed, so from exactly 1/2 the rule applies; rounding cannot tell."""

    def verdict(applied: float, otherwise: float, start: float) -> Verdict | None:
        rules = (InputRule([1.0], 0.5, [applied]),)
        loop = compose(counter(), threshold_controller(2.0, otherwise, otherwise, rules=rules))
        question = one(loop, start, start, Stay(Box([-1.0], [2.0])))
        return verify(question).verdict

    edge, below, above = 0.5, 0.5 - 2.0**-40, 0.5 + 2.0**-40
    assert [verdict(0.0, 1.0, p) for p in (below, edge, above)] == [Verdict.VERIFIED] * 3
    assert [verdict(5.0, 6.0, p) for p in (below, edge, above)] == [Verdict.FALSIFIED] * 3
    assert [verdict(5.0, 0.0, p) for p in (below, edge, above)] == [
        Verdict.FALSIFIED,
        Verdict.UNKNOWN,
        Verdict.VERIFIED,
    ]
    assert [verdict(0.0, 5.0, p) for p in (below, edge, above)] == [
        Verdict.VERIFIED,
        Verdict.UNKNOWN,
        Verdict.FALSIFIED,
    ]


def test_a_guard_that_cuts_the_set_gives_two_branches_and_later_rules_count() -> None:
    rules = (
        InputRule([1.0], 0.25, [1.0], next="low"),
        InputRule([1.0], 0.75, [2.0], next="low"),
        InputRule([1.0], 9.0, [3.0], next="high"),
    )
    loop = compose(counter(), threshold_controller(9.0, 0.0, 0.0, rules=rules))
    pipe = reach(one(loop, 0.0, 1.0)).flowpipe
    assert pipe is not None
    found = sorted((float(box.lower[0]), float(box.upper[0])) for box in pipe.steps[1].sets)  # type: ignore[union-attr]
    np.testing.assert_allclose(found, [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)], atol=1e-12)
    assert all(low <= exact and high >= exact + 1 for (low, high), exact in zip(found, (0, 1, 2), strict=True))
    # equal inputs are one branch
    same = [dataclasses.replace(rule, input=np.zeros(1)) for rule in rules]
    pipe = reach(one(compose(counter(), threshold_controller(9.0, 0.0, 0.0, rules=tuple(same))), 0.0, 1.0)).flowpipe
    assert pipe is not None
    assert len(pipe.steps[1].sets) == 1


def test_a_set_is_to_be_reached_on_every_branch_each_at_its_own_time() -> None:
    """From [0, 1]: low (p <= 1/2) goes 2 up per step, high 1 up: 2 is passed at different steps."""
    controller = threshold_controller(0.5, 2.0, 1.0)
    loop = compose(counter(), controller)
    goal = Box([1.9], [3.1])
    assert verify(one(loop, 0.0, 1.0, Reach(goal, within=2), horizon=3)).verdict is Verdict.VERIFIED
    assert verify(one(loop, 0.0, 1.0, Reach(goal, at=1), horizon=3)).verdict is Verdict.FALSIFIED
    # exactly: high from (1/2, 1] is at (1.5, 2] after one step, so 1.6 misses at step 1 and is reached at step 2
    result = falsify(one(loop, 0.0, 1.0, Reach(goal, at=1), horizon=3))
    assert result.counterexample is not None
    states, _, _ = exact_run(loop, result.counterexample.x0, 1)
    assert Fraction(1.9) - states[1][0] >= Fraction(result.counterexample.violation) > 0
    never = falsify(one(loop, 0.0, 1.0, Reach(Box([9.0], [10.0]), within=3), horizon=3))
    assert never.counterexample is not None
    states, _, _ = exact_run(loop, never.counterexample.x0, 3)
    assert min(9 - x[0] for x in states) >= Fraction(never.counterexample.violation) > 0


def test_requirements_on_inputs_and_outputs() -> None:
    loop = threshold_loop(0.5, 0.25, -0.25)
    small = Stay(Box([-0.375], [0.375]), on=("u",), name="small")
    smaller = Stay(Box([-0.25], [0.125]), on=("u",), name="smaller")
    result = verify(one(loop, 0.0, 1.0, small, horizon=3))
    assert result.verdict is Verdict.VERIFIED
    assert 0.124 < result.requirements[0].margin_certified <= 0.125
    result = verify(one(loop, 0.0, 1.0, smaller, horizon=3))
    assert result.verdict is Verdict.FALSIFIED
    assert result.counterexample is not None
    assert result.counterexample.u.max() == 0.25
    bent = compose(BentPlant(), random_controller(0))
    # y = p u: exactly what trajectories say
    top = max(
        x[0] * u[0]
        for x0 in START.lower
        + np.array([[i, j] for i in range(5) for j in range(5)]) / 4.0 * (START.upper - START.lower)
        for x, u in zip(*exact_run(bent, x0, 1, np.zeros((1, 1)))[:2], strict=False)
    )
    outputs = problem(bent, Stay(Box([-9.0], [float(top) + 0.25]), on=("y",), name="y"), horizon=1)
    result = verify(outputs)
    assert result.verdict is Verdict.VERIFIED
    assert Fraction(result.requirements[0].margin_certified) <= Fraction(float(top) + 0.25) - top


def test_replays_refuse_what_is_not_violated() -> None:
    loop = threshold_loop(0.5, 0.0, 3.0)
    compiled = SwitchedProblem.of(one(loop, 0.0, 1.0, Stay(Box([-1.0], [2.0])), Reach(Box([2.0], [9.0]), at=1)))
    stay, goal = compiled.monitors
    none = np.zeros((1, 0))
    assert replayed(compiled, stay, np.array([0.25]), none, Meter()) is None
    assert replayed(compiled, goal, np.array([0.75]), none, Meter()) is None
    time, violation = replayed(compiled, stay, np.array([0.75]), none, Meter()) or (0, 0.0)
    assert time == 1
    assert 1.75 - 1e-9 < violation <= 1.75
    # at the threshold itself two branches remain, of which one stays
    assert replayed(compiled, stay, np.array([0.5]), none, Meter()) is None
    assert replayed(compiled, goal, np.array([0.5]), none, Meter()) is None


def test_budgets_are_unknown() -> None:
    question = one(threshold_loop(0.5, 0.5, -0.5), 0.0, 1.0, Stay(Box([-0.125], [1.125])))
    result = verify(question, budget=Budget(nodes=1))
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, Reason.NODE_BUDGET)
    result = verify(question, budget=Budget(timeout_s=1e-9))
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, Reason.TIME_BUDGET)


def test_an_enclosure_that_overflows_is_no_proof() -> None:
    loop = compose(counter(1e300), threshold_controller(0.5, 1e300, 1e300))
    question = one(loop, 0.0, 1.0, Stay(Box([-1.0], [1e308]), (2, 2)), horizon=2)
    assert verify(question, settings={"smallest_part": 0.5}).verdict is Verdict.UNKNOWN
    assert reach(question).reason is Reason.ENCLOSURE_DIVERGED


def test_halves_follow_the_shares_and_stop() -> None:
    low, high = np.array([0.0, 0.0]), np.array([1.0, 8.0])
    (_, first), (second, _) = halves(low, high, np.array([0.7, 0.3]), np.array([0.5, 0.5]))
    assert (first.tolist(), second.tolist()) == ([0.5, 8.0], [0.5, 0.0])
    (_, first), _ = halves(low, high, np.array([0.7, 0.3]), np.array([1.0, 0.5]))
    assert first.tolist() == [1.0, 4.0]
    assert halves(low, high, np.array([0.7, 0.3]), np.array([1.0, 8.0])) == []


def test_the_right_engine_is_chosen_and_the_others_object() -> None:
    switched = one(threshold_loop(0.5, 0.0, 0.0), 0.0, 1.0)
    chosen, note = engine_for(switched, "auto")
    assert chosen.id == "switched"
    assert note == "engine switched: the controller switches among networks"
    for name in ("branch-and-bound", "polynomial"):
        with pytest.raises(UnsupportedError, match=f"which the engine {name} does not treat; use switched"):
            engine_for(switched, name)
    cart = CartProblem().build()
    assert engine_for(cart, "auto")[0].id == "branch-and-bound"
    with pytest.raises(UnsupportedError, match="the controller has one network, but the engine switched"):
        engine_for(cart, "switched")
    with pytest.raises(UnsupportedError, match="only the engine switched"):
        _ = switched.network_loop
    assert cart.network_loop is cart.closed_loop
    assert SwitchedEngine.settings_type is SwitchedSettings


CODE = """
import sys
from nnctrl import Box, Problem, Spec, Stay, reach, falsify, verify
from tests.switched_loops import BentPlant, compose, linear_plant, random_controller, threshold_loop
loop = threshold_loop(0.5, 0.25, -0.25)
problem = Problem(loop, Box([0.0], [1.0]), Spec((Stay(Box([-2.0], [3.0]), on=("p",)),)), 3, "small")
print(verify(problem).verdict, verify(problem, engine="switched").engine)
reach(problem), falsify(problem, samples=10)
heavy = ("torch", "casadi", "cvxpy", "matplotlib", "onnx", "control")
print([name for name in heavy if name in sys.modules])
bent = Problem(compose(BentPlant(), random_controller(0)), Box([0.0, 0.0], [0.1, 0.1]), problem.spec, 3, "bent")
reach(bent)
print([name for name in heavy if name in sys.modules])
"""


def test_the_engine_works_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["VERIFIED switched", "[]", "['casadi']"]
