"""Training on a bound, whole: small tasks of every kind are solved from nothing, and the verifier says so."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from certified_tasks import TASKS, affine_task, continuous_task, cubic_task, small_network

from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.learning.certified.flow import Flow
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.certified.method import CertifiedMethod, CertifiedSettings
from nnctrl.learning.certified.objective import halved
from nnctrl.learning.certified.requirements import TrainingRequirements
from nnctrl.learning.certified.trainable import Scaling, Trainable
from nnctrl.networks.activations import Relu
from nnctrl.networks.network import Network
from nnctrl.progress import SilentProgress
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Reach, Spec, Stay
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.expert import Expert
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.verification.decide import verify

QUICK = CertifiedSettings(point_steps=300, box_steps=80, restarts=2, points=32)


def attempted(task, settings=QUICK, seconds=60.0, **others):
    return CertifiedMethod().attempt(task, settings, Meter(seconds=seconds), SilentProgress(), **others)


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_a_controller_is_made_from_nothing_and_verified(kind):
    task = TASKS[kind]()
    attempt = attempted(task)
    assert attempt.network is not None
    assert attempt.reason == "the bound that it was trained on holds on the whole initial set"
    assert verify(task.problem(attempt.network)).verdict == "VERIFIED"
    assert attempt.curve[-1].size == 1.0
    assert attempt.curve[-1].violation <= -0.5 * QUICK.slack
    assert [point.seconds for point in attempt.curve] == sorted(point.seconds for point in attempt.curve)


def test_the_same_seed_gives_the_same_weights():
    short = CertifiedSettings(point_steps=20, box_steps=5, restarts=1)
    first, second, other = (
        attempted(affine_task(), dataclasses.replace(short, seed=seed)).network for seed in (1, 1, 2)
    )
    x = np.random.default_rng(0).standard_normal((5, 2))
    assert (first(x) == second(x)).all()
    assert (first(x) != other(x)).any()


def test_when_time_runs_out_the_best_network_so_far_is_returned_with_the_reason():
    attempt = attempted(affine_task(), seconds=0.0)
    assert attempt.network is not None
    assert "time ran out" in attempt.reason


def test_a_task_that_cannot_be_met_ends_with_the_violation_that_is_left():
    task = affine_task()
    far = Reach(Box([99.0, 99.0], [100.0, 100.0]), at=8, name="goal")
    attempt = attempted(
        dataclasses.replace(task, spec=Spec((far,))), CertifiedSettings(point_steps=10, box_steps=3, restarts=1)
    )
    assert "the steps were used up" in attempt.reason
    assert attempt.curve[-1].violation > 1.0


def test_training_goes_on_from_a_network_with_its_architecture():
    task = affine_task()
    start = small_network()
    attempt = attempted(task, CertifiedSettings(point_steps=0, box_steps=0), start=start)
    x = np.random.default_rng(0).standard_normal((5, 2))
    assert np.abs(attempt.network(x) - start(x)).max() < 1e-12
    trained = attempted(task, start=start).network
    assert trained.architecture() == start.architecture()


def test_a_network_with_a_feedthrough_cannot_be_trained_further():
    skipping = Network.from_layers(
        [np.ones((3, 2)), np.ones((1, 3))], [np.zeros(3), np.zeros(1)], Relu(), feedthrough=np.ones((1, 2))
    )
    with pytest.raises(UnsupportedError, match="plain one"):
        attempted(affine_task(), start=skipping)


def test_other_settings_are_refused():
    from nnctrl.learning.method import SynthesisSettings

    with pytest.raises(InputError, match="CertifiedSettings"):
        attempted(affine_task(), SynthesisSettings())


class Proportional(Expert):
    """u = -x1 - 1.5 x2."""

    def control(self, x):
        return np.array([-x[0] - 1.5 * x[1]])


def test_with_an_expert_the_network_stays_close_to_it():
    task = affine_task()
    errors = []
    for price in (0.0, 100.0):
        settings = dataclasses.replace(QUICK, imitation=price, point_steps=100, box_steps=20)
        network = attempted(task, settings, expert=Proportional()).network
        x = task.initial_set.sample(np.random.default_rng(0), 200)
        wanted = np.array([Proportional().control(point) for point in x])
        errors.append(np.abs(network(x) - wanted).mean())
    assert errors[1] < 0.3 * errors[0]


def test_points_and_boxes_in_focus_are_trained_on():
    """Outside of the initial set, where nothing else would look."""
    task = dataclasses.replace(affine_task(), initial_set=Box([0.9, -0.05], [1.0, 0.05]))
    far = Box([1.25, -0.05], [1.35, 0.05])
    focus = Focus(far.sample(np.random.default_rng(0), 20), far.lower[None], far.upper[None])
    wide = dataclasses.replace(task, initial_set=far)
    with_focus, without = (attempted(task, focus=f).network for f in (focus, None))
    flow = Flow.of(wide)
    requirements = TrainingRequirements.of(wide, flow, 0.1)
    worst = [
        float(requirements.over_points(flow.trajectories(NetworkView.of(n), tensor(focus.points))).worst)
        for n in (with_focus, without)
    ]
    assert worst[0] <= 0.0 < worst[1]


def violations(task, network, at):
    """Of the one requirement, by its bound over a point-like box at `at` and by its trajectory."""
    flow = Flow.of(task)
    requirements = TrainingRequirements.of(task, flow, 0.1)
    view = NetworkView.of(network)
    box = requirements.over_boxes(flow.moments(view, flow.part(tensor(at)[None], tensor(at)[None])))
    point = requirements.over_points(flow.trajectories(view, flow.initial.view(tensor(at)[None])))
    return float(box.worst), float(point.worst)


@pytest.mark.parametrize(
    "requirement",
    [
        Stay(Box([0.0], [3.0]), on=("x",)),
        Stay(Box([0.5], [3.0]), (0.31, 0.79), on=("x",)),
        Avoid(Ball(np.array([0.0, 0.0]), 0.5)),
        Avoid(Moving(Ball(np.array([0.0, 0.0]), 0.5), np.array([0.2, 0.1]))),
        Reach(Ball(np.array([0.7, -0.3]), 0.2), at=1.0),
        Reach(Box([0.2, -0.4], [0.5, 0.1]), within=1.3),
        Stay(Sublevel(lambda z: z[0] ** 2 + z[1] - 2.0, 2)),
        Avoid(Sublevel(lambda z: z[0] ** 2 + z[1] - 0.2, 2)),
    ],
)
def test_at_a_point_the_bound_is_the_violation_of_the_trajectory(requirement):
    task = dataclasses.replace(continuous_task(), spec=Spec((requirement,)))
    box, point = violations(task, small_network(), [0.9, 0.05])
    assert math.isfinite(box)
    assert point <= box + 1e-12
    assert box == pytest.approx(point, abs=1e-6)


def test_violations_are_measured_in_the_inner_radius_of_the_set():
    inside = dataclasses.replace(continuous_task(), spec=Spec((Stay(Box([-10.0, -4.0], [30.0, 4.0]), (0.0, 0.0)),)))
    assert violations(inside, small_network(), [0.9, 0.0])[1] == pytest.approx(-1.0)


def test_the_bound_covers_every_trajectory():
    task = cubic_task()
    network, flow = small_network(), Flow.of(task)
    requirements = TrainingRequirements.of(task, flow, 0.1)
    view = NetworkView.of(network)
    low, high = flow.initial.lower[None], flow.initial.upper[None]
    bound = float(requirements.over_boxes(flow.moments(view, flow.part(low, high))).worst)
    points = tensor(task.initial_set.sample(np.random.default_rng(0), 500))
    assert float(requirements.over_points(flow.trajectories(view, points)).worst) <= bound


def test_boxes_are_cut_where_they_move_the_state_most():
    low, high = halved(torch.zeros(1, 2), torch.ones(1, 2), np.array([[1.0, 0.2], [0.0, 0.1]]))
    assert low.tolist() == [[0.0, 0.0], [0.5, 0.0]]
    assert high.tolist() == [[0.5, 1.0], [1.0, 1.0]]


def test_scaling_takes_the_limits_of_the_inputs_from_requirements_before_ranges():
    task = affine_task()
    scaling = Scaling.of(task)
    assert scaling.input_scale.tolist() == [2.0]
    assert scaling.state_shift[0] == pytest.approx(0.5 * (-0.4 + 1.15))
    network = Trainable.random(task, (4,), np.random.default_rng(0)).network("test")
    assert np.abs(network(task.initial_set.sample(np.random.default_rng(0), 50))).max() < 2.0


def test_a_price_on_the_width_makes_the_sets_narrower_at_the_goal():
    undisturbed = LinearPlant([[1.0, 0.2], [0.0, 1.0]], [[0.02], [0.2]], dt=0.2)
    task = dataclasses.replace(affine_task(), plant=undisturbed)
    widths = []
    for price in (0.0, 2.0):
        network = attempted(task, dataclasses.replace(QUICK, width=price)).network
        flow = Flow.of(task)
        requirements = TrainingRequirements.of(task, flow, 0.1)
        start = flow.part(flow.initial.lower[None], flow.initial.upper[None])
        found = requirements.over_boxes(flow.moments(NetworkView.of(network), start))
        assert float(found.worst) <= -0.05
        widths.append(float(found.width))
    assert widths[1] < 0.95 * widths[0]
