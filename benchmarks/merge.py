"""Puts the rows of a run into the results of earlier ones: a table gathered in parts.

A row is replaced whole, for its ratios hold within one run; it keeps the date and the revision of
its run. Rows of another machine, of other peers' versions or measured in another way do not mix.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from benchmarks.measure import Cell, Pass, Plan
from benchmarks.report import SCHEMA, Results, Row
from benchmarks.roofline import Limits
from benchmarks.workloads import every

SAME_MACHINE = ("processor", "architecture", "family_model_stepping", "caches", "logical_cpus")
SAME_PLAN = ("passes", "seconds", "threads", "isa")


def merged(old: Results, new: Results) -> Results:
    """The rows of both, in the order of the workloads; of the same name, the new one.

    Raises:
        ValueError: the runs do not mix; with what differs.
    """
    differences = [
        *_differences("machine", old.machine, new.machine, SAME_MACHINE),
        *_differences("plan", vars(old.plan), vars(new.plan), SAME_PLAN),
        *_differences(
            "version",
            old.versions,
            new.versions,
            [name for name in old.peers if name in new.versions],
        ),
    ]
    if differences:
        raise ValueError("these results do not mix: " + "; ".join(differences))
    rows = {row.workload.name: row for row in (*old.rows, *new.rows)}
    limits = new.limits or old.limits
    if old.limits is not None and new.limits is not None:
        limits = old.limits.best(new.limits)
    return dataclasses.replace(
        new,
        peers=list(dict.fromkeys((*old.peers, *new.peers))),
        versions={**old.versions, **new.versions},
        limits=limits,
        rows=[rows[name] for name in every() if name in rows],
        complete=old.complete and new.complete,
    )


def _differences(what: str, old: Any, new: Any, names: Any) -> list[str]:
    return [
        f"{what} {name}: {old.get(name)} and {new.get(name)}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def load(path: Path) -> Results:
    """What `report.write` wrote; rows of workloads that are no more are left out.

    Raises:
        ValueError: the file is of another schema.
    """
    found = json.loads(path.read_text())
    if found["schema"] != SCHEMA:
        raise ValueError(f"{path.name} has schema {found['schema']}, not {SCHEMA}: measure anew")
    return Results(
        peers=list(found["peers"]),
        versions={name: peer["version"] for name, peer in found["peers"].items()},
        machine=found["machine"],
        plan=Plan(**found["plan"]),
        date=found["date"],
        revision=found["revision"],
        load=found["load_before"],
        limits=Limits.from_json(found["limits"]) if found["limits"] else None,
        limits_problem=found["limits_problem"],
        rows=[
            _row(row, found["date"], found["revision"])
            for row in found["workloads"]
            if row["name"] in every()
        ],
        complete=found["complete"],
    )


def _row(found: dict[str, Any], date: str, revision: str) -> Row:
    cells = {name: _cell(name, cell) for name, cell in found["cells"].items()}
    workload = every()[found["name"]]
    return Row(workload, cells, found.get("date", date), found.get("revision", revision))


def _cell(name: str, found: dict[str, Any]) -> Cell:
    passes = [Pass(tuple(p["samples_s"]), p["calls"]) for p in found["passes"]]
    known = {f.name for f in dataclasses.fields(Cell)} - {"peer", "passes"}
    return Cell(name, passes=passes, **{k: v for k, v in found.items() if k in known})
