"""Compiled kernels are kept under a name that changes with everything that they are made from."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from nnctrl import compiled as module
from nnctrl.compiled import PACKAGE, SOURCES, compiled

TYPES_ONLY = {"nnctrl._typing", "nnctrl.compiled", "nnctrl.sets.monomials"}
"""Modules from which kernels take the names of types, and nothing that is compiled."""


def covered() -> set[Path]:
    return {file for pattern in SOURCES for file in PACKAGE.glob(pattern)}


def test_every_kernel_and_every_constant_of_kernels_counts() -> None:
    users = [f for f in PACKAGE.rglob("*.py") if "from nnctrl.compiled import" in f.read_text()]
    assert len(users) >= 9
    for file in users:
        assert file in covered(), file
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nnctrl"):
                if node.module in TYPES_ONLY:
                    continue
                assert PACKAGE.parent / f"{(node.module or '').replace('.', '/')}.py" in covered(), (file, node.module)


def test_the_folder_is_named_after_the_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    (package / "sets").mkdir(parents=True)
    kernel = package / "sets" / "some_kernels.py"
    monkeypatch.setattr(module, "PACKAGE", package)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    folders = []
    for text in ("x = 1\n", "x = 2\n", "x = 1\n"):
        kernel.write_text(text)
        module._folder.cache_clear()
        folders.append(module._folder())
    module._folder.cache_clear()
    assert folders[0] == folders[2] != folders[1]
    assert folders[0] is not None
    assert folders[0].parent == tmp_path / "cache"


def test_without_a_place_for_machine_code_kernels_are_compiled_in_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    module._folder.cache_clear()
    assert module._folder() is None
    doubled = compiled(_doubled)
    module._folder.cache_clear()
    assert doubled(np.float64(1.5)) == 3.0


def _doubled(x: float) -> float:
    return 2.0 * x
