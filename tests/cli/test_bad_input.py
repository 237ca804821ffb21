"""Wrong input: status 2, one or two sentences that name the value, the rule and the remedy, and no output file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnctrl.networks.onnx_export import write_onnx
from tests.cli.conftest import Ran
from tests.small_loop import cart_network

Nnctrl = Callable[..., Ran]

COMMANDS = ("verify", "reach", "falsify", "simulate", "show")


def assert_refused(ran: Ran, *parts: str) -> None:
    """Status 2 and one line on stderr with all of `parts`."""
    assert ran.status == 2, ran
    assert ran.err.startswith("nnctrl: ")
    assert len(ran.err.splitlines()) == 1
    assert "Traceback" not in ran.err
    # a sentence ends in a full stop or question mark before a space or the end
    assert len(re.findall(r"[.?](?=\s|$)", ran.err)) <= 2
    for part in parts:
        assert part in ran.err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("test-cat",), ("unknown problem 'test-cat'", "did you mean 'test-cart'?")),
        (("test-cart", "--set", "horizn=3"), ("unknown key 'horizn'", "did you mean 'horizon'?")),
        (
            ("test-cart", "--set", "horizon=soon"),
            ("'horizon' takes an integer >= 1 (steps), not 'soon'", "default is 5"),
        ),
        (("test-cart", "--set", "horizon=0"), ("takes an integer >= 1",)),
        (("test-cart", "--set", "horizon=1e24"), ("give a positive number of steps, at most 100000",)),
        (("test-cart", "--set", "horizon=" + "9" * 400), ("give a positive number of steps, at most 100000",)),
        (("test-cart", "--set", "wall=" + "9" * 400), ("'wall' takes a number > 0 (m)",)),
        (("test-cart", "--set", "wall=nan"), ("'wall' takes a number > 0 (m), not 'nan'",)),
        (("test-cart", "--set", "horizon"), ("--set takes key=value, not 'horizon'",)),
        (("test-cart", "--models", "no/such/folder"), ("no/such/folder", "does not exist")),
        (("no/such/file.py", "--trust"), ("there is no file no/such/file.py",)),
        (("n" * 300 + ".py", "--trust"), ("File name too long",)),
        (("n" * 300,), ("File name too long",)),
        (("test-foreign-cart", "--set", "network=" + "n" * 300 + ".onnx"), ("File name too long",)),
        (("problem.toml",), ("'problem.toml' is not a problem", "nnctrl list problems")),
        (("test-foreign-cart",), ("published with the cart", "--set network=FILE or --models DIR")),
        (("test-foreign-cart", "--set", "network=nowhere.onnx"), ("there is no network file nowhere.onnx",)),
        (("test-cart", "--frobnicate"), ("No such option '--frobnicate'", "--help")),
        ((), ("Missing argument 'PROBLEM'",)),
    ],
)
def test_problems_and_keys(nnctrl: Nnctrl, command: str, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_refused(nnctrl(command, *arguments), *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--engine", "branch-and-bond"), ("unknown engine 'branch-and-bond'", "did you mean 'branch-and-bound'?")),
        (("--engine", "test-engine", "--set", "answr=verified"), ("unknown key 'answr'", "'answer'")),
        (("--engine", "test-engine", "--set", "answer=verifed"), ("did you mean 'verified'?",)),
        (("--engine", "test-engine", "--set", "eps=0.1"), ("unknown key 'eps'",)),
        (("--engine", "branch-and-bound", "--set", "eps=0"), ("'eps' takes a number > 0",)),
        (("--timeout", "0"), ("'--timeout': it takes a number > 0 (s), not '0'",)),
        (("--memory", "inf"), ("'--memory': it takes a number > 0 (GB), not 'inf'",)),
        (("--set", "bound=tailor"), ("unknown bound 'tailor'", "did you mean 'taylor'?")),
        (("--timeout", "nan"), ("takes a number > 0",)),
        (("--memory", "lots"), ("takes a number > 0 (GB), not 'lots'",)),
        (("--nodes", "-1"), ("'--nodes': it takes an integer or none >= 1, not '-1'",)),
        (("--expect", "PROVED"), ("'PROVED' is not one of",)),
    ],
)
def test_options_of_verify(nnctrl: Nnctrl, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_refused(nnctrl("verify", "test-cart", *arguments), *parts)


@pytest.mark.parametrize("command", COMMANDS)
def test_damaged_networks(nnctrl: Nnctrl, tmp_path: Path, command: str) -> None:
    (tmp_path / "cart.onnx").write_bytes(b"not a network")
    assert_refused(nnctrl(command, "test-foreign-cart", "--models", tmp_path), "cart.onnx")


def test_network_with_nan(nnctrl: Nnctrl, tmp_path: Path) -> None:
    network, place = cart_network(), tmp_path / "cart.onnx"
    write_onnx(network, place, {})
    content = place.read_bytes()
    number = network.blocks[0].affines[0].weight[0, 0]
    for dtype in (np.float64, np.float32):
        content = content.replace(np.array(number, dtype).tobytes(), np.array(np.nan, dtype).tobytes())
    assert content != place.read_bytes()
    place.write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    ran = nnctrl("verify", "test-foreign-cart", "--models", tmp_path, "--json", out / "r.json", "--report", out / "r")
    assert_refused(ran, "nan")
    assert list(out.iterdir()) == []


def test_models_folder_without_the_network(nnctrl: Nnctrl, tmp_path: Path) -> None:
    assert_refused(
        nnctrl("verify", "test-foreign-cart", "--models", tmp_path),
        "cart.onnx or published/cart.onnx",
        "test-foreign-cart",
    )


@pytest.mark.parametrize("folder", [".", "published"])
def test_models_folder_from_the_environment(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    write_onnx(cart_network(), tmp_path / folder / "cart.onnx", {})
    monkeypatch.setenv("NNCTRL_MODELS", str(tmp_path))
    assert nnctrl("show", "test-foreign-cart").status == 0


def test_a_missing_models_folder_of_the_environment_matters_to_whom_looks_for_a_model(
    nnctrl: Nnctrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNCTRL_MODELS", "/no/such/folder")
    assert nnctrl("show", "test-cart").status == 0
    assert_refused(nnctrl("show", "test-foreign-cart"), "there is no folder /no/such/folder", "test-foreign-cart")
    monkeypatch.setenv("NNCTRL_MODELS", "")
    assert_refused(nnctrl("show", "test-foreign-cart"), "published with the cart")


@pytest.mark.parametrize("command", ["verify", "reach", "falsify", "simulate"])
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--json", "no/such/folder/r.json"), ("no/such/folder", "make it first")),
        (("--json", "."), ("is a folder",)),
        (("--report", "file"), ("file is a file",)),
        (("--report", "file/below"), ("cannot be written",)),
        (("--report", ""), ("'--report'", "is no name of a file or folder")),
        (("--json", "-"), ("'--json'", "'-' is no name of a file or folder")),
        (("--json", "n" * 300), ("File name too long",)),
        (("--report", "n" * 300), ("File name too long",)),
        (("--json", "r", "--report", "r"), ("--json r stands in the way of --report r",)),
    ],
)
def test_output_places_are_checked_first(
    nnctrl: Nnctrl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    arguments: tuple[str, ...],
    parts: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    # the key is wrong too: nothing may be looked at before the places are known to be good
    assert_refused(nnctrl(command, "test-cart", "--set", "wrong=1", *arguments), *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("verfy",), ("unknown command 'verfy'", "did you mean 'verify'?")),
        (("list", "problem"), ("unknown kind 'problem'", "did you mean 'problems'?")),
        ((), ("Missing command", "nnctrl --help")),
        (("train", "nobody"), ("unknown expert or problem 'nobody'",)),
        (("train", "test-cart"), ("names no expert to imitate",)),
        (("train", "test-cart", "--output", "network.pth"), ("does not end in .onnx",)),
        (("train", "test-cart", "--output", "a.onnx", "--json", "a.toml"), ("stands in the way",)),
        (("train", "test-cart", "--json", ""), ("is no name of a file or folder",)),
        (("simulate", "test-cart", "--samples", "0"), ("--samples",)),
        (("simulate", "test-cart", "--samples", "1000000000"), ("take too much memory", "give at most")),
        (("simulate", "test-cart", "--samples", "100000000000"), ("--samples", "x<=1000000000")),
        (("simulate", "test-cart", "--seed", str(2**63)), ("--seed", str(2**63 - 1))),
        (("falsify", "test-cart", "--seed", str(2**64)), ("--seed", str(2**63 - 1))),
    ],
)
def test_other_commands(nnctrl: Nnctrl, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_refused(nnctrl(*arguments), *parts)


FILES = {
    "untrusted": ("problem = 1", (), ("would be run as it is", "--trust")),
    "nothing": ("x = 1", ("--trust",), ("defines no 'problem'",)),
    "number": ("problem = 1", ("--trust",), ("is an int", "ProblemDefinition")),
    "raises": ("x = 1\ny = x / 0\n", ("--trust",), ("line 2", "ZeroDivisionError: division by zero")),
    "exits": ("raise SystemExit(0)", ("--trust",), ("line 1", "SystemExit")),
    "syntax": ("x = 1\nproblem = = 2\n", ("--trust",), ("line 2", "SyntaxError")),
    "input": (
        "from nnctrl.sets.box import Box\nproblem = Box([1.0], [0.0])\n",
        ("--trust",),
        ("lower",),
    ),
}


@pytest.mark.parametrize("case", list(FILES))
def test_python_files(nnctrl: Nnctrl, tmp_path: Path, case: str) -> None:
    text, options, parts = FILES[case]
    (tmp_path / "mine.py").write_text(text)
    out = tmp_path / "out"
    out.mkdir()
    assert_refused(nnctrl("verify", tmp_path / "mine.py", *options, "--json", out / "r.json"), *parts)
    assert list(out.iterdir()) == []


CART = """
import dataclasses
from tests.small_loop import Cart, cart_network, cart_problem
from nnctrl import Avoid, Ball, Box, Controller, ProblemDefinition, Spec, Stay
base = cart_problem(cart_network())
"""

DEFINITION = """
@dataclasses.dataclass(frozen=True)
class Mine(ProblemDefinition):
    id = "mine"
    def build(self):
        return {}
