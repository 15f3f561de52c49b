"""Linear maps on the elements of tiles; each element is an array over all tiles of an image."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

from lamina.graph.ir.value import Value, emit
from lamina.graph.ops.call import Barrier
from lamina.graph.ops.item import items
from lamina.graph.ops.pairs import interleave
from lamina.graph.ops.shape import concatenate, reshape, slice_
from lamina.graph.passes.toom_cook import Matrix

Tiles = dict[tuple[int, ...], Value]
"""The elements of a tile by their place in it; one index an axis."""


def tiles_of(x: Value, counts: Sequence[int], step: int, size: int) -> Tiles:
    """Tiles of `size` elements an axis, `step` apart, `counts` along each of the last axes of x."""
    steps = (step,) * len(counts)
    return {
        starts: slice_(x, starts, [i + (n - 1) * step + 1 for i, n in zip(starts, counts)], steps)
        for starts in itertools.product(range(size), repeat=len(counts))
    }


def transformed(tiles: Tiles, matrix: Matrix) -> Tiles:
    """`matrix` applied along each axis of the tiles: M d M' for two."""
    for axis in range(len(next(iter(tiles)))):
        lines: dict[tuple[int, ...], list[Value]] = {}
        for place in sorted(tiles):
            lines.setdefault(place[:axis] + place[axis + 1 :], []).append(tiles[place])
        tiles = {
            (*rest[:axis], i, *rest[axis:]): combination(row, line)
            for rest, line in lines.items()
            for i, row in enumerate(matrix)
        }
    return tiles


def combination(factors: Sequence[Fraction], values: Sequence[Value]) -> Value:
    """The sum of values times factors, of which at least one is not zero."""
    terms = sorted(
        ((c, v) for c, v in zip(factors, values, strict=True) if c), key=lambda term: term[0] < 0
    )
    total: Value | None = None
    for c, v in terms:
        term = v if abs(c) == 1 else v * float(abs(c))
        if total is None:
            total = term if c > 0 else -term
        else:
            total = total + term if c > 0 else total - term
    assert total is not None
    return total


def assembled(tiles: Tiles) -> Value:
    """The image that the tiles make side by side: [..., t] of m elements -> [..., t m]."""
    axes = len(next(iter(tiles)))
    for axis in reversed(range(axes)):
        lines: dict[tuple[int, ...], list[Value]] = {}
        for place in sorted(tiles):
            lines.setdefault(place[:axis], []).append(tiles[place])
        tiles = {rest: _alternating(line, axis - axes) for rest, line in lines.items()}
        tiles = stored(tiles) if axis == axes - 1 else tiles
    return tiles[()]


def stored(tiles: Tiles) -> Tiles:
    """The same, computed once into memory rather than wherever they are read."""
    return dict(zip(tiles, items(emit(Barrier(), *tiles.values())), strict=True))


def _alternating(parts: Sequence[Value], axis: int) -> Value:
    """The parts' elements along an axis (negative) in turn."""
    count = len(parts)
    if count == 1:
        return parts[0]
    n, *rest = parts[0].shape[parts[0].rank + axis :]
    if axis == -1 and count % 2 == 0:
        pairs = interleave(_alternating(parts[::2], -1), _alternating(parts[1::2], -1))
        return reshape(pairs, pairs.shape[-2:], (n * count,))
    apart = [reshape(p, (n, *rest), (n, 1, *rest)) for p in parts]
    return reshape(concatenate(apart, axis), (n, count, *rest), (n * count, *rest))
