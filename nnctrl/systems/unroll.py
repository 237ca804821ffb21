"""Several steps of a closed loop as one deeper network, to be bounded without wrapping in between."""

from __future__ import annotations

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Block, Network
from nnctrl.systems.affine_maps import beside, spread_columns, stack_rows, zero_map
from nnctrl.systems.closed_loop import AbstractStepMap, StepMap
from nnctrl.systems.nonlinear_step import NonlinearStepMap


def unroll(step: AbstractStepMap, steps: int) -> Network:
    """The network `[z_0; d_0; ...; d_(K-1)] -> [z_K; u_(K-1); y_(K-1)]` of K = `steps` samples.

    Disturbances of later steps pass by in the feedthroughs. Exact: the matrices of the step are repeated, none are
    multiplied.
    """
    if isinstance(step, NonlinearStepMap):
        raise UnsupportedError(
            f"the steps of '{step.plant.name}' do not unroll into one network, for its dynamics are not affine; follow "
            "them one by one"
        )
    if not isinstance(step, StepMap):
        raise InputError(f"a {type(step).__name__} was to be unrolled; give the step map of a closed loop (loop.step)")
    if steps < 1:
        raise InputError(f"a step map was to be unrolled over {steps} steps; give 1 or more")
    blocks: list[Block] = []
    for k in range(steps):
        waiting = (steps - 1 - k) * step.disturbance_size
        last = len(step.network.blocks) - 1
        for index, block in enumerate(step.network.blocks):
            if index == last and k < steps - 1:
                block = _first_rows(block, step.state_size)
            blocks.append(_pass_by(block, waiting))
    return Network(tuple(blocks), step.network.origin)


def _first_rows(block: Block, count: int) -> Block:
    """The first outputs only: u and y of all but the last step are not needed."""
    skip = None if block.feedthrough is None else block.feedthrough.rows(slice(0, count))
    return Block((*block.affines[:-1], block.affines[-1].rows(slice(0, count))), block.activations, skip)


def _pass_by(block: Block, count: int) -> Block:
    """The block with `count` more inputs, which appear unchanged behind its outputs."""
    if count == 0:
        return block
    size = block.in_size + count
    skip = zero_map(block.in_size, block.out_size) if block.feedthrough is None else block.feedthrough
    if not block.activations:
        return Block(
            (beside(block.affines[0], Affine.identity(count)),),
            (),
            None if block.feedthrough is None else beside(skip, zero_map(count, count)),
        )
    first = spread_columns(block.affines[0], slice(0, block.in_size), size)
    last = stack_rows([block.affines[-1], zero_map(block.affines[-1].in_size, count)])
    return Block((first, *block.affines[1:-1], last), block.activations, beside(skip, Affine.identity(count)))
