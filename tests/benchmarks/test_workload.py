"""Checks against the reference, and what every workload must have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.peers import PEERS
from benchmarks.workload import (
    ALIGNMENT_BYTES,
    Cost,
    Tolerance,
    Workload,
    aligned,
    compare,
    in_bf16,
)
from benchmarks.workloads import every, find

ONE = Tolerance(absolute=1.0)
LARGE = ("16M", "4096", "gpt2", "infer_b16")
SMALL = [w for w in every().values() if not any(part in w.name for part in LARGE)]


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


def test_numbers_of_bf16_are_nearest():
    import ml_dtypes

    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    x = np.append(x, [0.0, -0.0, 1.00390625, 1.01171875, 1e-40]).astype(np.float32)
    wanted = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(in_bf16(x), wanted)


def test_the_required_workloads_are_there():
    wanted = {f"mm_{n}" for n in (500, 512, 768, 1000, 1024, 1536, 2047, 2048)}
    wanted |= {"transpose_4096", "max_axis1_4096"}
    wanted |= {f"{name}_16384x256" for name in ("gather", "scatter_add")}
    wanted |= {"cumsum_4096x1024", "sort_4096x1024", "sort_1M", "bmm_96x256x64x256_bf16"}
    wanted |= {"gemv_1x4096x4096", "mm_32x768x3072", "mm_2048x64x2048", "softmax_4096x1024"}
    wanted |= {"layernorm_4096x1024", "layernorm_fwd_bwd_4096x1024", "chain_16M", "add_16M"}
    wanted |= {"sum_axis0_4096", "sum_axis1_4096", "mlp_train_b128", "import_time"}
    wanted |= {f"cnn_train_{s}x{s}_b{b}" for s in (8, 28) for b in (64, 128)}
    wanted |= {f"compile_{kind}_cnn_train_8x8_b64" for kind in ("cold", "warm")}
    wanted |= {"jit_call", "eager_add_16", "mlp4096_int8_b1", "mlp4096_int8_b128"}
    both = ("cnn_train_b128", "gpt_char_train", "lstm_train", "resnet18_train_b8")
    both += ("gpt2_prefill128", "resnet18_infer_b1", "resnet18_infer_b16", "mm_2048")
    wanted |= {name + precision for name in both for precision in ("", "_bf16")}
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


def cost_of(name: str) -> Cost:
    cost = find(name).cost
    assert cost is not None
    return cost


def test_the_operations_of_a_product():
    assert cost_of("mm_512").flops == 2 * 512**3
    assert cost_of("mm_512").working_set_bytes == 3 * 4 * 512**2
    assert cost_of("mm_512_bf16").working_set_bytes == 3 * 2 * 512**2
    assert cost_of("bmm_96x256x64x256").flops == 2 * 96 * 256 * 64 * 256


def test_the_operations_of_the_network():
    batch, first, second = 128, 784 * 256, 256 * 10
    assert cost_of("mlp_train_b128").flops == 2 * batch * (2 * first + 3 * second)
