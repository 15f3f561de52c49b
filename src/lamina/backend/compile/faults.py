"""What can go wrong while a program runs: which step it can happen in, and which line it is from.

A kernel reports a fault as a number, that of the checking node in the step's body; the executor
adds the number of the kernel. From both follow the node, and from its span the user's line, also
after the node was fused with others.
"""

from __future__ import annotations

from typing import Any

from lamina.backend.compile.lower import Lowered, Step
from lamina.base.spans import Span
from lamina.graph.ir import Graph, Value
from lamina.graph.ops import checking


def culprit(lowered: Lowered, kernel: int, code: int) -> Value | None:
    """The node that reported fault `code` in the kernel with this number."""
    bodies = [step.body for step in lowered.steps for _ in step.tasks]
    nodes = checking(bodies[kernel]) if kernel < len(bodies) else []
    return nodes[code - 1] if 0 < code <= len(nodes) else None


def line_of(node: Value, compiled: Graph, graph: Graph) -> Span | None:
    """The line behind `node` in `graph`, which is equal to the graph that was compiled.

    Equal graphs share a program, but not their lines; their nodes correspond by position.
    """
    for known, same in zip(compiled.nodes, graph.nodes, strict=True):
        if known.span is node.span and type(known.op) is type(node.op):
            return same.span
    return node.span


def last_check(lowered: Lowered) -> int:
    """The last step that can report a fault; -1 where none can.

    A step does not count where every index that it checks was checked by an earlier one, as the
    backward pass of a lookup does.
    """
    last = -1
    seen: set[Any] = set()
    for number, step in enumerate(lowered.steps):
        if any(task.nest.checks for task in step.tasks):
            checks = _checks(step)
            if not checks or not checks <= seen:
                last = number
            seen |= checks
    return last


def _checks(step: Step) -> set[Any]:
    """What a step checks: pairs of an index, as an expression of memory, and a size."""
    known: dict[int, Any] = {
        v.id: id(step.slots[f"in{i}"]) for i, v in enumerate(step.body.inputs)
    }
    for v in step.body.nodes:
        known[v.id] = (v.op, v.type, tuple(known[o.id] for o in v.operands))
    return {(known[v.operands[1].id], _size(v)) for v in checking(step.body)}


def _size(v: Value) -> int:
    """How long the axis is that the index of a checking node goes into."""
    op: Any = v.op
    table = v.operands[0].type
    return op.size if hasattr(op, "size") else table.shape[table.rank - 1 - op.rest]
