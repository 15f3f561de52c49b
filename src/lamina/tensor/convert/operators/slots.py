"""Where a changed value is kept: variables, attributes, entries of containers, elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lamina.tensor.convert.operators.state import UNBOUND
from lamina.tensor.tensor import Tensor, alias, rebind


@dataclass
class Slot:
    """A place for one value.

    Attributes:
        key: equal for the same place.
        text: what the user calls it.
        before: the value before the branch or loop, UNBOUND for none.
        read, write: the value as it is now.
        after: the value after the block was traced.
    """

    key: Any
    text: str
    before: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]
    after: Any = UNBOUND

    @property
    def ours(self) -> bool:
        """Whether conversion made it: a flag, or the value to be returned."""
        return self.text.startswith("_lm_")


def entry_slot(held: dict[Any, Any] | list[Any], key: Any, text: str, before: Any) -> Slot:
    """An entry of a dict or list, or an attribute in the dict of an object."""

    def read() -> Any:
        if isinstance(held, dict):
            return held.get(key, UNBOUND)
        return held[key] if key < len(held) else UNBOUND

    def write(value: Any) -> None:
        if value is UNBOUND:
            held.pop(key, None) if isinstance(held, dict) else held.pop(key)
        else:
            held[key] = value

    return Slot(("entry", id(held), key), text, before, read, write)


def list_slot(held: list[Any], text: str, before: list[Any]) -> Slot:
    """All elements of a list, whose number changes."""

    def write(value: Any) -> None:
        held[:] = value

    return Slot(("list", id(held)), text, before, lambda: list(held), write)


def elements_slot(tensor: Tensor, text: str) -> Slot:
    """The elements of a tensor into which is assigned; its other holders see them too."""
    return Slot(
        ("elements", id(tensor)),
        text,
        alias(tensor),
        lambda: alias(tensor),
        lambda value: rebind(tensor, value),
    )
