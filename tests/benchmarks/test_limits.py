"""The kernels that measure the machine; no test here believes a timing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import limits
from benchmarks.roofline import Limits
from lamina.backend.targets import select
from lamina.runtime import num_threads, set_num_threads


@pytest.fixture
def trial(monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    before = num_threads()
    yield limits._Trials(select(), trials=1, seconds=1e-4)
    set_num_threads(before)


def test_every_limit_is_a_rate(trial):
    assert limits.peak_flops(trial, 1) > 1e8
    for measured in (limits.read_bandwidth, limits.copy_bandwidth):
        size, rate = measured(trial, 2, 1 << 16)
        assert size == 1 << 16
        assert rate > 1e7


def test_the_kernels_compute_what_they_say(trial):
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    for streaming in ("", " streaming"):
        y[...] = 0
        trial.best(limits.COPY, 2, [x, y], size=64, part=32, streaming=streaming)
        np.testing.assert_array_equal(x, y)
    sums = np.zeros(2, np.float32)
    ones = np.ones(64, np.float32)
    trial.seconds = 0.0  # one repeat
    trial.best(limits.READ, 2, [ones, sums], size=64, part=32)
    np.testing.assert_array_equal(sums, [32.0, 32.0])


def test_chains_of_multiply_adds_end_where_they_should(trial):
    lanes = trial.target.lanes("f32")
    halves, sums = limits.filled(2, 0.5), limits.filled(lanes, 0.0)
    trial.best(limits.FMA, 1, [halves, sums], size=lanes, part=3 * lanes, chains=3, lanes=lanes)
    np.testing.assert_allclose(sums, 3.0, rtol=1e-6)


def test_sizes_leave_room():
    assert limits.fitting([1, 10, 100], 50) == [1, 10]
    assert limits.fitting([1000], 10) == [1000]


def test_arrays_begin_a_cache_line():
    array = limits.filled(10, 2.0)
    assert array.ctypes.data % 64 == 0
    np.testing.assert_array_equal(array, np.full(10, 2.0, np.float32))


def test_the_description():
    found = Limits(2, {1: 1e11, 2: 2e11}, ((1 << 15, 4e11), (1 << 30, 3e10)), ((1 << 15, 2e11),))
    text = limits.describe(found)
    assert "1: 100 GFLOP/s, 2: 200 GFLOP/s" in text
    assert "| 32 KB | 1 GB |" in text
    assert "| read | 400 | 30 |" in text


def test_the_program_prints_json(capsys, monkeypatch):
    flat = ((1e3, 1e10),)
    found = Limits(1, {1: 1e11}, flat, flat)
    monkeypatch.setattr(limits, "measure", lambda threads, quick: found)
    monkeypatch.setattr("sys.argv", ["limits", "--threads", "1", "--json"])
    limits.main()
    assert Limits.from_json(json.loads(capsys.readouterr().out)) == found
