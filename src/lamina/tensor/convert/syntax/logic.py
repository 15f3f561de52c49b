"""`and`, `or`, `not`, chained comparisons and `a if c else b`.

    Before:  a < b < c and not d
    After:   _lm_.both(_lm_.compare(a, ("lt", lambda: b), ("lt", lambda: c)), lambda: _lm_.no(d))

What Python may leave out becomes a lambda. An operand that binds a name by `:=` cannot stand in
one: such an expression stays as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from lamina.tensor.convert.syntax.rewriter import Rewriter
from lamina.tensor.convert.syntax.templates import expression

COMPARISONS = {
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Is: "is_",
    ast.IsNot: "is_not",
    ast.In: "in_",
    ast.NotIn: "not_in",
}
"""The operators by what `_lm_.compare` calls them."""


def rewrite_bool_op(node: ast.BoolOp, rewriter: Rewriter) -> ast.expr:
    """`a and b`, `a or b`."""
    if _binds(node.values[1:]):
        return rewriter.parts(node)
    name = "both" if isinstance(node.op, ast.And) else "either"
    first, *others = [rewriter.expression(v) for v in node.values]
    return _call(name, node, [first, *[_later(o) for o in others]])


def rewrite_not(node: ast.UnaryOp, rewriter: Rewriter) -> ast.expr:
    """`not a`."""
    return expression("_lm_.no(X)", node, X=rewriter.expression(node.operand))


def rewrite_if_exp(node: ast.IfExp, rewriter: Rewriter) -> ast.expr:
    """`a if c else b`."""
    if _binds([node.body, node.orelse]):
        return rewriter.parts(node)
    return expression(
        "_lm_.choose(TEST, lambda: THEN, lambda: ELSE)",
        node,
        TEST=rewriter.expression(node.test),
        THEN=rewriter.expression(node.body),
        ELSE=rewriter.expression(node.orelse),
    )


def rewrite_compare(node: ast.Compare, rewriter: Rewriter) -> ast.expr:
    """`a < b < c`; one comparison alone stays."""
    if len(node.ops) == 1 or _binds(node.comparators):
        return rewriter.parts(node)
    links: list[ast.expr] = []
    for op, right in zip(node.ops, node.comparators, strict=True):
        text = f"({COMPARISONS[type(op)]!r}, lambda: RIGHT)"
        links.append(expression(text, right, RIGHT=rewriter.expression(right)))
    return _call("compare", node, [rewriter.expression(node.left), *links])


def _later(node: ast.expr) -> ast.expr:
    return expression("lambda: X", node, X=node)


def _call(name: str, node: ast.expr, arguments: Sequence[ast.expr]) -> ast.expr:
    call = expression(f"_lm_.{name}()", node)
    assert isinstance(call, ast.Call)
    call.args = list(arguments)
    return call


def _binds(nodes: Sequence[ast.expr]) -> bool:
    kinds = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
    return any(isinstance(n, kinds) for node in nodes for n in ast.walk(node))
