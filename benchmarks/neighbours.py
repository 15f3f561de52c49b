"""Sizes beside those of the table, and random ones: `python -m benchmarks.neighbours`.

A schedule that only suits the listed sizes shows here: each listed size, one less, one more and
half as much again in every axis, and random sizes between the smallest and the largest. Reported is
the share of the floor that Lamina reaches, relative to that of the listed size (of random sizes: to
the median of all listed ones), and its speed against the best peer.

    python -m benchmarks.neighbours                             everything, about ten minutes
    python -m benchmarks.neighbours --only convolution --random 5 --peers lamina,torch
"""

from __future__ import annotations

import argparse
import fnmatch
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.families import FAMILIES, MARK, Family, find, named
from benchmarks.measure import Plan, measure
from benchmarks.peers import Peer
from benchmarks.process import Worker, WorkerError, start
from benchmarks.report import NOTHING, OURS, Row, aligned_table, cell_text, replace, times
from benchmarks.roofline import Limits
from benchmarks.run import RECORD, choose_peers, measure_limits, revision

RANDOM = "random"
LISTED = "listed"


@dataclass(frozen=True)
class Neighbour:
    """One size and what was found.

    Attributes:
        kind: "listed", "-1", "+1", "x1.5" or "random".
        share: of the floor that Lamina reaches.
        base: the share at the listed size.
    """

    kind: str
    row: Row
    share: float | None
    base: float | None

    @property
    def relative(self) -> float | None:
        """The share over that of the listed size."""
        return self.share / self.base if self.share and self.base else None


