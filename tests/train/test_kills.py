"""A run that is killed again and again ends as if it were not; `kills.py` has the long test."""

from __future__ import annotations

from pathlib import Path

from tests.train.kills import Fork, killed


def test_kills_change_no_bit(tmp_path: Path) -> None:
    outcome = killed(Fork, tmp_path, kills=5, seed=1)
    assert outcome.differences == ()
    assert outcome.kills == 5 and outcome.lost > 0
