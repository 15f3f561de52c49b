"""The interpreter against NumPy, and its own checks."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from lamina.backend.nest.build import Builder
from lamina.backend.nest.interpret import LANES, FaultReport, interpret
from lamina.backend.nest.nodes import Apply, Const, Load, Nest, Param, Store
from lamina.backend.nest.parser import parse
from lamina.backend.nest.vocabulary import operations
from lamina.base.dtypes import dtype
from lamina.base.errors import BoundsError, UsageError

ROW_SUM = """
kernel row_sum(x: f32[32] in, y: f32[4] out) {
  parallel for i in 0..4 {
    acc s: f32 = add 0.0
    vector for j in 0..8 {
      s <- x[i*8 + j] if j < 7
    }
    y[i] = s
  }
}
"""


@pytest.mark.parametrize("order", [list, lambda r: r[::-1]])
def test_row_sum(order) -> None:
    x, y = np.arange(32, dtype=np.float32), np.zeros(4, np.float32)
    interpret(parse(ROW_SUM), {"x": x, "y": y}, order)
    np.testing.assert_array_equal(y, x.reshape(4, 8)[:, :7].sum(1))


def run(text: str, **arrays: np.ndarray) -> list[FaultReport]:
    return interpret(parse(f"kernel k({text}"), arrays)


def test_faults_and_masked_loads() -> None:
    q, y = np.array([1, 9, -2]), np.ones(3, np.float32)
    text = """x: f32[4] in, q: i64[3] in, y: f32[3] out) checks {
      for i in 0..3 {
        fault 1 (q[i], 4) if q[i] < 0 | 4 <= q[i]
        y[i] = (x[q[i]] if 0 <= q[i] & q[i] < 4)
      }
    }"""
    faults = run(text, x=np.full(4, 7, np.float32), q=q, y=y)
    assert faults == [(1, 9, 4), (1, -2, 4)]
    assert y.tolist() == [7, 0, 0]


def test_an_access_outside_is_an_error() -> None:
    x = np.zeros(2, np.float32)
    with pytest.raises(BoundsError, match=r"x\[2\] is outside a buffer of 2"):
        run("x: f32[2] inout) { for i in 0..3 { x[i] = 1.0 } }", x=x)
    with pytest.raises(BoundsError, match=r"x\[-1\]"):
        run("x: f32[2] inout) { x[0] = x[-1] }", x=x)


def test_arrays_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match=r"x takes a flat f32\[2\] array"):
        run("x: f32[2] inout) { x[0] = 1.0 }", x=np.zeros(2))


def test_local_buffers() -> None:
    y = np.zeros(2, np.float32)
    run(
        "y: f32[2] out) { alloc r: f32[1] register  alloc t: f32[1] scratch "
        "y[0] = r[0]  y[1] = t[0] }",
        y=y,
    )
    assert y[0] == 0 and math.isnan(y[1])


def test_a_node_is_computed_once() -> None:
    x = np.array([3], np.float32)
    y = np.zeros(1, np.float32)
    run("x: f32[1] inout, y: f32[1] out) { $0 = x[0]  x[0] = $0 + 1.0  y[0] = $0 }", x=x, y=y)
    assert (x[0], y[0]) == (4, 3)
    run("x: f32[1] inout, y: f32[1] out) { x[0] = x[0] + 1.0  y[0] = x[0] }", x=x, y=y)
    assert (x[0], y[0]) == (5, 5)


@pytest.mark.parametrize("name", [d for d in operations() if d not in ("cast", "bitcast")])
def test_every_operation_has_a_meaning(name: str) -> None:
    assert name in LANES
    assert callable(getattr(Builder, name, None) or getattr(Builder, f"{name}_"))


def apply(op: str, result: str, *operands: tuple[object, str]) -> object:
    args = tuple(Const(d, v) for v, d in operands)  # type: ignore[arg-type]
    y = np.zeros(1, dtype(result).numpy)
    nest = Nest(
        "one",
        (Param("y", result, 1, "out"),),
        (Store("y", Const("i64", 0), Apply(result, op, args)),),
    )
    interpret(nest, {"y": y})
    return y[0]


def test_operations_at_their_edges() -> None:
    assert apply("cast", "u8", (300, "i64")) == 44
    assert apply("cast", "i8", (-1000.0, "f32")) == -128
    assert apply("cast", "i32", (math.nan, "f32")) == 0
    assert apply("cast", "i32", (-2.9, "f32")) == -2
    assert apply("cast", "bool", (0.5, "f32"))
    assert apply("bitcast", "u32", (1.0, "f32")) == 0x3F800000
    assert apply("add", "u8", (200, "u8"), (100, "u8")) == 44
    assert apply("floor_divide", "i32", (-7, "i32"), (2, "i32")) == -4
    assert apply("remainder", "i32", (-7, "i32"), (2, "i32")) == 1
    assert apply("round", "f32", (2.5, "f32")) == 2
    assert apply("not", "bool", (True, "bool")) == np.False_
    assert apply("not", "i32", (5, "i32")) == -6
    assert apply("shift_right", "i32", (-8, "i32"), (1, "i32")) == -4
    assert math.isnan(apply("maximum", "f32", (math.nan, "f32"), (1.0, "f32")))  # type: ignore
    assert apply("multiply_add", "bf16", *[(v, "bf16") for v in (2.0, 3.0, 0.5)]) == 6.5
    assert apply("add", "bf16", (1.0, "bf16"), (1e-4, "bf16")) == ml_dtypes.bfloat16(1)
    # 1 + 2^-12 squared needs 24 bits and more: a fused multiply-add keeps the last one
    x = 1 + 2.0**-12
    fused = apply("multiply_add", "f32", (x, "f32"), (x, "f32"), (-(1 + 2.0**-11), "f32"))
    assert fused == 2.0**-24


def test_dot4_takes_unsigned_and_signed_bytes() -> None:
    x, y = np.array([0xFF01_0203], np.uint32).view("i4"), np.array([0x80FF_0507], np.uint32)
    c, z = np.array([1 << 20, -(2**31)], np.int32), np.zeros(2, np.int32)
    run(
        "x: i32[1] in, y: i32[1] in, c: i32[2] in, z: i32[2] out) {"
        " for i in 0..2 { z[i] = dot4(x[0], y[0], c[i]) } }",
        x=x, y=y.view("i4"), c=c, z=z,
    )  # fmt: skip
    total = 3 * 7 + 2 * 5 - 1 * 1 - 255 * 128
    assert z.tolist() == [(1 << 20) + total, 2**31 + total]


def test_dot2_takes_halves_to_which_bytes_widen() -> None:
    signed = np.array([-32768, -32768, 7, -3], np.int16)
    bytes = np.array([-2, 5, -128, 127], np.int8)
    c, z = np.array([1, 1 << 20], np.int32), np.zeros(6, np.int32)
    run(
        "x: i32[2] in, b: i16[2] in, c: i32[2] in, z: i32[6] out) {"
        " for i in 0..2 { z[i] = dot2(x[i], x[i], c[i]) z[i + 2] = dot2(x[i], halves(b[i]), c[i])"
        " z[i + 4] = halves(bitcast<u16>(b[i])) } }",
        x=signed.view("i4"), b=bytes.view("i2"), c=c, z=z,
    )  # fmt: skip
    assert z[:2].tolist() == [1 - 2**31, (1 << 20) + 49 + 9]
    assert z[2:4].tolist() == [1 + 32768 * 2 - 32768 * 5, (1 << 20) - 7 * 128 - 3 * 127]
    assert z[4:].view("i2").tolist() == [254, 5, 128, 127]


def test_the_mask_of_a_load_is_part_of_it() -> None:
    load = Load("f32", "x", Const("i64", 5), Const("bool", False))
    nest = Nest("masked", (Param("x", "f32", 1, "inout"),), (Store("x", Const("i64", 0), load),))
    x = np.ones(1, np.float32)
    interpret(nest, {"x": x})
    assert x[0] == 0
