"""A contraction of which only a part is read computes only that part."""

from __future__ import annotations

import math

from lamina.graph.ir.graph import Graph, rebuild
from lamina.graph.ir.value import Value
from lamina.graph.ops.contract import Contract, contract
from lamina.graph.ops.shape import Pad, Slice, pad, slice_
from lamina.graph.ops.window import Window, window
from lamina.graph.passes.pass_ import graph_pass

Ranges = list[tuple[int, int]]
"""Start and stop for each axis."""


@graph_pass
def narrow_contractions(graph: Graph) -> Graph:
    """Slice the windows of a contraction rather than its result, if nobody else reads that.

    The gradient of a convolution in its input has the size of the padded image until the padding
    is cut off; so it is never computed.

    Before:
        %x: f32[2,5,8]
        %w: f32[4,5,3]
        %0 = pad((2,), (2,), (0,)) %x
        %1 = window((3,), (1,), (1,)) %0
        %2 = contract("ncxi,oci->nox") %1, %w
        %3 = slice((1,), (9,), (1,)) %2
    After:
        %x: f32[2,5,8]
        %w: f32[4,5,3]
        %0 = pad((1,), (1,), (0,)) %x
        %1 = window((3,), (1,), (1,)) %0
        %2 = contract("ncxi,oci->nox") %1, %w
    """
    outputs = {v.id for v in graph.outputs}

    def rewrite(v: Value, operands: tuple[Value, ...]) -> Value | None:
        if not isinstance(v.op, Slice) or not isinstance(operands[0].op, Contract):
            return None
        product = v.operands[0]
        alone = len(graph.users[product.id]) == 1 and product.id not in outputs
        return _narrowed(v.op, operands[0]) if alone else None

    return rebuild(graph, rewrite)


def _narrowed(op: Slice, product: Value) -> Value | None:
    """The contraction of fewer windows; None where the slice is not one of places alone."""
    left, right, out = product.op.axes
    if set(op.steps) != {1} or len(op.starts) > len(out) or not math.prod(product.shape):
        return None
    letters = out[len(out) - len(op.starts) :]
    whole = product.shape[product.rank - len(letters) :]
    read = zip(op.starts, op.stops)
    ranges = {c: some for c, some, n in zip(letters, read, whole) if some != (0, n)}
    if any(start == stop for start, stop in ranges.values()):
        return None
    operands = list(product.operands)
    for i, (mine, others) in enumerate(((left, right), (right, left))):
        if set(ranges) <= set(mine) - set(others):
            found = _fewer(operands[i], mine, ranges)
            if found is not None:
                operands[i] = found
                return contract(operands[0], operands[1], product.op.spec)
    return None


def _fewer(v: Value, letters: str, ranges: dict[str, tuple[int, int]]) -> Value | None:
    """The windows at the places of `ranges`; None where `v` is no windows with those places."""
    if not isinstance(v.op, Window) or v.rank != len(letters):
        return None
    op, axes = v.op, len(v.op.sizes)
    places = letters[-2 * axes : -axes]
    if not set(ranges) <= set(places):
        return None
    inner: Ranges = []
    sizes = v.shape[-2 * axes : -axes]
    for c, n, size, step, dilation in zip(places, sizes, op.sizes, op.steps, op.dilations):
        start, stop = ranges.get(c, (0, n))
        inner.append((start * step, (stop - 1) * step + (size - 1) * dilation + 1))
    source = _part(v.operands[0], inner)
    return None if source is None else window(source, op.sizes, op.steps, op.dilations)


def _part(x: Value, ranges: Ranges) -> Value | None:
    """A part of x along its last axes: of what is padded less, with fewer zeros around it."""
    op, axes = x.op, len(ranges)
    if not isinstance(op, Pad):
        return slice_(x, [a for a, _ in ranges], [b for _, b in ranges])
    if len(op.low) != axes or any(op.interior):
        return None
    inside = x.operands[0]
    sizes = inside.shape[inside.rank - axes :]
    starts = [max(a - low, 0) for (a, _), low in zip(ranges, op.low)]
    stops = [min(b - low, n) for (_, b), low, n in zip(ranges, op.low, sizes)]
    if any(a >= b for a, b in zip(starts, stops)):
        return None
    before = [max(low - a, 0) for (a, _), low in zip(ranges, op.low)]
    behind = [max(b - low - n, 0) for (_, b), low, n in zip(ranges, op.low, sizes)]
    cut = inside if stops == list(sizes) and not any(starts) else slice_(inside, starts, stops)
    return pad(cut, before, behind)
