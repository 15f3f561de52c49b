"""Simplification of ops that only move or repeat elements."""

from __future__ import annotations

import math
from itertools import pairwise

from lamina.base.dtypes import DType
from lamina.graph.ir.op import REGISTRY
from lamina.graph.ir.pattern import splat, structural_rule
from lamina.graph.ir.value import Value, emit
from lamina.graph.ops.arithmetic import multiply
from lamina.graph.ops.constant import constant, lift
from lamina.graph.ops.convert import Cast, cast
from lamina.graph.ops.elementwise import Elementwise
from lamina.graph.ops.reduce import Expand, Max, Min, Product, Sum
from lamina.graph.ops.shape import Concatenate, Flip, Pad, Permute, Reshape, Slice

ELEMENTWISE = tuple(op for op in REGISTRY.values() if issubclass(op, Elementwise))


# ---------------------------------------------------------------------- permute


@structural_rule(Permute, Permute)
def merge_permutes(outer: Value, inner: Value) -> Value:
    """Two permutations are one.

    Before:  %x: f32[2,3,4];  %0 = permute((-1, -2)) %x;  %1 = permute((-2, -1, -3)) %0
    After:   %x: f32[2,3,4];  %0 = permute((-1, -2, -3)) %x
    """
    rank = max(len(outer.op.order), len(inner.op.order))
    first, second = _full(inner.op.order, rank), _full(outer.op.order, rank)
    return emit(Permute(tuple(first[a + rank] for a in second)), inner.operands[0])


