"""Results as a Markdown table for people and as JSON for programs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import limits as machine_limits
from benchmarks.measure import Cell, Plan
from benchmarks.peers import PEERS
from benchmarks.roofline import Floor, Limits, floor
from benchmarks.workload import Workload

OURS = "lamina"
SCHEMA = 1
NOTHING = "—"
SAMPLE_DIGITS = 5
MEMORY = (
    "The most that a process had in memory while steps were timed, less what it had when its peer "
    "was imported: eight batches as arrays of NumPy and of the peer, weights, optimiser, "
    "activations, code."
)


@dataclass(frozen=True)
class Row:
    """A workload and what was found, when and by which sources."""

    workload: Workload
    cells: Mapping[str, Cell]
    date: str = ""
    revision: str = ""

    def seconds(self, peer: str) -> float | None:
        """The median of a peer."""
        cell = self.cells.get(peer)
        summary = cell.summary if cell is not None else None
        return None if summary is None else summary.median

    @property
    def best_peer(self) -> str | None:
        """The fastest of the others; those that need a special environment do not count."""
        known = {
            name: s
            for name in self.cells
            if name != OURS and PEERS[name].ranked and (s := self.seconds(name)) is not None
        }
        return min(known, key=known.__getitem__) if known else None

    @property
    def ratio(self) -> float | None:
        """How many times the best peer's speed Lamina has."""
        best, ours = self.best_peer, self.seconds(OURS)
        if best is None or ours is None:
            return None
        return (self.seconds(best) or 0.0) / ours

    def times_floor(self, limits: Limits | None) -> float | None:
        """How many times the least time Lamina takes."""
        least, ours = self.floor(limits), self.seconds(OURS)
        return None if least is None or ours is None or not least.seconds else ours / least.seconds

    def floor(self, limits: Limits | None) -> Floor | None:
        """The least time on this machine, where that has a meaning."""
        if limits is None or self.workload.cost is None:
            return None
        return floor(self.workload.cost, limits)


@dataclass
class Results:
    """Everything a run found.

    Attributes:
        peers: names, in the order of the columns.
        versions: of each peer that is installed; None for the absent.
        machine: see `machine.describe`.
        limits: None when measuring them failed; `limits_problem` then says how.
        complete: whether every chosen workload was measured.
    """

    peers: Sequence[str]
    versions: Mapping[str, str | None]
    machine: Mapping[str, Any]
    plan: Plan
    date: str
    revision: str = ""
    load: float | None = None
    limits: Limits | None = None
    limits_problem: str = ""
    rows: list[Row] = field(default_factory=list)
    complete: bool = False

    @property
    def sound(self) -> bool:
        """Whether Lamina gave a right result wherever it took part."""
        ours = [row.cells[OURS] for row in self.rows if OURS in row.cells]
        return all(cell.status in ("ok", "none") for cell in ours)


# ---------------------------------------------------------------- Markdown


def duration(seconds: float) -> str:
    """Three digits and a unit: "1.23 ms"."""
    units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
    scale, unit = next((u for u in units if seconds >= u[0]), units[-1])
    value = seconds / scale
    digits = max(2 - math.floor(math.log10(value)), 0) if value > 0 else 2
    return f"{value:.{digits}f} {unit}"


def cell_text(cell: Cell | None, least: Floor | None) -> str:
    """Median, half the spread between quartiles, and the share of the machine's limit."""
    if cell is None or cell.status == "none":
        return NOTHING
    summary = cell.summary
    if summary is None:
        return cell.status
    text = duration(summary.median)
    if len(cell.passes) > 1:
        text += f" ±{summary.spread:.1%}"
    if least is not None and summary.median > 0:
        text += f" ({least.seconds / summary.median:.0%})"
    return text


def times(ratio: float | None) -> str:
    """A ratio, or nothing."""
    return NOTHING if ratio is None else f"{ratio:.2f}x"


