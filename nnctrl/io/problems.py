"""From what the user typed (an id or a Python file, and `key=value` pairs) to a problem and typed engine settings."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnctrl import registry
from nnctrl.errors import InputError, NnctrlError, UnknownNameError, UnsupportedError, describe_error, what_is
from nnctrl.files import is_file, mode_of
from nnctrl.registry import PluginError
from nnctrl.verification.problem import Problem, ProblemDefinition
from nnctrl.verification.settings import Budget, Key, Settings

if TYPE_CHECKING:
    from nnctrl.learning.task import Task

AUTO = "auto"
"""The engine name that leaves the choice to nnctrl."""


@dataclass(frozen=True)
class ProblemSource:
    """What the user typed."""

    reference: str
    assignments: Mapping[str, str] = field(default_factory=dict)
    models: Path | None = None
    trust: bool = False
    engine: str | None = None
    """The engine whose keys may be set; None where no engine runs."""

    @property
    def file(self) -> Path | None:
        """The Python file, or None for a registered id."""
        return Path(self.reference) if self.reference.endswith(".py") else None


@dataclass(frozen=True)
class OpenedProblem:
    """A problem, or a definition with the user's keys in it, and the engine keys that the user set."""

    source: ProblemSource
    subject: Problem | ProblemDefinition
    engine_values: Mapping[str, object]

    @property
    def definition(self) -> ProblemDefinition | None:
        """The definition that the problem is built from, if there is one."""
        return self.subject if isinstance(self.subject, ProblemDefinition) else None

    def build(self) -> Problem:
        """The problem; every fault of the user's is an InputError."""
        if isinstance(self.subject, Problem):
            return self.subject
        with _faults_named(self.source.file):
            built: object = self.subject.build()
        if not isinstance(built, Problem):
            raise InputError(
                f"build() of '{type(self.subject).__name__}' returns {what_is(built)}; it must return a nnctrl Problem"
            )
        return built

    def task(self) -> Task:
        """What a network is wanted for: the definition's task, or what the problem asks of its network; every fault of
        the user's is an InputError, and UnsupportedError where synthesis cannot make such a controller.
        """
        from nnctrl.learning.task import Task, TaskDefinition, task_of

        if not isinstance(self.subject, TaskDefinition):
            return task_of(self.build())
        with _faults_named(self.source.file):
            stated: object = self.subject.task()
        if not isinstance(stated, Task):
            raise InputError(
                f"task() of '{type(self.subject).__name__}' returns {what_is(stated)}; it must return a nnctrl Task"
            )
        return stated


def open_problem(source: ProblemSource) -> OpenedProblem:
    """Find what the user means and give it the user's keys; builds nothing yet."""
    found = _find(source)
    if isinstance(found, Problem):
        return OpenedProblem(source, found, _engine_values(source, dict(source.assignments), ()))
    with _faults_named(source.file):
        own = tuple(key.name for key in found.declared_keys())
    _check_names_of_keys(own, source.engine)
    mine = {name: text for name, text in source.assignments.items() if name in own}
    others = {name: text for name, text in source.assignments.items() if name not in own}
    engine_values = _engine_values(source, others, own)
    return OpenedProblem(source, found.updated(mine).with_models(source.models), engine_values)


def _check_names_of_keys(own: tuple[str, ...], engine: str | None) -> None:
    """Refuse a problem's keys that mean something else already: --set could not reach both (InputError)."""
    taken = {"samples": "falsification", "seed": "falsification"}
    taken |= {key.name: "budget" for key in Budget.declared_keys()}
    # engines are loaded only where one runs
    taken |= {key.name: "engine" for key in keys_of_engine(engine)}
    for name in own:
        if name in taken:
            raise InputError(f"the problem's key '{name}' is a key of the {taken[name]} too; rename it in the problem")


def keys_of_engine(engine: str | None) -> tuple[Key, ...]:
    """The keys that an engine takes: for "auto" those of every registered engine that loads, for None none."""
    if engine is None:
        return ()
    keys: dict[str, Key] = {}
    broken: list[PluginError] = []
    for name in registry.names("engines") if engine == AUTO else (engine,):
        try:
            settings: type[Settings] = registry.load("engines", name).settings_type
        except PluginError as error:
            broken.append(error)
            continue
        keys.update({key.name: key for key in settings.declared_keys()})
    # one broken plug-in must not take the others with it
    if broken and not keys:
        raise broken[0]
    return tuple(keys.values())


def _engine_values(source: ProblemSource, texts: Mapping[str, str], own: tuple[str, ...]) -> dict[str, object]:
    """The typed engine keys in `texts`; `own` are the problem's keys, for the message about an unknown one."""
    if not texts:
        return {}
    known = {key.name: key for key in keys_of_engine(source.engine)}
    for name in texts:
        if name not in known:
            raise UnknownNameError.among("key", name, [*own, *known])
    return {name: known[name].read(text) for name, text in texts.items()}


def _find(source: ProblemSource) -> Problem | ProblemDefinition:
    """The registered definition with its defaults, or what a Python file calls `problem`."""
    if source.reference in registry.names("problems"):
        return _as_problem(registry.load("problems", source.reference), f"the problem '{source.reference}'")
    if source.file is not None:
        return _from_python(source.file, source.trust)
    if Path(source.reference).suffix or mode_of(Path(source.reference)) is not None:
        raise UnsupportedError(
            f"'{source.reference}' is not a problem: give a registered id (nnctrl list problems) or a Python file"
        )
    raise UnknownNameError.among("problem", source.reference, registry.names("problems"))


def _as_problem(thing: object, what: str) -> Problem | ProblemDefinition:
    """A definition class becomes an instance with its defaults; problems and instances stay what they are."""
    if isinstance(thing, type) and issubclass(thing, ProblemDefinition):
        if inspect.isabstract(thing):
            raise InputError(
                f"{what} is {what_is(thing)}, which does not say how to build() its Problem; add that method"
            )
        return thing()
    if isinstance(thing, Problem | ProblemDefinition):
        return thing
    raise InputError(f"{what} is {what_is(thing)}; it must be a nnctrl Problem or a ProblemDefinition")


def _from_python(path: Path, trust: bool) -> Problem | ProblemDefinition:
    if not is_file(path):
        raise InputError(
            f"there is no file {path}; give a registered id (nnctrl list problems) or an existing Python file"
        )
    if not trust:
        raise InputError(f"{path} is a program that would be run as it is; add --trust if you trust it")
    name = f"nnctrl_problem_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be read as a Python file; check its name and permissions")
    module = importlib.util.module_from_spec(spec)
    # dataclasses resolve the annotations of a class through sys.modules
    sys.modules[name] = module
    with _faults_named(path), _importable(path.resolve().parent):
        spec.loader.exec_module(module)
        if not hasattr(module, "problem"):
            raise InputError(
                f"{path} defines no 'problem'; assign a nnctrl Problem or a ProblemDefinition to that name"
            )
        return _as_problem(module.problem, f"'problem' in {path}")


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a problem file import its neighbours, as a script can."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def _faults_named(path: Path | None) -> Iterator[None]:
    """Whatever the user's own file raises becomes an InputError naming file and line; other code's errors pass."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if path is None or isinstance(error, NnctrlError):
            raise
        # whatever else it is: SystemExit, GeneratorExit or the like would end the program without a word
        raise InputError(f"{path}{_line_of(error, path)} raises {describe_error(error)}; mend the file") from error


def _line_of(error: BaseException, path: Path) -> str:
    """', line 7,' where the error came through the file itself: the innermost such line."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f", line {error.lineno},"
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}," if lines else ""
