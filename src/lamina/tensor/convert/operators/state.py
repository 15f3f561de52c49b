"""The variables of a function, as its branches and loops read and write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class _Unbound:
    """The value of a variable without one."""

    def __repr__(self) -> str:
        return "no value"


UNBOUND = _Unbound()


@dataclass(frozen=True)
class State:
    """How a branch or a loop reaches the function's variables.

    Attributes:
        names: what it changes; the first `given` count afterwards, or in the next step.
        read: one function for each name.
        write: takes all values.
        roots: names that it reads, through which it may reach objects and change them.
        bases: what stands before `[...] =` and `.name =` in it.
    """

    names: tuple[str, ...]
    given: int
    read: Sequence[Callable[[], Any]]
    write: Callable[[Sequence[Any]], None]
    roots: Sequence[tuple[str, Callable[[], Any]]]
    bases: Sequence[tuple[str, Callable[[], Any]]]

    def values(self) -> list[Any]:
        """The values of all names, UNBOUND for those without one."""
        return [value_of(r) for r in self.read]


def value_of(read: Callable[[], Any]) -> Any:
    """What a function of no argument that reads a name gives, or UNBOUND."""
    try:
        return read()
    except NameError:
        return UNBOUND


def object_of(read: Callable[[], Any]) -> Any:
    """The same for dotted names, on the way to which anything may fail."""
    try:
        return read()
    except Exception:
        return UNBOUND


def nothing(values: Sequence[Any] = ()) -> None:
    """The `write` of a state without names, and an empty block."""
