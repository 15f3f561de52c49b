"""Long reductions in two levels, so that their parts run in parallel."""

from __future__ import annotations

import math

from lamina.base.dtypes import float32
from lamina.graph.ir.graph import Graph, rebuild
from lamina.graph.ir.value import Value, emit
from lamina.graph.ops.arithmetic import add, maximum, minimum, multiply
from lamina.graph.ops.convert import cast
from lamina.graph.ops.reduce import Max, Min, Product, Reduction, Sum
from lamina.graph.ops.shape import reshape, slice_
from lamina.graph.passes.pass_ import graph_pass

MAX_KEPT_ELEMENTS = 64  # with as many results there is enough to do in parallel
MIN_REDUCED_ELEMENTS = 32768
CHUNKS = 64
MAX_CHUNKS = 4096

_COMBINE = {Sum: add, Product: multiply, Max: maximum, Min: minimum}


@graph_pass
def split_reductions(graph: Graph) -> Graph:
    """Reduce to a few elements by way of chunks.

    Where the leading reduced axes make good chunks they are kept for the second level; else the
    reduced axes are cut into chunks, and a tail that does not fill them is combined at the end.

    Before:
        %x: f32[100001]
        %0 = sum((-1,)) %x
    After:
        %x: f32[100001]
        %0 = slice((0,), (99968,), (1,)) %x
        %1 = reshape((99968,), (64, 1562)) %0
        %2 = sum((-1,)) %1
        %3 = sum((-1,)) %2
        %4 = slice((99968,), (100001,), (1,)) %x
        %5 = sum((-1,)) %4
        %6 = add %3, %5
    """
    return rebuild(graph, _split)


def _split(v: Value, operands: tuple[Value, ...]) -> Value | None:
    if not isinstance(v.op, Reduction) or type(v.op) not in _COMBINE:
        return None
    x, op = operands[0], v.op
    axes = len(op.axes)
    sizes = x.shape[x.rank - axes :]
    length = math.prod(sizes)
    if op.axes != tuple(range(-axes, 0)) or length <= MIN_REDUCED_ELEMENTS:
        return None
    if v.type.size >= MAX_KEPT_ELEMENTS or v.type.size == 0:
        return None
    if x.dtype.is_float and x.dtype.bits == 16 and isinstance(op, Sum | Product):
        return cast(_in_levels(op, cast(x, float32), sizes), x.dtype)  # chunks are not rounded
    return _in_levels(op, x, sizes)


def _in_levels(op: Reduction, x: Value, sizes: tuple[int, ...]) -> Value:
    """`op` over the trailing axes, of the given sizes, in two levels."""
    kind, length = type(op), math.prod(sizes)
    for count in range(1, len(sizes)):
        if CHUNKS <= math.prod(sizes[:count]) <= MAX_CHUNKS:
            inner = emit(kind(tuple(range(count - len(sizes), 0))), x)
            return emit(kind(tuple(range(-count, 0))), inner)
    flat = reshape(x, sizes, (length,))
    chunks = next((n for n in range(CHUNKS, 4 * CHUNKS) if length % n == 0), CHUNKS)
    each = length // chunks
    body = each * chunks
    main = flat if body == length else slice_(flat, (0,), (body,))
    partial = emit(kind((-1,)), reshape(main, (body,), (chunks, each)))
    whole = emit(kind((-1,)), partial)
    if body == length:
        return whole
    return _COMBINE[kind](whole, emit(kind((-1,)), slice_(flat, (body,), (length,))))
