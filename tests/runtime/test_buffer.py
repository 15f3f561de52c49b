"""Buffers: alignment, reuse, limits, sharing with NumPy, lifetime."""

import gc
import threading
import weakref

import ml_dtypes
import numpy as np
import pytest

from lamina.runtime import (
    Buffer,
    OutOfMemory,
    memory_stats,
    reset_peak,
    set_memory_limit,
    trim_pool,
)


@pytest.fixture
def limit():
    yield set_memory_limit
    set_memory_limit(0)


@pytest.mark.parametrize("nbytes", [0, 1, 64, 4097, 1 << 20, (1 << 21) + 1])
def test_buffers_are_aligned(nbytes):
    buffer = Buffer(nbytes)
    assert buffer.address % 64 == 0
    assert buffer.address != 0
    assert buffer.nbytes == len(buffer) == nbytes
    assert buffer.owned
    assert not buffer.readonly


def test_numpy_shares_the_memory_and_keeps_it():
    buffer = Buffer(80)
    view = np.frombuffer(buffer, np.float64)
    assert view.ctypes.data == buffer.address
    assert buffer.pins == 1
    view[:] = 3.0
    assert bytes(buffer) == view.tobytes()
    gone = weakref.ref(buffer)
    del buffer
    gc.collect()
    assert gone() is not None
    assert view.sum() == 30.0
    del view
    gc.collect()
    assert gone() is None


def test_released_blocks_are_reused():
    first = Buffer(5_000_000)
    address = first.address
    del first
    before = memory_stats()
    second = Buffer(5_000_000)
    after = memory_stats()
    assert second.address == address
    assert after.allocations == before.allocations
    assert after.requests == before.requests + 1


def test_statistics_and_peak():
    trim_pool()
    base = memory_stats().in_use_bytes
    reset_peak()
    buffer = Buffer(1 << 20)
    assert memory_stats().in_use_bytes == base + (1 << 20)
    del buffer
    stats = memory_stats()
    assert stats.in_use_bytes == base
    assert stats.pooled_bytes == 1 << 20
    assert stats.peak_bytes == base + (1 << 20)
    assert trim_pool() == 1 << 20
    reset_peak()
    assert memory_stats().peak_bytes == base


def test_the_limit_raises_out_of_memory(limit):
    used = memory_stats().in_use_bytes
    limit(used + (1 << 20))
    with pytest.raises(OutOfMemory, match="limit") as caught:
        Buffer(1 << 21)
    assert caught.value.requested_bytes == 1 << 21
    assert caught.value.in_use_bytes == used
    assert caught.value.limit_bytes == used + (1 << 20)
    assert isinstance(caught.value, MemoryError)
    Buffer(1 << 20)
    limit(0)
    Buffer(1 << 21)


def test_idle_blocks_make_room_below_the_limit(limit):
    used = memory_stats().in_use_bytes
    trim_pool()
    limit(used + (1 << 22))
    for nbytes in (1 << 20, 1 << 21, 3 << 20, 1 << 22):
        Buffer(nbytes)
    assert memory_stats().pooled_bytes <= 1 << 22


def test_what_the_system_refuses_raises_out_of_memory():
    with pytest.raises(OutOfMemory, match="the system has no more"):
        Buffer(1 << 60)


def test_wrap_copies_nothing_and_keeps_its_source():
    array = np.arange(6.0).reshape(2, 3)
    gone = weakref.ref(array)
    buffer = Buffer.wrap(array)
    assert buffer.address == array.ctypes.data
    assert buffer.nbytes == 48
    assert not buffer.owned
    del array
    gc.collect()
    assert gone() is not None
    assert np.frombuffer(buffer)[5] == 5.0
    del buffer
    gc.collect()
    assert gone() is None


def test_wrap_of_read_only_memory_stays_read_only():
    buffer = Buffer.wrap(b"12345678")
    assert buffer.readonly
    assert not np.frombuffer(buffer, np.uint8).flags.writeable


def test_wrap_takes_any_dtype_but_only_contiguous_arrays():
    assert Buffer.wrap(np.zeros(3, ml_dtypes.bfloat16)).nbytes == 6
    assert Buffer.wrap(np.zeros((0, 3))).nbytes == 0
    with pytest.raises(ValueError, match="contiguous"):
        Buffer.wrap(np.zeros((2, 3)).T)
    with pytest.raises(TypeError):
        Buffer.wrap(3)


def test_threads_share_the_pool():
    def work():
        for i in range(500):
            view = np.frombuffer(Buffer(64 + 97 * i), np.uint8)
            assert view.size == 64 + 97 * i

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
