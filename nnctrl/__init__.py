"""nnctrl: verification and synthesis of neural-network controllers in closed loop.

The names below are what most programs need; `import nnctrl` itself loads nothing, each name brings its own module when
it is first used. Everything else is imported from where it lives (`nnctrl.networks.activations`, `nnctrl.bounds`, ...).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnctrl.errors import NnctrlError as NnctrlError
    from nnctrl.learning.task import Task as Task
    from nnctrl.learning.task import TaskDefinition as TaskDefinition
    from nnctrl.networks.load import load_network as load_network
    from nnctrl.networks.network import Network as Network
    from nnctrl.networks.onnx_export import write_onnx as write_onnx
    from nnctrl.networks.torch_import import from_sequential as from_sequential
    from nnctrl.networks.torch_import import from_state_dict as from_state_dict
    from nnctrl.reachability.open_loop import NormBall as NormBall
    from nnctrl.reachability.open_loop import support_of_image as support_of_image
    from nnctrl.registry import register as register
    from nnctrl.sets.box import Box as Box
    from nnctrl.sets.distance import distance_lower_bound as distance_lower_bound
    from nnctrl.sets.ellipsoid import Ball as Ball
    from nnctrl.sets.ellipsoid import Ellipsoid as Ellipsoid
    from nnctrl.sets.intersection import intersects as intersects
    from nnctrl.sets.polytope import Polytope as Polytope
    from nnctrl.sets.zonotope import Zonotope as Zonotope
    from nnctrl.specs.moving import Moving as Moving
    from nnctrl.specs.spec import Avoid as Avoid
    from nnctrl.specs.spec import Reach as Reach
    from nnctrl.specs.spec import Spec as Spec
    from nnctrl.specs.spec import Stay as Stay
    from nnctrl.specs.sublevel import Sublevel as Sublevel
    from nnctrl.systems.check import check_controller as check_controller
    from nnctrl.systems.check import check_plant as check_plant
    from nnctrl.systems.closed_loop import ClosedLoop as ClosedLoop
    from nnctrl.systems.composer import compose as compose
    from nnctrl.systems.controller import Controller as Controller
    from nnctrl.systems.controller import Memory as Memory
    from nnctrl.systems.expert import Expert as Expert
    from nnctrl.systems.linear_plant import LinearPlant as LinearPlant
    from nnctrl.systems.plant import Plant as Plant
    from nnctrl.systems.simulation import simulate as simulate
    from nnctrl.systems.switched import InputRule as InputRule
    from nnctrl.systems.switched import SwitchedController as SwitchedController
    from nnctrl.systems.unroll import unroll as unroll
    from nnctrl.verification.decide import falsify as falsify
    from nnctrl.verification.decide import reach as reach
    from nnctrl.verification.decide import verify as verify
    from nnctrl.verification.problem import Problem as Problem
    from nnctrl.verification.problem import ProblemDefinition as ProblemDefinition
    from nnctrl.verification.settings import Budget as Budget
    from nnctrl.verification.settings import setting as setting
    from nnctrl.verification.verdict import Reason as Reason
    from nnctrl.verification.verdict import Result as Result
    from nnctrl.verification.verdict import Verdict as Verdict

_HOMES = {
    "Avoid": "specs.spec",
    "Ball": "sets.ellipsoid",
    "Box": "sets.box",
    "Budget": "verification.settings",
    "ClosedLoop": "systems.closed_loop",
    "Controller": "systems.controller",
    "Ellipsoid": "sets.ellipsoid",
    "Expert": "systems.expert",
    "InputRule": "systems.switched",
    "LinearPlant": "systems.linear_plant",
    "Memory": "systems.controller",
    "Moving": "specs.moving",
    "Network": "networks.network",
    "NnctrlError": "errors",
    "NormBall": "reachability.open_loop",
    "Plant": "systems.plant",
    "Polytope": "sets.polytope",
    "Problem": "verification.problem",
    "ProblemDefinition": "verification.problem",
    "Reach": "specs.spec",
    "Reason": "verification.verdict",
    "Result": "verification.verdict",
    "Spec": "specs.spec",
    "Stay": "specs.spec",
    "Sublevel": "specs.sublevel",
    "SwitchedController": "systems.switched",
    "Task": "learning.task",
    "TaskDefinition": "learning.task",
    "Verdict": "verification.verdict",
    "Zonotope": "sets.zonotope",
    "check_controller": "systems.check",
    "check_plant": "systems.check",
    "compose": "systems.composer",
    "distance_lower_bound": "sets.distance",
    "falsify": "verification.decide",
    "from_sequential": "networks.torch_import",
    "from_state_dict": "networks.torch_import",
    "intersects": "sets.intersection",
    "load_network": "networks.load",
    "reach": "verification.decide",
    "register": "registry",
    "setting": "verification.settings",
    "simulate": "systems.simulation",
    "support_of_image": "reachability.open_loop",
    "unroll": "systems.unroll",
    "verify": "verification.decide",
    "write_onnx": "networks.onnx_export",
}
"""Module of every public name, below nnctrl; the imports above say the same to type checkers."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnctrl' has no attribute '{name}'")
    value = getattr(import_module(f"nnctrl.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
