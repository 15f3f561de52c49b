"""The rewriter of each element of the syntax, and the conversion of a whole definition."""

from __future__ import annotations

import ast
from typing import Any

from lamina.tensor.convert.syntax.branches import rewrite_if
from lamina.tensor.convert.syntax.calls import rewrite_call
from lamina.tensor.convert.syntax.checks import rewrite_assert, rewrite_raise
from lamina.tensor.convert.syntax.logic import (
    rewrite_bool_op,
    rewrite_compare,
    rewrite_if_exp,
    rewrite_not,
)
from lamina.tensor.convert.syntax.loops import rewrite_for, rewrite_while
from lamina.tensor.convert.syntax.rewriter import Rewriter, Rewrites, rewritten
from lamina.tensor.convert.syntax.scope import Scope


def _rewrite_unary(node: ast.UnaryOp, rewriter: Rewriter) -> Any:
    return rewrite_not(node, rewriter) if isinstance(node.op, ast.Not) else rewriter.parts(node)


TABLE: Rewrites = {
    ast.If: rewrite_if,
    ast.While: rewrite_while,
    ast.For: rewrite_for,
    ast.BoolOp: rewrite_bool_op,
    ast.UnaryOp: _rewrite_unary,
    ast.IfExp: rewrite_if_exp,
    ast.Compare: rewrite_compare,
    ast.Call: rewrite_call,
    ast.Assert: rewrite_assert,
    ast.Raise: rewrite_raise,
}


def convert_definition(node: ast.FunctionDef | ast.Lambda) -> ast.FunctionDef | ast.Lambda:
    """A definition whose control flow is done by operators, without decorators and defaults."""
    node.args.defaults = []
    node.args.kw_defaults = [None] * len(node.args.kwonlyargs)
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    if isinstance(node, ast.Lambda):
        taken = [*node.args.posonlyargs, *node.args.args]
        scope = Scope(taken[0].arg if taken else "", {}, frozenset())
        node.body = Rewriter(scope, TABLE).expression(node.body)
        return node
    node.decorator_list = []
    node.returns = None
    return rewritten(node, TABLE)
