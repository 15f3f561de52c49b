"""Walks a function and calls one rewriter for each element of the syntax; `TABLE` lists them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Sequence
from typing import Any

from lamina.tensor.convert.syntax.jumps import lower_jumps
from lamina.tensor.convert.syntax.liveness import Liveness
from lamina.tensor.convert.syntax.names import COMPREHENSIONS
from lamina.tensor.convert.syntax.scope import Scope

Rewrites = dict[type[ast.AST], Callable[[Any, "Rewriter"], Any]]


class Rewriter(ast.NodeTransformer):
    """One function under conversion.

    Args:
        scope: its names.
        table: the rewriter of each kind of node; other nodes stay, and their parts are visited.
    """

    def __init__(self, scope: Scope, table: Rewrites):
        self.scope = scope
        self.table = table

    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements in place of a block's."""
        found: list[ast.stmt] = []
        for statement in body:
            made = self.visit(statement)
            found += made if isinstance(made, list) else [made]
        return found

    def expression(self, node: ast.expr) -> ast.expr:
        """The expression in place of another."""
        return self.visit(node)

    def parts(self, node: Any) -> Any:
        """The node itself with its parts rewritten."""
        return super().generic_visit(node)

    def copied(self, node: ast.expr) -> ast.expr:
        """The same expression for a second place."""
        return copy.deepcopy(node)

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.FunctionDef):
            return rewritten(node, self.table)
        if isinstance(node, ast.AsyncFunctionDef | ast.ClassDef):
            return node  # their functions are converted when they are called
        if _is_ours(node):
            return node
        rewrite = self.table.get(type(node))
        return rewrite(node, self) if rewrite is not None else self.generic_visit(node)


def _is_ours(node: ast.AST) -> bool:
    """Whether a node is a call of an operator, which an earlier step put there."""
    called = node.func if isinstance(node, ast.Call) else None
    held = called.value if isinstance(called, ast.Attribute) else None
    return isinstance(held, ast.Name) and held.id == "_lm_"


def rewritten(node: ast.FunctionDef, table: Rewrites) -> ast.FunctionDef:
    """A function whose control flow is done by operators; generators stay as they are."""
    if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in _own(node)):
        return node
    scope = Scope.of(node)
    body = lower_jumps(node.body)
    Liveness(scope.always_live(body)).function(body)
    rewriter = Rewriter(scope, table)
    made = rewriter.block(body)
    node.body = [*scope.bound(node.body[0]), *made]
    return node


def _own(node: ast.FunctionDef) -> list[ast.AST]:
    """The nodes of a function without those of functions inside."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        one = waiting.pop()
        found.append(one)
        inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        if not isinstance(one, (*inner, *COMPREHENSIONS)):
            waiting += ast.iter_child_nodes(one)
    return found
