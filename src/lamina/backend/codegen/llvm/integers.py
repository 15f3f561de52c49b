"""Index arithmetic made cheap: constants folded, divisions as shifts or in 32 bits."""

from __future__ import annotations

from collections.abc import Callable

from .lanes import INTEGERS, Lane, Lanes

_FOLD: dict[str, Callable[..., object]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "floor_divide": lambda a, b: a // b if b else 0,
    "remainder": lambda a, b: a % b if b else 0,
    "minimum": min,
    "maximum": max,
    "negative": lambda a: -a,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
}


def fold(s: Lanes, op: str, args: list[Lane], dtype: str) -> Lane | None:
    """The result of an operation on i64 where it is known or cheap, else None."""
    if any(a.dtype != "i64" for a in args):
        return _fold_select(op, args)
    if op in _FOLD and all(a.is_literal and a.width == 1 for a in args):
        return s.constant(_FOLD[op](*(int(a.name) for a in args)), dtype)
    if op == "cast" and dtype in INTEGERS and args[0].is_literal and args[0].width == 1:
        return s.constant(int(args[0].name), dtype)
    if op in ("floor_divide", "remainder"):
        return _divide_by_power(s, op, *args)
    return None


def _fold_select(op: str, args: list[Lane]) -> Lane | None:
    if op == "select" and args[0].name in ("true", "false"):
        return args[1] if args[0].name == "true" else args[2]
    return None


def _divide_by_power(s: Lanes, op: str, x: Lane, divisor: Lane) -> Lane | None:
    if not (divisor.is_literal and divisor.width == 1):
        return None
    size = int(divisor.name)
    if size <= 0 or size & (size - 1):
        return None
    if op == "remainder":
        return s.and_(x, s.constant(size - 1, "i64", x.width))
    return s.ashr(x, size.bit_length() - 1)


def narrow_divide(s: Lanes, op: str, args: list[Lane], bounds: tuple[int, int]) -> Lane | None:
    """x // n or x % n for a literal n, in 32 bits, if x lies in bounds that allow it.

    There is no vector division, and no wide multiplication of 64-bit lanes to replace it by. Lanes
    that a tail masks out may go beyond the bounds, so these keep a distance.
    """
    x, divisor = args
    fits = bounds[0] >= 0 and bounds[1] < 1 << 30
    if x.width == 1 or not fits or not divisor.is_literal or divisor.width > 1:
        return None
    if not 0 < int(divisor.name) < 1 << 30:
        return None
    small = s.convert("trunc", x, "i32")
    by = s.constant(int(divisor.name), "i32", x.width)
    instruction = "udiv" if op == "floor_divide" else "urem"
    result = Lane(s.emit(f"{instruction} {small.typed}, {by.name}"), "i32", x.width)
    return s.convert("zext", result, "i64")
