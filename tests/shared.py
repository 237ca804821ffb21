"""Test data that is not part of the repository: found beside it, or the test is skipped and says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "NNCTRL_SHARED"


def shared_folder() -> Path:
    """The folder named by NNCTRL_SHARED, by default `shared` beside the repository."""
    return Path(os.environ.get(VARIABLE) or Path(__file__).parents[2] / "shared")


def shared_path(relative: str) -> Path:
    """The file or folder `relative` of the shared data; the test is skipped when it is not there."""
    path = shared_folder() / relative
    if not path.exists():
        pytest.skip(f"shared data '{relative}' is not in {shared_folder()}; set {VARIABLE} to the folder that has it")
    return path
