"""The suite of the Hessian paper on small settings: its relations hold, and its rows say what they should."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.hessian_paper_suite import counts as counts_script
from benchmarks.hessian_paper_suite import methods
from benchmarks.hessian_paper_suite.closed_loops import problem_of, reach_loop
from benchmarks.hessian_paper_suite.fig1 import Fig1
from benchmarks.hessian_paper_suite.fig4 import Fig4
from benchmarks.hessian_paper_suite.fig6 import Fig6, random_network
from benchmarks.hessian_paper_suite.fig7 import Fig7
from benchmarks.hessian_paper_suite.fig8 import Fig8
from benchmarks.hessian_paper_suite.fig9 import VERIFY, Fig9, flowpipe_of
from benchmarks.hessian_paper_suite.methods import DEFAULT, Clock, Cost, Repeated, first_order, zeroth_order
from benchmarks.hessian_paper_suite.random_networks import DIRECTIONS, area, polygon
from benchmarks.hessian_paper_suite.suite import HessianPaperSuite
from benchmarks.hessian_paper_suite.table1 import Table1
from benchmarks.hessian_paper_suite.table2 import Table2
from benchmarks.hessian_paper_suite.table3 import Table3
from nnctrl import simulate
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.view import NetworkView
from nnctrl.suite import Conditions, Findings
from tests.shared import shared_path

PNG = b"\x89PNG"

THREE = (DEFAULT, first_order(), zeroth_order("LipLT"))


def conditions() -> Conditions:
    return Conditions(shared_path("seed-networks"), seeds=1)


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "MOST_NODES", 100_000)


def column(findings: Findings, name: str, **where: object) -> list[Any]:
    """Values of a column in the rows that have the values `where`."""
    return [row.get(name) for row in findings.rows if all(row.get(key) == value for key, value in where.items())]


def ratio(findings: Findings, **where: object) -> float:
    """How many times more nodes first order takes than the default bound."""
    (first,) = column(findings, "nodes", method="first order", **where)
    (default,) = column(findings, "nodes", method=DEFAULT.label, **where)
    return first / default


def test_every_experiment_of_the_paper_is_there_and_names_published_networks() -> None:
    experiments = HessianPaperSuite().experiments()
    assert [e.id for e in experiments] == [
        *("fig1", "fig4", "fig6", "fig7", "fig8", "fig9", "table1", "table2", "table3")
    ]
    for experiment in experiments:
        for name in experiment.networks:
            assert shared_path(f"seed-networks/{name}").is_file()
    assert [e.id for e in experiments if not e.networks] == ["fig1", "fig4", "fig6"]


def test_the_taylor_abstraction_holds_the_function() -> None:
    found = Fig1(count=51).run(Conditions())
    assert found.contradictions() == []
    zeroth, first = column(found, "widest", radius=0.1)
    assert first < zeroth
    assert found.drawings[0].draw().startswith(PNG)


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_theorem_3_gives_the_crossover(layers: int) -> None:
    found = Fig4(layers=layers).run(Conditions())
    assert found.contradictions() == []
    assert found.drawings[0].draw().startswith(PNG)


def test_better_constants_give_smaller_hessian_norms() -> None:
    found = Fig6(depths=(2, 3, 4)).run(Conditions(seeds=1))
    assert found.contradictions() == []
    assert column(found, "networks", lipschitz="LipLT") == [4, 4, 4]
    assert column(found, "networks", lipschitz="LipSDP") == [1, 1, 1]
    shares = {name: column(found, "of_naive", lipschitz=name, layers=4)[0] for name in methods.LIPSCHITZ}
    assert shares["LipSDP"] < shares["LipLT"] < shares["naive"] == 1.0
    assert found.drawings[0].draw().startswith(PNG)


def test_random_networks_are_reproducible_and_have_their_depth() -> None:
    network = random_network(4, 7)
    assert network.architecture() == "2-32-32-32-2 tanh"
    x = np.ones((1, 2))
    assert np.array_equal(network(x), random_network(4, 7)(x))
    assert not np.array_equal(network(x), random_network(4, 8)(x))


def test_the_sigmoid_network() -> None:
    """The goal of four times fewer nodes is missed by a little, which is no contradiction."""
    found = Fig7(methods=THREE).run(conditions())
    assert found.contradictions() == []
    for count in (4, 16):
        assert ratio(found, directions=count) >= 3.5
    assert [item.binding for item in found.expectations] == [True, True, False] * 2
    assert found.drawings[0].draw().startswith(PNG)


@pytest.mark.usefixtures("small_budget")
def test_the_tanh_networks_and_a_run_that_its_budget_ends() -> None:
    found = Fig8(names=("Tanh", "Tanh1", "Tanh2"), methods=THREE).run(conditions())
    assert found.contradictions() == []
    for name, factor in (("Tanh", 4.0), ("Tanh1", 2.0), ("Tanh2", 10.0)):
        assert ratio(found, network=name) >= factor
    assert column(found, "ended_by", network="Tanh2", method="zeroth order") == ["node-budget"]
    assert column(found, "ended_by", network="Tanh1") == [None, None, None]


@pytest.mark.usefixtures("small_budget")
def test_first_order_needs_fewer_branches_than_zeroth() -> None:
    found = Table1(methods=THREE).run(conditions())
    assert found.contradictions() == []
    assert column(found, "ended_by", system="quadrotor") == [None, None, "node-budget"]
    assert ratio(found, system="quadrotor") >= 10.0
    # a goal of ten, which is missed
    assert ratio(found, system="double integrator") >= 5.0
    assert column(found, "paper_branches", method="first order") == [600, 930_000]


def test_the_constants_of_the_first_order_method() -> None:
    found = Table2(systems=("double integrator",), accuracies=(1e-3,)).run(conditions())
    assert found.contradictions() == []
    naive, liplt, lipsdp = column(found, "branches", method="first order")
    assert lipsdp <= liplt <= naive
    assert all(seconds > 0.0 for seconds in column(found, "lipschitz_s", method="first order"))
    assert column(found, "paper_branches") == [4_100, 2_200, 2_200, None]


def test_the_best_bound_rule_looks_ahead() -> None:
    found = Table3(accuracies=(1e-2,)).run(conditions())
    assert found.contradictions() == []
    (branches,), (nodes,) = column(found, "branches", rule="best bound"), column(found, "nodes", rule="best bound")
    assert nodes > 2 * branches


def test_collisions_are_excluded_and_pictures_drawn() -> None:
    found = Fig9(systems=("quadrotor",), steps=10, runs=((DEFAULT, 1e-2),)).run(conditions())
    assert found.contradictions() == []
    assert column(found, "verdict") == ["VERIFIED", "VERIFIED"]
    assert column(found, "expected_verdict", method=VERIFY) == ["VERIFIED"]
    assert found.drawings[0].draw().startswith(PNG)
    assert found.drawings[0].name == "fig9-quadrotor-taylor-default-0.01"


def test_enclosures_hold_simulated_states() -> None:
    problem = problem_of("double integrator", conditions().models)
    flowpipe = flowpipe_of(problem, reach_loop(problem, first_order(), 1e-2, seed=0))
    start = problem.initial_set.sample(np.random.default_rng(0), 500)
    x = simulate(problem.closed_loop.plant, problem.closed_loop.controller, start, 5).x
    for k in range(6):
        directions, support = flowpipe.template(k)
        assert (x[:, k] @ directions.T <= support).all()


def test_seeds_change_the_trajectories_and_so_the_counts() -> None:
    problem = problem_of("double integrator", conditions().models)
    runs = [reach_loop(problem, first_order(), 1e-3, seed).cost.branches for seed in range(3)]
    assert len(set(runs)) > 1


def test_a_run_that_its_budget_ends_is_not_repeated() -> None:
    costs = iter([Cost(4, 4, 1.0, 0.1, None), Cost(9, 9, 2.0, 0.3, "node-budget"), Cost(6, 6, 1.0, 0.1, None)])
    found = Repeated.over_seeds(3, lambda seed: next(costs))
    assert (found.branches, found.stopped, found.row()["seeds"]) == (9.0, "node-budget", 1)


def test_means_and_deviations() -> None:
    found = Repeated([Cost(4, 8, 1.0, 0.1, None), Cost(6, 12, 3.0, 0.3, None)]).row()
    assert (found["branches"], found["branches_std"], found["nodes"]) == (5.0, 1.0, 10.0)
    assert (found["time_s"], found["time_s_std"], found["ended_by"]) == (2.0, 1.0, None)
    assert math.isclose(found["lipschitz_s"], 0.2)


def test_timing_changes_no_constant() -> None:
    view, clock = NetworkView.of(random_network(3, 0)), Clock()
    ones, direction = torch.ones(1, 2, dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    timed = first_order("LipLT").timed(clock).bound
    assert isinstance(timed, FirstOrderBound)
    assert torch.equal(
        timed.local_facts(view, -ones, ones, direction), FirstOrderBound().local_facts(view, -ones, ones, direction)
    )
    assert clock.seconds > 0.0
    assert DEFAULT.timed(clock) is DEFAULT


def test_polygons_of_bounds() -> None:
    square = DIRECTIONS["4 directions"]
    assert area(polygon(square, np.ones(4))) == pytest.approx(4.0)
    # a bound that is not tight cuts nothing off
    slack = np.where(np.arange(16) % 4 == 0, 1.0, 10.0)
    assert area(polygon(DIRECTIONS["16 directions"], slack)) == pytest.approx(4.0)


def test_every_choice_taken_back_costs_branches() -> None:
    """The script that explains why our counts are lower than the paper's, on the double integrator."""
    problem = problem_of("double integrator", shared_path("seed-networks"))
    counts = [int(counts_script.branches(problem, bound).replace(",", "")) for _, bound in counts_script.ROWS]
    assert counts[:5] == sorted(counts[:5])
    assert min(counts[5:]) > counts[4]
    # the paper's 670 lies between what bounds and attained values are worth
    assert counts[4] < 670 < counts[5]
