"""Building nests: shared, folded, simplified expressions; the `s` of an op's `lane` and `view`.

    s = Builder()
    i = s.loop("i", 8)
    x = s.load("x", s.add(s.multiply(i, 1024), 5), "f32")
    y = s.exp(s.multiply(x, 2.0))

Equal expressions are one node, integers fold exactly, index arithmetic simplifies by ranges
(`affine.py`). Floats are left as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lamina.backend.nest.affine import Affine, Form, Indices, Range, plus, times
from lamina.backend.nest.fold import fold
from lamina.backend.nest.nodes import Apply, Const, Expr, Let, Load, Store, Var

Scalar = bool | int | float
Operand = Expr | Scalar
Thunk = Callable[[], Operand]

COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal"})
_INDEX_OPS = frozenset(
    {"add", "subtract", "multiply", "negative"}
    | {"floor_divide", "remainder", "minimum", "maximum"}
)


class IndexCheck(NamedTuple):
    """A wish for a Fault: `value` must lie in 0..limit; `condition` is true where it does not.

    `condition` includes `mask`, the conditions under which the index is used at all; `code` says
    who asked.
    """

    condition: Expr
    value: Expr
    limit: Expr
    mask: Expr | None
    code: int


def _lane(op: str, arity: int) -> Callable[..., Expr]:
    """The method that applies one operation of the lane vocabulary."""
    if arity == 1:

        def one(self: Builder, x: Operand) -> Expr:
            return self.apply(op, (self.lift(x),))

        return one

    def several(self: Builder, *xs: Operand) -> Expr:
        if len(xs) != arity:
            raise TypeError(f"{op} takes {arity} operands, got {len(xs)}")
        return self.apply(op, self.lift_all(xs))

    return several


class Builder:
    """Makes the expressions of one nest.

    Attributes:
        faults: index checks asked for and not yet made into statements; the caller drains it.
        mask: the conjunction of the conditions of the enclosing `when`s; None outside all.
        code: of the faults that index checks ask for from now on.
    """

    def __init__(self) -> None:
        self.faults: list[IndexCheck] = []
        self.mask: Expr | None = None
        self.code = 1
        self.ranges: dict[str, Range] = {}
        self.affine = Affine(self.ranges)
        self._indices = Indices(self.affine, self._make_index, self._const_index, self._serial)
        self._applied: dict[tuple, Expr] = {}
        self._nodes: dict[tuple, Expr] = {}
        self._integers: dict[int, Expr] = {}
        self._order: dict[Expr, int] = {}
        self._loads: dict[str, dict[tuple, Load]] = {}
        self._names: set[str] = set()

    # -------------------------------------------------------------- leaves

    def constant(self, value: Scalar, dtype: str = "i64") -> Const:
        """The shared constant."""
        if dtype == "bool":
            value = bool(value)
        elif dtype[0] in "iu":
            value = int(value)
        else:
            value = float(value)
        key = ("const", dtype, value.hex() if isinstance(value, float) else value)
        found = self._nodes.get(key)
        if found is None:
            found = self._remember(key, Const(dtype, value))
        return found  # type: ignore[return-value]

    def fresh(self, hint: str) -> str:
        """A name that this builder has not given yet, `hint` itself where possible."""
        stem = re.sub(r"\W", "_", hint) or "v"
        name, number = stem, 0
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name

    def loop(self, hint: str, extent: int) -> Var:
        """A new i64 variable that runs through 0..extent."""
        return self.bound(Var("i64", self.fresh(hint)), 0, max(extent - 1, 0))

    def bound(self, var: Var, low: int, high: int) -> Var:
        """Says that low <= var <= high, both inclusive. To be said before the variable is used."""
        self._names.add(var.name)
        self.ranges[var.name] = (low, high)
        self._serial(var)
        return var

    def let(self, hint: str, value: Expr) -> tuple[Let, Var]:
        """A statement that names `value`, and the variable that reads it."""
        name = self.fresh(hint)
        if value.dtype == "i64":
            self.ranges[name] = self.affine.range_of(value)
        return Let(name, value), Var(value.dtype, name)

    def lift(self, x: Operand, dtype: str | None = None) -> Expr:
        """An expression as it is; a Python number as a constant."""
        if isinstance(x, Expr):
            return x
        if dtype is None:
            dtype = "bool" if isinstance(x, bool) else "i64" if isinstance(x, int) else "f32"
        return self._const_index(int(x)) if dtype == "i64" else self.constant(x, dtype)

    def lift_all(self, xs: Sequence[Operand]) -> tuple[Expr, ...]:
        """Operands of one operation: Python numbers take the dtype of the expressions."""
        expressions = [x for x in xs if isinstance(x, Expr)]
        if len(expressions) == len(xs):
            return tuple(expressions)
        dtype = expressions[0].dtype if expressions else None
        if dtype is None and any(isinstance(x, float) for x in xs):
            dtype = "f32"
        return tuple([x if isinstance(x, Expr) else self.lift(x, dtype) for x in xs])

    # -------------------------------------------------------------- lane operations

    add = _lane("add", 2)
    subtract = _lane("subtract", 2)
    multiply = _lane("multiply", 2)
    divide = _lane("divide", 2)
    floor_divide = _lane("floor_divide", 2)
    remainder = _lane("remainder", 2)
    power = _lane("power", 2)
    maximum = _lane("maximum", 2)
    minimum = _lane("minimum", 2)
    atan2 = _lane("atan2", 2)
    multiply_add = _lane("multiply_add", 3)
    dot4 = _lane("dot4", 3)
    dot2 = _lane("dot2", 3)
    negative = _lane("negative", 1)
    abs = _lane("abs", 1)
    sign = _lane("sign", 1)
    floor = _lane("floor", 1)
    ceil = _lane("ceil", 1)
    round = _lane("round", 1)
    trunc = _lane("trunc", 1)
    sqrt = _lane("sqrt", 1)
    rsqrt = _lane("rsqrt", 1)
    reciprocal = _lane("reciprocal", 1)
    exp = _lane("exp", 1)
    expm1 = _lane("expm1", 1)
    log = _lane("log", 1)
    log1p = _lane("log1p", 1)
    sin = _lane("sin", 1)
    cos = _lane("cos", 1)
    tan = _lane("tan", 1)
    asin = _lane("asin", 1)
    acos = _lane("acos", 1)
    atan = _lane("atan", 1)
    sinh = _lane("sinh", 1)
    cosh = _lane("cosh", 1)
    tanh = _lane("tanh", 1)
    erf = _lane("erf", 1)
    erfc = _lane("erfc", 1)
    erfinv = _lane("erfinv", 1)
    erfcinv = _lane("erfcinv", 1)
    lgamma = _lane("lgamma", 1)
    digamma = _lane("digamma", 1)
    equal = _lane("equal", 2)
    not_equal = _lane("not_equal", 2)
    less = _lane("less", 2)
    less_equal = _lane("less_equal", 2)
    and_ = _lane("and", 2)
    or_ = _lane("or", 2)
    xor = _lane("xor", 2)
    not_ = _lane("not", 1)
    shift_left = _lane("shift_left", 2)
    shift_right = _lane("shift_right", 2)

    def halves(self, x: Operand) -> Expr:
        """The two bytes of `x`, an i16 or u16, as two i16 in one i32."""
        return self.apply("halves", (self.lift(x),), "i32")

    def select(self, condition: Operand, x: Operand, y: Operand) -> Expr:
        """`x` where the condition is true, else `y`."""
        return self.apply("select", (self.lift(condition, "bool"), *self.lift_all((x, y))))

    def cast(self, x: Operand, dtype: object) -> Expr:
        """`x` as the nearest value of another dtype."""
        return self.apply("cast", (self.lift(x),), str(dtype))

    def bitcast(self, x: Operand, dtype: object) -> Expr:
        """The bits of `x` read as another dtype of the same width."""
        return self.apply("bitcast", (self.lift(x),), str(dtype))

    def apply(self, op: str, args: tuple[Expr, ...], dtype: str | None = None) -> Expr:
        """The simplified, shared expression of an operation; `op` as in `Apply.op`."""
        if dtype is None:
            dtype = "bool" if op in COMPARISONS else args[-1].dtype
        key = (op, dtype, *args)
        found = self._applied.get(key)
        if found is None:
            found = self._applied[key] = self._simplify(op, args, dtype)
        return found

    def _simplify(self, op: str, args: tuple[Expr, ...], dtype: str) -> Expr:
        if op == "select":
            args = _decided(*args)
        folded = fold(op, args, dtype)
        if isinstance(folded, Expr):
            return folded
        if folded is not None:
            return self.constant(folded, dtype)
        found = None
        if dtype == "i64" and op in _INDEX_OPS:
            found = self._indices.simplify(op, args)
        elif op in COMPARISONS and args[0].dtype == "i64":
            decided = self._indices.compare(op, *args)
            found = None if decided is None else self.constant(decided, "bool")
        return self._make(op, args, dtype) if found is None else found

    def _make(self, op: str, args: tuple[Expr, ...], dtype: str) -> Expr:
        key = (op, dtype, *args)
        found = self._nodes.get(key)
        return self._remember(key, Apply(dtype, op, args)) if found is None else found

    def _make_index(self, op: str, args: tuple[Expr, ...]) -> Expr:
        return self._make(op, args, "i64")

    def _const_index(self, value: int) -> Expr:
        found = self._integers.get(value)
        if found is None:
            found = self._integers[value] = self.constant(value, "i64")
        return found

    def _remember(self, key: tuple, node: Expr) -> Expr:
        self._nodes[key] = node
        self._serial(node)
        return node

    def _serial(self, node: Expr) -> int:
        return self._order.setdefault(node, len(self._order))

    # -------------------------------------------------------------- memory and conditions

    def load(self, buffer: str, offset: Operand, dtype: str) -> Load:
        """`buffer[offset]`, read only under the active conditions.

        Equal loads are one node until `forget(buffer)`: a node is computed once, so what a store
        changes has to be loaded anew.
        """
        index = self.lift(offset, "i64")
        loads = self._loads.setdefault(buffer, {})
        key = (index, self.mask, dtype)
        found = loads.get(key)
        if found is None:
            found = loads[key] = Load(dtype, buffer, index, self.mask)
            self._serial(found)
        return found

    def store(self, buffer: str, offset: Operand, value: Expr, streaming: bool = False) -> Store:
        """The statement `buffer[offset] = value` under the active conditions."""
        self.forget(buffer)
        return Store(buffer, self.lift(offset, "i64"), value, self.mask, streaming)

    def forget(self, buffer: str) -> None:
        """Makes later loads from the buffer new nodes, because it has been written."""
        self._loads.pop(buffer, None)

    def when(self, condition: Operand, thunk: Thunk, otherwise: Operand) -> Expr:
        """`thunk()` where the condition is true, else `otherwise`; nothing is loaded in vain."""
        test = self.lift(condition, "bool")
        if isinstance(test, Const):
            like = None if not isinstance(otherwise, Expr) else otherwise.dtype
            return self.lift(thunk() if test.value else otherwise, like)
        outer = self.mask
        self.mask = test if outer is None else self.and_(outer, test)
        try:
            value = thunk()
        finally:
            self.mask = outer
        return self.select(test, value, otherwise)

    def sum(self, extent: int, f: Callable[[Expr], Operand]) -> Expr:
        """f(0) + f(1) + ... + f(extent - 1), written out; `extent` is at least 1."""
        total = self.lift(f(self.constant(0)))
        for k in range(1, extent):
            total = self.add(total, f(self.constant(k)))
        return total

    def check_index(self, i: Operand, size: int) -> Expr:
        """`i` as an i64 index that is safe in 0..size; asks for a report where it lies outside."""
        value = self.lift(i)
        if value.dtype != "i64":
            value = self.cast(value, "i64")
        outside = self.or_(self.less(value, 0), self.less_equal(size, value))
        if isinstance(outside, Const) and not outside.value:
            return value
        condition = outside if self.mask is None else self.and_(self.mask, outside)
        request = IndexCheck(condition, value, self.constant(size), self.mask, self.code)
        if request not in self.faults:
            self.faults.append(request)
        return self.minimum(self.maximum(value, 0), max(size - 1, 0))

    # -------------------------------------------------------------- shapes

    def linearize(self, index: Sequence[Operand], shape: Sequence[int]) -> Expr:
        """The row-major offset of an index tuple."""
        total, stride = Form(0, {}), 1
        for i, size in zip(reversed(index), reversed(shape), strict=True):
            form = self.affine.form(self.lift(i, "i64"))
            total = plus(total, times(form, stride))
            stride *= size
        return self._indices.expr(total)

    def delinearize(self, offset: Operand, shape: Sequence[int]) -> tuple[Expr, ...]:
        """The index tuple of a row-major offset inside the shape."""
        rest = self.lift(offset, "i64")
        index: list[Expr] = []
        for size in reversed(shape[1:]):
            index.append(self.remainder(rest, size))
            rest = self.floor_divide(rest, size)
        return (rest, *reversed(index)) if shape else ()

    def range_of(self, expr: Expr) -> Range:
        """Bounds of an i64 expression, both inclusive."""
        return self.affine.range_of(expr)

    def coefficient(self, expr: Expr, var: Var) -> int | None:
        """How much `expr` grows when `var` grows by one; None where that is not one number."""
        return self.affine.coefficient(expr, var)


def _decided(condition: Expr, x: Expr, y: Expr) -> tuple[Expr, Expr, Expr]:
    """select(c, select(c, a, b), select(c, d, e)) as select(c, a, e)."""
    while isinstance(x, Apply) and x.op == "select" and x.args[0] is condition:
        x = x.args[1]
    while isinstance(y, Apply) and y.op == "select" and y.args[0] is condition:
        y = y.args[2]
    return condition, x, y
