"""Every lane op of every dtype against NumPy over edge values, on this host and plain x86-64."""

import itertools

import numpy as np
import pytest
from lane_kernel import MACHINES, NUMPY, LaneKernel

from lamina.backend.codegen.llvm.lanes import FLOATS, HALVES, INTEGERS, SIGNED, Lane, Lanes, literal
from lamina.graph.ops.arithmetic import floor_quotient

# NumPy, the reference here, warns of the very cases under test.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ALL = ("bool", *INTEGERS, *FLOATS)


def edges(dtype: str) -> np.ndarray:
    """Values where an op of this dtype may go wrong."""
    kind = NUMPY[dtype]
    if dtype == "bool":
        return np.array([False, True])
    if dtype in INTEGERS:
        info = np.iinfo(kind)
        small = [
            v
            for v in (-8, -7, -3, -2, -1, 0, 1, 2, 3, 5, 7, 8, 31, 33, 63, 64, 65)
            if v >= info.min
        ]
        return np.array([info.min, info.min + 1, *small, info.max - 1, info.max], kind)
    huge = {"f16": 65504.0, "bf16": 3.0e38, "f32": 3.4e38, "f64": 1.7e308}[dtype]
    tiny = {"f16": 6e-8, "bf16": 1e-40, "f32": 1e-45, "f64": 5e-324}[dtype]
    values = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 0.1, 1e-3, 100.25, huge, tiny, np.inf]
    return np.array([*values, *(-v for v in values), np.nan]).astype(kind)


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    a, b = zip(*itertools.product(edges(dtype), repeat=2), strict=True)
    return np.array(a, NUMPY[dtype]), np.array(b, NUMPY[dtype])


def assert_same(got: np.ndarray, want: np.ndarray, *inputs: np.ndarray) -> None:
    """Equal bit for bit, except that any NaN equals any other."""
    want = np.asarray(want).astype(got.dtype)
    if got.dtype.kind not in "biu":
        both_nan = np.isnan(got.astype(np.float64)) & np.isnan(want.astype(np.float64))
        bits = f"u{got.dtype.itemsize}"
        same = both_nan | (got.view(bits) == want.view(bits))
    else:
        same = got == want
    bad = np.flatnonzero(~same)[:4]
    assert not len(bad), [(*(x[i] for x in inputs), "got", got[i], "want", want[i]) for i in bad]


def in_f32(function, *inputs):
    """How a half-precision op is defined: in f32, rounded once."""
    with np.errstate(all="ignore"):
        if inputs[0].dtype.itemsize == 2 and inputs[0].dtype.kind not in "iu":
            return function(*(x.astype(np.float32) for x in inputs)).astype(inputs[0].dtype)
        return function(*inputs)


BINARY = {
    "add": (np.add, (*INTEGERS, *FLOATS)),
    "subtract": (np.subtract, (*INTEGERS, *FLOATS)),
    "multiply": (np.multiply, (*INTEGERS, *FLOATS)),
    "divide": (np.divide, FLOATS),
    "floor_divide": (floor_quotient, (*INTEGERS, "f32", "f64")),
    "remainder": (np.remainder, (*INTEGERS, *FLOATS)),
    "copysign": (np.copysign, FLOATS),
    "and": (np.bitwise_and, ("bool", *INTEGERS)),
    "or": (np.bitwise_or, ("bool", *INTEGERS)),
    "xor": (np.bitwise_xor, ("bool", *INTEGERS)),
}
UNARY = {
    "negative": (np.negative, (*INTEGERS, *FLOATS)),
    "abs": (np.abs, (*INTEGERS, *FLOATS)),
    "sign": (np.sign, (*INTEGERS, *FLOATS)),
    "floor": (np.floor, FLOATS),
    "ceil": (np.ceil, FLOATS),
    "trunc": (np.trunc, FLOATS),
    "round": (np.round, FLOATS),
    "sqrt": (np.sqrt, FLOATS),
    "reciprocal": (np.reciprocal, FLOATS),
    "not": (np.invert, ("bool", *INTEGERS)),
}
COMPARE = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}
TESTS = {"is_nan": np.isnan, "is_inf": np.isinf, "is_finite": np.isfinite, "sign_bit": np.signbit}


def crossed(table):
    return [(op, dtype) for op, (_, dtypes) in table.items() for dtype in dtypes]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("op", "dtype"), crossed(BINARY))
def test_binary(op, dtype, machine):
    a, b = pairs(dtype)
    with np.errstate(all="ignore"):
        want = in_f32(BINARY[op][0], a, b)
    assert_same(LaneKernel(op, [dtype, dtype], dtype, 8, machine)(a, b), want, a, b)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("op", "dtype"), crossed(UNARY))
