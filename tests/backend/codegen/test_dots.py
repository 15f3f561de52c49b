"""Dot products of the bytes in a lane, with the instruction for them and without."""

import numpy as np
import pytest
from lane_kernel import MACHINES, LaneKernel

EDGES = np.array([0, 1, 127, 128, 129, 254, 255], np.uint8)


def operands(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Words whose bytes are extremes or anything, and totals that are about to wrap."""
    rng = np.random.default_rng(0)
    words = [
        np.where(
            rng.random((count, 4)) < 0.5,
            rng.choice(EDGES, (count, 4)),
            rng.integers(0, 256, (count, 4)),
        ).astype(np.uint8)
        for _ in range(2)
    ]
    totals = rng.choice([0, 1, -1, 2**31 - 1, -(2**31)], count).astype(np.int32)
    return words[0], words[1], totals


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32])
def test_dot4(width, machine):
    x, y, c = operands(64)
    exact = c + (x.astype(np.int64) * y.view(np.int8)).sum(-1)
    kernel = LaneKernel("dot4", ["i32"] * 3, "i32", width, machine)
    got = kernel(*(w.view(np.int32).reshape(-1) for w in (x, y)), c)
    np.testing.assert_array_equal(got, exact.astype(np.int32))
    single = width in (4, 8, 16) and kernel.machine.has("avx512vnni")
    assert ("vpdpbusd" in kernel.ir) == single
