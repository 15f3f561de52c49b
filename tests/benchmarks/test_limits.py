"""The kernels that measure the machine; no test here believes a timing."""

from __future__ import annotations

import json

from benchmarks import limits
from benchmarks.roofline import Limits


def test_sizes_leave_room():
    assert limits.fitting([1, 10, 100], 50) == [1, 10]
    assert limits.fitting([1000], 10) == [1000]


def test_the_description():
    found = Limits(2, {1: 1e11, 2: 2e11}, ((1 << 15, 4e11), (1 << 30, 3e10)), ((1 << 15, 2e11),))
    text = limits.describe(found)
    assert "1: 100 GFLOP/s, 2: 200 GFLOP/s" in text
    assert "| 32 KB | 1 GB |" in text
    assert "| read | 400 | 30 |" in text


def test_the_program_prints_json(capsys, monkeypatch):
    flat = ((1e3, 1e10),)
    found = Limits(1, {1: 1e11}, flat, flat)
    monkeypatch.setattr(limits, "measure", lambda threads, quick: found)
    monkeypatch.setattr("sys.argv", ["limits", "--threads", "1", "--json"])
    limits.main()
    assert Limits.from_json(json.loads(capsys.readouterr().out)) == found
