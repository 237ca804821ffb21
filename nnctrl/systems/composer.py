"""The step composer: plant and controller become one block diagram, and the diagram one network.

For an affine plant `x+ = A x + B u + c + E w` and a network with last layer W the composed last layer is `B W`, and
`A x + E w + c` is its feedthrough: everything that bounds a network bounds the closed loop.

A plant that is not affine, or continuous, stays outside: the network is that of the controller with all of its parts,
and the plant's tapes follow it (`nonlinear_step`).
"""

from __future__ import annotations

import dataclasses
from typing import overload

import numpy as np

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.sets.box import Box
from nnctrl.systems.affine_maps import select
from nnctrl.systems.assembly import assemble
from nnctrl.systems.closed_loop import ClosedLoop, StepMap
from nnctrl.systems.controller import Controller, Memory
from nnctrl.systems.diagram import (
    BlockDiagram,
    LinearBlock,
    NetworkBlock,
    Source,
    affine_block,
    delay_block,
    saturation_block,
)
from nnctrl.systems.fit import check_fit, sample_period
from nnctrl.systems.nonlinear_step import NonlinearStepMap
from nnctrl.systems.plant import Plant
from nnctrl.systems.signals import interval_of
from nnctrl.systems.switched import SwitchedController, SwitchedLoop


@overload
def compose(plant: Plant, controller: Controller) -> ClosedLoop: ...


@overload
def compose(plant: Plant, controller: SwitchedController) -> SwitchedLoop: ...


def compose(plant: Plant, controller: Controller | SwitchedController) -> ClosedLoop | SwitchedLoop:
    """The closed loop of a plant and a controller as one step map: of one sample, for a continuous plant of one period
    with the input held. A switched controller stays beside the plant in a `SwitchedLoop`: it has no single network.

    UnsupportedError for a controller that observes outputs which are not affine, and for a switched one of a continuous
    plant;
    AlgebraicLoopError naming the cycle if the input is needed to compute itself; InputError for a disturbance without a
    range. Cost: one product of the plant's matrices with the last layer.
    """
    if isinstance(controller, SwitchedController) and isinstance(plant, Plant):
        return SwitchedLoop(plant, controller)
    check_fit(plant, controller)
    period = sample_period(plant, controller)
    if controller.observes == "outputs" and not plant.has_affine_output():
        raise UnsupportedError(
            f"the controller observes the outputs of '{plant.name}', which are not affine in (x, u, w); let it observe "
            "states"
        )
    affine = has_affine_step(plant)
    diagram = closed_loop_diagram(plant, controller)
    if affine:
        ports = ["actuator.out", *(["plant.y"] if plant.outputs else [])]
    else:
        ports = ["actuator.out", *(["w.out"] if plant.disturbance_size else [])]
    network = dataclasses.replace(assemble(diagram, ports), origin=controller.network.origin)
    states = [block for block in diagram.blocks.values() if isinstance(block, LinearBlock)]
    views = controller.view_size if controller.noise is not None else 0
    names = (
        tuple(name for block in states for name in block.state_names),
        tuple(plant.inputs),
        tuple(plant.outputs),
        (*plant.disturbances, *(f"noise{k + 1}" for k in range(views))),
    )
    disturbance = disturbance_box(plant, controller)
    step = (
        StepMap(*names, disturbance, network)
        if affine
        else NonlinearStepMap(*names, disturbance, network, plant, period)
    )
    rest = [block.initial for block in states if block.initial is not None]
    return ClosedLoop(plant, controller, diagram, step, np.concatenate([np.zeros(0), *rest]))


def has_affine_step(plant: Plant) -> bool:
    """Whether the step of a plant can be multiplied into a network."""
    return plant.is_discrete and plant.is_affine()


