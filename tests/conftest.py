"""Settings of the whole suite: hypothesis profiles, chosen by the environment variable NNCTRL_HYPOTHESIS."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("default", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("NNCTRL_HYPOTHESIS") or "default")
