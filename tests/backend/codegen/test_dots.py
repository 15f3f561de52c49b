"""Dot products of the bytes and halves in a lane, with the instruction for them and without."""

import numpy as np
import pytest
from lane_kernel import MACHINES, NUMPY, LaneKernel

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


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32])
def test_dot2(width, machine):
    """The least i16 four times gives -2^31, as i32 wraps."""
    rng = np.random.default_rng(0)
    edges = np.array([-32768, -32767, -1, 0, 1, 32767])
    x, y = (
        np.where(
            rng.random((64, 2)) < 0.5,
            rng.choice(edges, (64, 2)),
            rng.integers(-32768, 32768, (64, 2)),
        ).astype(np.int16)
        for _ in range(2)
    )
    x[:9], y[:9] = -32768, -32768
    c = operands(64)[2]
    exact = c + (x.astype(np.int64) * y).sum(-1)
    kernel = LaneKernel("dot2", ["i32"] * 3, "i32", width, machine)
    got = kernel(*(w.view(np.int32).reshape(-1) for w in (x, y)), c)
    np.testing.assert_array_equal(got, exact.astype(np.int32))
    features = {4: "sse2", 8: "avx2", 16: "avx512bw"}
    single = width in features and kernel.machine.has(features[width])
    assert ("pmadd" in kernel.ir) == single


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(("dtype", "byte"), [("i16", np.int8), ("u16", np.uint8)])
def test_halves(width, machine, dtype, byte):
    bytes = np.arange(512, dtype=np.uint16).astype(np.uint8)
    kernel = LaneKernel("halves", [dtype], "i32", width, machine)
    got = kernel(bytes.view(NUMPY[dtype]))
    np.testing.assert_array_equal(got.view(np.int16), bytes.view(byte).astype(np.int16))
