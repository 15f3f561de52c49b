"""Other shapes and orders of the same elements: reshape, permute, join, split, repeat.

Source for all: Python array API 2024.12, "Manipulation functions", unless said otherwise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from operator import index
from typing import Any

from lamina.base import dtypes
from lamina.base.dims import Dim, larger, smaller, surely_negative, surely_zero
from lamina.base.errors import AxisError, ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Concatenate, Flip, Gather, Permute, Reshape, Slice
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.promotion import broadcast_shapes, broadcast_to, common_dtype
from lamina.tensor.tensor import Tensor, alias, apart


def normal_axis(name: str, axis: int, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        AxisError: there is no such axis.
    """
    if not -rank <= axis < rank:
        raise AxisError(f"{name}: no axis {axis}", [f"the tensor has {rank} axes"])
    return axis % rank


def reshape(x: Any, /, shape: int | Sequence[int], *, copy: bool | None = None) -> Tensor:
    """The elements of `x` in row-major order in another shape; one size may be -1.

    Args:
        x: the tensor.
        shape: the new sizes.
        copy: True gives a tensor of its own; a tensor does not change, so the others need none.

    Raises:
        ShapeError: the shape holds another number of elements.
    """
    x = asarray(x, copy=True) if copy else asarray(x)
    wanted = sizes_of(shape, low=-1)
    if wanted.count(-1) == 1:
        known = -math.prod(wanted)
        if known == 0 or x.size % known:
            raise _unfilled(x, wanted)
        wanted = tuple(x.size // known if n == -1 else n for n in wanted)
    if any(surely_negative(n) for n in wanted) or math.prod(wanted) != x.size:
        raise _unfilled(x, wanted)
    return alias(x) if wanted == x.shape else emit(Reshape(x.shape, wanted), x)


def _unfilled(x: Tensor, wanted: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        f"reshape: {x.size} elements do not fill {wanted}",
        [f"tensor: {x.type}", f"wanted: {wanted}"],
        "the sizes must multiply to the number of elements; -1 stands for the one that fits",
    )


def permute_dims(x: Any, /, axes: Sequence[int]) -> Tensor:
    """The axes in another order: axis i of the result is axis axes[i] of `x`."""
    x = asarray(x)
    order = tuple(normal_axis("permute_dims", a, x.ndim) for a in axes)
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(
            "permute_dims: not a permutation of the axes", [f"tensor: {x.type}", f"axes: {axes}"]
        )
    if order == tuple(range(x.ndim)):
        return alias(x)
    return emit(Permute(tuple(a - x.ndim for a in order)), x)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """`permute_dims`, with all axes reversed when none are given. Source: NumPy."""
    x = asarray(x)
    return permute_dims(x, range(x.ndim)[::-1] if axes is None else axes)


def matrix_transpose(x: Any, /) -> Tensor:
    """The last two axes exchanged."""
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError("matrix_transpose: fewer than two axes", [f"tensor: {x.type}"])
    return emit(Permute((-1, -2)), x)


def swapaxes(x: Any, first: int, second: int) -> Tensor:
    """Two axes exchanged. Source: NumPy."""
    x = asarray(x)
    order = list(range(x.ndim))
    i, j = (normal_axis("swapaxes", a, x.ndim) for a in (first, second))
    order[i], order[j] = j, i
    return permute_dims(x, order)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int], /) -> Tensor:
    """Axes moved to other places; the others keep their order."""
    x = asarray(x)
    sources = [source] if isinstance(source, int) else list(source)
    places = [destination] if isinstance(destination, int) else list(destination)
    sources = [normal_axis("moveaxis", a, x.ndim) for a in sources]
    places = [normal_axis("moveaxis", a, x.ndim) for a in places]
    order = [a for a in range(x.ndim) if a not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, order)


def expand_dims(x: Any, /, *, axis: int = 0) -> Tensor:
    """A new axis of size 1 at position `axis` of the result."""
    x = asarray(x)
    place = normal_axis("expand_dims", axis, x.ndim + 1)
    return reshape(x, (*x.shape[:place], 1, *x.shape[place:]))


def squeeze(x: Any, /, axis: int | Sequence[int] | None = None) -> Tensor:
    """`x` without axes of size 1: the given ones, or all."""
    x = asarray(x)
    if axis is None:
        gone = {i for i, n in enumerate(x.shape) if n == 1}
    else:
        axes = (axis,) if isinstance(axis, int) else axis
        gone = {normal_axis("squeeze", a, x.ndim) for a in axes}
    for a in gone:
        if x.shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} has size {x.shape[a]}", [f"tensor: {x.type}"])
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in gone))