class Kept:
    """A worker that serves many workloads, and another one when it has died."""

    def __init__(self, peer: Peer, threads: int, cache: Path):
        self._begin = lambda: start(peer, threads, cache)
        self._worker: Worker | None = None

    def ask(self, op: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """See `Worker`."""
        self._worker = self._worker or self._begin()
        try:
            return self._worker.ask(op, timeout_s, **fields)
        except WorkerError:
            self.end()
            raise

    def close(self) -> None:
        """Nothing: the next workload goes on with it."""

    def end(self) -> None:
        """Lets the process go."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def sizes_of(family: Family, count: int) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """Kind, sizes, and the listed sizes that they belong to."""
    for listed in family.listed:
        yield LISTED, listed, listed
        for kind, sizes in family.beside(listed):
            yield kind, sizes, listed
    for sizes in family.random(count):
        yield RANDOM, sizes, None


def neighbours(
    name: str, peers: Sequence[Peer], plan: Plan, limits: Limits, cache: Path, count: int
) -> list[Neighbour]:
    """Measures a family."""
    found: list[Neighbour] = []
    shares: dict[Any, float] = {}
    with ExitStack() as stack:
        workers = {peer.name: Kept(peer, plan.threads, cache) for peer in peers}
        for worker in workers.values():
            stack.callback(worker.end)
        begin: Any = lambda peer: workers[peer.name]
        for kind, sizes, listed in sizes_of(FAMILIES[name], count):
            workload = find(named(name, sizes))
            row = Row(workload, measure(workload, peers, plan, begin))
            over = row.times_floor(limits)
            share = 1 / over if over else None
            if kind == LISTED and share:
                shares[listed] = share
            median = statistics.median(shares.values()) if shares else None
            found.append(Neighbour(kind, row, share, shares.get(listed) if listed else median))
            print(f"{workload.name}: {', '.join(line(found[-1]))}", file=sys.stderr, flush=True)
    return found


def line(found: Neighbour) -> list[str]:
    """A row of the table of a family."""
    row = found.row
    return [
        row.workload.name.partition(MARK)[2],
        found.kind,
        cell_text(row.cells.get(OURS), None),
        NOTHING if found.share is None else f"{found.share:.0%}",
        times(found.relative),
        row.best_peer or NOTHING,
        times(row.ratio),
    ]


def summary(name: str, found: Sequence[Neighbour]) -> Iterator[list[str]]:
    """A row for each kind of size: how many, least and middle of both numbers."""
    for kind in (LISTED, "-1", "+1", "x1.5", RANDOM):
        some = [n for n in found if n.kind == kind]
        relative = [r for n in some if (r := n.relative)]
        ratios = [r for n in some if (r := n.row.ratio)]
        if some:
            numbers = (least_and_middle(relative), least_and_middle(ratios))
            yield [name, kind, str(len(some)), *(text for pair in numbers for text in pair)]


def least_and_middle(values: Sequence[float]) -> tuple[str, str]:
    """The smallest and the median."""
    if not values:
        return NOTHING, NOTHING
    return times(min(values)), times(statistics.median(values))


def markdown(families: dict[str, list[Neighbour]], plan: Plan, threads: int) -> str:
    """The page."""
    head = ["family", "sizes", "count", "efficiency, least", "median", "speed, least", "median"]
    body = [row for name, found in families.items() for row in summary(name, found)]
    parts = [
        "# Neighbours of the benchmarks' sizes",
        f"Written by `python -m benchmarks.neighbours`, revision {revision()}, on "
        f"{machine.describe()['processor']}, {threads} threads, medians of {plan.passes} passes of "
        f"{plan.seconds:g} s. Efficiency is the share of the floor over that at the listed size "
        "(of random sizes: over the median of the listed ones); speed is against the best peer.",
        aligned_table(head, body),
    ]
    columns = ["sizes", "kind", OURS, "of the floor", "efficiency", "best peer", "speed"]
    for name, found in families.items():
        parts += [f"## {name}", aligned_table(columns, [line(n) for n in found])]
        wrong = [
            f"- {n.row.workload.name}, {cell.peer}: {cell.status}: {cell.message}"
            for n in found
            for cell in n.row.cells.values()
            if cell.status in ("failed", "wrong")
        ]
        parts += ["\n".join(wrong)] if wrong else []
    return "\n\n".join(parts) + "\n"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.neighbours",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = ", ".join(FAMILIES)
    parser.add_argument("--only", metavar="GLOB", default="*", help=f"families, of {known}")
    parser.add_argument("--peers", metavar="NAMES", default="lamina,torch,jax", help="and ours")
    parser.add_argument("--random", type=int, metavar="N", default=30, help="a family (30)")
    parser.add_argument("--passes", type=int, metavar="N", default=3, help="turns (3)")
    parser.add_argument("--seconds", type=float, metavar="S", default=0.05, help="a turn (0.05)")
    parser.add_argument("--threads", type=int, metavar="N", default=2, help="in every peer (2)")
    parser.add_argument("--out", type=Path, metavar="FILE", default=RECORD / "neighbours.md")
    options = parser.parse_args(arguments)
    options.families = [n for n in FAMILIES if fnmatch.fnmatch(n, options.only)]
    if not options.families:
        parser.error(f"--only: no family matches {options.only!r}; there are: {known}")
    try:
        options.chosen = choose_peers(options.peers)
    except ValueError as problem:
        parser.error(str(problem))
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and writes; 1 when Lamina failed somewhere or was wrong."""
    options = parse(arguments)
    threads = min(options.threads, machine.allowed_threads())
    machine.use_cpus(threads)
    plan = Plan(options.passes, options.seconds, threads, settle_s=0.02)
    found: dict[str, list[Neighbour]] = {}
    with tempfile.TemporaryDirectory(prefix="lamina-bench-", ignore_cleanup_errors=True) as folder:
        cache = Path(folder)
        limits = measure_limits(threads, True, cache)
        for name in options.families:
            found[name] = neighbours(name, options.chosen, plan, limits, cache, options.random)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    replace(options.out, markdown(found, plan, threads))
    print(f"wrote {options.out}")
    every = [n.row.cells[OURS] for some in found.values() for n in some if OURS in n.row.cells]
    return 0 if all(cell.status == "ok" for cell in every) else 1


if __name__ == "__main__":
    sys.exit(main())
