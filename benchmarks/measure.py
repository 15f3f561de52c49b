"""Measures one workload: a fresh process for each peer, checked, then timed in turns."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.peers import Peer
from benchmarks.process import Worker, WorkerError
from benchmarks.samples import Summary, summarise
from benchmarks.workload import Workload

Status = Literal["ok", "absent", "none", "wrong", "failed"]
"""Measured; not installed; has no such function; result out of tolerance; crashed or refused."""


@dataclass(frozen=True)
class Plan:
    """How measuring goes.

    Args:
        passes: how often the peers take turns.
        seconds: time for the samples of one peer in one pass.
        threads: for every peer.
        settle_s: pause before a turn, in which the threads of the peer before stop spinning.
        setup_timeout_s: for preparing and checking, compilation included.
        seed: of the order of the turns.
        isa: what all peers are confined to, of `peers.ISAS`; empty for all that there is.
    """

    passes: int = 5
    seconds: float = 0.5
    threads: int = 2
    settle_s: float = 0.15
    setup_timeout_s: float = 600.0
    seed: int = 0
    isa: str = ""

    @property
    def pass_timeout_s(self) -> float:
        """Generous: a slow call is timed three times whatever it takes."""
        return 120.0 + 20.0 * self.seconds


@dataclass(frozen=True)
class Pass:
    """The samples of one turn, in seconds for one call."""

    samples_s: tuple[float, ...]
    calls: int


@dataclass
class Cell:
    """What is known about one workload in one peer.

    Attributes:
        message: why there is no number, where there is none.
        error, share: of the check; see `workload.Check`.
        grown_bytes: how far memory grew in the largest pass, since the peer was imported.
        setup_s: preparing, without the first call.
    """

    peer: str
    status: Status = "ok"
    message: str = ""
    error: float | None = None
    share: float | None = None
    setup_s: float | None = None
    grown_bytes: int | None = None
    passes: list[Pass] = field(default_factory=list)

    @property
    def summary(self) -> Summary | None:
        """Seconds for one call; None unless it was measured."""
        if self.status != "ok" or not self.passes:
            return None
        return summarise([p.samples_s for p in self.passes])

    def fail(self, status: Status, message: str) -> None:
        """Gives the number up."""
        self.status, self.message = status, message


def measure(
    workload: Workload,
    peers: Sequence[Peer],
    plan: Plan,
    start: Callable[[Peer], Worker],
    report: Callable[[str], None] = lambda step: None,
) -> dict[str, Cell]:
    """A cell for every peer, in the order given.

    Args:
        workload: what to run.
        peers: who runs it.
        plan: how.
        start: gives a fresh worker for a peer.
        report: told of each step, for a progress bar.
    """
    cells = {peer.name: Cell(peer.name) for peer in peers}
    workers: dict[str, Worker] = {}
    try:
        for peer in peers:
            report(f"{workload.name}: {peer.name} is checked")
            cell = cells[peer.name]
            if peer.version() is None:
                cell.fail("absent", f"{peer.distribution} is not installed")
            elif peer.builder not in workload.builders:
                cell.fail("none", "has no such function")
            else:
                try:
                    workers[peer.name] = start(peer)
                except OSError as problem:
                    cell.fail("failed", f"no process: {problem}")
                else:
                    _check(cell, workers[peer.name], workload, peer, plan)
        _take_turns(cells, workers, workload, plan, report)
    finally:
        for worker in workers.values():
            worker.close()
    return cells


def _check(cell: Cell, worker: Worker, workload: Workload, peer: Peer, plan: Plan) -> None:
    try:
        made = worker.ask(
            "setup",
            plan.setup_timeout_s,
            workload=workload.name,
            builder=peer.builder,
            threads=plan.threads,
        )
        cell.setup_s = made["seconds"]
        check = worker.ask("check", plan.setup_timeout_s)
    except WorkerError as problem:
        cell.fail("failed", str(problem))
        return
    cell.error, cell.share = check["error"], check["share"]
    if not check["passed"]:
        much = "NaN or another shape" if cell.share is None else f"{cell.share:.3g} x tolerance"
        cell.fail("wrong", f"result is wrong: {much}")


def _take_turns(
    cells: dict[str, Cell],
    workers: dict[str, Worker],
    workload: Workload,
    plan: Plan,
    report: Callable[[str], None],
) -> None:
    order = random.Random(f"{plan.seed} {workload.name}")
    for number in range(plan.passes):
        turns = [name for name in workers if cells[name].status == "ok"]
        order.shuffle(turns)
        for name in turns:
            report(f"{workload.name}: {name}, pass {number + 1} of {plan.passes}")
            time.sleep(plan.settle_s)
            try:
                timed = workers[name].ask("time", plan.pass_timeout_s, seconds=plan.seconds)
            except WorkerError as problem:
                cells[name].fail("failed", str(problem))
                continue
            cells[name].passes.append(Pass(tuple(timed["samples_s"]), timed["calls"]))
            grown, known = timed.get("grown_bytes"), cells[name].grown_bytes
            cells[name].grown_bytes = known if grown is None else max(grown, known or 0)
