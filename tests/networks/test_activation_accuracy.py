"""The claims of the smooth activations under the worst library that they assume."""

from __future__ import annotations

import numpy as np
import pytest

from nnctrl.networks import smooth_activations
from nnctrl.sets.rounding import LIBRARY_ULPS, UNIT_ROUNDOFF
from tests.networks.exact_activations import MP, SMOOTH, ExactActivation, intervals


@pytest.mark.parametrize("exact", SMOOTH, ids=lambda exact: exact.activation.name)
@pytest.mark.parametrize("sign", [-1.0, 0.0, 1.0], ids=["low", "random", "high"])
def test_claims_hold_for_a_library_as_inaccurate_as_assumed(
    exact: ExactActivation, sign: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions that are off by LIBRARY_ULPS, all up, all down, or at random, together with their own error."""
    monkeypatch.setattr(smooth_activations, "namespace", lambda _: InaccurateNumpy(sign))
    centre, low, high = intervals(seed=5, random=300)
    lower, upper = centre + low, centre + high
    value, slope, below, above = exact.activation.linearise(centre, low, high)
    ranges = [(exact.phi, (), exact.activation.enclose(lower, upper))]
    ranges += [(exact.slope, exact.slope_turns, exact.activation.slope_range(lower, upper))]
    assert exact.curvature is not None
    ranges += [(exact.curvature, exact.curvature_turns, exact.activation.curvature_range(lower, upper))]
    for i in np.random.default_rng(6).permutation(len(centre))[:250]:
        least, most = exact.residual_range(centre[i], value[i], slope[i], low[i], high[i])
        assert MP.mpf(below[i]) <= least <= most <= MP.mpf(above[i]), (centre[i], low[i], high[i])
        for function, turns, (claim_low, claim_high) in ranges:
            least, most = exact.range_of(function, turns, lower[i], upper[i])
            assert MP.mpf(claim_low[i]) <= least <= most <= MP.mpf(claim_high[i]), (lower[i], upper[i])


class InaccurateNumpy:
    """NumPy with elementary functions made wrong by 5 u (its own error of 2 u and a rounding of 1 u come on top)."""

    def __init__(self, sign: float) -> None:
        self.sign = sign
        self.rng = np.random.default_rng(8)

    def __getattr__(self, name: str) -> object:
        function = getattr(np, name)
        if name not in ("tanh", "exp", "log", "log1p", "arctanh"):
            return function

        def perturbed(x: np.ndarray) -> np.ndarray:
            y = function(x)
            sign = self.sign or self.rng.choice([-1.0, 1.0], size=y.shape)
            wrong = y + sign * abs(y) * ((2.0 * LIBRARY_ULPS - 3.0) * UNIT_ROUNDOFF)
            return np.clip(wrong, -1.0, 1.0) if name == "tanh" else wrong

        return perturbed
