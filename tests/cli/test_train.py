"""`nnctrl train`: a network, its card and its figures, from one command."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nnctrl import Box, Expert, LinearPlant, Reach, Spec, load_network, registry
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe
from tests.cli.conftest import Ran

Nnctrl = Callable[..., Ran]


class Damper(Expert):
    """u = -x / 2."""

    @classmethod
    def recipe(cls) -> Recipe:
        settings = ImitationSettings(hidden=(4,), trajectories=5, rounds=1, epochs=5, iterations=50, evaluations=100)
        spec = Spec((Reach(Box([-0.3], [0.3]), at=3, name="rest"),))
        return Recipe(cls(), LinearPlant([[1.0]], [[1.0]], dt=1.0), Box([1.0], [2.0]), 3, settings, spec)

    def control(self, x: np.ndarray) -> np.ndarray:
        return -0.5 * x


@pytest.fixture(autouse=True)
def damper() -> Iterator[None]:
    registry.register("experts", "test-damper")(Damper)
    yield
    registry.unregister("experts", "test-damper")


def test_network_card_and_figures(nnctrl: Nnctrl, tmp_path: Path) -> None:
    network, figures = tmp_path / "damper.onnx", tmp_path / "damper.json"
    command = ("train", "test-damper", "--set", "hidden=3", "--output", network, "--json", figures)
    ran = nnctrl(*command)
    assert (ran.status, ran.err) == (0, "")
    assert "1-3-1 tanh" in ran.out
    assert "100 % of 100 sampled trajectories satisfy all requirements; samples prove nothing" in ran.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damper.json", "damper.onnx", "damper.toml"]
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    card = tomllib.loads((tmp_path / "damper.toml").read_text())
    assert card["sha256"] == digest == json.loads(figures.read_text())["network"]["sha256"]
    assert card["trained_by"] == "nnctrl train test-damper --set hidden=3 --output damper.onnx"
    assert card["evaluation"]["success_rate"] == 1.0
    # this expert states no law, which is said wherever its errors are
    assert ran.out.count("not certified: the expert states no law that can be bounded") == 2
    initial, loop = json.loads(figures.read_text())["errors"]
    assert initial["regions"] == [{"type": "Box", "lower": [1.0], "upper": [2.0]}]
    assert len(loop["regions"]) == 3
    for error, written in zip((initial, loop), card["imitation_error"], strict=True):
        assert error["certified"] is None
        assert "certified" not in written
        assert 0.0 < error["sampled"][0] == written["sampled"][0] < 0.1
    x = np.linspace(1.0, 2.0, 5)[:, None]
    np.testing.assert_allclose(load_network(network)(x), -0.5 * x, atol=0.1)
    # the same seed on the same machine gives the same bytes
    nnctrl(*command)
    assert hashlib.sha256(network.read_bytes()).hexdigest() == digest


def test_another_seed_gives_another_network(nnctrl: Nnctrl, tmp_path: Path) -> None:
    files = [tmp_path / f"{seed}.onnx" for seed in (0, 1)]
    for seed, file in enumerate(files):
        assert nnctrl("train", "test-damper", "--set", f"seed={seed}", "--output", file, "--quiet").status == 0
    first, second = (load_network(file).blocks[0].affines[0].weight for file in files)
    assert not np.array_equal(first, second)


def test_a_problem_is_trained_on_its_own_set_and_requirements(nnctrl: Nnctrl, tmp_path: Path) -> None:
    network = tmp_path / "network.onnx"
    short = [f"--set={key}" for key in ("trajectories=20", "rounds=1", "iterations=300", "evaluations=100")]
    ran = nnctrl("train", "double-integrator", *short, "--output", network)
    assert (ran.status, ran.err) == (0, "")
    assert "of 100 sampled trajectories satisfy all requirements" in ran.out
    assert re.search("over the initial set: at most u [0-9.]+ \\(attained [0-9.]+\\), certified for the law", ran.out)
    assert re.search("margins +input .*, velocity .*, obstacle .*, goal ", ran.out)
    # what was trained can be put in the place of somebody else's network
    assert nnctrl("simulate", "paper/double-integrator", "--set", f"network={network}").status == 0


def test_a_wrong_key_lists_the_right_ones(nnctrl: Nnctrl) -> None:
    ran = nnctrl("train", "double-integrator", "--set", "xyz=1")
    assert ran.status == 2
    assert "known are: batch, epochs," in ran.err


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("hidden=1e5,1e5", "'hidden' takes"),
        ("hidden=10000,10000", "make 100020000 weights"),
        ("batch=1e23", "'batch' takes an integer >= 1 and <= 1e+09"),
        ("epochs=1e23", "'epochs' takes"),
        ("seed=9223372036854775808", "'seed' takes"),
    ],
)
def test_numbers_that_nobody_means(nnctrl: Nnctrl, assignment: str, words: str) -> None:
    ran = nnctrl("train", "test-damper", "--set", assignment)
    assert ran.status == 2
    assert words in ran.err


def test_the_largest_seed_and_a_batch_larger_than_the_data(nnctrl: Nnctrl) -> None:
    ran = nnctrl("train", "test-damper", "--set", "seed=9223372036854775807", "--set", "batch=1000000000", "--quiet")
    assert (ran.status, ran.err) == (0, "")
