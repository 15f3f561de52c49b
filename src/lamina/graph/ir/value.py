"""Values: the nodes of a graph, and `emit`, which makes them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

from lamina.base.spans import Span, here
from lamina.graph.ir.op import Op
from lamina.graph.ir.types import TensorType, Type

_serial = itertools.count()


class Expression:
    """What ops apply to. `graph.ops.operators` gives every Expression its arithmetic.

    `emit` hands over to the operand with the highest level: a Value (0) records, a Tensor (1)
    records lazily, a pattern (2) builds a pattern.
    """

    __slots__ = ()
    emit_level: ClassVar[int] = 0

    def __emit__(self, op: Op, operands: tuple[Any, ...]) -> Any:
        raise NotImplementedError

    if TYPE_CHECKING:  # attached by graph.ops.operators

        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __floordiv__(self, other: Any) -> Any: ...
        def __rfloordiv__(self, other: Any) -> Any: ...
        def __mod__(self, other: Any) -> Any: ...
        def __rmod__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __rpow__(self, other: Any) -> Any: ...
        def __and__(self, other: Any) -> Any: ...
        def __rand__(self, other: Any) -> Any: ...
        def __or__(self, other: Any) -> Any: ...
        def __ror__(self, other: Any) -> Any: ...
        def __xor__(self, other: Any) -> Any: ...
        def __rxor__(self, other: Any) -> Any: ...
        def __lshift__(self, other: Any) -> Any: ...
        def __rshift__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...
        def __invert__(self) -> Any: ...
        def __abs__(self) -> Any: ...


class Value(Expression):
    """One node: an op applied to operands, or, without op, an input.

    Attributes:
        type: dtype and shape.
        span: the user's line that made it.
        id: unique among all values of the process; copies and unrolled bodies get fresh ones.
        data: what the owner of an input bound to it (a runtime buffer), if anything.
    """

    __slots__ = ("__weakref__", "data", "id", "op", "operands", "span", "type")

    type: Any  # TensorType, or TupleType before an Item takes it apart
    op: Any  # Op, or None for an input

    def __init__(
        self,
        type: Type,
        op: Op | None = None,
        operands: tuple[Value, ...] = (),
        span: Span | None = None,
        data: Any = None,
    ):
        self.type = type
        self.op = op
        self.operands = operands
        self.span = span
        self.data = data
        self.id = next(_serial)

    def __emit__(self, op: Op, operands: tuple[Value, ...]) -> Value:
        return apply(op, operands)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def dtype(self) -> Any:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    def __repr__(self) -> str:
        made = f" = {self.op.name}" if self.op else ""
        return f"<Value {self.id}: {self.type}{made}>"


def apply(op: Op, operands: tuple[Value, ...] = (), inside: int = 0) -> Value:
    """The node of `op` on Values, its type checked; `inside` as of `here`, beside this function."""
    return Value(op.check(*[v.type for v in operands]), op, operands, here(inside + 1))


def emit(op: Op, *operands: Any) -> Any:
    """Apply `op`; the operands decide what that means (see Expression)."""
    leader: Any = None
    for x in operands:
        if leader is None or x.emit_level > leader.emit_level:
            leader = x
    if leader is None:
        return apply(op)
    return leader.__emit__(op, operands)


def placeholder(type: TensorType) -> Value:
    """An input of a graph to be."""
    return Value(type, span=here())
