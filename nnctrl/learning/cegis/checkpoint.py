"""The state of a counterexample loop as files: strict JSON beside ONNX networks, so that a killed run goes on.

`state.json` names the networks that belong to it, with their hashes, and is replaced last: whenever a run is killed,
the folder holds one whole state.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nnctrl.errors import InputError
from nnctrl.files import is_file, path_faults_named, write_atomically
from nnctrl.learning.cegis.state import Round, State
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.method import CurvePoint
from nnctrl.networks.network import Network
from nnctrl.networks.onnx_export import onnx_bytes
from nnctrl.networks.onnx_import import read_onnx
from nnctrl.verification.verdict import Verdict

STATE_FILE = "state.json"

FORMAT = 1
"""Of the state; another one is refused."""

NETWORKS = ("start", "current", "best")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The folder in which a loop keeps its state; `fingerprint` is that of its task."""

    folder: Path
    fingerprint: str

    def load(self) -> State | None:
        """The state that was kept, None if there is none; InputError for that of another task and for damaged files."""
        place = self.folder / STATE_FILE
        if not is_file(place):
            return None
        with path_faults_named(place, "read"):
            text = place.read_bytes()
        try:
            data = json.loads(text)
            written_for = (data["format"], data["fingerprint"])
        except (ValueError, KeyError, TypeError):
            raise self._damaged() from None
        if written_for != (FORMAT, self.fingerprint):
            raise InputError(
                f"the checkpoint {self.folder} belongs to another task, or to other settings; give the ones it was "
                "made with, or another folder"
            )
        try:
            return _state(data, self._network)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise self._damaged() from error

    def save(self, state: State) -> None:
        """Keep a state in place of the last one; InputError if it cannot be written."""
        with path_faults_named(self.folder, "made"):
            self.folder.mkdir(parents=True, exist_ok=True)
        names: dict[str, dict[str, str] | None] = dict.fromkeys(NETWORKS)
        for role in NETWORKS:
            network: Network | None = getattr(state, role)
            if network is None:
                continue
            content = onnx_bytes(network)
            digest = hashlib.sha256(content).hexdigest()
            names[role] = {"file": f"{role}-{digest[:12]}.onnx", "sha256": digest}
            write_atomically(self.folder / f"{role}-{digest[:12]}.onnx", content)
        data = {"format": FORMAT, "fingerprint": self.fingerprint, "networks": names, **_data(state)}
        write_atomically(self.folder / STATE_FILE, json.dumps(data, allow_nan=False, indent=1).encode())
        kept = {entry["file"] for entry in names.values() if entry is not None}
        for old in [file for role in NETWORKS for file in self.folder.glob(f"{role}-*.onnx")]:
            if old.name not in kept:
                with path_faults_named(old, "removed"):
                    old.unlink(missing_ok=True)

    def _network(self, entry: dict[str, str] | None) -> Network | None:
        if entry is None:
            return None
        network = read_onnx(self.folder / Path(entry["file"]).name)
        if network.origin is None or network.origin.sha256 != entry["sha256"]:
            raise self._damaged()
        return network

    def _damaged(self) -> InputError:
        return InputError(f"the checkpoint {self.folder} is damaged; remove it, or give another folder")


def _data(state: State) -> dict[str, Any]:
    """Everything of a state but its networks."""
    focus = state.focus
    return {
        "rounds": state.rounds,
        "seconds": state.seconds,
        "best_round": state.best_round,
        "focus": {"size": focus.points.shape[1], **{name: rows.tolist() for name, rows in vars(focus).items()}},
        "history": [_strict(dataclasses.asdict(entry)) for entry in state.history],
        "curve": [_strict(dataclasses.asdict(point)) for point in state.curve],
    }


def _state(data: dict[str, Any], network: Callable[[dict[str, str] | None], Network | None]) -> State:
    size = data["focus"]["size"]
    rows = [np.array(data["focus"][name], dtype=np.float64).reshape(-1, size) for name in ("points", "lower", "upper")]
    history = [Round(**{**_numbers(entry), "verdict": Verdict(entry["verdict"])}) for entry in data["history"]]
    curve = [CurvePoint(**_numbers(entry)) for entry in data["curve"]]
    networks = {role: network(data["networks"][role]) for role in NETWORKS}
    state = State(
        focus=Focus(*rows),
        seconds=float(data["seconds"]),
        best_round=int(data["best_round"]),
        history=tuple(history),
        curve=tuple(curve),
        **networks,
    )
    if (state.best is None) != (state.best_round < 0) or state.best_round >= state.rounds:
        raise ValueError("the best network belongs to no round")
    return state


def _strict(entry: dict[str, Any]) -> dict[str, Any]:
    """JSON has neither infinity nor nan."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in entry.items()
    }


def _numbers(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in entry.items()}
