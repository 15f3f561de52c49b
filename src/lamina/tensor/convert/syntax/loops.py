"""`while` and `for`: the body becomes a function, and so does the test.

    Before:  while x < 9: x = f(x)          Before:  for v in items: x = f(x, v)
    After:   def test(): return x < 9       After:   def step(item): nonlocal v, x; v = item; ...
             def step(): nonlocal x; ...
             _lm_.loop(test, step, state)            _lm_.each(items, step, None, state)

`break` and `return` were lowered to flags: the loop ends when one is set.
"""

from __future__ import annotations

import ast

from lamina.tensor.convert.syntax.jumps import stops, unset
from lamina.tensor.convert.syntax.liveness import live
from lamina.tensor.convert.syntax.rewriter import Rewriter
from lamina.tensor.convert.syntax.templates import expression, statements

WHILE = """
def ASK():
    TESTED
    return TEST
def STEP():
    DECLARED
    BODY
MADE
_lm_.loop(ASK, STEP, STATE)
"""

FOR = """
def STEP(_lm_item):
    DECLARED
    TARGET
    BODY
MADE
_lm_.each(ITEMS, STEP, GOES_ON, STATE)
"""


def rewrite_while(node: ast.While, rewriter: Rewriter) -> list[ast.stmt]:
    """The statements in place of a `while`."""
    scope = rewriter.scope
    changed = scope.changed_by([node.test, *node.body])
    state = scope.name("state")
    made = scope.state(state, node, changed, live(node)[1])
    test = rewriter.expression(node.test)
    if stops(node):
        text = "_lm_.both(UNSET, lambda: TEST)"
        if any(isinstance(n, ast.NamedExpr) for n in ast.walk(node.test)):
            text = "UNSET and TEST"  # a lambda would keep the name to itself
        test = expression(text, node.test, UNSET=unset(stops(node), node.test), TEST=test)
    found = statements(
        WHILE,
        node,
        ASK=scope.name("ask"),
        STEP=scope.name("step"),
        TESTED=scope.declarations(changed, node),
        DECLARED=scope.declarations(changed, node),
        TEST=test,
        BODY=rewriter.block(node.body),
        MADE=made,
        STATE=state,
    )
    return [*found, *rewriter.block(node.orelse)]


def rewrite_for(node: ast.For, rewriter: Rewriter) -> list[ast.stmt]:
    """The statements in place of a `for`."""
    scope = rewriter.scope
    changed = scope.changed_by([node.target, *node.body])
    state = scope.name("state")
    made = scope.state(state, node, changed, live(node)[1])
    goes_on: ast.expr = ast.copy_location(ast.Constant(None), node)
    if stops(node):
        asked = unset(stops(node), node)
        goes_on = expression("lambda: UNSET", node, UNSET=asked)
    item = ast.copy_location(ast.Name("_lm_item", ast.Load()), node.target)
    target = ast.copy_location(ast.Assign([node.target], item), node.target)
    found = statements(
        FOR,
        node,
        STEP=scope.name("step"),
        DECLARED=scope.declarations(changed, node),
        TARGET=[target],
        BODY=rewriter.block(node.body),
        MADE=made,
        ITEMS=rewriter.expression(node.iter),
        GOES_ON=goes_on,
        STATE=state,
    )
    return [*found, *rewriter.block(node.orelse)]
