"""Values of one place, from several branches or from before and after a step, as one of one type.

A tree of tensors is merged leaf by leaf. Python numbers take the dtype of the tensor they meet;
among themselves they stay numbers in 64 bits. What is no tensor must be the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError, LaminaError, ShapeError, UsageError
from lamina.graph.ir import TensorType
from lamina.tensor.containers import contents, entries, rebuilt
from lamina.tensor.conversion import asarray, cast, constant_like
from lamina.tensor.convert.operators.slots import Slot
from lamina.tensor.convert.operators.state import UNBOUND
from lamina.tensor.promotion import KIND_ORDER
from lamina.tensor.tensor import Tensor, alias

_WIDE = {
    "bool": dtypes.bool_,
    "int": dtypes.int64,
    "float": dtypes.float64,
    "complex": dtypes.complex128,
}
_NUMBERS = (bool, int, float, complex)


@dataclass(frozen=True)
class Leaf:
    """A tensor of the merged value.

    Attributes:
        index: its number among the leaves.
        number: whether it stands for a Python number.
    """

    index: int
    type: TensorType
    number: bool


@dataclass(frozen=True)
class Same:
    """What is the same everywhere."""

    value: Any


@dataclass(frozen=True)
class Inner:
    """A container of the merged value."""

    like: Any
    parts: tuple[Any, ...]


@dataclass
class Merged:
    """Slots with templates of their values.

    Attributes:
        leaves: for each side, the tensors of all slots in order.
    """

    slots: list[Slot] = field(default_factory=list)
    templates: list[Any] = field(default_factory=list)
    types: list[TensorType] = field(default_factory=list)
    leaves: list[list[Any]] = field(default_factory=list)

    def values(self, tensors: Sequence[Tensor]) -> list[Any]:
        """The values of the slots from tensors for the leaves."""
        return [_filled(t, tensors) for t in self.templates]

    def signature(self) -> tuple[Any, ...]:
        """Equal where the templates have the same leaves at the same places."""
        keys = tuple(slot.key for slot in self.slots)
        return (keys, tuple(self.types), tuple(_signature(t) for t in self.templates))

    def converted(self) -> list[list[Tensor]]:
        """For each side, its leaves as tensors of the common types."""
        return [
            [as_type(x, t) for x, t in zip(side, self.types, strict=True)] for side in self.leaves
        ]


class Merger:
    """Merges the values of slots.

    Args:
        name: of the statement, for errors.
        sides: what the user calls each side, such as "before the loop".
        fixed_numbers: whether equal numbers on all sides stay as they are.
        excused: sides on which a variable may have no value, since nothing reads it there.
    """

    def __init__(
        self,
        name: str,
        sides: Sequence[str],
        fixed_numbers: bool,
        excused: frozenset[int] = frozenset(),
    ):
        self.name = name
        self.excused = excused
        self.sides = sides
        self.fixed_numbers = fixed_numbers

    def __call__(self, slots: Sequence[Slot], values: Sequence[Sequence[Any]]) -> Merged:
        """One value for each slot, from one for each side."""
        self.merged = Merged(list(slots), [], [], [[] for _ in self.sides])
        for slot, row in zip(slots, values, strict=True):
            self.slot = slot
            self.row = row
            self.merged.templates.append(self._merge(list(row)))
        return self.merged

    def _merge(self, row: list[Any]) -> Any:
        known = [x for x in row if x is not UNBOUND]
        if not known:
            return Same(UNBOUND)
        missing = [i for i, x in enumerate(row) if x is UNBOUND]
        if missing and not self.slot.ours and not self.excused.issuperset(missing):
            raise self._unbound()
        first = known[0]
        if all(x is first for x in known) and len(known) == len(row) and not self._moves(first):
            return Same(first)
        if all(is_numeric(x) for x in known):
            return self._leaf(row, known)
        return self._inner(row, known)

    def _moves(self, x: Any) -> bool:
        """Whether a value that is the same on both sides of a loop is a state all the same.

        A list or dict that is assigned into, but not replaced, is not: its entries are.
        """
        return not self.fixed_numbers and (is_numeric(x) or isinstance(x, tuple))

    def _leaf(self, row: list[Any], known: list[Any]) -> Any:
        numbers = all(isinstance(x, _NUMBERS) and not isinstance(x, np.generic) for x in known)
        if numbers and self.fixed_numbers and len({(type(x), repr(x)) for x in known}) == 1:
            return Same(known[0])
        strong = list(dict.fromkeys(_type(x) for x in known if not is_number(x)))
        weak = [x for x in known if is_number(x)]
        kinds = [_kind(x) for x in weak]
        highest = max(kinds, key=KIND_ORDER.__getitem__) if kinds else "bool"
        if not strong:
            type_ = TensorType(_WIDE[highest])
        else:
            type_ = strong[0]
            fits = KIND_ORDER[highest] <= KIND_ORDER[type_.dtype.kind] and type_.shape == ()
            if len(strong) > 1 or (weak and not fits):
                raise self._types_differ(row)
        for side, x in zip(self.merged.leaves, row, strict=True):
            side.append(x)
        self.merged.types.append(type_)
        number = not strong and highest != "bool"
        return Leaf(len(self.merged.types) - 1, type_, number)

    def _inner(self, row: list[Any], known: list[Any]) -> Any:
        first = known[0]
        held = [contents(x) for x in known]
        if held[0] is None or any(h is None for h in held):
            if all(_equal(first, x) for x in known):
                return Same(first)
            raise self._kinds_differ()
        keys = [[k for k, _ in entries(h)] for h in held]
        if any(type(x) is not type(first) for x in known) or any(k != keys[0] for k in keys):
            raise self._kinds_differ()
        open_: list[Any] = [
            UNBOUND if x is UNBOUND else [c for _, c in entries(contents(x))] for x in row
        ]
        parts = []
        for i in range(len(keys[0])):
            column: list[Any] = [UNBOUND if c is UNBOUND else c[i] for c in open_]
            parts.append(self._merge(column))
        return Inner(first, tuple(parts))

    # ------------------------------------------------------------ errors

    def _facts(self) -> list[str]:
        width = max(map(len, self.sides)) + 1
        return [f"{s + ':':{width}} {described(x)}" for s, x in zip(self.sides, self.row)]

    def _what(self) -> str:
        return "the value returned" if self.slot.ours else repr(self.slot.text)

    def _unbound(self) -> LaminaError:
        help = "give it a value on every way"
        if not self.fixed_numbers:
            help = "give it a value of the same type before the loop, which may do no step"
        what = f"{self._what()} has a value on one side only"
        return UsageError(f"{self.name}: {what}", self._facts(), help)

    def _types_differ(self, row: list[Any]) -> LaminaError:
        shapes = {() if is_number(x) else _type(x).shape for x in row if x is not UNBOUND}
        kind = ShapeError if len(shapes) > 1 else DTypeError
        help = "cast one of them, or start with a tensor of the later type"
        if len(shapes) > 1:
            help = "give it one shape: reshape or pad, or start with a tensor of the later shape"
        return kind(f"{self.name}: {self._what()} has two types", self._facts(), help)

    def _kinds_differ(self) -> LaminaError:
        return UsageError(
            f"{self.name}: {self._what()} is not the same kind of thing on both sides",
            self._facts(),
            "tensors decide which one it is: give it one structure, with tensors for what differs",
        )


def _signature(template: Any) -> Any:
    if isinstance(template, Leaf):
        return (template.index, template.number)
    if isinstance(template, Inner):
        return (type(template.like), tuple(map(_signature, template.parts)))
    return None


def is_numeric(x: Any) -> bool:
    """Whether `x` is or makes a tensor."""
    return isinstance(x, (Tensor, np.ndarray, np.generic, *_NUMBERS))


def is_number(x: Any) -> bool:
    """Whether `x` is a Python number or stands for one."""
    if isinstance(x, Tensor):
        return x.weak
    return isinstance(x, _NUMBERS) and not isinstance(x, np.generic)


def as_type(x: Any, wanted: TensorType) -> Tensor:
    """A leaf as a tensor of the common type; zeros in place of none."""
    if x is UNBOUND:
        return constant_like(0, wanted)
    if isinstance(x, Tensor):
        return cast(strong(x), wanted.dtype)
    if is_number(x):
        return constant_like(x, wanted)
    return asarray(x)


def strong(x: Tensor) -> Tensor:
    """The tensor with its own dtype, where it stands for a number."""
    if not x.weak:
        return x
    made = alias(x)
    made.weak = False
    return made


def _type(x: Any) -> TensorType:
    return asarray(x).type if not isinstance(x, Tensor) else x.type


def _kind(x: Any) -> str:
    if isinstance(x, Tensor):
        return x.dtype.kind
    return "bool" if isinstance(x, bool) else type(x).__name__


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:
        return False


def _filled(template: Any, tensors: Sequence[Tensor]) -> Any:
    if isinstance(template, Leaf):
        found = tensors[template.index]
        if template.number:
            found = alias(found)
            found.weak = True
        return found
    if isinstance(template, Inner):
        return rebuilt(template.like, [_filled(p, tensors) for p in template.parts])
    return template.value


def described(x: Any) -> str:
    """A value in one line: types of tensors, kinds of numbers."""
    if x is UNBOUND:
        return "no value"
    if isinstance(x, bool | int | float | complex) and not isinstance(x, np.generic):
        return f"{x!r}, a Python number"
    if is_numeric(x):
        kind = _kind(x) if is_number(x) else ""
        return f"a Python number ({kind})" if kind else str(_type(x))
    held = contents(x)
    if held is None or not isinstance(held, dict | list | tuple):
        return repr(x)
    if held is not x:
        return f"a {type(x).__name__}"
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {described(v)}" for k, v in x.items()) + "}"
    inner = ", ".join(map(described, held))
    if isinstance(x, tuple):
        return f"({inner}{',' if len(x) == 1 else ''})"
    return f"[{inner}]"
