"""Kernels that leave their sizes open: right for all sizes, and one for all that are alike."""

from __future__ import annotations

import numpy as np
import pytest
from nest_kernel import run, sample

LENGTHS = (2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 200, 1000)

CHAIN = """
kernel chain(x: f32[{n}] in, y: f32[{n}] out) {{
  vector for j in 0..{n} {{
    y[j] = x[j]*x[j] + 1.0
  }}
}}
"""
SUM = """
kernel sum(x: f32[{n}] in, y: f32[1] out) {{
  acc s: f32 = add 0.0
  vector for j in 0..{n} {{
    s <- x[j]
  }}
  y[0] = s
}}
"""
TRANSPOSED = """
kernel transposed(x: i32[{cells}] in, y: i32[{cells}] out) {{
  parallel for p in 0..{columns} {{
    vector for j in 0..{rows} {{
      y[p*{rows} + j] = x[p + j*{columns}]
    }}
  }}
}}
"""
DIVIDED = """
kernel divided(x: i32[{n}] in, y: i32[{n}] out) {{
  vector for j in 0..{n} {{
    y[j] = x[j % {d}*{e} + j // {d}] + cast<i32>(j // {d})
  }}
}}
"""
NORMALISED = """
kernel normalised(x: f32[{cells}] in, y: f32[{cells}] out) {{
  parallel for p in 0..{rows} {{
    alloc first: f64[{columns}] scratch
    alloc flags: bool[{columns}] scratch
    alloc four: f32[4] scratch
    alloc second: f32[{columns}] scratch
    acc s: f32 = add 0.0
    vector for j in 0..{columns} {{
      let e: f32 = x[p*{columns} + j]*2.0
      first[j] = cast<f64>(e)
      flags[j] = 0.0 < e
      second[j] = e
      s <- e
    }}
    four[3] = s
    vector for k in 0..{columns} {{
      y[p*{columns} + k] = select(flags[k], cast<f32>(first[k]) + second[k], four[3])
    }}
  }}
}}
"""
GATHERED = """
kernel gathered(x: f32[{cells}] in, q: i32[{n}] in, y: f32[{n}] out) checks {{
  vector for j in 0..{n} {{
    let i: i64 = cast<i64>(q[j])
    y[j] = x[minimum(maximum(i, 0), {rows} - 1)*{columns} + j % {columns}]
    fault 3 (i, {rows}) if i < 0 | {rows} <= i
  }}
}}
"""


@pytest.mark.parametrize("text", [CHAIN, SUM])
def test_vector_loops_of_every_length(target, text: str) -> None:
    keys = set()
    for n in LENGTHS:
        x, y = sample("f32", n), np.zeros(1 if text is SUM else n, np.float32)
        keys.add(run(text.format(n=n), target, x, y, lifted=True))
        wanted = np.sum(x, dtype=np.float64) if text is SUM else x * x + 1
        np.testing.assert_allclose(y, np.ravel(wanted), 1e-5, 1e-4)
    assert len(keys) == 1


def test_lanes_that_lie_an_open_size_apart(target) -> None:
    keys = set()
    for rows, columns in ((2, 5), (17, 9), (33, 33), (64, 100)):
        cells = rows * columns
        x, y = sample("i32", cells), np.zeros(cells, np.int32)
        text = TRANSPOSED.format(cells=cells, rows=rows, columns=columns)
        keys.add(run(text, target, x, y, tasks=columns, lifted=True))
        np.testing.assert_array_equal(y, x.reshape(rows, columns).T.ravel())
    assert len(keys) == 1


def test_lanes_divided_by_an_open_size(target) -> None:
    keys = set()
    for d, e in ((5, 7), (16, 16), (9, 200), (1000, 6)):
        n = d * e
        x, y = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
        keys.add(run(DIVIDED.format(n=n, d=d, e=e), target, x, y, lifted=True))
        j = np.arange(n)
        np.testing.assert_array_equal(y, j % d * e + j // d + j // d)
    assert len(keys) == 1


def test_division_is_exact_up_to_the_largest_size() -> None:
    """As the generated code divides: in f64, where the quotient is cut off."""
    rng = np.random.default_rng(0)
    n = rng.integers(2, 1 << 30, 200_000)
    n[:1000] = np.arange(2, 1002)
    multiple = rng.integers(0, (1 << 30) // n + 1) * n
    for x in (multiple, multiple - 1, multiple + n - 1):
        x = np.clip(x, 0, (1 << 30) - 1)
        np.testing.assert_array_equal((x.astype(np.float64) / n).astype(np.int64), x // n)


def test_scratch_of_open_sizes(target) -> None:
    keys = set()
    for rows, columns in ((2, 5), (3, 16), (2, 33), (5, 130)):
        x, y = sample("f32", rows * columns), np.zeros(rows * columns, np.float32)
        text = NORMALISED.format(cells=rows * columns, rows=rows, columns=columns)
        keys.add(run(text, target, x, y, tasks=rows, lifted=True))
        doubled = x.reshape(rows, columns) * 2
        total = doubled.sum(1, keepdims=True)
        wanted = np.where(doubled > 0, doubled + doubled, total)
        np.testing.assert_allclose(y, wanted.ravel(), 1e-5, 1e-4)
    assert len(keys) == 1


def test_faults_know_open_sizes(target) -> None:
    keys = set()
    for rows, columns, n in ((5, 7, 40), (30, 9, 33)):
        x, q = sample("f32", rows * columns), np.arange(n, dtype=np.int32) % rows
        y, status = np.zeros(n, np.float32), np.zeros(4, np.int64)
        text = GATHERED.format(cells=rows * columns, rows=rows, columns=columns, n=n)
        keys.add(run(text, target, x, q, y, status=status, lifted=True))
        np.testing.assert_array_equal(y, x.reshape(rows, columns)[q, np.arange(n) % columns])
        assert status.tolist() == [0, 0, 0, 0]
        q[11] = rows
        run(text, target, x, q, y, status=status, lifted=True)
        assert status.tolist() == [3, rows, rows, 0]
    assert len(keys) == 1
