"""Who waits for kernels to be compiled is told so, once, and nobody else is."""

from __future__ import annotations

import pytest
from numba import njit

from nnctrl.cli import compiling
from nnctrl.cli.compiling import MESSAGE, compiling_told


def fresh_kernel() -> object:
    """A kernel, with one that it calls, that was never compiled."""

    @njit
    def inner(x: float) -> float:
        return x + 1.0

    @njit
    def outer(x: float) -> float:
        return inner(x) * 2.0

    return outer


def test_long_compilation_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "PATIENCE_S", 0.0)
    told: list[str] = []
    with compiling_told(told.append):
        for _ in range(2):
            assert fresh_kernel()(1.0) == 4.0
    assert told == [MESSAGE]


def test_the_time_of_several_compilations_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    clock = iter(range(1000))
    # every look at the clock takes a second: a compilation has three of them
    monkeypatch.setattr(compiling.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(compiling, "PATIENCE_S", 4.0)
    with compiling_told(told.append):
        fresh_kernel()(1.0)
        assert told == []
        fresh_kernel()(1.0)
        fresh_kernel()(1.0)
    assert told == [MESSAGE]


def test_short_compilation_and_known_kernels_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "PATIENCE_S", 100.0)
    told: list[str] = []
    known = fresh_kernel()
    with compiling_told(told.append):
        known(1.0)
    monkeypatch.setattr(compiling, "PATIENCE_S", 0.0)
    with compiling_told(told.append):
        known(1.0)
    fresh_kernel()(1.0)
    assert told == []
