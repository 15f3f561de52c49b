"""Named axes: a transform that runs a function for each member of an axis binds it to a name.

`vmap` does for its examples. Inside, whoever needs the axis finds it by its name, so that what a
function says about an axis does not depend on what runs the members.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lamina.base.errors import UsageError
from lamina.graph.ir import Value
from lamina.tensor.tensor import Tensor, wrap

AxisName = Hashable
"""What names an axis: a string, as a rule. A tuple of names stands for several axes."""


@dataclass(frozen=True)
class Axis:
    """An axis that a transform has bound to a name.

    Attributes:
        name: what users call it.
        size: the number of members.
        place: that of the member which the function runs for, i32[].
    """

    name: AxisName
    size: int
    place: Value

    @property
    def here(self) -> Tensor:
        """The place as a tensor of the caller's own."""
        return wrap(self.place)


class _Bound(threading.local):
    """The axes that have a name in this thread, the innermost last."""

    axes: tuple[Axis, ...] = ()


_bound = _Bound()


@contextmanager
def bound(axes: Sequence[Axis]) -> Iterator[None]:
    """Inside, the axes are found by their names; they hide outer ones of the same names."""
    outer = _bound.axes
    _bound.axes = (*outer, *axes)
    try:
        yield
    finally:
        _bound.axes = outer


def in_sight() -> tuple[Axis, ...]:
    """The axes that are found by a name here."""
    return tuple({a.name: a for a in _bound.axes}.values())


def axis_of(function: str, name: AxisName) -> Axis:
    """The axis of a name.

    Args:
        function: who asks, for errors.
        name: of one axis.

    Raises:
        UsageError: no axis has the name.
    """
    for axis in reversed(_bound.axes):
        if axis.name == name:
            return axis
    names = ", ".join(repr(a.name) for a in in_sight())
    raise UsageError(
        f"{function}: no axis has the name {name!r}",
        [f"named here: {names or 'none'}"],
        f"name it where the function is mapped: lm.vmap(f, axis_name={name!r})",
    )


def axes_of(function: str, names: AxisName) -> list[Axis]:
    """The axes of one name or of a tuple of names, the outermost of the tuple first."""
    every = names if isinstance(names, tuple) else (names,)
    return [axis_of(function, name) for name in every]
