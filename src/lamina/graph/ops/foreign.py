"""Operators of users: a type rule, and what computes them: code from outside, or other operators.

Each is a subclass of `Foreign`, made anew when a kernel or anything else is added: graphs that were
recorded before keep what they were recorded with.

A lowering writes an operator with others. `passes.lower_custom_ops` puts it in the place of one
that has no kernel; derivatives that nobody wrote are those of the lowering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from lamina.base.dtypes import dtype
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.records import frozen
from lamina.base.spans import at, here
from lamina.graph.ir import Graph, TensorType, TupleType, emit
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.graph import inline
from lamina.graph.ir.op import Op
from lamina.graph.ir.pattern import Rule, Term
from lamina.graph.ops.item import item
from lamina.graph.ops.opaque import Opaque
from lamina.graph.ops.reduce import expand

DTypes = tuple[str, ...]
MAX_LOWERINGS = 16  # one inside the other, before an operator is taken to be made of itself


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
        lowering: (op, types) -> the graph of other operators that computes it, if there is one.
        require: (name, types, attributes); raises where they do not fit, before the type rule.
        patterns: rules for results of the operator, see `passes.lower_custom_ops`.
    """

    title: str
    operands: tuple[str, ...]
    rule: Callable[..., Any]
    reference: Callable[..., Any] | None = None
    kernels: Mapping[DTypes, ForeignKernel] = field(default_factory=dict)
    many: Callable[..., tuple[Any, ...]] | None = None
    lowering: Callable[..., Graph] | None = None
    require: Callable[..., None] | None = None
    patterns: tuple[Rule, ...] = ()


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

    def __eq__(self, other: object) -> bool:
        """By the text of attributes: 2, 2.0 and True, or 0.0 and -0.0, may mean other things."""
        return type(self) is type(other) and self._told == other._told  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._told))

    @property
    def _told(self) -> tuple[Any, ...]:
        return repr(self.attributes), self.lead, self.shared

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
            if self.definition.require is not None:
                self.definition.require(self.name, tuple(takes), dict(self.attributes))
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
        if self.is_lowered(types):
            self.lowered(types)  # raises where it is wrong
        else:
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
            "cast the operands, or define what computes them: a lowering, a reference or a kernel",
        )

    # ------------------------------------------------------------------ made of other operators

    def is_lowered(self, types: Sequence[TensorType]) -> bool:
        """Whether its lowering computes it: it has one, and no kernel for these operands."""
        return self.definition.lowering is not None and self.kernel(self.takes(types)) is None

    def lowered(self, types: Sequence[TensorType]) -> Graph:
        """The graph of other operators that computes it, for all examples."""
        assert self.definition.lowering is not None
        return self.definition.lowering(self, tuple(types))

    @contextmanager
    def unfolding(self, types: Sequence[TensorType]) -> Iterator[None]:
        """Inside, it is being written with others; UsageError if it already is further out."""
        key = self.name, self.attributes, self.takes(types)
        way = _unfolding.get()
        if key in way or len(way) == MAX_LOWERINGS:
            names = [name for name, *_ in (*way, key)]
            raise UsageError(
                f"{self.name}: its lowering comes back to itself",
                [
                    f"way: {' -> '.join(names[-6:])}",
                    *(f"{n}: {t}" for n, t in zip(self.definition.operands, key[2])),
                ],
                "write it with other operators",
            )
        before = _unfolding.set((*way, key))
        try:
            yield
        finally:
            _unfolding.reset(before)

    def meets(self, op: Op, found: dict[str, Any]) -> bool:  # type: ignore[override]
        """Whether `op` is the operator that this one, of a pattern, stands for."""
        if not isinstance(op, Foreign) or op.definition.rule is not self.definition.rule:
            return False
        return all(
            _agree(mine, given, found)
            for (_, mine), (_, given) in zip(self.attributes, op.attributes, strict=True)
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
        if self.definition.reference is None and self.is_lowered(types):
            return evaluate(self.lowered(types), *taken)
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

    def ways(
        self, types: Sequence[TensorType], arrays: list[np.ndarray]
    ) -> dict[str, Sequence[Any]]:
        """The results for one example by each of reference, lowering and kernel that there is."""
        gives, found = self.infer(*types).items, {}
        if self.definition.reference is not None:
            found["reference"] = self._one(arrays, types, gives)
        if self.definition.lowering is not None:
            found["lowering"] = evaluate(self.lowered(types), *arrays)
        kernel = self.kernel(types)
        if kernel is not None:
            found["kernel"] = kernel.computed(self, kernel, arrays, types, gives)
        return found

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

    def push(  # type: ignore[override]
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of its lowering."""
        graph, types = self._varying(operands), [o.type for o in operands]
        with self.unfolding(types):
            outputs = inline(graph, operands, emit)
            return tuple(push_forward(outputs, dict(zip((o.id for o in operands), dots))))

    def pull(  # type: ignore[override]
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangents of its lowering."""
        graph, types = self._varying(operands), [o.type for o in operands]
        first = {operands[i].id: i for i in reversed(wanted)}  # one given twice has one cotangent
        with self.unfolding(types):
            outputs = inline(graph, operands, emit)
            found = pull_back(outputs, bars, [operands[i] for i in first.values()])
        result: list[Any] = [None] * len(operands)
        for i, bar in zip(first.values(), found, strict=True):
            result[i] = bar
        return result

    def _varying(self, operands: Sequence[Any]) -> Graph:
        """The lowering, from which derivatives follow."""
        types = [o.type for o in operands]
        if self.definition.lowering is not None:
            return self.lowered(types)
        raise UsageError(
            f"{self.name}: has no derivative",
            [f"operands: {', '.join(map(str, types))}"],
            "give the operator one by defjvp or defvjp, or a lowering from which it follows, "
            "or take lm.stop_gradient of its operands",
        )


_unfolding: ContextVar[tuple[tuple[Any, ...], ...]] = ContextVar("unfolding", default=())
"""The operators that are being written with others, the innermost last."""


def _agree(mine: Any, given: Any, found: dict[str, Any]) -> bool:
    """Whether an attribute is what the pattern asks for."""
    wanted = found.setdefault(mine.name, given) if isinstance(mine, Term) else mine
    return type(wanted) is type(given) and wanted == given
