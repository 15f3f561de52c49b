"""Sizes that are symbols: their arithmetic, what is decided, and what is an error."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest

from lamina.base.dims import Dim, larger, smaller, solved, surely_above, surely_negative
from lamina.base.errors import TraceError, UsageError

B, T = Dim("B"), Dim("T")
Number = Callable[[int, int], int]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (B + 1, "B+1"),
        (2 * B * T - T, "2*B*T-T"),
        ((2 * B * T + 4) // 2, "B*T+2"),
        ((B * B - 1) // (B + 1), "B-1"),
        (B * T // T, "B"),
        (B // 2, "(B//2)"),
        ((2 * B + 2) // 4, "((B+1)//2)"),
        (B % 8, "-8*(B//8)+B"),
        (3 - B, "-B+3"),
        (B**2, "B*B"),
    ],
)
def test_a_size_is_printed_as_a_polynomial(size: Any, text: str) -> None:
    assert str(size) == text


def test_symbols_that_cancel_leave_an_integer() -> None:
    for size, number in ((B - B, 0), (2 * B // B, 2), ((2 * B + 1) % 2, 1), (0 // B, 0)):
        assert type(size) is int
        assert size == number


def drawn(r: random.Random, depth: int) -> tuple[Any, Number]:
    """A size, and the function of B and T that it is."""
    kind = r.random() if depth else 0.0
    if kind < 0.3:
        n = r.randint(-3, 3)
        return r.choice([(B, lambda b, t: b), (T, lambda b, t: t), (n, lambda b, t: n)])
    (x, f), (y, g) = drawn(r, depth - 1), drawn(r, depth - 1)
    if kind < 0.8:
        sign = r.choice("+-*")
        made = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}[sign]
        return made(x, y), lambda b, t: made(f(b, t), g(b, t))
    n = r.randint(1, 4)
    if kind < 0.9:
        return x // n, lambda b, t: f(b, t) // n
    return x % n, lambda b, t: f(b, t) % n


def test_random_sizes_have_the_value_and_the_bounds_of_their_formula() -> None:
    r = random.Random(0)
    decided = 0
    for _ in range(400):
        size, formula = drawn(r, 3)
        for b, t in ((1, 1), (2, 5), (7, 3)):
            value = size.at({"B": b, "T": t}) if isinstance(size, Dim) else size
            assert value == formula(b, t), size
            assert not surely_negative(size) or value < 0
            assert not surely_above(size, 2) or value > 2
            try:
                answer = size >= 2
            except TraceError:
                continue
            decided += 1
            assert answer == (value >= 2), size
    assert decided > 300


def test_what_holds_for_all_sizes_is_answered() -> None:
    assert B
    assert B >= 1
    assert B + 1 > B
    assert 2 * ((B + 1) // 2) >= B
    assert B // 2 <= B
    assert not B < 1
    assert (B == 0) is False
    assert (Dim("B"), 3) == (B, 3)
    assert B != "B"
    assert Dim("N", min=2) > 1
    assert (smaller(B, B + 1), larger(0, B)) == (B, B)
    assert hash(B + 1) == hash(1 + B)
    assert pickle.loads(pickle.dumps(B * T + 1)) == B * T + 1


@pytest.mark.parametrize(
    ("ask", "summary", "help"),
    [
        (lambda: B == 1, "B == 1: depends on the sizes", "write what holds for all sizes"),
        (lambda: B != T, "B != T: depends on the sizes", "one symbol for equal sizes"),
        (lambda: B > 3, "B > 3: depends on the sizes", "say lm.Dim('B', min=4)"),
        (lambda: 2 * B >= 5, "2*B >= 5: depends on the sizes", "say lm.Dim('B', min=3)"),
        (lambda: 5 - B < 0, "-B+5 < 0: depends on the sizes", "say lm.Dim('B', min=6)"),
        (lambda: bool(B - 1), "bool(B-1): depends on the sizes", "write what holds"),
        (lambda: B // T, "B // T: depends on the sizes", "one symbol for equal sizes"),
        (lambda: range(B), "B: the size is a symbol, and no Python integer", "lm.asarray makes"),
        (lambda: float(B), "B: the size is a symbol, and no Python integer", "lm.asarray makes"),
    ],
)
def test_what_depends_on_the_sizes_is_an_error_at_the_users_line(
    ask: Callable[[], Any], summary: str, help: str
) -> None:
    with pytest.raises(TraceError) as caught:
        ask()
    assert caught.value.summary.startswith(summary)
    assert help in caught.value.help
    assert "B: any size from 1 on" in caught.value.facts
    assert "test_dims.py" in str(caught.value)


def test_a_suggested_minimum_decides() -> None:
    for size, bound in ((B, 3), (2 * B, 5), (3 * B - 4, 7), (10 - 2 * B, -3)):
        with pytest.raises(TraceError) as caught:
            bool(size >= bound)
        least = int(caught.value.help.split("min=")[1].split(")")[0])
        better = size.at({"B": Dim("B", min=least)})
        assert isinstance(better >= bound, bool)


def test_names_and_minima_are_checked() -> None:
    with pytest.raises(UsageError, match="a name is an identifier"):
        Dim("a b")
    with pytest.raises(UsageError, match="min is a size"):
        Dim("B", min=-1)


def test_the_open_symbol_of_a_sum_is_found() -> None:
    assert solved(2 * B + 1, 9, {}) == ("B", 4)
    assert solved(B * T, 12, {"T": 3}) == ("B", 4)
    assert solved(B * T, 12, {}) is None
    assert solved(2 * B, 9, {}) is None
    assert solved(B * B, 9, {}) is None
