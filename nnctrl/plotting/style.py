"""Colours and layers shared by all panels."""

from __future__ import annotations

from nnctrl.verification.verdict import Verdict

COLOURS = {
    "initial": "#111111",
    "sample": "#3b3b3b",
    "reach": "#1a7f37",
    "avoid": "#b42318",
    "stay": "#1f4e9c",
    "counterexample": "#d6006c",
}

VERDICT_COLOURS = {Verdict.VERIFIED: "#1a7f37", Verdict.FALSIFIED: "#b42318", Verdict.UNKNOWN: "#9a6700"}

PHASES = "viridis_r"
"""Colour map of time: pale at the start."""

LAYERS = {"flowpipe": 1.0, "requirement": 2.0, "sample": 3.0, "initial": 4.0, "counterexample": 5.0}
"""What lies above what."""
