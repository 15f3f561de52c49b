"""Pulling: the expression of one element of a value, with everything up to stored values inlined.

Reading an element of `exp(x) + y` at index (i, j) reads x and y there and computes; reading an
element of `permute(x)` reads x at the permuted index. So a whole group of elementwise and view ops
becomes one expression, and no intermediate array exists. Values that do exist are bound to a
function from index to expression: a load from a buffer, or a register.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Expr
from lamina.graph.ir import TensorType, Value
from lamina.graph.ops import splat_value

Index = tuple[Expr, ...]
Element = Callable[[Index], Expr]


@dataclass(frozen=True)
class Operand:
    """What a `view` sees of an operand: its type, and its element at an index."""

    pull: Pull
    value: Value

    @property
    def type(self) -> TensorType:
        return self.value.type

    def __call__(self, index: Sequence[Expr]) -> Expr:
        return self.pull.element(self.value, tuple(index))


class Pull:
    """Elements of the values of one group.

    Args:
        builder: makes the expressions, and holds the ranges of the loop variables.
    """

    def __init__(self, builder: Builder):
        self.builder = builder
        self._bound: dict[int, Element] = {}
        self._memo: dict[tuple[object, ...], Expr] = {}
        self._codes: dict[int, int] = {}

    def number(self, checking: Sequence[Value]) -> None:
        """From now on the index checks of these nodes report 1, 2, ..."""
        self._codes = {v.id: code for code, v in enumerate(checking, 1)}

    def bind(self, value: Value, element: Element) -> None:
        """From now on `value` is read through `element`."""
        self._bound[value.id] = element
        self._memo = {k: e for k, e in self._memo.items() if k[0] != value.id}

    def bind_buffer(self, value: Value, buffer: str) -> None:
        """`value` lies in `buffer`, row by row."""
        s = self.builder

        def load(index: Index) -> Expr:
            return s.load(buffer, s.linearize(index, value.shape), str(value.dtype))

        self.bind(value, load)

    def forget(self) -> None:
        """Drop what was pulled so far: called where a new loop body begins."""
        self._memo.clear()

    def element(self, value: Value, index: Index) -> Expr:
        """The element of `value` at `index`, one i64 expression an axis."""
        memo, where = self._memo, (self.builder.mask, *index)
        stack = [value]  # elementwise operands lie at the same index: no need to recurse
        while stack:
            v = stack[-1]
            key = (v.id, *where)
            if key not in memo:
                missing = self._missing(v, where)
                if missing:
                    stack.extend(missing)
                    continue
                memo[key] = self._pull(v, index)
            stack.pop()
        return memo[(value.id, *where)]

    def _missing(self, value: Value, where: tuple[object, ...]) -> list[Value]:
        """Operands that an elementwise op still needs at the same index."""
        if value.id in self._bound or value.op is None or value.op.lane is None:
            return []
        return [o for o in value.operands if (o.id, *where) not in self._memo]

    def _pull(self, value: Value, index: Index) -> Expr:
        bound = self._bound.get(value.id)
        if bound is not None:
            return bound(index)
        splat = splat_value(value)
        if splat is not None:
            assert not isinstance(splat, complex), "complex numbers are split before"
            return self.builder.constant(splat, str(value.dtype))
        op = value.op
        if op is None or (op.lane is None and op.view is None):
            raise AssertionError(f"{value!r} is neither bound nor can it be pulled")
        if op.lane is not None:
            where = (self.builder.mask, *index)
            return op.lane(self.builder, *[self._memo[(o.id, *where)] for o in value.operands])
        with self.checking(value):
            return op.view(self.builder, index, *[Operand(self, o) for o in value.operands])

    @contextmanager
    def checking(self, value: Value) -> Iterator[None]:
        """Index checks asked for inside are those of `value`, if it is a node that checks."""
        outer = self.builder.code
        self.builder.code = self._codes.get(value.id, outer)
        try:
            yield
        finally:
            self.builder.code = outer
