"""The table of rows names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROWS = re.findall(r"^\| ([A-Z]{2}-\d+) \|.*\| (.+) \|$", (HERE / "README.md").read_text(), re.M)


@pytest.mark.parametrize(("row", "tests"), ROWS)
def test_the_tests_of_a_row_exist(row: str, tests: str) -> None:
    path = HERE
    for place in re.findall(r"`([^`]+)`", tests):
        file, _, name = place.partition("::")
        if file != "...":
            path = ROOT / file if file.startswith(("tests/", "benchmarks/")) else HERE / file
        assert path.is_file(), place
        assert not name or f"def {name}(" in path.read_text(), place


def test_no_row_is_there_twice() -> None:
    assert len(ROWS) > 30
    assert len({row for row, _ in ROWS}) == len(ROWS)
