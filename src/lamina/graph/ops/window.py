"""Sliding windows, and the sum of windows back into place. With Contract they make convolutions
and with Max or Sum they make pooling; each is the other's derivative."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit
from lamina.graph.ops.elementwise import NUMBERS, in_single
from lamina.graph.ops.shape import Index, trailing, when_all


def count_windows(op: Op, n: int, size: int, step: int, dilation: int) -> int:
    """How many windows of `size` elements, `dilation` apart, fit into n when moved by `step`."""
    reach = (size - 1) * dilation + 1
    if size < 1 or step < 1 or dilation < 1 or reach > n:
        raise ShapeError(
            f"{op.name}: the window does not fit",
            [f"axis: {n} elements", f"window: {size}, dilated by {dilation}: {reach} elements"],
            "take a smaller window, or pad the axis; size, step and dilation are at least 1",
        )
    return (n - reach) // step + 1


@frozen
class Window(Op):
    """Sliding windows over the last axes: y[..., o, w] = x[..., o * step + w * dilation].

    [*lead, n1..nk] -> [*lead, o1..ok, w1..wk] with o = (n - (w-1) d - 1) // s + 1.  Inputs: any.
    Source: im2col, Chellapilla et al. 2006.  Mirror of Fold.
    """

    part_by_part = True
    cost = 0
    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    dilations: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        axes = trailing(self, len(self.sizes), x)
        counts = tuple(
            count_windows(self, *numbers)
            for numbers in zip(axes, self.sizes, self.steps, self.dilations, strict=True)
        )
        return x.with_shape(x.shape[: x.rank - len(axes)] + counts + self.sizes)

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.asarray(arrays[0])
        k = len(self.sizes)
        lead = x.ndim - k
        for axis, (w, s, d) in enumerate(zip(self.sizes, self.steps, self.dilations)):
            at = lead + 2 * axis
            count = (x.shape[at] - (w - 1) * d - 1) // s + 1
            x = np.take(x, np.arange(count)[:, None] * s + np.arange(w) * d, axis=at)
        inner = range(lead, lead + 2 * k)
        return np.ascontiguousarray(np.transpose(x, (*range(lead), *inner[::2], *inner[1::2])))

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        shape = x.shape[x.rank - len(self.sizes) :]
        return fold(bar, shape, self.sizes, self.steps, self.dilations)

    def view(self, s: Any, index: Index, x: Any) -> Any:
        k = len(self.sizes)
        lead = len(index) - 2 * k
        read = []
        for a in range(k):
            o, w = index[lead + a], index[lead + k + a]
            if self.steps[a] != 1:
                o = s.multiply(o, s.constant(self.steps[a], "i64"))
            if self.dilations[a] != 1:
                w = s.multiply(w, s.constant(self.dilations[a], "i64"))
            read.append(s.add(o, w) if self.sizes[a] > 1 else o)
        return x(index[:lead] + tuple(read))


def window(
    x: Any,
    sizes: Sequence[int],
    steps: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
) -> Any:
    """Sliding windows over the last axes: [..., n] -> [..., o, w] for each of them."""
    ones = (1,) * len(sizes)
    return emit(Window(tuple(sizes), tuple(steps or ones), tuple(dilations or ones)), x)


@frozen
class Fold(Op):
    """Windows summed back into place: y[..., h] = sum of x[..., o, w] over o step + w dilation = h.

    [*lead, o1..ok, w1..wk] -> [*lead, *shape].  Inputs: a number.  Source: col2im.
    Mirror of Window.
    """

    part_by_part = True
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    dilations: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        self.require(NUMBERS, *types)
        x = types[0]
        have = trailing(self, 2 * len(self.sizes), x)
        counts = tuple(
            count_windows(self, *numbers)
            for numbers in zip(self.shape, self.sizes, self.steps, self.dilations, strict=True)
        )
        if have != counts + self.sizes:
            raise ShapeError(
                "fold: these are not the windows of that shape",
                [f"x: {x}", f"windows of {self.shape}: {counts + self.sizes}"],
                "give the shape, sizes, steps and dilations the windows were made with",
            )
        return x.with_shape(x.shape[: x.rank - len(have)] + self.shape)

    def reference(self, *arrays: Any) -> np.ndarray:
        return in_single(self._sum, *arrays)

    def _sum(self, x: np.ndarray) -> np.ndarray:
        k = len(self.sizes)
        lead = x.ndim - 2 * k
        counts = x.shape[lead : lead + k]
        out = np.zeros((*x.shape[:lead], *self.shape), x.dtype)
        for offsets in itertools.product(*(range(w) for w in self.sizes)):
            places = tuple(
                slice(w * d, w * d + (o - 1) * s + 1, s)
                for w, d, s, o in zip(offsets, self.dilations, self.steps, counts)
            )
            out[(..., *places)] += x[(..., *(slice(None) for _ in counts), *offsets)]
        return out

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return window(bar, self.sizes, self.steps, self.dilations)

    def view(self, s: Any, index: Index, x: Any) -> Any:
        """Where windows do not overlap, one element or zero; else a sum over the window."""
        k = len(self.sizes)
        lead = len(index) - k
        counts = x.type.shape[lead : lead + k]

        def along(axis: int, o: tuple[Any, ...], w: tuple[Any, ...], met: list[Any]) -> Any:
            if axis == k:
                return when_all(s, met, lambda: x(index[:lead] + o + w), x.type)
            h, count = index[lead + axis], counts[axis]
            if self._apart(axis):
                at, position, conditions = self._only_window(s, axis, h, count)
                return along(axis + 1, (*o, at), (*w, position), met + conditions)

            terms, find = self._windows_over(s, axis, h, count)

            def term(number: Any) -> Any:
                at, position, conditions = find(number)
                return along(axis + 1, (*o, at), (*w, position), met + conditions)

            return s.sum(terms, term)

        return along(0, (), (), [])

    def _apart(self, axis: int) -> bool:
        """Whether windows along the axis do not overlap."""
        return (self.sizes[axis] - 1) * self.dilations[axis] < self.steps[axis]

    def _only_window(self, s: Any, axis: int, h: Any, count: int) -> tuple[Any, Any, list[Any]]:
        """The one window over position h, the place in it, and the conditions that they exist."""
        step, dilation, size = self.steps[axis], self.dilations[axis], self.sizes[axis]
        if step == 1:
            o, rest = h, s.constant(0, "i64")
        else:
            o, rest = (
                s.floor_divide(h, s.constant(step, "i64")),
                s.remainder(h, s.constant(step, "i64")),
            )
        met = []
        if self.shape[axis] > count * step:
            met.append(s.less(o, s.constant(count, "i64")))
        if dilation > 1:
            met.append(
                s.equal(s.remainder(rest, s.constant(dilation, "i64")), s.constant(0, "i64"))
            )
            rest = s.floor_divide(rest, s.constant(dilation, "i64"))
        if size * dilation < step:
            met.append(s.less(rest, s.constant(size, "i64")))
        return o, rest, met

    def _windows_over(
        self, s: Any, axis: int, h: Any, count: int
    ) -> tuple[int, Callable[[Any], tuple[Any, Any, list[Any]]]]:
        """How many windows may be over position h; what gives each.

        A window, the place in it, and the conditions that they exist. Without dilation, the last
        window that begins at or before h is h // step, and the one before has h a step further in;
        with it, each place is tried.
        """
        step, size = self.steps[axis], self.sizes[axis]
        if self.dilations[axis] != 1:
            return size, lambda w: self._window_at(s, axis, h, w, count)
        zero, each = s.constant(0, "i64"), s.constant(step, "i64")
        last = h if step == 1 else s.floor_divide(h, each)
        rest = zero if step == 1 else s.remainder(h, each)

        def find(number: Any) -> tuple[Any, Any, list[Any]]:
            o = s.subtract(last, number)
            w = number if step == 1 else s.add(s.multiply(number, each), rest)
            met = [s.less_equal(zero, o), s.less(o, s.constant(count, "i64"))]
            if size % step:
                met.append(s.less(w, s.constant(size, "i64")))
            return o, w, met

        return -(-size // step), find

    def _window_at(
        self, s: Any, axis: int, h: Any, w: Any, count: int
    ) -> tuple[Any, Any, list[Any]]:
        """The window that has position h at place w, and the conditions that it exists."""
        step = s.constant(self.steps[axis], "i64")
        zero = s.constant(0, "i64")
        distance = s.subtract(h, s.multiply(w, s.constant(self.dilations[axis], "i64")))
        met = [s.less_equal(zero, distance), s.equal(s.remainder(distance, step), zero)]
        o = s.floor_divide(distance, step)
        return o, w, [*met, s.less(o, s.constant(count, "i64"))]


def fold(
    x: Any,
    shape: Sequence[int],
    sizes: Sequence[int],
    steps: Sequence[int],
    dilations: Sequence[int],
) -> Any:
    """The windows of `window` summed back into axes of sizes `shape`."""
    return emit(Fold(tuple(shape), tuple(sizes), tuple(steps), tuple(dilations)), x)
