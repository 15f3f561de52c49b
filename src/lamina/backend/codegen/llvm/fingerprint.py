"""A nest as a short key: equal for nests that say the same, whatever their kernels are called."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import cache

from lamina.backend.nest.nodes import Expr, Nest


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def fingerprint(nest: Nest) -> str:
    """SHA-256 over everything but the kernel's name; shared expressions are written once."""
    parts: list[str] = []
    numbers: dict[int, int] = {}
    write(nest.params, parts, numbers)
    write(nest.body, parts, numbers)
    parts.append(str(nest.checks))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def write(item: object, parts: list[str], numbers: dict[int, int]) -> None:
    """Appends the canonical words of a node, a tuple of nodes or a plain value."""
    if isinstance(item, tuple):
        parts.append(f"({len(item)}")
        for part in item:
            write(part, parts, numbers)
        return
    if isinstance(item, float):
        parts.append(item.hex())
        return
    if item is None or isinstance(item, bool | int | str):
        parts.append(repr(item))
        return
    known = numbers.get(id(item))
    if known is not None:
        parts.append(f"#{known}")
        return
    kind = type(item)
    parts.append(kind.__name__)
    for name in _field_names(kind):
        write(getattr(item, name), parts, numbers)
    if isinstance(item, Expr):
        numbers[id(item)] = len(numbers)
