"""The direction of imports (lazy ones too), what may be heavy, and that the library knows no plant: from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnctrl import registry

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "nnctrl"
SOURCES = sorted(LIBRARY.rglob("*.py"))

STOREYS = [
    {"errors", "_typing", "progress"},
    {"registry", "files", "threads", "arrays", "compiled"},
    {"suite"},
    {"sets"},
    {"networks"},
    {"systems"},
    {"bounds"},
    {"branching", "specs"},
    {"reachability"},
    {"verification"},
    {"learning"},
    {"io"},
    {"plotting"},
    {"report"},
    {"cli"},
]
"""From bottom to top; a package imports itself and lower storeys only."""

PLUGINS = {"plants", "controllers", "benchmarks"}

HEAVY = {"torch", "casadi", "control", "cvxpy", "matplotlib", "onnx", "networkx"}

LIGHT_PACKAGES = {
    "errors",
    "_typing",
    "registry",
    "progress",
    "files",
    "threads",
    "arrays",
    "compiled",
    "suite",
    "sets",
    "networks",
    "systems",
    "io",
    "plotting",
    "report",
    "cli",
}
"""May import heavy libraries inside functions only; the others compute with torch."""


def package_of(path: Path) -> str:
    """The package (or module) directly below nnctrl that a source belongs to."""
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Absolute names of imported modules with the statements that import them, wherever they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            # `from nnctrl import registry` imports the submodule
            names = [f"nnctrl.{alias.name}" for alias in node.names] if node.module == "nnctrl" else [node.module or ""]
            yield from ((name, node) for name in names)


def storey(package: str) -> int:
    (found,) = [level for level, packages in enumerate(STOREYS) if package in packages]
    return found


def test_every_package_has_a_storey() -> None:
    packages = {package_of(path) for path in SOURCES} - {"__init__"}
    assert packages <= set().union(*STOREYS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = package_of(path)
    for name, node in imported(ast.parse(path.read_text())):
        top, *rest = name.split(".")
        assert top not in PLUGINS, f"line {node.lineno}: the library imports a plug-in, {name}"
        if top != "nnctrl" or own == "__init__" or rest[:1] == [own]:
            continue
        assert rest, f"line {node.lineno}: imports the whole library"
        assert storey(rest[0]) < storey(own), f"line {node.lineno}: {own} imports {name}, which is not below it"


def module_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run at import: no function bodies, nothing under TYPE_CHECKING."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_lazily(path: Path) -> None:
    if package_of(path) not in LIGHT_PACKAGES | {"__init__"}:
        return
    for statement in module_level(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, node in imported(statement):
                assert name.split(".")[0] not in HEAVY, f"line {node.lineno}: {name} is imported with the module"


def test_library_knows_no_plant_or_benchmark() -> None:
    ids = {
        name.split("/")[-1]
        for kind in ("plants", "controllers", "experts", "problems")
        for name in registry.names(kind)
    }
    assert ids
    spellings = {name: re.sub(r"[-_ ]+", "[-_ ]?", re.escape(name).replace(r"\-", "-")) for name in ids}
    # the shortest ids are parts of other words, such as "acc" of "accuracy"
    parts = [rf"\b{spelling}\b" if len(name) < 5 else spelling for name, spelling in spellings.items()]
    pattern = re.compile("|".join(parts), re.IGNORECASE)
    for path in SOURCES:
        found = pattern.search(path.read_text())
        assert found is None, f"{path} mentions {found[0]}"
