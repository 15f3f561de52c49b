"""Which names statements read and bind, without a look into functions that run later."""

from __future__ import annotations

import ast
from collections.abc import Iterable

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class _Names(ast.NodeVisitor):
    """Names that run with the statements (`read`, `bound`) and those in functions (`later`)."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.bound: set[str] = set()
        self.later: set[str] = set()
        self.calls = False
        self._hidden = 0  # inside comprehensions, whose own variables bind nothing

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read.add(node.id)
        elif not self._hidden:
            self.bound.add(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.bound.add(node.target.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.read.add(node.target.id)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.calls = True
        self.generic_visit(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.bound.add(node.name)
        for n in ast.walk(node):
            if isinstance(n, ast.Name):
                self.later.add(n.id)
        for outer in node.decorator_list:
            self.visit(outer)
        if not isinstance(node, ast.ClassDef):
            self._defaults(node.args)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._definition(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._definition(node)
        self.read |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node.args)
        inner = {n.id for n in ast.walk(node.body) if isinstance(n, ast.Name)}
        self.read |= inner
        self.later |= inner

    def _defaults(self, arguments: ast.arguments) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)

    def _comprehension(self, node: ast.AST) -> None:
        if isinstance(node, ast.GeneratorExp):
            self.later |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        self._hidden += 1
        self.generic_visit(node)
        self._hidden -= 1

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_alias(self, node: ast.alias) -> None:
        self.bound.add(node.asname or node.name.partition(".")[0])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.bound.add(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.bound.add(node.rest)
        self.generic_visit(node)


def _names(nodes: Iterable[ast.AST | None]) -> _Names:
    found = _Names()
    for node in nodes:
        if node is not None:
            found.visit(node)
    return found


def reads(*nodes: ast.AST | None) -> set[str]:
    """Names that the nodes read."""
    return _names(nodes).read


def binds(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that the nodes assign or delete, except attributes and entries."""
    return _names(nodes).bound


def reads_later(nodes: Iterable[ast.AST]) -> set[str]:
    """Names in functions, lambdas and generators that the nodes define."""
    return _names(nodes).later


def has_calls(nodes: Iterable[ast.AST]) -> bool:
    """Whether anything is called."""
    return _names(nodes).calls


def declared(body: Iterable[ast.stmt], kind: type[ast.Global] | type[ast.Nonlocal]) -> set[str]:
    """Names that statements of one function declare `global` or `nonlocal`."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, kind):
            found.update(statement.names)
        if not isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            inner = list(ast.iter_child_nodes(statement))
            found |= declared(inner, kind)  # type: ignore[arg-type]
    return found


def assigned_inside(nodes: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """The bases `a.b` of assignments such as `a.b[i] = v` and `a.b.c = v`, by their text."""
    found: dict[str, ast.expr] = {}
    for node in _own(nodes):
        inside = isinstance(node, ast.Subscript | ast.Attribute)
        if inside and isinstance(node.ctx, ast.Store | ast.Del) and _is_dotted(node.value):  # type: ignore[union-attr]
            base = node.value  # type: ignore[union-attr]
            found[ast.unparse(base)] = base
    return found


def _own(nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """All nodes that run with the given ones."""
    for node in nodes:
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield from _own(ast.iter_child_nodes(node))


def _is_dotted(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
