"""Turns of peers, and what becomes of those that fail."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measure import Cell, Plan, measure
from benchmarks.peers import Peer
from benchmarks.process import Worker
from benchmarks.workload import Prepared, Tolerance, Workload

FAKE = Path(__file__).with_name("fake_worker.py")
PLAN = Plan(passes=3, seconds=0.0, threads=1, settle_s=0.0)


def nothing(data):
    return Prepared(lambda: None, list)


WORKLOAD = Workload(
    "pretence", "nothing", lambda rng: {}, lambda data: [np.zeros(1)], {"any": nothing}, Tolerance()
)


def peer(name: str, builder: str = "any", distribution: str = "numpy") -> Peer:
    return Peer(name, builder, distribution, "pretends")


def start(peer: Peer) -> Worker:
    return Worker([sys.executable, str(FAKE), peer.name])


def median(cell: Cell) -> float:
    assert cell.summary is not None
    return cell.summary.median


def test_every_peer_gets_its_passes():
    cells = measure(WORKLOAD, [peer("0.5"), peer("2")], PLAN, start)
    assert list(cells) == ["0.5", "2"]
    assert [c.status for c in cells.values()] == ["ok", "ok"]
    assert [p.samples_s for p in cells["2"].passes] == [
        (2.0, 2.0, 200.0),
        (2.0, 4.0, 200.0),
        (2.0, 6.0, 200.0),
    ]
    assert median(cells["2"]) == 4.0
    assert cells["0.5"].setup_s == 0.25
    assert cells["0.5"].grown_bytes == 3 << 20
    assert (cells["2"].error, cells["2"].share) == (1e-6, 0.5)


def test_peers_take_turns_in_an_order_that_changes():
    seen: list[str] = []
    many = Plan(passes=12, seconds=0.0, threads=1, settle_s=0.0)
    measure(WORKLOAD, [peer("1"), peer("2")], many, start, seen.append)
    turns = [step.split(": ")[1].split(",")[0] for step in seen if "pass" in step]
    passes = [tuple(turns[i : i + 2]) for i in range(0, 24, 2)]
    assert all(set(p) == {"1", "2"} for p in passes)
    assert set(passes) == {("1", "2"), ("2", "1")}


@pytest.mark.parametrize(
    "way, status, message",
    [
        ("wrong", "wrong", "result is wrong: 7 x tolerance"),
        ("refuse setup", "failed", "TypeError: not that"),
        ("crash in check", "failed", "killed by SIGSEGV: something is badly wrong"),
        ("crash in pass 2", "failed", "killed by SIGKILL"),
    ],
)
def test_one_fails_and_the_others_go_on(way, status, message):
    cells = measure(WORKLOAD, [peer(way), peer("1")], PLAN, start)
    assert (cells[way].status, cells[way].message) == (status, message)
    assert cells[way].summary is None
    assert median(cells["1"]) == 2.0


def test_absent_peers_and_missing_functions_are_listed():
    chosen = [peer("ghost", distribution="no_such_distribution"), peer("other", builder="none")]
    cells = measure(WORKLOAD, chosen, PLAN, start)
    assert cells["ghost"].status == "absent"
    assert cells["ghost"].message == "no_such_distribution is not installed"
    assert cells["other"].status == "none"


def test_a_process_that_cannot_start():
    def refuse(peer: Peer) -> Worker:
        raise OSError("too many processes")

    cells = measure(WORKLOAD, [peer("1")], PLAN, refuse)
    assert cells["1"].message == "no process: too many processes"


def test_an_interruption_ends_the_workers():
    started: list[Worker] = []

    def remember(peer: Peer) -> Worker:
        started.append(start(peer))
        return started[-1]

    def interrupt(step: str) -> None:
        if "pass" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(WORKLOAD, [peer("1"), peer("2")], PLAN, remember, interrupt)
    assert [worker._process.poll() is not None for worker in started] == [True, True]
