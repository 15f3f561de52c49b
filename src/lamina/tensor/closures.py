"""Functions taken apart into code, which stays, and what they hold, which may be tensors.

A function holds what its free variables and defaults are, a `functools.partial` its function and
arguments, a bound method its object. So a closure is a container like others: one made inside
`jit` leaves it with the tensors that the program computed, and one passed in is traced once for
its code, whatever tensors it holds.
"""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lamina.runtime import register_node
from lamina.tensor.containers import contents, entries, is_leaf

KINDS: set[type] = {types.FunctionType, functools.partial, types.MethodType}
"""What is taken apart."""

_wrappers: dict[type, tuple[str, tuple[str, ...]]] = {}


def register_wrapper(kind: type, held: str, settings: tuple[str, ...]) -> None:
    """Let objects of a class be taken apart too: they are one function and some settings.

    Args:
        kind: the class; `copy.copy` of an instance is one of its own.
        held: the attribute that is the function.
        settings: attributes that are part of what it is.
    """
    KINDS.add(kind)
    _wrappers[kind] = held, settings


class _Same:
    """An object that is equal to itself only, by identity."""

    __slots__ = ("held",)

    def __init__(self, held: Any):
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)


def spread(function: Any) -> tuple[Any, list[Any]]:
    """What a function is and what it holds.

    Returns:
        (key, values): `key` is equal for functions of the same code, those that they hold included;
        all else is among the values. It is None for a function that holds nothing, its own value.
    """
    values: list[Any] = []
    return _spread(function, {}, values), values


def _spread(obj: Any, met: dict[int, int], values: list[Any]) -> Any:
    if id(obj) in met:
        return met[id(obj)]
    parts = _parts(obj)
    if parts is None:
        values.append(obj)
        return None
    met[id(obj)] = len(met)
    return _identity(obj), tuple([_spread(part, met, values) for part in parts])


def _parts(obj: Any) -> list[Any] | None:
    """What a function holds, in order; None for what is no function, or holds nothing."""
    kind = type(obj)
    if kind is types.FunctionType:
        try:
            cells = [cell.cell_contents for cell in obj.__closure__ or ()]
        except ValueError:  # a variable that has no value yet
            return None
        held = [*cells, *(obj.__defaults__ or ()), *(obj.__kwdefaults__ or {}).values()]
        return held or None
    if kind is functools.partial:
        return [obj.func, *obj.args, *obj.keywords.values()]
    if kind in _wrappers:
        return [getattr(obj, _wrappers[kind][0])]
    return [obj.__func__, obj.__self__] if kind is types.MethodType else None


def _identity(obj: Any) -> tuple[Any, ...]:
    if type(obj) is types.FunctionType:
        names = tuple(obj.__kwdefaults__ or ())
        return obj.__code__, _Same(obj.__globals__), len(obj.__defaults__ or ()), names
    if type(obj) is functools.partial:
        return type(obj), len(obj.args), *obj.keywords
    _, settings = _wrappers.get(type(obj), ("", ()))
    return type(obj), *(getattr(obj, name) for name in settings)


def rebuilt(function: Any, values: Sequence[Any]) -> Any:
    """A function of the same code that holds other values, in the order of `spread`."""
    return _rebuilt(function, {}, iter(values))


def _rebuilt(obj: Any, made: dict[int, Any], values: Iterator[Any]) -> Any:
    if id(obj) in made:
        return made[id(obj)]
    parts = _parts(obj)
    if parts is None:
        return next(values)
    if type(obj) is types.FunctionType:
        return _closure(obj, parts, made, values)
    if type(obj) in _wrappers:
        new: Any = copy.copy(obj)
        made[id(obj)] = new
        function = _rebuilt(parts[0], made, values)
        new.__dict__.update({_wrappers[type(obj)][0]: function, "__wrapped__": function})
        return new
    first, *others = [_rebuilt(part, made, values) for part in parts]
    if type(obj) is types.MethodType:
        new = types.MethodType(first, others[0])
    else:
        count = len(obj.args)
        keywords = dict(zip(obj.keywords, others[count:], strict=True))
        new = functools.partial(first, *others[:count], **keywords)
    made[id(obj)] = new
    return new


def _closure(obj: Any, parts: list[Any], made: dict[int, Any], values: Iterator[Any]) -> Any:
    cells = [types.CellType() for _ in obj.__closure__ or ()]
    new = types.FunctionType(
        obj.__code__, obj.__globals__, obj.__name__, None, tuple(cells) if cells else None
    )
    made[id(obj)] = new  # before what it holds: a function may hold itself
    functools.update_wrapper(new, obj)
    new.__dict__.pop("__wrapped__", None)
    new.__dict__.update(obj.__dict__)
    held = [_rebuilt(part, made, values) for part in parts]
    for cell, content in zip(cells, held):
        cell.cell_contents = content
    first, last = len(cells), len(cells) + len(obj.__defaults__ or ())
    if last > first:
        new.__defaults__ = tuple(held[first:last])
    if obj.__kwdefaults__:
        new.__kwdefaults__ = dict(zip(obj.__kwdefaults__, held[last:], strict=True))
    return new


class Captured:
    """A function among the arguments of `jit`, as a container of what it holds.

    Attributes:
        key: its code, part of the signature.
        values: what it holds: tensors are leaves, as in a module.
    """

    __slots__ = ("__dict__", "_function")
    key: Any
    values: list[Any]

    def __init__(self, function: Any, key: Any, values: list[Any]):
        self._function = function
        self.key = key
        self.values = values

    def function(self) -> Callable[..., Any]:
        """The function with what is held now."""
        return rebuilt(self._function, self.values)

    def __repr__(self) -> str:
        return repr(self._function)


register_node(Captured)


def captured(argument: Any) -> Any:
    """The argument, or as a `Captured` if it is a function that holds tensors."""
    if type(argument) not in KINDS:
        return argument
    key, values = spread(argument)
    found = leaves(values) if key is not None else None
    if found is None or not any(map(is_leaf, found)) or not all(map(_is_comparable, found)):
        return argument
    return Captured(argument, key, values)


def leaves(values: list[Any]) -> list[Any] | None:
    """What stands in the containers among the values; None where a container holds itself."""
    found: list[Any] = []
    whole = all(_visit(value, found, set()) for value in values)
    return found if whole else None


def _visit(tree: Any, found: list[Any], around: set[int]) -> bool:
    held = contents(tree)
    if held is None:
        found.append(tree)
        return True
    if id(held) in around:
        return False
    around.add(id(held))
    whole = all(_visit(child, found, around) for _, child in entries(held))
    around.discard(id(held))
    return whole


def _is_comparable(leaf: Any) -> bool:
    """Whether a leaf can be part of a signature, or is an input."""
    return is_leaf(leaf) or type(leaf).__hash__ is not None
