"""Checks against the reference, and what every workload must have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.peers import PEERS
from benchmarks.workload import ALIGNMENT_BYTES, Tolerance, Workload, aligned, compare
from benchmarks.workloads import every, find

ONE = Tolerance(absolute=1.0)
SMALL = [w for w in every().values() if "16M" not in w.name and "4096" not in w.name]


def test_a_result_within_tolerance():
    check = compare([np.array([1.0, 2.5])], [np.array([1.0, 2.0])], ONE)
    assert (check.error, check.share, check.passed) == (0.5, 0.5, True)


def test_a_result_beyond_tolerance():
    check = compare([np.array([3.5])], [np.array([2.0])], ONE)
    assert (check.error, check.share, check.passed) == (1.5, 1.5, False)


def test_relative_tolerance_follows_the_reference():
    check = compare([np.array([101.0, 1.0])], [np.array([100.0, 1.0])], Tolerance(relative=0.1))
    assert check.share == pytest.approx(0.1)


def test_exactness():
    assert compare([np.ones(2)], [np.ones(2)], Tolerance()).passed
    assert not compare([np.ones(2)], [np.array([1.0, 1.0 + 1e-15])], Tolerance()).passed


@pytest.mark.parametrize(
    "results",
    [
        [],
        [np.zeros(3)],
        [np.zeros((2, 1))],
        [np.array([0.0, math.nan])],
        [np.array([0.0, math.inf])],
        [np.zeros(2), np.zeros(2)],
    ],
    ids=["nothing", "size", "rank", "nan", "inf", "one more"],
)
def test_what_never_passes(results):
    assert not compare(results, [np.zeros(2)], Tolerance(absolute=1e9)).passed


def test_aligned_copies():
    for size in (0, 1, 7, 1000):
        array = np.arange(size, dtype=np.float32)
        copy = aligned(array)
        assert copy.ctypes.data % ALIGNMENT_BYTES == 0 or size == 0
        np.testing.assert_array_equal(copy, array)
        assert copy.dtype == array.dtype


def test_the_required_workloads_are_there():
    wanted = {f"mm_{n}" for n in (500, 512, 768, 1000, 1024, 1536, 2047, 2048)}
    wanted |= {"gemv_1x4096x4096", "mm_32x768x3072", "mm_2048x64x2048", "softmax_4096x1024"}
    wanted |= {"layernorm_4096x1024", "layernorm_fwd_bwd", "chain_16M", "add_16M"}
    wanted |= {"sum_axis0_4096", "sum_axis1_4096", "mlp_train_b128", "import_time"}
    wanted |= {f"cnn_train_{s}x{s}_b{b}" for s in (8, 28) for b in (64, 128)}
    wanted |= {f"compile_{kind}_cnn_train_8x8_b64" for kind in ("cold", "warm")}
    wanted |= {"jit_call", "eager_add_16"}
    assert wanted <= set(every())


@pytest.mark.parametrize("workload", every().values(), ids=every())
def test_every_workload_says_what_it_needs(workload: Workload):
    assert find(workload.name) is workload
    assert "lamina" in workload.builders
    assert set(workload.builders) <= {peer.builder for peer in PEERS.values()}
    assert workload.summary and not workload.summary.endswith(".")
    if workload.cost is not None:
        assert workload.cost.flops > 0
        assert workload.cost.read_bytes > 0
        assert workload.cost.written_bytes > 0


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
def test_data_are_the_same_in_every_process(workload: Workload):
    one, two = workload.make_data(), workload.make_data()
    assert list(one) == list(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_the_operations_of_a_product():
    assert find("mm_512").cost.flops == 2 * 512**3
    assert find("mm_512").cost.working_set_bytes == 3 * 4 * 512**2


def test_the_operations_of_the_network():
    batch, first, second = 128, 784 * 256, 256 * 10
    assert find("mlp_train_b128").cost.flops == 2 * batch * (2 * first + 3 * second)
