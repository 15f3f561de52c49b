"""Folding: integer and boolean constants exactly; of floats only what is exact for every value."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from lamina.backend.nest.nodes import Apply, Const, Expr

INTEGER: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "maximum": max,
    "minimum": min,
    "multiply_add": lambda a, b, c: a * b + c,
    "negative": operator.neg,
    "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0),
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "not": lambda a: not a if isinstance(a, bool) else ~a,
    "shift_left": operator.lshift,
    "shift_right": operator.rshift,
}
_NEUTRAL_RIGHT = {
    "subtract": 0, "floor_divide": 1, "divide": 1, "shift_left": 0, "shift_right": 0,
}  # fmt: skip
_NEUTRAL = {"add": 0, "multiply": 1, "or": 0, "xor": 0}
_INVOLUTIONS = ("negative", "not")
_IDEMPOTENT = ("and", "or", "maximum", "minimum")
_EXACT_INTEGER = 1 << 53


def fold(op: str, args: tuple[Expr, ...], dtype: str) -> Expr | bool | int | float | None:
    """What `op(*args)` is known to be: one of the operands, a number, or None for nothing new."""
    if op == "select":
        return _fold_select(*args)
    if op in ("cast", "bitcast"):
        return _fold_cast(op, args[0], dtype)
    first = args[0]
    if first.dtype == "i64" and len(args) == 2:
        return _fold_indices(op, first, args[1], dtype)
    if op in _INVOLUTIONS and isinstance(first, Apply) and first.op == op:
        return first.args[0]
    if op in _IDEMPOTENT and first is args[1]:
        return first
    if first.dtype[0] == "f" or first.dtype == "bf16":
        return _fold_float(op, args)
    if all(isinstance(a, Const) for a in args):
        return _fold_integers(op, [a.value for a in args], args[0].dtype, dtype)  # type: ignore[attr-defined]
    if len(args) != 2:
        return None
    return _fold_bool(op, *args) if first.dtype == "bool" else _fold_neutral(op, *args)


def _fold_indices(op: str, x: Expr, y: Expr, dtype: str) -> Expr | int | bool | None:
    """What most calls ask for: two operands that are i64."""
    if isinstance(y, Const):
        if isinstance(x, Const):
            return _fold_integers(op, [x.value, y.value], "i64", dtype)
        return _fold_neutral(op, x, y)
    if isinstance(x, Const):
        return _fold_neutral(op, x, y)
    return x if x is y and op in _IDEMPOTENT else None


def _fold_integers(op: str, values: list[Any], source: str, dtype: str) -> int | bool | None:
    if op not in INTEGER or (op in ("floor_divide", "remainder") and values[1] == 0):
        return None
    if op in ("shift_left", "shift_right") and not 0 <= values[1] < _bits(source):
        return None
    if source == "bool" and op not in ("and", "or", "xor", "not", "equal", "not_equal"):
        return None
    return _wrapped(INTEGER[op](*values), dtype)


def _fold_neutral(op: str, x: Expr, y: Expr) -> Expr | None:
    if isinstance(y, Const):
        if y.value == _NEUTRAL.get(op, _NEUTRAL_RIGHT.get(op)):
            return x
        if y.value == 0 and op in ("multiply", "and"):
            return y
    if isinstance(x, Const):
        if x.value == _NEUTRAL.get(op):
            return y
        if x.value == 0 and op in ("multiply", "and"):
            return x
    return None


def _fold_bool(op: str, x: Expr, y: Expr) -> Expr | bool | None:
    if isinstance(x, Const):
        x, y = y, x
    if isinstance(y, Const):
        if op in ("and", "or"):
            return x if bool(y.value) == (op == "and") else y
        if op in ("xor", "equal", "not_equal") and bool(y.value) == (op == "equal"):
            return x
        return None
    if op in ("and", "or") and isinstance(x, Apply) and x.op == op and y in x.args:
        return x
    return None


def _fold_float(op: str, args: tuple[Expr, ...]) -> Expr | float | None:
    """x * 1, x / 1 and x + (-0) are x, whatever x is; x + 0 is not (x may be -0)."""
    last = args[-1]
    if op == "negative" and isinstance(last, Const):
        return -last.value
    if len(args) != 2:
        return None
    if isinstance(last, Const):
        negative_zero = last.value == 0 and str(float(last.value)) == "-0.0"
        if op in ("multiply", "divide") and last.value == 1:
            return args[0]
        if (op == "add" and negative_zero) or (
            op == "subtract" and last.value == 0 and not negative_zero
        ):
            return args[0]
    if isinstance(args[0], Const) and op == "multiply" and args[0].value == 1:
        return last
    return None


def _fold_select(condition: Expr, x: Expr, y: Expr) -> Expr | None:
    if isinstance(condition, Const):
        return x if condition.value else y
    if x is y:
        return x
    if x.dtype == "bool" and isinstance(x, Const) and isinstance(y, Const):
        return condition if x.value and not y.value else None
    return None


def _fold_cast(op: str, x: Expr, dtype: str) -> Expr | bool | int | float | None:
    if x.dtype == dtype:
        return x
    if not isinstance(x, Const):
        return None
    from_integer = x.dtype == "bool" or x.dtype[0] in "iu"
    if op == "bitcast":
        both = from_integer and dtype[0] in "iu"
        return _wrapped(x.value, dtype) if both and x.dtype != "bool" else None
    if from_integer and dtype[0] in "iu":
        return _wrapped(int(x.value), dtype)
    if dtype == "bool":
        return x.value != 0
    if from_integer and abs(x.value) <= _EXACT_INTEGER:
        return float(x.value)
    return float(x.value) if x.dtype == "f64" and dtype[0] not in "iu" else None


def _bits(dtype: str) -> int:
    return 1 if dtype == "bool" else int(dtype[1:])


def _wrapped(value: int | bool | float, dtype: str) -> int | bool:
    """An integer as `dtype` holds it."""
    if dtype == "bool":
        return bool(value)
    bits = _bits(dtype)
    value = int(value) % (1 << bits)
    return value - (1 << bits) if dtype[0] == "i" and value >> (bits - 1) else value
