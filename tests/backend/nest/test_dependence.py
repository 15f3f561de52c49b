"""Distances between iterations against those of all pairs, and what follows of them (BE-29)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backend.nest import dependence, edit
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.nodes import Nest
from lamina.backend.nest.parser import parse
from lamina.backend.nest.printer import to_text
from lamina.backend.nest.verify import verify
from lamina.base.errors import UsageError

STENCIL = """
kernel stencil(x: f32[63] in, y: f32[63] inout) {
  for i in 1..7 {
    for j in 1..9 {
      y[i*9 + j] = y[i*9 + j - 9]*x[i*9 + j] + y[i*9 + j - 1]
    }
  }
}
"""
BOTH_WAYS = STENCIL.replace("j in 1..9", "j in 1..8").replace("+ y[", "- y[i*9 + j - 8] + y[")
"""Each element also needs the next one of the row before: Gauss and Seidel's four neighbours."""
WRAPPED = STENCIL.replace("y[i*9 + j - 1]", "y[i*9 + j - 11]")
"""The second column needs an element from two rows before, its last one."""
ANY = """
kernel any(y: f32[1000] inout) {{
  for i in {i}..{p} {{
    for j in {j}..{q} {{
      y[i*{a} + j*{b} + 100] = y[i*{a} + j*{b} + {c} + 100] + 1.0
    }}
  }}
}}
"""


def distances(nest: Nest, *names: str) -> list[dependence.Distance]:
    loops = [edit.find(nest, name) for name in names]
    return dependence.distances(nest, loops, edit.ranges_of(nest))


def tried(m: int, n: int, a: int, b: int, c: int) -> list[tuple[int, int]]:
    """The distances of `ANY`, by comparing all pairs of iterations."""
    found = set()
    iterations = list(product(range(m), range(n)))
    for x, y in product(iterations, iterations):
        d = (y[0] - x[0], y[1] - x[1])
        if d > (0, 0) and abs(d[0] * a + d[1] * b) in (0, abs(c)):
            found.add(d)
    return sorted(found)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.tuples(st.integers(0, 12), st.integers(-9, 9), st.integers(-20, 20)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(0, 3),
)
def test_distances_are_those_of_all_pairs(sizes, offset, starts, factor: int) -> None:
    (m, n), (a, b, c), (i, j) = sizes, offset, starts
    nest = parse(ANY.format(i=i, p=i + m, j=j, q=j + n, a=a, b=b, c=c))
    expected = tried(m, n, a, b, c)
    assert distances(nest, "i", "j") == expected
    skewed = edit.skew(nest, "i", "j", factor)
    assert distances(skewed, "i", "j_skewed") == [(d, e + factor * d) for d, e in expected]
    if m * n == 0:
        return  # nothing runs
    for loop, along in (("i", 0), ("j", 1)):
        carried = any(d[along] and not any(d[:along]) for d in expected)
        assert bool(refused(edit.vectorize, nest, loop)) == carried
    crossed = any(d > 0 and e < 0 for d, e in expected)
    assert bool(refused(edit.reorder, nest, "i", "j")) == crossed


def refused(change, nest: Nest, *names: str) -> str:
    try:
        change(nest, *names)
    except UsageError as error:
        return str(error)
    return ""


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(0, 6), st.integers(0, 6)),
    st.tuples(st.integers(0, 12), st.integers(-9, 9), st.integers(-20, 20)),
    st.booleans(),
)
def test_a_wavefront_keeps_the_values_in_any_order(sizes, offset, backwards: bool) -> None:
    (m, n), (a, b, c) = sizes, offset
    nest = parse(ANY.format(i=0, p=m, j=0, q=n, a=a, b=b, c=c))
    wave = edit.wavefront(nest, "i", "j")
    fast = verify(edit.vectorize(wave, "i") if m * n else wave)
    np.testing.assert_array_equal(values(fast, backwards), values(nest), to_text(fast))


def values(nest: Nest, backwards: bool = False) -> np.ndarray:
    y = np.arange(1000, dtype=np.float32) % 7
    interpret(nest, {"y": y}, lambda r: r[::-1] if backwards else r)
    return y