def flatten(x: Any, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """Axes `start_axis` to `end_axis` joined into one. Source: PyTorch, `flatten`."""
    x = asarray(x)
    if x.ndim == 0:
        return reshape(x, (1,))
    first, last = (normal_axis("flatten", a, x.ndim) for a in (start_axis, end_axis))
    joined = math.prod(x.shape[first : last + 1])
    return reshape(x, (*x.shape[:first], joined, *x.shape[last + 1 :]))


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """All arrays repeated to one shape."""
    given = [asarray(a) for a in arrays]
    shape = broadcast_shapes("broadcast_arrays", [a.shape for a in given])
    return [apart(broadcast_to(a, shape), x) for a, x in zip(given, arrays, strict=True)]


def _same_dtype(name: str, arrays: Sequence[Any]) -> list[Tensor]:
    given = tuple(asarray(a) for a in arrays)
    if not given:
        raise UsageError(f"{name}: no tensors")
    dtype = common_dtype(name, given)
    return [cast(a, dtype) for a in given]


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Tensor:
    """The tensors one after the other along `axis`; flattened first when it is None."""
    given = _same_dtype("concat", arrays)
    if axis is None:
        given, axis = [reshape(a, (-1,)) for a in given], 0
    place = normal_axis("concat", axis, given[0].ndim) - given[0].ndim
    return emit(Concatenate(place), *given) if len(given) > 1 else apart(given[0], arrays[0])


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Tensor:
    """The tensors one after the other along a new axis."""
    given = _same_dtype("stack", arrays)
    return concat([expand_dims(a, axis=axis) for a in given], axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along `axis`, without it."""
    x = asarray(x)
    place = normal_axis("unstack", axis, x.ndim)
    if x.shape[place] == 0:
        return ()
    return tuple(squeeze(part, place) for part in split(x, x.shape[place], axis=place))


def take_range(x: Tensor, axis: int, start: int, stop: int, step: int = 1) -> Tensor:
    """Elements `start`, `start + step`, ... below `stop` of one axis, as a view."""
    if (start, stop, step) == (0, x.shape[axis], 1):
        return alias(x)
    place = axis % x.ndim - x.ndim
    sizes = x.shape[place:]
    rest = len(sizes) - 1
    return emit(Slice((start, *[0] * rest), (stop, *sizes[1:]), (step, *[1] * rest)), x)


def split(x: Any, parts: int | Sequence[int], *, axis: int = 0) -> list[Tensor]:
    """`x` cut along `axis` into equal `parts`, or before each of the given indices. Source: NumPy.

    Raises:
        ShapeError: the axis does not divide into so many parts.
    """
    x = asarray(x)
    place = normal_axis("split", axis, x.ndim)
    size = x.shape[place]
    if isinstance(parts, int | Dim):
        parts = index(parts)
        if parts < 1 or size % parts:
            raise ShapeError(
                f"split: axis {place} does not divide into {parts} equal parts",
                [f"tensor: {x.type}"],
            )
        cuts = [i * (size // parts) for i in range(1, parts)]
    else:
        cuts = [smaller(larger(c + size if c < 0 else c, 0), size) for c in parts]
    edges = [0, *cuts, size]
    return [take_range(x, place, a, larger(a, b)) for a, b in itertools.pairwise(edges)]


def flip(x: Any, /, *, axis: int | Sequence[int] | None = None) -> Tensor:
    """The elements in reverse order along the given axes, or all."""
    x = asarray(x)
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    chosen = sorted({normal_axis("flip", a, x.ndim) - x.ndim for a in axes})
    return emit(Flip(tuple(chosen)), x) if chosen else alias(x)


def roll(
    x: Any, /, shift: int | Sequence[int], *, axis: int | Sequence[int] | None = None
) -> Tensor:
    """The elements moved by `shift` places along `axis`, around the end; flattened when None."""
    x = asarray(x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, axis=0), x.shape)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    for a, s in zip(axes, shifts, strict=True):
        place = normal_axis("roll", a, x.ndim)
        size = x.shape[place]
        cut = _first_moved(size, s)
        if not surely_zero(cut):
            head, tail = take_range(x, place, 0, cut), take_range(x, place, cut, size)
            x = concat([tail, head], axis=place)
    return alias(x)


def _first_moved(size: Any, shift: int) -> Any:
    """The place of the element that `roll` moves to the front."""
    if type(size) is not Dim:
        return -shift % size if size else 0
    return smaller(-shift, size) if shift < 0 else larger(size - shift, 0)


def tile(x: Any, repetitions: Sequence[int], /) -> Tensor:
    """`x` repeated as a whole along each axis."""
    x = asarray(x)
    rank = max(x.ndim, len(repetitions))
    times = (1,) * (rank - len(repetitions)) + tuple(repetitions)
    sizes = (1,) * (rank - x.ndim) + x.shape
    spread = [n for pair in zip(times, sizes, strict=True) for n in pair]
    opened = reshape(x, [n for size in sizes for n in (1, size)])
    return reshape(
        broadcast_to(opened, tuple(spread)), [t * n for t, n in zip(times, sizes, strict=True)]
    )


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each element repeated along `axis`; flattened when None.

    Args:
        x: the tensor.
        repeats: how often, for all elements or for each position along the axis. The shape of the
            result follows from it, so in `jit` it must be known.
        axis: the axis.

    Raises:
        ShapeError: there is neither one count nor one for each position.
    """
    x = asarray(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    place = normal_axis("repeat", axis, x.ndim)
    counts = sizes_of(repeats.tolist() if isinstance(repeats, Tensor) else repeats)
    if len(counts) > 1:
        return _repeated_each(x, counts, place)
    (repeats,) = counts or (0,)
    opened = expand_dims(x, axis=place + 1)
    spread = (*x.shape[: place + 1], repeats, *x.shape[place + 1 :])
    joined = (*x.shape[:place], x.shape[place] * repeats, *x.shape[place + 1 :])
    return reshape(broadcast_to(opened, spread), joined)


def _repeated_each(x: Tensor, counts: tuple[int, ...], place: int) -> Tensor:
    if len(counts) != x.shape[place]:
        raise ShapeError(
            f"repeat: {len(counts)} counts for an axis of size {x.shape[place]}",
            [f"tensor: {x.type}"],
            "give one count, or one for each position along the axis",
        )
    positions = asarray([i for i, n in enumerate(counts) for _ in range(n)], dtype=dtypes.int64)
    moved = moveaxis(x, place, 0)
    return moveaxis(emit(Gather(x.ndim - 1, 1), moved, positions), 0, place)
