"""The code of a converted function: compiled under the file and lines of the original."""

from __future__ import annotations

import ast
from types import CodeType, FunctionType

from lamina.base.errors import UsageError
from lamina.tensor.convert.syntax.private import mangle
from lamina.tensor.convert.syntax.source import find
from lamina.tensor.convert.syntax.table import convert_definition

_INNER = "_lm_function"
_converted: dict[CodeType, CodeType] = {}
_results: set[CodeType] = set()


def converted_code(f: FunctionType) -> CodeType:
    """The code of `f` after conversion; `_lm_` is a further free variable of it.

    Raises:
        UsageError: `f` cannot be converted.
    """
    found = _converted.get(f.__code__)
    if found is None:
        found = _converted[f.__code__] = _compiled(f)
        _note(found)
    return found


def is_converted(f: FunctionType) -> bool:
    """Whether a function is the result of a conversion, or was defined by one."""
    return f.__code__ in _results


def _note(code: CodeType) -> None:
    _results.add(code)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            _note(inner)


def _compiled(f: FunctionType) -> CodeType:
    found = find(f)
    mangle(found.node, found.owner)
    made = convert_definition(found.node)
    free = ["_lm_", *f.__code__.co_freevars]
    code = compile(_module(made, free), f.__code__.co_filename, "exec", dont_inherit=True,
                   flags=f.__code__.co_flags & _FUTURES)  # fmt: skip
    factory = _only(code)
    inner = _only(factory)
    missing = set(inner.co_freevars) - set(free)
    if missing or inner.co_argcount != f.__code__.co_argcount:
        raise UsageError(
            f"convert: the source of {f.__qualname__} does not fit",
            [f"file: {f.__code__.co_filename}, line {f.__code__.co_firstlineno}"],
            "import it again: the file has changed since",
        )
    return _renamed(inner, f.__code__.co_qualname)


_FUTURES = 0x1000000  # CO_FUTURE_ANNOTATIONS, the only one that still changes anything


def _module(definition: ast.FunctionDef | ast.Lambda, free: list[str]) -> ast.Module:
    arguments = [ast.arg(n) for n in free]
    taken = ast.arguments([], arguments, None, [], [], None, [])
    if isinstance(definition, ast.Lambda):
        body: list[ast.stmt] = [ast.Return(definition)]
    else:
        definition.name = _INNER
        body = [definition, ast.Return(ast.Name(_INNER, ast.Load()))]
    outer = ast.FunctionDef("_lm_factory", taken, body, [])
    if "type_params" in outer._fields:  # Python 3.12
        outer.type_params = []  # type: ignore[attr-defined]
    module = ast.Module([ast.copy_location(outer, definition)], [])
    return ast.fix_missing_locations(module)


def _only(code: CodeType) -> CodeType:
    """The function defined by a code that defines one."""
    return next(c for c in code.co_consts if isinstance(c, CodeType))


def _renamed(code: CodeType, qualname: str) -> CodeType:
    """The names that the user knows, for tracebacks: a block has the name of its function."""
    consts = []
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            ours = inner.co_name.startswith("_lm_")
            inner = _renamed(inner, qualname if ours else f"{qualname}.<locals>.{inner.co_name}")
        consts.append(inner)
    name = qualname.rpartition(".")[2]
    return code.replace(co_consts=tuple(consts), co_name=name, co_qualname=qualname)
