"""Before and after side by side: the same windows, each with its own trajectories and verdict."""

from __future__ import annotations

import dataclasses

import numpy as np

from nnctrl.plotting.comparison import MOST_VIEWS, WIDEST, common_window, comparison_png, draw_comparison
from nnctrl.plotting.scene import Scene, Tracks
from nnctrl.plotting.window import window_of
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.sets.box import Box
from nnctrl.verification.verdict import Verdict
from tests.small_loop import cart_network, cart_problem

VIEW = ("p", "v")


def scene(verdict: Verdict, reach: float) -> Scene:
    """A cart that moves as far as `reach` in two steps."""
    times = np.arange(3.0)
    x = 0.5 * reach * times[:, None] * np.ones(2)
    steps = tuple(FlowpipeStep((t, t), (Box(row - 0.05, row + 0.05),)) for t, row in zip(times, x, strict=True))
    tracks = Tracks(times, {"p": x[None, :, 0], "v": x[None, :, 1], "a": np.zeros((1, 2))})
    return Scene(cart_problem(cart_network()), verdict, Flowpipe(("p", "v"), steps), tracks)


def test_rows_of_views_and_columns_of_loops() -> None:
    before, after = scene(Verdict.FALSIFIED, 2.0), scene(Verdict.VERIFIED, 1.0)
    assert comparison_png(before, after).startswith(b"\x89PNG\r\n\x1a\n")
    figure = draw_comparison(before, after)
    panels = np.array(figure.axes[:-1]).reshape(-1, 2)
    assert len(panels) == min(MOST_VIEWS, len(after.views))
    assert [panel.get_title() for panel in panels[0]] == ["before: FALSIFIED", "after: VERIFIED"]
    for left, right in panels:
        assert left.get_xlim() == right.get_xlim()
        assert left.get_ylim() == right.get_ylim()
    ends = [panels[0, k].lines[-1].get_xydata()[-1].tolist() for k in range(2)]
    assert ends == [[2.0, 2.0], [1.0, 1.0]]


def test_the_window_shows_both_unless_one_is_far_away() -> None:
    after = scene(Verdict.VERIFIED, 1.0)
    near, far = scene(Verdict.FALSIFIED, 1.5), scene(Verdict.FALSIFIED, 1e6)
    own = window_of(after, VIEW)
    both = common_window(near, after, VIEW)
    for one in (own, window_of(near, VIEW)):
        assert (both[0] <= one[0]).all()
        assert (one[1] <= both[1]).all()
    cut = common_window(far, after, VIEW)
    assert (cut[1] - cut[0] <= WIDEST * (own[1] - own[0]) * (1.0 + 1e-12)).all()
    assert (cut[0] <= own[0]).all()
    assert (own[1] <= cut[1]).all()


def test_without_flowpipes_and_samples() -> None:
    bare = Scene(cart_problem(cart_network()))
    assert comparison_png(bare, dataclasses.replace(bare, verdict=Verdict.UNKNOWN)).startswith(b"\x89PNG")
