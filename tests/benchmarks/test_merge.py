"""Tables gathered from several runs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import report, run
from benchmarks.measure import Cell, Pass, Plan
from benchmarks.merge import load, merged
from benchmarks.report import Results, Row
from benchmarks.roofline import Limits
from benchmarks.workloads import find

FLAT = ((1e3, 1e10), (1e9, 1e10))


def results(date: str, **seconds: float) -> Results:
    """A run of some workloads, in which the peer is twice as slow."""
    rows = [
        Row(
            find(name),
            {
                "lamina": Cell("lamina", passes=[Pass((s, s), 2)], error=0.5, grown_bytes=7),
                "torch": Cell("torch", passes=[Pass((2 * s,), 1)]),
            },
            date,
            f"at {date}",
        )
        for name, s in seconds.items()
    ]
    return Results(
        peers=["lamina", "torch"],
        versions={"lamina": "0.1", "torch": "2.13"},
        machine={"processor": "Fast One", "caches": {"L1": "32K"}, "flags": ["a"]},
        plan=Plan(seed=1),
        date=date,
        revision=f"at {date}",
        limits=Limits(2, {1: 5e10, 2: 1e11}, FLAT, FLAT, {"bf16": 2.0}),
        rows=rows,
        complete=True,
    )


def test_what_was_written_is_read(tmp_path):
    before = results("2025-01-01", mm_512=1e-3)
    path, _ = report.write(before, tmp_path)
    assert load(path) == before


def test_rows_are_replaced_one_by_one(tmp_path):
    old = results("2025-01-01", mm_512=1.0, mm_256=2.0)
    new = results("2025-01-02", mm_512=3.0, softmax_4096x1024=4.0)
    both = merged(old, replace(new, plan=Plan(seed=2)))
    assert [(r.workload.name, r.date, r.seconds("lamina")) for r in both.rows] == [
        ("mm_256", "2025-01-01", 2.0),
        ("mm_512", "2025-01-02", 3.0),
        ("softmax_4096x1024", "2025-01-02", 4.0),
    ]
    said = "rows: 1 of 2025-01-01 at at 2025-01-01, 2 of 2025-01-02 at at 2025-01-02"
    assert said in report.markdown(both)
    assert "Gathered" not in report.markdown(old)
    assert load(report.write(both, tmp_path)[0]).rows == both.rows


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"machine": {"processor": "Slow One", "caches": {"L1": "32K"}}},
            "processor: Fast One and",
        ),
        ({"plan": Plan(threads=4)}, "plan threads: 2 and 4"),
        ({"plan": Plan(seconds=0.05)}, "plan seconds: 0.5 and 0.05"),
        ({"versions": {"lamina": "0.1", "torch": "2.14"}}, "version torch: 2.13 and 2.14"),
    ],
)
def test_runs_that_do_not_mix(change, said):
    new = replace(results("2025-01-02", mm_512=1.0), **change)
    with pytest.raises(ValueError, match=said):
        merged(results("2025-01-01", mm_512=1.0), new)


def test_workloads_that_are_no_more_are_left_out(tmp_path):
    path, _ = report.write(results("2025-01-01", mm_512=1.0, mm_256=1.0), tmp_path)
    path.write_text(path.read_text().replace('"mm_256"', '"mm_of_old"'))
    assert [row.workload.name for row in load(path).rows] == ["mm_512"]


def test_another_schema_is_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"schema": 0}))
    with pytest.raises(ValueError, match="schema 0"):
        load(path)


def test_quick_rows_are_not_merged(capsys):
    assert run.parse(["--only", "mm_*", "--merge"]).out == run.RECORD
    with pytest.raises(SystemExit):
        run.parse(["--quick", "--merge"])
    assert "do not mix" in capsys.readouterr().err
