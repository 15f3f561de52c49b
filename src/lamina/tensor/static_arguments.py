"""Which arguments of a function an option means, said by name, by position, or both."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.base.errors import UsageError

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_FURTHER = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
Static = tuple[int | None, str]
"""The position and the name of an argument; None and "" where it has none."""


def static_arguments(
    f: Callable[..., Any], names: Sequence[str] | str, numbers: Sequence[int] | int
) -> list[Static]:
    """The static arguments of a function.

    Args:
        f: the function.
        names: of arguments.
        numbers: positions, from the end if negative.

    Raises:
        UsageError: there is no such argument.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    one = isinstance(numbers, int | np.integer)
    chosen: list[Any] = [numbers] if one else list(numbers)  # type: ignore[arg-type]
    if not wanted and not chosen:
        return []
    parameters = parameters_of(f)
    found = [by_name(name, parameters, "static_argnames") for name in wanted]
    found += [_by_number(number, parameters) for number in chosen]
    return list(dict.fromkeys(found))


def parameters_of(f: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function, as far as it tells."""
    try:
        return list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # some functions in C tell nothing of themselves
        return [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]


def _described(parameters: Sequence[inspect.Parameter]) -> str:
    return f"arguments: {', '.join(_FURTHER.get(p.kind, '') + p.name for p in parameters)}"


def by_name(name: str, parameters: Sequence[inspect.Parameter], option: str) -> Static:
    """Position and name of the argument that an option of `jit` names."""
    for i, p in enumerate(parameters):
        if p.name == name and p.kind not in _FURTHER:
            return (i if p.kind in _POSITIONAL else None), name
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None, name
    raise UsageError(f"jit: {option} names no argument {name!r}", [_described(parameters)])


def _by_number(number: Any, parameters: Sequence[inspect.Parameter]) -> Static:
    if not isinstance(number, int | np.integer) or isinstance(number, bool):
        raise UsageError(
            f"jit: static_argnums holds something that is no position: {number!r}",
            [_described(parameters)],
            "positions are integers; arguments by name go into static_argnames",
        )
    places = [p.name for p in parameters if p.kind in _POSITIONAL]
    further = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    place = int(number) + (len(places) if number < 0 and not further else 0)
    if place < 0 or (place >= len(places) and not further):
        raise UsageError(
            f"jit: static_argnums: no positional argument {number}",
            [_described(parameters)],
            "from the end can only be counted where their number is known"
            if further
            else "an argument after * has a name only: give it in static_argnames",
        )
    return place, places[place] if place < len(places) else ""
