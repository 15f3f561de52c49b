"""Names such as `__x` inside a class: written as the class's body would mangle them."""

from __future__ import annotations

import ast
from typing import Any


def mangled(name: str, owner: str) -> str:
    """`__x` in the class `Layer` is `_Layer__x`."""
    private = name.startswith("__") and not name.endswith("__") and "." not in name
    return f"_{owner.lstrip('_')}{name}" if private and owner.strip("_") else name


class _Mangler(ast.NodeTransformer):
    def __init__(self, owner: str):
        self.owner = owner

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return node  # mangles its own

    def visit_Name(self, node: ast.Name) -> Any:
        node.id = mangled(node.id, self.owner)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.visit(node.value)
        node.attr = mangled(node.attr, self.owner)
        return node

    def visit_arg(self, node: ast.arg) -> Any:
        node.arg = mangled(node.arg, self.owner)
        return node

    def visit_keyword(self, node: ast.keyword) -> Any:
        self.visit(node.value)
        node.arg = mangled(node.arg, self.owner) if node.arg else None
        return node


def mangle(node: ast.AST, owner: str) -> None:
    """Mangle the private names of a function that stands in the class `owner`, in place."""
    if owner:
        _Mangler(owner).visit(node)
