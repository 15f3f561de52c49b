"""Element types: names, NumPy twins, promotion."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from lamina.base import dtypes
from lamina.base.dtypes import ALL, dtype, promote
from lamina.base.errors import DTypeError

FLOATS = [d for d in ALL if d.is_float]
INTEGERS = [d for d in ALL if d.is_integer]
COMPLEX = [d for d in ALL if d.is_complex]
STORED = [d for d in ALL if d.kind == "storage"]


@pytest.mark.parametrize("d", ALL, ids=str)
def test_a_dtype_is_found_by_each_of_its_names(d):
    assert dtype(d) is dtype(d.name) is dtype(d.long_name) is dtype(d.numpy) is d
    assert d.numpy.itemsize == d.size_bytes
    assert repr(d) == f"lamina.{d.long_name}"


def test_python_types_and_bfloat16():
    assert dtype(float) is dtypes.float32
    assert dtype(int) is dtypes.int64
    assert dtype(bool) is dtypes.bool_
    assert dtype(complex) is dtypes.complex64
    assert dtype(ml_dtypes.bfloat16) is dtypes.bfloat16


@pytest.mark.parametrize("spec", ["float99", bytes, "i128", object(), None.__class__])
def test_what_is_no_dtype_is_refused_with_the_list_of_those_there_are(spec):
    with pytest.raises(DTypeError, match=r"there are: bool, int8, .*, float8_e5m2"):
        dtype(spec)


def test_promotion_is_that_of_numpy_where_the_standard_defines_it():
    pairs = [*itertools.product(INTEGERS, INTEGERS)]
    pairs += itertools.product(
        [dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128], repeat=2
    )
    for a, b in pairs:
        if (
            {a.kind, b.kind} == {"int", "uint"}
            and 64 in (a.bits, b.bits)
            and "u64" in (a.name, b.name)
        ):
            continue
        assert promote(a, b).numpy == np.promote_types(a.numpy, b.numpy), (a, b)


def test_promotion_commutes_and_keeps_equal_types():
    for a, b in itertools.combinations([d for d in ALL if d not in STORED], 2):
        if "u64" in (a.name, b.name) and "int" in (a.kind, b.kind):
            continue
        assert promote(a, b) is promote(b, a)
    assert all(promote(d, d) is d for d in ALL)


def test_a_float_decides_over_integers_and_booleans():
    for f, other in itertools.product(FLOATS, [*INTEGERS, dtypes.bool_]):
        assert promote(f, other) is f


def test_complex_decides_over_integers_and_booleans_and_keeps_the_width_of_a_float():
    for c, other in itertools.product(COMPLEX, [*INTEGERS, dtypes.bool_]):
        assert promote(c, other) is c
    for half in (dtypes.float16, dtypes.bfloat16):
        assert promote(half, dtypes.complex64) is dtypes.complex64
    assert promote(dtypes.complex64, dtypes.float64) is dtypes.complex128


def test_parts_and_complex_twins():
    assert [c.part for c in COMPLEX] == [dtypes.float32, dtypes.float64]
    assert [f.complex for f in FLOATS] == [*[dtypes.complex64] * 3, dtypes.complex128]
    assert all(d.part is d for d in ALL if not d.is_complex)


@pytest.mark.parametrize("stored", STORED, ids=str)
def test_storage_meets_only_itself(stored):
    assert promote(stored, stored) is stored
    for other in ALL:
        if other is not stored:
            with pytest.raises(DTypeError, match=r"for storage .*\n.*\n  help: cast it first"):
                promote(other, stored)


def test_the_two_halves_meet_in_float32():
    assert promote(dtypes.float16, dtypes.bfloat16) is dtypes.float32


def test_uint64_and_a_signed_integer_have_no_common_type():
    with pytest.raises(TypeError, match="no common integer type"):
        promote(dtypes.uint64, dtypes.int8)
