"""The kernels that measure the machine; no test here believes a timing."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.backend.targets import select
from lamina.backend.tuning import roofs
from lamina.runtime import num_threads


@pytest.fixture
def trial(monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    return roofs.Trials(select(), trials=1, seconds=1e-4)


def test_the_number_of_threads_is_as_before(trial):
    before = num_threads()
    roofs.peak_flops(trial, before + 1)
    assert num_threads() == before


def test_every_limit_is_a_rate(trial):
    assert roofs.peak_flops(trial, 1) > 1e8
    for measured in (roofs.read_bandwidth, roofs.copy_bandwidth):
        size, rate = measured(trial, 2, 1 << 16)
        assert size == 1 << 16
        assert rate > 1e7


def test_the_kernels_compute_what_they_say(trial):
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    for streaming in ("", " streaming"):
        y[...] = 0
        trial.best(roofs.COPY, 2, [x, y], size=64, part=32, streaming=streaming)
        np.testing.assert_array_equal(x, y)
    sums = np.zeros(2, np.float32)
    ones = np.ones(64, np.float32)
    trial.seconds = 0.0  # one repeat
    trial.best(roofs.READ, 2, [ones, sums], size=64, part=32)
    np.testing.assert_array_equal(sums, [32.0, 32.0])


def test_chains_of_multiply_adds_end_where_they_should(trial):
    lanes = trial.target.lanes("f32")
    halves, sums = roofs.filled(2, 0.5), roofs.filled(lanes, 0.0)
    trial.best(roofs.FMA, 1, [halves, sums], size=lanes, part=3 * lanes, chains=3, lanes=lanes)
    np.testing.assert_allclose(sums, 3.0, rtol=1e-6)


def test_arrays_begin_a_cache_line():
    array = roofs.filled(10, 2.0)
    assert array.ctypes.data % 64 == 0
    np.testing.assert_array_equal(array, np.full(10, 2.0, np.float32))