def mean_texts(results: Results) -> list[str]:
    """The last row: geometric means of both ratios over the rows that have them."""
    ratios = [row.ratio for row in results.rows if row.ratio]
    floors = [f for row in results.rows if (f := row.times_floor(results.limits))]
    means = [
        times(statistics.geometric_mean(known) if known else None) for known in (ratios, floors)
    ]
    counted = f"of {len(ratios)} and {len(floors)} rows"
    others = [NOTHING for name in results.peers if name != OURS]
    return ["geometric mean", NOTHING, NOTHING, counted, *means, *others]


def row_texts(row: Row, limits: Limits | None, peers: Sequence[str]) -> list[str]:
    """The columns of a row."""
    least = row.floor(limits)
    best, ratio = row.best_peer, row.ratio
    others = [name for name in peers if name != OURS]
    return [
        row.workload.name,
        f"{duration(least.seconds)} ({least.bound})" if least else NOTHING,
        cell_text(row.cells.get(OURS), least),
        best or NOTHING,
        times(ratio),
        times(row.times_floor(limits)),
        *(cell_text(row.cells.get(name), least) for name in others),
    ]


def table(results: Results) -> str:
    """The table, its columns aligned so that it reads well unrendered too."""
    others = [name for name in results.peers if name != OURS]
    head = ["workload", "floor", OURS, "best peer", "speed against it", "time over floor", *others]
    body = [row_texts(row, results.limits, results.peers) for row in results.rows]
    body += [mean_texts(results)] if len(body) > 1 else []
    return aligned_table(head, body)


def memory_table(results: Results) -> str:
    """How far memory grew, for the rows that report it; empty when none does."""
    rows = [row for row in results.rows if row.workload.memory]

    def grown(row: Row, peer: str) -> str:
        cell = row.cells.get(peer)
        if cell is None or cell.status != "ok" or cell.grown_bytes is None:
            return NOTHING
        return f"{cell.grown_bytes / 1e6:.0f} MB"

    body = [[row.workload.name, *(grown(row, name) for name in results.peers)] for row in rows]
    return aligned_table(["workload", *results.peers], body) if body else ""


