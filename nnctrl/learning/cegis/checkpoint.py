"""The state of a counterexample loop as files: strict JSON beside ONNX networks, so that a killed run goes on.

`state.json` names the networks that belong to it, with their hashes, and is replaced last: whenever a run is killed,
the folder holds one whole state.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

from nnctrl.errors import InputError
from nnctrl.files import is_file, path_faults_named, write_atomically
from nnctrl.learning.cegis.state import State
from nnctrl.learning.cegis.state_data import data_of, state_of
from nnctrl.networks.network import Network
from nnctrl.networks.onnx_export import onnx_bytes
from nnctrl.networks.onnx_import import read_onnx

STATE_FILE = "state.json"

FORMAT = 1
"""Of the state; another one is refused."""

NETWORKS = ("start", "current", "best")

SHA256 = re.compile("[0-9a-f]{64}")

FAULTS = (ValueError, KeyError, TypeError, OverflowError)
"""What reading data raises that is not what was written."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The folder in which a loop keeps its state; `fingerprint` is that of its task, whose networks lead from `states`
    numbers to `inputs` numbers.
    """

    folder: Path
    fingerprint: str
    states: int
    inputs: int

    def load(self) -> State | None:
        """The state that was kept, None if there is none; InputError for that of another task and for damaged files."""
        place = self.folder / STATE_FILE
        if not is_file(place):
            return None
        with path_faults_named(place, "read"):
            text = place.read_bytes()
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
            written_for = (data["format"], data["fingerprint"])
        except (*FAULTS, RecursionError):
            # lists within lists without end are damage too
            raise self._damaged() from None
        if written_for != (FORMAT, self.fingerprint):
            raise InputError(
                f"the checkpoint {self.folder} belongs to another task, or to other settings; give the ones it was "
                "made with, or another folder"
            )
        try:
            networks = {role: self._network(role, data["networks"][role]) for role in NETWORKS}
            return state_of(data, networks, self.states)
        except FAULTS as error:
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
            names[role] = {"file": _file_name(role, digest), "sha256": digest}
            write_atomically(self.folder / _file_name(role, digest), content)
        data = {"format": FORMAT, "fingerprint": self.fingerprint, "networks": names, **data_of(state)}
        write_atomically(self.folder / STATE_FILE, json.dumps(data, allow_nan=False, indent=1).encode())
        kept = {entry["file"] for entry in names.values() if entry is not None}
        for old in [file for role in NETWORKS for file in self.folder.glob(f"{role}-*.onnx")]:
            if old.name not in kept:
                with path_faults_named(old, "removed"):
                    old.unlink(missing_ok=True)

    def _network(self, role: str, entry: dict[str, str] | None) -> Network | None:
        if entry is None:
            return None
        digest = entry["sha256"]
        if not isinstance(digest, str) or not SHA256.fullmatch(digest) or entry["file"] != _file_name(role, digest):
            raise ValueError(f"the file of the network {role} is not named by its hash")
        network = read_onnx(self.folder / entry["file"])
        if network.origin is None or network.origin.sha256 != digest:
            raise ValueError(f"the file of the network {role} has another hash")
        if (network.in_size, network.out_size) != (self.states, self.inputs):
            raise ValueError(f"the network {role} does not fit the plant")
        return network

    def _damaged(self) -> InputError:
        return InputError(f"the checkpoint {self.folder} is damaged; remove it, or give another folder")


def _file_name(role: str, digest: str) -> str:
    return f"{role}-{digest[:12]}.onnx"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not strict JSON")
