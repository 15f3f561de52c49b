"""Operators of users: first the rules that their authors wrote, then what they are made of."""

from __future__ import annotations

from lamina.base.errors import UsageError
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.pattern import Rule
from lamina.graph.ir.value import Value
from lamina.graph.ops import Call, Foreign, Identity, Item
from lamina.graph.passes.inline_calls import written_out
from lamina.graph.passes.pass_ import graph_pass
from lamina.graph.passes.rules.arithmetic import identity_is_nothing
from lamina.graph.passes.simplify import rewritten

TRIES = 100  # of rules, for each node, before they are taken to go on for ever


@graph_pass
def lower_custom_ops(graph: Graph, portable: bool = False) -> Graph:
    """Write operators of users with others, where there is no kernel for them.

    The rules of an operator come first, and again after each step: what one dialect is lowered to
    may be operators of another. `portable=True` writes out operators with kernels too.

    Before:
        %x: f32[3]
        %0 = affine.scale((("by", 2.0),), 0, ()) %x
        %1 = item(0) %0
    After:
        %x: f32[3]
        %0 = constant(2.0, f32, (3,))
        %1 = multiply %x, %0
    """
    if not any(isinstance(v.op, Foreign) for v in graph.nodes):
        return graph
    graph = _by_rules(graph)
    while any(_body(v, portable) is not None for v in graph.nodes):
        graph = _by_rules(written_out(graph, lambda v: _body(v, portable)))
    return graph


def _body(v: Value, portable: bool) -> Graph | None:
    """What a node is made of; also where a lowering calls functions."""
    if isinstance(v.op, Call):
        return v.op.body
    if not isinstance(v.op, Foreign) or v.op.definition.lowering is None:
        return None
    types = [o.type for o in v.operands]
    return v.op.lowered(types) if portable or v.op.is_lowered(types) else None


def _by_rules(graph: Graph) -> Graph:
    """The graph after the rules of all operators in it; copies, which stand in the way, go."""
    left = TRIES + TRIES * len(graph.nodes)

    def rules_of(v: Value) -> tuple[Rule, ...]:
        nonlocal left
        if isinstance(v.op, Identity):
            return (identity_is_nothing,)
        maker = v.operands[0].op if isinstance(v.op, Item) else None
        if not isinstance(maker, Foreign) or not maker.definition.patterns:
            return ()
        left -= 1
        if left < 0:
            raise UsageError(
                f"{maker.name}: its rules do not come to an end",
                [f"rules: {', '.join(rule.name for rule in maker.definition.patterns)}"],
                "let each rule give fewer operators, or such as no rule changes",
                v.span,
            )
        return maker.definition.patterns

    return rewritten(graph, rules_of)
