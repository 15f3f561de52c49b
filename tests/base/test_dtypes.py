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


@pytest.mark.parametrize("d", ALL, ids=str)
def test_a_dtype_is_found_by_each_of_its_names(d):
    assert dtype(d) is dtype(d.name) is dtype(d.long_name) is dtype(d.numpy) is d
    assert d.numpy.itemsize == d.size_bytes
    assert repr(d) == f"lamina.{d.long_name}"


def test_python_types_and_bfloat16():
    assert dtype(float) is dtypes.float32
    assert dtype(int) is dtypes.int64
    assert dtype(bool) is dtypes.bool_
    assert dtype(ml_dtypes.bfloat16) is dtypes.bfloat16


@pytest.mark.parametrize("spec", ["float99", complex, "i128", object(), None.__class__])
def test_what_is_no_dtype_is_refused_with_the_list_of_those_there_are(spec):
    with pytest.raises(DTypeError, match=r"there are: bool, int8, .*, float64"):
        dtype(spec)


def test_promotion_is_that_of_numpy_where_the_standard_defines_it():
    pairs = [*itertools.product(INTEGERS, INTEGERS)]
    pairs += itertools.product([dtypes.float32, dtypes.float64], repeat=2)
    for a, b in pairs:
        if (
            {a.kind, b.kind} == {"int", "uint"}
            and 64 in (a.bits, b.bits)
            and "u64" in (a.name, b.name)
        ):
            continue
        assert promote(a, b).numpy == np.promote_types(a.numpy, b.numpy), (a, b)


def test_promotion_commutes_and_keeps_equal_types():
    for a, b in itertools.combinations(ALL, 2):
        if "u64" in (a.name, b.name) and "int" in (a.kind, b.kind):
            continue
        assert promote(a, b) is promote(b, a)
    assert all(promote(d, d) is d for d in ALL)


def test_a_float_decides_over_integers_and_booleans():
    for f, other in itertools.product(FLOATS, [*INTEGERS, dtypes.bool_]):
        assert promote(f, other) is f


def test_the_two_halves_meet_in_float32():
    assert promote(dtypes.float16, dtypes.bfloat16) is dtypes.float32


def test_uint64_and_a_signed_integer_have_no_common_type():
    with pytest.raises(TypeError, match="no common integer type"):
        promote(dtypes.uint64, dtypes.int8)
