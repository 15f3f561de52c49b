"""What ops with a graph inside have in common: loops and branches.

The derivative and the batched form of such an op hold the derivative and the batched form of its
bodies. The transforms, which stand a floor above, therefore hand themselves in:

- `push(push_forward, operands, dots)`: a tangent, or None for zero, for each result;
- `pull(pull_back, operands, bars, wanted)`: a cotangent, or None, for each operand;
- `lift(batch_values, size, operands, is_batched)`: each result with the example axis first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina.base.errors import ShapeError
from lamina.graph.ir import Graph, Op, TensorType, Value, grafted, placeholder, topological
from lamina.graph.ops.constant import zeros_like
from lamina.graph.ops.reduce import expand

BatchValues = Callable[[Sequence[Value], dict[int, Value], int], list[Value]]


def depending(outputs: Iterable[Value], on: Iterable[Value]) -> set[int]:
    """The ids of all values under `outputs` that depend on one of `on`, those included."""
    found = {v.id for v in on}
    for v in topological(outputs):
        if any(o.id in found for o in v.operands):
            found.add(v.id)
    return found


def may_vary(v: Value) -> bool:
    """Whether the type of a value has derivatives."""
    return v.type.dtype.kind in ("float", "complex")


def or_zero(dot: Any, like: Any) -> Any:
    """A tangent or cotangent as a value."""
    return zeros_like(like) if dot is None else dot


def renamed(graph: Graph) -> Graph:
    """The graph over placeholders of its own."""
    inputs = [placeholder(v.type) for v in graph.inputs]
    return Graph(inputs, grafted(graph.outputs, dict(zip((v.id for v in graph.inputs), inputs))))


def closed(bodies: Sequence[Graph]) -> tuple[list[Value], list[Graph]]:
    """What bodies read that is no input of theirs, and the bodies with inputs for it in front.

    The rule of a `Custom` op may bring such values, tensors from outside, into a derivative.
    """
    free: dict[int, Value] = {}
    for body in bodies:
        own = {v.id for v in body.inputs}
        for v in topological(body.outputs):
            if v.op is None and v.id not in own:
                free[v.id] = v
    if not free:
        return [], list(bodies)
    made = []
    for body in bodies:
        new = {i: placeholder(v.type) for i, v in free.items()}
        made.append(Graph([*new.values(), *body.inputs], grafted(body.outputs, new)))
    return list(free.values()), made


def batched_body(
    body: Graph,
    mapped: Sequence[bool],
    made: Sequence[bool],
    size: int,
    batch_values: BatchValues,
) -> Graph:
    """The body for `size` examples at once.

    Args:
        body: for one example.
        mapped: which inputs have an example axis, then the first.
        made: which outputs get one; those that depend on a mapped input must.
        size: the number of examples.
        batch_values: the transform.
    """
    inputs = [
        placeholder(v.type.with_shape((size, *v.type.shape)) if m else v.type)
        for v, m in zip(body.inputs, mapped, strict=True)
    ]
    shared = {v.id: w for v, w, m in zip(body.inputs, inputs, mapped) if not m}
    own = {v.id: w for v, w, m in zip(body.inputs, inputs, mapped) if m}
    outputs = grafted(body.outputs, shared)
    chosen = iter(batch_values([v for v, m in zip(outputs, made, strict=True) if m], own, size))
    return Graph(inputs, [next(chosen) if m else v for v, m in zip(outputs, made)])


def with_examples(x: Any, has: bool, wanted: bool, size: int) -> Any:
    """`x` with an example axis in front, if it is wanted and not there."""
    return expand(x, (-1 - x.rank,), (size,)) if wanted and not has else x


def require_body(op: Op, what: str, given: Sequence[TensorType], body: Graph) -> None:
    """ShapeError unless the operands have the types of the inputs of a body."""
    wanted = [v.type for v in body.inputs]
    if list(given) != wanted:
        raise ShapeError(
            f"{op.name}: the operands are not the inputs of the {what}",
            [
                f"operands: {', '.join(map(str, given))}",
                f"inputs:   {', '.join(map(str, wanted))}",
            ],
            "give operands of these types",
        )


def require_state(op: Op, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
    """ShapeError unless a body gives a state of the type that it takes."""
    before, after = [v.type for v in inputs], [v.type for v in outputs]
    if before != after:
        raise ShapeError(
            f"{op.name}: the body changes the type of the state",
            [f"takes: {', '.join(map(str, before))}", f"gives: {', '.join(map(str, after))}"],
            "a state has one type in all steps: cast or reshape what the body returns",
        )
