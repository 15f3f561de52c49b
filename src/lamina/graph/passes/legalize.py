"""Ops without loops of their own, written with ops that have them."""

from __future__ import annotations

from lamina.graph.ir.graph import Graph, rebuild
from lamina.graph.ir.op import Op
from lamina.graph.ir.value import Value
from lamina.graph.passes.pass_ import graph_pass


@graph_pass
def legalize(graph: Graph) -> Graph:
    """Replace composite ops by their composition, until every op has a loop form.

    Before:
        %x: f32[3]
        %0 = arg_max(-1) %x
    After:
        %x: f32[3]
        %0 = max((-1,)) %x
        %1 = expand((-1,), (3,)) %0
        %2 = equal %x, %1
        %3 = not_equal %x, %x
        %4 = or %2, %3
        %5 = iota(3, i64)
        %6 = constant(3, i64, (3,))
        %7 = select %4, %5, %6
        %8 = min((-1,)) %7
    """
    while any(is_composite(v.op) for v in graph.nodes):
        graph = rebuild(graph, _compose)
    return graph


def is_composite(op: Op) -> bool:
    """Whether `op` is defined by other ops only."""
    return op.compose is not None and op.lane is None and op.view is None


def _compose(v: Value, operands: tuple[Value, ...]) -> Value | None:
    return v.op.compose(*operands) if is_composite(v.op) else None
