"""The picture of a training: every finite point is in it, on scales that show it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnctrl.learning.method import CurvePoint
from nnctrl.plotting.training_curve import draw_training, training_png

CURVE = [CurvePoint(float(k), 0.1 * k, 10.0**-k, 1000.0 * 0.1**k - 0.2) for k in range(10)]


def test_all_points_are_drawn() -> None:
    assert training_png(CURVE).startswith(b"\x89PNG\r\n\x1a\n")
    panels = draw_training(CURVE).axes
    for panel, name in zip(panels, ("loss", "violation", "size"), strict=True):
        drawn = panel.lines[0].get_xydata()
        np.testing.assert_allclose(drawn, [(point.seconds, getattr(point, name)) for point in CURVE])
        low, high = panel.get_ylim()
        assert low <= drawn[:, 1].min() <= drawn[:, 1].max() <= high
    assert [panel.get_yscale() for panel in panels] == ["log", "symlog", "linear"]
    # the violation's 0 is marked, and visible
    assert panels[1].lines[1].get_ydata() == [0.0, 0.0]
    assert panels[1].get_ylim()[0] < 0.0 < panels[1].get_ylim()[1]


@pytest.mark.parametrize(
    "curve",
    [
        [CurvePoint(0.0, 0.0, 1.0, 1.0)],
        [CurvePoint(0.0, 0.0, math.inf, math.nan), CurvePoint(1.0, 0.5, 1.0, math.inf)],
        [CurvePoint(0.0, 1.0, 0.0, 0.0), CurvePoint(1.0, 1.0, -1.0, -1e-9)],
    ],
    ids=["one point", "not finite", "zeros"],
)
def test_unusual_trainings_are_drawn(curve: list[CurvePoint]) -> None:
    assert training_png(curve).startswith(b"\x89PNG")
    finite = sum(math.isfinite(point.violation) for point in curve)
    assert len(draw_training(curve).axes[1].lines[0].get_xydata()) == finite
