"""The lane operations: how many operands each has, and for which dtypes it has a meaning.

`dot4(x, y, c)` is c + x0*y0 + x1*y1 + x2*y2 + x3*y3, wrapping as i32 does: x holds four bytes that
are u8, y four that are i8, the lowest first. `dot2(x, y, c)` is c + x0*y0 + x1*y1 likewise, where x
and y hold two i16 each. `halves(x)` is the i32 of two i16 that the two bytes of x widen to: of an
i16 they are signed, of a u16 unsigned.
"""

from __future__ import annotations

_ALL = "bool int float"
_NUMBERS = "int float"
_OPERATIONS: dict[tuple[int, str], str] = {
    (1, "float"): (
        "floor ceil round trunc sqrt rsqrt reciprocal exp expm1 log log1p sin cos tan asin acos "
        "atan sinh cosh tanh erf erfc erfinv erfcinv lgamma digamma"
    ),
    (1, _NUMBERS): "negative abs sign",
    (1, "bool int"): "not",
    (1, _ALL): "cast bitcast",
    (2, _NUMBERS): "add subtract multiply divide floor_divide remainder power",
    (2, _ALL): "maximum minimum equal not_equal less less_equal",
    (2, "float"): "atan2",
    (2, "bool int"): "and or xor",
    (2, "int"): "shift_left shift_right",
    (3, _NUMBERS): "multiply_add",
    (3, _ALL): "select",
    (3, "i32"): "dot4 dot2",
    (1, "i16 u16"): "halves",
}
_ARITY = {op: arity for (arity, _), ops in _OPERATIONS.items() for op in ops.split()}
_KINDS = {
    op: frozenset(kinds.split()) for (_, kinds), ops in _OPERATIONS.items() for op in ops.split()
}


def arity_of(op: str) -> int | None:
    """How many operands an operation has; None where there is no such operation."""
    return _ARITY.get(op)


def takes(op: str, dtype: str) -> bool:
    """Whether the operation has a meaning for operands of this dtype."""
    if dtype.startswith("f8"):
        return op in ("cast", "bitcast", "select")
    kind = "bool" if dtype == "bool" else "int" if dtype[0] in "iu" else "float"
    return kind in _KINDS[op] or dtype in _KINDS[op]


def operations() -> tuple[str, ...]:
    """All operations by name."""
    return tuple(sorted(_ARITY))