problem = Mine
"""

WRONG = {
    "a controller for the loop": (
        "problem = dataclasses.replace(base, closed_loop=Controller(cart_network()))",
        ("the problem's closed_loop is a Controller", "compose(plant, controller)"),
    ),
    "a class for the set": (
        "problem = dataclasses.replace(base, initial_set=Box)",
        ("the problem's initial_set is the class Box",),
    ),
    "a list for the spec": (
        "problem = dataclasses.replace(base, spec=[Avoid(Ball([2.0, 1.0], 0.3))])",
        ("the problem's spec is a list", "Spec((requirement, ...))"),
    ),
    "a requirement for the spec": (
        "problem = dataclasses.replace(base, spec=Avoid(Ball([2.0, 1.0], 0.3)))",
        ("the problem's spec is an Avoid", "Spec((requirement, ...))"),
    ),
    "a requirement for the tuple": (
        "problem = dataclasses.replace(base, spec=Spec(Avoid(Ball([2.0, 1.0], 0.3))))",
        ("the requirements of a Spec are an Avoid; give a tuple of at least one requirement",),
    ),
    "a list as the target": (
        "problem = dataclasses.replace(base, spec=Spec((Avoid([1.0, 2.0]),)))",
        ("the target of an Avoid requirement is a list; give a set",),
    ),
    "a text for the names": (
        "problem = dataclasses.replace(base, spec=Spec((Stay(Box([0.0], [1.0]), on='p'),)))",
        ("a Stay requirement is on 'p'; give a tuple of names",),
    ),
    "an unknown signal": (
        "problem = dataclasses.replace(base, spec=Spec((Stay(Box([0.0], [1.0]), on=('q',)),)))",
        ("unknown signal 'q'",),
    ),
    "a target of another dimension": (
        "problem = dataclasses.replace(base, spec=Spec((Stay(Box([0.0], [1.0])),)))",
        ("the set of requirement 'stay-1' has 1 coordinates but is over 2 signals (p, v)",),
    ),
    "a number for the name": ("problem = dataclasses.replace(base, name=3)", ("the problem's name is an int",)),
    "an empty name": ("problem = dataclasses.replace(base, name=' ')", ("the problem's name is empty",)),
    "a text for the horizon": ("problem = dataclasses.replace(base, horizon='5')", ("the problem's horizon is a str",)),
    "a truth for the horizon": ("problem = dataclasses.replace(base, horizon=True)", ("horizon is a bool",)),
    "a list of settings": ("problem = dataclasses.replace(base, settings=[])", ("the problem's settings is a list",)),
    "a build without a problem": (
        DEFINITION.replace("{}", "base.closed_loop"),
        ("build() of 'Mine' returns a ClosedLoop", "Problem"),
    ),
    "a definition without build": (
        "class Mine(ProblemDefinition):\n    id = 'mine'\nproblem = Mine",
        ("the class Mine", "build()"),
    ),
    "the base class": ("problem = ProblemDefinition", ("the class ProblemDefinition", "build()")),
    "annotations that mean nothing": (
        "from __future__ import annotations\n"
        "import dataclasses\nfrom nnctrl import ProblemDefinition, setting\n"
        "@dataclasses.dataclass(frozen=True)\nclass Mine(ProblemDefinition):\n    k: Nothing = setting(1, 'k')\n"
        "    def build(self):\n        return 1\nproblem = Mine",
        ("NameError: name 'Nothing' is not defined",),
    ),
    "an error that cannot speak": (
        "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute",
        ("line 9", "raises Mute; mend the file"),
    ),
    "an error of its own kind": (
        "class Stop(BaseException):\n    pass\nraise Stop('here')",
        ("line 8", "raises Stop: here"),
    ),
    "the end of a generator": ("raise GeneratorExit", ("line 6", "raises GeneratorExit")),
    "an input error that cannot speak": (
        "from nnctrl.errors import InputError\n"
        "class Mute:\n    def __str__(self):\n        raise ValueError\nraise InputError(Mute())",
        ("InputError",),
    ),
}


@pytest.mark.parametrize("command", ["verify", "show", "simulate"])
@pytest.mark.parametrize("case", WRONG)
def test_python_files_with_wrong_types(nnctrl: Nnctrl, tmp_path: Path, case: str, command: str) -> None:
    text, parts = WRONG[case]
    place = tmp_path / "mine.py"
    place.write_text(text if "__future__" in text else f"{CART}{text}\n")
    assert_refused(nnctrl(command, place, "--trust"), *parts)


@pytest.mark.parametrize(
    ("key", "owner", "commands"),
    [
        ("eps", "engine", ("verify", "reach", "falsify")),
        ("nodes", "budget", COMMANDS),
        ("samples", "falsification", COMMANDS),
    ],
)
def test_a_key_of_a_problem_must_not_hide_another(
    nnctrl: Nnctrl, tmp_path: Path, key: str, owner: str, commands: tuple[str, ...]
) -> None:
    """Else --set would change one of the two without a word, and results would record only one."""
    (tmp_path / "mine.py").write_text(
        f"{CART}from nnctrl import setting\n"
        + DEFINITION.replace('id = "mine"', f'id = "mine"\n    {key}: int = setting(1, "mine")').replace("{}", "base")
    )
    for command in commands:
        for extra in ((), ("--set", f"{key}=2")):
            ran = nnctrl(command, tmp_path / "mine.py", "--trust", *extra)
            assert_refused(ran, f"the problem's key '{key}' is a key of the {owner} too; rename it")


def test_python_file_whose_build_raises(nnctrl: Nnctrl, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from nnctrl.verification.problem import ProblemDefinition\n"
        "@dataclass(frozen=True)\n"
        "class Mine(ProblemDefinition):\n"
        "    id = 'mine'\n"
        "    def build(self):\n"
        "        return {}['missing']\n"
        "problem = Mine\n"
    )
    assert_refused(nnctrl("verify", tmp_path / "mine.py", "--trust"), "line 7", "KeyError: 'missing'")
