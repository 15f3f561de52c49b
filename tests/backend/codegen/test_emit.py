"""Every node kind, compiled for each target of this machine and compared with NumPy."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nest_kernel import machines, run, sample

from lamina.backend.codegen import compile_kernels, kernel_assembly
from lamina.backend.nest.parser import parse
from lamina.backend.targets.select import select
from lamina.base.dtypes import ALL, dtype
from lamina.base.errors import VerifyError

LENGTHS = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 200, 1000)

ADD = """
kernel add(x: {t}[{n}] in, y: {t}[{n}] in, o: {t}[{n}] out) {{
  {kind}for j in 0..{n} {{
    o[j] = x[j] {op} y[j]
  }}
}}
"""


@pytest.mark.parametrize("n", LENGTHS)
def test_vector_loops_of_every_length(target, n):
    x, y, o = sample("f32", n), sample("f32", n, 1), np.zeros(n, np.float32)
    run(ADD.format(t="f32", n=n, kind="vector ", op="+"), target, x, y, o)
    np.testing.assert_array_equal(o, x + y)


@pytest.mark.parametrize("name", [d.name for d in ALL if d.kind not in ("complex", "storage")])
@pytest.mark.parametrize("kind", ["vector ", ""])
def test_every_dtype_in_memory(target, name, kind):
    for n in (5, 32, 77):
        x, y = sample(name, n), sample(name, n, 1)
        o = np.zeros(n, x.dtype)
        op = "|" if name == "bool" else "+"
        run(ADD.format(t=name, n=n, kind=kind, op=op), target, x, y, o)
        np.testing.assert_array_equal(o, x + y)


@pytest.mark.parametrize("name", ["i8", "i16", "bf16", "f16", "f32"])
@pytest.mark.parametrize("n", [1, 9, 17, 33, 65])
def test_one_lane_beyond_whole_vectors(target, name, n):
    """It is stored alone, also where it has been computed in a wider vector."""
    text = ADD.format(t=name, n=n, kind="vector ", op="+")
    wide = text.replace("x[j] + y[j]", f"cast<{name}>(cast<f32>(x[j]) + cast<f32>(y[j]))")
    x, y = sample(name, n) // 2, sample(name, n, 1) // 2
    o = np.zeros(n, x.dtype)
    run(wide, target, x, y, o)
    np.testing.assert_array_equal(o, x + y)


def test_bounds_known_only_at_run_time(target):
    text = """
    kernel ragged(x: f32[4096] in, o: f32[4096] out) {
      parallel for i in 0..16 {
        vector for j in i*3..i*17 {
          o[i*256 + j] = x[i*256 + j]*2.0
        }
      }
    }
    """
    x, o = sample("f32", 4096), np.zeros(4096, np.float32)
    run(text, target, x, o, tasks=16)
    expected = np.zeros((16, 256), np.float32)
    for i in range(16):
        expected[i, i * 3 : i * 17] = x.reshape(16, 256)[i, i * 3 : i * 17] * 2
    np.testing.assert_array_equal(o.reshape(16, 256), expected)


@pytest.mark.parametrize("n", (1, 6, 16, 17, 100, 1000))
def test_mixed_widths_and_lane_numbers(target, n):
    text = f"""
    kernel mixed(x: f32[{n}] in, w: f64[{n}] out, c: i64[{n}] out, b: bool[{n}] out,
                 h: u8[{n}] out) {{
      vector for j in 0..{n} {{
        w[j] = cast<f64>(x[j])
        c[j] = j*3 + 1
        b[j] = x[j] < 0.0
        h[j] = cast<u8>(j)
      }}
    }}
    """
    x = sample("f32", n)
    w, c = np.zeros(n), np.zeros(n, np.int64)
    b, h = np.zeros(n, bool), np.zeros(n, np.uint8)
    run(text, target, x, w, c, b, h)
    np.testing.assert_array_equal(w, x.astype(np.float64))
    np.testing.assert_array_equal(c, np.arange(n) * 3 + 1)
    np.testing.assert_array_equal(b, x < 0)
    np.testing.assert_array_equal(h, np.arange(n).astype(np.uint8))


@pytest.mark.parametrize("n", (1, 9, 16, 37, 300))
@pytest.mark.parametrize("name", ("f32", "u8", "f64", "bool", "i64"))
def test_reversed_strided_gathered_and_scattered(target, n, name):
    text = f"""
    kernel moves(x: {name}[{3 * n}] in, p: i64[{n}] in, r: {name}[{n}] out, s: {name}[{n}] out,
                 g: {name}[{n}] out, t: {name}[{n}] out, v: {name}[{n}] out, u: {name}[{n}] out) {{
      vector for j in 0..{n} {{
        r[j] = x[{n - 1} - j]
        s[j] = x[j*3 + 2]
        g[j] = x[p[j]]
        t[p[j]] = x[j]
        v[{n - 1} - j] = x[j]
        u[j] = x[4 % {n}]
      }}
    }}
    """
    x, p = sample(name, 3 * n), np.random.default_rng(1).permutation(n)
    r, s, g, t, v, u = (np.zeros(n, x.dtype) for _ in range(6))
    run(text, target, x, p, r, s, g, t, v, u)
    np.testing.assert_array_equal(r, x[:n][::-1])
    np.testing.assert_array_equal(s, x[2::3])
    np.testing.assert_array_equal(g, x[p])
    np.testing.assert_array_equal(t[p], x[:n])
    np.testing.assert_array_equal(v[::-1], x[:n])
    np.testing.assert_array_equal(u, np.full(n, x[4 % n]))


@pytest.mark.parametrize("n", (1, 9, 16, 37, 300))
def test_masks_guard_every_access(target, n):
    far = 1 << 40
    text = f"""
    kernel masked(x: f32[{n}] in, o: f32[{n}] out, q: f32[{n}] out, w: f32[1] out) {{
      acc s: f32 = add 0.0
      vector for j in 0..{n} {{
        o[j] = (x[j - 3] if 3 <= j)
        let k: i64 = select(j < 5, j, {far})
        q[k] = (x[k] if j < 5) + (x[{far}] if j < 0) if j < 5
        s <- x[j] if 3 <= j
      }}
      w[0] = s
      w[{far}] = s if {n} < 0
    }}
    """
    x = sample("f32", n)
    o, q, w = np.ones(n, np.float32), np.ones(n, np.float32), np.ones(1, np.float32)
    run(text, target, x, o, q, w)
    np.testing.assert_array_equal(o, np.concatenate([np.zeros(min(3, n)), x[: max(n - 3, 0)]]))
    np.testing.assert_array_equal(q, np.where(np.arange(n) < 5, x, 1))
    np.testing.assert_allclose(w[0], x[3:].sum(), rtol=1e-4, atol=1e-5)


REDUCE = {
    "add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "and": np.bitwise_and, "or": np.bitwise_or,
}  # fmt: skip


@pytest.mark.parametrize("op", REDUCE)
@pytest.mark.parametrize("name", ("f32", "i32", "u8", "i64", "f64", "bool"))
def test_every_combiner(target, op, name):
    if op in ("and", "or") and dtype(name).is_float:
        pytest.skip("floats have no bits to combine")
    for n in (1, 5, 16, 70, 500):
        x = sample(name, n)
        if dtype(name).is_float and op == "multiply":
            x = np.sign(x) * 1.001
        if op == "and":
            x = x | x.dtype.type(1)
        init = x[-1]
        text = f"""
        kernel combine(x: {name}[{n}] in, o: {name}[1] out) {{
          acc s: {name} = {op} x[{n - 1}]
          vector for j in 0..{n - 1} {{
            s <- x[j]
          }}
          o[0] = s
        }}
        """
        x, o = x.astype(dtype(name).numpy), np.zeros(1, dtype(name).numpy)
        run(text, target, x, o)
        expected = REDUCE[op].reduce(x[:-1], initial=init) if n > 1 else init
        expected = np.asarray(expected).astype(x.dtype)
        if dtype(name).is_float:
            np.testing.assert_allclose(o[0], expected, rtol=1e-4, atol=1e-4)
        else:
            assert o[0] == expected


@pytest.mark.parametrize("m,n", [(1, 1), (3, 5), (9, 16), (10, 77), (33, 130), (5, 1000)])
def test_accumulators_at_every_level(target, m, n):
    text = f"""
    kernel sums(x: f64[{m * n}] in, rows: f64[{m}] out, columns: f64[{n}] out, all: f64[1] out) {{
      acc a: f64 = add 0.5:f64
      for i in 0..{m} {{
        acc r: f64 = add 0.0:f64
        vector for j in 0..{n} {{
          r <- x[i*{n} + j]
          a <- x[i*{n} + j]
        }}
        rows[i] = r
      }}
      vector for j in 0..{n} {{
        acc c: f64 = add 0.0:f64
        for i in 0..{m} {{
          c <- x[i*{n} + j]
        }}
        columns[j] = c
      }}
      all[0] = a
    }}
    """
    x = sample("f64", m * n)
    rows, columns, total = np.zeros(m), np.zeros(n), np.zeros(1)
    run(text, target, x, rows, columns, total)
    grid = x.reshape(m, n)
    np.testing.assert_allclose(rows, grid.sum(1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(columns, grid.sum(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total[0], x.sum() + 0.5, rtol=1e-12, atol=1e-12)


def test_running_values_read_inside_the_loop(target):
    text = """
    kernel running(x: f64[640] in, before: f64[10] out, after: f64[10] out) {
      acc s: f64 = add 1.0:f64
      for i in 0..10 {
        before[i] = s
        vector for j in 0..64 {
          s <- x[i*64 + j]
        }
        after[i] = s
      }
    }
    """
    x, before, after = sample("f64", 640), np.zeros(10), np.zeros(10)
    run(text, target, x, before, after)
    sums = 1 + np.cumsum(x.reshape(10, 64).sum(1))
    np.testing.assert_allclose(after, sums, rtol=1e-12)
    np.testing.assert_allclose(before, np.concatenate([[1], sums[:-1]]), rtol=1e-12)


@pytest.mark.parametrize("n", (7, 64, 1000))
def test_softmax_row(target, n):
    text = f"""
    kernel softmax(x: f32[{4 * n}] in, y: f32[{4 * n}] out) {{
      parallel for i in 0..4 {{
        acc m: f32 = maximum -inf
        vector for j in 0..{n} {{
          m <- x[i*{n} + j]
        }}
        acc s: f32 = add 0.0
        vector for j in 0..{n} {{
          let e: f32 = exp(x[i*{n} + j] - m)
          s <- e
          y[i*{n} + j] = e
        }}
        let r: f32 = divide(1.0, s)
        vector for j in 0..{n} {{
          y[i*{n} + j] = y[i*{n} + j]*r
        }}
      }}
    }}
    """
    x, y = sample("f32", 4 * n).reshape(4, n), np.zeros((4, n), np.float32)
    run(text, target, x, y, tasks=4)
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(y, e / e.sum(1, keepdims=True), rtol=2e-6)


def test_product_tile_in_registers(target):
    text = """
    kernel tile(a: f32[280] in, b: f32[640] in, c: f32[448] out) {
      alloc t: f32[448] register
      for k in 0..20 {
        unroll for i in 0..14 {
          vector for j in 0..32 {
            t[i*32 + j] = multiply_add(a[k*14 + i], b[k*32 + j], t[i*32 + j])
          }
        }
      }
      unroll for i in 0..14 {
        vector for j in 0..32 {
          c[i*32 + j] = t[i*32 + j]
        }
      }
    }
    """
    a, b, c = sample("f32", 280), sample("f32", 640), np.zeros((14, 32), np.float32)
    run(text, target, a, b, c)
    np.testing.assert_allclose(c, a.reshape(20, 14).T @ b.reshape(20, 32), rtol=1e-4, atol=1e-4)
    if target.name == "avx512":
        text = kernel_assembly(parse(text), target)
        assert text.count("vfmadd") == 28
        assert "(%rsp)" not in text


def test_scratch_lets_conditions_and_steps(target):
    text = """
    kernel stages(x: f32[100] in, o: f32[100] out) {
      parallel for i in 0..2 {
        alloc a: f32[50] scratch
        alloc f: bool[50] scratch
        vector for j in 0..50 {
          let v: f32 = x[i*50 + j]
          a[j] = v*v
          f[j] = v < 0.0
        }
        if i < 1 {
          vector for j in 0..50 step 2 {
            a[j] = 0.0
          }
        }
        for j in i..50 step 3 copies 2 {
          a[j] = a[j] + 1.0
        }
        vector for j in 0..50 {
          o[i*50 + j] = select(f[j], -1.0, a[j])
        }
      }
    }
    """
    x, o = sample("f32", 100), np.zeros((2, 50), np.float32)
    run(text, target, x, o, tasks=2)
    a = (x * x).reshape(2, 50)
    a[0, ::2] = 0
    a[0, ::3] += 1
    a[1, 1::3] += 1
    np.testing.assert_array_equal(o, np.where(x.reshape(2, 50) < 0, -1, a))


def test_loads_see_the_stores_before_them(target):
    text = """
    kernel order(x: f32[8] inout, o: f32[4] out) {
      o[0] = x[0]
      x[0] = x[0] + 1.0
      o[1] = x[0]
      for k in 0..5 {
        x[0] = x[0] + 1.0
        o[2] = x[0]
      }
      o[3] = x[0]
    }
    """
    x, o = np.zeros(8, np.float32), np.zeros(4, np.float32)
    run(text, target, x, o)
    assert o.tolist() == [0, 1, 6, 6]


def test_in_place_update(target):
    text = """
    kernel update(x: f32[100] in, y: f32[100] out alias x) {
      vector for j in 0..100 {
        y[j] = x[j] + x[j]*2.0
      }
    }
    """
    (kernel,) = compile_kernels([parse(text)], target)
    function = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
    )(kernel.address)
    x = sample("f32", 100)
    expected = x + x * np.float32(2)
    args = (ctypes.c_void_p * 2)(x.ctypes.data, x.ctypes.data)
    function(ctypes.addressof(args), 0, 1, None)
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("n", (1, 16, 37, 300))
@pytest.mark.parametrize("kind", ("vector ", ""))
def test_a_fault_is_written_once(target, n, kind):
    text = f"""
    kernel lookup(x: f32[8] in, p: i64[{n}] in, o: f32[{n}] out) checks {{
      {kind}for j in 0..{n} {{
        fault 7 (p[j], 8) if 8 <= p[j]
        o[j] = (x[p[j]] if p[j] < 8)
      }}
    }}
    """
    x, o = sample("f32", 8), np.zeros(n, np.float32)
    p = np.random.default_rng(0).integers(0, 8, n)
    status = np.zeros(4, np.int64)
    run(text, target, x, p, o, status=status)
    assert status.tolist() == [0, 0, 0, 0]
    np.testing.assert_array_equal(o, x[p])
    p[n // 2] = 12
    p[-1] = 12 if n // 2 == n - 1 else 13
    run(text, target, x, p, o, status=status)
    assert status.tolist() == [7, 12, 8, 0]
    np.testing.assert_array_equal(o, np.where(p < 8, x[p % 8], 0))
    run(text, target, x, np.full_like(p, 20), o, status=status)
    assert status.tolist() == [7, 12, 8, 0]


@pytest.mark.parametrize("shift", (0, 1))
def test_streaming_stores_aligned_or_not(target, shift):
    text = f"""
    kernel stream(x: f32[1000] in, y: f32[1000] out) {{
      vector for j in 0..{1000 - shift} {{
        y[j + {shift}] = x[j] + 1.0 streaming
      }}
    }}
    """
    x, y = sample("f32", 1000), np.zeros(1000, np.float32)
    run(text, target, x, y)
    np.testing.assert_array_equal(y[shift:], x[: 1000 - shift] + 1)
    assert "movnt" in kernel_assembly(parse(text), target)


@pytest.mark.parametrize("copies", (1, 2, 3, 5))
def test_copies_change_nothing(target, copies):
    text = f"""
    kernel copies(x: i32[1003] in, o: i32[1] out, y: i32[1003] out) {{
      acc s: i32 = add 0:i32
      vector for j in 0..1003 copies {copies} {{
        s <- x[j]
        y[j] = x[j]*2:i32
      }}
      for j in 0..1003 copies {copies} {{
        s <- x[j]
      }}
      o[0] = s
    }}
    """
    x, o, y = sample("i32", 1003), np.zeros(1, np.int32), np.zeros(1003, np.int32)
    run(text, target, x, o, y)
    assert o[0] == 2 * x.sum()
    np.testing.assert_array_equal(y, x * 2)


def test_a_library_function_in_a_rare_branch(target):
    text = """
    kernel waves(x: f32[40] in, y: f32[40] out) {
      vector for j in 0..40 {
        y[j] = sin(x[j])
      }
    }
    """
    x, y = sample("f32", 40), np.zeros(40, np.float32)
    x[7] = 1e9
    run(text, target, x, y)
    np.testing.assert_allclose(y, np.sin(x.astype(np.float64)), rtol=1e-6, atol=1e-7)


def test_nested_vector_loops_are_refused(target):
    text = """
    kernel nested(y: f32[256] out) {
      vector for i in 0..16 {
        vector for j in 0..16 {
          y[i*16 + j] = 0.0
        }
      }
    }
    """
    with pytest.raises(VerifyError) as caught:
        compile_kernels([parse(text)], target)
    assert str(caught.value).startswith("a vector loop inside a vector loop\n  loop j")


# ------------------------------------------------------------------ random nests

ZERO, HALF, ONE = "0.0:f64", "0.5:f64", "1.0:f64"
UNARY = (
    "negative({a})",
    "abs({a})",
    f"({{a}})*{HALF}",
    f"select({{a}} < {ZERO}, {{a}}, {ONE} - {{a}})",
)
BINARY = ("({a}) + ({b})", "({a}) - ({b})", "maximum({a}, {b})", "minimum({a}, {b})")
OFFSETS = (
    "i*{n} + j",
    "j*{m} + i",
    "i*{n} + {n} - 1 - j",
    "(i*7 + j*5) % {size}",
    "j*2 % {size}",
    "i*{n} + j // 2",
    "j % 4 % {size}",
    "(i + j) // 3",
    "(j % 4*2 + j // 4*8 + i) % {size}",
    "minimum(j*3 + i, {size} - 1)",
    "minimum(j*{n} + 1, {size} - 1 - j)",
    "j",
    "i",
    "3 % {size}",
)
COMBINE = ("add", "maximum", "minimum")


@st.composite
def random_nests(draw) -> tuple[str, int, int]:
    m, n = draw(st.integers(1, 6)), draw(st.sampled_from((1, 2, 5, 8, 15, 16, 17, 40, 70)))

    def offset() -> str:
        return draw(st.sampled_from(OFFSETS)).format(m=m, n=n, size=m * n)

    def value(depth: int) -> str:
        if depth == 0:
            guard = draw(
                st.sampled_from(("", f" if j < {n // 2}", " if i < 2", f" if x[j] < {ZERO}"))
            )
            load = f"x[{offset()}]"
            return f"({load}{guard})" if guard else load
        if draw(st.booleans()):
            return draw(st.sampled_from(UNARY)).format(a=value(depth - 1))
        return draw(st.sampled_from(BINARY)).format(a=value(depth - 1), b=value(depth - 1))

    inner = draw(st.sampled_from(("vector ", "")))
    outer, swapped = draw(st.sampled_from(("", "unroll "))), draw(st.booleans())
    copies = draw(st.sampled_from(("", " copies 2", " copies 3")))
    loops = [f"{outer}for i in 0..{m} {{", f"{inner}for j in 0..{n}{copies} {{"]
    op = draw(st.sampled_from(COMBINE))
    init = "0.5:f64" if op == "add" else "x[0]"
    lines = [f"acc s: f64 = {op} {init}", *(reversed(loops) if swapped else loops)]
    body = f"let v: f64 = {value(draw(st.integers(0, 3)))}"
    mask = draw(st.sampled_from(("", f" if j < {n - 1}", f" if v < {ZERO}")))
    lines += [body, f"s <- v{mask}", f"o[i*{n} + j] = v{mask}", "}", "}", "t[0] = s"]
    text, size = "\n".join(lines), m * n
    head = f"kernel random(x: f64[{size}] in, o: f64[{size}] out, t: f64[1] out) {{\n"
    return head + text + "\n}", m, n


@settings(max_examples=60, deadline=None)
@given(random_nests())
def test_random_nests_do_what_the_interpreter_does(found):
    text, m, n = found
    x, o, t = sample("f64", m * n), np.zeros(m * n), np.zeros(1)
    for name in machines():
        run(text, select(name), x, o, t)
