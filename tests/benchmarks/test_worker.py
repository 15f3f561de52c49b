"""The worker's side of the conversation, in this process."""

from __future__ import annotations

import io
import json
import sys
import time

import numpy as np
import pytest

from benchmarks import memory, worker, workloads
from benchmarks.workload import Prepared, Tolerance, Workload


def doubled(data):
    return Prepared(lambda: data["x"] * 2, lambda: [data["x"] * 2])


def tripled(data):
    return Prepared(lambda: data["x"] * 3, lambda: [data["x"] * 3])


def not_a_number(data):
    return Prepared(lambda: None, lambda: [data["x"] * np.nan])


def broken(data):
    raise MemoryError("no room\nat all")


def own_clock(data):
    return Prepared(lambda: None, lambda: [data["x"] * 2], seconds=lambda: 42.0)


TINY = Workload(
    "tiny",
    "twice three numbers",
    lambda rng: {"x": rng.standard_normal(3, np.float32)},
    lambda data: [data["x"].astype(np.float64) * 2],
    {"numpy": doubled, "jax": tripled, "torch": broken, "lamina": own_clock, "nan": not_a_number},
    Tolerance(relative=1e-6),
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(worker, "find", lambda name: {"tiny": TINY}[name])
    monkeypatch.setattr(worker.peers, "configure", lambda builder, threads: None)


def converse(*requests: dict) -> list[dict]:
    answers = io.StringIO()
    worker.serve(io.StringIO("".join(json.dumps(r) + "\n" for r in requests)), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def setup(builder: str) -> dict:
    return {"op": "setup", "workload": "tiny", "builder": builder, "threads": 1}


def test_setup_check_time():
    made, check, timed = converse(setup("numpy"), {"op": "check"}, {"op": "time", "seconds": 0.002})
    assert made["ok"] and made["seconds"] > 0
    assert check == {"ok": True, "passed": True, "error": 0.0, "share": 0.0}
    assert len(timed["samples_s"]) >= worker.FEWEST_SAMPLES
    assert all(s > 0 for s in timed["samples_s"])
    assert timed["calls"] > 1  # such a short call is timed many at a time


def test_a_wrong_result():
    _, check = converse(setup("jax"), {"op": "check"})
    assert check["ok"] and not check["passed"]
    assert check["share"] > 1e4


def test_not_a_number_is_wrong_and_json():
    _, check = converse(setup("nan"), {"op": "check"})
    assert check == {"ok": True, "passed": False, "error": None, "share": None}


def test_an_exception_is_an_answer_and_the_worker_goes_on():
    failed, unknown, made = converse(setup("torch"), {"op": "dance"}, setup("numpy"))
    assert failed == {"ok": False, "error": "MemoryError: no room at all"}
    assert unknown == {"ok": False, "error": "ValueError: no request 'dance'"}
    assert made["ok"]


def test_a_workload_with_its_own_clock():
    _, timed = converse(setup("lamina"), {"op": "time", "seconds": 1.0})
    assert timed.pop("grown_bytes") is None or sys.platform == "linux"
    assert timed == {"ok": True, "samples_s": [42.0], "calls": 1}


@pytest.mark.skipif(memory.most_bytes() is None, reason="the system does not say")
def test_memory_grows_by_what_a_call_takes_and_is_forgotten():
    before = memory.resident_bytes() or 0
    large = np.ones(1 << 23)  # 64 MB
    del large
    assert (memory.most_bytes() or 0) > before + (60 << 20)
    memory.forget()
    assert 0 < (memory.most_bytes() or 0) < before + (30 << 20)


def test_quit_ends_the_conversation():
    assert len(converse(setup("numpy"), {"op": "quit"}, {"op": "check"})) == 1


def test_samples_are_seconds_of_one_call():
    timed = worker.time_calls(lambda: time.sleep(0.002), 0.02)
    assert timed.calls == 1
    assert all(0.002 <= s < 1.0 for s in timed.samples_s)


def test_a_slow_call_is_still_timed_three_times():
    assert len(worker.time_calls(lambda: time.sleep(0.005), 0.001).samples_s) == 3


def test_warming_up_calls_at_least_twice():
    calls = []
    worker.warm_up(lambda: calls.append(0), 0.0)
    assert len(calls) == 2


def test_the_worker_knows_the_real_workloads():
    assert workloads.find("mm_512").name == "mm_512"
