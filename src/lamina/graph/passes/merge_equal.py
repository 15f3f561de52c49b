"""Common subexpressions, constants included."""

from __future__ import annotations

from typing import Any

from lamina.graph.ir.graph import Graph, rebuild
from lamina.graph.ir.value import Value, apply
from lamina.graph.passes.pass_ import graph_pass


@graph_pass
def merge_equal(graph: Graph) -> Graph:
    """Compute each value once.

    Ops compare by their parameters, so equal constants merge too; 0.0 and -0.0 do not. Ops with
    effects stay as many as they are.

    Before:  %0 = exp %x;  %1 = exp %x;  %2 = add %0, %1
    After:   %0 = exp %x;  %1 = add %0, %0
    """
    first: dict[tuple[Any, ...], Value] = {}

    def rewrite(v: Value, operands: tuple[Value, ...]) -> Value:
        key = (v.op, *[o.id for o in operands])
        found = first.get(key) if v.op.pure else None
        if found is None:
            same = all(a is b for a, b in zip(operands, v.operands))
            found = first[key] = v if same else apply(v.op, operands)
        return found

    return rebuild(graph, rewrite)
