"""Floats of 16 and 8 bits: every pattern there and back, and rounding, on every instruction set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from lamina.backend.compile import compile_graph
from lamina.backend.targets import Target, select
from lamina.base.dtypes import DType, dtype
from lamina.base.errors import UsageError
from lamina.graph import ops
from lamina.graph.ir import TensorType, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import Buffer

SMALL = [dtype(name) for name in ("f16", "bf16", "f8e4m3fn", "f8e5m2")]
small = pytest.mark.parametrize("kind", SMALL, ids=str)


def _targets() -> list[Target]:
    found = []
    for name in ("avx512", "avx2", "generic"):
        try:
            found.append(select(name))
        except UsageError:
            continue
    return found


every_target = pytest.mark.parametrize("target", _targets(), ids=lambda t: t.name)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """NumPy warns of what is asked for here."""
    with np.errstate(all="ignore"):
        yield


@cache
def program(f: Callable, type: TensorType, target: Target):
    return compile_graph(trace(f, type), target)


def run(f: Callable, array: np.ndarray, target: Target) -> np.ndarray:
    """f of the array, compiled."""
    made = program(f, TensorType(dtype(array.dtype), array.shape), target)
    (out,) = made.run([Buffer.wrap(array.view(np.uint8))])
    return np.frombuffer(out, made.graph.outputs[0].dtype.numpy)


def patterns(kind: DType) -> np.ndarray:
    """Every number of a dtype, by its bits."""
    return np.arange(2**kind.bits).astype(f"u{kind.size_bytes}").view(kind.numpy)


def same_bits(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal bit by bit; NaN in place of NaN."""
    a, b = (x.view(f"u{x.dtype.itemsize}") for x in (got, wanted))
    both_nan = np.isnan(got.astype(np.float64)) & np.isnan(wanted.astype(np.float64))
    np.testing.assert_array_equal(np.where(both_nan, 0, a), np.where(both_nan, 0, b))


@every_target
@small
def test_every_pattern_is_stored_as_it_was(kind: DType, target: Target) -> None:
    x = patterns(kind)
    got = run(lambda x: ops.flip(x, (-1,)), x, target)
    assert got[::-1].tobytes() == x.tobytes()


@every_target
@small
def test_every_pattern_comes_back_from_single(kind: DType, target: Target) -> None:
    x = patterns(kind)
    wide = run(lambda x: ops.cast(x, dtype("f32")), x, target)
    same_bits(wide, x.astype(np.float32))
    same_bits(run(lambda x, k=kind: ops.cast(x, k), wide, target), x)


def hard_numbers(kind: DType) -> np.ndarray:
    """In f64: each number of the dtype, each point between two, and what lies just beside."""
    exact = np.unique(patterns(kind).astype(np.float64))
    exact = exact[np.isfinite(exact)]
    middle = (exact[1:] + exact[:-1]) / 2
    last = exact[-1] + (exact[-1] - exact[-2]) / 2
    points = np.concatenate([exact, middle, [last, -last]])
    beside = [np.nextafter(points, np.inf), np.nextafter(points, -np.inf)]
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 5e-324, -5e-324]
    return np.concatenate([points, *beside, special])


@every_target
@small
@pytest.mark.parametrize("source", ["f64", "f32"])
def test_rounds_once_to_nearest_even(kind: DType, target: Target, source: str) -> None:
    x = hard_numbers(kind).astype(dtype(source).numpy)
    (wanted,) = evaluate(trace(lambda x: ops.cast(x, kind), TensorType(dtype(source), x.shape)), x)
    same_bits(run(lambda x, k=kind: ops.cast(x, k), x, target), wanted)


@small
def test_the_reference_rounds_to_the_nearest(kind: DType) -> None:
    """No candidate is nearer, and of two as near the even one is taken."""
    x = hard_numbers(kind)
    limit = max(abs(patterns(kind).astype(np.float64)), key=lambda v: v if np.isfinite(v) else 0)
    x = x[np.abs(x) <= limit]
    got = ops.Cast(kind).reference(x)
    ordered = np.unique(patterns(kind).astype(np.float64))
    ordered = ordered[np.isfinite(ordered)]
    place = np.clip(np.searchsorted(ordered, x), 1, len(ordered) - 1)
    low, high = ordered[place - 1], ordered[place]
    error = np.abs(got.astype(np.float64) - x)
    np.testing.assert_array_equal(error, np.minimum(np.abs(x - low), np.abs(high - x)))
    tie = (x - low == high - x) & (low != high)
    assert not (got[tie].view(f"u{kind.size_bytes}") & 1).any()


@every_target
@small
@pytest.mark.parametrize("source", ["bool", "i8", "u16", "i32", "u64", "f16", "bf16"])
def test_from_other_dtypes(kind: DType, target: Target, source: str) -> None:
    given = dtype(source)
    numbers = np.array([0, 1, 2, 3, 5, 100, 127, 2**14 + 1, 2**24 + 3, 2**29 + 2**26 + 1, 2**53])
    x = numbers.astype(np.int64).astype(given.numpy)
    (wanted,) = evaluate(trace(lambda x: ops.cast(x, kind), TensorType(given, x.shape)), x)
    same_bits(run(lambda x, k=kind: ops.cast(x, k), x, target), wanted)


@every_target
@small
@pytest.mark.parametrize("wanted", ["bool", "i8", "u8", "i32", "f64", "f16", "bf16", "f8e5m2"])
def test_to_other_dtypes(kind: DType, target: Target, wanted: str) -> None:
    x = patterns(kind)
    last = dtype(wanted)
    cast = lambda x: ops.cast(x, last)
    (reference,) = evaluate(trace(cast, TensorType(kind, x.shape)), x)
    got = run(cast, x, target)
    if reference.dtype.kind in "biu":
        np.testing.assert_array_equal(got, reference)
    else:
        same_bits(got, reference)
