"""The function that a call in converted code calls: the user's own are converted too."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from lamina.base.errors import UsageError
from lamina.tensor.containers import is_node
from lamina.tensor.convert.active import active
from lamina.tensor.convert.operators import steps
from lamina.tensor.convert.operators.cell import CELL
from lamina.tensor.convert.operators.numbers import bool_, float_, int_, max_, min_, print_
from lamina.tensor.convert.operators.ownership import is_lamina_file, is_users_file
from lamina.tensor.convert.syntax.compiled import converted_code, is_converted

BUILTINS: dict[Any, Any] = {
    builtins.range: steps.range_,
    builtins.enumerate: steps.enumerate_,
    builtins.zip: steps.zip_,
    builtins.reversed: steps.reversed_,
    builtins.int: int_,
    builtins.float: float_,
    builtins.bool: bool_,
    builtins.max: max_,
    builtins.min: min_,
    builtins.print: print_,
}
"""Python's own functions that mean something over tensors without a value."""

_WITH_FUNCTIONS = (builtins.map, builtins.filter, functools.reduce, functools.partial)


def callee(f: Any) -> Any:
    """What to call in place of `f`."""
    kind = type(f)
    if kind is FunctionType:
        return _of_function(f)
    if kind is MethodType:
        return MethodType(callee(f.__func__), f.__self__)
    if kind is BuiltinFunctionType or kind is type:
        known = BUILTINS.get(f)
        if known is not None:
            return known
        return _giving(f) if f in _WITH_FUNCTIONS else f
    if isinstance(f, functools.partial):
        return functools.partial(callee(f.func), *map(_argument, f.args), **f.keywords)
    if isinstance(f, type):
        return f
    return _of_object(f)


def _of_function(f: FunctionType) -> Any:
    if is_converted(f):
        return f
    name = f.__code__.co_filename
    if is_users_file(name):
        try:
            return converted(f)
        except UsageError:
            return f  # without a source, or a generator: Python's own meaning
    return _giving(f) if is_lamina_file(name) else f


def _of_object(f: Any) -> Any:
    """An object that is called: its `__call__`, or its layers, are converted."""
    method = getattr(type(f), "__call__", None)  # noqa: B004
    if isinstance(method, FunctionType) and is_users_file(method.__code__.co_filename):
        return MethodType(callee(method), f)
    if isinstance(method, FunctionType) and is_node(f):
        return _under_conversion(f)
    return f


def _under_conversion(f: Callable[..., Any]) -> Callable[..., Any]:
    """A module of Lamina's, which calls what it holds by `forward_of`."""

    def called(*args: Any, **kwargs: Any) -> Any:
        active.depth += 1
        active.callee = callee
        try:
            return f(*args, **kwargs)
        finally:
            active.depth -= 1

    return called


def _giving(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes functions, such as `lm.vmap`: it gets them converted."""

    def called(*args: Any, **kwargs: Any) -> Any:
        given = {name: _argument(x) for name, x in kwargs.items()}
        return f(*map(_argument, args), **given)

    return called


def _argument(x: Any) -> Any:
    if isinstance(x, FunctionType) and not is_converted(x):
        return _of_function(x)
    if isinstance(x, MethodType):
        return callee(x)
    return x


def converted(f: FunctionType) -> FunctionType:
    """A function of the same arguments and variables from outside, with converted code.

    Raises:
        UsageError: `f` cannot be converted.
    """
    code = converted_code(f)
    cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
    cells["_lm_"] = CELL
    closure = tuple(cells[name] for name in code.co_freevars)
    made = FunctionType(code, f.__globals__, f.__name__, f.__defaults__, closure)
    made.__kwdefaults__ = f.__kwdefaults__
    functools.update_wrapper(made, f)
    return made
