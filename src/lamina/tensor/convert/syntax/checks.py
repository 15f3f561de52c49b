"""`assert`, whose condition is checked when the program runs, and `raise`, which has no such form.

Before:  assert x > 0, "negative"
After:   if _lm_.fails(x > 0, lambda: "negative"): raise AssertionError("negative")
"""

from __future__ import annotations

import ast

from lamina.tensor.convert.syntax.rewriter import Rewriter
from lamina.tensor.convert.syntax.templates import statements


def rewrite_assert(node: ast.Assert, rewriter: Rewriter) -> list[ast.stmt]:
    """The statements in place of an `assert`."""
    if not __debug__:
        return []
    said = ast.Constant(ast.unparse(node.test))
    message = rewriter.expression(node.msg) if node.msg else ast.copy_location(said, node)
    text = "if _lm_.fails(TEST, lambda: MESSAGE):\n    raise AssertionError"
    if node.msg:
        text += "(AGAIN)"
    parts = {"AGAIN": rewriter.copied(message)} if node.msg else {}
    return statements(text, node, TEST=rewriter.expression(node.test), MESSAGE=message, **parts)


def rewrite_raise(node: ast.Raise, rewriter: Rewriter) -> list[ast.stmt]:
    """A `raise`, after the question whether a tensor decides about it."""
    made = rewriter.parts(node)
    assert isinstance(made, ast.Raise)
    return [*statements("_lm_.raising()", node), made]
