"""Algebraic and structural simplification by the rules of `rules/`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache

from lamina.base.spans import at
from lamina.graph.ir.graph import Graph, topological
from lamina.graph.ir.op import Op
from lamina.graph.ir.pattern import Rule
from lamina.graph.ir.value import Value, apply
from lamina.graph.passes.pass_ import graph_pass
from lamina.graph.passes.rules import RULES

RulesOf = Callable[[Value], Iterable[Rule]]
MAX_REWRITES = 64  # of one node, before it is taken as settled: no rule set loops forever


@graph_pass
def simplify(graph: Graph, strict: bool = True) -> Graph:
    """Apply the rules until none applies.

    Relaxed rules, which change the result of floats in rare cases or in the last bits, need
    `strict=False`.

    Before:
        %0 = constant(1.0, f32, (8,))
        %1 = multiply %x, %0
        %2 = negative %1
        %3 = negative %2
        %4 = exp %3
    After:
        %0 = exp %x
    """
    rules = _by_root(strict)
    return rewritten(graph, lambda v: rules.get(type(v.op), ()))


def rewritten(graph: Graph, rules_of: RulesOf) -> Graph:
    """The graph after rules until none applies; `rules_of` says which a node is tried with."""
    settled: dict[int, Value] = {v.id: v for v in graph.inputs}
    for v in graph.nodes:
        settled[v.id] = _settle(v, settled, rules_of)
    return Graph(graph.inputs, tuple(settled[v.id] for v in graph.outputs))


@cache
def _by_root(strict: bool) -> dict[type[Op], tuple[Rule, ...]]:
    found: dict[type[Op], list[Rule]] = defaultdict(list)
    for rule in RULES:
        if rule.exact or not strict:
            for root in rule.roots:
                found[root].append(rule)
    return {root: tuple(rules) for root, rules in found.items()}


def _settle(v: Value, settled: dict[int, Value], rules_of: RulesOf, depth: int = 0) -> Value:
    """The simplest form of `v`, whose operands are settled; new nodes below it are settled too."""
    w = _renewed(v, settled)
    new = next((x for r in rules_of(w) if (x := _applied(r, w, v)) is not None), None)
    if new is None or depth >= MAX_REWRITES:
        settled[w.id] = w
        return w
    for u in topological([new], stop=lambda u: u.id in settled or u.op is None):
        if u.id not in settled:
            settled[u.id] = u if u.op is None else _settle(u, settled, rules_of, depth + 1)
    return settled[new.id]


def _renewed(v: Value, settled: dict[int, Value]) -> Value:
    """`v` on settled operands."""
    operands = tuple([settled[o.id] for o in v.operands])
    if all(a is b for a, b in zip(operands, v.operands)):
        return v
    with at(v.span):
        return apply(v.op, operands)


def _applied(rule: Rule, v: Value, origin: Value) -> Value | None:
    with at(origin.span):
        return rule.apply(v)
