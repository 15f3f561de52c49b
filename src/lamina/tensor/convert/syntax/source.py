"""The syntax tree of a function that runs: its file is read and the definition is looked up."""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType

from lamina.base.errors import UsageError
from lamina.tensor.convert.syntax.private import mangled

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Found:
    """A definition in a file.

    Attributes:
        node: a tree of its own, with the lines of the file.
        owner: the class whose body it stands in, which mangles private names; "" for none.
    """

    node: ast.FunctionDef | ast.Lambda
    owner: str


def find(f: FunctionType) -> Found:
    """The definition of `f`.

    Raises:
        UsageError: the source is not known, does not fit, or is of a kind that is not converted.
    """
    code = f.__code__
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise UsageError(
            f"convert: {f.__qualname__} is a generator or a coroutine",
            ["control flow over tensors is converted in plain functions"],
            "return a list in place of yielding its elements",
        )
    found = [c for c in _definitions(f) if _is_of(code, *c)]
    if len(found) > 1:
        found = [min(found, key=lambda c: _extent(c[0]))]
    if not found:
        raise UsageError(
            f"convert: the source of {f.__qualname__} is not known",
            [f"file: {code.co_filename}, line {code.co_firstlineno}"],
            "define it in a file that is as it was when it was imported; what `exec` or `python "
            "-c` made has no source",
        )
    node, owner = copy.deepcopy(found[0])
    assert not isinstance(node, ast.AsyncFunctionDef)
    return Found(node, owner)


def _definitions(f: FunctionType) -> list[tuple[Definition, str]]:
    text = "".join(linecache.getlines(f.__code__.co_filename, f.__globals__))
    return list(_parsed(text)) if text else []


@lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[tuple[Definition, str], ...]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ()
    return tuple(_walk(tree, ""))


def _walk(node: ast.AST, owner: str) -> Iterator[tuple[Definition, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield child, owner
        yield from _walk(child, child.name if isinstance(child, ast.ClassDef) else owner)


def _is_of(code: CodeType, node: Definition, owner: str) -> bool:
    arguments = node.args
    taken = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    count = code.co_argcount + code.co_kwonlyargcount
    if [mangled(a.arg, owner) for a in taken] != [*code.co_varnames[:count]]:
        return False
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and _encloses(node.body, code)
    first = min(n.lineno for n in (node, *node.decorator_list))
    return node.name == code.co_name and first == code.co_firstlineno


def _encloses(body: ast.expr, code: CodeType) -> bool:
    """Whether all instructions stand inside an expression."""
    begin = (body.lineno, body.col_offset)
    end = (body.end_lineno or body.lineno, body.end_col_offset or 0)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or column is None or end_line is None or not end_column:
            continue
        if (line, column) < begin or (end_line, end_column) > end:
            return False
    return True


def _extent(node: Definition) -> tuple[int, int]:
    """The size of a definition, for the innermost of several on one line."""
    end = node.end_lineno or node.lineno
    return (end - node.lineno, (node.end_col_offset or 0) - node.col_offset)
