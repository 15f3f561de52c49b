"""Calls: the function called is converted too, and `super()` finds its class.

Before:  f(x, k=2)
After:   _lm_.callee(f)(x, k=2)
"""

from __future__ import annotations

import ast

from lamina.tensor.convert.syntax.rewriter import Rewriter
from lamina.tensor.convert.syntax.templates import expression


def rewrite_call(node: ast.Call, rewriter: Rewriter) -> ast.expr:
    """A call of something else than the operators."""
    plain = isinstance(node.func, ast.Name)
    if plain and node.func.id == "super" and not node.args and rewriter.scope.first:  # type: ignore[union-attr]
        # A block that became a function has neither the class nor the object at hand.
        return expression(f"super(__class__, {rewriter.scope.first})", node)
    if plain and node.func.id in ("locals", "eval", "exec"):  # type: ignore[union-attr]
        return rewriter.parts(node)  # they look at the frame that calls them
    made = rewriter.parts(node)
    assert isinstance(made, ast.Call)
    made.func = expression("_lm_.callee(F)", made.func, F=made.func)
    return made
