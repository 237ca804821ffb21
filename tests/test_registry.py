"""Ids: listed without imports, loaded one by one, complete."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest

from nnctrl import registry
from nnctrl.errors import InputError, UnknownNameError
from nnctrl.registry import Kind, PluginError, Registry

ALL_IDS = [(kind.value, name) for kind in Kind for name in registry.names(kind)]


def with_entry_points(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> Registry:
    everything = EntryPoints(points)
    monkeypatch.setattr(registry, "entry_points", lambda **query: everything.select(**query))
    return Registry()


def problem_entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "nnctrl.problems")


def test_names_import_nothing() -> None:
    code = (
        "import sys; from nnctrl import registry; "
        "[registry.names(k) for k in registry.Kind]; [registry.entries(k) for k in registry.Kind]; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('plants', 'controllers', 'benchmarks', 'numpy', 'torch', 'casadi', 'click')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("kind", "name"), ALL_IDS)
def test_every_id_loads(kind: str, name: str) -> None:
    assert callable(registry.load(kind, name))


def test_problem_ids_are_those_of_their_classes() -> None:
    for name in registry.names("problems"):
        assert registry.load("problems", name).id == name


def members(package: str, base: type) -> set[str]:
    """Concrete public subclasses of `base` that the modules of a package define, as 'module:name'."""
    found = set()
    root = importlib.import_module(package)
    modules: list[ModuleType] = [
        importlib.import_module(item.name) for item in pkgutil.walk_packages(root.__path__, f"{package}.")
    ]
    for module in modules:
        for name, thing in inspect.getmembers(module, inspect.isclass):
            own = thing.__module__ == module.__name__ and not name.startswith("_")
            if own and issubclass(thing, base) and not inspect.isabstract(thing):
                found.add(f"{module.__name__}:{name}")
    return found


@pytest.mark.parametrize(
    ("kind", "package", "base"),
    [
        ("plants", "plants", "nnctrl.systems.plant:Plant"),
        ("experts", "controllers", "nnctrl.systems.expert:Expert"),
        ("problems", "benchmarks", "nnctrl.verification.problem:ProblemDefinition"),
        ("engines", "nnctrl.verification", "nnctrl.verification.engine:AbstractEngine"),
        ("bounds", "nnctrl.bounds", "nnctrl.bounds.base:AbstractBound"),
        ("suites", "benchmarks", "nnctrl.suite:AbstractSuite"),
    ],
)
def test_everything_written_is_registered(kind: str, package: str, base: str) -> None:
    module, name = base.split(":")
    written = members(package, getattr(importlib.import_module(module), name))
    assert written == {entry.source for entry in registry.entries(kind) if entry.package == "nnctrl"}


def test_bounds_are_called_what_they_are_registered_as() -> None:
    for name in registry.names("bounds"):
        assert registry.load("bounds", name)().name == name


def test_unknown_id_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown bound 'intervall'; did you mean 'interval'\?"):
        registry.load("bounds", "intervall")


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown kind 'plant'; did you mean 'plants'\?"):
        registry.names("plant")


def test_broken_plugin_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = with_entry_points(
        monkeypatch, problem_entry("broken", "no_such_module:thing"), problem_entry("fine", "collections:OrderedDict")
    )
    assert mine.names("problems") == ("broken", "fine")
    assert mine.load("problems", "fine").__name__ == "OrderedDict"
    with pytest.raises(PluginError, match=r"problem 'broken' from 'no_such_module:thing'.*ModuleNotFoundError"):
        mine.load("problems", "broken")


def test_missing_attribute_is_a_plugin_error(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = with_entry_points(monkeypatch, problem_entry("broken", "collections:nothing"))
    with pytest.raises(PluginError, match="AttributeError"):
        mine.load("problems", "broken")


def test_one_id_from_two_packages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = with_entry_points(
        monkeypatch, problem_entry("mine", "collections:deque"), problem_entry("mine", "collections:Counter")
    )
    assert mine.names("problems") == ("mine",)
    with pytest.raises(PluginError, match=r"registered twice: collections:\w+ .* and collections:\w+ "):
        mine.load("problems", "mine")


def test_register_adds_to_one_registry_only() -> None:
    mine, other = Registry(), Registry()
    thing = object()
    assert mine.register("plants", "my-plant")(thing) is thing
    assert mine.load("plants", "my-plant") is thing
    assert "my-plant" in mine.names("plants")
    assert "my-plant" not in other.names("plants")
    (entry,) = [entry for entry in mine.entries("plants") if entry.id == "my-plant"]
    assert entry.source == "in process"
    mine.unregister("plants", "my-plant")
    assert "my-plant" not in mine.names("plants")


def test_taken_id_is_refused() -> None:
    mine = Registry()
    mine.register("plants", "my-plant")(object())
    with pytest.raises(InputError, match="the plant id 'my-plant' is taken"):
        mine.register("plants", "my-plant")(object())
    with pytest.raises(InputError, match="the bound id 'interval' is taken"):
        mine.register("bounds", "interval")(object())


def test_unregister_takes_back_additions_only() -> None:
    with pytest.raises(UnknownNameError, match="unknown in-process bound 'interval'"):
        Registry().unregister("bounds", "interval")
