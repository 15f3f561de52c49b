"""Element types that an operation has no meaning for."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as lm
from tests.errors.messages import whole


def test_bits_of_floats() -> None:
    x = lm.zeros((2,))
    with pytest.raises(lm.DTypeError) as error:
        x & x
    assert whole(error) == (
        "and: no meaning for float32\n"
        "  operand 0: f32[2]\n"
        "  takes: bool, int, uint\n"
        "  help: cast it first, as in x.astype(lamina.float32)\n"
        "  at test_bits_of_floats: x & x"
    )


def test_minus_a_boolean() -> None:
    x = lm.zeros((2,), dtype=lm.bool)
    with pytest.raises(lm.DTypeError) as error:
        -x
    assert whole(error) == (
        "negative: no meaning for bool\n"
        "  operand 0: bool[2]\n"
        "  takes: int, uint, float, complex\n"
        "  help: cast it first, as in x.astype(lamina.float32)\n"
        "  at test_minus_a_boolean: -x"
    )


def test_unsigned_and_signed() -> None:
    x, y = lm.ones((2,), dtype=lm.uint64), lm.ones((2,), dtype=lm.int64)
    with pytest.raises(lm.DTypeError) as error:
        x + y
    assert whole(error) == (
        "add: no common dtype\n"
        "  operand 0: u64[2]\n"
        "  operand 1: i64[2]\n"
        "  help: cast one of them\n"
        "  at test_unsigned_and_signed: x + y"
    )


def test_condition_that_is_no_boolean() -> None:
    x = lm.zeros((2,))
    with pytest.raises(lm.DTypeError) as error:
        lm.where(x, x, x)
    assert whole(error) == (
        "where: the condition is not boolean\n"
        "  condition: f32[2]\n"
        "  help: compare it first, as in x != 0\n"
        "  at test_condition_that_is_no_boolean: lm.where(x, x, x)"
    )


NAMES = (
    "bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, "
    "float16, bfloat16, float32, float64, complex64, complex128, float8_e4m3fn, float8_e5m2"
)


def test_name_of_no_dtype() -> None:
    with pytest.raises(lm.DTypeError) as error:
        lm.zeros((2,), dtype="flot32")
    assert whole(error) == (
        "no element type 'flot32'\n"
        f"  there are: {NAMES}\n"
        '  at test_name_of_no_dtype: lm.zeros((2,), dtype="flot32")'
    )


def test_dtype_of_another_library() -> None:
    x = lm.zeros((2,))
    with pytest.raises(lm.DTypeError) as error:
        x.astype(np.longdouble)
    assert whole(error) == (
        "no element type <class 'numpy.longdouble'>\n"
        f"  there are: {NAMES}\n"
        "  at test_dtype_of_another_library: x.astype(np.longdouble)"
    )


@pytest.mark.parametrize(("data", "found"), [(["a"], "<U1"), ([None], "object")])
def test_data_that_is_no_number(data: list[object], found: str) -> None:
    with pytest.raises(lm.DTypeError) as error:
        lm.asarray(data)
    assert whole(error) == (
        f"asarray: no element type for {found}\n"
        "  given: list\n"
        "  at test_data_that_is_no_number: lm.asarray(data)"
    )


def test_complex_numbers_as_real_ones() -> None:
    z = lm.asarray([1 + 2j])
    with pytest.raises(lm.DTypeError) as error:
        z.astype(lm.float32)
    assert whole(error) == (
        "cast: float32 holds no complex number\n"
        "  x: c64[1]\n"
        "  to: float32\n"
        "  help: take lamina.real(x) or lamina.abs(x) first\n"
        "  at test_complex_numbers_as_real_ones: z.astype(lm.float32)"
    )


def test_order_of_complex_numbers() -> None:
    z = lm.asarray([1 + 2j])
    with pytest.raises(lm.DTypeError) as error:
        lm.less(z, 3)
    assert whole(error) == (
        "less: no meaning for complex64\n"
        "  operand 0: c64[1]\n"
        "  takes: bool, int, uint, float\n"
        "  help: complex numbers have no order: take lamina.real(x) or lamina.abs(x) first\n"
        "  at test_order_of_complex_numbers: lm.less(z, 3)"
    )


def test_arithmetic_in_float8() -> None:
    x = lm.zeros((2,), dtype=lm.float8_e5m2)
    with pytest.raises(lm.DTypeError) as error:
        x + x
    assert whole(error) == (
        "add: no meaning for float8_e5m2\n"
        "  operand 0: f8e5m2[2]\n"
        "  takes: int, uint, float, complex\n"
        "  help: float8_e5m2 is for storage: cast it first, as in x.astype(lamina.float32)\n"
        "  at test_arithmetic_in_float8: x + x"
    )


def test_gradient_of_integers() -> None:
    count = lm.grad(lambda x: (x > 0).sum())
    with pytest.raises(lm.DTypeError) as error:
        count(lm.ones((3,)))
    assert whole(error) == (
        "grad: the loss is not floating\n"
        "  loss: i64[]\n"
        "  help: cast it to float32\n"
        "  at test_gradient_of_integers: count(lm.ones((3,)))"
    )


def test_index_of_floats() -> None:
    x, i = lm.zeros((3,)), lm.asarray([1.0])
    with pytest.raises(lm.DTypeError) as error:
        x[i]
    assert whole(error) == (
        "index: float32 is not an integer type\n"
        "  tensor: f32[3]\n"
        "  help: indices are integers, masks are boolean: cast, or compare, as in x > 0\n"
        "  at test_index_of_floats: x[i]"
    )


def test_key_that_is_a_number() -> None:
    with pytest.raises(lm.DTypeError) as error:
        lm.random.normal((2,), key=3)
    assert whole(error) == (
        "random: this is not a key\n"
        "  given: int\n"
        "  help: make one with lm.random.key(seed)\n"
        "  at test_key_that_is_a_number: lm.random.normal((2,), key=3)"
    )


def test_number_out_of_range() -> None:
    x = lm.ones((2,), dtype=lm.int8)
    with pytest.raises(lm.DTypeError) as error:
        x + 300
    assert whole(error) == (
        "int8 does not hold 300\n  range: -128 to 127\n  at test_number_out_of_range: x + 300"
    )
    with pytest.raises(lm.DTypeError) as error:
        lm.full((2,), float("nan"), dtype=lm.uint8)
    assert whole(error) == (
        "uint8 does not hold nan\n"
        "  range: 0 to 255\n"
        "  at test_number_out_of_range: "
        'lm.full((2,), float("nan"), dtype=lm.uint8)'
    )


def test_argument_out_of_range() -> None:
    f = lm.jit(lambda x, n: x * n)
    with pytest.raises(lm.DTypeError) as error:
        f(lm.ones((2,)), 2**64)
    assert whole(error) == (
        "int64 does not hold 18446744073709551616\n"
        "  at test_argument_out_of_range: f(lm.ones((2,)), 2**64)"
    )
    assert f(lm.ones((2,)), 2**62).tolist() == [2.0**62] * 2


def test_mixed_dtypes_meet_where_that_is_safe() -> None:
    """What is no error: booleans and integers promote, and functions make floats of integers."""
    ones = lm.ones((2, 2), dtype=lm.int32)
    assert (ones @ lm.ones((2, 2), dtype=lm.bool)).dtype is lm.int32
    assert lm.sin(ones).dtype is lm.float32
