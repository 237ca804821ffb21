"""Pictures: which views, how much of the plane, and what the legend promises is there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nnctrl.errors import UnknownNameError
from nnctrl.plotting.picture import draw, png
from nnctrl.plotting.scene import Scene, Tracks, default_views
from nnctrl.plotting.window import window_of
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.report.samples import sample_trajectories, signals_of
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
from nnctrl.specs.sublevel import Sublevel
from nnctrl.verification.problem import Problem
from nnctrl.verification.verdict import Counterexample, Verdict
from tests.small_loop import cart_network, cart_problem

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def problem_with(*requirements: Requirement, views: tuple[tuple[str, str], ...] = ()) -> Problem:
    return dataclasses.replace(cart_problem(cart_network()), spec=Spec(requirements), views=views)


def full_scene(problem: Problem, verdict: Verdict) -> Scene:
    found = sample_trajectories(problem, 5, 0)
    steps = tuple(
        FlowpipeStep((k, k), (Zonotope(found.x[0, k], 0.1 * np.eye(2)), Box(found.x[0, k] - 0.1, found.x[0, k] + 0.1)))
        for k in range(len(found.t))
    )
    point = Counterexample(found.x[0, 0], np.zeros((5, 0)), found.t, found.x[0], found.u[0], "wall", 0.1)
    tracks = Tracks(found.t, signals_of(problem, found))
    return Scene(problem, verdict, Flowpipe(("p", "v"), steps), tracks, point)


def legend_of(scene: Scene) -> list[str]:
    (legend,) = draw(scene).legends
    return [text.get_text() for text in legend.get_texts()]


def test_a_full_picture() -> None:
    assert png(full_scene(cart_problem(cart_network()), Verdict.FALSIFIED)).startswith(SIGNATURE)


def test_a_picture_of_the_problem_alone() -> None:
    assert png(Scene(cart_problem(cart_network()))).startswith(SIGNATURE)


@pytest.mark.parametrize(
    "target",
    [
        Ball([0.15, 1.0], 0.1),
        Box([0.1, 0.9], [0.15, 1.0]),
        Ellipsoid([0.15, 1.0], [[0.1, 0.0], [0.05, 0.1]]),
        Polytope([[1.0, 1.0]], [1.2]),
        Zonotope([0.15, 1.0], [[0.1, 0.05], [0.0, 0.1]]),
        Moving(Ball([0.2, 1.0], 0.1), [0.05, 0.0]),
        Sublevel(lambda z: (z[0] - 0.15) ** 2 + (z[1] - 1.0) ** 2 - 0.01, 2),
        Moving(Sublevel(lambda z: (z[0] - 0.15) ** 2 + (z[1] - 1.0) ** 2 - 0.01, 2), [0.01, 0.0]),
    ],
    ids=lambda target: type(target).__name__ + (type(target.base).__name__ if isinstance(target, Moving) else ""),
)
@pytest.mark.parametrize("kind", [Avoid, Stay, lambda target: Reach(target, at=5)], ids=["avoid", "stay", "reach"])
def test_every_kind_of_target_is_drawn(target: object, kind: type[Avoid]) -> None:
    requirement = kind(target)  # type: ignore[arg-type]
    scene = Scene(problem_with(requirement, views=(("p", "v"), ("v", "p"), ("t", "p"))))
    names = {"avoid": "to avoid (projection)", "stay": "to stay in", "reach": "to reach"}
    assert names[requirement.kind] in legend_of(scene)


def test_an_inequality_moves_as_its_velocity_says() -> None:
    disc = Sublevel(lambda z: (z[0] - 0.05) ** 2 + (z[1] - 0.95) ** 2 - 1e-4, 2)
    centres = []
    for velocity in ([0.0, 0.0], [0.004, -0.002]):
        panel = draw(Scene(problem_with(Reach(Moving(disc, velocity), at=5), views=(("p", "v"),)))).axes[0]
        (outline,) = (artist.allsegs[0] for artist in panel.collections[:1])
        centres.append(np.mean([outline[0].min(0), outline[0].max(0)], 0))
    np.testing.assert_allclose(centres[1] - centres[0], [0.02, -0.01], atol=1e-3)


def test_a_region_outside_the_window_or_around_it_is_no_fault() -> None:
    for radius in (1e-3, 1e3):
        target = Sublevel(lambda z, radius=radius: (z[0] - 5.0) ** 2 + (z[1] - 5.0) ** 2 - radius**2, 2)
        assert png(Scene(problem_with(Avoid(target), views=(("p", "v"),)))).startswith(SIGNATURE)


def test_the_legend_lists_only_what_is_drawn() -> None:
    near = Scene(problem_with(Avoid(Ball([0.15, 1.0], 0.1)), views=(("p", "v"),)))
    far = Scene(problem_with(Avoid(Ball([50.0, 1.0], 0.1)), views=(("p", "v"),)))
    assert "to avoid (projection)" in legend_of(near)
    assert legend_of(far) == ["initial set"]


def test_a_candidate_is_not_called_a_counterexample() -> None:
    problem = cart_problem(cart_network())
    assert "counterexample" in legend_of(full_scene(problem, Verdict.FALSIFIED))
    assert "candidate counterexample (not proved)" in legend_of(full_scene(problem, Verdict.UNKNOWN))


def test_title_axes_and_aspect() -> None:
    problem = dataclasses.replace(cart_problem(cart_network()), views=(("p", "v"), ("t", "a")))
    figure = draw(full_scene(problem, Verdict.VERIFIED))
    assert figure.get_suptitle() == "test-cart: VERIFIED"
    plane, over_time = figure.axes[:2]
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("p (m)", "v (m/s)")
    assert (over_time.get_xlabel(), over_time.get_ylabel()) == ("step (of 0.1 s)", "a (m/s^2)")
    assert plane.get_aspect() == "auto"


def test_default_views_follow_the_requirements() -> None:
    assert default_views(cart_problem(cart_network())) == (("p", "v"), ("t", "p"), ("t", "v"), ("t", "a"))


def test_views_must_name_signals() -> None:
    with pytest.raises(UnknownNameError, match="unknown coordinate of a view 'q'"):
        problem_with(Stay(Box([0.0], [1.0]), on=("p",)), views=(("t", "q"),))


def test_the_window_holds_everything_that_is_reached() -> None:
    scene = full_scene(cart_problem(cart_network()), Verdict.VERIFIED)
    window = window_of(scene, ("p", "v"))
    assert scene.flowpipe is not None
    for index in range(len(scene.flowpipe.steps)):
        box = scene.flowpipe.bounding_box(index)
        assert (window[0] <= box.lower).all()
        assert (box.upper <= window[1]).all()


def test_a_far_target_does_not_shrink_the_picture() -> None:
    near = window_of(Scene(problem_with(Avoid(Ball([0.15, 1.0], 0.1)))), ("p", "v"))
    far = window_of(Scene(problem_with(Avoid(Ball([1e6, 1.0], 0.1)))), ("p", "v"))
    assert near[1, 0] >= 0.15
    assert far[1, 0] <= 1.0


def test_a_diverged_enclosure_is_left_out() -> None:
    huge = Box([-np.finfo(float).max / 4, 0.9], [np.finfo(float).max / 4, 1.0])
    pipe = Flowpipe(("p", "v"), (FlowpipeStep((0, 0), (Box([0.0, 0.9], [0.1, 1.0]),)), FlowpipeStep((1, 1), (huge,))))
    assert png(Scene(cart_problem(cart_network()), flowpipe=pipe)).startswith(SIGNATURE)


def test_continuous_time_is_drawn_as_intervals() -> None:
    scene = full_scene(cart_problem(cart_network()), Verdict.VERIFIED)
    steps = (FlowpipeStep((0.0, 2.5), (Box([0.0, 0.9], [0.1, 1.0]),)),)
    figure = draw(dataclasses.replace(scene, flowpipe=Flowpipe(("p", "v"), steps)))
    assert len(figure.axes) == len(scene.views) + 1
