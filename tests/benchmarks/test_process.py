"""The driver's side of the conversation, against a fake worker."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.process import ROOT, Worker, WorkerError, start

FAKE = Path(__file__).with_name("fake_worker.py")


def fake(way: str) -> Worker:
    return Worker([sys.executable, str(FAKE), way])


def test_questions_and_answers():
    with fake("good") as worker:
        assert worker.ask("setup", 10.0, workload="w")["seconds"] == 0.25
        assert worker.ask("check", 10.0)["passed"]
        assert worker.ask("time", 10.0, seconds=0.1)["samples_s"] == [1.0, 1.0, 100.0]
        assert worker.ask("time", 10.0, seconds=0.1)["samples_s"] == [1.0, 2.0, 100.0]


@pytest.mark.parametrize(
    "way, message",
    [
        ("crash in setup", "killed by SIGSEGV: something is badly wrong"),
        ("exit in setup", "ended with code 3: SystemError: giving up"),
        ("refuse setup", "TypeError: not that"),
        ("chatter in setup", "answered setup with b'Warning: hello'"),
    ],
)
def test_what_can_go_wrong(way, message):
    with fake(way) as worker, pytest.raises(WorkerError) as caught:
        worker.ask("setup", 10.0)
    assert str(caught.value) == message


def test_messages_name_no_folders_of_this_machine():
    assert str(WorkerError(f"ImportError in {ROOT}/src/lamina/x.py")) == (
        "ImportError in src/lamina/x.py"
    )


def test_a_worker_that_hangs_is_ended():
    with fake("hang in check") as worker:
        worker.ask("setup", 10.0)
        began = time.monotonic()
        with pytest.raises(WorkerError, match=r"no answer to check in 0\.2 s"):
            worker.ask("check", 0.2)
        assert time.monotonic() - began < 10
        with pytest.raises(WorkerError, match="killed by SIGKILL"):
            worker.ask("check", 5.0)


def test_a_dead_worker_is_reported_at_every_question():
    with fake("exit in setup") as worker:
        for _ in range(2):
            with pytest.raises(WorkerError, match="giving up"):
                worker.ask("setup", 10.0)


def test_a_worker_that_refused_may_be_asked_again():
    with fake("refuse check") as worker:
        with pytest.raises(WorkerError):
            worker.ask("check", 10.0)
        assert worker.ask("setup", 10.0)["ok"]


def test_a_real_worker_runs_a_real_workload(tmp_path):
    with start(peers.PEERS["numpy"], 1, tmp_path) as worker:
        worker.ask("setup", 60.0, workload="eager_add_16", builder="numpy", threads=1)
        assert worker.ask("check", 60.0)["passed"]
        assert len(worker.ask("time", 60.0, seconds=0.01)["samples_s"]) >= 3
        with pytest.raises(WorkerError, match="KeyError"):
            worker.ask("setup", 60.0, workload="no_such", builder="numpy", threads=1)


def test_the_environment_of_a_peer(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--kept")
    found = peers.environment(peers.PEERS["jax"], 1, tmp_path)
    assert found["OMP_NUM_THREADS"] == found["LAMINA_THREADS"] == found["NPROC"] == "1"
    assert found["XLA_FLAGS"] == "--kept --xla_cpu_multi_thread_eigen=false"
    assert found["JAX_PLATFORMS"] == "cpu"
    assert found["LAMINA_CACHE_DIR"].startswith(str(tmp_path))
    assert "MALLOC_MMAP_MAX_" not in found
    assert peers.environment(peers.PEERS["jax"], 2, tmp_path)["XLA_FLAGS"] == "--kept"
    assert "MALLOC_MMAP_MAX_" in peers.environment(peers.PEERS["torch_heap"], 2, tmp_path)


def test_an_absent_peer_has_no_version():
    absent = peers.Peer("ghost", "ghost", "no_such_distribution", "a note")
    assert absent.version() is None
    assert peers.PEERS["numpy"].version()
