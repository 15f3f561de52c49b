"""Batching: a program on one example becomes a program on many.

Ops lift over leading axes, so the rule for every op is: put the new axis first and keep the op.
What is not batched but meets something batched is expanded. An op may know better than that:
`batch(size, operands, is_batched)` gives the batched result, or None for the general rule, or
`Alike`: a result that all examples share. An op with several results lifts each of them, and its
`batch` gives a value with as many parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.base.spans import at
from lamina.graph.ir import (
    Graph,
    TupleType,
    Type,
    Value,
    emit,
    placeholder,
    topological,
)
from lamina.graph.ops import Alike, Item, constant, expand, splat_value


def batch(graph: Graph, size: int, mapped: Sequence[bool]) -> Graph:
    """The graph applied to `size` examples at once.

    Args:
        graph: a program on one example.
        size: number of examples.
        mapped: for each input, whether it has an example axis (then the first) or is shared.

    Returns:
        A graph whose outputs all have the new axis first.
    """
    if len(mapped) != len(graph.inputs):
        raise UsageError(
            "batch: say for each input whether it is mapped",
            [f"inputs: {len(graph.inputs)}", f"mapped: {len(mapped)}"],
            "give one boolean for each input",
        )
    inputs = [
        placeholder(v.type.with_shape((size, *v.shape))) if m else v
        for v, m in zip(graph.inputs, mapped)
    ]
    new = {v.id: w for v, w, m in zip(graph.inputs, inputs, mapped) if m}
    return Graph(inputs, batch_values(graph.outputs, new, size))


def batch_values(outputs: Sequence[Value], batched: dict[int, Value], size: int) -> list[Value]:
    """The `outputs` for `size` examples at once, given the batched values some of them depend on.

    Args:
        outputs: recorded values.
        batched: by the id of a value the same for all examples, with the new axis first.
        size: number of examples.

    Returns:
        The outputs with the new axis first; one that is the same for all examples is repeated.
    """
    found = lifted_values(outputs, batched, size)
    return [v if is_batched else repeated(v, size) for v, is_batched in found]


def lifted_values(
    outputs: Sequence[Value], batched: dict[int, Value], size: int
) -> list[tuple[Value, bool]]:
    """Like `batch_values`, but what is the same for all examples is not repeated.

    Returns:
        Each output, and whether it has the new axis, then its first.
    """
    new: dict[int, Any] = dict(batched)  # of what a loop or branch gave, a tuple of its parts
    alike: dict[int, Value] = {}  # what follows from results that all examples share
    for v in topological(outputs, stop=lambda v: v.id in batched):
        if v.id in new or v.op is None:
            continue
        with at(v.span):
            if any(o.id in new for o in v.operands):
                result = _lifted(v, new, alike, size)
                if isinstance(result, Alike):
                    alike[v.id] = result.value
                else:
                    new[v.id] = result
            elif alike and any(o.id in alike for o in v.operands):
                alike[v.id] = emit(v.op, *[alike.get(o.id, o) for o in v.operands])
    return [(new[v.id], True) if v.id in new else (alike.get(v.id, v), False) for v in outputs]


def _lifted(v: Value, new: dict[int, Any], alike: dict[int, Value], size: int) -> Any:
    """One node with at least one batched operand."""
    op: Any = v.op
    is_batched = tuple(o.id in new for o in v.operands)
    if isinstance(op, Item) and isinstance(new[v.operands[0].id], tuple):
        return new[v.operands[0].id][op.index]
    known = tuple(new[o.id] if o.id in new else alike.get(o.id, o) for o in v.operands)
    if op.lift is not None:
        return op.lift(batch_values, size, known, is_batched)
    special = getattr(op, "batch", None)
    if special is not None:
        result = special(size, known, is_batched)
        if result is not None:
            return result
    return lift_over(v, [w if b else repeated(w, size) for w, b in zip(known, is_batched)], size)


def lift_over(v: Value, operands: Sequence[Value | None], size: int) -> Value:
    """The general rule: the op itself, on operands that all have the new axis first.

    Args:
        v: a node.
        operands: the batched operands; None where one is the same for all examples.
        size: number of examples.
    """
    full = [w if w is not None else repeated(o, size) for w, o in zip(operands, v.operands)]
    lifted = emit(v.op, *full)
    if lifted.type != _lifted_type(v.type, size):
        raise ShapeError(
            f"batch: {v.op.name} does not lift over leading axes",
            [f"one example: {v.type}", f"{size} examples: {lifted.type}"],
            "this is a defect of the op; give it a `batch` of its own",
        )
    return lifted


def repeated(v: Value, size: int) -> Value:
    """A value that is the same for all examples, with the new axis first."""
    number = splat_value(v)
    if number is not None:
        return constant(number, v.dtype, (size, *v.shape))
    return expand(v, (-1 - v.rank,), (size,))


def _lifted_type(type: Type, size: int) -> Type:
    """The type with the new axis first, of each part where there are several."""
    if isinstance(type, TupleType):
        return TupleType(tuple(t.with_shape((size, *t.shape)) for t in type.items))
    return type.with_shape((size, *type.shape))
