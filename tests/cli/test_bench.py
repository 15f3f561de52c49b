"""`lamina bench`: a table of checked numbers, and the way to the whole suite."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lamina.cli import bench, main


def test_a_quick_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "512", "--seconds", "0.02"]) == 0
    said = capsys.readouterr().out
    row = r"product of 512 x 512 +\d+\.\d+ (ms|µs) +[\d,]+ GFLOP/s +\d+\.\d+ (ms|µs) +\d+\.\d\dx"
    assert re.search(row, said)
    assert "results checked" in said


def test_everything_there_is_right_before_it_is_timed() -> None:
    works = bench.works()
    assert len({work.name for work in works}) == len(works) >= 5
    for work in works:
        bench.check(work)
        assert work.amount > 0
    wrong = works[0]._replace(numpy=lambda: np.zeros((512, 512), np.float32))
    with pytest.raises(AssertionError):
        bench.check(wrong)


@pytest.mark.parametrize(
    "seconds, said", [(2.5, "2.50 s"), (0.0123, "12.30 ms"), (4.2e-6, "4.2 µs")]
)
def test_times_have_a_unit_that_suits_them(seconds: float, said: str) -> None:
    assert bench.shown(seconds) == said


def test_a_name_that_nothing_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "nothing"]) == 1
    assert "bench: nothing has such a name" in capsys.readouterr().err


def test_the_whole_suite_of_a_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--full", "--list"]) == 0
    assert "mm_1024" in capsys.readouterr().out


def test_an_installed_lamina_has_no_suite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "RUN", Path("nowhere/benchmarks/run.py"))
    assert main(["bench", "--full"]) == 1
    assert "the whole suite comes with a checkout" in capsys.readouterr().err
