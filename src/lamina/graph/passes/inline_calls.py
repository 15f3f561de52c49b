"""Calls written out: after derivatives, a called function is nothing but its values."""

from __future__ import annotations

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
    if not any(isinstance(v.op, Call) for v in graph.nodes):
        return graph
    new: dict[int, Value] = {v.id: v for v in graph.inputs}
    parts: dict[int, tuple[Value, ...]] = {}
    for v in graph.nodes:
        operands = tuple([new[o.id] for o in v.operands if o.id in new])
        if isinstance(v.op, Call):
            parts[v.id] = inline(v.op.body, operands, partial(_emit_at, v.span))
        elif isinstance(v.op, Item) and v.operands[0].id in parts:
            new[v.id] = parts[v.operands[0].id][v.op.index]
        else:
            same = all(a is b for a, b in zip(operands, v.operands, strict=True))
            with at(v.span):
                new[v.id] = v if same else apply(v.op, operands)
    return inline_calls(Graph(graph.inputs, [new[v.id] for v in graph.outputs]))


def _emit_at(span: Span | None, op: Any, *operands: Any) -> Value:
    """A node of a body; without a line of its own it has that of the call."""
    made = emit(op, *operands)
    made.span = made.span or span
    return made
