"""Where the axes go: a key as one slice, one reshape and one permutation, around places.

    x --slice, flip--> cut --reshape--> open --permute--> [*before, *looked into, *after]

From there on places are read or written, with the axes of the indices between `before` and `after`:
where the advanced indices stand next to each other, their axes stand in their place; else first.
Source: NumPy's "Combining advanced and basic indexing".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lamina.base.dims import surely_zero
from lamina.base.errors import ShapeError
from lamina.graph.ir import emit
from lamina.graph.ops import Flip, Pad, Slice
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.creation import ones
from lamina.tensor.namespace.dynamic import dynamic_update_slice
from lamina.tensor.namespace.elementwise import where
from lamina.tensor.namespace.indexing.key import (
    At,
    Key,
    New,
    Part,
    Places,
    Range,
)
from lamina.tensor.namespace.manipulation import permute_dims, reshape
from lamina.tensor.promotion import broadcast_shapes, broadcast_to
from lamina.tensor.tensor import Tensor


@dataclass
class Layout:
    """The way from a tensor to the parts that a key names, and back.

    Attributes:
        ranges: for each axis, what is cut out of it.
        opened: the shape after cutting, with new axes and without those of integers.
        order: the axes of `opened` in the order before, looked into, after.
        before, sizes, after: the sizes of these.
        indices: one for each axis looked into, of one shape, spread over `before`.
        index_shape: that shape.
        places: what the indices came from.
    """

    ranges: list[Range] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    before: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    indices: list[Tensor] = field(default_factory=list)
    index_shape: tuple[int, ...] = ()
    places: list[Places] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what the key names."""
        return (*self.before, *self.index_shape, *self.after)

    # ------------------------------------------------------------ there

    def read(self, x: Tensor) -> Tensor:
        """[*before, *looked into, *after] of `x`."""
        return permute_dims(reshape(self.cut(x), self.opened), self.order)

    def cut(self, x: Tensor) -> Tensor:
        """The slices of `x`."""
        flipped = [r.axis for r in self.ranges if r.step < 0]
        if flipped:
            x = emit(Flip(tuple(a - x.ndim for a in flipped)), x)
        bounds = [_forward(r, n) for r, n in zip(self.ranges, x.shape, strict=True)]
        if all(b == (0, n, 1) for b, n in zip(bounds, x.shape, strict=True)):
            return x
        starts, stops, steps = zip(*bounds, strict=True)
        return emit(Slice(starts, stops, steps), x)

    # ------------------------------------------------------------ and back

    def write(self, x: Tensor, part: Tensor) -> Tensor:
        """`x` with `part`, which has the axes that `read` gives, put back."""
        back = [self.order.index(a) for a in range(len(self.order))]
        cut = [r.count for r in self.ranges]
        return self.uncut(x, reshape(permute_dims(part, back), cut))

    def uncut(self, x: Tensor, part: Tensor) -> Tensor:
        """`x` with `part` in place of what `cut` gives."""
        if surely_zero(part.size):
            return x
        bounds = [_forward(r, n) for r, n in zip(self.ranges, x.shape, strict=True)]
        flipped = [r.axis for r in self.ranges if r.step < 0]
        if flipped:
            part = emit(Flip(tuple(a - x.ndim for a in flipped)), part)
        firsts = [
            n - stop if r.step < 0 else start
            for r, n, (start, stop, _) in zip(self.ranges, x.shape, bounds, strict=True)
        ]
        if part.shape == x.shape:
            return part
        gaps = [step - 1 for _, _, step in bounds]
        if not any(gaps):
            return dynamic_update_slice(x, part, firsts)
        ends = [n - (f + (m - 1) * (g + 1) + 1)
                for n, f, m, g in zip(x.shape, firsts, part.shape, gaps, strict=True)]  # fmt: skip
        pad = Pad(tuple(firsts), tuple(ends), tuple(gaps))
        inside = emit(pad, ones(part.shape, dtype=bool))
        return where(inside, emit(pad, part), x)


def _forward(r: Range, size: int) -> tuple[int, int, int]:
    """Start, stop and step, after the axis was flipped where the step is negative."""
    if surely_zero(r.count):
        return 0, 0, 1
    start = r.start if r.step > 0 else size - 1 - r.start
    step = abs(r.step)
    return start, start + (r.count - 1) * step + 1, step


def layout_of(name: str, x: Tensor, key: Key, integers_are_places: bool = False) -> Layout:
    """The layout of a key without masks.

    Args:
        name: of the operation, for its errors.
        x: the tensor.
        key: its masks were looked at.
        integers_are_places: look known integers up too, next to other places, rather than cut.
    """
    found = Layout()
    places: list[tuple[int, Places]] = []  # axis of `opened`, what is looked up there
    parts = key.parts
    if integers_are_places and not key.is_basic:
        parts = tuple(_as_places(p) for p in parts)
    for part in parts:
        if isinstance(part, Range):
            found.ranges.append(part)
            found.opened.append(part.count)
        elif isinstance(part, At):
            found.ranges.append(Range(part.axis, part.place, 1, 1))
        elif isinstance(part, New):
            found.opened.append(1)
        elif isinstance(part, Places):
            sizes = x.shape[part.axis : part.axis + part.span]
            found.ranges += [Range(part.axis + i, 0, n, 1) for i, n in enumerate(sizes)]
            places.append((len(found.opened), part))
            found.opened.append(math.prod(sizes))
    _arrange(name, x, found, parts, places)
    return found


def _as_places(part: Part) -> Part:
    if not isinstance(part, At):
        return part
    known = np.asarray(part.place)
    return Places(part.axis, 1, asarray(known), known, False)


def _arrange(
    name: str, x: Tensor, found: Layout, parts: tuple[Part, ...], places: list[tuple[int, Places]]
) -> None:
    looked = [axis for axis, _ in places]
    others = [a for a in range(len(found.opened)) if a not in looked]
    first = _place_of_indices(parts, looked)
    before = [a for a in others if a < first]
    after = [a for a in others if a >= first]
    found.order = [*before, *looked, *after]
    found.before = tuple(found.opened[a] for a in before)
    found.sizes = tuple(found.opened[a] for a in looked)
    found.after = tuple(found.opened[a] for a in after)
    shapes = [p.indices.shape for _, p in places]
    try:
        found.index_shape = broadcast_shapes(name, shapes)
    except ShapeError:
        raise ShapeError(
            f"{name}: the indices do not fit together",
            [f"tensor: {x.type}", f"shapes of the indices: {', '.join(map(str, shapes))}"],
            "their shapes must broadcast; for a grid of rows and columns use lm.ix_",
        ) from None
    found.places = [p for _, p in places]
    full = (*found.before, *found.index_shape)
    found.indices = [broadcast_to(p.indices, full) for _, p in places]


def _place_of_indices(parts: tuple[Part, ...], looked: list[int]) -> int:
    """In front of which axis of `opened` the axes of the indices stand."""
    if not looked:
        return 0
    if not any(isinstance(p, Places) and p.is_array for p in parts):
        return looked[0]  # integers have no axes
    chosen = [i for i, p in enumerate(parts) if isinstance(p, Places | At)]
    between = parts[chosen[0] : chosen[-1] + 1]
    if not all(isinstance(p, Places | At) for p in between):
        return 0
    return sum(isinstance(p, Range | New) for p in parts[: chosen[0]])
