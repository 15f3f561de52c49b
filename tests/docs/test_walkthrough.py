"""The walkthrough runs, passes every floor, and asserts what it says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "walkthrough.py"
FLOORS = [
    "A function of tensors",
    "The graph",
    "Mistakes",
    "Differentiate",
    "Batch",
    "Passes",
    "Loops",
    "The target",
    "Machine code",
    "Memory and program",
    "Calls",
]


def test_the_walkthrough_shows_every_floor(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(SCRIPT), run_name="__main__")
    said = capsys.readouterr().out
    assert re.findall(r"^── (.+?) ─+$", said, re.M) == FLOORS
    assert said.count("same value:") >= 14
    assert "kernel " in said and "graph(%a: f32[6,8]" in said and "program: 3 inputs" in said
    assert said.endswith("or lm.explain(f, ...).\n")


def test_a_stage_that_gives_another_value_stops_the_walkthrough() -> None:
    same = runpy.run_path(str(SCRIPT))["same"]
    with pytest.raises(AssertionError, match=r"a wrong stage: differs by 0\.5"):
        same(1.0, 1.5, "a wrong stage")
