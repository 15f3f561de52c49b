"""Division by one number for all lanes: the same bits as the divider gives, for all numbers."""

from __future__ import annotations

import numpy as np
import pytest
from nest_kernel import run

# NumPy, the reference here, warns of the very cases under test.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ROWS = """
kernel quotients(x: {t}[{n}] in, y: {t}[{m}] in, o: {t}[{size}] out) {{
  parallel for i in 0..{m} {{
    vector for j in 0..{n} {{
      o[i*{n} + j] = x[j] / y[i]
    }}
  }}
}}
"""
DTYPES = {"f32": np.float32, "f64": np.float64}


LEAST = 300  # elements of a loop that prepares the division


def check(target, name: str, x: np.ndarray, y: np.ndarray) -> None:
    x = np.resize(x, max(LEAST, x.size))
    o = np.zeros((len(y), len(x)), x.dtype)
    text = ROWS.format(t=name, n=len(x), m=len(y), size=o.size)
    run(text, target, x, y, o.reshape(-1), tasks=len(y))
    want = x[None, :] / y[:, None]
    bits = f"u{x.itemsize}"
    same = (o.view(bits) == want.view(bits)) | (np.isnan(o) & np.isnan(want))
    i, j = np.nonzero(~same)
    assert not len(i), [(x[b], y[a], o[a, b], want[a, b]) for a, b in list(zip(i, j))[:4]]


@pytest.mark.parametrize("name", DTYPES)
def test_every_kind_of_number(target, name) -> None:
    kind = DTYPES[name]
    info = np.finfo(kind)
    powers = [2.0**k for k in range(info.minexp - info.nmant, info.maxexp, 7)]
    others = [1 / 3, np.pi, 1 - info.epsneg, 1 + info.eps, info.tiny, info.max, np.inf, 0.0, np.nan]
    x = np.array([*powers, *others], kind)
    x = np.concatenate([x, -x, np.nextafter(x, kind(2)), np.zeros(32, kind), -np.zeros(32, kind)])
    check(target, name, x, x)


@pytest.mark.parametrize("name", DTYPES)
def test_numbers_of_all_sizes(target, name) -> None:
    rng = np.random.default_rng(0)
    kind, bits = DTYPES[name], f"u{np.dtype(DTYPES[name]).itemsize}"
    high = np.iinfo(bits).max
    x = rng.integers(0, high, 2000, bits, endpoint=True).view(kind)
    y = rng.integers(0, high, 200, bits, endpoint=True).view(kind)
    check(target, name, x, y)
    near = rng.standard_normal(100).astype(kind)
    check(target, name, rng.standard_normal(3000).astype(kind), near)


@pytest.mark.parametrize(("name", "digits"), [("f32", 24), ("f64", 53)])
def test_quotients_near_the_middle_between_two_floats(target, name, digits) -> None:
    """With A 2^k = c modulo B for a small c, A / B is that near."""
    rng = np.random.default_rng(1)
    for b in rng.integers(1 << digits - 1, 1 << digits, 60):
        divisor = int(b) | 1
        found = [
            c * pow(2, -k, divisor) % divisor
            for k in (digits, digits + 1)
            for c in (*range(-9, 0), *range(1, 10))
        ]
        x = np.array([a for a in found if a >> digits - 1], DTYPES[name])
        check(target, name, x, np.array([divisor], DTYPES[name]))


def test_by_literals(target) -> None:
    text = """
    kernel literals(x: f32[400] in, o: f32[1200] out) {
      vector for j in 0..400 {
        o[j] = x[j] / 255.0
        o[j + 400] = x[j] / 0.125
        o[j + 800] = x[j] / -3.0
      }
    }
    """
    x, o = np.arange(-200, 200, dtype=np.float32), np.zeros(1200, np.float32)
    run(text, target, x, o)
    expected = [x / np.float32(255), x / np.float32(0.125), x / np.float32(-3)]
    np.testing.assert_array_equal(o.view(np.uint32), np.concatenate(expected).view(np.uint32))


@pytest.mark.parametrize("n", [1, 17, 40])
def test_short_rows_take_the_divider(target, n) -> None:
    x, y = np.arange(n, dtype=np.float32), np.array([3.0, -7.0, 0.0, np.inf], np.float32)
    o = np.zeros(4 * n, np.float32)
    run(ROWS.format(t="f32", n=n, m=4, size=o.size), target, x, y, o, tasks=4)
    np.testing.assert_array_equal(o.reshape(4, n), x[None, :] / y[:, None])
