"""What a traced function returns and assigns, as templates that are filled in at every call."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from lamina.base.records import frozen
from lamina.graph.ir import Value, grafted
from lamina.tensor import closures
from lamina.tensor.containers import contents, rebuilt
from lamina.tensor.tensor import Tensor

Reader = Callable[[list[Any], list[Any], list[Tensor]], Any]
"""Fills a template in, from the arguments of a call, their leaves and what the program made."""


@frozen
class Output:
    """A tensor of the result that the program computes."""

    index: int


@frozen
class Leaf:
    """A tensor of the result that is a leaf of the arguments."""

    index: int


@frozen
class Argument:
    """A container of the result that is a container of the arguments."""

    path: tuple[Any, ...]


@frozen
class Built:
    """A container of the result that the function made; its parts are templates."""

    like: Any
    parts: tuple[Any, ...]


@frozen
class Function:
    """A function that holds things; what it holds are templates (see `closures`)."""

    like: Any
    parts: tuple[Any, ...]


@frozen
class Recorded:
    """A recorded value that the result holds, over values that the program computes.

    Attributes:
        value: as it was traced.
        ends: the ids of values in it, and the outputs that take their place.
    """

    value: Value
    ends: tuple[tuple[int, Output], ...]


@frozen
class Fixed:
    """Anything else: the same object at every call."""

    value: Any


@frozen
class Assignment:
    """What the function assigned to, other than a tensor in place of a tensor."""

    path: tuple[Any, ...]
    key: Any
    template: Any


@frozen
class Removal:
    """A key that the function deleted."""

    path: tuple[Any, ...]
    key: Any


def reach(call: list[Any], path: tuple[Any, ...]) -> Any:
    """The container at `path` in the arguments of a call."""
    at: Any = call
    for key in path:
        at = contents(at)[key]  # type: ignore[index]
    return at


def reader(template: Any, leaves: int) -> Reader:
    """What fills a template in, where the arguments have so many leaves."""
    kind = type(template)
    if kind is Output:
        return lambda call, leaves, made, i=template.index: made[i]
    if kind is Leaf:
        return lambda call, leaves, made, i=template.index: leaves[i]
    if kind is Argument:
        return lambda call, leaves, made, path=template.path: reach(call, path)
    if kind is Built:
        return _container(template, leaves)
    if kind is Function:
        return _function(template, leaves)
    if kind is Recorded:
        return _recorded(template)
    return lambda call, leaves, made, value=template.value: value


def _function(template: Function, leaves: int) -> Reader:
    like, readers = template.like, [reader(part, leaves) for part in template.parts]
    return lambda call, leaves, made: closures.rebuilt(
        like, [r(call, leaves, made) for r in readers]
    )


def _recorded(template: Recorded) -> Reader:
    value, ends = template.value, [(i, out.index) for i, out in template.ends]
    return lambda call, leaves, made: grafted([value], {i: made[n]._value for i, n in ends})[0]


def _container(template: Built, leaves: int) -> Reader:
    """One that builds a container; parts that are tensors are picked together.

    Returns of hundreds of tensors take one call instead of one for each.
    """
    like, parts = template.like, template.parts
    plain = type(like) is tuple
    if len(parts) > 1 and all(type(part) in (Leaf, Output) for part in parts):
        pick = itemgetter(*[p.index + (leaves if type(p) is Output else 0) for p in parts])
        if plain:
            return lambda call, leaves, made: pick([*leaves, *made])
        return lambda call, leaves, made: rebuilt(like, list(pick([*leaves, *made])))
    readers = [reader(part, leaves) for part in parts]
    if plain:
        return lambda call, leaves, made: tuple([r(call, leaves, made) for r in readers])
    return lambda call, leaves, made: rebuilt(like, [r(call, leaves, made) for r in readers])
