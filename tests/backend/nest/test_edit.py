"""Edits keep the values (BE-26, BE-27), and refuse what would change them."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backend.nest import edit
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.nodes import Nest
from lamina.backend.nest.parser import parse
from lamina.backend.nest.printer import to_text
from lamina.backend.nest.verify import verify
from lamina.base.dtypes import dtype
from lamina.base.errors import UsageError

PRODUCT = """
kernel product(a: f32[30] in, b: f32[35] in, c: f32[42] out) {
  for z in 0..42 {
    c[z] = 0.0
  }
  for i in 0..6 {
    for j in 0..7 {
      for k in 0..5 {
        c[i*7 + j] = c[i*7 + j] + a[i*5 + k]*b[k*7 + j]
      }
    }
  }
}
"""
ROWS = """
kernel rows(x: f32[60] in, y: f32[12] out, z: f32[60] out alias x) {
  for i in 0..12 {
    acc s: f32 = add 0.0
    for j in 0..5 {
      s <- x[i*5 + j] if j < 4
    }
    y[i] = s
    let q: i64 = i*2 % 3
    for k in 0..5 {
      z[i*5 + k] = x[i*5 + k]*s + cast<f32>(q)
    }
  }
}
"""
CHAIN = """
kernel chain(x: f32[24] in, y: f32[24] out, z: f32[24] out) {
  for i in 0..24 {
    $0 = x[i] + 1.0
    y[i] = $0*$0
  }
  for j in 0..24 {
    z[j] = y[j] - x[23 - j]
  }
}
"""
SKEWED = """
kernel skewed(x: f32[64] in, y: f32[16] out) {
  for i in 0..8 {
    for j in 0..8 {
      y[i + j] = x[i*8 + j]
    }
  }
}
"""
TURNED = """
kernel turned(x: f32[48] in, y: f32[48] out) {
  for f in 0..48 {
    for u in 0..1 {
      y[f % 6*8 + f // 6 + u] = x[f]
    }
  }
}
"""
STENCIL = """
kernel stencil(x: f32[48] in, y: f32[48] out) {
  for i in 1..6 {
    for j in 1..7 {
      y[i*8 + j] = y[i*8 + j - 8] - y[i*8 + j - 7] + y[i*8 + j - 1] + x[i*8 + j]
    }
  }
}
"""
KERNELS = {"product": PRODUCT, "rows": ROWS, "chain": CHAIN, "skewed": SKEWED, "turned": TURNED}
KERNELS["stencil"] = STENCIL
KINDS = ["split", "reorder", "vectorize", "unroll", "parallelize", "fuse", "skew", "wavefront"]


def results(nest: Nest, order=lambda iterations: iterations) -> dict[str, np.ndarray]:
    """What the kernel writes for fixed inputs: small integers, so that sums are exact."""
    arrays = {}
    for p in nest.params:
        values = (np.arange(p.size) * 7 + 3) % 11 - 5
        arrays[p.name] = values.astype(dtype(p.dtype).numpy) if p.role == "in" else None
    for p in nest.params:
        if p.role == "out":
            source = arrays[p.may_alias] if p.may_alias else np.zeros(p.size, dtype(p.dtype).numpy)
            arrays[p.name] = source
    interpret(nest, arrays, order)
    return {p.name: arrays[p.name] for p in nest.params if p.role != "in"}


@st.composite
def edits(draw) -> tuple[str, list[tuple]]:
    name = draw(st.sampled_from(sorted(KERNELS)))
    count = draw(st.integers(1, 8))
    return name, [
        (
            draw(st.sampled_from(KINDS)),
            draw(st.integers(0, 20)),
            draw(st.integers(0, 20)),
            draw(st.integers(1, 9)),
        )
        for _ in range(count)
    ]


def applied(nest: Nest, kind: str, first: int, second: int, factor: int) -> Nest:
    names = edit.loops(nest)
    a, b = names[first % len(names)], names[second % len(names)]
    if kind == "split":
        return edit.split(nest, a, factor)
    if kind in ("reorder", "wavefront"):
        return getattr(edit, kind)(nest, a, b)
    if kind == "skew":
        return edit.skew(nest, a, b, factor)
    if kind == "fuse":
        return edit.fuse_loops(nest, a, b)
    return getattr(edit, kind)(nest, a)


@settings(max_examples=250, deadline=None)
@given(edits(), st.integers(0, 1000))
def test_any_legal_edits_keep_the_values(case: tuple[str, list[tuple]], seed: int) -> None:
    name, sequence = case
    plain = parse(KERNELS[name])
    nest = plain
    for step in sequence:
        try:
            nest = applied(nest, *step)
        except UsageError:
            continue
    verify(nest)
    text = to_text(nest)
    assert to_text(parse(text)) == text
    expected = results(plain)
    shuffle = random.Random(seed)
    for order in (lambda r: r, lambda r: r[::-1], lambda r: shuffle.sample(list(r), len(r))):
        for buffer, values in results(nest, order).items():
            np.testing.assert_array_equal(values, expected[buffer], err_msg=text)


def test_split_with_a_rest() -> None:
    nest = edit.split(parse(CHAIN), "i", 10)
    assert to_text(nest).startswith(
        """kernel chain(x: f32[24] in, y: f32[24] out, z: f32[24] out) {
  for i_outer in 0..3 {
    for i_inner in 0..minimum(24 - i_outer*10, 10) {
      $0 = x[i_outer*10 + i_inner] + 1.0
      y[i_outer*10 + i_inner] = $0*$0
    }
  }
"""
    )


def test_a_tiled_product() -> None:
    nest = parse(PRODUCT)
    nest = edit.split(nest, "j", 7)
    nest = edit.reorder(nest, "j_inner", "k")
    nest = edit.vectorize(nest, "j_inner")
    nest = edit.unroll(nest, "k")
    assert "unroll for k in 0..5 {\n        vector for j_inner in 0..7 {" in to_text(verify(nest))


def test_split_undoes_a_flat_loop() -> None:
    nest = edit.split(parse(TURNED), "f", 6)
    assert "y[f_outer + f_inner*8] = x[f_outer*6 + f_inner]" in to_text(nest)
    edit.vectorize(nest, "f_outer") and edit.vectorize(nest, "f_inner")


@pytest.mark.parametrize(
    ("kernel", "change", "reason"),
    [
        (
            PRODUCT,
            lambda n: edit.vectorize(n, "k"),
            "two iterations of k may touch one element of c",
        ),
        (PRODUCT, lambda n: edit.parallelize(n, "i"), "not the only outermost statement"),
        (PRODUCT, lambda n: edit.reorder(n, "i", "k"), "k is not all that i contains"),
        (PRODUCT, lambda n: edit.split(n, "i", 0), "at least one iteration"),
        (PRODUCT, lambda n: edit.find(n, "q"), "there is no such loop"),
        (SKEWED, lambda n: edit.reorder(n, "i", "j"), "may touch one element of y"),
        (SKEWED, lambda n: edit.vectorize(edit.vectorize(n, "j"), "i"), "not independent"),
        (CHAIN, lambda n: edit.fuse_loops(n, "j", "i"), "i does not follow right after j"),
        (CHAIN, lambda n: edit.fuse_loops(edit.vectorize(n, "i"), "i", "j"), "the loops differ"),
        (TURNED, lambda n: edit.vectorize(n, "f"), "may touch one element of y"),
        (TURNED, lambda n: edit.unroll(edit.vectorize(n, "u"), "u"), "the loop is vector"),
    ],
)
def test_edits_that_are_refused(kernel: str, change, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        change(parse(kernel))


def test_fusing_keeps_what_the_second_loop_reads_ahead() -> None:
    ahead = CHAIN.replace("y[j]", "y[23 - j]")
    with pytest.raises(UsageError, match="the order matters"):
        edit.fuse_loops(parse(ahead), "i", "j")
    fused = edit.fuse_loops(parse(CHAIN), "i", "j")
    assert edit.loops(fused) == ("i",)
    assert "    z[i] = y[i] - x[23 - i]\n" in to_text(fused)
    edit.parallelize(fused, "i")


def test_an_iteration_that_reads_the_sum_of_the_others() -> None:
    running = parse(
        """kernel running(x: f32[8] in, y: f32[8] out) {
  acc s: f32 = add 0.0
  for i in 0..8 {
    s <- x[i]
    y[i] = s
  }
}
"""
    )
    with pytest.raises(UsageError, match="reads the accumulator s"):
        edit.vectorize(running, "i")
