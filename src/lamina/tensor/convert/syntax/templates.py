"""Pieces of syntax tree written as Python text with holes."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

Part = str | ast.expr | Sequence[ast.stmt]

PREFIX = "_lm_"
"""Names that conversion makes begin so; `_lm_` itself holds the operators."""


def statements(template: str, at: ast.AST, **parts: Part) -> list[ast.stmt]:
    """The statements of a template on the line of `at`.

    Args:
        template: Python text.
        at: a node of the user's.
        parts: what stands for a name of the template: another name, an expression, or, where the
            name is a statement by itself, a list of statements.
    """
    tree = copy.deepcopy(_parsed(template))
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            ast.copy_location(node, at)
            # On several lines a call of a method would count as standing on the last one.
            node.end_lineno, node.end_col_offset = at.lineno, at.col_offset  # type: ignore[attr-defined]
    return _Filler(parts).block(tree.body)


def expression(template: str, at: ast.AST, **parts: Part) -> ast.expr:
    """The expression of a template on the line of `at`."""
    found = statements(template, at, **parts)[0]
    assert isinstance(found, ast.Expr)
    return found.value


@lru_cache(maxsize=256)
def _parsed(template: str) -> ast.Module:
    return ast.parse(template)


class _Filler(ast.NodeTransformer):
    def __init__(self, parts: dict[str, Part]):
        self.parts = parts

    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            alone = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name)
            part = self.parts.get(statement.value.id) if alone else None  # type: ignore[union-attr]
            if isinstance(part, list | tuple):
                made += part
            else:
                made.append(self.visit(statement))
        return made

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.name = self._name(node.name)
        node.body = self.block(node.body)
        return node

    def visit_If(self, node: ast.If) -> Any:
        node.test = self.visit(node.test)
        node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        return node

    def visit_Name(self, node: ast.Name) -> Any:
        part = self.parts.get(node.id)
        if isinstance(part, ast.expr):
            return part
        node.id = self._name(node.id)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> Any:
        node.names = [self._name(n) for n in node.names]
        return node

    def _name(self, name: str) -> str:
        part = self.parts.get(name)
        return part if isinstance(part, str) else name
