"""Tasks: problems without a network."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from certified_tasks import affine_task, continuous_task, small_network

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.task import Task, TaskDefinition, constant_network, task_of
from nnctrl.networks.activations import Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.onnx_export import write_onnx
from nnctrl.sets.box import Box
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.verification.problem import Problem


def test_a_task_with_a_network_is_a_problem():
    task = continuous_task()
    problem = task.problem(small_network())
    assert problem.initial_set is task.initial_set
    assert problem.closed_loop.controller.period == 0.1
    assert problem.samples == task.samples == 20


def test_what_is_wrong_is_said_when_the_task_is_made():
    with pytest.raises(InputError, match="period"):
        dataclasses.replace(continuous_task(), period=None)
    with pytest.raises(DimensionError, match="initial set"):
        dataclasses.replace(affine_task(), initial_set=Box([0.0], [1.0]))
    with pytest.raises(InputError, match="whole number"):
        dataclasses.replace(continuous_task(), period=0.3)


@pytest.mark.parametrize("hidden", [(0,), (-3,), (3.5,), (True,), ("4",), "abc", [4], 4, None])
def test_hidden_layers_are_whole_numbers(hidden):
    with pytest.raises(InputError, match=r"the task's hidden layers are .*; give a tuple of whole numbers from 1 on"):
        dataclasses.replace(affine_task(), hidden=hidden)


@pytest.mark.parametrize(("activation", "named"), [("tanh", "a str"), (None, "a NoneType"), (Tanh, "the class Tanh")])
def test_an_activation_is_one(activation, named):
    with pytest.raises(InputError, match=f"the task's activation is {named}; give an Activation object"):
        dataclasses.replace(affine_task(), activation=activation)


@pytest.mark.parametrize(("plant", "named"), [(None, "a NoneType"), (LinearPlant, "the class LinearPlant")])
def test_a_plant_is_one(plant, named):
    with pytest.raises(InputError, match=f"the task's plant is {named}; give a Plant object"):
        dataclasses.replace(affine_task(), plant=plant)


def test_the_task_of_a_problem_is_all_but_its_network():
    problem = continuous_task().problem(small_network())
    task = task_of(problem)
    assert (task.plant, task.spec, task.horizon, task.period) == (
        problem.closed_loop.plant,
        problem.spec,
        problem.horizon,
        0.1,
    )


@pytest.mark.parametrize(
    ("surroundings", "named"),
    [
        ({"output": Affine.identity(1)}, "an output map"),
        ({"observation": Affine.identity(2)}, "an observation map"),
        ({"delay": 1}, "a delay"),
        ({"saturation": Box([-1.0], [1.0])}, "a saturation"),
        ({"noise": Box([-0.1, -0.1], [0.1, 0.1])}, "measurement noise"),
    ],
)
def test_controllers_with_more_than_a_network_are_refused_by_name(surroundings, named):
    task = affine_task()
    loop = compose(task.plant, Controller(small_network(), **surroundings))
    problem = Problem(loop, task.initial_set, task.spec, 8, "surrounded")
    with pytest.raises(UnsupportedError, match=named):
        task_of(problem)


@dataclass(frozen=True)
class Definition(TaskDefinition):
    """A task."""

    id: ClassVar[str] = "test-task"

    def task(self) -> Task:
        return affine_task()


def test_a_definition_builds_its_problem_with_the_network_of_a_file(tmp_path):
    network = small_network()
    write_onnx(network, tmp_path / "network.onnx")
    problem = Definition(network=tmp_path / "network.onnx").build()
    x = np.array([[0.3, -0.2]])
    assert (problem.closed_loop.controller.network(x) == network(x)).all()


def test_without_a_file_it_says_that_one_can_be_made():
    with pytest.raises(InputError, match="nnctrl synthesize makes one"):
        Definition().build()


def test_a_constant_network_is_constant():
    network = constant_network(np.array([1.5, -2.0]), 3)
    assert network(np.random.default_rng(0).standard_normal((4, 3))).tolist() == [[1.5, -2.0]] * 4
