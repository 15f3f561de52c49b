"""Lanes that lie apart in memory: right values, and no touch beyond the first and last element.

Buffers end where memory ends, on both sides, so that a kernel that reads one element too many dies.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nest_kernel import machines, run, run_fenced, sample

from lamina.backend.codegen import kernel_assembly
from lamina.backend.codegen.llvm.spread import cover, owners, spread
from lamina.backend.nest.parser import parse
from lamina.backend.targets.select import select
from lamina.base.dtypes import ALL

EXTENTS = (1, 3, 8, 17, 31, 64, 131)
PATTERNS = {
    "stride 2": "j*2",
    "odd elements": "j*2 + 1",
    "stride 3": "j*3 + 2",
    "stride 4": "j*4",
    "stride 5": "j*5",
    "stride 7": "j*7",
    "stride 20": "j*20",
    "reversed": "300 - j",
    "reversed by 2": "600 - j*2",
    "upsampled": "j // 2",
    "upsampled by 3": "j // 3",
    "upsampled by 4": "j // 4",
    "repeated": "j % 4",
    "pooling, rows of 4": "j % 4*2 + j // 4*16",
    "pooling, rows of 7": "j % 7*2 + j // 7*28",
    "upsampling, rows of 8": "j // 8 // 2*4 + j % 8 // 2",
    "pairs swapped": "j // 2*2 + 1 - j % 2",
    "squares transposed": "j % 4*4 + j // 4 % 4 + j // 16*16",
    "shifted down": "(j + 3) // 4",
    "halves": "(300 - j) // 2",
}


def places(pattern: str, n: int) -> np.ndarray:
    """The elements that the lanes touch."""
    return np.asarray(eval(pattern, {"j": np.arange(n)}))


def read_text(name: str, pattern: str, n: int, size: int) -> str:
    return f"""
    kernel read(x: {name}[{size}] in, o: {name}[{n}] out) {{
      vector for j in 0..{n} {{
        o[j] = x[{pattern}]
      }}
    }}
    """


def write_text(name: str, pattern: str, n: int, size: int) -> str:
    return f"""
    kernel write(x: {name}[{n}] in, o: {name}[{size}] out) {{
      vector for j in 0..{n} {{
        o[{pattern}] = x[j]
      }}
    }}
    """


def check_read(target, name: str, pattern: str, n: int) -> None:
    at = places(pattern, n)
    x = sample(name, int(at.max()) + 1)
    o = np.zeros(n, x.dtype)
    spans = [(int(at.min()), int(at.max())), (0, n - 1)]
    _, found = run_fenced(read_text(name, pattern, n, x.size), target, [x, o], spans)
    np.testing.assert_array_equal(found, x[at])


def check_write(target, name: str, pattern: str, n: int) -> None:
    at = places(pattern, n)
    x, o = sample(name, n), sample(name, int(at.max()) + 1, 1)
    expected = o.copy()
    expected[at] = x
    spans = [(0, n - 1), (int(at.min()), int(at.max()))]
    _, found = run_fenced(write_text(name, pattern, n, o.size), target, [x, o], spans)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", ("f32", "u8"))
def test_reads_of_every_pattern_and_extent(target, name, pattern):
    for n in EXTENTS:
        check_read(target, name, PATTERNS[pattern], n)


@pytest.mark.parametrize("name", [d.name for d in ALL if d.kind not in ("complex", "storage")])
def test_reads_of_every_dtype(target, name):
    for pattern in ("stride 2", "stride 5", "reversed", "upsampled", "pooling, rows of 4"):
        for n in (7, 37, 128):
            check_read(target, name, PATTERNS[pattern], n)


@pytest.mark.parametrize(
    "pattern", [p for p in PATTERNS if len(set(places(PATTERNS[p], 50))) == 50]
)
@pytest.mark.parametrize("name", ("f32", "u8"))
def test_writes_of_every_pattern_and_extent(target, name, pattern):
    for n in EXTENTS:
        check_write(target, name, PATTERNS[pattern], n)


@pytest.mark.parametrize("name", [d.name for d in ALL if d.kind not in ("complex", "storage")])
def test_writes_of_every_dtype(target, name):
    for pattern in ("stride 2", "stride 5", "reversed", "pairs swapped"):
        for n in (6, 37, 128):
            check_write(target, name, PATTERNS[pattern], n)


@pytest.mark.parametrize("name", ("f32", "u8", "f64", "i64", "bool", "f16"))
def test_contiguous_tails_stay_inside(target, name):
    for n in EXTENTS:
        check_read(target, name, "j", n)
        check_write(target, name, "j", n)


@pytest.mark.parametrize("name", ("f32", "u8", "f64", "bool"))
@pytest.mark.parametrize("rows", (1, 4))
def test_tails_known_only_at_run_time(target, name, rows):
    for n in (1, 5, 16, 37, 70):
        text = f"""
        kernel ragged(x: {name}[{2 * rows * n}] in, o: {name}[{2 * rows * n}] out) {{
          parallel for i in 0..{rows} {{
            vector for j in i*2..{n} - i {{
              o[i*{2 * n} + j*2] = x[i*{2 * n} + {2 * n - 1} - j*2]
            }}
          }}
        }}
        """
        x = sample(name, 2 * rows * n)
        o = np.zeros_like(x)
        expected = o.reshape(rows, 2 * n).copy()
        for i in range(rows):
            j = np.arange(i * 2, max(n - i, i * 2))
            expected[i, j * 2] = x.reshape(rows, 2 * n)[i, 2 * n - 1 - j * 2]
        spans = [(1, x.size - 1), (0, x.size - 2)]
        _, found = run_fenced(text, target, [x, o], spans, tasks=rows)
        np.testing.assert_array_equal(found, expected.ravel())


@pytest.mark.parametrize("name", ("f32", "i16", "u8", "f64"))
@pytest.mark.parametrize("w", (3, 8, 14, 28, 50))
def test_pooling_windows_share_loads_and_stay_inside(target, name, w):
    n, row = 5 * w, 2 * w
    text = f"""
    kernel pool(x: {name}[{4 * n}] in, o: {name}[{n}] out) {{
      parallel for p in 0..5 {{
        vector for q in 0..{w} {{
          let a: {name} = maximum(x[p*{2 * row} + q*2], x[p*{2 * row} + q*2 + 1])
          let b: {name} = maximum(x[p*{2 * row} + q*2 + {row}], x[p*{2 * row} + q*2 + {row + 1}])
          o[p*{w} + q] = maximum(a, b)
        }}
      }}
    }}
    """
    x, o = sample(name, 4 * n), np.zeros(n, sample(name, 1).dtype)
    spans = [(0, x.size - 1), (0, n - 1)]
    _, found = run_fenced(text, target, [x, o], spans, tasks=5)
    windows = x.reshape(5, 2, w, 2)
    np.testing.assert_array_equal(found, windows.max((1, 3)).ravel())


@pytest.mark.parametrize("name", ("f32", "u8", "f64"))
@pytest.mark.parametrize("n", (1, 6, 14, 16, 33, 70))
def test_masks_known_and_unknown(target, name, n):
    """A padded window of stride 2: its first element, and each that the data hide, is not read."""
    text = f"""
    kernel padded(x: {name}[{2 * n}] in, h: bool[{n}] in, o: {name}[{n}] out, u: {name}[{n}] out,
                  d: {name}[{2 * n}] out) {{
      vector for j in 0..{n} {{
        o[j] = (x[j*2 - 1] if 0 <= j*2 - 1)
        u[j] = (x[j*2 + 1] if h[j])
        d[j*2] = x[j*2] if h[j]
      }}
    }}
    """
    x, h = sample(name, 2 * n), np.random.default_rng(n).random(n) < 0.4
    o, u, d = np.ones(n, x.dtype), np.ones(n, x.dtype), np.ones(2 * n, x.dtype)
    arrays = [x, h, o, u, d]
    spans = [(0, a.size - 1) for a in arrays]
    _, _, o, u, d = run_fenced(text, target, arrays, spans)
    shifted = np.concatenate([[0], x[1:-1:2]]).astype(x.dtype)
    np.testing.assert_array_equal(o, shifted)
    np.testing.assert_array_equal(u, np.where(h, x[1::2], 0))
    np.testing.assert_array_equal(d[::2], np.where(h, x[::2], 1))
    np.testing.assert_array_equal(d[1::2], 1)


def test_a_masked_neighbour_allows_nothing(target):
    """`x[j*2 + 1] if ...` may be beyond the end, so `x[j*2]` must not read as far."""
    n = 40
    text = f"""
    kernel edge(x: f32[{2 * n}] in, o: f32[{n}] out) {{
      vector for j in 0..{n} {{
        o[j] = x[j*2] + (x[j*2 + 1] if j < {n - 1})
      }}
    }}
    """
    x, o = sample("f32", 2 * n), np.zeros(n, np.float32)
    _, found = run_fenced(text, target, [x, o], [(0, 2 * n - 2), (0, n - 1)])
    np.testing.assert_array_equal(found, x[::2] + np.where(np.arange(n) < n - 1, x[1::2], 0))


@pytest.mark.parametrize("step", (1, 3, 8))
def test_bases_that_are_multiples_of_too_little(target, step):
    """The loop begins at 12 i: its lanes are known modulo 4, not modulo 8."""
    text = f"""
    kernel bases(x: f32[400] in, o: f32[400] out, r: i64[400] out, q: i64[400] out) {{
      parallel for i in 0..4 {{
        vector for j in i*12..i*12 + 90 step {step} {{
          o[i*100 + j - i*12] = x[j // 4 % 2*3 + j % 4 + j // 8]
          r[i*100 + j - i*12] = j % 8 + j % 5
          q[i*100 + j - i*12] = (j - 50) // 8*1000 + (j - 50) // 7
        }}
      }}
    }}
    """
    x, o = sample("f32", 400), np.zeros((4, 100), np.float32)
    r, q = np.zeros((4, 100), np.int64), np.zeros((4, 100), np.int64)
    run(text, target, x, o, r, q, tasks=4)
    for i in range(4):
        j = np.arange(i * 12, i * 12 + 90, step)
        at = j - i * 12
        np.testing.assert_array_equal(o[i, at], x[j // 4 % 2 * 3 + j % 4 + j // 8])
        np.testing.assert_array_equal(r[i, at], j % 8 + j % 5)
        np.testing.assert_array_equal(q[i, at], (j - 50) // 8 * 1000 + (j - 50) // 7)


@pytest.mark.parametrize("limit", (0, 1, 5, 16, 17, 48, 63, 64))
@pytest.mark.parametrize("op", ("<", "<=", "==", "!="))
def test_comparisons_of_lanes(target, op, limit):
    text = f"""
    kernel compare(o: bool[192] out, p: bool[192] out, q: bool[192] out) {{
      parallel for i in 0..3 {{
        for k in 0..64 step 16 {{
          vector for l in 0..16 {{
            o[i*64 + k + l] = k + l {op} {limit}
            p[i*64 + k + l] = {limit} {op} k + l
            q[i*64 + k + l] = (k + l) % 7 + i {op} {limit % 9}
          }}
        }}
      }}
    }}
    """
    o, p, q = (np.zeros((3, 64), bool) for _ in range(3))
    run(text, target, o, p, q, tasks=3)
    compare = {"<": np.less, "<=": np.less_equal, "==": np.equal, "!=": np.not_equal}[op]
    k, i = np.arange(64), np.arange(3)[:, None]
    np.testing.assert_array_equal(o, np.broadcast_to(compare(k, limit), (3, 64)))
    np.testing.assert_array_equal(p, np.broadcast_to(compare(limit, k), (3, 64)))
    np.testing.assert_array_equal(q, compare(k % 7 + i, limit % 9))


@pytest.mark.parametrize("big", (1 << 31, (1 << 31) + 5, 1 << 40, (1 << 62) + 3))
def test_index_values_beyond_32_bits(target, big):
    text = f"""
    kernel big(o: i64[70] out, p: i64[70] out, b: bool[70] out, m: i64[70] out) {{
      vector for j in 0..70 {{
        o[j] = (j + {big}) // 3
        p[j] = (j*2 - {big}) % 10
        b[j] = j + {big} < {big} + 33
        m[j] = minimum(j*{big} , 5) + maximum(j - {big}, 0 - j)
      }}
    }}
    """
    o, p, m = (np.zeros(70, np.int64) for _ in range(3))
    b = np.zeros(70, bool)
    run(text, target, o, p, b, m)
    j = np.arange(70, dtype=object)
    wrapped = np.array([(x + (1 << 63)) % (1 << 64) - (1 << 63) for x in j * big], object)
    np.testing.assert_array_equal(o, ((j + big) // 3).astype(np.int64))
    np.testing.assert_array_equal(p, ((j * 2 - big) % 10).astype(np.int64))
    np.testing.assert_array_equal(b, j < 33)
    low, high = np.minimum(wrapped, 5), np.maximum(j - big, -j)
    np.testing.assert_array_equal(m, (low + high).astype(np.int64))


def test_what_becomes_of_pooling():
    """Four loads, no gather, for four elements a lane."""
    text = """
    kernel pool(x: f32[65536] in, o: f32[16384] out) {
      parallel for p in 0..256 {
        vector for q in 0..64 copies 1 {
          o[p*64 + q] = x[p*256 + q*2] + x[p*256 + q*2 + 1] + x[p*256 + q*2 + 128]
        }
      }
    }
    """
    for name in machines():
        found = kernel_assembly(parse(text), select(name))
        assert "gather" not in found and "insertps" not in found


# ------------------------------------------------------------------ the plan alone


@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=16).filter(
        lambda v: len(v) in (1, 2, 4, 8, 16)
    ),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_plans_read_what_is_wanted_and_nothing_outside(lanes, data):
    live = data.draw(st.lists(st.booleans(), min_size=len(lanes), max_size=len(lanes)))
    live[data.draw(st.integers(0, len(lanes) - 1))] = True
    wanted = [n for n, exists in zip(lanes, live) if exists]
    first = min(wanted) - data.draw(st.integers(0, 20))
    last = max(wanted) + data.draw(st.integers(0, 20))
    masks = data.draw(st.booleans())
    plan = spread(lanes, live, (first, last), len(lanes), masks)
    if plan is None:
        return
    assert masks or not plan.count
    for start in plan.starts:
        assert first <= start and start + (plan.count or plan.size) - 1 <= last
    for n, exists, (load, at) in zip(lanes, live, plan.places):
        assert 0 <= at < plan.size
        if exists:
            assert plan.starts[load] + at == n
            assert not plan.count or at < plan.count


def test_plans():
    pairs = tuple(range(0, 16, 2))
    whole = [True] * 8
    alone = spread(pairs, whole, (0, 14), 8, True)
    assert alone is not None and alone.starts == (0, 7)
    beside = [spread([n + k for n in pairs], whole, (0, 15), 8, True) for k in (0, 1)]
    assert [plan.starts for plan in beside if plan] == [(0, 8), (0, 8)]
    doubled = spread((0, 0, 1, 1, 2, 2, 3, 3), whole, (0, 3), 8, True)
    assert doubled is not None and (doubled.starts, doubled.size, doubled.count) == ((0,), 4, 0)
    tail = spread(range(8), [i < 6 for i in range(8)], (0, 5), 8, False)
    assert tail is not None and (tail.starts, tail.size) == ((0, 2), 4)
    assert spread(range(0, 80, 10), whole, (0, 70), 8, True) is None


def test_covers_and_owners():
    assert cover([9, 0, 2, 17], 8) == [0, 9, 17]
    assert owners({3: 4, 5: 6, 7: 40}, 4, 4) == [3, -1, 5, -1]
