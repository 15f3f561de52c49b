"""A nest prints, parses back to the same text, and has a key that names do not change."""

from __future__ import annotations

import pytest

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Apply, Const, For, Let, Load, Nest, Param, Store, Var
from lamina.backend.nest.parser import parse
from lamina.backend.nest.printer import key, to_text
from lamina.backend.nest.verify import verify
from lamina.base.errors import ParseError

EVERYTHING = """\
kernel everything(x: f32[8192] in, q: i32[8] in, y: f32[8] out, z: f32[8192] out alias x) checks {
  parallel for i in 0..8 {
    acc s: f32 = add 0.0
    alloc r: f32[64] register
    alloc pack: f64[128] scratch
    vector for j in 0..1024 copies 4 {
      s <- x[i*1024 + j]
      s <- (x[i*1024 + j] if j < 1000) if 5 <= j
    }
    let n: i64 = cast<i64>(q[i])
    $0 = (x[minimum(n, i)] if n < i*4 - 3)
    y[i] = s + $0*$0 - (1.0 - $0) if n == 3 & i <= 2 streaming
    if i % 4 == 1 {
      pack[i] = cast<f64>($0) + nan:f64 + -inf:f64
    }
    unroll for u in 0..4 {
      r[u] = exp(select(n != u, y[0], -0.0))
    }
    prefetch x[i*1024 + 1024]
    for k in i..minimum(i + 4, 8) step 2 {
      z[k] = multiply_add(s, 1e-30, $0 / 3.0)
    }
    let bits: u32 = bitcast<u32>(s)
    let odd: bool = xor(bits == 7:u32, true) | not(false)
    fault 1 (n, 8) if 8 <= n
  }
}
"""

OPEN = """\
kernel halves(x: f32[] in, y: f32[] out, n, m) {
  parallel for p in 0..n {
    alloc row: f32[m] scratch
    vector for j in 0..m {
      row[j] = x[p*m + j]*0.5
      y[p*m + j] = row[j]
    }
  }
}
"""


@pytest.mark.parametrize("text", [EVERYTHING, OPEN])
def test_text_of_everything(text: str) -> None:
    assert to_text(verify(parse(text))) == text


def test_key_tells_open_sizes_apart() -> None:
    swapped = OPEN.replace("n, m)", "m, n)")
    assert key(parse(swapped)) != key(parse(OPEN))
    renamed = (
        swapped.replace(" m", " k").replace("m]", "k]").replace("*m", "*k").replace("..m", "..k")
    )
    assert key(parse(renamed.replace("(k, n)", "(n, k)"))) != key(parse(OPEN))


def test_key_knows_no_names() -> None:
    nest = parse(EVERYTHING)
    other = EVERYTHING
    for old, new in [("everything", "other"), ("n:", "a:"), ("pack", "p")]:
        other = other.replace(old, new)
    other = other.replace("s <-", "total <-").replace("acc s", "acc total")
    assert key(nest) != key(parse(EVERYTHING.replace("copies 4", "copies 2")))
    assert key(nest) != key(parse(EVERYTHING.replace("x[i*1024", "z[i*1024")))
    renamed = (
        EVERYTHING.replace("everything", "other").replace("pack", "p").replace(" k in", " w in")
    )
    assert key(nest) == key(parse(renamed.replace("z[k]", "z[w]")))


def test_one_name_for_two_loops_is_no_other_key() -> None:
    template = """kernel k(x: f32[8] in, y: f32[8] out) {{
  for {0} in 0..8 {{
    y[{0}] = x[{0}]
  }}
  for {1} in 0..8 {{
    y[{1}] = y[{1}] + 1.0
  }}
}}
"""
    assert key(parse(template.format("i", "i"))) == key(parse(template.format("i", "j")))


def test_text_grows_with_the_nodes() -> None:
    s = Builder()
    i = s.loop("i", 8)
    x = s.load("x", i, "f32")
    for _ in range(200):
        x = s.add(s.exp(x), x)
    nest = Nest(
        "deep",
        (Param("x", "f32", 8), Param("y", "f32", 8, "out")),
        (For("i", s.constant(0), s.constant(8), (Store("y", i, x),)),),
    )
    text = to_text(verify(nest))
    assert len(text) < 10_000
    assert to_text(parse(text)) == text


def test_a_long_chain_is_cut() -> None:
    s = Builder()
    x = s.load("x", 0, "f32")
    for _ in range(3000):
        x = s.exp(x)
    nest = Nest("long", (Param("x", "f32", 1, "inout"),), (Store("x", s.constant(0), x),))
    text = to_text(nest)
    assert to_text(parse(text)) == text
    assert max(map(len, text.splitlines())) < 200


def test_a_part_is_written_again_in_a_sibling_body() -> None:
    load = Load("f32", "x", Const("i64", 0))
    square = Apply("f32", "multiply", (load, load))
    loops = tuple(
        For(name, Const("i64", 0), Const("i64", 2), (Store("y", Var("i64", name), square),))
        for name in "ij"
    )
    nest = Nest("twice", (Param("x", "f32", 1), Param("y", "f32", 2, "out")), loops)
    text = to_text(nest)
    assert text.count("= x[0]\n") == 2
    assert to_text(parse(text)) == text


def test_dtypes_that_do_not_fit_are_written() -> None:
    odd = Apply("f64", "add", (Var("i64", "q"), Const("i64", 1)))
    nest = Nest("odd", (), (Let("v", odd),))
    text = to_text(nest)
    assert "let v: f64 = add<f64>(q:i64, 1)" in text
    assert to_text(parse(text)) == text


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("alloc r", "allot r", "no statement begins with 'allot'"),
        ("$0 / 3.0", "$7 / 3.0", r"\$7 has not been written"),
        ("exp(select", "exp(select(", "expected"),
        ("n == 3 &", "n == 3 == 4 &", "do not chain"),
        ("x[minimum(n, i)] if", "n + 1 if", "only a load has a mask"),
        ("cast<i64>(q", "cast(q", "cast needs a dtype"),
        ("let bits: u32", "let bits: u64", "bits is u64, its value is u32"),
        ("0..8 {", "0..8 { ?", "no token begins with '\\?'"),
        ("s + $0", "w + $0", "w is not declared"),
        ("copies 4", "copies 1.5", "expected an integer"),
    ],
)
def test_text_that_is_no_nest(old: str, new: str, problem: str) -> None:
    with pytest.raises(ParseError, match=problem):
        parse(EVERYTHING.replace(old, new))
