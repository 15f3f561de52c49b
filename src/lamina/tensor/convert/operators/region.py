"""A block that is traced: what it may change, what it changed, and everything as it was before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from lamina.base.errors import UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Identity
from lamina.tensor.convert.operators.places import Places
from lamina.tensor.convert.operators.slots import Slot, elements_slot
from lamina.tensor.convert.operators.state import UNBOUND, State, object_of, value_of
from lamina.tensor.tensor import Tensor, rebind

DEEPEST = 40
"""A block inside itself so often is a recursion that would never end."""


class _Regions(threading.local):
    """The blocks that this thread is in: a key for one that is traced, None for one that runs."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.hints: list[dict[str, Any]] = []


_regions = _Regions()


def tracing() -> bool:
    """Whether a block is traced that tensors decide about."""
    return any(key is not None for key in _regions.stack)


def decided_by_tensor() -> bool:
    """Whether the innermost block around runs because a tensor says so."""
    return bool(_regions.stack) and _regions.stack[-1] is not None


@contextmanager
def entered(name: str, key: Any) -> Iterator[None]:
    """Inside, a block is traced (`key` is its code) or run (None)."""
    if key is not None and _regions.stack.count(key) >= DEEPEST:
        raise UsageError(
            f"{name}: a function calls itself again and again inside this block",
            [f"calls inside one another: {DEEPEST}", "tensors decide when it ends"],
            "a program is finite: write it as a loop",
        )
    _regions.stack.append(key)
    try:
        yield
    finally:
        _regions.stack.pop()


@contextmanager
def hinted() -> Iterator[dict[str, Any]]:
    """Inside, `lm.bound_steps` writes into the dict."""
    found: dict[str, Any] = {}
    _regions.hints.append(found)
    try:
        yield found
    finally:
        _regions.hints.pop()


def hint(key: str, value: Any) -> None:
    """Say something about the loop around, if one is traced."""
    if _regions.hints:
        _regions.hints[-1][key] = value


@dataclass
class _Elements:
    """A tensor from outside into which the block may assign.

    Attributes:
        installed: its value when the block began.
    """

    tensor: Tensor
    slot: Slot
    installed: Any = None


class Region:
    """What a block may change.

    Args:
        name: of the statement, for errors.
        state: the variables of the function.
    """

    def __init__(self, name: str, state: State):
        self.name = name
        self.state = state
        self.before = state.values()
        self.places = Places()
        for text, read in state.roots:
            self.places.add(value_of(read), text)
        self.elements: list[_Elements] = []
        for text, read in state.bases:
            self._add_base(text, object_of(read))

    def _add_base(self, text: str, base: Any) -> None:
        if isinstance(base, Tensor):
            if all(base is not e.tensor for e in self.elements):
                self.elements.append(_Elements(base, elements_slot(base, text)))
            return
        known = base is UNBOUND or isinstance(base, type) or self.places.holds(base)
        if not known:
            raise UsageError(
                f"{self.name}: an assignment into {text!r} cannot be followed",
                [f"object: {type(base).__name__}"],
                "tensors decide whether it happens: assign into a tensor, a list, a dict, a "
                "module, or an object of your own class",
            )

    def variables(self) -> list[Slot]:
        """A slot for each variable that counts afterwards."""
        found = []
        for i, name in enumerate(self.state.names[: self.state.given]):
            read = partial(value_of, self.state.read[i])
            write = partial(self._write, i)
            found.append(Slot(("name", name), name, self.before[i], read, write))
        return found

    def _write(self, index: int, value: Any) -> None:
        values = self.state.values()
        values[index] = value
        self.state.write(values)

    def open(self) -> None:
        """Let the block assign into tensors from outside, whose values it then has to itself."""
        for one in self.elements:
            if one.tensor._value is one.slot.before._value:
                rebind(one.tensor, emit(Identity(), one.slot.before))
            one.installed = one.tensor._value

    def changed(self) -> list[Slot]:
        """Slots of what the block changed, other than variables."""
        found = self.places.changed(self.name)
        return found + [e.slot for e in self.elements if e.tensor._value is not e.installed]

    def restore(self) -> None:
        """Everything as it was."""
        self.state.write(self.before)
        self.places.restore()
        for one in self.elements:
            rebind(one.tensor, one.slot.before)