def test_unary(op, dtype, machine):
    x = edges(dtype)
    with np.errstate(all="ignore"):
        want = in_f32(UNARY[op][0], x)
    assert_same(LaneKernel(op, [dtype], dtype, 4, machine)(x), want, x)


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_extremum(op, dtype):
    a, b = pairs(dtype)
    got = LaneKernel(op, [dtype, dtype], dtype, 16)(a, b)
    want = getattr(np, op)(a, b)
    got, want = (v.astype(np.float64) if dtype == "bf16" else v for v in (got, want))
    np.testing.assert_array_equal(got, want)  # the sign of a zero is free


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("op", COMPARE)
def test_compare(op, dtype, machine):
    a, b = pairs(dtype)
    assert_same(LaneKernel(op, [dtype, dtype], "bool", 8, machine)(a, b), COMPARE[op](a, b), a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", TESTS)
def test_classification(op, dtype):
    x = edges(dtype)
    x = x[~np.isnan(x)] if op == "sign_bit" else x
    assert_same(LaneKernel(op, [dtype], "bool", 8)(x), TESTS[op](x), x)


@pytest.mark.parametrize("width", [1, 4, 8, 16])
@pytest.mark.parametrize("dtype", ["i32", "f32", "f64", "bf16"])
def test_widths(dtype, width):
    a, b = pairs(dtype)
    with np.errstate(all="ignore"):
        want = in_f32(np.add, a, b)
    assert_same(LaneKernel("add", [dtype, dtype], dtype, width)(a, b), want, a, b)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_shifts(dtype):
    a, b = pairs(dtype)
    bits = NUMPY[dtype].itemsize * 8
    inside = (b >= 0) & (b < bits)
    count = np.where(inside, b, 0).astype(NUMPY[dtype])
    left = np.where(inside, a << count, np.zeros_like(a))
    right = np.where(inside, a >> count, -(a < 0).astype(NUMPY[dtype]))
    assert_same(LaneKernel("shift_left", [dtype, dtype], dtype)(a, b), left, a, b)
    assert_same(LaneKernel("shift_right", [dtype, dtype], dtype)(a, b), right, a, b)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_popcount(dtype):
    x = edges(dtype)
    mask = (1 << NUMPY[dtype].itemsize * 8) - 1
    want = np.array([(int(v) & mask).bit_count() for v in x])
    assert_same(LaneKernel("popcount", [dtype], dtype)(x), want, x)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_power(dtype):
    a, b = pairs(dtype)
    modulus = 1 << NUMPY[dtype].itemsize * 8

    def power(base, exponent):
        if exponent >= 0:
            value = pow(base, exponent, modulus)
        else:
            value = {1: 1, -1: -1 if exponent % 2 else 1}.get(base, 0)
        return value % modulus

    want = np.array([power(int(x), int(y)) for x, y in zip(a, b, strict=True)], np.uint64)
    assert_same(LaneKernel("power", [dtype, dtype], dtype)(a, b), want.astype(NUMPY[dtype]), a, b)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("machine", MACHINES)
def test_multiply_add_rounds_once(dtype, machine):
    one = NUMPY[dtype].type(1)
    step = np.finfo(NUMPY[dtype]).eps
    a = np.array([one + step] * 5)
    got = LaneKernel("multiply_add", [dtype] * 3, dtype, 4, machine)(a, a, -(a * a))
    assert (got == step * step).all()


@pytest.mark.parametrize("dtype", ALL)
def test_select(dtype):
    a, b = pairs(dtype)
    condition = np.arange(len(a)) % 3 == 0
    want = np.where(condition, a, b)
    assert_same(LaneKernel("select", ["bool", dtype, dtype], dtype)(condition, a, b), want)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("out", ALL)
@pytest.mark.parametrize("dtype", ALL)
def test_cast(dtype, out, machine):
    x = edges(dtype)
    if dtype in FLOATS and out in INTEGERS:
        info = np.iinfo(NUMPY[out])
        whole = np.trunc(x.astype(np.float64))
        exact = [
            0
            if np.isnan(v)
            else (info.min if v < info.min else info.max if v > info.max else int(v))
            for v in whole
        ]
        want = np.array(exact, NUMPY[out])
    else:
        with np.errstate(all="ignore"):
            want = x.astype(NUMPY[out])
    assert_same(LaneKernel("cast", [dtype], out, 8, machine)(x), want, x)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("half", HALVES)
def test_every_half_widens_and_every_float_narrows(half, machine):
    every = np.arange(1 << 16, dtype=np.uint16).view(NUMPY[half])
    wide = LaneKernel("cast", [half], "f32", 16, machine)(every)
    assert_same(wide, every.astype(np.float32), every)
    bits = np.arange(0, 1 << 32, 4093, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    near = np.nextafter(wide, np.float32(np.inf))
    for values in (x, wide, near, (wide[1:] + wide[:-1]) / 2):
        values = values[np.isfinite(values)]
        with np.errstate(all="ignore"):
            want = values.astype(NUMPY[half])
        assert_same(LaneKernel("cast", ["f32"], half, 16, machine)(values), want, values)


@pytest.mark.parametrize("half", HALVES)
def test_f64_to_half_rounds_once(half):
    """1 + ulp/2 + a little is a tie once rounded to f32."""
    ulp = {"f16": 2.0**-10, "bf16": 2.0**-7}[half]
    x = np.array(
        [1 + ulp / 2 + 2.0**-40, 1 + ulp / 2, 1 + ulp / 2 - 2.0**-40, -1 - ulp / 2 - 2.0**-40]
    )
    got = LaneKernel("cast", ["f64"], half, 4)(x).astype(np.float64)
    assert got.tolist() == [1 + ulp, 1, 1, -1 - ulp]


@pytest.mark.parametrize(
    ("dtype", "out"), [("f32", "i32"), ("f64", "u64"), ("bf16", "i16"), ("i32", "u32")]
)
def test_bitcast(dtype, out):
    x = edges(dtype)
    assert_same(LaneKernel("bitcast", [dtype], out)(x), x.view(NUMPY[out]))


REDUCE = {"add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min}
BITWISE_REDUCE = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


@pytest.mark.parametrize("width", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("dtype", ["i32", "u8", "f32", "f64", "f16"])
@pytest.mark.parametrize("op", REDUCE)
def test_reduce(op, dtype, width):
    x = np.random.default_rng(0).integers(1, 3, (5, width)).astype(NUMPY[dtype])
    kernel = LaneKernel(lambda s, v: s.broadcast(s.reduce(op, v), width), [dtype], dtype, width)
    got = kernel(x.ravel()).reshape(5, width)
    with np.errstate(over="ignore"):
        want = REDUCE[op](x, axis=1, keepdims=True).astype(NUMPY[dtype])
    assert (got == want).all()


@pytest.mark.parametrize("op", BITWISE_REDUCE)
@pytest.mark.parametrize("dtype", ["bool", "u16", "i64"])
def test_reduce_bits(op, dtype):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 99, 8).astype(NUMPY[dtype])
    kernel = LaneKernel(lambda s, v: s.broadcast(s.reduce(op, v), 8), [dtype], dtype, 8)
    assert (kernel(x) == BITWISE_REDUCE[op].reduce(x)).all()


@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_reduce_propagates_nan(op):
    for lane in range(8):
        x = np.arange(8, dtype=np.float32)
        x[lane] = np.nan
        kernel = LaneKernel(lambda s, v: s.broadcast(s.reduce(op, v), 8), ["f32"], "f32", 8)
        assert np.isnan(kernel(x)).all()


def test_scalars_broadcast_to_the_widest():
    def body(s, x):
        one = s.extract(x, 0)
        return s.apply("add", [one, s.apply("multiply", [x, s.constant(2.0, "f32")], "f32")], "f32")

    x = np.arange(8, dtype=np.float32) + 1
    assert (LaneKernel(body, ["f32"], "f32", 8)(x) == 2 * x + 1).all()


@pytest.mark.parametrize("dtype", ALL)
def test_constants_are_exact(dtype):
    for value in edges(dtype):
        kernel = LaneKernel(lambda s, x, v=value: s.constant_like(x, v), [dtype], dtype, 4)
        assert_same(kernel(np.zeros(4, NUMPY[dtype])), np.full(4, value))


def test_literals():
    assert literal(1.0, "f32") == "0x3FF0000000000000"
    assert literal(-0.0, "f64") == "0x8000000000000000"
    assert literal(255, "u8") == "-1"
    assert literal(1.0, "bf16") == "16256"


def test_divide_refuses_integers():
    with pytest.raises(TypeError, match="integers have floor_divide"):
        LaneKernel("divide", ["i32", "i32"], "i32")


def test_an_unknown_op_says_where_to_write_it():
    with pytest.raises(AttributeError, match=r"no lane operation named 'gamma': write `def gamma"):
        Lanes(str, print, None).apply("gamma", [Lane("%x", "f32")], "f32")


def test_signed_division_never_traps():
    for dtype in SIGNED:
        low = np.array([np.iinfo(NUMPY[dtype]).min] * 8, NUMPY[dtype])
        assert (LaneKernel("floor_divide", [dtype] * 2, dtype)(low, low * 0 - 1) == low).all()
        assert (LaneKernel("remainder", [dtype] * 2, dtype)(low, low * 0 - 1) == 0).all()
