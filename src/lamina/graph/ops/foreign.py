"""Operators of users: a type rule, and code from outside the tree that computes them.

Each is a subclass of `Foreign` that is made when it is first used, and made anew when a kernel is
added: graphs that were recorded before keep what they were recorded with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from lamina.base.dtypes import dtype
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.records import frozen
from lamina.base.spans import at, here
from lamina.graph.ir import TensorType, TupleType, emit
from lamina.graph.ops.item import item
from lamina.graph.ops.opaque import Opaque
from lamina.graph.ops.reduce import expand

DTypes = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ForeignKernel:
    """A function of the C interface `lamina/kernel.h`.

    Attributes:
        address: of the function.
        symbol: its name, for messages.
        workspace: bytes for one call: a number, or a function of types and attributes.
        thread_safe: whether several calls may be under way at once.
        batched: whether one call takes many examples.
        keep: what owns the code.
        lock: memory that stands for a call under way, where there may be one only.
        computed: runs the function on arrays of one example, for the reference.
    """

    address: int
    symbol: str
    workspace: int | Callable[..., int]
    thread_safe: bool
    batched: bool
    keep: Any
    lock: Any
    computed: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Definition:
    """What a user says about an operator.

    Attributes:
        title: its name.
        operands: their names.
        rule: (types, attributes) -> the type of the result, or a tuple of types.
        reference: the same with arrays, in NumPy, if there is one.
        kernels: by the dtypes of the operands.
        many: (op, size, operands, is_batched) -> the results for many examples, if its author
            knows better than one after the other.
    """

    title: str
    operands: tuple[str, ...]
    rule: Callable[..., Any]
    reference: Callable[..., Any] | None = None
    kernels: Mapping[DTypes, ForeignKernel] = field(default_factory=dict)
    many: Callable[..., tuple[Any, ...]] | None = None


@frozen
class Foreign(Opaque, abstract=True):
    """An operator of a user's, on each example by itself.

    attributes: keyword arguments by name. lead: how many leading axes of the operands are
    examples; `shared` says which operands have none, () where all have.
    """

    arity = None
    cost: ClassVar[int] = 100
    definition: ClassVar[Definition]
    attributes: tuple[tuple[str, Any], ...] = ()
    lead: int = 0
    shared: tuple[bool, ...] = ()

    def has_rows(self, i: int) -> bool:
        """Whether operand `i` has an axis for the examples."""
        return self.lead > 0 and not (self.shared and self.shared[i])

    def examples(self, types: Sequence[TensorType]) -> tuple[int, ...]:
        """The sizes of the leading axes that are examples."""
        found = {t.shape[: self.lead] for i, t in enumerate(types) if self.has_rows(i)}
        if len(found) > 1:
            raise ShapeError(
                f"{self.name}: the operands have different examples",
                [f"{n}: {t}" for n, t in zip(self.definition.operands, types)],
            )
        return found.pop() if found else ()

    def takes(self, types: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """The types of the operands for one example."""
        return tuple(
            t.with_shape(t.shape[self.lead :]) if self.has_rows(i) else t
            for i, t in enumerate(types)
        )

    def gives(self, takes: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """The types of the results for one example, by the type rule."""
        with at(here()):  # its errors name the line that calls the operator
            made = self.definition.rule(*takes, **dict(self.attributes))
        types = made if isinstance(made, tuple) else (made,)
        for t in types:
            if not isinstance(t, TensorType):
                raise UsageError(
                    f"{self.name}: the type rule gives something that is no type",
                    [f"given: {type(t).__name__}"],
                    "return a type, such as that of an operand, x.with_shape(shape) or "
                    "x.with_dtype(dtype); a tuple of them for several results",
                )
        return types

    def infer(self, *types: TensorType) -> TupleType:
        names = self.definition.operands
        if len(types) != len(names):
            raise UsageError(
                f"{self.name}: takes {len(names)} operands, got {len(types)}",
                [f"operands: {', '.join(names)}"],
            )
        lead, takes = self.examples(types), self.takes(types)
        gives = self.gives(takes)
        self.require_code(takes)
        return TupleType(tuple(t.with_shape((*lead, *t.shape)) for t in gives))

    def kernel(self, takes: Sequence[TensorType]) -> ForeignKernel | None:
        """The machine code for these operands, if there is any."""
        return self.definition.kernels.get(tuple(t.dtype.long_name for t in takes))

    def require_code(self, takes: Sequence[TensorType]) -> None:
        """DTypeError unless something computes the operator for these dtypes."""
        if self.definition.reference is not None or self.kernel(takes) is not None:
            return
        known = [", ".join(dtypes) for dtypes in self.definition.kernels]
        raise DTypeError(
            f"{self.name}: no kernel for these dtypes",
            [
                *(f"{n}: {t}" for n, t in zip(self.definition.operands, takes)),
                f"kernels on cpu: {'; '.join(known) or 'none'}",
            ],
            "cast the operands, or register a kernel or a reference for them",
        )

    def workspace_bytes(self, takes: Sequence[TensorType]) -> int:
        """What the kernel asks for, for one call."""
        kernel = self.kernel(takes)
        if kernel is None:
            return 0
        asked: Any = kernel.workspace
        if callable(asked):
            asked = asked(*takes, **dict(self.attributes))
        if not isinstance(asked, int | np.integer) or asked < 0:
            raise UsageError(
                f"{self.name}: the workspace is no number of bytes", [f"given: {asked!r}"]
            )
        return int(asked)

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        taken = [np.asarray(a) for a in arrays]
        types = [TensorType(dtype(a.dtype), a.shape) for a in taken]
        lead, takes = self.examples(types), self.takes(types)
        gives = self.gives(takes)
        found = [np.zeros((*lead, *t.shape), t.dtype.numpy) for t in gives]
        for example in np.ndindex(*lead):
            rows = [a[example] if self.has_rows(i) else a for i, a in enumerate(taken)]
            results = self._one([np.ascontiguousarray(r).reshape(r.shape) for r in rows],
                                takes, gives)  # fmt: skip
            for place, result in zip(found, results, strict=True):
                place[example] = result
        return tuple(found)

    def _one(
        self, arrays: list[np.ndarray], takes: Sequence[TensorType], gives: Sequence[TensorType]
    ) -> Sequence[Any]:
        """The results for one example, of the declared types."""
        if self.definition.reference is None:
            kernel = self.kernel(takes)
            assert kernel is not None
            return kernel.computed(self, kernel, arrays, takes, gives)
        made = self.definition.reference(*arrays, **dict(self.attributes))
        results = made if isinstance(made, tuple) else (made,)
        if len(results) != len(gives):
            raise ShapeError(
                f"{self.name}: another number of results than the type rule gives",
                [f"type rule: {len(gives)}", f"reference: {len(results)}"],
            )
        return [self._checked(np.asarray(r), t) for r, t in zip(results, gives)]

    def _checked(self, array: np.ndarray, type: TensorType) -> np.ndarray:
        facts = [f"type rule: {type}", f"reference: {array.dtype}{list(array.shape)}"]
        help = "make the type rule and the reference agree"
        if array.shape != type.shape:
            raise ShapeError(f"{self.name}: a result of another shape", facts, help)
        if not np.can_cast(array.dtype, type.dtype.numpy, "same_kind"):
            raise DTypeError(f"{self.name}: a result of another dtype", facts, help)
        return array.astype(type.dtype.numpy, copy=False)

    def lift(
        self, batch_values: Any, size: int, operands: Sequence[Any], is_batched: Sequence[bool]
    ) -> tuple[Any, ...]:
        """One more axis of examples in front; what all examples share is not repeated."""
        if self.definition.many is not None:
            return self.definition.many(self, size, operands, is_batched)
        before = [o.type for o in operands]
        had = [self.has_rows(i) for i in range(len(operands))]
        sizes = next(
            (t.shape[b : self.lead + b] for t, h, b in zip(before, had, is_batched) if h),
            (),
        )
        given, shared = [], []
        for x, rows, batched in zip(operands, had, is_batched):
            one = x.rank - batched - (self.lead if rows else 0)
            if batched and not rows and self.lead:
                x = expand(x, tuple(range(-one - self.lead, -one)), sizes)
            elif not batched and rows:
                x = expand(x, (-1 - x.rank,), (size,))
            given.append(x)
            shared.append(not batched and not rows)
        op = replace(self, lead=self.lead + 1, shared=tuple(shared) if any(shared) else ())
        whole = emit(op, *given)
        return tuple(item(whole, i) for i in range(len(whole.type.items)))

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        raise UsageError(
            f"{self.name}: has no derivative",
            [f"operands: {', '.join(str(o.type) for o in operands)}"],
            "give the operator one by defjvp or defvjp, or take lm.stop_gradient of its operands",
        )