def _full(order: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """`order` with the leading axes, which stay, written out."""
    return (*range(-rank, -len(order)), *order)


@structural_rule(Permute)
def shorten_permute(permuted: Value) -> Value | None:
    """Leading axes that stay are not named; a permutation of nothing is no op.

    Before:  %x: f32[2,3,4];  %0 = permute((-3, -1, -2)) %x
    After:   %x: f32[2,3,4];  %0 = permute((-1, -2)) %x
    """
    order = permuted.op.order
    stay = 0
    while stay < len(order) and order[stay] == stay - len(order):
        stay += 1
    if stay == len(order):
        return permuted.operands[0]
    return emit(Permute(order[stay:]), permuted.operands[0]) if stay else None


@structural_rule(Permute)
def permute_of_units(permuted: Value) -> Value | None:
    """Moving axes of size 1 past others moves no element.

    Before:  %x: f32[3,1,4];  %0 = permute((-2, -3, -1)) %x
    After:   %x: f32[3,1,4];  %0 = reshape((3, 1, 4), (1, 3, 4)) %x
    """
    x, order = permuted.operands[0], permuted.op.order
    moved = [a for a in order if x.shape[a] != 1]
    if any(a > b for a, b in pairwise(moved)):
        return None
    return _reshape(x, permuted.shape)


# ---------------------------------------------------------------------- reshape


def _reshape(x: Value, shape: tuple[int, ...]) -> Value:
    """`x` in another shape, naming only the axes behind those that stay."""
    if x.shape == shape:
        return x
    stay = 0
    while 0 not in shape and stay < min(len(shape), x.rank) - 1 and x.shape[stay] == shape[stay]:
        stay += 1
    return emit(Reshape(x.shape[stay:], shape[stay:]), x)


@structural_rule(Reshape, Reshape)
def merge_reshapes(outer: Value, inner: Value) -> Value:
    """Only the last shape counts.

    Before:  %x: f32[2,3,4];  %0 = reshape((3, 4), (12,)) %x;  %1 = reshape((2, 12), (24,)) %0
    After:   %x: f32[2,3,4];  %0 = reshape((2, 3, 4), (24,)) %x
    """
    return _reshape(inner.operands[0], outer.shape)


@structural_rule(Reshape)
def shorten_reshape(reshaped: Value) -> Value | None:
    """Leading axes that stay are not named; the same shape is no op.

    Before:  %x: f32[2,3,4];  %0 = reshape((2, 3, 4), (2, 12)) %x
    After:   %x: f32[2,3,4];  %0 = reshape((3, 4), (12,)) %x
    """
    x = reshaped.operands[0]
    short = _reshape(x, reshaped.shape)
    return None if short.op == reshaped.op else short


@structural_rule(ELEMENTWISE)
def compute_without_units(applied: Value) -> Value | None:
    """Axes of size 1 that only an operand's shape needs come after the computation.

    So what follows a reduction with kept axes is computed in the reduction's own shape, and both
    fit into one kernel.

    Before:  %x: f32[3,4];  %0 = reshape((4,), (4, 1)) %x;  %1 = exp %0
    After:   %x: f32[3,4];  %0 = exp %x;  %1 = reshape((4,), (4, 1)) %0
    """
    inner: list[Value] = []
    shapes: set[tuple[int, ...]] = set()
    for x in applied.operands:
        if splat(x) is None:
            if not isinstance(x.op, Reshape) or not _adds_units(x.op):
                return None
            shapes.add(x.operands[0].shape)
            x = x.operands[0]
        inner.append(x)
    if len(shapes) != 1:
        return None
    shape = shapes.pop()
    inner = [x if (c := splat(x)) is None else constant(c, x.dtype, shape) for x in inner]
    return _reshape(emit(applied.op, *inner), applied.shape)


def _adds_units(op: Reshape) -> bool:
    """Whether the target is the source with more axes of size 1."""
    source, target = ([n for n in sizes if n != 1] for sizes in (op.source, op.target))
    return source == target and len(op.source) < len(op.target)


# ---------------------------------------------------------------------- expand


@structural_rule(Expand)
def expand_by_units(expanded: Value) -> Value | None:
    """New axes of size 1, or none, only change the shape.

    Before:  %x: f32[3,4];  %0 = expand((-2,), (1,)) %x
    After:   %x: f32[3,4];  %0 = reshape((4,), (1, 4)) %x
    """
    if any(n != 1 for n in expanded.op.sizes):
        return None
    x, op = expanded.operands[0], expanded.op
    if not op.axes:
        return x
    span = -min(op.axes)
    target = expanded.shape[expanded.rank - span :]
    source = tuple(n for n, a in zip(target, range(-span, 0)) if a not in op.axes)
    return emit(Reshape(source, target), x) if source else _reshape(x, expanded.shape)


@structural_rule(Expand, Expand)
def merge_expands(outer: Value, inner: Value) -> Value:
    """Repeating along one axis and along another is repeating along both.

    Before:  %x: f32[4];  %0 = expand((-2,), (3,)) %x;  %1 = expand((-2,), (5,)) %0
    After:   %x: f32[4];  %0 = expand((-3, -2), (3, 5)) %x
    """
    kept = [a for a in range(-outer.rank, 0) if a not in outer.op.axes]
    sizes = dict(zip(outer.op.axes, outer.op.sizes))
    sizes |= {kept[a]: n for a, n in zip(inner.op.axes, inner.op.sizes)}
    axes = tuple(sorted(sizes))
    return emit(Expand(axes, tuple(sizes[a] for a in axes)), inner.operands[0])


# ---------------------------------------------------------------------- reductions


@structural_rule((Sum, Product, Max, Min))
def reduce_units(reduced: Value) -> Value | None:
    """One element, or none of the axes, needs no combining.

    Before:  %x: f32[3,1,4];  %0 = max((-2,)) %x
    After:   %x: f32[3,1,4];  %0 = reshape((1, 4), (4,)) %x
    """
    x = reduced.operands[0]
    if any(x.shape[a] != 1 for a in reduced.op.axes):
        return None
    return _reshape(x, reduced.shape)


@structural_rule((Max, Min), Expand)
def extreme_of_repeated(reduced: Value, expanded: Value) -> Value | None:
    """The maximum of equal elements is that element.

    Before:  %x: f32[4];  %0 = expand((-2,), (3,)) %x;  %1 = max((-2,)) %0
    After:   %x: f32[4];  return %x
    """
    same = reduced.op.axes == expanded.op.axes and 0 not in expanded.op.sizes
    return expanded.operands[0] if same else None


@structural_rule(Sum, Expand, exact=False)
def sum_of_repeated(reduced: Value, expanded: Value) -> Value | None:
    """The sum of n equal elements is n times that element.

    Before:  %x: f32[4];  %0 = expand((-2,), (3,)) %x;  %1 = sum((-2,)) %0
    After:   %x: f32[4];  %0 = constant(3.0, f32, (4,));  %1 = multiply %x, %0
    """
    if reduced.op.axes != expanded.op.axes or not reduced.dtype.is_float:
        return None
    x = expanded.operands[0]
    return multiply(x, lift(math.prod(expanded.op.sizes), x))


# ---------------------------------------------------------------------- slice, pad, flip


@structural_rule(Slice)
def slice_of_everything(sliced: Value) -> Value | None:
    """All of it, in steps of 1, is no op.

    Before:  %x: f32[3,4];  %0 = slice((0, 0), (3, 4), (1, 1)) %x
    After:   %x: f32[3,4];  return %x
    """
    return sliced.operands[0] if sliced.shape == sliced.operands[0].shape else None


@structural_rule(Slice, Slice)
def merge_slices(outer: Value, inner: Value) -> Value | None:
    """A part of a part is a part.

    Before:  %x: f32[20];  %0 = slice((2,), (20,), (3,)) %x;  %1 = slice((1,), (6,), (2,)) %0
    After:   %x: f32[20];  %0 = slice((5,), (18,), (6,)) %x
    """
    x, n = inner.operands[0], max(len(outer.op.starts), len(inner.op.starts))
    if 0 in outer.shape:
        return None
    parts = []
    for a in range(-n, 0):
        start, step = _start_and_step(inner, a)
        more, by = _start_and_step(outer, a)
        begin, stride = start + more * step, step * by
        parts.append((begin, begin + (outer.shape[a] - 1) * stride + 1, stride))
    starts, stops, steps = zip(*parts)
    return emit(Slice(starts, stops, steps), x)


def _start_and_step(sliced: Value, axis: int) -> tuple[int, int]:
    if -axis > len(sliced.op.starts):
        return 0, 1
    return sliced.op.starts[axis], sliced.op.steps[axis]


@structural_rule(Pad)
def pad_by_nothing(padded: Value) -> Value | None:
    """No zeros around and between is no op.

    Before:  %x: f32[3,4];  %0 = pad((0, 0), (0, 0), (0, 0)) %x
    After:   %x: f32[3,4];  return %x
    """
    op = padded.op
    same = not any((*op.low, *op.high)) and padded.shape == padded.operands[0].shape
    return padded.operands[0] if same else None


@structural_rule(Flip)
def flip_of_units(flipped: Value) -> Value | None:
    """Axes with one element, or no axes, need no turning.

    Before:  %x: f32[3,1];  %0 = flip((-1,)) %x
    After:   %x: f32[3,1];  return %x
    """
    x = flipped.operands[0]
    return x if all(x.shape[a] <= 1 for a in flipped.op.axes) else None


@structural_rule(Flip, Flip)
def merge_flips(outer: Value, inner: Value) -> Value:
    """An axis turned twice is not turned.

    Before:  %x: f32[3,4];  %0 = flip((-2, -1)) %x;  %1 = flip((-1,)) %0
    After:   %x: f32[3,4];  %0 = flip((-2,)) %x
    """
    axes = tuple(sorted(set(outer.op.axes) ^ set(inner.op.axes)))
    return emit(Flip(axes), inner.operands[0]) if axes else inner.operands[0]


@structural_rule(Concatenate)
def concatenate_one(joined: Value) -> Value | None:
    """One part is the whole.

    Before:  %x: f32[3,4];  %0 = concatenate(-1) %x
    After:   %x: f32[3,4];  return %x
    """
    return joined.operands[0] if len(joined.operands) == 1 else None


# ---------------------------------------------------------------------- constants


@structural_rule((Permute, Reshape, Expand, Slice, Flip))
def moved_constant(moved: Value) -> Value | None:
    """Equal elements look the same wherever they go.

    Before:  %0 = constant(0.5, f32, ());  %1 = expand((-2, -1), (3, 4)) %0
    After:   %0 = constant(0.5, f32, (3, 4))
    """
    value = splat(moved.operands[0])
    return None if value is None else constant(value, moved.dtype, moved.shape)


# ---------------------------------------------------------------------- cast


@structural_rule(Cast)
def cast_to_same(converted: Value) -> Value | None:
    """A value has its dtype already.

    Before:  %0 = cast(f32) %x
    After:   return %x
    """
    x = converted.operands[0]
    return x if x.dtype == converted.dtype else None


@structural_rule(Cast, Cast)
def merge_casts(outer: Value, inner: Value) -> Value | None:
    """A detour by a dtype that holds every value changes nothing.

    Before:  %x: f16[8];  %0 = cast(f32) %x;  %1 = cast(bf16) %0
    After:   %x: f16[8];  %0 = cast(bf16) %x
    """
    x = inner.operands[0]
    if not _holds(inner.dtype, x.dtype):
        return None
    if outer.dtype.is_integer and inner.dtype.is_float and not x.dtype.is_float:
        return None  # floats saturate where integers wrap
    return cast(x, outer.dtype)


_PRECISION_BITS = {"f16": 11, "bf16": 8, "f32": 24, "f64": 53}
_EXPONENT_BITS = {"f16": 5, "bf16": 8, "f32": 8, "f64": 11}


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether `wide` represents every value of `narrow`."""
    if wide == narrow or narrow.kind == "bool":
        return True
    if wide.is_float and narrow.is_float:
        return (
            _PRECISION_BITS[wide.name] >= _PRECISION_BITS[narrow.name]
            and _EXPONENT_BITS[wide.name] >= _EXPONENT_BITS[narrow.name]
        )
    magnitude = narrow.bits - (narrow.kind == "int")
    if wide.is_float:
        return narrow.is_integer and magnitude <= _PRECISION_BITS[wide.name]
    if not narrow.is_integer or not wide.is_integer or (narrow.kind, wide.kind) == ("int", "uint"):
        return False
    return magnitude <= wide.bits - (wide.kind == "int")
