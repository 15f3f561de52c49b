"""Each rule of the language, broken once."""

from __future__ import annotations

import pytest

from lamina.backend.nest.parser import parse
from lamina.backend.nest.verify import verify
from lamina.base.errors import VerifyError

GOOD = """
kernel good(x: f32[64] in, q: i32[8] in, y: f32[8] out, w: f32[64] out alias x) checks {
  parallel for i in 0..8 {
    acc s: f32 = add 0.0
    alloc r: f32[4] register
    let n: i64 = cast<i64>(q[i])
    vector for j in 0..8 {
      s <- x[i*8 + j]
    }
    unroll for u in 0..4 {
      r[u] = s
    }
    for k in 0..8 step 2 {
      w[i*8 + k] = r[1]
    }
    if i < 4 {
      y[i] = s if n < 3
    }
    fault 1 (n, 8) if 8 <= n
  }
}
"""


def test_good() -> None:
    nest = parse(GOOD)
    assert verify(nest) is nest


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("y[i] = s", "y[i] = v:f32", "v is not defined here"),
        ("fault 1 (n, 8)", "fault 1 (u:i64, 8)", "u is not defined here"),
        ("r[1]", "v:f32[1]", "v is no buffer in scope"),
        ("s <- x[", "t <- x[", "t is no accumulator in scope"),
        ("s <- x[", "n <- x[", "n is no accumulator in scope"),
        ("w[i*8 + k] =", "x[i*8 + k] =", "x is an input"),
        ("let n:", "let s: f32 = 1.0 let n:", "s is declared already"),
        ("s <- x[i*8 + j]", "for i in 0..2 { s <- 1.0 }", "i is declared already"),
        ("y[i] = s", "y[i] = n", "y is f32, gets i64"),
        ("x[i*8 + j]", "x[i*8 + j] + 1.0:f64", "add: operands differ in dtype: f32, f64"),
        ("x[i*8 + j]", "frobnicate(s)", "'frobnicate' is no lane operation"),
        ("x[i*8 + j]", "exp(s, s)", "exp takes 1 operands, got 2"),
        ("x[i*8 + j]", "add<f64>(s, s)", "add of f32 is f32, not f64"),
        ("x[i*8 + j]", "and(s, s)", "and has no meaning for f32"),
        ("x[i*8 + j]", "halves(q[i])", "halves has no meaning for i32"),
        ("x[i*8 + j]", "halves<i16>(cast<i16>(q[i]))", "halves of i16 is i32, not i16"),
        ("x[i*8 + j]", "select(s, s, s)", "select takes a bool first"),
        ("x[i*8 + j]", "x:f64[i]", "x is f32, read as f64"),
        ("x[i*8 + j]", "x[s]", "an offset is i64, not f32"),
        ("x[i*8 + j]", "(x[i] if s)", "a mask is a bool"),
        ("x[i*8 + j]", "x[i*9 + j]", r"x\[64\] is read or written at 0..=70"),
        ("x[i*8 + j]", "x[j - 1]", r"x\[64\] is read or written at -1..=6"),
        ("r[u] = s", "r[u + 1] = s", r"r\[4\] is read or written at 1..=4"),
        ("r[1]", "r[k]", "r is in registers"),
        ("r[1]", "r[n]", "r is in registers"),
        ("for k in", "parallel for k in", "the only outermost statement"),
        ("unroll for u in 0..4", "unroll for u in 0..n", "extent of the unroll loop u is unknown"),
        ("step 2", "step 0", "steps are positive"),
        ("in 0..8 {\n      s", "in 0..8 copies 0 {\n      s", "j has 0 copies"),
        ("s <- x[i*8 + j]", "if j < 2 { s <- 1.0 }", "one condition for all lanes"),
        ("s <- x[i*8 + j]", "for m in 0..j { s <- 1.0 }", "bounds of m differ between lanes"),
        ("s <- x[i*8 + j]", "vector for m in 0..4 { s <- 1.0 }", "in no other vector loop"),
        ("for k in 0..8", "for k in 0..r[0]", "the bounds of k are i64"),
        ("add 0.0", "add 0", "s is f32, starts at i64"),
        ("add 0.0", "subtract 0.0", "nothing accumulates by 'subtract'"),
        ("register", "memory", "there is no space 'memory'"),
        ("alias x", "alias y", "only an out aliases an in"),
        (") checks", ")", "a kernel with a fault says so"),
        ("f32[64] in", "f31[64] in", "there is no dtype 'f31'"),
        ("q: i32[8] in", "q: i32[8] through", "no role 'through'"),
    ],
)
def test_broken(old: str, new: str, rule: str) -> None:
    assert old in GOOD
    with pytest.raises(VerifyError, match=rule):
        verify(parse(GOOD.replace(old, new)))


OPEN = """
kernel open(x: f32[] in, y: f32[] out, n) {
  alloc row: f32[n] scratch
  for i in 0..n {
    row[i] = x[i]
    y[i] = row[i]
  }
}
"""


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("f32[n]", "f32[m]", "a local buffer has a constant size, or in scratch an open one"),
        ("scratch", "register", "a local buffer has a constant size, or in scratch an open one"),
        (", n)", ", n, x)", "x is declared already"),
        ("for i in", "unroll for i in", "extent of the unroll loop i is unknown"),
    ],
)
def test_broken_open_sizes(old: str, new: str, rule: str) -> None:
    verify(parse(OPEN))
    with pytest.raises(VerifyError, match=rule):
        verify(parse(OPEN.replace(old, new)))


def test_the_message_names_the_statement() -> None:
    with pytest.raises(VerifyError) as failure:
        verify(parse(GOOD.replace("x[i*8 + j]", "x[i*9 + j]")))
    assert failure.value.facts == (
        "statement: s <- x[i*9 + j]",
        "inside: parallel i, vector j",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x[i*8 + j]", "(x[i*9 + j] if i*9 + j < 64)"),
        ("y[i] = s", "y[i*2] = s"),  # under an if
        ("for k in 0..8 step 2", "for k in n..8 step 2"),
        ("r[u] = s", "r[u] = x[n]"),  # not known
    ],
)
def test_what_cannot_be_shown_wrong_is_accepted(old: str, new: str) -> None:
    verify(parse(GOOD.replace(old, new)))