def test_distances_of_stencils() -> None:
    assert distances(parse(STENCIL), "i", "j") == [(0, 1), (1, 0)]
    assert distances(parse(BOTH_WAYS), "i", "j") == [(0, 1), (1, -1), (1, 0)]
    assert distances(parse(STENCIL), "j") == [(1,)]
    assert distances(parse(WRAPPED), "i", "j") == [(1, 0), (1, 2), (2, -7)]


def test_neither_loop_of_a_stencil_is_parallel_and_its_diagonals_are() -> None:
    nest = parse(STENCIL)
    for loop in ("i", "j"):
        assert "not independent" in refused(edit.vectorize, nest, loop)
    edit.reorder(nest, "i", "j")  # legal, and no help
    wave = edit.wavefront(nest, "i", "j")
    assert edit.loops(wave) == ("j_skewed", "i")
    assert "not independent" in refused(edit.vectorize, wave, "j_skewed")
    assert (
        to_text(verify(edit.vectorize(wave, "i")))
        == """\
kernel stencil(x: f32[63] in, y: f32[63] inout) {
  for j_skewed in 2..15 {
    vector for i in maximum(1, j_skewed - 8)..minimum(7, j_skewed) {
      y[j_skewed + i*8] = y[j_skewed + i*8 - 9]*x[j_skewed + i*8] + y[j_skewed + i*8 - 1]
    }
  }
}
"""
    )


def test_skewing_makes_tiles_legal() -> None:
    nest = parse(BOTH_WAYS)
    assert "the order matters" in refused(edit.reorder, nest, "i", "j")
    split = edit.split(edit.split(nest, "i", 2), "j", 3)
    assert "the order matters" in refused(edit.reorder, split, "i_inner", "j_outer")
    skewed = edit.reorder(edit.skew(nest, "i", "j"), "i", "j_skewed")
    wave = edit.wavefront(nest, "i", "j")  # as (1, -1) asks for twice as much
    assert distances(wave, "j_skewed", "i") == [(1, 0), (1, 1), (2, 1)]
    for changed in (skewed, wave):
        outs = [np.arange(63, dtype=np.float32) for _ in range(2)]
        for one, y in zip((nest, verify(changed)), outs):
            interpret(one, {"x": np.ones(63, np.float32), "y": y})
        np.testing.assert_array_equal(*outs)


def test_a_launch_for_each_iteration() -> None:
    nest = parse(STENCIL)
    expected, y = np.ones((2, 63), np.float32)
    x = np.arange(63, dtype=np.float32) % 5
    interpret(nest, {"x": x, "y": expected})
    wave, sizes = edit.launches(edit.wavefront(nest, "i", "j"), "j_skewed")
    wave = verify(edit.parallelize(wave, "i"))
    assert len(sizes) == 13
    for size in sizes:
        interpret(wave, {"x": x, "y": y}, lambda r: r[::-1], (size,))
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n: edit.wavefront(n, "j", "i"), "i is not all that j contains"),
        (lambda n: edit.skew(n, "i", "j", -1), "not by -1"),
        (lambda n: edit.skew(edit.wavefront(n, "i", "j"), "j_skewed", "j"), "not all that"),
        (lambda n: edit.launches(n, "j"), "not the only outermost"),
        (lambda n: edit.parallelize(edit.wavefront(n, "i", "j"), "j_skewed"), "not independent"),
    ],
)
def test_what_is_refused(change, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        change(parse(STENCIL))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (STENCIL.replace("y[i*9 + j - 1]", "y[i*8 + j]"), "differ by more than a number"),
        (STENCIL.replace("y[i*9 + j - 1]", "y[(i*9 + j) // 2]"), "no sum of multiples"),
        (STENCIL.replace("y[i*9 + j - 1]", "y[cast<i64>(x[j])]"), "what is in memory"),
        (STENCIL.replace("for i", "acc s: f32 = add 0.0 for i").replace("      y[", "s <- x[j] y[")
         .replace("y[i*9 + j - 1]", "s"), "reads the accumulator s"),
    ],
)  # fmt: skip
def test_distances_that_are_not_known(text: str, reason: str) -> None:
    nest = parse(text)
    with pytest.raises(UsageError, match="are not known") as raised:
        distances(nest, "i", "j")
    assert reason in str(raised.value)
    assert refused(edit.wavefront, nest, "i", "j")
