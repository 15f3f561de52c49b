"""`if`, `elif`, `else`: each block becomes a function, and `_lm_.branch` chooses.

Before:  if a: y = f(x)
After:   def then(): nonlocal y; y = f(x)
         def other(): pass
         _lm_.branch(a, then, other, State(("y",), ...))
"""

from __future__ import annotations

import ast

from lamina.tensor.convert.syntax.liveness import live
from lamina.tensor.convert.syntax.rewriter import Rewriter
from lamina.tensor.convert.syntax.templates import statements

TEMPLATE = """
def THEN():
    DECLARED
    TAKEN
def ELSE():
    AGAIN
    OTHER
MADE
_lm_.branch(TEST, THEN, ELSE, STATE)
"""


def rewrite_if(node: ast.If, rewriter: Rewriter) -> list[ast.stmt]:
    """The statements in place of an `if`."""
    scope = rewriter.scope
    changed = scope.changed_by([*node.body, *node.orelse])
    behind, _ = live(node)
    state = scope.name("state")
    made = scope.state(state, node, changed, behind)
    return statements(
        TEMPLATE,
        node,
        THEN=scope.name("then"),
        ELSE=scope.name("else"),
        DECLARED=scope.declarations(changed, node),
        AGAIN=scope.declarations(changed, node),
        TAKEN=rewriter.block(node.body),
        OTHER=rewriter.block(node.orelse) or [ast.copy_location(ast.Pass(), node)],
        TEST=rewriter.expression(node.test),
        MADE=made,
        STATE=state,
    )
