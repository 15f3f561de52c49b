"""The table, the page, the JSON and the files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks import report
from benchmarks.measure import Cell, Pass, Plan
from benchmarks.report import Results, Row, cell_text, duration
from benchmarks.roofline import Floor, Limits
from benchmarks.workload import Cost, Tolerance, Workload

FLAT = ((1e3, 1e10), (1e9, 1e10))
LIMITS = Limits(2, {1: 5e10, 2: 1e11}, FLAT, FLAT)


def workload(name: str, cost: Cost | None = None) -> Workload:
    return Workload(
        name, "a row", lambda rng: {}, lambda data: [np.zeros(1)], {}, Tolerance(), cost
    )


def cell(peer: str, *medians: float) -> Cell:
    return Cell(peer, passes=[Pass((m,), 1) for m in medians], error=0.0, share=0.0, setup_s=0.1)


def failed(peer: str, message: str = "killed by SIGSEGV") -> Cell:
    found = Cell(peer)
    found.fail("failed", message)
    return found


def row(*cells: Cell, name: str = "mm_1", cost: Cost | None = None) -> Row:
    return Row(workload(name, cost), {c.peer: c for c in cells})


def results(*rows: Row, **changes: Any) -> Results:
    peers = ["lamina", "torch", "jax"]
    fields: dict = {
        "peers": peers,
        "versions": {"lamina": "0.1", "torch": "2.13", "jax": None},
        "machine": {"processor": "Fast One", "caches": {"L1": "32K"}, "system": "Linux 6.1"},
        "plan": Plan(passes=3),
        "date": "2025-01-01T00:00:00+00:00",
        "limits": LIMITS,
        "complete": True,
    }
    return Results(**(fields | changes), rows=list(rows))


@pytest.mark.parametrize(
    "seconds, text",
    [
        (12.345, "12.3 s"),
        (1.0, "1.00 s"),
        (0.5, "500 ms"),
        (1.2345e-3, "1.23 ms"),
        (45.67e-6, "45.7 µs"),
        (789e-9, "789 ns"),
        (0.5e-9, "0.500 ns"),
        (0.0, "0.00 ns"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_cell_shows_median_spread_and_share_of_the_floor():
    text = cell_text(cell("torch", 1e-3, 2e-3, 3e-3), Floor(1e-3, "compute"))
    assert text == "2.00 ms ±25.0% (50%)"


def test_a_cell_without_floor_or_spread():
    assert cell_text(cell("torch", 2e-3), None) == "2.00 ms"


def test_cells_without_a_number():
    assert cell_text(None, None) == "—"
    assert cell_text(failed("torch"), None) == "failed"
    missing = Cell("jax")
    missing.fail("none", "has no such function")
    assert cell_text(missing, None) == "—"
    missing.fail("absent", "jax is not installed")
    assert cell_text(missing, None) == "absent"


def test_the_ratio_is_against_the_best_of_the_others():
    found = row(cell("lamina", 1.0), cell("torch", 3.0), cell("jax", 2.0))
    assert found.best_peer == "jax"
    assert found.ratio == 2.0


def test_a_special_environment_is_not_best():
    found = row(cell("lamina", 1.0), cell("torch_heap", 0.5), cell("torch", 3.0))
    assert found.best_peer == "torch"


def test_without_others_or_without_lamina_there_is_no_ratio():
    assert row(cell("lamina", 1.0)).ratio is None
    assert row(cell("torch", 1.0)).ratio is None
    assert row(failed("lamina"), cell("torch", 1.0)).ratio is None
    assert row(cell("lamina", 1.0), failed("torch")).best_peer is None


def test_the_table():
    found = results(
        row(
            cell("lamina", 1e-3), cell("torch", 2e-3), failed("jax"),
            name="mm_64", cost=Cost(5e7, 1e3, 0),
        ),
        row(cell("lamina", 4e-6), cell("torch", 1e-6), name="jit_call"),
    )  # fmt: skip
    rows = [
        [text.strip() for text in line.split("|")[1:-1]]
        for line in report.table(found).splitlines()
    ]
    head = "workload, floor, lamina, best peer, speed against it, time over floor, torch, jax"
    assert rows[0] == head.split(", ")
    assert rows[2] == [
        "mm_64",
        "500 µs (compute)",
        "1.00 ms (50%)",
        "torch",
        "2.00x",
        "2.00x",
        "2.00 ms (25%)",
        "failed",
    ]
    assert rows[3] == ["jit_call", "—", "4.00 µs", "torch", "0.25x", "—", "1.00 µs", "—"]
    mean = "geometric mean, —, —, of 2 and 1 rows, 0.71x, 2.00x, —, —"
    assert rows[4] == mean.split(", ")
    lengths = {len(line) for line in report.table(found).splitlines()}
    assert len(lengths) == 1  # it reads well unrendered


def test_memory_stands_in_a_table_of_its_own():
    step = row(cell("lamina", 1.0), cell("torch", 1.0), failed("jax"), name="mlp_train")
    step.cells["lamina"].grown_bytes, step.cells["torch"].grown_bytes = 12_300_000, 45_600_000
    assert "Memory of training steps" not in report.markdown(results(step))
    step = Row(replace(step.workload, memory=True), step.cells)
    page = report.markdown(results(step))
    assert "| mlp_train | 12 MB  | 46 MB | —   |" in page


def test_a_table_without_rows_or_lamina():
    assert report.table(results()).count("\n") == 1
    assert "—" in report.table(results(row(cell("torch", 1.0))))


def test_the_page_names_what_is_wrong():
    page = report.markdown(
        results(
            row(cell("lamina", 1.0), failed("torch", "killed by SIGSEGV")),
            limits=None,
            limits_problem="no compiler",
            complete=False,
            load=1.9,
        )
    )
    assert "- jax is absent: jax is not installed" in page
    assert "- mm_1, torch: failed: killed by SIGSEGV" in page
    assert "- no limits of the machine: no compiler" in page
    assert "- the run was interrupted: workloads are missing" in page
    assert "load 1.9" in page


def test_the_page_of_a_good_run():
    page = report.markdown(
        results(row(cell("lamina", 1.0)), versions={"lamina": "1", "torch": "2", "jax": "3"})
    )
    assert "Problems" not in page
    assert "Fast One" in page
    assert "**torch**: eager" in page
    assert "## Limits of the machine" in page


def test_a_run_is_sound_unless_lamina_failed():
    assert results(row(cell("lamina", 1.0), failed("torch"))).sound
    assert not results(row(failed("lamina"), cell("torch", 1.0))).sound


def test_json_holds_the_raw_samples():
    found = json.loads(
        report.json_text(
            results(row(cell("lamina", 1e-3, 3e-3), failed("torch"), cost=Cost(1e8, 1, 1)))
        )
    )
    (first,) = found["workloads"]
    assert first["floor"] == {"seconds": 1e-3, "bound": "compute"}
    lamina = first["cells"]["lamina"]
    assert lamina["median_s"] == 2e-3
    assert lamina["share_of_floor"] == 0.5
    assert lamina["passes"] == [
        {"calls": 1, "samples_s": [1e-3]},
        {"calls": 1, "samples_s": [3e-3]},
    ]
    assert first["cells"]["torch"]["message"] == "killed by SIGSEGV"
    assert found["peers"]["jax"]["version"] is None
    assert Limits.from_json(found["limits"]) == LIMITS


def test_lists_in_json_are_on_one_line():
    found = results(row(cell("lamina", 1.0, 2.0)), machine={"flags": ["avx", "fma"]})
    found.rows[0].cells["lamina"].message = "odd [ \n  text ]"
    text = report.json_text(found)
    assert '"flags": ["avx", "fma"]' in text
    assert json.loads(text)["workloads"][0]["cells"]["lamina"]["message"] == "odd [ \n  text ]"


def test_files_are_written_whole(tmp_path):
    folder = tmp_path / "new" / "place"
    for _ in range(2):
        paths = report.write(results(row(cell("lamina", 1.0))), folder)
    assert sorted(p.name for p in folder.iterdir()) == ["results.json", "results.md"]
    assert json.loads(paths[0].read_text())["complete"]
    assert paths[1].read_text().startswith("# Benchmarks")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.md"
    report.replace(path, "old")

    def fail(*_: object) -> None:
        raise OSError("disk is gone")

    monkeypatch.setattr(report.os, "replace", fail)
    with pytest.raises(OSError, match="disk is gone"):
        report.replace(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
