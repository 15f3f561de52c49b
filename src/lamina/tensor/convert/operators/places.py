"""Objects that a branch or a loop can reach: what it changes in them is found by comparing.

Dicts, lists, modules and instances of the user's own classes are compared entry by entry before
and after the block is traced, and put back. Sets and queues must not change at all.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from lamina.base.errors import UsageError
from lamina.tensor.containers import is_node
from lamina.tensor.convert.operators.ownership import is_users_class
from lamina.tensor.convert.operators.slots import Slot, entry_slot, list_slot
from lamina.tensor.convert.operators.state import UNBOUND

_FIXED = (set, deque, bytearray)


class Place:
    """A dict or list, or the attributes of an object."""

    def __init__(self, held: Any, text: str, is_object: bool):
        self.held = held
        self.text = text
        self.is_object = is_object
        self.before = copy.copy(held)

    def entry(self, key: Any) -> str:
        """What the user calls an entry."""
        return f"{self.text}.{key}" if self.is_object else f"{self.text}[{key!r}]"

    def changed(self) -> Iterator[Slot]:
        """A slot for each entry that is another object than before."""
        held, before = self.held, self.before
        if isinstance(held, list):
            if len(held) != len(before):
                yield list_slot(held, self.text, before)
                return
            for i, (new, old) in enumerate(zip(held, before, strict=True)):
                if new is not old:
                    yield entry_slot(held, i, self.entry(i), old)
            return
        for key in {**before, **held}:
            old = before.get(key, UNBOUND)
            if held.get(key, UNBOUND) is not old:
                yield entry_slot(held, key, self.entry(key), old)

    def restore(self) -> None:
        """Hold again what it held before."""
        if isinstance(self.held, list):
            self.held[:] = self.before
        elif any(True for _ in self.changed()):
            self.held.clear()
            self.held.update(self.before)


class Places:
    """Everything mutable that can be reached from some roots."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self._fixed: list[tuple[Any, str, Any]] = []
        self._known: dict[int, Any] = {}  # also keeps ids alive

    def add(self, value: Any, text: str) -> None:
        """Whatever can be reached from `value`, which the user calls `text`."""
        if id(value) in self._known or isinstance(value, str | bytes | int | float | type(None)):
            return
        self._known[id(value)] = value
        if isinstance(value, tuple):
            for i, child in enumerate(value):
                self.add(child, f"{text}[{i}]")
        elif isinstance(value, dict | list):
            self._hold(value, text, False)
        elif isinstance(value, _FIXED):
            self._fixed.append((value, text, copy.copy(value)))
        elif isinstance(value, MethodType):
            self.add(value.__self__, f"{text}.__self__")
        elif isinstance(value, partial):
            self.add((value.func, *value.args, *value.keywords.values()), text)
        elif isinstance(value, FunctionType):
            self._add_closure(value)
        elif (is_node(value) or is_users_class(type(value))) and hasattr(value, "__dict__"):
            self._hold(vars(value), text, True)

    def _add_closure(self, f: FunctionType) -> None:
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                held = cell.cell_contents
            except ValueError:
                continue
            if name != "_lm_":
                self.add(held, name)

    def _hold(self, held: Any, text: str, is_object: bool) -> None:
        place = self.places[id(held)] = Place(held, text, is_object)
        for key, child in list(held.items() if isinstance(held, dict) else enumerate(held)):
            self.add(child, place.entry(key))

    def holds(self, obj: Any) -> bool:
        """Whether changes of `obj` are seen."""
        return id(obj) in self._known and not isinstance(obj, _FIXED)

    def changed(self, name: str) -> list[Slot]:
        """A slot for everything that is another object than before.

        Args:
            name: of the statement, for errors.
        """
        for value, text, before in self._fixed:
            if value != before:
                raise UsageError(
                    f"{name}: the {type(value).__name__} {text!r} changes in it",
                    [f"before: {len(before)} elements", f"after:  {len(value)} elements"],
                    "tensors decide whether it does: keep it in a tensor, a list or a dict",
                )
        return [slot for place in self.places.values() for slot in place.changed()]

    def restore(self) -> None:
        """Everything as it was."""
        for place in self.places.values():
            place.restore()
        for value, _, before in self._fixed:
            if value != before:
                value.clear()
                value.extend(before) if not isinstance(value, set) else value.update(before)
