"""Calls written out: after derivatives, a called function is nothing but its values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lamina.base.spans import Span, at
from lamina.graph.ir.graph import Graph, inline
from lamina.graph.ir.value import Value, apply, emit
from lamina.graph.ops import Call, Item
from lamina.graph.passes.pass_ import graph_pass


@graph_pass
def inline_calls(graph: Graph) -> Graph:
    """Replace each call by the nodes of its body.

    Before:
        graph(%a: f32[3]) {
          %0: (f32[3]) = checkpoint(graph(%a: f32[3]) {
            %0: f32[3] = exp %a
            return %0
          }, "nothing") %a
          %1: f32[3] = item(0) %0
          return %1
        }
    After:
        graph(%a: f32[3]) {
          %0: f32[3] = exp %a
          return %0
        }
    """
    while any(isinstance(v.op, Call) for v in graph.nodes):
        graph = written_out(graph, lambda v: v.op.body if isinstance(v.op, Call) else None)
    return graph


def written_out(graph: Graph, body_of: Callable[[Value], Graph | None]) -> Graph:
    """The graph with the nodes of a body in place of each node with several results that has one.

    Args:
        graph: a program.
        body_of: what computes the results of a node from its operands; None for the node itself.
    """
    new: dict[int, Value] = {v.id: v for v in graph.inputs}
    parts: dict[int, tuple[Value, ...]] = {}
    for v in graph.nodes:
        if isinstance(v.op, Item) and v.operands[0].id in parts:
            new[v.id] = parts[v.operands[0].id][v.op.index]
            continue
        operands = tuple([new[o.id] for o in v.operands])
        body = body_of(v)
        if body is not None:
            parts[v.id] = inline(body, operands, partial(_emit_at, v.span))
            continue
        same = all(a is b for a, b in zip(operands, v.operands, strict=True))
        with at(v.span):
            new[v.id] = v if same else apply(v.op, operands)
    return Graph(graph.inputs, [new[v.id] for v in graph.outputs])


def _emit_at(span: Span | None, op: Any, *operands: Any) -> Value:
    """A node of a body; without a line of its own it has that of the call."""
    made = emit(op, *operands)
    made.span = made.span or span
    return made
