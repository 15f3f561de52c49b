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
from lamina.graph.ops import Indexed, Reduction, checking


def culprit(lowered: Lowered, kernel: int, code: int) -> Value | None:
    """The node that reported fault `code` in the kernel with this number."""
    nodes = checking(step_of(lowered, kernel).body)
    return nodes[code - 1] if 0 < code <= len(nodes) else None


def step_of(lowered: Lowered, kernel: int) -> Step:
    """The step that the kernel with this number belongs to."""
    return [step for step in lowered.steps for _ in step.launches][kernel]


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
    backward pass of a lookup does. A library call may fail whenever it comes, and so may a loop or
    branch that checks something.
    """
    last = -1
    seen: set[tuple[int, int]] = set()
    number_of: dict[Any, int] = {}
    for number, step in enumerate(lowered.steps):
        if step.call is not None or (step.control is not None and step.control.native.checks):
            last = number
        if any(task.nest.checks for task in step.tasks):
            checks = _checks(step, number_of)
            if any(not seen.issuperset(made) for made in checks.values()):
                last = number
            whole = _read_whole(step.body)
            seen.update(*(made for i, made in checks.items() if i in whole))
    return last


def _checks(step: Step, number_of: dict[Any, int]) -> dict[int, list[tuple[int, int]]]:
    """What each checking node checks, by its id: the numbers of its indices, and their sizes.

    `number_of` numbers expressions of memory, so that equal ones have one number.
    """
    known: dict[int, int] = {}
    for i, v in enumerate(step.body.inputs):
        known[v.id] = number_of.setdefault(id(step.slots[f"in{i}"]), len(number_of))
    for v in step.body.nodes:
        key = (v.op, v.type, *(known[o.id] for o in v.operands))
        known[v.id] = number_of.setdefault(key, len(number_of))
    return {
        v.id: [(known[v.operands[i].id], size) for i, size in _places(v)]
        for v in checking(step.body)
    }


def _places(v: Value) -> list[tuple[int, int]]:
    """The index operands that a node checks, and how long their axes are."""
    assert isinstance(v.op, Indexed)
    return v.op.places([o.type for o in v.operands])


_READ_ALL = ("expand", "permute", "reshape", "flip", "pad", "concatenate", "contract")


def _read_whole(body: Graph) -> set[int]:
    """The values of a body of which every element is computed; a slice may leave some out."""
    whole = {v.id for v in body.outputs}
    for v in reversed(body.nodes):
        reads_all = v.op.lane is not None or isinstance(v.op, Reduction) or v.op.name in _READ_ALL
        if v.id in whole and reads_all:
            whole.update(o.id for o in v.operands)
    return whole