def aligned_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table of Markdown whose columns are aligned in the file, too."""
    widths = [max(map(len, column)) for column in zip(head, *body)]
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in lines
    )


def legend(results: Results) -> str:
    """How to read the table."""
    isa = results.plan.isa
    confined = f" each confined to {isa}," if isa else ""
    return (
        f"Medians of {results.plan.passes} passes of {results.plan.seconds:g} s, half the distance "
        f"between the quartiles of the passes after ±, and in brackets the share of the floor "
        f"reached. {results.plan.threads} threads in every peer,{confined} a fresh process for "
        f"each peer and workload, peers in random order in each pass, results checked against "
        f"float64 before timing. The floor is the larger of unavoidable operations over the f32 "
        f"multiply-add peak and compulsory bytes over the bandwidth at that working set. "
        f"{NOTHING}: the peer has no such thing."
    )


def problems(results: Results) -> list[str]:
    """A line for every cell that failed, was wrong or is absent, and for missing limits."""
    lines = [
        f"{name} is absent: {PEERS[name].distribution} is not installed"
        for name in results.peers
        if results.versions.get(name) is None
    ]
    if results.limits is None:
        lines.append(f"no limits of the machine: {results.limits_problem or 'not measured'}")
    for row in results.rows:
        for cell in row.cells.values():
            if cell.status in ("failed", "wrong"):
                lines.append(f"{row.workload.name}, {cell.peer}: {cell.status}: {cell.message}")
    if not results.complete:
        lines.append("the run was interrupted: workloads are missing")
    return lines


def markdown(results: Results) -> str:
    """The whole page."""
    machine = results.machine
    caches = ", ".join(f"{level} {size}" for level, size in machine.get("caches", {}).items())
    versions = ", ".join(f"{n} {results.versions.get(n) or '(absent)'}" for n in results.peers)
    parts = [
        "# Benchmarks",
        f"Written by `python -m benchmarks.run` on {results.date}"
        + (f", revision {results.revision}" if results.revision else "")
        + ". How it is measured: [README](README.md).",
        *gathered(results),
        f"{machine.get('processor', 'unknown processor')}, {caches}, "
        f"{machine.get('system', '')}. {versions}.",
        table(results),
        legend(results),
    ]
    if results.load is not None and results.load > 0.5:
        parts.append(
            f"The machine was busy when the run began (load {results.load:.1f}): "
            "these timings mean little."
        )
    taken = memory_table(results)
    if taken:
        parts += ["## Memory of training steps", taken, MEMORY]
    parts += _listed("Problems", problems(results))
    parts += _listed("Peers", [f"**{name}**: {PEERS[name].note}." for name in results.peers])
    if results.limits is not None:
        parts += ["## Limits of the machine", machine_limits.describe(results.limits)]
    return "\n\n".join(parts) + "\n"


def gathered(results: Results) -> list[str]:
    """A sentence about rows of other runs, where there are any."""
    counts = Counter((row.date[:10], row.revision) for row in results.rows)
    if len(counts) < 2:
        return []
    runs = ", ".join(f"{n} of {date} at {at or '?'}" for (date, at), n in sorted(counts.items()))
    return [f"Gathered from several runs on one machine, rows: {runs}."]


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {line}" for line in lines)] if lines else []


# ---------------------------------------------------------------- JSON


def to_json(results: Results) -> dict[str, Any]:
    """Everything, raw samples included."""
    return {
        "schema": SCHEMA,
        "date": results.date,
        "revision": results.revision,
        "complete": results.complete,
        "load_before": results.load,
        "plan": dataclasses.asdict(results.plan),
        "machine": dict(results.machine),
        "peers": {
            name: {"version": results.versions.get(name), "note": PEERS[name].note}
            for name in results.peers
        },
        "limits": results.limits.to_json() if results.limits is not None else None,
        "limits_problem": results.limits_problem,
        "workloads": [_row_json(row, results.limits) for row in results.rows],
    }


def _row_json(row: Row, limits: Limits | None) -> dict[str, Any]:
    least = row.floor(limits)
    workload = row.workload
    return {
        "name": workload.name,
        "summary": workload.summary,
        "cost": dataclasses.asdict(workload.cost) if workload.cost is not None else None,
        "tolerance": dataclasses.asdict(workload.tolerance),
        "date": row.date,
        "revision": row.revision,
        "floor": dataclasses.asdict(least) if least is not None else None,
        "best_peer": row.best_peer,
        "ratio": row.ratio,
        "cells": {name: _cell_json(cell, least) for name, cell in row.cells.items()},
    }


def _cell_json(cell: Cell, least: Floor | None) -> dict[str, Any]:
    found = {k: v for k, v in dataclasses.asdict(cell).items() if k not in ("peer", "passes")}
    summary = cell.summary
    if summary is not None:
        found |= {
            "median_s": summary.median,
            "quartiles_s": [summary.low, summary.high],
            "share_of_floor": least.seconds / summary.median if least is not None else None,
        }
    found["passes"] = [
        {"calls": p.calls, "samples_s": [float(f"{s:.{SAMPLE_DIGITS}g}") for s in p.samples_s]}
        for p in cell.passes
    ]
    return found


def json_text(results: Results) -> str:
    """JSON with each list of numbers or words on one line."""
    text = json.dumps(to_json(results), indent=1, ensure_ascii=False, allow_nan=False)
    flat = re.compile(r"\[\n([^\[\]{}]*?)\n\s*\]")  # strings hold no line ends
    return flat.sub(lambda m: "[" + re.sub(r"\n\s*", " ", m[1]).strip() + "]", text) + "\n"


# ---------------------------------------------------------------- files


def write(results: Results, folder: Path) -> list[Path]:
    """`results.json` and `results.md` in the folder; each is whole or as it was before."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "results.json", folder / "results.md"]
    for path, text in zip(paths, (json_text(results), markdown(results))):
        replace(path, text)
    return paths


def replace(path: Path, text: str) -> None:
    """Writes beside the file, then renames."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
