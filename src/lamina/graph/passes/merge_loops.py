"""Loops that do part of what others do, and results of loops that nobody reads."""

from __future__ import annotations

from functools import partial

from lamina.graph.ir.graph import Graph, grafted, rebuild
from lamina.graph.ir.op import Op
from lamina.graph.ir.value import Value, apply
from lamina.graph.ops import Item
from lamina.graph.passes.pass_ import graph_pass


def has_bodies(v: Value) -> bool:
    """Whether a node is a loop, a switch or a recursion."""
    return hasattr(v.op, "restricted")


@graph_pass
def merge_loops(graph: Graph) -> Graph:
    """Run once what two loops would compute: the larger one gives the results of both.

    A derivative holds the loop it is the derivative of, with results for the way back.

    Before:
        graph(%a: f32[], %b: f32[3]) {
          %0: (f32[]) = scan(graph(%a: f32[], %b: f32[]) {
            %0: f32[] = multiply %a, %b
            return %0
          }, 3, 1, 1, false) %a, %b
          %1: f32[] = item(0) %0
          %2: (f32[], f32[3]) = scan(graph(%a: f32[], %b: f32[]) {
            %0: f32[] = multiply %a, %b
            return %0, %a
          }, 3, 1, 1, false) %a, %b
          %3: f32[3] = item(1) %2
          return %1, %3
        }
    After:
        graph(%a: f32[], %b: f32[3]) {
          %0: (f32[], f32[3]) = scan(graph(%a: f32[], %b: f32[]) {
            %0: f32[] = multiply %a, %b
            return %0, %a
          }, 3, 1, 1, false) %a, %b
          %1: f32[] = item(0) %0
          %2: f32[3] = item(1) %0
          return %1, %2
        }
    """
    while (pair := _pair(graph)) is not None:
        small, large, results = pair
        new = {v.id: _part(v, large, results) for v in graph.users[small.id]}
        graph = Graph(graph.inputs, grafted(graph.outputs, new))
    return graph


def _part(old: Value, large: Value, results: list[int]) -> Value:
    """The part of the larger loop that is a part of the smaller one."""
    return Value(old.type, Item(results[old.op.index]), (large,), old.span)


def _pair(graph: Graph) -> tuple[Value, Value, list[int]] | None:
    """A loop, one that does all that it does, and the results of that one which are those."""
    loops = [v for v in graph.nodes if has_bodies(v)]
    for small in loops:
        for large in loops:
            results = _within(small, large) if small is not large else None
            if results is not None:
                return small, large, results
    return None


def _within(a: Value, b: Value) -> list[int] | None:
    """The results of `b` that are those of `a`, if `b` does all that `a` does."""
    if type(a.op) is not type(b.op):
        return None
    results = b.op.like(a.op)
    if results is None or len(results) > len(b.type.items):
        return None
    op, operands, kept = b.op.restricted(results)
    same = [b.operands[i].id for i in operands] == [o.id for o in a.operands]
    return results if kept == results and same and op == a.op else None


@graph_pass
def trim_loops(graph: Graph) -> Graph:
    """Drop the results of loops and branches that nobody reads, with what only they need.

    Before:
        graph(%a: f32[], %b: f32[3]) {
          %0: (f32[], f32[3]) = scan(graph(%a: f32[], %b: f32[]) {
            %0: f32[] = multiply %a, %b
            %1: f32[] = exp %b
            return %0, %1
          }, 3, 1, 1, false) %a, %b
          %1: f32[] = item(0) %0
          return %1
        }
    After:
        graph(%a: f32[], %b: f32[3]) {
          %0: (f32[]) = scan(graph(%a: f32[], %b: f32[]) {
            %0: f32[] = multiply %a, %b
            return %0
          }, 3, 1, 1, false) %a, %b
          %1: f32[] = item(0) %0
          return %1
        }
    """
    while True:
        smaller = {v.id: found for v in graph.nodes if (found := _smaller(graph, v)) is not None}
        if not smaller:
            return graph
        graph = rebuild(graph, partial(_trimmed, smaller))


_Smaller = tuple[Op, list[int], list[int]]


def _smaller(graph: Graph, v: Value) -> _Smaller | None:
    if not has_bodies(v):
        return None
    read = {user.op.index for user in graph.users[v.id]}
    found = v.op.restricted(read)
    if found is None:
        return None
    return found if len(found[2]) < len(v.type.items) or len(found[1]) < len(v.operands) else None


def _trimmed(smaller: dict[int, _Smaller], v: Value, operands: tuple[Value, ...]) -> Value | None:
    if v.id in smaller:
        op, kept, _ = smaller[v.id]
        return apply(op, tuple([operands[i] for i in kept]))
    if isinstance(v.op, Item) and v.operands[0].id in smaller:
        return apply(Item(smaller[v.operands[0].id][2].index(v.op.index)), operands)
    return None
