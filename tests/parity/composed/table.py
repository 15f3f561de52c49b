"""The table of composed programs: `@program(shapes of the operands)` adds a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {}


def program(*shapes: tuple[int, ...]) -> Callable[[Any], Any]:
    """A function of a namespace and arrays of normal numbers, which gives a tree of arrays."""

    def add(f: Callable[..., Any]) -> Callable[..., Any]:
        assert f.__name__ not in PROGRAMS
        PROGRAMS[f.__name__] = (f, shapes)
        return f

    return add
