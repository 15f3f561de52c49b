"""What an operand looks at: windows, permutations and reversals are reads of one value elsewhere.

The windows f32[N,C,Y,X,3,3] of a padded image f32[N,C,Y+2,X+2] hold each of its elements nine
times. Their *source* is the padded image: element (n, c, y, x, h, w) of the windows is its element
(n, c, y + h, x + w). A block of the source in scratch serves every window in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Expr
from lamina.backend.schedule.policies.contract_axes import Axes, Letters
from lamina.backend.schedule.pull import Index, Pull
from lamina.graph.ir import Value
from lamina.graph.ops import Expand, Flip, Pad, Permute, Reshape, Slice, Window

VIEWS = Expand | Flip | Permute | Reshape | Slice | Window


@dataclass(frozen=True)
class Axis:
    """An axis of a source, and of a block of it, which holds every `scale`-th index.

    Attributes:
        base: the index where all letters are zero.
        scale: how far a step in the block is in the source.
        steps: how many steps in the block each letter takes.
    """

    base: int
    scale: int
    steps: Mapping[str, int]


@dataclass(frozen=True)
class Dilation:
    """Only every `step`-th index of an axis holds anything but zeros: those at `first` and on.

    Attributes:
        outer: the letter of the results.
        inner: the letter of the sum, by which the index grows in steps of `stride`.
    """

    outer: str
    inner: str
    step: int
    first: int
    stride: int


@dataclass(frozen=True)
class Source:
    """A value that an operand sees through views.

    Attributes:
        value: the value.
        axes: how each of its axes is read.
    """

    value: Value
    axes: tuple[Axis, ...]

    def rooms(self, extents: Mapping[str, int]) -> tuple[int, ...]:
        """How far each axis of a block is read while letters run through `extents`."""
        found = []
        for axis in self.axes:
            room = 1
            for letter, step in axis.steps.items():
                room += step * (extents.get(letter, 1) - 1)
            found.append(room)
        return tuple(found)

    def first_axis(self, letter: str) -> int:
        """The first axis that is read elsewhere when the letter grows; -1 where there is none."""
        return next((i for i, axis in enumerate(self.axes) if axis.steps.get(letter)), -1)

    def dilations(self, rows: Letters, summed: Letters) -> Iterator[Dilation]:
        """The axes that are mostly zeros, as far as a letter of `rows` and one of `summed` read
        them: the gradient of a convolution with steps has zeros between its elements."""
        pad = self.value.op
        if not isinstance(pad, Pad):
            return
        padded = self.axes[self.value.rank - len(pad.low) :]
        for axis, low, interior in zip(padded, pad.low, pad.interior, strict=True):
            outers = [c for c in axis.steps if c in rows]
            inners = [c for c in axis.steps if c in summed]
            if not interior or (len(outers), len(inners), len(axis.steps)) != (1, 1, 2):
                continue
            outer, inner = outers[0], inners[0]
            stride = axis.steps[inner]
            if axis.steps[outer] == 1 and math.gcd(stride, interior + 1) == 1:
                yield Dilation(outer, inner, interior + 1, low - axis.base, stride)


def pitches_of(rooms: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index of each axis to the next."""
    return tuple(math.prod(rooms[a + 1 :]) for a in range(len(rooms)))


def find_source(axes: Axes, which: int) -> Source | None:
    """What an operand of windows that overlap sees; None for other operands."""
    chain = [axes.operands[which]]
    while isinstance(chain[-1].op, VIEWS):
        chain.append(chain[-1].operands[0])
    if not any(isinstance(v.op, Window) for v in chain):
        return None
    source = _read(axes, which, min(chain, key=lambda v: v.type.size))
    if source is None or all(len(axis.steps) < 2 for axis in source.axes):
        return None
    return source


def _read(axes: Axes, which: int, value: Value) -> Source | None:
    """How `value` is read: pulls the operand and looks at the index that arrives there."""
    s = Builder()
    pull = Pull(s)
    arrived: list[Index] = []

    def record(index: Index) -> Expr:
        arrived.append(index)
        return s.constant(0, str(value.dtype))

    pull.bind(value, record)
    letters = axes.letters[which]
    at = {c: s.loop(c, axes.size_of[c]) for c in letters}
    pull.element(axes.operands[which], tuple(at[c] for c in letters))
    (index,) = arrived
    found: list[Axis] = []
    for e in index:
        steps = {c: s.coefficient(e, at[c]) for c in letters}
        own = {c: step for c, step in steps.items() if step}
        if None in steps.values() or (len(own) > 1 and min(own.values()) < 0):
            return None
        base = s.affine.form(e).constant
        if len(own) == 1:
            ((letter, scale),) = own.items()
            found.append(Axis(base, scale, {letter: 1}))
        else:
            found.append(Axis(base, 1, own))
    return Source(value, tuple(found))
