"""Result dtypes are those of the standard's table; nothing is computed to know them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

import lamina as lm
from tests.array_api import standard
from tests.array_api.standard import COMPLEX, DTYPES, INTEGERS, REALS, SIGNED, UNSIGNED, promoted

NUMERIC = (*INTEGERS, *REALS, *COMPLEX)
REAL = (*INTEGERS, *REALS)
FLOATING = (*REALS, *COMPLEX)
STRATEGIES = make_strategies_namespace(lm, api_version="2024.12")

ARITHMETIC = {
    **dict.fromkeys(("add", "multiply", "pow", "subtract"), NUMERIC),
    **dict.fromkeys(("floor_divide", "maximum", "minimum", "remainder"), REAL),
    **dict.fromkeys(("atan2", "copysign", "hypot", "logaddexp", "nextafter"), REALS),
    "divide": FLOATING,
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), ("bool", *INTEGERS)),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), INTEGERS),
}
COMPARISONS = {
    **dict.fromkeys(("equal", "not_equal"), DTYPES),
    **dict.fromkeys(("greater", "greater_equal", "less", "less_equal"), REAL),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), ("bool",)),
}
UNARY = {
    **dict.fromkeys(("negative", "positive", "sign", "square", "round"), NUMERIC),
    **dict.fromkeys(("ceil", "floor", "trunc"), REAL),
    **dict.fromkeys(
        ("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1", "log",
         "log10", "log1p", "log2", "reciprocal", "sin", "sinh", "sqrt", "tan", "tanh"),
        FLOATING,
    ),
    "conj": COMPLEX,
    "bitwise_invert": ("bool", *INTEGERS),
}  # fmt: skip
PREDICATES = {
    **dict.fromkeys(("isfinite", "isinf", "isnan"), NUMERIC),
    "logical_not": ("bool",),
    "signbit": REALS,
}
OPERATORS = {
    "add": "__add__", "subtract": "__sub__", "multiply": "__mul__", "divide": "__truediv__",
    "floor_divide": "__floordiv__", "remainder": "__mod__", "pow": "__pow__",
    "bitwise_and": "__and__", "bitwise_or": "__or__", "bitwise_xor": "__xor__",
    "bitwise_left_shift": "__lshift__", "bitwise_right_shift": "__rshift__",
}  # fmt: skip


def one(dtype: str) -> lm.Tensor:
    return lm.ones((2,), dtype=dtype)


def pairs(dtypes):
    return [(a, b, promoted(a, b)) for a, b in itertools.product(dtypes, repeat=2)]


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name):
    for a, b, wanted in pairs(ARITHMETIC[name]):
        if wanted is None:
            continue
        found = {getattr(lm, name)(one(a), one(b)).dtype}
        if name in OPERATORS:
            found.add(getattr(one(a), OPERATORS[name])(one(b)).dtype)
            found.add(getattr(one(b), OPERATORS[name].replace("__", "__r", 1))(one(a)).dtype)
        assert found == {getattr(lm, wanted)}, (a, b)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparison(name):
    for a, b, meeting in pairs(COMPARISONS[name]):
        if meeting is not None:
            assert getattr(lm, name)(one(a), one(b)).dtype is lm.bool


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    for dtype in UNARY[name]:
        assert getattr(lm, name)(one(dtype)).dtype is getattr(lm, dtype), dtype


@pytest.mark.parametrize("name", PREDICATES)
def test_predicate(name):
    for dtype in PREDICATES[name]:
        assert getattr(lm, name)(one(dtype)).dtype is lm.bool, dtype


def test_parts_of_complex_numbers():
    for dtype, part in zip(COMPLEX, REALS, strict=True):
        for f in (lm.abs, lm.real, lm.imag):
            assert f(one(dtype)).dtype is getattr(lm, part)


@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_accumulation(name):
    if not hasattr(lm, name):
        pytest.skip(f"{name} is not there yet")
    for dtype in NUMERIC:
        wide = "int64" if dtype in SIGNED else "uint64" if dtype in UNSIGNED else dtype
        assert getattr(lm, name)(one(dtype)).dtype is getattr(lm, wide)
        for asked in DTYPES[1:]:
            if dtype not in COMPLEX or asked in COMPLEX:
                found = getattr(lm, name)(one(dtype), dtype=getattr(lm, asked))
                assert found.dtype is getattr(lm, asked)


def test_other_functions():
    for a, b, wanted in pairs(NUMERIC):
        if wanted is None:
            continue
        dtype = getattr(lm, wanted)
        x, y = one(a), one(b)
        assert lm.result_type(x, y) is dtype
        assert lm.result_type(getattr(lm, a), getattr(lm, b)) is dtype
        assert lm.where(one("bool"), x, y).dtype is dtype
        assert lm.concat([x, y]).dtype is dtype
        assert lm.stack([x, y]).dtype is dtype
        assert lm.matmul(x, y).dtype is dtype
        assert lm.tensordot(x, y, axes=1).dtype is dtype
        assert lm.vecdot(x, y).dtype is dtype
    for dtype in DTYPES:
        x, square = one(dtype), lm.eye(2, dtype=dtype)
        kept = [lm.flip(x), lm.roll(x, 1), lm.tile(x, (2,)), lm.repeat(x, 2), lm.zeros_like(x)]
        kept += [lm.tril(square), lm.matrix_transpose(square)]
        assert {x.dtype for x in kept} == {getattr(lm, dtype)}
    for dtype in REAL:
        assert lm.argmax(one(dtype)).dtype is lm.int64
        assert lm.max(one(dtype)).dtype is getattr(lm, dtype)
        assert lm.clip(one(dtype), 0, 1).dtype is getattr(lm, dtype)


def test_python_numbers_take_the_dtype_of_the_tensor():
    numbers = {"bool": [True], "int": [True, 3], "float": [True, 3, 2.5], "complex": [3, 2.5, 1j]}
    for dtype in DTYPES:
        kind = "int" if dtype in INTEGERS else dtype.rstrip("0123456789")
        for number in numbers[kind][1 if kind != "bool" else 0 :]:
            x = one(dtype)
            wanted = getattr(lm, dtype)
            if kind == "bool":
                assert (x & number).dtype is wanted
                continue
            assert (x + number).dtype is wanted, (dtype, number)
            assert (number * x).dtype is wanted, (dtype, number)
            assert lm.result_type(x, number) is wanted
            assert lm.where(one("bool"), x, number).dtype is wanted
            assert lm.equal(x, number).dtype is lm.bool


def test_the_table_is_that_of_numpy():
    for a, b, wanted in pairs(NUMERIC):
        if wanted is not None:
            assert np.result_type(a, b) == np.dtype(wanted)
    assert promoted("uint64", "int8") is None
    assert promoted("int8", "float32") is None
    with pytest.raises(lm.DTypeError):
        one("uint64") + one("int8")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STRATEGIES.mutually_broadcastable_shapes(2, max_dims=5), st.data())
def test_shapes_broadcast(shapes, data):
    name = data.draw(st.sampled_from([*ARITHMETIC, *COMPARISONS]))
    dtype = data.draw(st.sampled_from({**ARITHMETIC, **COMPARISONS}[name]))
    x, y = (lm.ones(shape, dtype=dtype) for shape in shapes.input_shapes)
    assert getattr(lm, name)(x, y).shape == shapes.result_shape


def test_many_axes():
    limit = lm.__array_namespace_info__().capabilities()["max dimensions"]
    x = lm.asarray(np.arange(4.0).reshape((2,) + (1,) * (limit - 2) + (2,)))
    y = lm.permute_dims(x, tuple(range(limit))[::-1])
    assert (x + y).shape == (2,) + (1,) * (limit - 2) + (2,)
    assert lm.sum(x * y).item() == 0 + 2 + 2 + 9
    assert x[(0,) * limit].item() == 0


def test_default_dtypes():
    info = lm.__array_namespace_info__()
    found = info.default_dtypes()
    assert lm.ones(1).dtype is lm.empty(1).dtype is found["real floating"]
    assert lm.asarray(1).dtype is lm.arange(3).dtype is lm.full((), 1).dtype is found["integral"]
    assert lm.asarray(1j).dtype is found["complex floating"]
    assert lm.argmin(lm.ones(2)).dtype is found["indexing"]
    assert set(info.dtypes()) == set(standard.DTYPES)
    assert set(info.dtypes(kind=("signed integer", "bool"))) == {*SIGNED, "bool"}
    assert info.dtypes(kind="integral").keys() == set(INTEGERS)
    assert info.default_device() in info.devices()
    with pytest.raises(lm.UsageError, match="no kind 'number'"):
        info.dtypes(kind="number")