def closed_loop_diagram(plant: Plant, controller: Controller) -> BlockDiagram:
    """The diagram of the parts of a controller around a plant; blocks that do nothing are left out.

    Blocks: plant, queue (delay line), memory, w, noise, observation, network, output, saturation, and actuator, whose
    port "out" is the input that the plant gets. A plant that is not affine is held in its state: it moves elsewhere.
    """
    diagram = BlockDiagram()
    observed = controller.observation if controller.observes == "outputs" else None
    diagram.add("plant", plant_block(plant, observed))
    if controller.delay:
        diagram.add("queue", delay_block(tuple(plant.inputs), controller.initial_line))
    if controller.memory is not None:
        diagram.add("memory", memory_block(controller.memory))
    if plant.disturbance_size:
        diagram.add("w", Source(plant.disturbance_size))
        diagram.connect("w.out", "plant.w")
    view = _observe(diagram, controller)
    if controller.memory is not None:
        diagram.connect(view, "memory.in")
        size, extra = controller.view_size, controller.memory_size
        diagram.add("inputs", affine_block(Affine.identity(size + extra), view=size, memory=extra))
        diagram.connect(view, "inputs.view")
        diagram.connect("memory.out", "inputs.memory")
        view = "inputs.out"
    diagram.add("network", NetworkBlock(controller.network))
    diagram.connect(view, "network.in")
    command = "network.out"
    if controller.output is not None:
        command = _insert(diagram, "output", affine_block(controller.output), command)
    if controller.saturation is not None:
        command = _insert(diagram, "saturation", saturation_block(controller.saturation), command)
    if controller.delay:
        diagram.connect(command, "queue.in")
        command = "queue.out"
    command = _insert(diagram, "actuator", affine_block(Affine.identity(plant.input_size)), command)
    diagram.connect(command, "plant.u")
    return diagram


def _observe(diagram: BlockDiagram, controller: Controller) -> str:
    """Add what lies between the plant and the network's input; returns the port of the observations v."""
    view = "plant.x"
    if controller.observes == "outputs":
        # "plant.v" looks at the observed outputs only, so that others may depend on the input
        view = "plant.y" if controller.observation is None else "plant.v"
    elif controller.observation is not None:
        view = _insert(diagram, "observation", affine_block(controller.observation), view)
    if controller.noise is None:
        return view
    size = controller.view_size
    diagram.add("noise", Source(size))
    diagram.add("measurement", affine_block(Affine.linear(np.hstack([np.eye(size)] * 2)), view=size, noise=size))
    diagram.connect(view, "measurement.view")
    diagram.connect("noise.out", "measurement.noise")
    return "measurement.out"


def _insert(diagram: BlockDiagram, name: str, block: LinearBlock | NetworkBlock, source: str) -> str:
    """Add a block with ports "in" and "out" behind a port; returns its output port."""
    diagram.add(name, block)
    diagram.connect(source, f"{name}.in")
    return f"{name}.out"


def plant_block(plant: Plant, observation: Affine | None = None) -> LinearBlock:
    """A plant: input ports "u" and, with disturbances, "w"; output ports "x" and, with affine outputs, "y".

    With an `observation` of the outputs it has the port "v" as well. Dynamics that are not affine, or continuous, are
    not in it: its next state is its state.
    """
    inputs = {"u": plant.input_size}
    if plant.disturbance_size:
        inputs["w"] = plant.disturbance_size
    size = plant.state_size + sum(inputs.values())
    own = select(size, slice(0, plant.state_size))
    maps = {"x": own}
    output = plant.affine_output() if plant.has_affine_output() else None
    if output is not None:
        maps["y"] = output
        if observation is not None:
            maps["v"] = output.then(observation)
    following = plant.affine().state if has_affine_step(plant) else own
    return LinearBlock(inputs, maps, following, None, tuple(plant.states))


def memory_block(memory: Memory) -> LinearBlock:
    """The controller's own state, with ports "in" and "out"."""
    size, views = memory.H.shape
    names = tuple(f"memory{k + 1}" for k in range(size))
    recursion = Affine.linear(np.hstack([memory.F, memory.H]))
    return LinearBlock({"in": views}, {"out": select(size + views, slice(0, size))}, recursion, memory.start, names)


def disturbance_box(plant: Plant, controller: Controller) -> Box | None:
    """The box of [w; noise], None if there is neither; InputError for a disturbance without a range."""
    missing = [name for name in plant.disturbances if name not in plant.ranges]
    if missing:
        raise InputError(
            f"the disturbance '{missing[0]}' of '{plant.name}' has no range; give "
            f"ranges={{'{missing[0]}': (low, high)}}"
        )
    bounds = [interval_of(plant.name, name, plant.ranges[name]) for name in plant.disturbances]
    sides = np.array(bounds, dtype=np.float64).reshape(len(bounds), 2)
    lower, upper = sides[:, 0], sides[:, 1]
    if controller.noise is not None:
        lower, upper = np.concatenate([lower, controller.noise.lower]), np.concatenate([upper, controller.noise.upper])
    return Box(lower, upper) if len(lower) else None
