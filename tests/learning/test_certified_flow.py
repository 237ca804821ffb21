"""Flows of a training: points lie in the forms, both agree with simulation, and gradients are gradients."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
from certified_tasks import TASKS, continuous_task, cubic_task, small_network

from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.learning.certified.flow import ACCURACY, Flow
from nnctrl.learning.task import Task
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Reach, Spec
from nnctrl.systems.controller import Controller
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate


def parts_of(flow, rng, count):
    low, high = flow.initial.lower.numpy(), flow.initial.upper.numpy()
    ends = np.sort(rng.uniform(low, high, (2, count, len(low))), axis=0)
    ends[:, 0] = low, high
    return ends[0], ends[1]


def random_trajectories(task, flow, network, starts, rng):
    """Signals [batch, moments, all] with disturbances and parameters at random, by the flow's own step where it has
    no disturbances.
    """
    plant = task.plant
    if not plant.disturbances:
        with torch.no_grad():
            return flow.trajectories(NetworkView.of(network), tensor(starts)).numpy()
    low, high = flow.disturbance[0].numpy(), flow.disturbance[1].numpy()
    first, last = plant.parameter_bounds
    x, rows = starts, []
    for _ in range(task.samples):
        u = network(x)
        w, p = rng.choice([0.0, 1.0, 0.4], (len(x), len(low))), rng.choice([0.0, 1.0, 0.7], (len(x), len(first)))
        w, p = low + w * (high - low), first + p * (last - first)
        y = [plant.measure(x, u, w, p)] if plant.outputs else []
        rows.append(np.concatenate([x, u, *y], axis=1))
        x = plant.step(x, u, w, p)
    return rows, x


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_trajectories_lie_in_the_forms_of_their_part(kind):
    rng = np.random.default_rng(0)
    task = TASKS[kind]()
    flow, network = Flow.of(task), small_network()
    low, high = parts_of(flow, rng, 3)
    moments = list(flow.moments(NetworkView.of(network), flow.part(tensor(low), tensor(high))))
    assert [moment.number for moment in moments] == list(range(flow.samples * flow.looks + 1))
    for part in range(3):
        q = rng.uniform(low[part], high[part], (200, low.shape[1]))
        q[:50] = np.where(rng.uniform(size=(50, low.shape[1])) < 0.5, low[part], high[part])
        starts = flow.initial.to_state(q)
        found = random_trajectories(task, flow, network, starts, rng)
        rows = [*found[0], found[1]] if isinstance(found, tuple) else list(found.transpose(1, 0, 2))
        for moment, points in zip(moments, rows, strict=True):
            form = moment.signals
            size = form.centre.shape[1]
            middle = (form.centre + form.offset)[part].detach().numpy()
            reach = (form.spread() + form.rounding)[part].detach().numpy()
            assert (np.abs(points[:, :size] - middle) <= reach + 1e-12).all()


def test_a_continuous_plant_is_followed_to_the_accuracy_that_it_says():
    task = continuous_task()
    network, start = small_network(), task.initial_set.sample(np.random.default_rng(1), 20)
    view = NetworkView.of(network)
    flow = Flow.of(task).accurate_along(view, tensor(start))
    found = flow.trajectories(view, tensor(start)).detach().numpy()[:, :: flow.looks, :2]
    wanted = simulate(task.plant, Controller(network, period=task.period), start, task.samples).x
    assert np.abs(found - wanted).max() <= 10.0 * ACCURACY * np.abs(np.diff(wanted, axis=1)).max()


def test_a_longer_period_takes_more_steps():
    task = continuous_task()
    start = tensor(task.initial_set.sample(np.random.default_rng(1), 20))
    view = NetworkView.of(small_network())
    needed = [
        Flow.of(dataclasses.replace(task, period=period)).accurate_along(view, start).substeps for period in (0.1, 1.0)
    ]
    assert needed[0] < needed[1]


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_gradients_by_the_weights_are_those_of_differences(kind):
    task = TASKS[kind]()
    flow, network = Flow.of(task), small_network()
    view = NetworkView.of(network)
    weight = view.blocks[0].affines[0].weight.requires_grad_(True)

    def total():
        *_, last = flow.moments(view, flow.part(flow.initial.lower[None], flow.initial.upper[None]))
        form = last.signals
        return (form.centre + form.offset + 0.5 * form.spread() + form.rounding).sum()

    (gradient,) = torch.autograd.grad(total(), weight)
    direction = tensor(np.random.default_rng(2).standard_normal(tuple(weight.shape)))
    step = 1e-6
    with torch.no_grad():
        weight += step * direction
        above = float(total())
        weight -= 2.0 * step * direction
        below = float(total())
    assert float((gradient * direction).sum()) == pytest.approx((above - below) / (2.0 * step), rel=1e-4)


def test_interval_parameters_and_disturbances_widen_the_forms():
    task = cubic_task()
    view = NetworkView.of(small_network())
    nominal = type(task.plant)(parameters={"k": 1.0}, ranges={"w": (0.0, 0.0)})
    flows = [Flow.of(task), Flow.of(type(task)(nominal, task.initial_set, task.spec, task.horizon, "nominal"))]
    spreads = []
    for flow in flows:
        *_, last = flow.moments(view, flow.part(flow.initial.lower[None], flow.initial.upper[None]))
        spreads.append(float((last.signals.spread() + last.signals.rounding)[0, 1]))
    assert spreads[0] > 1.05 * spreads[1]


def test_outputs_of_an_affine_plant_hold_for_all_its_parameters():
    class Scaled(Plant):
        states: ClassVar[dict[str, str]] = {"x": "1"}
        inputs: ClassVar[dict[str, str]] = {"u": "1"}
        outputs: ClassVar[dict[str, str]] = {"y": "1"}
        parameters: ClassVar[dict[str, tuple[float, float]]] = {"k": (1.0, 3.0)}
        dt = 1.0

        def dynamics(self, x, u):
            return (0.5 * x[0] + u[0],)

        def output(self, x, p):
            return (p["k"] * x[0],)

    task = Task(Scaled(), Box([0.9], [1.0]), Spec((Reach(Box([-9.0], [9.0]), at=2),)), 2, "scaled")
    flow = Flow.of(task)
    first, *_ = flow.moments(
        NetworkView.of(small_network(1)), flow.part(flow.initial.lower[None], flow.initial.upper[None])
    )
    form = first.signals
    reach = (form.spread() + form.rounding)[0, 2].item()
    middle = (form.centre + form.offset)[0, 2].item()
    assert middle - reach <= 1.0 * 0.9
    assert middle + reach >= 3.0 * 1.0


def test_a_trajectory_that_diverges_stays_finite_and_says_what_to_change():
    class Explosive(Plant):
        states: ClassVar[dict[str, str]] = {"x": "1"}
        inputs: ClassVar[dict[str, str]] = {"u": "1"}
        dt = 1.0

        def dynamics(self, x, u):
            return (2.0 * x[0] + x[0] ** 3 + u[0],)

    task = Task(Explosive(), Box([0.9], [1.0]), Spec((Reach(Box([-1.0], [1.0]), at=20),)), 20, "explosive")
    view = NetworkView.of(small_network(1))
    bias = view.blocks[0].affines[-1].bias.requires_grad_(True)
    end = Flow.of(task).trajectories(view, tensor(np.array([[0.95]])))[0, -1, 0]
    (gradient,) = torch.autograd.grad(end, bias)
    assert 10.0 < float(end.detach()) <= 1.0 + 20 * 10.0
    assert float(gradient) > 0.0
