"""The names of `import nnctrl`: they load, lazily, and type checkers see the same ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nnctrl

LARGEST_NUMBER = 60


def declared() -> dict[str, str]:
    """Names and modules that are imported under TYPE_CHECKING."""
    tree = ast.parse(Path(nnctrl.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module).removeprefix("nnctrl.") for node in imports for alias in node.names}


def test_type_checkers_see_what_programs_get() -> None:
    assert declared() == nnctrl._HOMES
    assert len(nnctrl._HOMES) <= LARGEST_NUMBER


@pytest.mark.parametrize("name", sorted(nnctrl._HOMES))
def test_every_name_loads_and_says_what_it_is(name: str) -> None:
    thing = getattr(nnctrl, name)
    assert thing.__name__ == name or name == "register"
    assert thing.__doc__
    assert name in dir(nnctrl)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Bocks'"):
        _ = nnctrl.Bocks


def test_sets_and_plants_come_without_torch() -> None:
    """Each name brings what it needs and no more."""
    code = (
        "import sys, nnctrl; nnctrl.Box([0.0], [1.0]); nnctrl.LinearPlant; nnctrl.Spec; "
        "print([m for m in ('torch', 'casadi', 'control', 'matplotlib', 'cvxpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
